// A gRPC call of ours whose messages go both ways for as long as both sides want it: discovery.
//
// Like an exporter's stream it is a call without an owner (`AsyncClient`), and goes through clusters and pools as any request
// does. What its server sends is told at the end of a turn, message by message (`received`), and so is its end (`ended`),
// once. Whoever has opened it may cancel it at any time and is told nothing more then.
//
// Owner: the worker that opened it, main's for discovery. Bounds: a message has `messageMax` bytes. Whole messages that have not
// been told are `undecodedMax` at most, and what the windows still bring: then their server is not read. A server that takes
// nothing is told nothing, and nothing of what it says is told: what answers it would only wait.

import Primitives
import Stats
import Transport
import Wire

/// How a stream of ours ended.
public struct CallStreamEnd {
    /// gRPC's number; where the server said none, the one that its HTTP status or the failure stands for.
    public let status: Int64
    /// `grpc-message` as it came, or why there is none.
    public let message: Bytes
}

open class CallStream {
    /// Bytes of one message from the server; a longer one ends the stream. `docs/limits.md`.
    package static let messageMax = 4 << 20
    /// Bytes that have come and are not told, at which the server is not read, once a whole message is among them.
    /// `docs/limits.md`.
    package static let undecodedMax = 1 << 20

    fileprivate(set) package var handle = Handle.none
    /// It was full and is not any more; it is told so at the end of the turn.
    fileprivate final var isDrained = false
    /// No messages: one answer, told when it is there (`Fetch`).
    final let isWhole: Bool

    public init() { isWhole = false }
    init(isWhole: Bool) { self.isWhole = isWhole }

    /// A whole message. Good while this runs.
    open func received(_ message: Bytes) {}

    /// What it was full of has been taken.
    open func drained() {}

    /// The stream is over: `handle` is none, and another one may be opened.
    open func ended(_ end: CallStreamEnd) {}
}

/// What a worker keeps of its streams.
struct CallStreams {
    /// By the number that is in a call's state, counted from 1.
    var open: [CallStream?] = []
    /// Numbers of those that bytes have come for in this turn.
    var fed = PlainArray<UInt32>(capacity: 4)
}

extension Worker {
    /// Opens a stream to the service that `config` names (its target, path, host and headers). False: it could not be begun,
    /// and nobody is told of an end.
    package func open(_ stream: CallStream, _ config: UnsafePointer<ExportConfig>) -> Bool {
        guard let call = unsafe begin(stream, config) else { return false }
        unsafe call.pointee.requestIsChunked = true
        unsafe call.pointee.request.append(.xEnvoyInternal, Bytes("true" as StaticString))
        unsafe runRequestHead(call, endStream: false)
        return true
    }

    /// Its head is written, and nothing sent. Nil: no memory.
    func begin(_ stream: CallStream, _ config: UnsafePointer<ExportConfig>) -> StreamPointer? {
        guard let target = unsafe config.pointee.target, let request = MessageHead(pool: memory.blocks),
            let call = unsafe makeCall(request, target), let state = unsafe callState(call)
        else { return nil }
        var number = callStreams.open.firstIndex { $0 == nil } ?? callStreams.open.count
        if number == callStreams.open.count { callStreams.open.append(nil) }
        callStreams.open[number] = stream
        number += 1
        unsafe state.initialize(to: CallState(owner: .none, place: 0))
        unsafe state.pointee.stream = UInt32(truncatingIfNeeded: number)
        stream.handle = unsafe call.pointee.handle
        unsafe writeHead(call, config)
        return unsafe call
    }

    /// The peer takes nothing, and as much waits for it as its cluster's buffer limit says: no more should (`drained`).
    package func isFull(_ stream: CallStream) -> Bool {
        guard let call = unsafe streams[stream.handle], unsafe !call.pointee.isDestroyed, let state = unsafe callState(call),
            unsafe !state.pointee.isOver
        else { return false }
        // As whoever tells that it has drained sees it (`callDrained`): a limit that changes meanwhile changes nothing.
        if unsafe call.pointee.waitingBody.count > upstreamLimit(call) { return true }
        return unsafe isHTTP2Upstream(call)
            ? h2.streams[call.pointee.upstreamCodec]?.pointee.isAboveHigh ?? false
            : connections.slab[call.pointee.upstream]?.pointee.isAboveHigh ?? false
    }

    /// One message. False: the stream is over, or there is no memory.
    package func send(_ message: Bytes, on stream: CallStream) -> Bool {
        guard let call = unsafe streams[stream.handle], unsafe !call.pointee.isDestroyed, let state = unsafe callState(call),
            unsafe !state.pointee.isOver
        else { return false }
        var body = ByteQueue()
        var prefix = GRPCFrames.prefix(UInt32(truncatingIfNeeded: message.count))
        let hasPrefix = unsafe withUnsafeBytes(of: &prefix) { bytes in
            guard let base = bytes.baseAddress else { return false }
            return unsafe body.append(copying: Bytes(base, bytes.count), memory)
        }
        guard hasPrefix, body.append(copying: message, memory) else {
            body.removeAll(memory)
            return false
        }
        unsafe pass(&body, to: call)
        return true
    }

    /// Nobody wants it any more.
    package func cancel(_ stream: CallStream) {
        let handle = stream.handle
        guard !handle.isNone else { return }
        forget(stream)
        cancelCall(handle)
    }

    private func forget(_ stream: CallStream) {
        stream.handle = .none
        stream.isDrained = false
        if let place = callStreams.open.firstIndex(where: { $0 === stream }) { callStreams.open[place] = nil }
    }

    // MARK: What the server says

    /// It is told of messages, not of a whole answer.
    func hasMessages(_ number: UInt32) -> Bool {
        Int(number) <= callStreams.open.count && number > 0 && callStreams.open[Int(number) - 1]?.isWhole == false
    }

    /// From `CallSink`, inside an event: bytes have come.
    func callStreamFed(_ call: StreamPointer, _ state: UnsafeMutablePointer<CallState>) {
        unsafe callStreamFed(state.pointee.stream)
        guard unsafe state.pointee.body.count > CallStream.undecodedMax, unsafe hasWork(state) else { return }
        unsafe call.pointee.responseIsHeldBack = true
        unsafe pauseUpstream(call)
    }

    private func callStreamFed(_ number: UInt32) {
        guard hasMessages(number) else { return }
        if !(0..<callStreams.fed.count).contains(where: { callStreams.fed[$0] == number }) { callStreams.fed.append(number) }
    }

    /// Inside an event: the server takes again what is sent.
    func callDrained(_ call: StreamPointer) {
        guard let state = unsafe callState(call), unsafe hasMessages(state.pointee.stream) else { return }
        unsafe callStreams.open[Int(state.pointee.stream) - 1]?.isDrained = true
        unsafe callStreamFed(state.pointee.stream)
    }

    /// A message of each stream that has a whole one: whoever sends many does not hold up what else this worker does.
    func deliverCallStreams() {
        let count = callStreams.fed.count
        for i in 0..<count {
            let number = callStreams.fed[i]
            guard Int(number) <= callStreams.open.count, let stream = callStreams.open[Int(number) - 1] else { continue }
            if stream.isDrained {
                stream.isDrained = false
                stream.drained()
            }
            // `callDrained` goes on.
            if isFull(stream) { continue }
            deliverMessage(stream)
            readOn(stream)
            // The next one, in the next turn.
            if hasWork(stream) { callStreams.fed.append(number) }
        }
        callStreams.fed.removeFirst(count)
    }

    /// What waited has been told, or what is there is no whole message.
    private func readOn(_ stream: CallStream) {
        guard let call = unsafe streams[stream.handle], unsafe call.pointee.responseIsHeldBack, let state = unsafe callState(call),
            unsafe state.pointee.body.count <= CallStream.undecodedMax / 2 || !hasWork(state)
        else { return }
        unsafe call.pointee.responseIsHeldBack = false
        unsafe resumeUpstreamReading(call)
    }

    /// What stands before the first message; nil: it has not come, or there is none.
    private func prefix(_ state: UnsafeMutablePointer<CallState>) -> (isPlain: Bool, count: Int)? {
        guard unsafe state.pointee.body.count >= GRPCFrames.prefixBytes else { return nil }
        return unsafe withUnsafeTemporaryAllocation(byteCount: GRPCFrames.prefixBytes, alignment: 1) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            unsafe state.pointee.body.copy(from: 0, count: GRPCFrames.prefixBytes, into: base)
            let (flags, length) = unsafe GRPCFrames.parse(prefix: Bytes(UnsafeRawPointer(base), GRPCFrames.prefixBytes))
            return (flags == 0, Int(length))
        }
    }

    /// A whole message, or one that never will be.
    private func hasWork(_ state: UnsafeMutablePointer<CallState>) -> Bool {
        guard let (isPlain, count) = unsafe prefix(state) else { return false }
        return unsafe !isPlain || count > CallStream.messageMax || state.pointee.body.count >= GRPCFrames.prefixBytes + count
    }

    private func hasWork(_ stream: CallStream) -> Bool {
        guard let call = unsafe streams[stream.handle], let state = unsafe callState(call) else { return false }
        return unsafe hasWork(state)
    }

    private func deliverMessage(_ stream: CallStream) {
        guard let call = unsafe streams[stream.handle], let state = unsafe callState(call), let (isPlain, count) = unsafe prefix(state)
        else { return }
        // gRPC over HTTP/2, "Compressed-Flag": we have asked for no encoding.
        guard isPlain, count <= CallStream.messageMax else {
            return end(stream, status: 13, Bytes("a message that is compressed or too long" as StaticString))
        }
        guard unsafe state.pointee.body.count >= GRPCFrames.prefixBytes + count else { return }
        let message = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 1)
        defer { unsafe message.deallocate() }
        unsafe state.pointee.body.copy(from: GRPCFrames.prefixBytes, count: count, into: message)
        unsafe state.pointee.body.consume(GRPCFrames.prefixBytes + count, memory)
        stream.received(unsafe Bytes(UnsafeRawPointer(message), count))
    }

    /// Its end waits until the messages before it are told.
    func hasMessages(_ end: CallEnd) -> Bool {
        let place = Int(end.stream) - 1
        guard !end.failed, end.outcome == CallOutcome.response.rawValue, place >= 0, place < callStreams.open.count, let stream = callStreams.open[place],
            stream.handle.raw == end.call, !stream.isWhole, hasWork(stream)
        else { return false }
        // It may have been full until its end came.
        callStreamFed(end.stream)
        return true
    }

    private func end(_ stream: CallStream, status: Int64, _ message: Bytes) {
        cancel(stream)
        stream.ended(CallStreamEnd(status: status, message: message))
    }

    /// The call is over (`deliverCalls`); nil: it was torn down before its answer was whole.
    func callStreamEnded(_ end: CallEnd, _ call: StreamPointer?, _ outcome: CallOutcome) {
        let place = Int(end.stream) - 1
        // Cancelled meanwhile, its place may be another stream's.
        guard place >= 0, place < callStreams.open.count, let stream = callStreams.open[place], stream.handle.raw == end.call
        else { return }
        forget(stream)
        if let fetch = stream as? Fetch { return unsafe fetched(fetch, outcome == .response ? call : nil) }
        guard let call = unsafe call, outcome == .response else {
            return stream.ended(CallStreamEnd(status: 14, message: Bytes("the connection was lost" as StaticString)))
        }
        if let status = unsafe grpcStatus(call) {
            let message = unsafe call.pointee.responseTrailers?.value(of: .grpcMessage) ?? call.pointee.response.value(of: .grpcMessage)
            return stream.ended(CallStreamEnd(status: status, message: message ?? .empty))
        }
        // Ours, or of somebody who speaks no gRPC.
        let details = unsafe call.pointee.isLocalReply ? call.pointee.details : Bytes("no grpc-status" as StaticString)
        stream.ended(CallStreamEnd(status: unsafe Worker.grpcStatus(http: call.pointee.response.status), message: details))
    }

    /// gRPC, "HTTP to gRPC Status Code Mapping".
    private static func grpcStatus(http status: UInt16) -> Int64 {
        switch status {
        case 400: 13
        case 401: 16
        case 403: 7
        case 404: 12
        case 429, 502, 503, 504: 14
        default: 2
        }
    }
}
