// The answering half of a downstream HTTP/1 connection: heads and body parts into the connection's queue.

import Primitives
import Ring
import Stats
import Transport
import Wire

extension Worker {
    // HOT: per message.
    /// False, here and below: there was no memory, or the body broke its length; the stream is gone.
    func http1SendResponseHead(_ stream: StreamPointer, endStream: Bool) -> Bool {
        guard let connection = unsafe connections.slab[stream.pointee.downstream] else { return true }
        let framing = unsafe responseFraming(stream, endStream: endStream)
        // The upstream's framing is not ours: what follows is framed by what this head says, and by nothing else.
        if case .chunked = framing {
            unsafe stream.pointee.responseIsChunked = true
        } else {
            unsafe stream.pointee.responseIsChunked = false
        }
        if case .contentLength(let length) = framing {
            unsafe stream.pointee.responseLeft = length
        } else {
            unsafe stream.pointee.responseLeft = nil
        }
        let isUnframed = if case .none = framing { unsafe !stream.pointee.isTunnel } else { false }
        unsafe stream.pointee.responseIsBare = unsafe isUnframed || stream.pointee.isHead || stream.pointee.response.status == 304
        var options = H1EncoderOptions()
        options.properCaseWords = unsafe stream.pointee.http.pointee.properCaseHeaders
        let bound = unsafe H1Encoder.responseBound(stream.pointee.response)
        guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
            return unsafe downstreamOutOfMemory(stream)
        }
        let written = unsafe H1Encoder.responseHead(
            stream.pointee.response, framing, options, version: stream.pointee.request.version, into: room.start,
            capacity: room.count)
        unsafe connection.pointee.out.wrote(written)
        unsafe stream.pointee.downstreamMeter.sent &+= UInt64(truncatingIfNeeded: written)
        if unsafe stream.pointee.metersWire {
            unsafe stream.pointee.downstreamMeter.http1HeadSent(
                written, lineBytes: 15 &+ ReasonPhrases.phrase(stream.pointee.response.status).utf8CodeUnitCount)
        }
        unsafe stream.pointee.responseHeadSent = true
        unsafe connections.markDirty(connection)
        return true
    }

    /// False: there was no memory; the stream is gone.
    func http1SendInterim(_ stream: StreamPointer, _ head: MessageHead) -> Bool {
        guard let connection = unsafe connections.slab[stream.pointee.downstream] else { return true }
        var options = H1EncoderOptions()
        options.properCaseWords = unsafe stream.pointee.http.pointee.properCaseHeaders
        guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: H1Encoder.responseBound(head)) else {
            return unsafe downstreamOutOfMemory(stream)
        }
        let written = unsafe H1Encoder.responseHead(head, .none, options, into: room.start, capacity: room.count)
        unsafe connection.pointee.out.wrote(written)
        unsafe stream.pointee.downstreamMeter.sent &+= UInt64(truncatingIfNeeded: written)
        unsafe stream.pointee.downstreamMeter.http1HeadSent(
            written, lineBytes: 15 &+ ReasonPhrases.phrase(head.status).utf8CodeUnitCount)
        unsafe connections.markDirty(connection)
        return true
    }

    /// RFC 9112 §6: how the body that we send is framed.
    private func responseFraming(_ stream: StreamPointer, endStream: Bool) -> H1Framing {
        let status = unsafe stream.pointee.response.status
        if status < 200 || status == 204 { return .none }
        if unsafe stream.pointee.isTunnel { return .none }
        if let length = unsafe stream.pointee.responseLength, unsafe !stream.pointee.responseIsChunked {
            return .contentLength(length)
        }
        if endStream, unsafe !stream.pointee.isHead { return status == 304 ? .none : .contentLength(0) }
        if status == 304 { return .none }
        if unsafe stream.pointee.request.version == .http10 {
            unsafe stream.pointee.closesDownstream = true
            return .closeDelimited
        }
        return .chunked
    }

    // HOT: per frame.
    func http1SendResponseData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?) -> Bool {
        guard let connection = unsafe connections.slab[stream.pointee.downstream], unsafe !stream.pointee.responseIsBare else {
            return true
        }
        if let left = unsafe stream.pointee.responseLeft {
            guard UInt64(truncatingIfNeeded: part.count) <= left else { return unsafe responseBrokeItsLength(stream) }
            unsafe stream.pointee.responseLeft = left &- UInt64(truncatingIfNeeded: part.count)
        }
        unsafe stream.pointee.responseBodyBytes &+= UInt64(truncatingIfNeeded: part.count)
        let isChunked = unsafe stream.pointee.responseIsChunked && !stream.pointee.isTunnel
        let before = unsafe connection.pointee.out.count
        guard unsafe queue(part, buffer, on: connection, chunked: isChunked) else { return unsafe downstreamOutOfMemory(stream) }
        unsafe stream.pointee.downstreamMeter.sent &+= UInt64(truncatingIfNeeded: connection.pointee.out.count &- before)
        return true
    }

    // HOT: per frame.
    /// A part of a body into a connection's queue, in a chunk of its own where that is the framing. False: no memory.
    func queue(
        _ part: Bytes, _ buffer: UInt16?, on connection: UnsafeMutablePointer<Connection>, chunked: Bool
    ) -> Bool {
        if chunked {
            guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: H1Chunks.prefixBytesMax) else {
                return false
            }
            unsafe connection.pointee.out.wrote(H1Chunks.prefix(part.count, into: room.start))
        }
        if let buffer, unsafe !connections.shouldCopy(connection, part.count) {
            memory.buffers.retain(buffer)
            unsafe connection.pointee.out.append(buffer: buffer, part, memory)
        } else if unsafe !connection.pointee.out.append(copying: part, memory) {
            return false
        }
        if chunked, unsafe !connection.pointee.out.append(copying: H1Chunks.suffix, memory) { return false }
        unsafe connections.markDirty(connection)
        return true
    }

    func http1SendResponseEnd(_ stream: StreamPointer) -> Bool {
        guard let connection = unsafe connections.slab[stream.pointee.downstream] else { return true }
        if let left = unsafe stream.pointee.responseLeft, left > 0, unsafe !stream.pointee.responseIsBare {
            return unsafe responseBrokeItsLength(stream)
        }
        if unsafe stream.pointee.responseIsChunked, unsafe !stream.pointee.responseIsBare, unsafe !stream.pointee.isTunnel {
            if let trailers = unsafe stream.pointee.responseTrailers, unsafe stream.pointee.http.pointee.decoder.enableTrailers {
                var options = H1EncoderOptions()
                options.properCaseWords = unsafe stream.pointee.http.pointee.properCaseHeaders
                let bound = H1Encoder.trailersBound(trailers)
                guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
                    return unsafe downstreamOutOfMemory(stream)
                }
                let written = unsafe H1Encoder.trailers(trailers, options, into: room.start, capacity: room.count)
                unsafe connection.pointee.out.wrote(written)
                unsafe stream.pointee.downstreamMeter.sent &+= UInt64(truncatingIfNeeded: written)
                // Without the last chunk's line and the empty one.
                unsafe stream.pointee.downstreamMeter.http1HeadSent(written, lineBytes: 3)
            } else if unsafe !connection.pointee.out.append(copying: H1Chunks.last, memory) {
                return unsafe downstreamOutOfMemory(stream)
            } else {
                unsafe stream.pointee.downstreamMeter.sent &+= UInt64(truncatingIfNeeded: H1Chunks.last.count)
            }
        }
        unsafe connections.markDirty(connection)
        return true
    }

    func http1OutOfMemory(_ stream: StreamPointer) {
        guard let connection = unsafe connections.slab[stream.pointee.downstream],
            let server = unsafe servers[connection.pointee.session]
        else { return unsafe resetDownstream(stream) }
        let stats = unsafe server.pointee.http.pointee.stats
        count(stats, .downstreamRqTxReset)
        count(stats, .downstreamCxDestroyActiveRq)
        count(stats, .downstreamCxDestroyLocalActiveRq)
        count(stats, .downstreamCxDestroyLocal)
        unsafe endStream(stream, reset: true)
        unsafe closeServer(server, connection)
    }

    // HOT: per completion.
    func http1DownstreamSent(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        guard let server = unsafe servers[connection.pointee.session] else { return }
        unsafe count(server.pointee.http.pointee.stats, .downstreamCxTxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        // Who still takes what it was sent is not late.
        if unsafe server.pointee.isLingering, unsafe server.pointee.lingerUntilMs != 0 {
            unsafe server.pointee.lingerUntilMs = unsafe nowMs &+ server.pointee.http.pointee.delayedCloseTimeoutMs
        }
        guard let stream = unsafe streams[server.pointee.stream] else {
            // Requests wait behind answers that the client had not taken (`hasTooMuchQueued`).
            if unsafe !server.pointee.pending.isEmpty,
                unsafe connection.pointee.out.count <= server.pointee.http.pointee.bufferLimit / 2
            {
                unsafe resumePending(server)
            }
            return
        }
        unsafe stream.pointee.activeMs = nowMs
        if unsafe connection.pointee.isAboveHigh,
            unsafe connection.pointee.out.count <= stream.pointee.http.pointee.bufferLimit / 2
        {
            unsafe connection.pointee.isAboveHigh = false
            unsafe resumeUpstreamReading(stream)
            if unsafe stream.pointee.producer != 0 { unsafe produce(stream) }
        }
    }

    // HOT: per message.
    /// The response is queued in full: the stream is over, and the connection goes on, lingers or closes.
    func http1DownstreamFinished(_ stream: StreamPointer) {
        guard let connection = unsafe connections.slab[stream.pointee.downstream],
            let server = unsafe servers[connection.pointee.session]
        else { return }
        let closes = unsafe stream.pointee.closesDownstream
        unsafe server.pointee.stream = .none
        unsafe server.pointee.headersDeadlineMs = 0
        // Who asked for the end and has sent all of its request loses nothing to a close at once; nor does a response of
        // HTTP/1.0 whose end is the connection's. Else a close may cross bytes of the client (delayed close).
        let isImmediate = unsafe stream.pointee.isLocalReply && server.pointee.isFeeding
        let isDone = unsafe !stream.pointee.delaysClose && !isImmediate
            && (stream.isWhole || stream.pointee.request.version == .http10 && stream.pointee.responseLength == nil)
        unsafe server.pointee.decoder.reset()
        unsafe connection.pointee.isAboveHigh = false
        if closes {
            unsafe connection.pointee.noteDeferredClose()
            if isDone {
                unsafe count(server.pointee.http.pointee.stats, .downstreamCxDestroyLocal)
                unsafe closeServer(server, connection)
            } else {
                unsafe linger(server, connection)
            }
            return
        }
        if unsafe server.pointee.isDraining, unsafe server.pointee.isDrained || server.pointee.drainedAtMs == 0 {
            unsafe connection.pointee.noteDeferredClose()
            unsafe linger(server, connection)
            return
        }
        if unsafe connection.pointee.isPaused, unsafe server.pointee.pending.isEmpty { unsafe connections.receive(connection) }
        if unsafe !server.pointee.pending.isEmpty { unsafe resumePending(server) }
    }
}
