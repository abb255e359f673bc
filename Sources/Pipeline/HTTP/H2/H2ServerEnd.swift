// How a downstream HTTP/2 connection ends: GOAWAY in two steps when it drains, GOAWAY with a code when the peer breaks the
// protocol, and the peer's own end. Deadlines share the connection's one timer.

import CMartlet
import CNghttp2
import Primitives
import Stats
import Transport
import Wire

/// Why we end a session.
enum H2End {
    case protocolError, flood(H2Guards.Flood), tooManyResets, drained, keepaliveTimeout
}

extension Worker {
    // MARK: Draining

    /// RFC 9113 §6.8: the first GOAWAY says that no new requests should come, the second, after `drain_timeout`, which was
    /// the last one. So nothing that is on its way is lost.
    func drainHTTP2(_ session: UnsafeMutablePointer<H2Session>) {
        guard unsafe session.pointee.drain.phase == .serving, let http = unsafe session.pointee.http,
            let connection = unsafe connections.slab[session.pointee.connection]
        else { return }
        unsafe session.pointee.drain.phase = .noticed
        _ = unsafe nghttp2_submit_shutdown_notice(session.pointee.codec)
        unsafe session.pointee.drain.atMs = unsafe nowMs &+ max(http.pointee.drainTimeoutMs, 1) &+ chance(http.pointee.drainTimeoutJitterMs)
        unsafe markDue(session)
        unsafe armHTTP2Timer(session, connection)
    }

    /// The second GOAWAY: requests beyond it are refused, and the connection goes with the last one.
    private func refuseHTTP2(_ session: UnsafeMutablePointer<H2Session>) {
        unsafe session.pointee.drain.phase = .refusing
        unsafe session.pointee.drain.atMs = 0
        let last = unsafe nghttp2_session_get_last_proc_stream_id(session.pointee.codec)
        _ = unsafe nghttp2_submit_goaway(
            session.pointee.codec, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, H2Error.noError, nil, 0)
        unsafe markDue(session)
    }

    /// The process goes: nothing is waited for but what is under way.
    func closeHTTP2(_ session: UnsafeMutablePointer<H2Session>) {
        if unsafe session.pointee.drain.phase == .refusing { return }
        if let http = unsafe session.pointee.http { unsafe count(http.pointee.stats, .downstreamCxDrainClose) }
        unsafe refuseHTTP2(session)
    }

    /// The last stream is gone.
    func becameIdle(_ session: UnsafeMutablePointer<H2Session>) {
        if unsafe session.pointee.drain.phase == .refusing { unsafe markDue(session) }
    }

    /// The time of a removed listener is over.
    func http2Drained(_ connection: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe h2.sessions[connection.pointee.session], let http = unsafe session.pointee.http else {
            return unsafe close(connection)
        }
        let stats = unsafe http.pointee.stats
        if unsafe hasRequests(session) {
            // Of the client's doing, as Envoy counts it.
            count(stats, .downstreamCxDestroyRemoteActiveRq)
            count(stats, .downstreamCxDestroyActiveRq)
            unsafe endRequests(
                session, .downstreamConnectionTermination,
                Bytes("downstream_local_disconnect(purging_socket_that_have_not_progressed_to_connections)" as StaticString))
        }
        count(stats, .downstreamCxDestroyLocal)
        unsafe closeHTTP2Server(session, connection, sendsRest: false)
    }

    // MARK: Failures

    /// nghttp2 cannot go on: the preface was wrong, a flood, or no memory.
    func sessionFailed(_ session: UnsafeMutablePointer<H2Session>) {
        let flood = unsafe session.pointee.guards.flood
        // RFC 9113 §5.4.1: the peer is told why. Envoy closes without a word.
        if unsafe !session.pointee.isTerminated {
            unsafe terminate(session, flood == .none ? H2Error.protocolError : H2Error.enhanceYourCalm)
        }
        if unsafe session.pointee.isServer { return unsafe endSession(session, flood == .none ? .protocolError : .flood(flood)) }
        if flood != .none { unsafe cells.increment(session.pointee.stats &+ Worker.floodStat(flood).rawValue) }
        // The session closes before its turn to write comes.
        if let connection = unsafe connections.slab[session.pointee.connection] { unsafe frame(session, connection) }
        unsafe upstreamSessionOver(session, isProtocolError: true)
    }

    /// GOAWAY is sent, or everything is answered that was asked before it.
    func sessionOver(_ session: UnsafeMutablePointer<H2Session>) {
        guard unsafe session.pointee.isServer else { return unsafe upstreamSessionOver(session, isProtocolError: session.pointee.isTerminated) }
        unsafe endSession(session, session.pointee.isTerminated ? .protocolError : .drained)
    }

    func endSession(_ session: UnsafeMutablePointer<H2Session>, _ why: H2End) {
        guard unsafe !session.pointee.isOver, let http = unsafe session.pointee.http,
            let connection = unsafe connections.slab[session.pointee.connection]
        else { return }
        let stats = unsafe http.pointee.stats
        unsafe session.pointee.isOver = true
        switch why {
        case .protocolError:
            count(stats, .downstreamCxProtocolError)
            unsafe countActive(session, stats)
            let details = Bytes("codec_error:The_user_callback_function_failed" as StaticString)
            let isPreface = unsafe session.pointee.error == Int32(NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue)
            unsafe noteBreach(session, connection, isPreface ? Bytes("codec_error:Received_bad_client_magic_byte_string" as StaticString) : details)
            unsafe endRequests(session, .downstreamProtocolError, details)
        case .flood(let flood):
            unsafe cells.increment(session.pointee.stats &+ Worker.floodStat(flood).rawValue)
            unsafe countActive(session, stats)
            unsafe noteBreach(session, connection, Bytes(Worker.floodDetails(flood)))
            unsafe endRequests(session, .downstreamProtocolError, Bytes(Worker.floodDetails(flood)))
        case .tooManyResets:
            count(stats, .downstreamCxProtocolError)
            unsafe countActive(session, stats)
            unsafe endRequests(session, .downstreamConnectionTermination, Bytes("too_many_premature_resets" as StaticString))
            count(stats, .downstreamCxDestroyLocal)
            return unsafe closeHTTP2Server(session, connection, sendsRest: false)
        case .keepaliveTimeout:
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.keepaliveTimeout.rawValue)
            unsafe countActive(session, stats, asRemote: true)
            unsafe endRequests(
                session, .downstreamConnectionTermination, Bytes("downstream_local_disconnect(http2_ping_timeout)" as StaticString))
            count(stats, .downstreamCxDestroyLocal)
            return unsafe closeHTTP2Server(session, connection, sendsRest: false)
        case .drained: unsafe connection.pointee.noteDeferredClose()
        }
        unsafe lingerHTTP2(session, connection)
    }

    /// For the listener's log.
    private func noteBreach(
        _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>, _ reason: Bytes
    ) {
        unsafe connection.pointee.logFlags |= ResponseFlags.downstreamProtocolError.rawValue
        unsafe connection.pointee.closeReason = reason
        unsafe connection.pointee.isUnread = unsafe !session.pointee.hasRead
    }

    /// We end a connection that has requests under way.
    /// `asRemote`: Envoy lays it to the client that was given up.
    private func countActive(_ session: UnsafeMutablePointer<H2Session>, _ stats: UInt32, asRemote: Bool = false) {
        guard unsafe hasRequests(session) else { return }
        count(stats, .downstreamCxDestroyActiveRq)
        count(stats, asRemote ? .downstreamCxDestroyRemoteActiveRq : .downstreamCxDestroyLocalActiveRq)
    }

    private func hasRequests(_ session: UnsafeMutablePointer<H2Session>) -> Bool {
        var next = unsafe session.pointee.first
        while let entry = unsafe h2.streams[next] {
            if unsafe streams[entry.pointee.stream] != nil { return true }
            unsafe next = entry.pointee.next
        }
        return false
    }

    private static func floodDetails(_ flood: H2Guards.Flood) -> StaticString {
        switch flood {
        case .none, .emptyFrames: "codec_error:Too_many_consecutive_frames_with_an_empty_payload"
        case .priorityFrames: "codec_error:Too_many_PRIORITY_frames"
        case .windowUpdates: "codec_error:Too_many_WINDOW_UPDATE_frames"
        case .outbound: "codec_error:Too_many_frames_in_the_outbound_queue."
        case .outboundControl: "codec_error:Too_many_control_frames_in_the_outbound_queue."
        }
    }

    private static func floodStat(_ flood: H2Guards.Flood) -> HTTP2CodecStat {
        switch flood {
        case .emptyFrames, .none: .inboundEmptyFramesFlood
        case .priorityFrames: .inboundPriorityFramesFlood
        case .windowUpdates: .inboundWindowUpdateFramesFlood
        case .outbound: .outboundFlood
        case .outboundControl: .outboundControlFlood
        }
    }

    /// Whatever the session still serves ends with it.
    private func endRequests(_ session: UnsafeMutablePointer<H2Session>, _ flag: ResponseFlags, _ details: Bytes) {
        var next = unsafe session.pointee.first
        while let entry = unsafe h2.streams[next] {
            unsafe next = entry.pointee.next
            guard let stream = unsafe streams[entry.pointee.stream] else { continue }
            unsafe stream.pointee.flags.insert(flag)
            let fault = unsafe entry.pointee.fault
            if fault != .none {
                unsafe stream.pointee.details = Bytes(fault.details)
            } else if unsafe stream.pointee.details.isEmpty || !stream.pointee.isLocalReply {
                unsafe stream.pointee.details = details
            }
            unsafe count(stream.pointee.http.pointee.stats, .downstreamRqRxReset)
            unsafe endStream(stream, reset: true)
        }
    }

    /// What is queued is sent; then the peer's end is waited for, or the delayed close.
    private func lingerHTTP2(_ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>) {
        guard let http = unsafe session.pointee.http else { return }
        let timeout = unsafe http.pointee.delayedCloseTimeoutMs
        if unsafe timeout == 0 || connection.pointee.sawEnd {
            unsafe count(http.pointee.stats, connection.pointee.sawEnd ? .downstreamCxDestroyRemote : .downstreamCxDestroyLocal)
            return unsafe closeHTTP2Server(session, connection)
        }
        unsafe linger(session, connection, timeout)
    }

    private func linger(_ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>, _ ms: UInt64) {
        unsafe session.pointee.drain.lingerUntilMs = nowMs &+ ms
        unsafe noteAcknowledged(connection)
        unsafe timers.armNoLater(connection.timerNode, than: session.pointee.drain.lingerUntilMs)
    }

    /// Nothing is under way any more, and the client that is to go does not take what is left: the last GOAWAY and whatever
    /// stands in front of it. It has as long as one that was told that all is over, and from anew with each byte that it takes.
    func lingerIfFull(_ session: UnsafeMutablePointer<H2Session>) {
        guard unsafe session.pointee.isServer, unsafe session.pointee.drain.phase == .refusing, unsafe session.pointee.requestsUnderWay == 0,
            unsafe session.pointee.drain.lingerUntilMs == 0, let http = unsafe session.pointee.http,
            let connection = unsafe connections.slab[session.pointee.connection], unsafe isFull(connection)
        else { return }
        unsafe linger(session, connection, lingerMs(http))
    }

    /// It has taken some.
    func lingerLonger(
        _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>
    ) {
        // One that is not over may have windows to open (`lingerIfFull`).
        guard unsafe session.pointee.isOver || isFull(connection) else { return unsafe session.pointee.drain.lingerUntilMs = 0 }
        unsafe linger(session, connection, lingerMs(http))
    }

    private func lingerMs(_ http: UnsafePointer<HTTPConfig>) -> UInt64 {
        let timeout = unsafe http.pointee.delayedCloseTimeoutMs
        return timeout == 0 ? Worker.stallMs : timeout
    }

    // MARK: The peer ends

    func http2DownstreamEnded(_ connection: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe h2.sessions[connection.pointee.session], let http = unsafe session.pointee.http else {
            unsafe close(connection)
            return
        }
        if unsafe connection.pointee.sawEnd && session.pointee.isDue {
            // What came ahead of the end may have broken the protocol: that is known when the GOAWAY is framed.
            let handle = unsafe session.pointee.handle
            unsafe pump(session)
            guard unsafe h2.sessions[handle] == session else { return }
        }
        let stats = unsafe http.pointee.stats
        if unsafe hasRequests(session) {
            count(stats, .downstreamCxDestroyRemoteActiveRq)
            count(stats, .downstreamCxDestroyActiveRq)
            unsafe endRequests(
                session, .downstreamConnectionTermination, Bytes("downstream_remote_disconnect" as StaticString))
        }
        count(stats, .downstreamCxDestroyRemote)
        unsafe closeHTTP2Server(session, connection)
    }

    /// Gives session and connection back; the requests must have been dealt with.
    private func closeHTTP2Server(
        _ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>, sendsRest: Bool = true
    ) {
        guard let http = unsafe session.pointee.http else { return }
        let stats = unsafe http.pointee.stats
        let stallMs = unsafe http.pointee.delayedCloseTimeoutMs
        count(stats, .downstreamCxDestroy)
        gauge(stats, .downstreamCxActive, -1)
        if unsafe connection.pointee.tls != nil { gauge(stats, .downstreamCxSslActive, -1) }
        gauge(stats, .downstreamCxHttp2Active, -1)
        unsafe cells.record(
            stats &+ HTTPConnectionManagerStat.downstreamCxLengthMs.rawValue, (nowNs &- connection.pointee.openedNs) / 1_000_000)
        unsafe closeSession(session)
        unsafe connection.pointee.session = .none
        if unsafe connection.pointee.out.isEmpty || !sendsRest {
            unsafe close(connection)
        } else {
            unsafe closeWhenSent(connection, stallMs: stallMs)
        }
    }

    // MARK: Time

    func armHTTP2Timer(_ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>) {
        guard let http = unsafe session.pointee.http else { return }
        var deadline = UInt64.max
        func consider(_ at: UInt64) { if at != 0 { deadline = min(deadline, at) } }
        if unsafe http.pointee.idleTimeoutMs != 0, unsafe session.pointee.drain.phase == .serving {
            let since = unsafe session.pointee.requestsUnderWay == 0 ? session.pointee.idleSinceMs : nowMs
            unsafe consider(since &+ http.pointee.idleTimeoutMs)
        }
        unsafe consider(session.pointee.drain.closeAtMs)
        unsafe consider(session.pointee.drain.atMs)
        unsafe consider(session.pointee.drain.lingerUntilMs)
        unsafe consider(session.pointee.keepalive.pingAtMs)
        unsafe consider(session.pointee.keepalive.deadlineMs)
        if deadline != .max { unsafe timers.armNoLater(connection.timerNode, than: deadline) }
    }

    func http2DownstreamTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe h2.sessions[connection.pointee.session], let http = unsafe session.pointee.http else { return }
        let stats = unsafe http.pointee.stats
        // A request may have come by a connection that is not over yet.
        if unsafe session.pointee.requestsUnderWay > 0 && !session.pointee.isOver { unsafe session.pointee.drain.lingerUntilMs = 0 }
        if unsafe isDue(session.pointee.drain.lingerUntilMs), unsafe !connection.pointee.out.isEmpty && hasAcknowledged(connection) {
            unsafe linger(session, connection, lingerMs(http))
        }
        if unsafe isDue(session.pointee.drain.lingerUntilMs) {
            count(stats, .downstreamCxDelayedCloseTimeout)
            count(stats, .downstreamCxDestroyLocal)
            unsafe connection.pointee.closeReason = Bytes("triggered_delayed_close_timeout" as StaticString)
            return unsafe closeHTTP2Server(session, connection, sendsRest: false)
        }
        if unsafe session.pointee.isOver { return unsafe timers.armNoLater(connection.timerNode, than: session.pointee.drain.lingerUntilMs) }
        if unsafe isDue(session.pointee.keepalive.deadlineMs) { return unsafe endSession(session, .keepaliveTimeout) }
        if unsafe isDue(session.pointee.keepalive.pingAtMs) { unsafe ping(session) }
        if unsafe isDue(session.pointee.drain.closeAtMs) {
            unsafe session.pointee.drain.closeAtMs = 0
            count(stats, .downstreamCxMaxDurationReached)
            unsafe drainHTTP2(session)
        }
        if unsafe isDue(session.pointee.drain.atMs) { unsafe refuseHTTP2(session) }
        if unsafe session.pointee.requestsUnderWay == 0, unsafe session.pointee.drain.phase == .serving, unsafe http.pointee.idleTimeoutMs != 0,
            unsafe nowMs >= session.pointee.idleSinceMs &+ http.pointee.idleTimeoutMs
        {
            count(stats, .downstreamCxIdleTimeout)
            unsafe drainHTTP2(session)
        }
        unsafe armHTTP2Timer(session, connection)
    }

    func isDue(_ deadline: UInt64) -> Bool { deadline != 0 && nowMs >= deadline }

    // MARK: Keep-alive

    func beginKeepalive(_ session: UnsafeMutablePointer<H2Session>) {
        let options = unsafe session.pointee.options
        guard unsafe options.pointee.pingIntervalMs != 0 else { return }
        unsafe session.pointee.keepalive.pingAtMs = unsafe nowMs &+ withJitter(options)
    }

    private func withJitter(_ options: UnsafePointer<H2Options>) -> UInt64 {
        let interval = unsafe options.pointee.pingIntervalMs
        let most = unsafe UInt64(Double(interval) * options.pointee.pingJitterPercent / 100)
        return interval &+ (most > 0 ? random.below(most) : 0)
    }

    func ping(_ session: UnsafeMutablePointer<H2Session>) {
        let options = unsafe session.pointee.options
        guard unsafe session.pointee.keepalive.deadlineMs == 0, let connection = unsafe connections.slab[session.pointee.connection]
        else { return }
        unsafe session.pointee.keepalive.pingAtMs = 0
        unsafe session.pointee.keepalive.deadlineMs = unsafe nowMs &+ options.pointee.pingTimeoutMs
        _ = unsafe nghttp2_submit_ping(session.pointee.codec, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
        unsafe timers.armNoLater(connection.timerNode, than: session.pointee.keepalive.deadlineMs)
        unsafe markDue(session)
    }

    func acknowledged(_ session: UnsafeMutablePointer<H2Session>) {
        guard unsafe session.pointee.keepalive.deadlineMs != 0, let connection = unsafe connections.slab[session.pointee.connection]
        else { return }
        unsafe session.pointee.keepalive.deadlineMs = 0
        guard unsafe session.pointee.options.pointee.pingIntervalMs != 0 else { return }
        unsafe session.pointee.keepalive.pingAtMs = unsafe nowMs &+ withJitter(session.pointee.options)
        unsafe timers.armNoLater(connection.timerNode, than: session.pointee.keepalive.pingAtMs)
    }
}
