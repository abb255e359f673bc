// The answering half of a downstream HTTP/1 connection: heads and body parts into the connection's queue.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    // HOT: per message.
    /// Encodes the response's head. `endStream`: no body follows.
    func sendResponseHead(_ stream: StreamPointer, endStream: Bool) {
        guard let connection = connections.slab[stream.pointee.downstream] else { return }
        let framing = responseFraming(stream, endStream: endStream)
        var options = H1EncoderOptions()
        options.properCaseWords = stream.pointee.http.pointee.properCaseHeaders
        let bound = H1Encoder.responseBound(stream.pointee.response)
        guard let room = connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
            downstreamOutOfMemory(stream)
            return
        }
        let written = H1Encoder.responseHead(
            stream.pointee.response, framing, options, version: stream.pointee.request.version, into: room.start,
            capacity: room.count)
        connection.pointee.out.wrote(written)
        stream.pointee.responseHeadBytes &+= UInt64(truncatingIfNeeded: written)
        stream.pointee.responseHeadSent = true
        connections.markDirty(connection)
    }

    /// RFC 9112 §6: how the body that we send is framed.
    private func responseFraming(_ stream: StreamPointer, endStream: Bool) -> H1Framing {
        let status = stream.pointee.response.status
        if status < 200 || status == 204 { return .none }
        if stream.pointee.isTunnel { return .none }
        if let length = stream.pointee.responseLength, !stream.pointee.responseIsChunked {
            return .contentLength(length)
        }
        if endStream, !stream.pointee.isHead { return status == 304 ? .none : .contentLength(0) }
        if status == 304 { return .none }
        if stream.pointee.request.version == .http10 {
            stream.pointee.closesDownstream = true
            return .closeDelimited
        }
        stream.pointee.responseIsChunked = true
        return .chunked
    }

    // HOT: per frame.
    /// Queues a part of the body. With `buffer` it may be referred to in place. Takes no hold: retains what it keeps.
    func sendResponseData(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?) {
        guard let connection = connections.slab[stream.pointee.downstream], !stream.pointee.isHead else { return }
        stream.pointee.responseBodyBytes &+= UInt64(truncatingIfNeeded: part.count)
        let isChunked = stream.pointee.responseIsChunked && !stream.pointee.isTunnel
        if queue(part, buffer, on: connection, chunked: isChunked) { return }
        downstreamOutOfMemory(stream)
    }

    // HOT: per frame.
    /// A part of a body into a connection's queue, in a chunk of its own where that is the framing. False: no memory.
    func queue(
        _ part: Bytes, _ buffer: UInt16?, on connection: UnsafeMutablePointer<Connection>, chunked: Bool
    ) -> Bool {
        if chunked {
            guard let room = connection.pointee.out.contiguousRoom(memory, bytes: H1Chunks.prefixBytesMax) else {
                return false
            }
            connection.pointee.out.wrote(H1Chunks.prefix(part.count, into: room.start))
        }
        if let buffer, !connections.shouldCopy(connection, part.count) {
            memory.buffers.retain(buffer)
            connection.pointee.out.append(buffer: buffer, part, memory)
        } else if !connection.pointee.out.append(copying: part, memory) {
            return false
        }
        if chunked, !connection.pointee.out.append(copying: H1Chunks.suffix, memory) { return false }
        connections.markDirty(connection)
        return true
    }

    /// Ends the body.
    func sendResponseEnd(_ stream: StreamPointer) {
        guard let connection = connections.slab[stream.pointee.downstream] else { return }
        if stream.pointee.responseIsChunked, !stream.pointee.isHead, !stream.pointee.isTunnel {
            if let trailers = stream.pointee.responseTrailers, stream.pointee.http.pointee.decoder.enableTrailers {
                var options = H1EncoderOptions()
                options.properCaseWords = stream.pointee.http.pointee.properCaseHeaders
                let bound = H1Encoder.trailersBound(trailers)
                guard let room = connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
                    downstreamOutOfMemory(stream)
                    return
                }
                connection.pointee.out.wrote(
                    H1Encoder.trailers(trailers, options, into: room.start, capacity: room.count))
            } else {
                _ = connection.pointee.out.append(copying: H1Chunks.last, memory)
            }
        }
        connections.markDirty(connection)
    }

    private func downstreamOutOfMemory(_ stream: StreamPointer) {
        guard let connection = connections.slab[stream.pointee.downstream],
            let server = servers[connection.pointee.session]
        else { return }
        downstreamGone(server, connection)
    }

    // HOT: per completion.
    func http1DownstreamSent(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        guard let server = servers[connection.pointee.session] else { return }
        count(server.pointee.http.pointee.stats, .downstreamCxTxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        guard let stream = streams[server.pointee.stream] else { return }
        stream.pointee.activeMs = nowMs
        if connection.pointee.isAboveHigh,
            connection.pointee.out.count <= stream.pointee.http.pointee.bufferLimit / 2
        {
            connection.pointee.isAboveHigh = false
            resumeUpstreamReading(stream)
        }
    }

    // HOT: per message.
    /// The response is queued in full: the stream is over, and the connection goes on, lingers or closes.
    func downstreamFinished(_ stream: StreamPointer) {
        guard let connection = connections.slab[stream.pointee.downstream],
            let server = servers[connection.pointee.session]
        else { return }
        let closes = stream.pointee.closesDownstream
        let requestEnded = stream.pointee.requestEnded
        server.pointee.stream = .none
        server.pointee.headersDeadlineMs = 0
        server.pointee.decoder.reset()
        connection.pointee.isAboveHigh = false
        if closes {
            if requestEnded, !server.pointee.isDraining {
                // Nothing more was promised: close as soon as the bytes are out.
                finishLocally(server, connection)
            } else {
                linger(server, connection)
            }
            return
        }
        if server.pointee.isDraining {
            linger(server, connection)
            return
        }
        if connection.pointee.isPaused, server.pointee.pending.isEmpty { connections.receive(connection) }
        if !server.pointee.pending.isEmpty { resumePending(server) }
    }

    /// A FIN behind the response, then the close when the peer has closed too.
    private func finishLocally(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        linger(server, connection)
    }
}
