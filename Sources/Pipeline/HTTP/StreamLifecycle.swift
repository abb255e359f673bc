// A stream's beginning and end: memory, accounts, timers. What happens between is in the chain and the forwarder.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// A stream for the next request of a connection; nil when the worker is full (the connection is closed then).
    func openStream(_ server: UnsafeMutablePointer<H1Server>) -> StreamPointer? {
        guard let connection = connections.slab[server.pointee.connection] else { return nil }
        moveToCurrentPlan(server, connection)
        guard let (handle, stream) = streams.allocate() else {
            downstreamGone(server, connection)
            return nil
        }
        guard let request = MessageHead(pool: memory.blocks) else {
            streams.free(handle)
            downstreamGone(server, connection)
            return nil
        }
        guard let response = MessageHead(pool: memory.blocks) else {
            request.destroy()
            streams.free(handle)
            downstreamGone(server, connection)
            return nil
        }
        stream.initialize(
            to: HTTPStream(
                handle: handle, downstream: connection.pointee.handle, http: server.pointee.http, request: request,
                response: response))
        stream.pointee.startNs = nowNs
        stream.pointee.activeMs = nowMs
        stream.pointee.connectionID = connection.pointee.id
        server.pointee.stream = handle
        server.pointee.decoder = H1RequestDecoder(options: server.pointee.http.pointee.decoder)
        return stream
    }

    /// A connection reads the listener's newest configuration from one request to the next.
    private func moveToCurrentPlan(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        guard let old = connection.pointee.listener?.assumingMemoryBound(to: ListenerConfig.self),
            let new = currentListener(old.pointee.slot), new != old, case .http(let http) = new.pointee.chain
        else { return }
        pins.pin(new.pointee.part)
        pins.unpin(old.pointee.part)
        connection.pointee.owner = new.pointee.part
        connection.pointee.listener = UnsafeRawPointer(new)
        // Gauges follow the connection from one scope to the other, where a new scope was made.
        if server.pointee.http.pointee.stats != http.pointee.stats {
            gauge(server.pointee.http.pointee.stats, .downstreamCxActive, -1)
            gauge(server.pointee.http.pointee.stats, .downstreamCxHttp1Active, -1)
            gauge(http.pointee.stats, .downstreamCxActive, 1)
            gauge(http.pointee.stats, .downstreamCxHttp1Active, 1)
        }
        if old.pointee.stats != new.pointee.stats {
            cells.gaugeAdd(old.pointee.stats &+ ListenerStat.downstreamCxActive.rawValue, -1)
            cells.gaugeAdd(new.pointee.stats &+ ListenerStat.downstreamCxActive.rawValue, 1)
            cells.gaugeAdd(old.pointee.workerStats[index] &+ ListenerWorkerStat.downstreamCxActive.rawValue, -1)
            cells.gaugeAdd(new.pointee.workerStats[index] &+ ListenerWorkerStat.downstreamCxActive.rawValue, 1)
        }
        server.pointee.http = http
    }

    /// Gives back a stream that never became a request.
    func discardStream(_ stream: StreamPointer) {
        if let connection = connections.slab[stream.pointee.downstream], let server = servers[connection.pointee.session] {
            server.pointee.stream = .none
        }
        freeStream(stream)
    }

    private func freeStream(_ stream: StreamPointer) {
        timers.cancel(stream.timerNode)
        stream.pointee.request.destroy()
        stream.pointee.response.destroy()
        stream.pointee.requestTrailers?.destroy()
        stream.pointee.responseTrailers?.destroy()
        stream.pointee.requestBody.removeAll(memory)
        stream.pointee.responseBody.removeAll(memory)
        if let state = stream.pointee.filterState { memory.blocks.free(state) }
        streams.free(stream.pointee.handle)
    }

    /// The request is counted from its head on, or from its failure.
    func countRequest(_ stream: StreamPointer) {
        guard !stream.pointee.isCounted else { return }
        stream.pointee.isCounted = true
        let stats = stream.pointee.http.pointee.stats
        count(stats, .downstreamRqTotal)
        count(stats, .downstreamRqHttp1Total)
        gauge(stats, .downstreamRqActive, 1)
    }

    // HOT: per message.
    /// The stream is over: both directions done, or `reset`. Accounts, logs, memory; then the connection goes on.
    func endStream(_ stream: StreamPointer, reset: Bool = false) {
        guard !stream.pointee.isDestroyed else { return }
        stream.pointee.isDestroyed = true
        countRequest(stream)
        releaseUpstream(stream)
        stream.pointee.endNs = nowNs
        let stats = stream.pointee.http.pointee.stats
        gauge(stats, .downstreamRqActive, -1)
        let status = stream.pointee.hasResponseHead ? stream.pointee.response.status : 0
        if status != 0 {
            count(stats, .downstreamRqCompleted)
            countStatus(stream, status)
            cells.record(
                stats &+ HTTPConnectionManagerStat.downstreamRqTime.rawValue,
                (nowNs &- stream.pointee.startNs) / 1_000_000)
        }
        if !stream.pointee.requestEnded, status != 0 { count(stats, .downstreamRqResponseBeforeRqComplete) }
        destroyFilters(stream)
        logStream(stream)
        if reset {
            if let connection = connections.slab[stream.pointee.downstream],
                let server = servers[connection.pointee.session]
            {
                server.pointee.stream = .none
            }
        } else {
            downstreamFinished(stream)
        }
        freeStream(stream)
    }

    private func countStatus(_ stream: StreamPointer, _ status: UInt16) {
        let stats = stream.pointee.http.pointee.stats
        let listener = stream.pointee.http.pointee.listenerStats
        cells.increment(listener &+ ListenerHTTPStat.downstreamRqCompleted.rawValue)
        switch status / 100 {
        case 1:
            count(stats, .downstreamRq1xx)
            cells.increment(listener &+ ListenerHTTPStat.downstreamRq1xx.rawValue)
        case 2:
            count(stats, .downstreamRq2xx)
            cells.increment(listener &+ ListenerHTTPStat.downstreamRq2xx.rawValue)
        case 3:
            count(stats, .downstreamRq3xx)
            cells.increment(listener &+ ListenerHTTPStat.downstreamRq3xx.rawValue)
        case 4:
            count(stats, .downstreamRq4xx)
            cells.increment(listener &+ ListenerHTTPStat.downstreamRq4xx.rawValue)
        case 5:
            count(stats, .downstreamRq5xx)
            cells.increment(listener &+ ListenerHTTPStat.downstreamRq5xx.rawValue)
        default: break
        }
    }

    /// Access logs of a stream that is over.
    private func logStream(_ stream: StreamPointer) {}

    // MARK: Time

    // HOT: per message.
    /// Makes sure that the stream's timer fires no later than its nearest deadline.
    func armStreamTimer(_ stream: StreamPointer) {
        var deadline = UInt64.max
        if stream.pointee.idleTimeoutMs != 0 { deadline = stream.pointee.activeMs &+ stream.pointee.idleTimeoutMs }
        if stream.pointee.timeoutAtMs != 0 { deadline = min(deadline, stream.pointee.timeoutAtMs) }
        if stream.pointee.perTryTimeoutAtMs != 0 { deadline = min(deadline, stream.pointee.perTryTimeoutAtMs) }
        if stream.pointee.requestTimeoutAtMs != 0 { deadline = min(deadline, stream.pointee.requestTimeoutAtMs) }
        if stream.pointee.durationMaxAtMs != 0 { deadline = min(deadline, stream.pointee.durationMaxAtMs) }
        if deadline != .max { timers.armNoLater(stream.timerNode, than: deadline) }
    }

    func streamTimedOut(_ handle: Handle) {
        guard let stream = streams[handle], !stream.pointee.isDestroyed else { return }
        if due(stream.pointee.durationMaxAtMs) {
            stream.pointee.durationMaxAtMs = 0
            durationMaxReached(stream)
        } else if due(stream.pointee.requestTimeoutAtMs) {
            stream.pointee.requestTimeoutAtMs = 0
            if !stream.pointee.requestEnded { requestTimedOut(stream) }
        } else if due(stream.pointee.timeoutAtMs) {
            stream.pointee.timeoutAtMs = 0
            routeTimedOut(stream)
        } else if due(stream.pointee.perTryTimeoutAtMs) {
            stream.pointee.perTryTimeoutAtMs = 0
            perTryTimedOut(stream)
        } else if stream.pointee.idleTimeoutMs != 0, due(stream.pointee.activeMs &+ stream.pointee.idleTimeoutMs) {
            stream.pointee.idleTimeoutMs = 0
            streamIdle(stream)
        }
        if let stream = streams[handle] { armStreamTimer(stream) }
    }

    private func due(_ deadline: UInt64) -> Bool { deadline != 0 && nowMs >= deadline }

    private func requestTimedOut(_ stream: StreamPointer) {
        count(stream.pointee.http.pointee.stats, .downstreamRqTimeout)
        if stream.pointee.hasResponseHead { return resetDownstream(stream) }
        reply(
            stream, status: 408, body: Bytes("request timeout" as StaticString),
            details: Bytes("request_overall_timeout" as StaticString), flags: [])
    }

    private func streamIdle(_ stream: StreamPointer) {
        count(stream.pointee.http.pointee.stats, .downstreamRqIdleTimeout)
        if stream.pointee.hasResponseHead {
            stream.pointee.flags.insert(.streamIdleTimeout)
            stream.pointee.details = Bytes("stream_idle_timeout" as StaticString)
            return resetDownstream(stream)
        }
        // A client that is slow with its request: 408; an upstream that is slow with its response: 504.
        let isClient = !stream.pointee.requestEnded
        reply(
            stream, status: isClient ? 408 : 504, body: Bytes("stream timeout" as StaticString),
            details: Bytes("stream_idle_timeout" as StaticString), flags: .streamIdleTimeout)
    }

    private func durationMaxReached(_ stream: StreamPointer) {
        count(stream.pointee.http.pointee.stats, .downstreamRqMaxDurationReached)
        if stream.pointee.hasResponseHead { return resetDownstream(stream) }
        reply(
            stream, status: stream.pointee.requestEnded ? 504 : 408,
            body: Bytes("downstream duration timeout" as StaticString),
            details: Bytes("max_duration_timeout" as StaticString), flags: .durationTimeout)
    }

    /// The response cannot be completed: an HTTP/1 client learns it by the connection's end.
    func resetDownstream(_ stream: StreamPointer) {
        guard let connection = connections.slab[stream.pointee.downstream],
            let server = servers[connection.pointee.session]
        else { return endStream(stream, reset: true) }
        count(stream.pointee.http.pointee.stats, .downstreamRqTxReset)
        count(stream.pointee.http.pointee.stats, .downstreamCxDestroyLocal)
        count(stream.pointee.http.pointee.stats, .downstreamCxDestroyActiveRq)
        count(stream.pointee.http.pointee.stats, .downstreamCxDestroyLocalActiveRq)
        let stats = server.pointee.http.pointee.stats
        endStream(stream, reset: true)
        // What is queued already is still sent, so that the client sees how far it got.
        count(stats, .downstreamCxDestroy)
        gauge(stats, .downstreamCxActive, -1)
        gauge(stats, .downstreamCxHttp1Active, -1)
        server.pointee.pending.removeAll(memory)
        servers.free(server.pointee.handle)
        connection.pointee.session = .none
        connection.pointee.role = .closing
        connections.closeWhenSent(connection)
    }
}

extension UnsafeMutablePointer where Pointee == HTTPStream {
    @inline(__always)
    var timerNode: UnsafeMutablePointer<TimerNode> {
        (UnsafeMutableRawPointer(self) + MemoryLayout<HTTPStream>.offset(of: \.timer).unsafelyUnwrapped)
            .assumingMemoryBound(to: TimerNode.self)
    }
}
