// One HTTP/2 connection, downstream or upstream: nghttp2's session and what we keep beside it; and one of its streams.
//
// Owner: the worker. A session lives as long as its connection speaks; nghttp2's callbacks get its address, which a slab
// entry never changes. A stream's entry lives as long as nghttp2 knows the stream: longer than the `HTTPStream` where the
// peer has not taken all of the answer. Nothing is done inside a callback but noting what happened (`H2Event`).

import CNghttp2
import Primitives
import Ring
import Stats
import Transport
import Wire

@safe
struct H2Session {
    /// Bytes framed and not yet taken by the kernel, at most, before streams wait in their own queues.
    static let outMax = 256 << 10
    /// How long a host may take nothing of a full queue before its connection is given up. `docs/limits.md`.
    static let stuckMs: UInt64 = 10_000

    var handle: Handle
    var connection: Handle
    let worker: Unmanaged<Worker>
    var codec: OpaquePointer
    var options: UnsafePointer<H2Options>
    let isServer: Bool
    /// First statistic of `http2.` or `cluster.<name>.http2.` (`HTTP2CodecStat`).
    let stats: UInt32

    /// Live streams, newest first.
    var first = Handle.none
    var streamCount: UInt32 = 0
    /// Of the streams those whose request is not over. Of the others bytes, or a reset, have still to leave: where the peer
    /// takes nothing they stay.
    var requestsUnderWay: UInt32 = 0
    var requests: UInt64 = 0
    /// Since when there is no request, or since when no byte of what they left behind has gone, in milliseconds: PINGs and
    /// SETTINGS are no activity.
    var idleSinceMs: UInt64 = 0
    /// Since when the connection's queue is full and none of it has left, in milliseconds; 0: it is not.
    var fullSinceMs: UInt64 = 0

    /// The head that is being received.
    var reader = H2HeadReader()
    var readerStream = Handle.none

    /// In the worker's list of sessions that have something to send.
    var isDue = false
    /// GOAWAY with an error has been sent or is on its way: nothing more is read.
    var isTerminated = false
    /// Bytes have come, and came again: what came first could be read. And nghttp2's error for what could not.
    var isHeard = false
    var hasRead = false
    var error: Int32 = 0
    /// nghttp2 could not frame any more: it has failed, or there was no memory.
    var framingFailed = false
    /// All is said; the connection closes with its last bytes, or when the peer does.
    var isOver = false
    /// Bytes that wait at paused streams and that the connection's window has got back all the same, and how many may.
    var lent = 0
    var lentMax: Int { unsafe Int(options.pointee.connectionWindow) }
    var guards = H2Guards()
    var waiting = H2Waiting()
    /// Payloads of METADATA frames that nghttp2 has been given and has not framed, in its order.
    var metadataOut = ByteQueue()
    /// Of METADATA that lies at its streams, or at requests that came by it (`H2Metadata`).
    var metadataReceived = 0
    var metadataWaiting = 0
    var keepalive = H2Keepalive()
    /// Some request of it asks for bytes of the wire, or has asked (`WireMeter`): its frames are looked at.
    var metersWire = false

    // Downstream.
    var http: UnsafePointer<HTTPConfig>?
    var drain = H2Drain()
    var resets = H2Resets()

    // Upstream.
    var pool = H2PoolState()
}

@safe
struct H2Stream {
    let handle: Handle
    let session: Handle
    var id: Int32
    /// The request; none: over, while bytes of it are still to be sent.
    var stream: Handle = .none
    var next = Handle.none
    var previous = Handle.none

    /// Body that waits for the peer's windows and the connection.
    var out = ByteQueue()
    /// Bytes of `out` that count among the session's.
    var countedBytes = 0
    /// Bytes of the body that have been framed.
    var framedBytes: UInt64 = 0
    /// METADATA, in either direction (`H2Metadata`).
    var metadata = Handle.none
    var trailers: MessageHead?
    /// The end follows what is in `out`.
    var endsBehind = false
    /// nghttp2 has asked for body and got none: it asks again when told.
    var isDeferred = false
    /// The source of the body is paused because `out` is above its limit.
    var isAboveHigh = false

    /// What comes is not consumed: the peer's window stays as it is.
    var isPaused = false
    var unconsumed = 0
    /// How much of it the connection's window has got back already.
    var lent = 0
    /// The final response head has come (upstream).
    var hasHead = false
    var sawEnd = false
    var sentEnd = false
    var isReset = false
    var wasResetByPeer = false
    /// RST_STREAM(NO_ERROR) follows our end: the rest of the request is not wanted (RFC 9113 §8.1).
    var resetsBehindEnd = false
    /// What the peer did wrong on it.
    var fault = H2Fault.none
    var flushTimer: TimerNode
}

/// Why a stream ends for its peer's fault; `%RESPONSE_CODE_DETAILS%` in Envoy's words.
enum H2Fault: UInt8 {
    case none, messaging, headerField, other, emptyFrames, tooLarge, tooMany, underscore, cookies

    var details: StaticString {
        switch self {
        case .none: "http2.remote_reset"
        case .messaging: "http2.violation.of.messaging.rule"
        case .headerField: "http2.invalid.header.field"
        case .other: "http2.unknown.nghttp2.error"
        case .emptyFrames: "http2.inbound_empty_frames_flood"
        case .tooLarge: "http2.header_list_size_too_large"
        case .tooMany: "http2.too_many_headers"
        case .cookies: "http2.cookies_total_bytes_too_large"
        case .underscore: "http2.unexpected_underscore"
        }
    }
}

/// What nghttp2 told, to be acted on when it has returned.
@safe
struct H2Event {
    enum Kind: UInt8 {
        case head, interim, data, end, trailers, sentEnd, drained, closed, goaway, settings, ping, refusedHead, metadata
    }
    var kind: Kind
    var endStream = false
    var session: Handle
    var stream = Handle.none
    /// Error code, status, stream id or place among the worker's blocks, by kind.
    var code: UInt32 = 0
    var base: UnsafePointer<UInt8>?
    /// Bytes; of an interim response its head's place among the worker's, from 1; 0: it is not kept.
    var count = 0
}

extension Worker {
    // MARK: Opening

    /// A session for a connection; nil: no memory.
    func openSession(
        _ connection: UnsafeMutablePointer<Connection>, options: UnsafePointer<H2Options>, isServer: Bool, stats: UInt32
    ) -> UnsafeMutablePointer<H2Session>? {
        guard let (handle, session) = unsafe h2.sessions.allocate() else { return nil }
        guard let codec = unsafe h2.codec(isServer: isServer, options, UnsafeMutableRawPointer(session)) else {
            h2.sessions.free(handle)
            return nil
        }
        unsafe session.initialize(
            to: H2Session(
                handle: handle, connection: connection.pointee.handle, worker: Unmanaged.passUnretained(self), codec: codec,
                options: options, isServer: isServer, stats: stats))
        unsafe connection.pointee.session = handle
        if isServer { cells.increment(stats &+ HTTP2CodecStat.nghttp2DownstreamConnections.rawValue) }
        unsafe session.pointee.idleSinceMs = nowMs
        // There from the first frame on, 0 or not (`usedonly`).
        cells.gaugeAdd(stats &+ HTTP2CodecStat.outboundFramesActive.rawValue, 0)
        cells.gaugeAdd(stats &+ HTTP2CodecStat.outboundControlFramesActive.rawValue, 0)
        unsafe announce(session)
        return unsafe session
    }

    /// The settings that Envoy announces, in its order, and the connection's window.
    private func announce(_ session: UnsafeMutablePointer<H2Session>) {
        let options = unsafe session.pointee.options
        h2.settings.removeAll()
        func add(_ id: Int, _ value: UInt32) {
            h2.settings.append(
                nghttp2_settings_entry(settings_id: Int32(truncatingIfNeeded: id), value: value))
        }
        // A setting of the operator's takes the place of ours.
        func isCustom(_ id: Int) -> Bool {
            let custom = unsafe options.pointee.custom
            for i in 0..<custom.count where Int(custom[i].identifier) == id { return true }
            return false
        }
        func addOurs(_ id: Int, _ value: UInt32) { if !isCustom(id) { add(id, value) } }
        let custom = unsafe options.pointee.custom
        for i in 0..<custom.count { add(Int(custom[i].identifier), custom[i].value) }
        unsafe addOurs(1, options.pointee.hpackTableSize)
        if unsafe session.pointee.isServer {
            unsafe addOurs(8, options.pointee.allowConnect ? 1 : 0)
        } else {
            addOurs(2, 0)
        }
        unsafe addOurs(3, options.pointee.concurrentStreamsMax)
        unsafe addOurs(4, options.pointee.streamWindow)
        _ = unsafe nghttp2_submit_settings(
            session.pointee.codec, UInt8(NGHTTP2_FLAG_NONE.rawValue), h2.settings.base, h2.settings.count)
        _ = unsafe nghttp2_session_set_local_window_size(
            session.pointee.codec, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0,
            Int32(truncatingIfNeeded: min(options.pointee.connectionWindow, UInt32(Int32.max))))
        unsafe markDue(session)
    }

    // MARK: Streams

    /// Call from anywhere but `nghttp2_session_mem_send`. `id` 0: not known yet.
    func openH2Stream(_ session: UnsafeMutablePointer<H2Session>, id: Int32, _ stream: Handle) -> UnsafeMutablePointer<H2Stream>? {
        guard let (handle, entry) = unsafe h2.streams.allocate() else { return nil }
        unsafe entry.initialize(
            to: H2Stream(
                handle: handle, session: session.pointee.handle, id: id, stream: stream,
                flushTimer: TimerNode(token: Operation.codecTimer.token(handle))))
        unsafe entry.pointee.next = unsafe session.pointee.first
        if let next = unsafe h2.streams[session.pointee.first] { unsafe next.pointee.previous = handle }
        unsafe session.pointee.first = handle
        unsafe session.pointee.streamCount &+= 1
        unsafe session.pointee.requestsUnderWay &+= 1
        unsafe cells.gaugeAdd(session.pointee.stats &+ HTTP2CodecStat.streamsActive.rawValue, 1)
        return unsafe entry
    }

    // HOT: per message.
    /// The request is over; what is left of the stream may go on.
    func requestLeft(_ entry: UnsafeMutablePointer<H2Stream>) {
        guard unsafe !entry.pointee.stream.isNone else { return }
        unsafe entry.pointee.stream = .none
        guard let session = unsafe h2.sessions[entry.pointee.session] else { return }
        unsafe session.pointee.requestsUnderWay &-= 1
        if unsafe session.pointee.requestsUnderWay > 0 { return }
        unsafe session.pointee.idleSinceMs = nowMs
        unsafe watchIfLeft(session)
    }

    // HOT: per frame.
    /// The connection's queue is full: nothing is framed until the peer has taken some.
    @inline(__always)
    func isFull(_ connection: UnsafeMutablePointer<Connection>) -> Bool { unsafe connection.pointee.out.count >= H2Session.outMax }

    // HOT: per completion.
    /// The peer has taken some of it.
    func taken(_ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>) {
        if unsafe session.pointee.fullSinceMs != 0 { unsafe session.pointee.fullSinceMs = isFull(connection) ? nowMs : 0 }
        if unsafe session.pointee.requestsUnderWay == 0, unsafe session.pointee.streamCount > 0 { unsafe session.pointee.idleSinceMs = nowMs }
    }

    func freeH2Stream(_ entry: UnsafeMutablePointer<H2Stream>) {
        unsafe requestLeft(entry)
        unsafe entry.pointee.out.removeAll(memory)
        if let session = unsafe h2.sessions[entry.pointee.session] {
            unsafe session.pointee.waiting.count(entry)
            if let previous = unsafe h2.streams[entry.pointee.previous] {
                unsafe previous.pointee.next = unsafe entry.pointee.next
            } else {
                unsafe session.pointee.first = unsafe entry.pointee.next
            }
            if let next = unsafe h2.streams[entry.pointee.next] { unsafe next.pointee.previous = unsafe entry.pointee.previous }
            unsafe session.pointee.streamCount &-= 1
            if unsafe session.pointee.streamCount == 0 { unsafe session.pointee.idleSinceMs = nowMs }
            unsafe giveBackConnectionWindow(session, entry)
            unsafe cells.gaugeAdd(session.pointee.stats &+ HTTP2CodecStat.streamsActive.rawValue, -1)
        }
        unsafe timers.cancel(entry.flushTimerNode)
        unsafe entry.pointee.trailers?.destroy()
        unsafe freeMetadata(&entry.pointee.metadata)
        unsafe h2.streams.free(entry.pointee.handle)
    }

    /// Frees the session and what is left of its streams; their requests must have been told.
    func closeSession(_ session: UnsafeMutablePointer<H2Session>) {
        while let entry = unsafe h2.streams[session.pointee.first] { unsafe freeH2Stream(entry) }
        unsafe showWaiting(session, frames: 0, control: 0)
        unsafe setCapacity(session, 0)
        unsafe nghttp2_session_del(session.pointee.codec)
        unsafe session.pointee.metadataOut.removeAll(memory)
        // Its requests have been told, and its streams are gone.
        assert(unsafe session.pointee.metadataReceived == 0 && session.pointee.metadataWaiting == 0, "METADATA of nobody")
        unsafe h2.sessions.free(session.pointee.handle)
    }
}

extension UnsafeMutablePointer where Pointee == H2Stream {
    @inline(__always)
    var flushTimerNode: UnsafeMutablePointer<TimerNode> {
        unsafe (UnsafeMutableRawPointer(self) + MemoryLayout<H2Stream>.offset(of: \.flushTimer).unsafelyUnwrapped)
            .assumingMemoryBound(to: TimerNode.self)
    }
}
