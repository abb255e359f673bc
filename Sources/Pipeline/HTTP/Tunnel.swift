// After 101 a stream is a tunnel: bytes go both ways as they come, until either side ends.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    func beginTunnel(_ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>) {
        stream.pointee.isTunnel = true
        stream.pointee.closesDownstream = true
        stream.pointee.timeoutAtMs = 0
        client.pointee.mustClose = true
        let stats = stream.pointee.http.pointee.stats
        count(stats, .downstreamCxUpgradesTotal)
        gauge(stats, .downstreamCxUpgradesActive, 1)
        guard let connection = connections.slab[stream.pointee.downstream], let server = servers[connection.pointee.session],
            let upstream = connections.slab[stream.pointee.upstream]
        else { return }
        stream.pointee.requestEnded = false
        server.pointee.decoder.becomeTunnel()
        // What the client sent behind its request belongs to the tunnel now.
        countUpstreamBody(stream, stream.pointee.requestBody.count)
        upstream.pointee.out.append(moving: &stream.pointee.requestBody)
        upstream.pointee.out.append(moving: &server.pointee.pending)
        if !upstream.pointee.out.isEmpty { connections.markDirty(upstream) }
        if connection.pointee.isPaused { connections.receive(connection) }
    }

    // HOT: per frame.
    func tunnelFromUpstream(_ stream: StreamPointer, _ part: Bytes, _ buffer: UInt16) {
        stream.pointee.activeMs = nowMs
        sendResponseData(stream, part, buffer)
        watchDownstreamQueue(stream)
    }

    /// The client sends nothing more: so is the upstream told; the tunnel ends with the upstream's end.
    func tunnelDownstreamEnded(_ stream: StreamPointer) {
        stream.pointee.flags.insert(.downstreamConnectionTermination)
        stream.pointee.details = Bytes("downstream_remote_disconnect" as StaticString)
        endTunnel(stream)
    }

    func tunnelUpstreamEnded(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        stream.pointee.flags.insert(.upstreamConnectionTermination)
        stream.pointee.details = Bytes(
            "upstream_reset_after_response_started{connection_termination}" as StaticString)
        endTunnel(stream)
    }

    /// Both sides close once what is queued is out.
    private func endTunnel(_ stream: StreamPointer) {
        gauge(stream.pointee.http.pointee.stats, .downstreamCxUpgradesActive, -1)
        if let upstream = connections.slab[stream.pointee.upstream], !upstream.pointee.out.isEmpty,
            !upstream.pointee.sawEnd, let client = clients[upstream.pointee.session]
        {
            // The upstream still gets what the client sent last.
            client.pointee.stream = .none
            stream.pointee.upstream = .none
            clients.free(client.pointee.handle)
            upstream.pointee.session = .none
            upstream.pointee.role = .closing
            connections.closeWhenSent(upstream)
        }
        resetDownstream(stream)
    }
}
