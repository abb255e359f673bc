// The end of a call's response: the one filter in the chain of calls, where a client's connection would be.

import Primitives
import Transport
import Wire

/// What a call keeps; in its stream's filter state.
@safe
struct CallState {
    /// First, so that it can be named by the state's address.
    var body = ByteQueue()
    /// The stream that the call was made for, and the place of the filter that made it. None: a mirror, which nobody
    /// waits for.
    let owner: Handle
    let place: UInt16
    var next = Handle.none
    var previous = Handle.none
    /// Its end has been noted, or nobody wants to know it.
    var isOver = false
    /// What a mirror pins: the part that configures it. `.max`: nothing.
    var part = PartID.max
    /// Number of the exporter whose items it carries, counted from 1, and how many; 0: none.
    var exporter: UInt32 = 0
    var items: UInt32 = 0
    /// The exporter wants to read the answer.
    var keepsAnswer = false
    /// Number of the stream whose messages it carries (`CallStream`), counted from 1; 0: none.
    var stream: UInt32 = 0

    init(owner: Handle, place: UInt16) {
        self.owner = owner
        self.place = place
    }
}

final class CallSink: HTTPFilter {
    init() {
        super.init(
            name: "martlet.call_sink", stateBytes: MemoryLayout<CallState>.stride,
            interest: [.responseHead, .responseBody, .responseTrailers])
    }

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        if endStream {
            unsafe end(worker, stream, .response)
        } else if let state = unsafe worker.callState(stream), unsafe state.pointee.exporter != 0 && !stream.pointee.isLocalReply {
            unsafe worker.exportAnswered(state.pointee.exporter)
        }
        return .stop
    }

    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        guard let state = unsafe worker.callState(stream), unsafe !state.pointee.isOver else { return .stopWithoutBuffer }
        let number = unsafe state.pointee.stream
        // gRPC over HTTP/2, "Responses": one of another status has no messages; nor has one of ours, which says why in words.
        let isNoMessage = unsafe number != 0 && (stream.pointee.isLocalReply || stream.pointee.response.status != 200)
        if unsafe isNoMessage || number == 0 && state.pointee.owner == .none && !state.pointee.keepsAnswer { data.removeAll(worker.memory) }
        if unsafe data.bufferCount > 0 || state.pointee.body.bufferCount > 0 { _ = data.detach(worker.memory) }
        unsafe state.pointee.body.append(moving: &data)
        let hasMessages = worker.hasMessages(number)
        if hasMessages { unsafe worker.callStreamFed(stream, state) }
        if unsafe !hasMessages && state.pointee.body.count > (number != 0 ? CallStream.messageMax : Worker.callResponseMax) {
            unsafe end(worker, stream, .tooLarge)
        } else if endStream {
            unsafe end(worker, stream, .response)
        }
        return .stopWithoutBuffer
    }

    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        unsafe end(worker, stream, .response)
        return .stop
    }

    override func destroyed(_ worker: Worker, _ stream: StreamPointer) {
        guard let state = unsafe worker.callState(stream) else { return }
        unsafe state.pointee.body.removeAll(worker.memory)
        unsafe end(worker, stream, .reset, failed: true)
    }

    private func end(_ worker: Worker, _ stream: StreamPointer, _ outcome: CallOutcome, failed: Bool = false) {
        guard let state = unsafe worker.callState(stream), unsafe !state.pointee.isOver else { return }
        unsafe state.pointee.isOver = true
        unsafe worker.finishedCalls.append(
            CallEnd(
                call: stream.pointee.handle.raw, owner: state.pointee.owner.raw, place: state.pointee.place,
                outcome: outcome.rawValue, failed: failed, exporter: state.pointee.exporter, items: state.pointee.items,
                stream: state.pointee.stream))
    }
}

final class CallSinkFactory: HTTPFilterFactory {
    init() { super.init(name: "martlet.call_sink") }
    override func make(_ worker: Worker) -> HTTPFilter { CallSink() }
}

extension Worker {
    func callState(_ stream: StreamPointer) -> UnsafeMutablePointer<CallState>? {
        guard unsafe stream.pointee.isCall, unsafe stream.pointee.filterState != nil,
            let sink = unsafe filters(stream)?.filters.first
        else { return nil }
        return unsafe sink.state(stream).assumingMemoryBound(to: CallState.self)
    }
}
