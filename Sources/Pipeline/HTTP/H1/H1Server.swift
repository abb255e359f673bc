// A downstream HTTP/1 connection: bytes become requests, one after the other.
//
// The decoder's events go to the stream (`requestHead…`, `requestData`, `requestEnded`); what the stream answers is
// encoded into the connection's queue by `H1ServerSend`. A pipelined request waits, undecoded, until the one before it
// is answered: responses keep the order, and what waits is bounded by the buffer limit.

import Primitives
import Ring
import Stats
import Transport
import Wire

@safe
struct H1Server {
    var handle: Handle
    var connection: Handle
    var http: UnsafePointer<HTTPConfig>
    var decoder: H1RequestDecoder
    /// The request that is being read or answered.
    var stream: Handle = .none
    /// Bytes behind the current request.
    var pending = ByteQueue()
    var requests: UInt64 = 0
    /// A byte has come.
    var hasBegun = false
    /// Bytes that came and may be the beginning of HTTP/2's preface.
    var prefaceBytes: UInt8 = 0
    /// Everything is answered; what still comes is thrown away until the peer closes.
    var isLingering = false
    var isDraining = false
    var isFeeding = false
    var lingerUntilMs: UInt64 = 0
    var closeAtMs: UInt64 = 0
    /// Draining: until when a next request is waited for.
    var drainAtMs: UInt64 = 0
    /// The end of the drain that a timeout has begun (`drain_timeout`); then the connection closes.
    var drainedAtMs: UInt64 = 0
    var isDrained = false
    var headersDeadlineMs: UInt64 = 0
}

extension Worker {
    /// A connection that carries HTTP. Which one its first bytes say, where `codec_type` does not.
    func httpOpened(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) {
        let stats = unsafe http.pointee.stats
        count(stats, .downstreamCxTotal)
        gauge(stats, .downstreamCxActive, 1)
        unsafe showBuffered(connection, http)
        if unsafe connection.pointee.tls != nil {
            count(stats, .downstreamCxSslTotal)
            gauge(stats, .downstreamCxSslActive, 1)
        }
        guard unsafe http.pointee.codec == .http2 else { return unsafe http1Opened(connection, http) }
        unsafe http2Opened(connection, http)
        unsafe connections.receive(connection)
    }

    func showBuffered(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) {
        let stats = unsafe http.pointee.stats
        unsafe connections.showBuffered(
            connection, rx: stats &+ HTTPConnectionManagerStat.downstreamCxRxBytesBuffered.rawValue,
            tx: stats &+ HTTPConnectionManagerStat.downstreamCxTxBytesBuffered.rawValue)
    }

    private func http1Opened(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) {
        guard let (handle, server) = unsafe servers.allocate() else {
            unsafe close(connection)
            return
        }
        unsafe server.initialize(
            to: H1Server(
                handle: handle, connection: connection.pointee.handle, http: http,
                decoder: H1RequestDecoder(options: http.pointee.decoder)))
        unsafe connection.pointee.role = .http1Downstream
        unsafe connection.pointee.session = handle
        if unsafe http.pointee.connectionDurationMaxMs != 0 {
            unsafe server.pointee.closeAtMs = unsafe nowMs &+ http.pointee.connectionDurationMaxMs
        }
        unsafe armServerTimer(server, connection)
        unsafe connections.receiveOnce(connection)
        if drain != .none { unsafe beginDrain(server, connection) }
    }

    // MARK: Receiving

    // HOT: per frame.
    func http1DownstreamReceived(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, buffer: UInt16?) {
        guard let server = unsafe servers[connection.pointee.session] else { return }
        if unsafe !server.pointee.hasBegun, unsafe server.pointee.http.pointee.codec == .auto,
            unsafe bytes[0] == UInt8(ascii: "P") || server.pointee.prefaceBytes > 0,
            unsafe beginsHTTP2(server, connection, bytes, buffer)
        {
            return
        }
        unsafe count(server.pointee.http.pointee.stats, .downstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes.count))
        if unsafe !server.pointee.hasBegun {
            // A connection's protocol is known with its first byte, and counted then.
            unsafe server.pointee.hasBegun = true
            unsafe count(server.pointee.http.pointee.stats, .downstreamCxHttp1Total)
            unsafe gauge(server.pointee.http.pointee.stats, .downstreamCxHttp1Active, 1)
        }
        if unsafe server.pointee.isLingering { return }
        if unsafe !server.pointee.pending.isEmpty || isAnswering(server) {
            unsafe keep(server, connection, bytes, buffer)
            return
        }
        // By name: with nothing in flight a connection that is closed is gone, and its place is nobody's.
        let handle = unsafe server.pointee.handle
        let cursor = unsafe feed(server, bytes, buffer)
        guard unsafe servers[handle] == server else { return }
        if cursor < bytes.count, unsafe !server.pointee.isLingering {
            unsafe keep(server, connection, bytes.from(cursor), buffer)
            guard unsafe servers[handle] == server else { return }
        }
        if unsafe !connection.pointee.isReceiving, unsafe !connection.pointee.isPaused { unsafe receiveOn(server, connection) }
    }

    /// The handshake is complete: where the codec is found out, ALPN says it before the first byte does.
    func httpNegotiated(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        guard unsafe connection.pointee.role == .http1Downstream, let server = unsafe servers[connection.pointee.session],
            unsafe server.pointee.http.pointee.codec == .auto,
            unsafe tls.pointee.applicationProtocol.equals(Bytes("h2" as StaticString))
        else { return }
        let http = unsafe server.pointee.http
        unsafe servers.free(server.pointee.handle)
        unsafe timers.cancel(connection.timerNode)
        unsafe http2Opened(connection, http)
        if unsafe connection.pointee.role == .http2Downstream { unsafe connections.receive(connection) }
    }

    /// The first bytes are the preface of HTTP/2, or may become it. True: dealt with.
    private func beginsHTTP2(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, _ buffer: UInt16?
    ) -> Bool {
        // A preface in pieces: as many bytes as came so far say that it may be one.
        let before = unsafe server.pointee.prefaceBytes
        switch H2Preface.sniff(bytes, after: Int(before)) {
        case .http1:
            guard before > 0 else { return false }
            // What was taken for the beginning of a preface is the beginning of a request.
            unsafe server.pointee.prefaceBytes = 0
            unsafe server.pointee.hasBegun = true
            let stats = unsafe server.pointee.http.pointee.stats
            count(stats, .downstreamCxRxBytesTotal, UInt64(before))
            count(stats, .downstreamCxHttp1Total)
            gauge(stats, .downstreamCxHttp1Active, 1)
            _ = unsafe feed(server, H2Preface.bytes.prefix(Int(before)), nil)
            return unsafe servers[connection.pointee.session] != server
        case .needMore:
            unsafe server.pointee.prefaceBytes = before &+ UInt8(truncatingIfNeeded: bytes.count)
            unsafe connections.receive(connection)
            return true
        case .http2:
            let http = unsafe server.pointee.http
            unsafe servers.free(server.pointee.handle)
            unsafe timers.cancel(connection.timerNode)
            unsafe http2Opened(connection, http)
            guard unsafe connection.pointee.role == .http2Downstream else { return true }
            unsafe connections.receive(connection)
            if before > 0 { unsafe http2DownstreamReceived(connection, H2Preface.bytes.prefix(Int(before)), buffer: nil) }
            unsafe http2DownstreamReceived(connection, bytes, buffer: buffer)
            return true
        }
    }

    /// Behind the first bytes of a connection: the next ones are asked for at once, unless the client has said all that
    /// it will say. Then only its end can come, and the response usually comes first.
    private func receiveOn(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        if let stream = unsafe streams[server.pointee.stream], unsafe stream.pointee.closesDownstream,
            unsafe stream.pointee.requestEnded, unsafe !stream.pointee.isUpgrade
        {
            unsafe connections.receiveLater(connection, nowMs: nowMs)
        } else {
            unsafe connections.receive(connection)
        }
    }

    /// The current request has been read and is not answered yet.
    @inline(__always)
    private func isAnswering(_ server: UnsafeMutablePointer<H1Server>) -> Bool {
        guard let stream = unsafe streams[server.pointee.stream] else { return false }
        return unsafe stream.pointee.requestEnded
    }

    /// A client that asks on and does not read: its next request waits until it has taken enough of the answers.
    @inline(__always)
    private func hasTooMuchQueued(_ server: UnsafeMutablePointer<H1Server>) -> Bool {
        guard let connection = unsafe connections.slab[server.pointee.connection] else { return false }
        return unsafe connection.pointee.out.count > server.pointee.http.pointee.bufferLimit
    }

    private func keep(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes,
        _ buffer: UInt16?
    ) {
        if let buffer, bytes.count > ByteQueue.copyMax, memory.buffers.free >= memory.buffers.count / 2 {
            memory.buffers.retain(buffer)
            unsafe server.pointee.pending.append(buffer: buffer, bytes, memory)
        } else if unsafe !server.pointee.pending.append(copying: bytes, memory) {
            return unsafe downstreamGone(server, connection)
        }
        if unsafe server.pointee.pending.count > server.pointee.http.pointee.bufferLimit, unsafe !connection.pointee.isPaused {
            unsafe connections.pause(connection)
        }
    }

    /// Goes on with what was kept: the response before it is on its way.
    func resumePending(_ server: UnsafeMutablePointer<H1Server>) {
        guard unsafe !server.pointee.isFeeding else { return }
        let handle = unsafe server.pointee.handle
        while let bytes = unsafe server.pointee.pending.first, unsafe !isAnswering(server), unsafe !server.pointee.isLingering {
            // The part is taken out before it is decoded: decoding may end the connection.
            var part = unsafe server.pointee.pending
            unsafe server.pointee.pending = ByteQueue()
            let cursor = unsafe feed(server, bytes, nil)
            part.consume(cursor, memory)
            guard unsafe servers[handle] == server, unsafe !server.pointee.isLingering else {
                part.removeAll(memory)
                return
            }
            unsafe server.pointee.pending = part
            if cursor == 0 { break }
        }
        if let connection = unsafe connections.slab[server.pointee.connection], unsafe connection.pointee.isPaused,
            unsafe server.pointee.pending.isEmpty
        {
            unsafe connections.receive(connection)
        }
    }

    // HOT: per frame.
    /// Decodes; how far it got. Stops behind a request that is not answered yet. `buffer`: where the bytes lie, if in a
    /// receive buffer.
    private func feed(_ server: UnsafeMutablePointer<H1Server>, _ bytes: Bytes, _ buffer: UInt16?) -> Int {
        let handle = unsafe server.pointee.handle
        unsafe server.pointee.isFeeding = true
        var cursor = 0
        while true {
            if unsafe streams[server.pointee.stream] == nil, unsafe hasTooMuchQueued(server) { break }
            // None to be had: the connection has been given up, and the server with it.
            guard let stream = unsafe streams[server.pointee.stream] ?? openStream(server) else { return bytes.count }
            let name = unsafe stream.pointee.handle
            let event: H1Event
            if unsafe stream.pointee.requestTrailers != nil {
                event = unsafe server.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.requestTrailers!)
            } else {
                event = unsafe server.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.request)
            }
            switch event {
            case .needMore:
                unsafe server.pointee.isFeeding = false
                if unsafe server.pointee.decoder.isIdle, unsafe !stream.pointee.requestHeadDone {
                    // Nothing but an empty line so far.
                    unsafe discardStream(stream)
                } else if unsafe !stream.pointee.requestHeadDone {
                    unsafe headHasBegun(server, stream)
                }
                return cursor
            case .head:
                unsafe http1RequestHead(server, stream)
            case .body(let part):
                unsafe requestData(stream, part, buffer, endStream: server.pointee.decoder.endsHere)
            case .trailersBegin:
                unsafe stream.pointee.requestTrailers = MessageHead(pool: memory.blocks, bytes: 1024)
                if unsafe stream.pointee.requestTrailers == nil { unsafe downstreamFailed(server) }
            case .trailers: break
            case .complete:
                if unsafe !stream.pointee.requestEnded { unsafe requestEnded(stream) }
            case .failed(let error): unsafe requestFailed(server, stream, error)
            }
            guard unsafe servers[handle] == server, unsafe !server.pointee.isLingering else { return bytes.count }
            if unsafe server.pointee.stream == name {
                if unsafe stream.pointee.requestEnded, unsafe server.pointee.decoder.isIdle { break }
            } else if cursor >= bytes.count {
                break
            }
        }
        unsafe server.pointee.isFeeding = false
        return cursor
    }

    // HOT: per message.
    private func http1RequestHead(_ server: UnsafeMutablePointer<H1Server>, _ stream: StreamPointer) {
        let http = unsafe stream.pointee.http
        unsafe server.pointee.headersDeadlineMs = 0
        unsafe server.pointee.requests &+= 1
        if unsafe server.pointee.decoder.droppedUnderscores > 0 {
            unsafe cells.add(
                http.pointee.codecStats &+ HTTP1CodecStat.droppedHeadersWithUnderscores.rawValue,
                UInt64(server.pointee.decoder.droppedUnderscores))
        }
        if unsafe server.pointee.decoder.shouldClose || drain != .none || server.pointee.isDraining {
            unsafe stream.pointee.closesDownstream = true
            if drain != .none { unsafe count(http.pointee.stats, .downstreamCxDrainClose) }
        }
        let requestsMax = unsafe http.pointee.requestsPerConnectionMax
        if requestsMax != 0, unsafe server.pointee.requests >= requestsMax {
            unsafe stream.pointee.closesDownstream = true
            unsafe count(http.pointee.stats, .downstreamCxMaxRequestsReached)
        }
        var facts = unsafe RequestFacts(endStream: server.pointee.decoder.endsHere)
        facts.isChunked = unsafe server.pointee.decoder.isChunked
        facts.length = unsafe server.pointee.decoder.contentLength
        facts.hasHost = unsafe server.pointee.decoder.hasHost
        facts.asksUpgrade = unsafe server.pointee.decoder.upgradeRequested
        unsafe requestHeadReceived(stream, connections.slab.unchecked(server.pointee.connection.slot), facts)
    }

    /// The first byte of a request: its clocks start.
    private func headHasBegun(_ server: UnsafeMutablePointer<H1Server>, _ stream: StreamPointer) {
        unsafe startClocks(stream)
        let timeout = unsafe server.pointee.http.pointee.requestHeadersTimeoutMs
        guard timeout != 0, unsafe server.pointee.headersDeadlineMs == 0 else { return }
        unsafe server.pointee.headersDeadlineMs = nowMs &+ timeout
        if let connection = unsafe connections.slab[server.pointee.connection] {
            unsafe timers.armNoLater(connection.timerNode, than: server.pointee.headersDeadlineMs)
        }
    }

    // MARK: The peer ends or fails

    func http1DownstreamEnded(_ connection: UnsafeMutablePointer<Connection>) {
        guard let server = unsafe servers[connection.pointee.session] else {
            unsafe close(connection)
            return
        }
        if let stream = unsafe streams[server.pointee.stream], unsafe stream.pointee.isTunnel {
            unsafe tunnelDownstreamEnded(stream)
            return
        }
        unsafe downstreamGone(server, connection)
    }

    func http1DownstreamFailed(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        guard let server = unsafe servers[connection.pointee.session] else {
            unsafe close(connection)
            return
        }
        unsafe downstreamGone(server, connection)
    }

    /// The client is gone: what it asked for is cancelled.
    /// `byPeer`: false where we have given it up.
    func downstreamGone(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, byPeer: Bool = true
    ) {
        let stats = unsafe server.pointee.http.pointee.stats
        if let stream = unsafe streams[server.pointee.stream] {
            if unsafe stream.pointee.requestHeadDone || stream.pointee.request.textBytes > 0 {
                count(stats, .downstreamCxDestroyRemoteActiveRq)
                count(stats, .downstreamCxDestroyActiveRq)
                unsafe stream.pointee.flags.insert(.downstreamConnectionTermination)
                if unsafe stream.pointee.details.isEmpty || !stream.pointee.isLocalReply {
                    unsafe stream.pointee.details = Bytes("downstream_remote_disconnect" as StaticString)
                }
                count(stats, .downstreamRqRxReset)
                unsafe endStream(stream, reset: true)
            } else {
                unsafe discardStream(stream)
            }
        }
        count(stats, byPeer ? .downstreamCxDestroyRemote : .downstreamCxDestroyLocal)
        unsafe closeServer(server, connection)
    }

    /// No memory, or another failure of ours: the connection goes.
    private func downstreamFailed(_ server: UnsafeMutablePointer<H1Server>) {
        guard let connection = unsafe connections.slab[server.pointee.connection] else { return }
        unsafe downstreamGone(server, connection)
    }

    /// Gives session and connection back. The stream must have been dealt with. `sendsRest`: a client that ends its side
    /// right behind its request still gets what was answered.
    func closeServer(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, sendsRest: Bool = true
    ) {
        let stallMs = unsafe server.pointee.http.pointee.delayedCloseTimeoutMs
        let stats = unsafe server.pointee.http.pointee.stats
        count(stats, .downstreamCxDestroy)
        gauge(stats, .downstreamCxActive, -1)
        if unsafe connection.pointee.tls != nil { gauge(stats, .downstreamCxSslActive, -1) }
        if unsafe server.pointee.hasBegun { gauge(stats, .downstreamCxHttp1Active, -1) }
        unsafe cells.record(
            stats &+ HTTPConnectionManagerStat.downstreamCxLengthMs.rawValue,
            (nowNs &- connection.pointee.openedNs) / 1_000_000)
        unsafe server.pointee.pending.removeAll(memory)
        unsafe servers.free(server.pointee.handle)
        unsafe connection.pointee.session = .none
        if unsafe connection.pointee.out.isEmpty || !sendsRest {
            unsafe close(connection)
        } else {
            unsafe closeWhenSent(connection, stallMs: stallMs)
        }
    }

    // MARK: Time

    /// One timer per connection, armed at the earliest of its deadlines; idle time is looked up when it fires.
    func armServerTimer(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        let http = unsafe server.pointee.http
        var deadline = UInt64.max
        if unsafe http.pointee.idleTimeoutMs != 0 { deadline = unsafe connection.pointee.activeMs &+ http.pointee.idleTimeoutMs }
        if unsafe server.pointee.closeAtMs != 0 { deadline = unsafe min(deadline, server.pointee.closeAtMs) }
        if unsafe server.pointee.drainAtMs != 0 { deadline = unsafe min(deadline, server.pointee.drainAtMs) }
        if unsafe server.pointee.headersDeadlineMs != 0 { deadline = unsafe min(deadline, server.pointee.headersDeadlineMs) }
        if unsafe server.pointee.lingerUntilMs != 0 { deadline = unsafe min(deadline, server.pointee.lingerUntilMs) }
        if unsafe server.pointee.drainedAtMs != 0 { deadline = unsafe min(deadline, server.pointee.drainedAtMs) }
        if deadline != .max { unsafe timers.arm(connection.timerNode, at: deadline) }
    }

    func http1DownstreamTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let server = unsafe servers[connection.pointee.session] else { return }
        let http = unsafe server.pointee.http
        let stats = unsafe http.pointee.stats
        if unsafe server.pointee.lingerUntilMs != 0, unsafe nowMs >= server.pointee.lingerUntilMs {
            count(stats, .downstreamCxDelayedCloseTimeout)
            count(stats, .downstreamCxDestroyLocal)
            unsafe closeServer(server, connection, sendsRest: false)
            return
        }
        let stream = unsafe streams[server.pointee.stream]
        if unsafe server.pointee.headersDeadlineMs != 0, unsafe nowMs >= server.pointee.headersDeadlineMs {
            unsafe server.pointee.headersDeadlineMs = 0
            if let stream = unsafe stream, unsafe !stream.pointee.requestHeadDone {
                return unsafe headersTimedOut(stream)
            }
        }
        if unsafe server.pointee.closeAtMs != 0, unsafe nowMs >= server.pointee.closeAtMs {
            unsafe server.pointee.closeAtMs = 0
            count(stats, .downstreamCxMaxDurationReached)
            unsafe startDrain(server, connection)
            return
        }
        if unsafe server.pointee.drainAtMs != 0, unsafe nowMs >= server.pointee.drainAtMs {
            unsafe server.pointee.drainAtMs = 0
            unsafe beginDrain(server, connection)
            return
        }
        if unsafe server.pointee.drainedAtMs != 0, unsafe nowMs >= server.pointee.drainedAtMs {
            unsafe server.pointee.drainedAtMs = 0
            if unsafe stream == nil, unsafe !server.pointee.isLingering {
                unsafe linger(server, connection)
            } else {
                unsafe server.pointee.isDrained = true
            }
            return
        }
        if unsafe stream == nil, unsafe !server.pointee.isLingering, unsafe !server.pointee.isDraining, unsafe http.pointee.idleTimeoutMs != 0,
            unsafe nowMs >= connection.pointee.activeMs &+ http.pointee.idleTimeoutMs
        {
            count(stats, .downstreamCxIdleTimeout)
            unsafe startDrain(server, connection)
            return
        }
        if unsafe stream != nil { unsafe connection.pointee.activeMs = nowMs }
        unsafe armServerTimer(server, connection)
    }

    /// A timeout has come: responses say `close`, and when `drain_timeout` is over the connection closes.
    private func startDrain(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        if unsafe server.pointee.isDraining { return unsafe armServerTimer(server, connection) }
        // Nothing was ever asked: there is no codec yet that could drain.
        if unsafe server.pointee.requests == 0, unsafe streams[server.pointee.stream] == nil {
            unsafe count(server.pointee.http.pointee.stats, .downstreamCxDestroyLocal)
            unsafe closeServer(server, connection)
            return
        }
        unsafe server.pointee.isDraining = true
        unsafe server.pointee.drainedAtMs = unsafe nowMs &+ max(server.pointee.http.pointee.drainTimeoutMs, 1)
        unsafe armServerTimer(server, connection)
    }

    /// How long a connection must have been quiet to count as idle when a drain begins. A client that is busy has its
    /// next request on its way, or one that we have not read yet: it is answered, with `connection: close`.
    private static let drainQuietMs: UInt64 = 200

    /// No more requests on this connection: closed now when idle, behind the current response otherwise.
    func beginDrain(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        unsafe server.pointee.isDraining = true
        guard unsafe streams[server.pointee.stream] == nil, unsafe server.pointee.pending.isEmpty, unsafe !server.pointee.isLingering
        else { return unsafe armServerTimer(server, connection) }
        let quietUntilMs = unsafe connection.pointee.activeMs &+ Worker.drainQuietMs
        if unsafe nowMs < quietUntilMs || connections.hasUnread(connection) {
            unsafe server.pointee.drainAtMs = max(quietUntilMs, nowMs &+ 1)
            unsafe armServerTimer(server, connection)
            return
        }
        unsafe count(server.pointee.http.pointee.stats, .downstreamCxDrainClose)
        // The process goes: that nothing more is read is said at once.
        unsafe linger(server, connection, ends: true)
    }

    /// The last response is queued: send it, then wait for the peer's end, or the delayed close. No FIN of ours before
    /// that, as in Envoy.
    func linger(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, ends: Bool = false
    ) {
        unsafe server.pointee.isLingering = true
        unsafe server.pointee.pending.removeAll(memory)
        if unsafe connection.pointee.sawEnd {
            unsafe count(server.pointee.http.pointee.stats, .downstreamCxDestroyRemote)
            unsafe closeServer(server, connection)
            return
        }
        let timeout = unsafe server.pointee.http.pointee.delayedCloseTimeoutMs
        if timeout == 0 {
            unsafe count(server.pointee.http.pointee.stats, .downstreamCxDestroyLocal)
            unsafe closeServer(server, connection)
            return
        }
        if ends { unsafe connections.end(connection) }
        unsafe connections.receive(connection)
        unsafe server.pointee.lingerUntilMs = nowMs &+ timeout
        unsafe timers.armNoLater(connection.timerNode, than: server.pointee.lingerUntilMs)
    }
}
