// When a client's connection ends by the clock: its time-outs, a drain, and what may still come behind its end.

import Primitives
import Ring
import Stats
import Transport
import Wire

extension Worker {
    /// One timer per connection, armed at the earliest of its deadlines; idle time is looked up when it fires.
    func armServerTimer(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        let http = unsafe server.pointee.http
        var deadline = UInt64.max
        // Who is told to go is not idle: its drain has a time of its own.
        if unsafe http.pointee.idleTimeoutMs != 0, unsafe !server.pointee.isDraining { deadline = unsafe idleSince(server, connection) &+ http.pointee.idleTimeoutMs }
        if unsafe server.pointee.closeAtMs != 0 { deadline = unsafe min(deadline, server.pointee.closeAtMs) }
        if unsafe server.pointee.drainAtMs != 0 { deadline = unsafe min(deadline, server.pointee.drainAtMs) }
        if unsafe server.pointee.headersDeadlineMs != 0 { deadline = unsafe min(deadline, server.pointee.headersDeadlineMs) }
        if unsafe server.pointee.lingerUntilMs != 0 { deadline = unsafe min(deadline, server.pointee.lingerUntilMs) }
        if unsafe server.pointee.drainedAtMs != 0 { deadline = unsafe min(deadline, server.pointee.drainedAtMs) }
        if deadline != .max { unsafe timers.arm(connection.timerNode, at: deadline) }
    }

    /// Empty lines are no activity: who sends nothing else is idle.
    private func idleSince(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) -> UInt64 {
        let since = unsafe server.pointee.emptySinceMs
        return unsafe since == 0 ? connection.pointee.activeMs : since
    }

    func http1DownstreamTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let server = unsafe servers[connection.pointee.session] else { return }
        let http = unsafe server.pointee.http
        let stats = unsafe http.pointee.stats
        if unsafe server.pointee.lingerUntilMs != 0, unsafe nowMs >= server.pointee.lingerUntilMs {
            count(stats, .downstreamCxDelayedCloseTimeout)
            count(stats, .downstreamCxDestroyLocal)
            unsafe connection.pointee.closeReason = Bytes("triggered_delayed_close_timeout" as StaticString)
            unsafe closeServer(server, connection, sendsRest: false)
            return
        }
        let stream = unsafe streams[server.pointee.stream]
        if unsafe server.pointee.headersDeadlineMs != 0, unsafe nowMs >= server.pointee.headersDeadlineMs {
            unsafe server.pointee.headersDeadlineMs = 0
            if let late = unsafe stream ?? lateStream(server), unsafe !late.pointee.requestHeadDone {
                return unsafe headersTimedOut(late)
            }
        }
        if unsafe server.pointee.closeAtMs != 0, unsafe nowMs >= server.pointee.closeAtMs {
            unsafe server.pointee.closeAtMs = 0
            count(stats, .downstreamCxMaxDurationReached)
            unsafe startDrain(server, connection)
            return
        }
        if unsafe server.pointee.drainAtMs != 0, unsafe nowMs >= server.pointee.drainAtMs {
            unsafe server.pointee.drainAtMs = 0
            unsafe beginDrain(server, connection)
            return
        }
        if unsafe server.pointee.drainedAtMs != 0, unsafe nowMs >= server.pointee.drainedAtMs {
            unsafe server.pointee.drainedAtMs = 0
            if unsafe stream == nil, unsafe !server.pointee.isLingering {
                unsafe linger(server, connection)
            } else {
                // A stream ends it, or its linger does: they have clocks of their own.
                unsafe server.pointee.isDrained = true
                unsafe armServerTimer(server, connection)
            }
            return
        }
        if unsafe stream == nil, unsafe !server.pointee.isLingering, unsafe !server.pointee.isDraining, unsafe http.pointee.idleTimeoutMs != 0,
            unsafe nowMs >= idleSince(server, connection) &+ http.pointee.idleTimeoutMs
        {
            count(stats, .downstreamCxIdleTimeout)
            unsafe startDrain(server, connection)
            return
        }
        if unsafe stream != nil { unsafe connection.pointee.activeMs = nowMs }
        unsafe armServerTimer(server, connection)
    }

    /// A timeout has come, or the client shall go elsewhere: responses say `close`, and when `drain_timeout` is over the
    /// connection closes.
    func startDrain(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        if unsafe server.pointee.isDraining { return unsafe armServerTimer(server, connection) }
        // Nothing was ever asked: there is no codec yet that could drain.
        if unsafe server.pointee.requests == 0, unsafe streams[server.pointee.stream] == nil {
            unsafe count(server.pointee.http.pointee.stats, .downstreamCxDestroyLocal)
            unsafe closeServer(server, connection)
            return
        }
        unsafe server.pointee.isDraining = true
        unsafe server.pointee.drainedAtMs = unsafe nowMs &+ max(server.pointee.http.pointee.drainTimeoutMs, 1) &+ chance(server.pointee.http.pointee.drainTimeoutJitterMs)
        unsafe armServerTimer(server, connection)
    }

    /// How long a connection must have been quiet to count as idle when a drain begins. A client that is busy has its
    /// next request on its way, or one that we have not read yet: it is answered, with `connection: close`.
    private static let drainQuietMs: UInt64 = 200

    /// No more requests on this connection: closed now when idle, behind the current response otherwise.
    func beginDrain(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        unsafe server.pointee.isDraining = true
        unsafe server.pointee.drainedAtMs = 0
        guard unsafe streams[server.pointee.stream] == nil, unsafe server.pointee.pending.isEmpty, unsafe !server.pointee.isLingering
        else { return unsafe armServerTimer(server, connection) }
        let quietUntilMs = unsafe connection.pointee.activeMs &+ Worker.drainQuietMs
        if unsafe nowMs < quietUntilMs || connections.hasUnread(connection) {
            unsafe server.pointee.drainAtMs = max(quietUntilMs, nowMs &+ 1)
            unsafe armServerTimer(server, connection)
            return
        }
        unsafe count(server.pointee.http.pointee.stats, .downstreamCxDrainClose)
        // The process goes: that nothing more is read is said at once.
        unsafe linger(server, connection, ends: true)
    }

    /// The last response is queued: send it, then wait for the peer's end, or the delayed close. No FIN of ours before
    /// that, as in Envoy.
    func linger(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, ends: Bool = false
    ) {
        unsafe server.pointee.isLingering = true
        unsafe server.pointee.pending.removeAll(memory)
        if unsafe connection.pointee.sawEnd {
            unsafe count(server.pointee.http.pointee.stats, .downstreamCxDestroyRemote)
            unsafe closeServer(server, connection)
            return
        }
        let timeout = unsafe server.pointee.http.pointee.delayedCloseTimeoutMs
        if timeout == 0 {
            unsafe count(server.pointee.http.pointee.stats, .downstreamCxDestroyLocal)
            unsafe closeServer(server, connection)
            return
        }
        if ends { unsafe connections.end(connection) }
        unsafe connections.receive(connection)
        unsafe server.pointee.lingerUntilMs = nowMs &+ timeout
        unsafe timers.armNoLater(connection.timerNode, than: server.pointee.lingerUntilMs)
    }
}
