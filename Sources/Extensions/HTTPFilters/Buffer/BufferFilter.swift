// `buffer`: the upstream gets a request only when all of it is here, with a `content-length`.
//
// One per worker. The gathering is the chain's; the filter says how much, and tells the length.

import Pipeline
import Primitives
import Transport
import Wire

final class BufferFilter: HTTPFilter {
    private let settings: BufferSettings
    private let routes: PlainArray<BufferSettings>

    init(name: String, _ settings: BufferSettings, routes: [BufferSettings]) {
        self.settings = settings
        self.routes = PlainArray(copying: routes)
        super.init(name: name, interest: [.requestHead, .requestBody])
    }

    deinit { routes.destroy() }

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        if endStream { return .proceed }
        let settings = unsafe routeConfig(stream).map { routes[Int($0)] } ?? settings
        if settings.isDisabled { return .proceed }
        unsafe worker.setRequestBufferMax(stream, settings.requestBytesMax)
        return .stop
    }

    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        guard unsafe gathers(worker, stream) else { return .proceed }
        let count = unsafe heldBytes(worker, stream) &+ data.count
        // Too much is refused by the chain, the last part of it too.
        guard endStream, unsafe count <= stream.pointee.requestBufferMax ?? 0 else { return .stopAndBuffer }
        unsafe tellLength(worker, stream, count)
        return .proceed
    }

    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        if unsafe gathers(worker, stream) { unsafe tellLength(worker, stream, heldBytes(worker, stream)) }
        return .proceed
    }

    /// The head is still here: it was stopped, and not let go of yet.
    private func gathers(_ worker: Worker, _ stream: StreamPointer) -> Bool { unsafe worker.holdsHead(.request, stream, for: self) }

    private func heldBytes(_ worker: Worker, _ stream: StreamPointer) -> Int {
        unsafe worker.heldBody(.request, stream, for: self)?.pointee.count ?? 0
    }

    /// Everything is here, so the length is known, and chunks are not needed.
    private func tellLength(_ worker: Worker, _ stream: StreamPointer, _ count: Int) {
        guard unsafe stream.pointee.requestLength == nil else { return }
        unsafe worker.setBodyLength(.request, stream, UInt64(truncatingIfNeeded: count))
    }
}
