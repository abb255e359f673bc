// `grpc_json_transcoder`: JSON over HTTP for services that speak gRPC. The request's half; the response's is in
// `TranscodedResponse`.
//
// The rule of the data plane against allocation does not hold here: messages become trees and texts of their own
// (docs/filters/grpc_json_transcoder.md). What waits is bounded by the buffer limits.

import Pipeline
import Primitives
import Transport
import Wire

final class TranscoderFilter: HTTPFilter {
    @safe
    struct State {
        /// Held until the stream goes; nil: the request is not transcoded.
        var call: Unmanaged<TranscodedCall>?
        /// The response passes as it is.
        var isBypassed: Bool
    }

    private let tables: [TranscoderTables]
    /// First statistic of `http.<stat_prefix>.` (`TranscoderStat`).
    let stats: UInt32

    init(name: String, _ tables: [TranscoderTables], stats: UInt32) {
        self.tables = tables
        self.stats = stats
        super.init(
            name: name, stateBytes: MemoryLayout<State>.stride,
            interest: [.requestHead, .requestBody, .responseHead, .responseBody])
    }

    func state(of stream: StreamPointer) -> UnsafeMutablePointer<State> {
        unsafe state(stream).assumingMemoryBound(to: State.self)
    }

    func call(of stream: StreamPointer) -> TranscodedCall? { unsafe state(of: stream).pointee.call?.takeUnretainedValue() }

    override func destroyed(_ worker: Worker, _ stream: StreamPointer) {
        if let call = unsafe call(of: stream) {
            showWaiting(worker, 0, &call.shownRequestBytes, .transcoderRequestBufferBytes)
            showWaiting(worker, 0, &call.shownResponseBytes, .transcoderResponseBufferBytes)
        }
        unsafe state(of: stream).pointee.call?.release()
        unsafe state(of: stream).pointee.call = nil
    }

    // MARK: Head

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let tables = unsafe tables[Int(routeConfig(stream) ?? 0)]
        guard !tables.methods.isEmpty, unsafe !GRPCContent.isRequest(stream.pointee.request) else { return .proceed }
        let target = unsafe String(stream.pointee.request.text(stream.pointee.request.path))
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = String(parts.first ?? "")
        guard let (number, bound) = unsafe tables.matcher.match(String(stream.pointee.request.text(stream.pointee.request.methodText)), path) else {
            guard tables.config.rejectsUnknownMethods else { return .proceed }
            unsafe refuse(worker, stream, 404, "Could not resolve \(path) to a method.", "early_grpc_json_transcode_failure{NOT_FOUND}")
            return .stop
        }
        let method = tables.methods[number]
        let config = tables.config
        var bindings: [TranscodedCall.Binding] = []
        var unknown = UnknownParameters()
        let parameters = parts.count < 2
            ? [] : PathMatcher.bindings(ofQuery: String(parts[1]), ignored: config.ignoredParameters, plus: config.plusIsSpace)
        for binding in bound + parameters {
            if let places = tables.resolve(binding.path, method.input) {
                // A raw body has its fields from the body alone.
                if method.requestIsRaw, places.starts(with: method.bodyPath) { continue }
                bindings.append(TranscodedCall.Binding(path: places, value: binding.value))
            } else if !config.ignoresUnknownParameters {
                if config.capturesUnknownParameters {
                    unknown.add(binding.path.joined(separator: "."), binding.value)
                    continue
                }
                guard config.rejectsUnknownParameters else { return .proceed }
                unsafe refuse(
                    worker, stream, 400, tables.missing(binding.path, method.input),
                    "early_grpc_json_transcode_failure{INVALID_ARGUMENT}")
                return .stop
            }
        }
        let type = unsafe stream.pointee.request.value(of: .contentType).map { String($0) } ?? ""
        let call = TranscodedCall(tables, method, bindings, contentType: type, unknown: unknown)
        unsafe state(of: stream).pointee.call = unsafe Unmanaged.passRetained(call)
        if let limit = config.requestBytesMax { unsafe worker.setRequestBufferMax(stream, limit) }
        unsafe rewriteHead(worker, stream, method.path)
        if !config.keepsRoute { unsafe worker.clearRoute(stream) }
        if method.streamsElements {
            guard endStream else { return .proceed }
            unsafe refuse(
                worker, stream, 400, "Expected an array instead of an object", "early_grpc_json_transcode_failure{INVALID_ARGUMENT}")
            return .stop
        }
        guard endStream else { return method.streamsParts ? .proceed : .stop }
        var data = ByteQueue()
        guard unsafe append(worker, stream, &data, early: true, { () throws(TranscodeError) in try call.message([]) }) else { return .stop }
        unsafe worker.addBody(.request, stream, &data, from: self)
        return .proceed
    }

    private func rewriteHead(_ worker: Worker, _ stream: StreamPointer, _ path: String) {
        unsafe stream.pointee.request.remove(.contentLength)
        unsafe worker.setBodyLength(.request, stream, nil)
        unsafe stream.pointee.request.set(.contentType, Bytes("application/grpc" as StaticString))
        unsafe stream.pointee.request.set(.xEnvoyOriginalPath, stream.pointee.request.text(stream.pointee.request.path))
        unsafe stream.pointee.request.append(
            name: Bytes("x-envoy-original-method" as StaticString), value: stream.pointee.request.text(stream.pointee.request.methodText))
        unsafe stream.pointee.request.path = path.withBytes { unsafe stream.pointee.request.store($0) }
        unsafe stream.pointee.request.methodText = unsafe stream.pointee.request.store(Bytes("POST" as StaticString))
        unsafe stream.pointee.request.method = .post
        unsafe stream.pointee.request.set(.te, Bytes("trailers" as StaticString))
    }

    // MARK: Body

    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        guard let call = unsafe call(of: stream) else { return .proceed }
        if call.method.streamsElements || call.method.streamsParts {
            let bytes = TranscoderFilter.take(&data, worker.memory)
            let isGood = unsafe append(worker, stream, &data, early: false) { () throws(TranscodeError) in
                try call.messages(bytes, isLast: endStream)
            }
            guard isGood else { return .stopWithoutBuffer }
            showWaiting(worker, call.keptBytes, &call.shownRequestBytes, .transcoderRequestBufferBytes)
            guard unsafe call.keptBytes <= worker.bufferLimit(.request, stream) else {
                unsafe refuseTooLarge(worker, stream)
                return .stopWithoutBuffer
            }
            return .proceed
        }
        let held = unsafe worker.heldBody(.request, stream, for: self)?.pointee.count ?? 0
        guard unsafe held + data.count <= worker.bufferLimit(.request, stream) else {
            unsafe refuseTooLarge(worker, stream)
            return .stopWithoutBuffer
        }
        showWaiting(worker, endStream ? 0 : held + data.count, &call.shownRequestBytes, .transcoderRequestBufferBytes)
        guard endStream else { return .stopAndBuffer }
        return unsafe finish(worker, stream, call, &data) ? .proceed : .stopWithoutBuffer
    }

    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        guard let call = unsafe call(of: stream) else { return .proceed }
        var data = ByteQueue()
        if call.method.streamsElements { return .proceed }
        if call.method.streamsParts {
            guard !call.rawHasBegun else { return .proceed }
            guard unsafe append(worker, stream, &data, early: false, { () throws(TranscodeError) in try call.messages([], isLast: true) })
            else { return .proceed }
            unsafe worker.addBody(.request, stream, &data, from: self)
            return .proceed
        }
        showWaiting(worker, 0, &call.shownRequestBytes, .transcoderRequestBufferBytes)
        if unsafe finish(worker, stream, call, &data) { unsafe worker.addBody(.request, stream, &data, from: self) }
        return .proceed
    }

    /// The request is here in full: `data` becomes its message. False: it has been refused.
    private func finish(_ worker: Worker, _ stream: StreamPointer, _ call: TranscodedCall, _ data: inout ByteQueue) -> Bool {
        var bytes: [UInt8] = []
        if let held = unsafe worker.heldBody(.request, stream, for: self) { bytes = unsafe TranscoderFilter.take(&held.pointee, worker.memory) }
        bytes += TranscoderFilter.take(&data, worker.memory)
        return unsafe append(worker, stream, &data, early: false) { () throws(TranscodeError) in try call.message(bytes) }
    }

    private func append(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, early: Bool, _ make: () throws(TranscodeError) -> [UInt8]
    ) -> Bool {
        do throws(TranscodeError) {
            let bytes = try make()
            if bytes.withBytes({ data.append(copying: $0, worker.memory) }) { return true }
            unsafe worker.downstreamOutOfMemory(stream)
        } catch {
            unsafe refuse(
                worker, stream, 400, error.message,
                early ? "early_grpc_json_transcode_failure{INVALID_ARGUMENT}" : error.details)
        }
        return false
    }

    // MARK: Response

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe transcodeHead(worker, stream, endStream: endStream)
    }

    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        unsafe transcodeData(worker, stream, &data, endStream: endStream)
    }

    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        unsafe transcodeTrailers(worker, stream)
    }

    private func refuseTooLarge(_ worker: Worker, _ stream: StreamPointer) {
        // As where the chain refuses a body.
        unsafe stream.pointee.closesDownstream = true
        unsafe refuse(
            worker, stream, 413, "Request rejected because the transcoder's internal buffer size exceeds the configured limit.",
            "grpc_json_transcode_failure{request_buffer_size_limit_reached}")
    }

    func refuse(_ worker: Worker, _ stream: StreamPointer, _ status: UInt16, _ message: String, _ details: StaticString) {
        unsafe state(of: stream).pointee.isBypassed = true
        message.withBytes { unsafe worker.reply(stream, status: status, body: $0, details: Bytes(details), flags: []) }
    }

    static func take(_ data: inout ByteQueue, _ memory: Memory) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.count)
        data.forEach { bytes += Array($0) }
        data.removeAll(memory)
        return bytes
    }
}
