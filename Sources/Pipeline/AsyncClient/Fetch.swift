// A request of ours with a whole body and a whole answer: discovery over REST.
//
// It is a `CallStream` that has no messages: its owner opens it, may cancel it, and is told of its end at the end of a turn.
// Bound: `CallStream.messageMax` for the answer.

import Primitives
import Transport
import Wire

open class Fetch: CallStream {
    public override init() { super.init(isWhole: true) }

    /// `status` 0: nobody has answered. Good while this runs; another one may be opened. Only a 200 has a body.
    open func answered(status: UInt16, _ body: Bytes) {}
}

extension Worker {
    /// False: it could not be begun, and nobody is told of an end.
    package func open(_ fetch: Fetch, _ config: UnsafePointer<ExportConfig>, _ message: Bytes) -> Bool {
        var body = ByteQueue()
        guard body.append(copying: message, memory), let call = unsafe begin(fetch, config) else {
            body.removeAll(memory)
            return false
        }
        unsafe startCall(call, body: &body)
        return true
    }

    /// Nil: there is no answer.
    func fetched(_ fetch: Fetch, _ call: StreamPointer?) {
        guard let call = unsafe call, unsafe !call.pointee.isLocalReply, let state = unsafe callState(call) else {
            return fetch.answered(status: 0, .empty)
        }
        let count = unsafe state.pointee.body.count
        let body = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 1)
        defer { unsafe body.deallocate() }
        if count > 0 { unsafe state.pointee.body.copy(from: 0, count: count, into: body) }
        unsafe fetch.answered(status: call.pointee.response.status, Bytes(UnsafeRawPointer(body), count))
    }
}
