// Responses whose body a filter makes piece by piece, as the client takes it: dumps and lists that are too large to hold
// and too slow to make in one turn.
//
// `beginResponse` sends the head; from then on `HTTPFilter.produce` is asked for a piece at most once per turn, and only
// while the client's queue is short (the chain's buffer limit is the high mark, half of it the low one). The filter's
// `destroyed` tells it when nobody wants the rest.

import Primitives
import Transport
import Wire

public enum ProduceVerdict: UInt8 {
    /// There is more: ask again.
    case more
    /// That was the last piece.
    case finished
    /// There is nothing yet: `Worker.resumeProducing` says when.
    case waiting
}

extension Worker {
    /// The filter answers the request, in chunks. `prepare` adds the fields. The stream may be gone when this returns.
    package func beginResponse(
        _ stream: StreamPointer, from filter: HTTPFilter, status: UInt16, details: Bytes,
        prepare: (inout MessageHead) -> Void
    ) {
        guard unsafe !stream.pointee.isDestroyed, unsafe !stream.pointee.hasResponseHead else { return }
        let handle = unsafe stream.pointee.handle
        unsafe stream.pointee.isLocalReply = true
        unsafe stream.pointee.details = details
        unsafe endRetries(stream)
        unsafe releaseUpstream(stream)
        unsafe stream.pointee.waitingBody.removeAll(memory)
        unsafe stream.pointee.response.reset()
        unsafe stream.pointee.response.status = status
        unsafe prepare(&stream.pointee.response)
        unsafe stream.pointee.responseLength = nil
        unsafe responseHead(stream, endStream: false)
        guard let stream = unsafe streams[handle], unsafe !stream.pointee.isDestroyed else { return }
        if unsafe stream.pointee.isHead { return unsafe finishResponse(stream) }
        unsafe stream.pointee.producer = filter.place &+ 1
        unsafe produce(stream)
    }

    /// A piece of the body, within `HTTPFilter.produce`.
    package func sendProduced(_ stream: StreamPointer, _ piece: Bytes) {
        if piece.isEmpty { return }
        unsafe stream.pointee.activeMs = nowMs
        _ = unsafe sendResponseData(stream, piece, nil)
    }

    /// Asks the producing filter for one piece.
    func produce(_ stream: StreamPointer) {
        guard unsafe stream.pointee.producer != 0, let chain = unsafe filters(stream) else { return }
        let handle = unsafe stream.pointee.handle
        let filter = unsafe chain.filters[Int(stream.pointee.producer) - 1]
        let verdict = unsafe filter.produce(self, stream)
        guard let stream = unsafe streams[handle], unsafe !stream.pointee.isDestroyed else { return }
        if verdict == .finished {
            unsafe stream.pointee.producer = 0
            return unsafe finishResponse(stream)
        }
        if verdict == .waiting { return }
        // Else the next piece comes when the client has taken enough of this one.
        if unsafe !mustWaitForClient(stream) { producing.append(handle.raw) }
    }

    /// The filter that said `.waiting` has something now.
    package func resumeProducing(_ stream: Handle) { producing.append(stream.raw) }

    /// Top of a turn: streams whose queue was still short.
    func produceMore() {
        let count = producing.count
        var i = 0
        while i < count {
            if let stream = unsafe streams[Handle(raw: producing[i])], unsafe !stream.pointee.isDestroyed {
                unsafe produce(stream)
            }
            i &+= 1
        }
        producing.removeFirst(count)
    }
}
