// Connections that shall go: all of them when the process ends, and those of a listener that a reload has removed or that
// `/drain_listeners?graceful` names.
//
// A removed listener's connections have `--drain-time-s`: HTTP responses say `Connection: close` meanwhile, and what is
// left when main says that the time is over is closed at once, in the middle of a request too, as in Envoy.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    /// Serving, or not any more: idle connections close at once, the others behind their response.
    func drainChanged(_ state: DrainState) {
        drain = state
        tellConnections()
        if state != .none { endExports() }
        unsafe connections.slab.forEach { connection in
            if unsafe connection.pointee.role == .http1Downstream, let server = unsafe servers[connection.pointee.session] {
                unsafe beginDrain(server, connection)
            } else if unsafe connection.pointee.role == .http2Downstream, let session = unsafe h2.sessions[connection.pointee.session] {
                unsafe closeHTTP2(session)
            }
        }
    }

    func adoptDraining(_ plan: UnsafePointer<Plan>) {
        draining = unsafe plan.pointee.draining
        // A part that is still accepted from closes its connections behind the last one (`emptyAcceptQueue`).
        for i in 0..<draining.count where draining[i].isOver { closeConnections(of: draining[i].part) }
    }

    /// What the plan says of a listener part; nil: it serves on.
    private func draining(_ part: PartID) -> DrainingPart? {
        for i in 0..<draining.count where draining[i].part == part { return draining[i] }
        return nil
    }

    /// Whether a response on this connection says `Connection: close` while the process serves on.
    func discourages(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        if ServerHealth.shared.isFailing, unsafe listenerConfig(connection)?.pointee.drainsWithHealth ?? true { return true }
        guard let entry = unsafe draining(connection.pointee.owner) else { return false }
        return entry.discourages(nowMs: nowMs) { random.below($0) }
    }

    func isDrained(_ part: PartID) -> Bool { draining(part)?.isOver ?? false }

    func closeConnections(of part: PartID) {
        unsafe connections.slab.forEach { connection in
            guard unsafe connection.pointee.listener != nil, unsafe connection.pointee.owner == part else { return }
            switch unsafe connection.pointee.role {
            case .http1Downstream: unsafe http1Drained(connection)
            case .http2Downstream: unsafe http2Drained(connection)
            case .tcpDownstream:
                if let session = unsafe tcpSessions[connection.pointee.session] {
                    unsafe endTCP(session, [])
                } else {
                    unsafe close(connection)
                }
            case .echo, .directResponse, .closing, .inspecting, .none, .tcpUpstream, .tcpAhead, .http1Upstream, .http2Upstream:
                unsafe close(connection)
            }
        }
    }

    private func http1Drained(_ connection: UnsafeMutablePointer<Connection>) {
        guard let server = unsafe servers[connection.pointee.session] else { return unsafe close(connection) }
        let stats = unsafe server.pointee.http.pointee.stats
        if let stream = unsafe streams[server.pointee.stream] {
            if unsafe stream.pointee.requestHeadDone || stream.pointee.request.textBytes > 0 {
                // Of the client's doing, as Envoy counts it.
                count(stats, .downstreamCxDestroyRemoteActiveRq)
                count(stats, .downstreamCxDestroyActiveRq)
                count(stats, .downstreamRqRxReset)
                unsafe stream.pointee.flags.insert(.downstreamConnectionTermination)
                unsafe stream.pointee.details = Bytes(
                    "downstream_local_disconnect(purging_socket_that_have_not_progressed_to_connections)" as StaticString)
                unsafe endStream(stream, reset: true)
            } else {
                unsafe discardStream(stream)
            }
        }
        count(stats, .downstreamCxDestroyLocal)
        unsafe closeServer(server, connection, sendsRest: false)
    }
}

extension DrainingPart {
    /// Envoy's rule, in whole seconds: the chance is the part of the time that has passed, what is left rounded down.
    package func discourages(nowMs: UInt64, random: (UInt64) -> UInt64) -> Bool {
        guard isGradual, nowMs < endMs else { return true }
        let timeS = (endMs &- startMs) / 1000
        let elapsedS = timeS &- min(timeS, (endMs &- nowMs) / 1000)
        if timeS == 0 { return true }
        return elapsedS > random(timeS)
    }
}
