// After 101, or a 2xx to CONNECT, a stream is a tunnel: bytes go both ways as they come, until either side ends.
// CONNECT with `connect_config` ends here: its upstream is a TCP connection, and the 200 is ours (RFC 9110 §9.3.6). So does
// POST with `allow_post`, whose content is what the client sends and whose answer's content is what the server does.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    func beginTunnel(_ stream: StreamPointer) {
        unsafe stream.pointee.isTunnel = true
        unsafe stream.pointee.timeoutAtMs = 0
        guard let connection = unsafe connections.slab[stream.pointee.downstream],
            let upstream = unsafe connections.slab[stream.pointee.upstream]
        else { return }
        if unsafe !isHTTP2Upstream(stream), let client = unsafe clients[upstream.pointee.session] {
            unsafe client.pointee.mustClose = true
        }
        if unsafe !isHTTP2(stream), let server = unsafe servers[connection.pointee.session] {
            unsafe stream.pointee.closesDownstream = true
            unsafe stream.pointee.requestEnded = false
            unsafe server.pointee.decoder.becomeTunnel()
            // What the client sent behind its request belongs to the tunnel now.
            unsafe stream.pointee.requestBodyBytes &+= UInt64(truncatingIfNeeded: server.pointee.pending.count)
            unsafe stream.pointee.waitingBody.append(moving: &server.pointee.pending)
        }
        unsafe sendWaitingTunnel(stream, upstream)
        if unsafe !isHTTP2(stream) {
            if unsafe connection.pointee.isPaused { unsafe connections.receive(connection) }
        } else {
            unsafe resumeDownstreamReading(stream)
            if unsafe stream.pointee.requestEnded { unsafe sendRequestEnd(stream, upstream) }
        }
    }

    private func sendWaitingTunnel(_ stream: StreamPointer, _ upstream: UnsafeMutablePointer<Connection>) {
        guard unsafe !stream.pointee.waitingBody.isEmpty else { return }
        unsafe countUpstreamBody(stream, stream.pointee.waitingBody.count)
        if unsafe isHTTP2Upstream(stream), let entry = unsafe h2.streams[stream.pointee.upstreamCodec] {
            unsafe entry.pointee.out.append(moving: &stream.pointee.waitingBody)
            unsafe wake(entry)
        } else {
            unsafe upstream.pointee.out.append(moving: &stream.pointee.waitingBody)
            unsafe connections.markDirty(upstream)
        }
    }

    // HOT: per frame.
    func tunnelFromUpstream(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16?) {
        if unsafe isTunnelled(stream) { return unsafe tunnelReceived(stream, part, buffer) }
        unsafe stream.pointee.activeMs = nowMs
        guard unsafe sendResponseData(stream, part, buffer) else { return }
        unsafe watchDownstreamQueue(stream)
    }

    /// The client sends nothing more: so is the upstream told; the tunnel ends with the upstream's end.
    func tunnelDownstreamEnded(_ stream: StreamPointer) {
        unsafe stream.pointee.flags.insert(.downstreamConnectionTermination)
        unsafe stream.pointee.details = Bytes("downstream_remote_disconnect" as StaticString)
        unsafe passOnRest(stream)
        guard let connection = unsafe connections.slab[stream.pointee.downstream],
            let server = unsafe servers[connection.pointee.session]
        else { return unsafe resetDownstream(stream) }
        unsafe downstreamGone(server, connection)
    }

    /// The TCP connection for a CONNECT or POST is there: that is the answer.
    func connectEstablished(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        unsafe client.pointee.decoder.becomeTunnel()
        unsafe stream.pointee.requestHeadSent = true
        guard unsafe queueConnectHeader(stream, connection) else { return unsafe upstreamReset(stream, .memory) }
        unsafe stream.pointee.response.reset()
        unsafe stream.pointee.response.status = 200
        var facts = ResponseFacts()
        facts.isTunnel = unsafe stream.pointee.isConnect
        let handle = unsafe stream.pointee.handle
        unsafe upstreamResponseHead(stream, facts, endStream: false)
        guard unsafe streams[handle] != nil, unsafe !stream.pointee.isConnect, unsafe stream.pointee.upstream != .none else { return }
        unsafe sendWaitingTunnel(stream, connection)
        unsafe resumeDownstreamReading(stream)
        if unsafe stream.pointee.requestEndForwarded { unsafe http1SendRequestEnd(stream, connection) }
    }

    /// The client's addresses, in front of what it sends. As in Envoy without TLVs. False: no memory.
    private func queueConnectHeader(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) -> Bool {
        let kind = unsafe stream.pointee.route?.pointee.connectHeader ?? .none
        guard kind != .none, let client = unsafe connections.slab[stream.pointee.downstream] else { return true }
        unsafe learnAddresses(client)
        guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: ProxyHeaderWriter.bound(tlvs: 0)) else { return false }
        let out = unsafe room.start.assumingMemoryBound(to: UInt8.self)
        let (source, destination) = unsafe (client.pointee.remote, client.pointee.local)
        if kind == .version1 {
            unsafe connection.pointee.out.wrote(ProxyHeaderWriter.version1(from: source, to: destination, into: out))
        } else {
            let head = unsafe ProxyHeaderWriter.version2(from: source, to: destination, tlvs: 0, into: out)
            unsafe connection.pointee.out.wrote(head ?? ProxyHeaderWriter.version2Local(into: out))
        }
        unsafe connections.markDirty(connection)
        return true
    }

    /// What the client POSTs is over: our side of the connection ends.
    func postEnded(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        guard unsafe stream.pointee.hasResponseHead else { return }
        unsafe client.pointee.requestSent = true
        unsafe stream.pointee.upstreamRequestEndNs = nowNs
        unsafe connections.end(connection)
    }

    /// The server behind a POST has ended: the answer is complete, or cut.
    func postFinished(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ error: Int32
    ) {
        if error == 0 { return unsafe connectFinished(stream, client, connection) }
        unsafe upstreamCounted(connection, .upstreamCxDestroyWithActiveRq, 1)
        unsafe upstreamCounted(connection, .upstreamCxDestroyRemoteWithActiveRq, 1)
        unsafe client.pointee.mustClose = true
        unsafe upstreamReset(stream, .terminated)
    }

    /// The server behind a CONNECT has said all: the response ends, and with it the client's connection.
    func connectFinished(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        unsafe stream.pointee.upstreamEndNs = nowNs
        unsafe countUpstreamTime(stream)
        unsafe closeConnectUpstream(stream, client, connection)
        unsafe responseEnded(stream)
    }

    /// In Envoy the end of the server's side behind a CONNECT is the end of a response: the connection is closed by us.
    func closeConnectUpstream(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        // A POST that has ended is not cut by it.
        let isWhole = unsafe client.pointee.requestSent
        if !isWhole {
            unsafe upstreamCounted(connection, .upstreamCxDestroyWithActiveRq, 1)
            unsafe upstreamCounted(connection, .upstreamCxDestroyLocalWithActiveRq, 1)
        }
        unsafe stream.pointee.upstream = .none
        unsafe client.pointee.stream = .none
        unsafe closeClient(client, connection, byPeer: isWhole)
    }

    func tunnelUpstreamEnded(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ error: Int32
    ) {
        unsafe stream.pointee.flags.insert(.upstreamConnectionTermination)
        unsafe stream.pointee.details = Bytes(
            "upstream_reset_after_response_started{connection_termination}" as StaticString)
        if error == 0, unsafe stream.pointee.isConnect {
            unsafe closeConnectUpstream(stream, client, connection)
        } else {
            unsafe upstreamCounted(connection, .upstreamCxDestroyWithActiveRq, 1)
            unsafe upstreamCounted(connection, .upstreamCxDestroyRemoteWithActiveRq, 1)
        }
        unsafe endTunnel(stream, isClean: error == 0)
    }

    /// Both sides close once what is queued is out.
    private func endTunnel(_ stream: StreamPointer, isClean: Bool) {
        unsafe passOnRest(stream)
        // A stream of HTTP/2 has an end of its own.
        if isClean, unsafe isHTTP2(stream) { return unsafe responseEnded(stream) }
        unsafe resetDownstream(stream)
    }

    /// The upstream still gets what the client sent last.
    func passOnRest(_ stream: StreamPointer) {
        if unsafe !isHTTP2Upstream(stream), let upstream = unsafe connections.slab[stream.pointee.upstream],
            unsafe !upstream.pointee.out.isEmpty, unsafe !upstream.pointee.sawEnd, let client = unsafe clients[upstream.pointee.session]
        {
            unsafe client.pointee.stream = .none
            unsafe stream.pointee.upstream = .none
            unsafe clients.free(client.pointee.handle)
            unsafe upstream.pointee.session = .none
            unsafe closeWhenSent(upstream, stallMs: stream.pointee.http.pointee.delayedCloseTimeoutMs)
        }
    }

    /// An upgrade that is allowed counts from its request on, whatever the upstream says.
    func countUpgrade(_ stream: StreamPointer) {
        unsafe stream.pointee.isCountedUpgrade = true
        unsafe count(stream.pointee.http.pointee.stats, .downstreamCxUpgradesTotal)
        unsafe gauge(stream.pointee.http.pointee.stats, .downstreamCxUpgradesActive, 1)
    }
}
