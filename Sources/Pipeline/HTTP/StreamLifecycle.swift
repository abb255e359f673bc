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
        guard let connection = unsafe connections.slab[server.pointee.connection] else { return nil }
        unsafe moveToCurrentPlan(server, connection)
        guard let stream = unsafe makeStream(connection, server.pointee.http) else {
            unsafe downstreamGone(server, connection)
            return nil
        }
        unsafe server.pointee.stream = unsafe stream.pointee.handle
        unsafe server.pointee.decoder = unsafe H1RequestDecoder(options: options(connection, server.pointee.http))
        return unsafe stream
    }

    // HOT: per message.
    /// A client's stream; nil: no memory.
    func makeStream(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) -> StreamPointer? {
        guard let stream = unsafe makeStream(http, downstream: connection.pointee.handle, MessageHead(pool: memory.blocks)) else { return nil }
        unsafe stream.pointee.startNs = nowNs
        unsafe stream.pointee.activeMs = nowMs
        unsafe stream.pointee.connectionID = unsafe connection.pointee.id
        return unsafe stream
    }

    // HOT: per message.
    /// A stream with room for both heads, whoever it is for; nil: no memory. Takes over the request's head; nil: there was no
    /// memory for that.
    @inline(__always)
    func makeStream(
        _ http: UnsafePointer<HTTPConfig>, downstream: Handle = .none, _ request: MessageHead?
    ) -> StreamPointer? {
        guard let request else { return nil }
        guard let response = MessageHead(pool: memory.blocks) else {
            request.destroy()
            return nil
        }
        guard let (handle, stream) = unsafe streams.allocate() else {
            request.destroy()
            response.destroy()
            return nil
        }
        if !hasBlankStream {
            unsafe blankStream.initialize(to: HTTPStream(blank: http, request: request, response: response))
            hasBlankStream = true
        }
        unsafe HTTPStream.initialize(
            stream, asIn: blankStream, handle: handle, downstream: downstream, http: http, request: request, response: response)
        return unsafe stream
    }

    /// The connection manager of the chain with the same match; nil: the connection keeps what it has.
    private func successor(
        of http: UnsafePointer<HTTPConfig>, _ old: UnsafePointer<ListenerConfig>, _ new: UnsafePointer<ListenerConfig>
    ) -> UnsafePointer<HTTPConfig>? {
        if unsafe old.pointee.chains.isEmpty, unsafe new.pointee.chains.isEmpty {
            if case .http(let next) = unsafe new.pointee.chain { return unsafe next }
            return nil
        }
        guard let identity = unsafe old.identity(of: http) else { return nil }
        return unsafe new.manager(identity)
    }

    /// A connection reads the listener's newest configuration from one request to the next.
    private func moveToCurrentPlan(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        guard let http = unsafe adoptCurrentListener(connection, server.pointee.http) else { return }
        // Gauges follow the connection from one scope to the other, where a new scope was made.
        if unsafe server.pointee.http.pointee.stats != http.pointee.stats {
            unsafe gauge(server.pointee.http.pointee.stats, .downstreamCxActive, -1)
            unsafe gauge(server.pointee.http.pointee.stats, .downstreamCxHttp1Active, -1)
            unsafe gauge(http.pointee.stats, .downstreamCxActive, 1)
            unsafe gauge(http.pointee.stats, .downstreamCxHttp1Active, 1)
            unsafe showBuffered(connection, http)
            if unsafe connection.pointee.tls != nil {
                unsafe gauge(server.pointee.http.pointee.stats, .downstreamCxSslActive, -1)
                unsafe gauge(http.pointee.stats, .downstreamCxSslActive, 1)
            }
        }
        unsafe server.pointee.http = unsafe http
    }

    // HOT: per message.
    /// The connection's listener is the newest of its slot from here on; nil: it was, or there is none.
    func adoptCurrentListener(
        _ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>
    ) -> UnsafePointer<HTTPConfig>? {
        guard let old = unsafe connection.pointee.listener?.assumingMemoryBound(to: ListenerConfig.self),
            let new = unsafe currentListener(old.pointee.slot), unsafe new != old, let http = unsafe successor(of: http, old, new)
        else { return nil }
        unsafe pins.pin(new.pointee.part)
        unsafe pins.unpin(old.pointee.part)
        unsafe moveBalance(from: old, to: new)
        unsafe connection.pointee.owner = unsafe new.pointee.part
        unsafe connection.pointee.listener = unsafe UnsafeRawPointer(new)
        // Of the old part, like the listener.
        unsafe connection.pointee.filterChain = nil
        unsafe new.eachChain { chain in
            if case .http(let own) = unsafe chain.pointee.chain, unsafe own == http {
                unsafe connection.pointee.filterChain = unsafe UnsafeRawPointer(chain)
            }
        }
        if unsafe old.pointee.stats != new.pointee.stats {
            unsafe cells.gaugeAdd(old.pointee.stats &+ ListenerStat.downstreamCxActive.rawValue, -1)
            unsafe cells.gaugeAdd(new.pointee.stats &+ ListenerStat.downstreamCxActive.rawValue, 1)
            unsafe cells.gaugeAdd(old.pointee.workerStats[index] &+ ListenerWorkerStat.downstreamCxActive.rawValue, -1)
            unsafe cells.gaugeAdd(new.pointee.workerStats[index] &+ ListenerWorkerStat.downstreamCxActive.rawValue, 1)
        }
        return unsafe http
    }

    /// Gives back a stream that never became a request.
    func discardStream(_ stream: StreamPointer) {
        if let connection = unsafe connections.slab[stream.pointee.downstream], let server = unsafe servers[connection.pointee.session] {
            unsafe server.pointee.stream = .none
        }
        unsafe freeStream(stream)
    }

    func freeStream(_ stream: StreamPointer) {
        unsafe timers.cancel(stream.timerNode)
        unsafe stream.pointee.request.destroy()
        unsafe stream.pointee.response.destroy()
        unsafe stream.pointee.requestTrailers?.destroy()
        unsafe stream.pointee.responseTrailers?.destroy()
        unsafe stream.pointee.waitingBody.removeAll(memory)
        unsafe stream.pointee.retry.body.removeAll(memory)
        unsafe stream.pointee.redirects.destroy(memory.blocks)
        if let state = unsafe stream.pointee.filterState { memory.blocks.free(state) }
        unsafe freeMetadata(&stream.pointee.metadata)
        unsafe stream.pointee.downstreamTLS?.release()
        unsafe stream.pointee.upstreamTLS?.release()
        if unsafe stream.pointee.pinnedPart != .max { unsafe pins.unpin(stream.pointee.pinnedPart) }
        unsafe streams.free(stream.pointee.handle)
    }

    /// The request is counted from its head on, or from its failure.
    func countRequest(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.isCounted else { return }
        unsafe stream.pointee.isCounted = true
        let stats = unsafe stream.pointee.http.pointee.stats
        count(stats, .downstreamRqTotal)
        unsafe count(stats, stream.pointee.request.version == .http2 ? .downstreamRqHttp2Total : .downstreamRqHttp1Total)
        gauge(stats, .downstreamRqActive, 1)
    }

    // HOT: per message.
    /// The stream is over: both directions done, or `reset`. Accounts, logs, memory; then the connection goes on.
    package func endStream(_ stream: StreamPointer, reset: Bool = false) {
        guard unsafe !stream.pointee.isDestroyed else { return }
        unsafe stream.pointee.isDestroyed = true
        unsafe countRequest(stream)
        if unsafe stream.pointee.firstMirror != .none { unsafe cancelMirrors(stream) }
        unsafe endRetries(stream)
        unsafe releaseUpstream(stream)
        unsafe stream.pointee.endNs = nowNs
        let stats = unsafe stream.pointee.http.pointee.stats
        gauge(stats, .downstreamRqActive, -1)
        let status = unsafe stream.pointee.hasResponseHead ? stream.pointee.response.status : 0
        unsafe countAnswer(stream)
        if status != 0 {
            unsafe cells.record(
                stats &+ HTTPConnectionManagerStat.downstreamRqTime.rawValue, (nowNs &- stream.pointee.startNs) / 1_000_000)
        }
        if unsafe stream.pointee.isCountedUpgrade { gauge(stats, .downstreamCxUpgradesActive, -1) }
        if status != 0, unsafe !stream.isWhole || stream.pointee.respondedEarly {
            count(stats, .downstreamRqResponseBeforeRqComplete)
            // Envoy resets the codec's stream then, and counts every reset as received.
            if !reset, unsafe !stream.isWhole, unsafe !stream.pointee.isTunnel || stream.pointee.isTCP {
                count(stats, .downstreamRqRxReset)
            }
        }
        unsafe destroyFilters(stream)
        if unsafe stream.pointee.metersWire && !reset && isHTTP2(stream) { unsafe frameBeforeLog(stream) }
        unsafe log(stream, .downstreamEnd)
        if unsafe stream.pointee.trace != .none { unsafe endTrace(stream) }
        if reset {
            unsafe leaveDownstream(stream)
        } else {
            unsafe downstreamFinished(stream)
        }
        unsafe freeStream(stream)
    }

    /// The answer's statistics, where there is one: with its head, so that a stream or a tunnel that goes on for hours is
    /// counted when it begins.
    func countAnswer(_ stream: StreamPointer) {
        let status = unsafe stream.pointee.hasResponseHead ? stream.pointee.response.status : 0
        guard status != 0, unsafe !stream.pointee.isAnswerCounted else { return }
        unsafe stream.pointee.isAnswerCounted = true
        let stats = unsafe stream.pointee.http.pointee.stats
        unsafe countTracing(stream, isRedirected: stream.pointee.redirects.count > 0)
        // Health checks are in no statistic of answers.
        if unsafe !stream.pointee.isHealthCheck {
            count(stats, .downstreamRqCompleted)
            unsafe countStatus(stream, status)
        }
    }

    func countStatus(_ stream: StreamPointer, _ status: UInt16) {
        let stats = unsafe stream.pointee.http.pointee.stats
        let listener = unsafe stream.pointee.http.pointee.listenerStats
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

    // MARK: Time

    // HOT: per message.
    /// Makes sure that the stream's timer fires no later than its nearest deadline.
    func armStreamTimer(_ stream: StreamPointer) {
        var deadline = UInt64.max
        if unsafe stream.pointee.idleTimeoutMs != 0 { deadline = unsafe stream.pointee.activeMs &+ stream.pointee.idleTimeoutMs }
        if unsafe stream.pointee.timeoutAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.timeoutAtMs) }
        if unsafe stream.pointee.perTryTimeoutAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.perTryTimeoutAtMs) }
        if unsafe stream.pointee.retry.atMs != 0 { deadline = unsafe min(deadline, stream.pointee.retry.atMs) }
        if unsafe stream.pointee.retry.perTryIdleAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.retry.perTryIdleAtMs) }
        if unsafe stream.pointee.retry.durationAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.retry.durationAtMs) }
        if unsafe stream.pointee.headersTimeoutAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.headersTimeoutAtMs) }
        if unsafe stream.pointee.requestTimeoutAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.requestTimeoutAtMs) }
        if unsafe stream.pointee.durationMaxAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.durationMaxAtMs) }
        if unsafe stream.pointee.logAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.logAtMs) }
        if unsafe stream.pointee.tryLogAtMs != 0 { deadline = unsafe min(deadline, stream.pointee.tryLogAtMs) }
        if deadline != .max { unsafe timers.armNoLater(stream.timerNode, than: deadline) }
    }

    package func streamTimedOut(_ handle: Handle) {
        guard let stream = unsafe streams[handle], unsafe !stream.pointee.isDestroyed else { return }
        if unsafe due(stream.pointee.logAtMs) {
            unsafe log(stream, .downstreamPeriodic)
            unsafe stream.pointee.logAtMs = unsafe nowMs &+ stream.pointee.http.pointee.logTimes.intervalMs
        }
        if unsafe due(stream.pointee.tryLogAtMs) {
            unsafe logTry(stream, .upstreamPeriodic)
            unsafe stream.pointee.tryLogAtMs = unsafe nowMs &+ stream.pointee.router.pointee.upstreamLogTimes.intervalMs
        }
        if unsafe due(stream.pointee.durationMaxAtMs) {
            unsafe stream.pointee.durationMaxAtMs = 0
            unsafe durationMaxReached(stream)
        } else if unsafe due(stream.pointee.headersTimeoutAtMs) {
            unsafe stream.pointee.headersTimeoutAtMs = 0
            unsafe headersTimedOut(stream)
        } else if unsafe due(stream.pointee.requestTimeoutAtMs) {
            unsafe stream.pointee.requestTimeoutAtMs = 0
            if unsafe !stream.pointee.requestEnded { unsafe requestTimedOut(stream) }
        } else if unsafe due(stream.pointee.timeoutAtMs) {
            unsafe stream.pointee.timeoutAtMs = 0
            unsafe routeTimedOut(stream)
        } else if unsafe due(stream.pointee.retry.atMs) {
            unsafe stream.pointee.retry.atMs = 0
            unsafe retry(stream)
        } else if unsafe due(stream.pointee.perTryTimeoutAtMs) {
            unsafe stream.pointee.perTryTimeoutAtMs = 0
            unsafe perTryTimedOut(stream, isIdle: false)
        } else if unsafe due(stream.pointee.retry.durationAtMs) {
            unsafe stream.pointee.retry.durationAtMs = 0
            unsafe tryDurationReached(stream)
        } else if unsafe due(stream.pointee.retry.perTryIdleAtMs) {
            unsafe perTryIdle(stream)
        } else if unsafe stream.pointee.idleTimeoutMs != 0, unsafe due(stream.pointee.activeMs &+ stream.pointee.idleTimeoutMs) {
            unsafe stream.pointee.idleTimeoutMs = 0
            unsafe streamIdle(stream)
        }
        if let stream = unsafe streams[handle] { unsafe armStreamTimer(stream) }
    }

    private func due(_ deadline: UInt64) -> Bool { deadline != 0 && nowMs >= deadline }

    /// The request's head has not come in time (HTTP/2; HTTP/1 has the connection's timer for it).
    func headersTimedOut(_ stream: StreamPointer) {
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqHeaderTimeout)
        unsafe countRequest(stream)
        // Of HTTP/2 only the stream is late.
        if unsafe !isHTTP2(stream) { unsafe stream.pointee.closesDownstream = true }
        unsafe reply(
            stream, status: 408, body: Bytes("request header timeout" as StaticString),
            details: Bytes("request_header_timeout" as StaticString), flags: [])
    }

    private func requestTimedOut(_ stream: StreamPointer) {
        // An answer that has begun goes on, as in Envoy: it may be what the rest of the request waits for.
        if unsafe stream.pointee.hasResponseHead { return }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqTimeout)
        unsafe reply(
            stream, status: 408, body: Bytes("request timeout" as StaticString),
            details: Bytes("request_overall_timeout" as StaticString), flags: [])
    }

    private func streamIdle(_ stream: StreamPointer) {
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqIdleTimeout)
        if unsafe stream.pointee.hasResponseHead {
            unsafe stream.pointee.flags.insert(.streamIdleTimeout)
            unsafe stream.pointee.details = Bytes("stream_idle_timeout" as StaticString)
            return unsafe resetDownstream(stream)
        }
        // A client that is slow with its request: 408; an upstream that is slow with its response: 504.
        let isClient = unsafe !stream.pointee.requestEnded
        unsafe reply(
            stream, status: isClient ? 408 : 504, body: Bytes("stream timeout" as StaticString),
            details: Bytes("stream_idle_timeout" as StaticString), flags: .streamIdleTimeout)
    }

    private func durationMaxReached(_ stream: StreamPointer) {
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqMaxDurationReached)
        if unsafe stream.pointee.hasResponseHead {
            unsafe stream.pointee.details = Bytes("max_duration_timeout" as StaticString)
            return unsafe resetDownstream(stream)
        }
        unsafe reply(
            stream, status: stream.pointee.requestEnded ? 504 : 408,
            body: Bytes("downstream duration timeout" as StaticString),
            details: Bytes("max_duration_timeout" as StaticString), flags: [])
    }

    /// The response cannot be completed: an HTTP/1 client learns it by the connection's end.
    func http1ResetDownstream(_ stream: StreamPointer) {
        guard let connection = unsafe connections.slab[stream.pointee.downstream],
            let server = unsafe servers[connection.pointee.session]
        else { return unsafe stream.pointee.isCall ? endCall(stream) : endStream(stream, reset: true) }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqTxReset)
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqRxReset)
        unsafe endStream(stream, reset: true)
        // What is queued already is still sent, so that the client sees how far it got.
        unsafe linger(server, connection)
    }
}

extension UnsafeMutablePointer where Pointee == HTTPStream {
    /// The request is here in full; one that asks for a tunnel never is.
    @inline(__always)
    var isWhole: Bool { unsafe pointee.requestEnded && !pointee.isUpgrade && !pointee.isConnect }

    @inline(__always)
    var timerNode: UnsafeMutablePointer<TimerNode> {
        unsafe (UnsafeMutableRawPointer(self) + MemoryLayout<HTTPStream>.offset(of: \.timer).unsafelyUnwrapped)
            .assumingMemoryBound(to: TimerNode.self)
    }
}
