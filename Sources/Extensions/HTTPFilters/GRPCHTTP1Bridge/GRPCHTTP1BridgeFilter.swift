// `grpc_http1_bridge`: a client of HTTP/1.1, which may not read trailers, gets `grpc-status` in the head; with
// `upgrade_protobuf_to_grpc` a bare message becomes a gRPC one, and the answer a bare one.

import Pipeline
import Primitives
import Transport
import Wire

struct GRPCHTTP1BridgeSettings: BitwiseCopyable {
    var upgradesProtobuf = false
    var ignoresQuery = false
}

final class GRPCHTTP1BridgeFilter: HTTPFilter {
    private struct State {
        var isBridged: Bool
        /// Messages get and lose their prefix here.
        var isFramed: Bool
        /// Bytes of the response's first prefix that are still to be dropped.
        var prefixLeft: UInt8
    }

    private let settings: GRPCHTTP1BridgeSettings

    init(name: String, _ settings: GRPCHTTP1BridgeSettings) {
        self.settings = settings
        super.init(
            name: name, stateBytes: MemoryLayout<State>.stride,
            interest: [.requestHead, .requestBody, .responseHead, .responseBody])
    }

    private func state(of stream: StreamPointer) -> UnsafeMutablePointer<State> {
        unsafe state(stream).assumingMemoryBound(to: State.self)
    }

    // MARK: Request

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        guard unsafe stream.pointee.request.version < .http2, let type = unsafe stream.pointee.request.value(of: .contentType) else {
            return .proceed
        }
        let isProtobuf = settings.upgradesProtobuf && type.equals(Bytes("application/x-protobuf" as StaticString))
        guard isProtobuf || GRPCContent.isGRPC(type) else { return .proceed }
        unsafe state(of: stream).pointee.isBridged = true
        if settings.ignoresQuery { unsafe dropQuery(&stream.pointee.request) }
        guard isProtobuf else { return .proceed }
        unsafe state(of: stream).pointee.isFramed = true
        unsafe stream.pointee.request.set(.contentType, Bytes("application/grpc" as StaticString))
        unsafe worker.forgetBodyLength(.request, stream, endStream: endStream)
        return .proceed
    }

    private func dropQuery(_ head: inout MessageHead) {
        let path = head.text(head.path)
        guard let end = path.firstIndex(of: UInt8(ascii: "?")) else { return }
        head.path.count = UInt32(truncatingIfNeeded: end)
    }

    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        guard unsafe state(of: stream).pointee.isFramed else { return .proceed }
        // Its prefix says the message's length: all of it has to be here.
        guard endStream else { return .stopAndBuffer }
        unsafe addPrefix(worker, stream, more: data.count)
        return .proceed
    }

    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        if unsafe state(of: stream).pointee.isFramed { unsafe addPrefix(worker, stream, more: 0) }
        return .proceed
    }

    private func addPrefix(_ worker: Worker, _ stream: StreamPointer, more: Int) {
        guard let held = unsafe worker.heldBody(.request, stream, for: self) else { return }
        var message = ByteQueue()
        let count = unsafe UInt32(truncatingIfNeeded: held.pointee.count &+ more)
        var prefix = GRPCFrames.prefix(count)
        let fits = unsafe withUnsafeBytes(of: &prefix) { raw in
            unsafe raw.baseAddress.map { unsafe message.append(copying: Bytes($0, GRPCFrames.prefixBytes), worker.memory) } ?? false
        }
        // The upstream would take a message without its prefix for another one.
        guard fits else { return unsafe _ = worker.downstreamOutOfMemory(stream) }
        unsafe message.append(moving: &held.pointee)
        unsafe held.pointee = message
    }

    // MARK: Response

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let state = unsafe state(of: stream)
        guard unsafe state.pointee.isBridged, !endStream else { return .proceed }
        if unsafe state.pointee.isFramed, unsafe GRPCContent.isResponse(stream.pointee.response, endStream: false) {
            unsafe state.pointee.prefixLeft = UInt8(GRPCFrames.prefixBytes)
            unsafe worker.setBodyLength(.response, stream, nil)
        }
        return .stop
    }

    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        let state = unsafe state(of: stream)
        guard unsafe state.pointee.isBridged else { return .proceed }
        let dropped = unsafe min(Int(state.pointee.prefixLeft), data.count)
        if dropped > 0 {
            unsafe state.pointee.prefixLeft &-= UInt8(truncatingIfNeeded: dropped)
            data.consume(dropped, worker.memory)
        }
        // The status stands behind the body and goes in front of it.
        return endStream ? .proceed : .stopAndBuffer
    }

    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        guard unsafe state(of: stream).pointee.isBridged, let trailers = unsafe stream.pointee.responseTrailers else { return .proceed }
        if let status = trailers.value(of: .grpcStatus) {
            if status.decimal != 0 { unsafe stream.pointee.response.status = 503 }
            unsafe stream.pointee.response.set(.grpcStatus, status)
        }
        if let message = trailers.value(of: .grpcMessage) { unsafe stream.pointee.response.set(.grpcMessage, message) }
        let count = unsafe worker.heldBody(.response, stream, for: self)?.pointee.count ?? 0
        unsafe worker.setBodyLength(.response, stream, UInt64(truncatingIfNeeded: count))
        return .proceed
    }
}
