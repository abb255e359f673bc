// Where the stream meets the codec of its client: the one place that asks whether that is HTTP/1 or HTTP/2. Everything
// above speaks of heads, body and ends; everything below of bytes and frames.
//
// A stream over HTTP/2 names its codec's entry (`downstreamCodec`); one over HTTP/1, and a call of our own, has none.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    @inline(__always)
    func isHTTP2(_ stream: StreamPointer) -> Bool { unsafe !stream.pointee.downstreamCodec.isNone }

    // MARK: Response

    // HOT: per message.
    /// Encodes the response's head. `endStream`: no body follows. False, here and below: there was no memory, or the body
    /// broke its length; the stream is gone.
    func sendResponseHead(_ stream: StreamPointer, endStream: Bool) -> Bool {
        if unsafe isHTTP2(stream) { return unsafe http2SendResponseHead(stream, endStream: endStream) }
        return unsafe http1SendResponseHead(stream, endStream: endStream)
    }

    // HOT: per frame.
    /// Queues a part of the body. With `buffer` it may be referred to in place. Takes no hold: retains what it keeps.
    func sendResponseData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?) -> Bool {
        if unsafe isHTTP2(stream) { return unsafe http2SendResponseData(stream, part, buffer) }
        return unsafe http1SendResponseData(stream, part, buffer)
    }

    /// Ends the body.
    func sendResponseEnd(_ stream: StreamPointer) -> Bool {
        if unsafe isHTTP2(stream) { return unsafe http2SendResponseEnd(stream) }
        return unsafe http1SendResponseEnd(stream)
    }

    /// Part of what had to be said may be queued already: nothing may follow it. Always false.
    @discardableResult
    package func downstreamOutOfMemory(_ stream: StreamPointer) -> Bool {
        unsafe stream.pointee.flags.insert(.localReset)
        unsafe stream.pointee.details = Bytes("out_of_memory" as StaticString)
        if unsafe isHTTP2(stream) { unsafe http2ResetDownstream(stream) } else { unsafe http1OutOfMemory(stream) }
        return false
    }

    /// A filter has made the body longer or shorter than its head says. What follows would be read as another response, or
    /// as part of this one: nothing follows. Always false.
    func responseBrokeItsLength(_ stream: StreamPointer) -> Bool {
        unsafe stream.pointee.flags.insert(.localReset)
        unsafe stream.pointee.details = Bytes("response_body_length_mismatch" as StaticString)
        unsafe resetDownstream(stream)
        return false
    }

    // HOT: per message.
    /// The response is queued in full.
    func downstreamFinished(_ stream: StreamPointer) {
        if unsafe isHTTP2(stream) { return unsafe http2DownstreamFinished(stream) }
        unsafe http1DownstreamFinished(stream)
    }

    /// The response cannot be completed, and the client is to learn it.
    func resetDownstream(_ stream: StreamPointer) {
        if unsafe isHTTP2(stream) { return unsafe http2ResetDownstream(stream) }
        unsafe http1ResetDownstream(stream)
    }

    /// The codec forgets the stream, which ends without its response.
    func leaveDownstream(_ stream: StreamPointer) {
        if unsafe isHTTP2(stream) {
            if let entry = unsafe h2.streams[stream.pointee.downstreamCodec] { unsafe requestLeft(entry) }
        } else if let connection = unsafe connections.slab[stream.pointee.downstream],
            let server = unsafe servers[connection.pointee.session]
        {
            unsafe server.pointee.stream = .none
        }
    }

    // MARK: Back-pressure

    func pauseDownstream(_ stream: StreamPointer) {
        if unsafe isTunnelled(stream) { return unsafe pauseTunnelClient(stream) }
        if unsafe isHTTP2(stream) {
            guard let entry = unsafe h2.streams[stream.pointee.downstreamCodec], unsafe pauseHTTP2(entry) else { return }
        } else {
            guard let connection = unsafe connections.slab[stream.pointee.downstream], unsafe !connection.pointee.isPaused else { return }
            unsafe connections.pause(connection)
        }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamFlowControlPausedReadingTotal)
    }

    func resumeDownstreamReading(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.requestIsHeldBack else { return }
        if unsafe isTunnelled(stream) { return unsafe resumeTunnelClient(stream) }
        if unsafe isHTTP2(stream) {
            guard let entry = unsafe h2.streams[stream.pointee.downstreamCodec], unsafe resumeHTTP2(entry) else { return }
        } else {
            guard let connection = unsafe connections.slab[stream.pointee.downstream], unsafe connection.pointee.isPaused else { return }
            unsafe connections.receive(connection)
        }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamFlowControlResumedReadingTotal)
    }

    // HOT: per completion.
    @inline(__always)
    func isDownstreamPaused(_ stream: StreamPointer) -> Bool {
        if unsafe isTunnelled(stream) { return unsafe isTunnelClientPaused(stream) }
        if unsafe isHTTP2(stream) { return unsafe h2.streams[stream.pointee.downstreamCodec]?.pointee.isPaused ?? false }
        return unsafe connections.slab[stream.pointee.downstream]?.pointee.isPaused ?? false
    }

    // HOT: per frame.
    /// The client reads more slowly than the upstream answers: stop reading the upstream.
    func watchDownstreamQueue(_ stream: StreamPointer) {
        if unsafe isHTTP2(stream) { return unsafe http2WatchDownstreamQueue(stream) }
        guard let connection = unsafe connections.slab[stream.pointee.downstream],
            unsafe connection.pointee.out.count > stream.pointee.http.pointee.bufferLimit
        else { return }
        unsafe connection.pointee.isAboveHigh = true
        unsafe pauseUpstream(stream)
    }

    /// Whether a producer has to wait for the client; it is told when half of the limit is free.
    func mustWaitForClient(_ stream: StreamPointer) -> Bool {
        if unsafe isHTTP2(stream) {
            guard let entry = unsafe h2.streams[stream.pointee.downstreamCodec] else { return true }
            let waits = unsafe entry.pointee.out.count > http2QueueLimit(stream) / 2
            if waits { unsafe entry.pointee.isAboveHigh = true }
            return waits
        }
        guard let connection = unsafe connections.slab[stream.pointee.downstream] else { return true }
        let waits = unsafe connection.pointee.out.count > stream.pointee.http.pointee.bufferLimit / 2
        if waits { unsafe connection.pointee.isAboveHigh = true }
        return waits
    }
}
