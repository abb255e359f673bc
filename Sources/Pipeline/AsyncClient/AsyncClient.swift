// Requests of our own: a filter asks a service over the clusters of the configuration, and waits.
//
// A call is an `HTTPStream` without a downstream connection. It goes through Forwarder and Pool like any request; at the
// other end of its response stands `CallSink`, the one filter of its chain, which keeps the response until its end.
// So nothing on the path of ordinary requests knows that there are calls.
//
// Life: `openCall` → the filter writes the head → `startCall` → … → `HTTPFilter.callFinished`, at the end of a turn and
// never from inside `startCall`. A call ends with the stream that it was made for, or earlier by `cancelCall`; then
// nobody is told. Bounds: `callsMax` per worker, `callResponseMax` per response (docs/limits.md §calls).

import Primitives
import Transport
import Wire

/// How a call ended.
public enum CallOutcome: UInt8 {
    /// There is a response: the service's, or one of ours (503, 504) where the service could not be asked.
    case response
    /// The service began to answer and failed.
    case reset
    /// The response's body is longer than a call may keep.
    case tooLarge
}

/// What a filter gets; good while `callFinished` runs.
@safe
public struct FinishedCall {
    public let handle: Handle
    public let outcome: CallOutcome
    /// Nil where there is no response.
    public let head: UnsafePointer<MessageHead>?
    /// The body, to be read or moved from.
    public let body: UnsafeMutablePointer<ByteQueue>?
    /// The response is one of ours.
    public let isLocal: Bool
}

/// An end that is to be told.
struct CallEnd: BitwiseCopyable {
    var call: UInt64
    var owner: UInt64
    var place: UInt16
    var outcome: UInt8
    var failed: Bool
    var exporter: UInt32
    var items: UInt32
    var stream: UInt32
}

extension Worker {
    /// Calls under way on one worker.
    package static let callsMax = 65536
    /// Bytes of a response's body that a call keeps.
    package static let callResponseMax = 1 << 20

    // MARK: Starting

    /// A new call for `owner`; nil when there are too many, or no memory. `target`: `CallTarget.make`.
    package func openCall(
        _ owner: StreamPointer, _ filter: HTTPFilter, _ target: UnsafePointer<RouteConfig>
    ) -> StreamPointer? {
        guard let request = MessageHead(pool: memory.blocks), let stream = unsafe makeCall(request, target),
            let state = unsafe callState(stream)
        else { return nil }
        unsafe state.initialize(to: CallState(owner: owner.pointee.handle, place: filter.place))
        unsafe link(stream, state, owner)
        return unsafe stream
    }

    /// A stream without a downstream connection, its sink's state not begun. Takes over `request`.
    func makeCall(_ request: MessageHead, _ target: UnsafePointer<RouteConfig>) -> StreamPointer? {
        guard let config = unsafe callConfig, activeCalls < Worker.callsMax else {
            request.destroy()
            return nil
        }
        guard let stream = unsafe makeStream(config, request) else { return nil }
        unsafe stream.pointee.isCall = true
        unsafe stream.pointee.route = unsafe target
        unsafe stream.pointee.startNs = nowNs
        unsafe stream.pointee.startWallNs = wallNs
        unsafe stream.pointee.activeMs = nowMs
        unsafe stream.pointee.random = random.next()
        unsafe stream.pointee.isInternal = true
        guard unsafe beginFilters(stream), unsafe callState(stream) != nil else {
            unsafe freeStream(stream)
            return nil
        }
        activeCalls &+= 1
        return unsafe stream
    }

    /// Start line and host of a call's head; other fields are appended to `call.request`.
    package func setCallTarget(_ call: StreamPointer, _ method: Method, _ methodText: Bytes, path: Bytes, host: Bytes) {
        unsafe call.pointee.request.method = method
        unsafe call.pointee.request.methodText = unsafe call.pointee.request.store(methodText)
        unsafe call.pointee.request.path = unsafe call.pointee.request.store(path)
        unsafe call.pointee.request.authority = unsafe call.pointee.request.store(host)
        unsafe call.pointee.isHead = method == .head
    }

    /// Sends the call. Takes over `body`. Its handle, for `cancelCall`.
    @discardableResult
    package func startCall(_ call: StreamPointer, body: inout ByteQueue) -> Handle {
        let handle = unsafe call.pointee.handle
        unsafe call.pointee.requestEnded = true
        unsafe call.pointee.requestEndNs = nowNs
        unsafe call.pointee.request.append(.xEnvoyInternal, Bytes("true" as StaticString))
        let isEmpty = body.isEmpty
        if !isEmpty { unsafe call.pointee.requestLength = UInt64(truncatingIfNeeded: body.count) }
        let pass = unsafe pass(of: call)
        unsafe runRequestHead(call, endStream: isEmpty)
        if !isEmpty {
            if unsafe goesOn(.request, call, pass) {
                unsafe forwardRequestQueue(call, &body, endStream: true)
            } else {
                body.removeAll(memory)
            }
        }
        return handle
    }

    /// The filter does not want to know any more. Nothing happens when the call is over.
    package func cancelCall(_ handle: Handle) {
        guard let call = unsafe streams[handle], unsafe call.pointee.isCall, unsafe !call.pointee.isDestroyed else { return }
        if let state = unsafe callState(call) { unsafe state.pointee.isOver = true }
        unsafe endCall(call)
    }

    // MARK: The end

    /// A stream ends: so do its calls.
    func cancelCalls(of stream: StreamPointer) {
        while let call = unsafe streams[stream.pointee.firstCall] {
            let handle = unsafe call.pointee.handle
            cancelCall(handle)
            // A call that is being destroyed already has left the list, or leaves it now.
            if unsafe stream.pointee.firstCall == handle { unsafe stream.pointee.firstCall = .none }
        }
    }

    /// The stream of a call goes.
    func endCall(_ call: StreamPointer) {
        guard unsafe !call.pointee.isDestroyed else { return }
        unsafe call.pointee.isDestroyed = true
        activeCalls &-= 1
        if unsafe call.pointee.trace != .none { unsafe endTrace(call) }
        unsafe releaseUpstream(call)
        if let state = unsafe callState(call) {
            unsafe unlink(call, state)
            if unsafe state.pointee.part != .max { unsafe pins.unpin(state.pointee.part) }
        }
        unsafe destroyFilters(call)
        unsafe freeStream(call)
    }

    /// Tells the filters whose calls are over, as many as there are now.
    package func deliverCalls() {
        if !callStreams.fed.isEmpty { deliverCallStreams() }
        let count = finishedCalls.count
        for i in 0..<count {
            let end = finishedCalls[i]
            if end.stream != 0, hasMessages(end) {
                finishedCalls.append(end)
            } else {
                deliver(end)
            }
        }
        // What these filters have begun and seen fail meanwhile is told in the next turn.
        finishedCalls.removeFirst(count)
    }

    private func deliver(_ end: CallEnd) {
        let call = unsafe streams[Handle(raw: end.call)]
        if !end.failed, unsafe call == nil { return }
        defer { if let call = unsafe streams[Handle(raw: end.call)] { unsafe endCall(call) } }
        if end.stream != 0 {
            return unsafe callStreamEnded(end, end.failed ? nil : call, CallOutcome(rawValue: end.outcome) ?? .reset)
        }
        if end.exporter != 0 {
            let isAnswer = unsafe call.map { unsafe !$0.pointee.isLocalReply } ?? false
            let status = unsafe call?.pointee.response.status ?? 0
            let hasAnswer = isAnswer && end.outcome == CallOutcome.response.rawValue
            return exportFinished(end, status: hasAnswer ? status : 0, grpcStatus: unsafe call.flatMap { unsafe grpcStatus($0) })
        }
        guard let owner = unsafe streams[Handle(raw: end.owner)], unsafe !owner.pointee.isDestroyed,
            unsafe owner.pointee.hasFilters, let chain = unsafe filters(owner), Int(end.place) < chain.filters.count
        else { return }
        let outcome = CallOutcome(rawValue: end.outcome) ?? .reset
        var finished = unsafe FinishedCall(
            handle: Handle(raw: end.call), outcome: outcome, head: nil, body: nil, isLocal: false)
        if let call = unsafe call, let state = unsafe callState(call) {
            let head = unsafe UnsafePointer(call.responseHead)
            let body = unsafe UnsafeMutableRawPointer(state).assumingMemoryBound(to: ByteQueue.self)
            finished = unsafe FinishedCall(
                handle: finished.handle, outcome: outcome, head: outcome == .response ? head : nil, body: body,
                isLocal: call.pointee.isLocalReply)
        }
        unsafe chain.filters[Int(end.place)].callFinished(self, owner, finished)
    }

    /// In the trailers, or in a head without any; nil: there is none.
    func grpcStatus(_ call: StreamPointer) -> Int64? {
        let text = unsafe call.pointee.responseTrailers?.value(of: .grpcStatus) ?? call.pointee.response.value(of: .grpcStatus)
        return text.map { FormatWriter.code($0) }
    }

    // MARK: A stream's list of calls

    private func link(_ call: StreamPointer, _ state: UnsafeMutablePointer<CallState>, _ owner: StreamPointer) {
        unsafe state.pointee.next = unsafe owner.pointee.firstCall
        if let next = unsafe streams[owner.pointee.firstCall], let other = unsafe callState(next) {
            unsafe other.pointee.previous = unsafe call.pointee.handle
        }
        unsafe owner.pointee.firstCall = unsafe call.pointee.handle
    }

    private func unlink(_ call: StreamPointer, _ state: UnsafeMutablePointer<CallState>) {
        if let next = unsafe streams[state.pointee.next], let other = unsafe callState(next) {
            unsafe other.pointee.previous = unsafe state.pointee.previous
        }
        if let previous = unsafe streams[state.pointee.previous], let other = unsafe callState(previous) {
            unsafe other.pointee.next = unsafe state.pointee.next
        } else if let owner = unsafe streams[state.pointee.owner] {
            unsafe owner.pointee.firstCall = unsafe state.pointee.next
        }
    }
}
