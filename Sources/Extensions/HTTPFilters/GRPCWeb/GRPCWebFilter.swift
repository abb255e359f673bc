// `grpc_web`: a browser's gRPC-Web becomes gRPC, and the answer gRPC-Web: trailers as the last message of the body, and
// all of it in base64 where the client asks for text.

import Pipeline
import Primitives
import Stats
import Transport
import Wire

final class GRPCWebFilter: HTTPFilter {
    private struct State {
        var isWeb: Bool
        var isTextRequest: Bool
        var isTextResponse: Bool
        /// The response is not gRPC: its body becomes `grpc-message`.
        var gathersMessage: Bool
        /// First statistic of the call's scope, from 1.
        var scope: UInt32
        var decoder: Base64Decoder
        var encoder: Base64Encoder
        var frames: GRPCFrames
    }

    private let scopes: GRPCMethodScopes

    init(name: String, _ scopes: GRPCMethodScopes) {
        self.scopes = scopes
        super.init(
            name: name, stateBytes: MemoryLayout<State>.stride,
            interest: [.requestHead, .requestBody, .responseHead, .responseBody])
    }

    private func state(of stream: StreamPointer) -> UnsafeMutablePointer<State> {
        unsafe state(stream).assumingMemoryBound(to: State.self)
    }

    // MARK: Request

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        guard let content = unsafe GRPCWebContent(stream.pointee.request.value(of: .contentType)) else { return .proceed }
        let state = unsafe state(of: stream)
        unsafe state.pointee.isWeb = true
        unsafe state.pointee.isTextRequest = content == .text
        unsafe state.pointee.isTextResponse = unsafe GRPCWebContent.exactText(stream.pointee.request.value(of: .accept))
        if let method = unsafe GRPCContent.method(of: stream.pointee.request.text(stream.pointee.request.path)),
            let base = unsafe scopes.base(worker, stream, .grpcWeb, method)
        {
            unsafe state.pointee.scope = base &+ 1
        }
        // The length is that of the text, and no length is gRPC's way.
        unsafe worker.forgetBodyLength(.request, stream, endStream: endStream)
        unsafe stream.pointee.request.set(.contentType, Bytes("application/grpc" as StaticString))
        unsafe stream.pointee.request.set(.te, Bytes("trailers" as StaticString))
        let encodings = Bytes("grpc-accept-encoding" as StaticString)
        if unsafe stream.pointee.request.value(named: encodings) == nil {
            unsafe stream.pointee.request.append(name: encodings, value: Bytes("identity" as StaticString))
        }
        return .proceed
    }

    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        let state = unsafe state(of: stream)
        guard unsafe state.pointee.isTextRequest else { return .proceed }
        if endStream, unsafe (state.pointee.decoder.openCount &+ data.count) % 4 != 0 {
            unsafe refuse(worker, stream, "grpc_base_64_decode_failed_bad_size")
            return .stopWithoutBuffer
        }
        guard let decoded = unsafe decode(worker, &state.pointee.decoder, data) else {
            unsafe refuse(worker, stream, "grpc_base_64_decode_failed")
            return .stopWithoutBuffer
        }
        data.removeAll(worker.memory)
        data = decoded
        return .proceed
    }

    /// Nil: not base64, or no memory.
    private func decode(_ worker: Worker, _ decoder: inout Base64Decoder, _ data: ByteQueue) -> ByteQueue? {
        var out = ByteQueue()
        var isGood = true
        decoder.begin()
        data.forEach { part in
            guard isGood, !part.isEmpty else { return }
            guard let room = unsafe out.contiguousRoom(worker.memory, bytes: part.count &+ 3),
                let count = unsafe decoder.decode(part, into: room.start.assumingMemoryBound(to: UInt8.self))
            else {
                isGood = false
                return
            }
            out.wrote(count)
        }
        if isGood { return out }
        out.removeAll(worker.memory)
        return nil
    }

    private func refuse(_ worker: Worker, _ stream: StreamPointer, _ details: StaticString) {
        unsafe worker.reply(
            stream, status: 400, body: Bytes("Bad gRPC-web request, invalid base64 data." as StaticString),
            details: Bytes(details), flags: [])
    }

    // MARK: Response

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let state = unsafe state(of: stream)
        guard unsafe state.pointee.isWeb else { return .proceed }
        unsafe charge(worker, stream, stream.pointee.response)
        let isMessage = unsafe GRPCContent.isResponse(stream.pointee.response, endStream: endStream)
            || (stream.pointee.response.status == 200 && GRPCWebContent(stream.pointee.response.value(of: .contentType)) != nil)
        let type = unsafe Bytes(
            state.pointee.isTextResponse ? "application/grpc-web-text+proto" : "application/grpc-web+proto" as StaticString)
        unsafe stream.pointee.response.set(.contentType, type)
        unsafe worker.forgetBodyLength(.response, stream, endStream: endStream)
        if endStream { return .proceed }
        if isMessage { return .proceed }
        unsafe state.pointee.gathersMessage = true
        return .stop
    }

    // HOT: per frame.
    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        let state = unsafe state(of: stream)
        if unsafe state.pointee.gathersMessage { return unsafe gather(worker, stream, &data, endStream: endStream) }
        guard unsafe state.pointee.isTextResponse else { return .proceed }
        guard unsafe encode(worker, state, &data) else {
            unsafe worker.downstreamOutOfMemory(stream)
            return .stopWithoutBuffer
        }
        return .proceed
    }

    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        let state = unsafe state(of: stream)
        guard unsafe state.pointee.isWeb, let trailers = unsafe stream.pointee.responseTrailers else { return .proceed }
        unsafe charge(worker, stream, trailers)
        if unsafe state.pointee.gathersMessage {
            unsafe tellMessage(worker, stream)
        } else {
            var frame = ByteQueue()
            guard unsafe append(trailers, asText: state.pointee.isTextResponse, to: &frame, worker.memory) else {
                frame.removeAll(worker.memory)
                unsafe worker.downstreamOutOfMemory(stream)
                return .proceed
            }
            unsafe worker.addBody(.response, stream, &frame, from: self)
        }
        // They are in the body now.
        unsafe stream.pointee.responseTrailers?.reset()
        return .proceed
    }

    private func charge(_ worker: Worker, _ stream: StreamPointer, _ head: MessageHead) {
        let scope = unsafe state(of: stream).pointee.scope
        if scope != 0, let status = head.value(of: .grpcStatus) { GRPCMethodScopes.charge(worker, scope &- 1, status) }
    }

    // MARK: Answers that are no gRPC

    /// Bytes of a body that become `grpc-message`.
    private static let messageBytesMax = 16 << 10

    private func gather(_ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool) -> DataVerdict {
        let held = unsafe worker.heldBody(.response, stream, for: self)?.pointee.count ?? 0
        var kept = ByteQueue()
        let wanted = min(data.count, GRPCWebFilter.messageBytesMax &- min(held, GRPCWebFilter.messageBytesMax))
        guard kept.append(moving: wanted, of: &data, worker.memory) else {
            kept.removeAll(worker.memory)
            unsafe worker.downstreamOutOfMemory(stream)
            return .stopWithoutBuffer
        }
        data.removeAll(worker.memory)
        guard endStream else {
            data = kept
            return .stopAndBuffer
        }
        unsafe worker.addBody(.response, stream, &kept, from: self)
        unsafe tellMessage(worker, stream)
        return .proceed
    }

    /// What was gathered goes into the head.
    private func tellMessage(_ worker: Worker, _ stream: StreamPointer) {
        if let held = unsafe worker.heldBody(.response, stream, for: self) {
            let count = unsafe held.pointee.count
            if count > 0 {
                unsafe withUnsafeTemporaryAllocation(byteCount: GRPCWebFilter.messageBytesMax, alignment: 1) { room in
                    guard let base = room.baseAddress, count <= room.count else { return }
                    unsafe held.pointee.copy(from: 0, count: count, into: base)
                    unsafe worker.appendGRPCMessage(Bytes(UnsafeRawPointer(base), count), to: &stream.pointee.response)
                }
            }
            unsafe held.pointee.removeAll(worker.memory)
        }
        var code = unsafe DecimalText(UInt64(GRPCStatus.code(httpStatus: stream.pointee.response.status).magnitude))
        unsafe stream.pointee.response.set(.grpcStatus, code.bytes())
        unsafe worker.setBodyLength(.response, stream, 0)
    }

    // MARK: Bodies

    /// Each message becomes base64 by itself, padding and all. False: no memory.
    private func encode(_ worker: Worker, _ state: UnsafeMutablePointer<State>, _ data: inout ByteQueue) -> Bool {
        var out = ByteQueue()
        var fits = true
        data.forEach { part in
            var rest = part
            while fits, !rest.isEmpty {
                let (count, isComplete) = unsafe state.pointee.frames.take(rest)
                guard let room = unsafe out.contiguousRoom(worker.memory, bytes: Base64Encoder.bytesMax(count)) else {
                    fits = false
                    return
                }
                let start = unsafe room.start.assumingMemoryBound(to: UInt8.self)
                var written = unsafe state.pointee.encoder.encode(rest.prefix(count), into: start)
                if isComplete { unsafe written &+= state.pointee.encoder.finish(into: start + written) }
                out.wrote(written)
                rest = rest.from(count)
            }
        }
        data.removeAll(worker.memory)
        data = out
        return fits
    }

    /// The last message: flag 0x80, and the trailers as lines of HTTP/1. False: no memory.
    private func append(_ trailers: MessageHead, asText: Bool, to out: inout ByteQueue, _ memory: Memory) -> Bool {
        var length = 0
        for i in 0..<trailers.count where !trailers.field(i).removed {
            length &+= trailers.name(i).count &+ trailers.value(i).count &+ 3
        }
        let bytes = asText ? Base64Encoder.bytesMax(length &+ GRPCFrames.prefixBytes) : length &+ GRPCFrames.prefixBytes
        guard let room = unsafe out.contiguousRoom(memory, bytes: bytes) else { return false }
        let start = unsafe room.start.assumingMemoryBound(to: UInt8.self)
        var encoder = Base64Encoder()
        var written = 0
        func put(_ part: Bytes) {
            if asText {
                unsafe written &+= encoder.encode(part, into: start + written)
            } else {
                unsafe (start + written).update(from: part.base, count: part.count)
                written &+= part.count
            }
        }
        var prefix = GRPCFrames.prefix(UInt32(truncatingIfNeeded: length), flags: 0x80)
        unsafe withUnsafeBytes(of: &prefix) { raw in
            if let base = raw.baseAddress { unsafe put(Bytes(base, GRPCFrames.prefixBytes)) }
        }
        for i in 0..<trailers.count where !trailers.field(i).removed {
            put(trailers.name(i))
            put(Bytes(":" as StaticString))
            put(trailers.value(i))
            put(Bytes("\r\n" as StaticString))
        }
        if asText { unsafe written &+= encoder.finish(into: start + written) }
        out.wrote(written)
        return true
    }
}
