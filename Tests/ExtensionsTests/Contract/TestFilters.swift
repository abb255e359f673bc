// Two filters that need the hard parts of the interface: one asks a service with the body and waits for its word, one
// replaces the body and adds trailers.

import Pipeline
import Primitives
import Transport
import Wire

/// Gathers the request, sends it to a service, and lets it go on when the service says 200. Otherwise: 403.
@safe
final class AskingFilter: HTTPFilter {
    private struct State {
        var call = Handle.none
        var isAsking = false
    }
    private let target: UnsafePointer<RouteConfig>
    private(set) var finishedCount = 0

    init(target: UnsafePointer<RouteConfig>) {
        unsafe self.target = unsafe target
        super.init(
            name: "asking", stateBytes: MemoryLayout<State>.stride,
            interest: [.requestHead, .requestBody])
    }

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        if endStream { unsafe ask(worker, stream) }
        return .stop
    }

    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        if endStream {
            unsafe worker.addBody(.request, stream, &data, from: self)
            unsafe ask(worker, stream)
        }
        return .stopAndWatermark
    }

    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        unsafe ask(worker, stream)
        return .stop
    }

    private func ask(_ worker: Worker, _ stream: StreamPointer) {
        var copy = ByteQueue()
        unsafe worker.heldBody(.request, stream, for: self)?.pointee.forEach { part in
            _ = copy.append(copying: part, worker.memory)
        }
        guard let call = unsafe worker.openCall(stream, self, target) else { return copy.removeAll(worker.memory) }
        unsafe worker.setCallTarget(
            call, .post, Bytes("POST" as StaticString), path: Bytes("/check" as StaticString),
            host: Bytes("service" as StaticString))
        unsafe worker.startCall(call, body: &copy)
    }

    override func callFinished(_ worker: Worker, _ stream: StreamPointer, _ call: FinishedCall) {
        finishedCount += 1
        let handle = unsafe stream.pointee.handle
        guard call.outcome == .response, let head = unsafe call.head, unsafe head.pointee.status == 200 else {
            return unsafe worker.reply(
                stream, status: 403, body: Bytes("no" as StaticString), details: Bytes("denied" as StaticString), flags: [])
        }
        unsafe stream.pointee.request.add("x-checked", call.isLocal ? "locally" : "yes")
        worker.resumeRequest(handle, from: self)
    }
}

/// Replaces the bodies of both directions by their lengths, and says so in trailers.
final class ReplacingFilter: HTTPFilter {
    private struct State {
        var request = 0
        var response = 0
    }

    init() {
        super.init(
            name: "replacing", stateBytes: MemoryLayout<State>.stride,
            interest: [.requestHead, .requestBody, .responseHead, .responseBody])
    }

    private func counts(_ stream: StreamPointer) -> UnsafeMutablePointer<State> {
        unsafe state(stream).assumingMemoryBound(to: State.self)
    }

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        if !endStream { unsafe worker.setBodyLength(.request, stream, nil) }
        return .proceed
    }

    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        unsafe counts(stream).pointee.request += data.count
        data.removeAll(worker.memory)
        guard endStream else { return .proceed }
        unsafe replace(worker, stream, &data, .request, counts(stream).pointee.request)
        return .proceed
    }

    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        var data = ByteQueue()
        unsafe replace(worker, stream, &data, .request, counts(stream).pointee.request)
        unsafe worker.addBody(.request, stream, &data, from: self)
        return .proceed
    }

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        if !endStream { unsafe worker.setBodyLength(.response, stream, nil) }
        return .proceed
    }

    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        unsafe counts(stream).pointee.response += data.count
        data.removeAll(worker.memory)
        guard endStream else { return .stopWithoutBuffer }
        unsafe replace(worker, stream, &data, .response, counts(stream).pointee.response)
        return .proceed
    }

    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        var data = ByteQueue()
        unsafe replace(worker, stream, &data, .response, counts(stream).pointee.response)
        unsafe worker.addBody(.response, stream, &data, from: self)
        return .proceed
    }

    private func replace(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, _ direction: FilterDirection, _ count: Int
    ) {
        _ = "\(count) bytes".withBytes { data.append(copying: $0, worker.memory) }
        unsafe worker.addTrailers(direction, stream)?.pointee.add("x-length", String(count))
    }
}
