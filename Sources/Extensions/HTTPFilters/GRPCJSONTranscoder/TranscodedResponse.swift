// The response's half of `grpc_json_transcoder`: messages become JSON, `grpc-status` a status of HTTP.

import Pipeline
import Primitives
import Transport
import Wire

extension TranscoderFilter {
    private static var json: Bytes { Bytes("application/json" as StaticString) }

    func transcodeHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        guard let call = unsafe call(of: stream), unsafe !state(of: stream).pointee.isBypassed else { return .proceed }
        guard unsafe !stream.pointee.isLocalReply, unsafe GRPCContent.isResponse(stream.pointee.response, endStream: endStream) else {
            unsafe state(of: stream).pointee.isBypassed = true
            return .proceed
        }
        if endStream {
            if call.method.serverStreams { unsafe stream.pointee.response.set(.contentType, TranscoderFilter.json) }
            var body = ByteQueue()
            let handle = unsafe stream.pointee.handle
            unsafe close(worker, stream, call, stream.pointee.response, isTrailersOnly: true, &body)
            if unsafe worker.streams[handle] != nil { unsafe worker.addBody(.response, stream, &body, from: self) } else { body.removeAll(worker.memory) }
            return .proceed
        }
        unsafe stream.pointee.response.set(
            .contentType, call.tables.config.isEventStream && call.method.serverStreams ? Bytes("text/event-stream" as StaticString) : TranscoderFilter.json)
        unsafe worker.setBodyLength(.response, stream, nil)
        return call.method.serverStreams && !call.method.responseIsRaw ? .proceed : .stop
    }

    func transcodeData(_ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool) -> DataVerdict {
        guard let call = unsafe call(of: stream), unsafe !state(of: stream).pointee.isBypassed else { return .proceed }
        let bytes = TranscoderFilter.take(&data, worker.memory)
        var text: [UInt8] = []
        do throws(TranscodeError) {
            text = try call.response(bytes)
            if endStream { text += try call.closing() }
        } catch {
            unsafe refuse(worker, stream, 502, error.message, error.details)
            return .stopWithoutBuffer
        }
        let kept = unsafe worker.heldBody(.response, stream, for: self)?.pointee.count ?? 0
        let limit = unsafe call.tables.config.responseBytesMax ?? worker.bufferLimit(.response, stream)
        guard call.pendingBytes <= limit, call.tables.config.responseBytesMax.map({ bytes.count + kept <= $0 }) ?? true else {
            unsafe refuse(
                worker, stream, 500, "Response not transcoded because the transcoder's internal buffer size exceeds the configured limit.",
                "grpc_json_transcode_failure{response_buffer_size_limit_reached}")
            return .stopWithoutBuffer
        }
        guard text.withBytes({ data.append(copying: $0, worker.memory) }) else {
            unsafe worker.downstreamOutOfMemory(stream)
            return .stopWithoutBuffer
        }
        if let type = call.rawContentType, unsafe worker.holdsHead(.response, stream, for: self) {
            // A message may hold what no field may: such a type is left out (RFC 9110 §5.5).
            type.withBytes { if FormatWriter.isFieldValue($0) { unsafe stream.pointee.response.set(.contentType, $0) } }
            if !call.method.serverStreams, !endStream { unsafe worker.setBodyLength(.response, stream, UInt64(kept + data.count)) }
        }
        let waits = !endStream && (!call.method.serverStreams || call.messageCount == 0 && call.method.responseIsRaw)
        showWaiting(
            worker, call.pendingBytes + (waits ? kept + data.count : 0), &call.shownResponseBytes, .transcoderResponseBufferBytes)
        return waits ? .stopAndBuffer : .proceed
    }

    func transcodeTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        guard let call = unsafe call(of: stream), unsafe !state(of: stream).pointee.isBypassed, let trailers = unsafe stream.pointee.responseTrailers
        else { return .proceed }
        showWaiting(worker, 0, &call.shownResponseBytes, .transcoderResponseBufferBytes)
        var body = ByteQueue()
        let handle = unsafe stream.pointee.handle
        unsafe close(worker, stream, call, trailers, isTrailersOnly: false, &body)
        // An answer of ours may have ended it.
        if unsafe worker.streams[handle] != nil, unsafe !state(of: stream).pointee.isBypassed {
            unsafe worker.addBody(.response, stream, &body, from: self)
        } else {
            body.removeAll(worker.memory)
        }
        return .proceed
    }

    // MARK: The end

    /// The status has come, in the trailers or in a head that is all there is.
    private func close(
        _ worker: Worker, _ stream: StreamPointer, _ call: TranscodedCall, _ source: MessageHead, isTrailersOnly: Bool, _ body: inout ByteQueue
    ) {
        let status = source.value(of: .grpcStatus)?.decimal.flatMap { Int64(exactly: $0) }
        if let status, status > 0, call.messageCount == 0, call.tables.config.convertsStatus,
            unsafe tellStatus(worker, stream, call, source, status, isTrailersOnly: isTrailersOnly, &body)
        {
            return
        }
        do throws(TranscodeError) {
            _ = try call.closing().withBytes { body.append(copying: $0, worker.memory) }
        } catch {
            return unsafe refuse(worker, stream, 502, error.message, error.details)
        }
        if call.method.serverStreams, !isTrailersOnly { return }
        if let status {
            unsafe stream.pointee.response.status = GRPCStatus.httpStatus(status)
            if !isTrailersOnly {
                var digits = DecimalText(UInt64(status))
                unsafe stream.pointee.response.set(.grpcStatus, digits.bytes())
            }
        } else {
            unsafe stream.pointee.response.status = 503
        }
        if !isTrailersOnly {
            if let message = source.value(of: .grpcMessage) { unsafe stream.pointee.response.set(.grpcMessage, message) }
            if unsafe stream.pointee.request.version < .http2 { unsafe stream.pointee.response.remove(.trailer) }
        }
        let held = unsafe worker.heldBody(.response, stream, for: self)?.pointee.count ?? 0
        unsafe worker.setBodyLength(.response, stream, UInt64(held + body.count))
    }

    /// `convert_grpc_status`: an error without a message becomes a JSON body.
    private func tellStatus(
        _ worker: Worker, _ stream: StreamPointer, _ call: TranscodedCall, _ source: MessageHead, _ status: Int64, isTrailersOnly: Bool,
        _ body: inout ByteQueue
    ) -> Bool {
        let detailsName = Bytes("grpc-status-details-bin" as StaticString)
        let details = source.value(named: detailsName).flatMap { TranscodedBytes.decode(String($0)) }
        let message = source.value(of: .grpcMessage).map { PathMatcher.unescape(String($0), .all, plus: false) } ?? ""
        guard let text = call.status(code: status, message: message, details: details) else { return false }
        guard text.withBytes({ body.append(copying: $0, worker.memory) }) else { return false }
        call.responseIsClosed = true
        // The head of a stream is on its way already.
        if call.method.serverStreams, !isTrailersOnly { return true }
        unsafe stream.pointee.response.status = GRPCStatus.httpStatus(status)
        if isTrailersOnly {
            unsafe stream.pointee.response.remove(.grpcStatus)
            unsafe stream.pointee.response.remove(.grpcMessage)
            unsafe stream.pointee.response.removeAll(named: detailsName)
        }
        unsafe stream.pointee.response.set(.contentType, TranscoderFilter.json)
        unsafe worker.setBodyLength(.response, stream, UInt64(body.count))
        return true
    }
}
