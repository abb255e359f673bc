// The bytes of a tunnel (`TCPTunnel`): from the client's connection into the request's content, from the response's content
// into the client's connection, with back-pressure both ways, and the ends.
//
// Over HTTP/2 each direction ends by itself. Over HTTP/1 the end of either is the end of both, as in Envoy: the client's end
// closes the upstream connection behind its last byte.

import Primitives
import Ring
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// A request that carries a TCP connection.
    @inline(__always)
    func isTunnelled(_ stream: StreamPointer) -> Bool { unsafe !stream.pointee.tcp.isNone }

    /// Bytes go both ways from here on.
    func tunnelEstablished(_ session: TCPSessionPointer, _ stream: StreamPointer) {
        guard let downstream = unsafe connections.slab[session.pointee.downstream] else { return }
        // The flags of attempts before this one stay, as in Envoy.
        unsafe session.pointee.isConnected = true
        unsafe session.pointee.upstreamRemoteAddress = unsafe stream.pointee.upstreamRemoteAddress
        unsafe session.pointee.upstreamLocalAddress = unsafe stream.pointee.upstreamLocalAddress
        unsafe noteTunnel(session, stream)
        if unsafe session.pointee.config.pointee.logsConnected { unsafe logTCP(session, downstream, .tcpUpstreamConnected) }
        unsafe downstream.pointee.activeMs = nowMs
        unsafe armTCPTimer(session, downstream)
        if unsafe !downstream.pointee.sawEnd { unsafe connections.receive(downstream) }
        guard let upstream = unsafe connections.slab[stream.pointee.upstream] else { return }
        while let part = unsafe session.pointee.early.first, !part.isEmpty {
            guard unsafe queueRequestData(stream, upstream, part, nil) else { return unsafe endTCP(session, []) }
            unsafe session.pointee.early.consume(part.count, memory)
        }
        if unsafe downstream.pointee.sawEnd { unsafe tunnelClientEnded(session, stream, downstream) }
    }

    // MARK: From the client

    /// The session's tunnel, once there is one.
    func tunnelStream(_ session: TCPSessionPointer) -> StreamPointer? {
        unsafe session.pointee.isConnected ? streams[session.pointee.stream] : nil
    }

    // HOT: per frame.
    func tunnelRelay(
        _ session: TCPSessionPointer, _ stream: StreamPointer, _ position: UInt16, _ count: Int, _ bytes: Int
    ) {
        let upstream = unsafe connections.slab[stream.pointee.upstream]
        var isWhole = unsafe upstream != nil
        memory.buffers.forEach(from: position, count: count, bytes: bytes) { id, part in
            if isWhole, let upstream = unsafe upstream { isWhole = unsafe queueRequestData(stream, upstream, part, id) }
            memory.buffers.release(id)
        }
        unsafe tunnelRelayed(session, isWhole, bytes)
    }

    // HOT: per record.
    func tunnelRelay(_ session: TCPSessionPointer, _ stream: StreamPointer, _ bytes: Bytes) {
        guard let upstream = unsafe connections.slab[stream.pointee.upstream] else { return }
        unsafe tunnelRelayed(session, queueRequestData(stream, upstream, bytes, nil), bytes.count)
    }

    private func tunnelRelayed(_ session: TCPSessionPointer, _ isWhole: Bool, _ bytes: Int) {
        unsafe countTCP(session.pointee.config.pointee.stats, .downstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        if !isWhole { unsafe endTCP(session, []) }
    }

    /// The client sends nothing more.
    func tunnelClientEnded(_ session: TCPSessionPointer, _ stream: StreamPointer, _ downstream: UnsafeMutablePointer<Connection>) {
        guard unsafe !stream.pointee.requestEnded, let upstream = unsafe connections.slab[stream.pointee.upstream] else { return }
        unsafe stream.pointee.requestEnded = true
        unsafe stream.pointee.requestEndForwarded = true
        if unsafe isHTTP2Upstream(stream) {
            unsafe sendRequestEnd(stream, upstream)
            if unsafe stream.pointee.responseEnded { unsafe finishTunnel(session, stream, []) }
            return
        }
        let handle = unsafe stream.pointee.handle
        if unsafe !stream.pointee.isConnect { unsafe http1SendRequestEnd(stream, upstream) }
        // Without memory for it the tunnel has failed, and with it perhaps the session.
        guard unsafe streams[handle] != nil else { return }
        unsafe closeBehindRest(stream, upstream)
        unsafe finishTunnel(session, stream, [])
    }

    /// What is queued still goes to the upstream; closed by us, in the middle of a request.
    private func closeBehindRest(_ stream: StreamPointer, _ upstream: UnsafeMutablePointer<Connection>) {
        guard unsafe !upstream.pointee.out.isEmpty, unsafe !upstream.pointee.sawEnd else { return }
        unsafe upstreamCounted(upstream, .upstreamCxDestroyWithActiveRq, 1)
        unsafe upstreamCounted(upstream, .upstreamCxDestroyLocalWithActiveRq, 1)
        // Nobody who counts sees it leave.
        let rest = unsafe UInt64(truncatingIfNeeded: upstream.pointee.out.count)
        unsafe upstreamCounted(upstream, .upstreamCxTxBytesTotal, rest)
        unsafe stream.pointee.upstreamMeter.sent = unsafe upstream.pointee.bytesSent &+ rest &- stream.pointee.upstreamSentBefore
        unsafe passOnRest(stream)
    }

    // MARK: From the upstream

    // HOT: per frame.
    func tunnelReceived(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?) {
        guard let session = unsafe tcpSessions[stream.pointee.tcp],
            let downstream = unsafe connections.slab[session.pointee.downstream]
        else { return }
        guard unsafe queue(part, buffer, on: downstream, chunked: false) else { return unsafe endTCP(session, []) }
        unsafe downstream.pointee.activeMs = nowMs
        unsafe session.pointee.tunnel.bytesToClient &+= UInt64(truncatingIfNeeded: part.count)
        unsafe countTCP(
            session.pointee.config.pointee.stats, .downstreamCxTxBytesTotal, UInt64(truncatingIfNeeded: part.count))
        if unsafe downstream.pointee.out.count > session.pointee.config.pointee.bufferLimit { unsafe pauseUpstream(stream) }
    }

    /// The response is complete. Over HTTP/2 the request may go on.
    func tunnelResponseEnded(_ stream: StreamPointer) {
        guard let session = unsafe tcpSessions[stream.pointee.tcp],
            let downstream = unsafe connections.slab[session.pointee.downstream]
        else { return }
        if unsafe session.pointee.config.pointee.tunnel?.pointee.keepsTrailers ?? false,
            let trailers = unsafe stream.pointee.responseTrailers
        {
            unsafe session.pointee.tunnel.keep(trailers: trailers)
        }
        unsafe stream.pointee.responseEnded = true
        guard unsafe isHTTP2Upstream(stream), unsafe !stream.pointee.requestEnded else {
            return unsafe finishTunnel(session, stream, [])
        }
        unsafe connections.end(downstream)
    }

    /// The upstream's HTTP/1 connection has ended, with or without a tunnel in it. An end without an error is closed by us, as
    /// Envoy does it.
    func tunnelConnectionEnded(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ error: Int32
    ) {
        if error == 0 {
            unsafe closeConnectUpstream(stream, client, connection)
        } else {
            unsafe upstreamCounted(connection, .upstreamCxDestroyWithActiveRq, 1)
            unsafe upstreamCounted(connection, .upstreamCxDestroyRemoteWithActiveRq, 1)
            unsafe client.pointee.mustClose = true
        }
        unsafe tunnelFailed(stream, .terminated)
    }

    // MARK: The end

    /// The tunnel is over; the client's connection closes when it has what is queued for it.
    func finishTunnel(_ session: TCPSessionPointer, _ stream: StreamPointer, _ flags: ResponseFlags) {
        unsafe session.pointee.flags.formUnion(flags)
        unsafe leaveTunnel(session, stream)
        guard let downstream = unsafe connections.slab[session.pointee.downstream], unsafe !downstream.pointee.out.isEmpty else {
            return unsafe endTCP(session, [])
        }
        unsafe session.pointee.tunnel.isOver = true
        unsafe connections.pause(downstream)
    }

    // HOT: per completion.
    /// The client has taken some of what was queued.
    func tunnelSent(_ downstream: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe tcpSessions[downstream.pointee.session] else { return }
        if unsafe session.pointee.tunnel.isOver {
            if unsafe downstream.pointee.out.isEmpty { unsafe endTCP(session, []) }
            return
        }
        guard let stream = unsafe tunnelStream(session),
            unsafe downstream.pointee.out.count <= session.pointee.config.pointee.bufferLimit / 2
        else { return }
        unsafe resumeUpstreamReading(stream)
    }

    // MARK: Back-pressure of the client's side

    /// Reading stops, or goes on: the request's content has no room, or has it again.
    func pauseTunnelClient(_ stream: StreamPointer) {
        guard let session = unsafe tcpSessions[stream.pointee.tcp],
            let downstream = unsafe connections.slab[session.pointee.downstream], unsafe !downstream.pointee.isPaused
        else { return }
        unsafe connections.pause(downstream)
        unsafe countTCP(session.pointee.config.pointee.stats, .downstreamFlowControlPausedReadingTotal)
    }

    func resumeTunnelClient(_ stream: StreamPointer) {
        guard let session = unsafe tcpSessions[stream.pointee.tcp], unsafe session.pointee.isConnected,
            let downstream = unsafe connections.slab[session.pointee.downstream], unsafe downstream.pointee.isPaused,
            unsafe !downstream.pointee.sawEnd
        else { return }
        unsafe connections.receive(downstream)
        unsafe countTCP(session.pointee.config.pointee.stats, .downstreamFlowControlResumedReadingTotal)
    }

    func isTunnelClientPaused(_ stream: StreamPointer) -> Bool {
        guard let session = unsafe tcpSessions[stream.pointee.tcp] else { return false }
        return unsafe connections.slab[session.pointee.downstream]?.pointee.isPaused ?? false
    }
}
