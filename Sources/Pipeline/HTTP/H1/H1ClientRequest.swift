// A request on its way to an HTTP/1 upstream: the head, the body that waited, the end.

import Primitives
import Ring
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// The stream's request goes out on this connection. False when the cluster has as many active requests as it may
    /// have: the stream is answered, and the connection is free still.
    func attach(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ host: UnsafeMutablePointer<Host>
    ) -> Bool {
        guard unsafe beginUpstreamRequest(stream, connection, host) else { return false }
        unsafe client.pointee.stream = unsafe stream.pointee.handle
        unsafe client.pointee.requests &+= 1
        unsafe stream.pointee.upstreamIsHTTP2 = false
        unsafe dropMetadata(of: stream)
        unsafe client.pointee.requestSent = false
        unsafe client.pointee.responseDone = false
        unsafe client.pointee.decoder.reset(
            requestMethod: stream.pointee.request.method, upgradeWasAsked: stream.pointee.isUpgrade)
        unsafe stream.pointee.upstreamLocalAddress = unsafe client.pointee.localAddress
        unsafe stream.pointee.upstreamSentBefore = unsafe connection.pointee.bytesSent
        unsafe stream.pointee.upstreamReceivedBefore = unsafe connection.pointee.bytesReceived
        if let cluster = unsafe cluster(of: host) { unsafe countHTTP1(stream, client, host, cluster.pointee.config) }
        if unsafe stream.pointee.isTCP {
            if unsafe stream.pointee.requestEndForwarded { unsafe beginTryTimeouts(stream) }
            unsafe connectEstablished(stream, client, connection)
            return true
        }
        if unsafe stream.pointee.requestEndForwarded { unsafe beginTryTimeouts(stream) }
        unsafe sendRequestHead(stream, connection)
        return true
    }

    // HOT: per message.
    private func sendRequestHead(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        let config = unsafe cluster(stream.pointee.clusterSlot)?.pointee.config
        var options = H1EncoderOptions()
        options.properCaseWords = unsafe config?.pointee.properCaseHeaders ?? false
        options.absoluteForm = unsafe config?.pointee.sendFullyQualifiedURL ?? false
        let endsHere = unsafe stream.pointee.requestEndForwarded && stream.pointee.waitingBody.isEmpty && !stream.pointee.requestIsChunked
            && (stream.pointee.requestLength ?? 0) == 0
        let framing: H1Framing
        if unsafe stream.pointee.isUpgrade {
            // As in Envoy: a body's length is passed on, the body itself waits for the other protocol.
            if let length = unsafe stream.pointee.requestLength, length > 0 { framing = .contentLength(length) } else { framing = .none }
        } else if unsafe stream.pointee.requestIsChunked {
            framing = .chunked
        } else if let length = unsafe stream.pointee.requestLength {
            framing = .contentLength(length)
        } else if endsHere {
            switch unsafe stream.pointee.request.method {
            case .get, .head, .delete, .connect, .trace: framing = .none
            case .post, .put, .patch, .options, .other: framing = .contentLength(0)
            }
        } else {
            unsafe stream.pointee.requestIsChunked = true
            framing = .chunked
        }
        switch framing {
        case .contentLength(let length): unsafe stream.pointee.requestLeft = unsafe stream.pointee.isUpgrade ? nil : length
        case .none: unsafe stream.pointee.requestLeft = unsafe stream.pointee.isUpgrade ? nil : 0
        case .chunked, .closeDelimited: unsafe stream.pointee.requestLeft = nil
        }
        let bound = unsafe H1Encoder.requestBound(stream.pointee.request)
        guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
            return unsafe upstreamReset(stream, .memory)
        }
        let written = unsafe H1Encoder.requestHead(
            stream.pointee.request, framing, options, into: room.start, capacity: room.count)
        unsafe connection.pointee.out.wrote(written)
        if unsafe stream.pointee.metersWire {
            unsafe stream.pointee.upstreamMeter.http1HeadSent(written, lineBytes: requestLineBytes(stream, options))
        }
        unsafe connections.markDirty(connection)
        unsafe stream.pointee.requestHeadSent = true
        if unsafe !stream.pointee.waitingBody.isEmpty, unsafe !stream.pointee.isUpgrade {
            guard unsafe sendWaitingBody(stream, connection) else { return }
        }
        if unsafe stream.pointee.requestEndForwarded, unsafe !stream.pointee.isUpgrade { unsafe http1SendRequestEnd(stream, connection) }
    }

    // HOT: per message.
    /// `GET /path HTTP/1.1` and its end, as the encoder writes it.
    private func requestLineBytes(_ stream: StreamPointer, _ options: H1EncoderOptions) -> Int {
        let request = unsafe stream.pointee.request
        let isConnect = request.method == .connect
        var target = Int(isConnect ? request.authority.count : request.path.count)
        if options.absoluteForm, !isConnect { target &+= request.schemeText.count &+ 3 &+ Int(request.authority.count) }
        return Int(request.methodText.count) &+ target &+ 12
    }

    /// Body that came before the connection was there. False: the stream may be gone.
    private func sendWaitingBody(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) -> Bool {
        let bytes = unsafe stream.pointee.waitingBody.count
        guard unsafe takeRequestLeft(stream, bytes) else { return false }
        unsafe countUpstreamBody(stream, bytes)
        if unsafe stream.pointee.requestIsChunked {
            guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: H1Chunks.prefixBytesMax) else {
                unsafe upstreamReset(stream, .memory)
                return false
            }
            unsafe connection.pointee.out.wrote(H1Chunks.prefix(bytes, into: room.start))
            unsafe connection.pointee.out.append(moving: &stream.pointee.waitingBody)
            guard unsafe connection.pointee.out.append(copying: H1Chunks.suffix, memory) else {
                unsafe upstreamReset(stream, .memory)
                return false
            }
        } else {
            unsafe connection.pointee.out.append(moving: &stream.pointee.waitingBody)
        }
        if unsafe connection.pointee.out.count > upstreamLimit(stream) {
            unsafe backedUp(&connection.pointee.isAboveHigh, stream)
        } else {
            unsafe resumeDownstreamReading(stream)
        }
        return true
    }

    // HOT: per frame.
    /// So many bytes of the body go out. False, and the stream may be gone: the head promised fewer.
    func takeRequestLeft(_ stream: StreamPointer, _ bytes: Int) -> Bool {
        guard let left = unsafe stream.pointee.requestLeft else { return true }
        guard UInt64(truncatingIfNeeded: bytes) <= left else {
            unsafe requestBrokeItsLength(stream)
            return false
        }
        unsafe stream.pointee.requestLeft = left &- UInt64(truncatingIfNeeded: bytes)
        return true
    }

    /// A filter has made the body longer or shorter than the head says that has gone out: an upstream would take the rest
    /// for another request, or wait for more. The connection goes.
    private func requestBrokeItsLength(_ stream: StreamPointer) {
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqTxReset)
        }
        unsafe stream.pointee.flags.insert(.localReset)
        unsafe reply(
            stream, status: 500, body: Bytes("Internal Server Error" as StaticString),
            details: Bytes("request_body_length_mismatch" as StaticString), flags: .localReset)
    }

    // HOT: per message.
    func http1SendRequestEnd(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        guard let client = unsafe clients[connection.pointee.session], unsafe !client.pointee.requestSent else { return }
        // The end of what a client sends through a CONNECT is the end of our side. An upgraded protocol has ends of its own.
        if unsafe stream.pointee.isTunnel {
            if unsafe stream.pointee.isConnect { unsafe connections.end(connection) }
            return
        }
        if unsafe stream.pointee.isTCP { return unsafe postEnded(stream, client, connection) }
        guard unsafe stream.pointee.requestHeadSent, unsafe !stream.pointee.isUpgrade else { return }
        if let left = unsafe stream.pointee.requestLeft, left > 0 { return unsafe requestBrokeItsLength(stream) }
        unsafe client.pointee.requestSent = true
        unsafe stream.pointee.upstreamRequestEndNs = nowNs
        if unsafe stream.pointee.requestIsChunked {
            if let trailers = unsafe stream.pointee.requestTrailers, unsafe client.pointee.decoder.options.enableTrailers {
                let bound = H1Encoder.trailersBound(trailers)
                guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
                    return unsafe requestEndFailed(stream, client)
                }
                let written = unsafe H1Encoder.trailers(trailers, H1EncoderOptions(), into: room.start, capacity: room.count)
                unsafe connection.pointee.out.wrote(written)
                unsafe stream.pointee.upstreamMeter.http1HeadSent(written, lineBytes: 3)
            } else if unsafe !connection.pointee.out.append(copying: H1Chunks.last, memory) {
                return unsafe requestEndFailed(stream, client)
            }
            unsafe connections.markDirty(connection)
        }
    }

    private func requestEndFailed(_ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>) {
        unsafe client.pointee.mustClose = true
        unsafe upstreamReset(stream, .memory)
    }

    // HOT: per completion.
    func http1UpstreamSent(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        unsafe upstreamCounted(connection, .upstreamCxTxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        guard let client = unsafe clients[connection.pointee.session], let stream = unsafe streams[client.pointee.stream] else { return }
        unsafe stream.pointee.activeMs = nowMs
        unsafe meterUpstreamSent(stream)
        if unsafe connection.pointee.isAboveHigh, unsafe connection.pointee.out.count <= upstreamLimit(stream) / 2 {
            unsafe drained(&connection.pointee.isAboveHigh, stream)
        }
        if unsafe isDownstreamPaused(stream), unsafe connection.pointee.out.count <= upstreamLimit(stream) / 2 {
            unsafe resumeDownstreamReading(stream)
        }
    }
}
