// The answering half of a downstream HTTP/2 stream: heads to nghttp2, body into the stream's own queue.

import CNghttp2
import Primitives
import Stats
import Transport
import Wire

extension Worker {
    @inline(__always)
    private func downstreamEntry(_ stream: StreamPointer) -> UnsafeMutablePointer<H2Stream>? {
        unsafe h2.streams[stream.pointee.downstreamCodec]
    }

    // HOT: per message.
    func http2SendResponseHead(_ stream: StreamPointer, endStream: Bool) -> Bool {
        guard let entry = unsafe downstreamEntry(stream), let session = unsafe h2.sessions[entry.pointee.session] else { return true }
        unsafe stream.pointee.responseHeadSent = true
        guard unsafe !entry.pointee.isReset else { return true }
        let isTunnel = unsafe stream.pointee.isTunnel
        // RFC 8441 §5: there is no 101 in HTTP/2.
        let status = unsafe isTunnel && stream.pointee.response.status == 101 ? 200 : stream.pointee.response.status
        let length = unsafe stream.pointee.responseIsChunked ? nil : stream.pointee.responseLength
        unsafe h2.fields.response(stream.pointee.response, status: status, length: isTunnel ? nil : length, isTunnel: isTunnel)
        if unsafe stream.pointee.metersWire { unsafe stream.pointee.downstreamMeter.plainSent &+= plainBytes() }
        // RFC 9110 §9.3.2: the answer to HEAD has no content.
        let ends = unsafe endStream || stream.pointee.isHead
        unsafe stream.pointee.responseIsBare = unsafe ends || stream.pointee.response.status == 304 || status == 204
        unsafe stream.pointee.responseLeft = isTunnel ? nil : length
        if ends { unsafe entry.pointee.endsBehind = true }
        let code = unsafe martlet_h2_respond(
            session.pointee.codec, entry.pointee.id, h2.fields.base, h2.fields.count, ends ? 1 : 0,
            entry.pointee.handle.raw, Worker.readBody)
        if code != 0 { unsafe resetHTTP2(entry, H2Error.internalError) }
        if ends, unsafe !stream.pointee.requestEnded { unsafe entry.pointee.resetsBehindEnd = true }
        unsafe markDue(session)
        return true
    }

    /// An interim response (RFC 9110 §15.2).
    func http2SendInterim(_ stream: StreamPointer, _ head: MessageHead) {
        guard let entry = unsafe downstreamEntry(stream), unsafe !entry.pointee.isReset, let session = unsafe h2.sessions[entry.pointee.session]
        else { return }
        h2.fields.response(head, status: head.status, length: nil, isTunnel: false)
        if unsafe stream.pointee.metersWire { unsafe stream.pointee.downstreamMeter.plainSent &+= plainBytes() }
        _ = unsafe nghttp2_submit_headers(
            session.pointee.codec, UInt8(NGHTTP2_FLAG_NONE.rawValue), entry.pointee.id, nil, h2.fields.base, h2.fields.count, nil)
        unsafe markDue(session)
    }

    // HOT: per frame.
    func http2SendResponseData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?) -> Bool {
        guard let entry = unsafe downstreamEntry(stream), unsafe !stream.pointee.responseIsBare else { return true }
        if let left = unsafe stream.pointee.responseLeft {
            guard UInt64(truncatingIfNeeded: part.count) <= left else { return unsafe responseBrokeItsLength(stream) }
            unsafe stream.pointee.responseLeft = left &- UInt64(truncatingIfNeeded: part.count)
        }
        unsafe stream.pointee.responseBodyBytes &+= UInt64(truncatingIfNeeded: part.count)
        return unsafe queueHTTP2(entry, part, buffer) || downstreamOutOfMemory(stream)
    }

    // HOT: per message.
    func http2SendResponseEnd(_ stream: StreamPointer) -> Bool {
        guard let entry = unsafe downstreamEntry(stream), unsafe !entry.pointee.endsBehind else { return true }
        if let left = unsafe stream.pointee.responseLeft, left > 0, unsafe !stream.pointee.responseIsBare {
            return unsafe responseBrokeItsLength(stream)
        }
        unsafe entry.pointee.endsBehind = true
        if unsafe !stream.pointee.requestEnded { unsafe entry.pointee.resetsBehindEnd = true }
        unsafe wake(entry)
        return true
    }

    // HOT: per message.
    /// The request is over; its stream goes on until the client has taken the rest.
    func http2DownstreamFinished(_ stream: StreamPointer) {
        guard let entry = unsafe downstreamEntry(stream) else { return }
        unsafe requestLeft(entry)
        // Behind the logs, which read them.
        unsafe entry.pointee.trailers = unsafe stream.pointee.responseTrailers
        unsafe stream.pointee.responseTrailers = nil
        if unsafe entry.pointee.out.isEmpty { return }
        let timeout = unsafe stream.pointee.route?.pointee.flushTimeoutMs ?? stream.pointee.http.pointee.streamFlushTimeoutMs
        if timeout != 0 { unsafe timers.arm(entry.flushTimerNode, at: nowMs &+ timeout) }
    }

    /// The response cannot be completed.
    func http2ResetDownstream(_ stream: StreamPointer) {
        let stats = unsafe stream.pointee.http.pointee.stats
        count(stats, .downstreamRqTxReset)
        // Envoy counts every end of a stream without its answer among these too.
        count(stats, .downstreamRqRxReset)
        // RFC 9113 §8.5: the other side of a tunnel was reset.
        let code = unsafe stream.pointee.isTunnel ? H2Error.connectError : H2Error.internalError
        if let entry = unsafe downstreamEntry(stream) { unsafe resetHTTP2(entry, code) }
        unsafe endStream(stream, reset: true)
    }

    /// Bytes of body that a stream's queue may hold.
    func http2QueueLimit(_ stream: StreamPointer) -> Int {
        unsafe stream.pointee.http.pointee.http2.queueLimit(stream.pointee.http.pointee.bufferLimit)
    }

    // HOT: per frame.
    func http2WatchDownstreamQueue(_ stream: StreamPointer) {
        guard let entry = unsafe downstreamEntry(stream), unsafe entry.pointee.out.count > http2QueueLimit(stream) else { return }
        unsafe entry.pointee.isAboveHigh = true
        unsafe pauseUpstream(stream)
    }

    /// What HTTP/1 says with `connection: close` is GOAWAY here.
    func http2FinaliseResponse(_ stream: StreamPointer) {
        if unsafe !stream.pointee.requestEnded, unsafe !stream.pointee.isTunnel { unsafe stream.pointee.respondedEarly = true }
        // An upgrade that is refused, as over HTTP/1.
        let closes = unsafe stream.pointee.closesDownstream && !stream.pointee.delaysClose && !stream.pointee.isTunnel
        guard closes || drain != .none || ServerHealth.shared.isFailing || draining.count > 0, let entry = unsafe downstreamEntry(stream),
            let session = unsafe h2.sessions[entry.pointee.session], unsafe session.pointee.drain.phase == .serving
        else { return }
        if closes { return unsafe drainHTTP2(session) }
        if drain == .none {
            guard let connection = unsafe connections.slab[session.pointee.connection], unsafe discourages(connection) else { return }
        }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamCxDrainClose)
        unsafe drainHTTP2(session)
    }
}
