// Attempts that are under way beside a request's newest one (`hedge_policy`).
//
// The newest attempt lies in the request's own `HTTPStream`, as without hedging. When another one begins beside it, it moves
// out (`park`) into a stream object of its own, which has nothing but this attempt: no client, no filters, no head of a
// request. The codec's entry then names that object, so what the host answers comes there and never into the newest
// attempt. Whoever wins moves back in (`adoptHedge`); whoever loses is reset (`endHedge`).
//
// Invariants: an object beside (`hedgeOf` names the request) is in its request's list, newest first, and lives no longer
// than the request; it is on a connection (what still waits for one is never moved); while there is one, the request's own
// object has an attempt or waits for its next (`promoteHedge`).

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// Attempts beside the newest one of a request; a timeout beyond them begins none (docs/limits.md).
    static let hedgesMax = 16

    func hedgeCount(_ stream: StreamPointer) -> Int {
        var count = 0
        var next = unsafe stream.pointee.firstHedge
        while let hedge = unsafe streams[next] {
            count &+= 1
            next = unsafe hedge.pointee.nextHedge
        }
        return count
    }

    /// The stream's attempt goes on beside it. False: no memory, and nothing has happened.
    func park(_ stream: StreamPointer) -> Bool {
        // Its request's head is never written.
        guard let hedge = unsafe makeStream(stream.pointee.http, MessageHead(pool: memory.blocks, bytes: 64)) else { return false }
        unsafe hedge.pointee.hedgeOf = unsafe stream.pointee.handle
        unsafe hedge.pointee.clusterSlot = unsafe stream.pointee.clusterSlot
        unsafe hedge.pointee.requestEnded = true
        unsafe hedge.pointee.requestEndForwarded = true
        unsafe hedge.pointee.tracksTries = unsafe stream.pointee.tracksTries
        unsafe hedge.pointee.retry.hedges = true
        unsafe hedge.pointee.retry.on = .hedged
        unsafe hedge.pointee.retry.perTryIdleMs = unsafe stream.pointee.retry.perTryIdleMs
        // Where the body has not gone out yet, they follow it.
        unsafe hedge.pointee.requestTrailers = unsafe stream.pointee.requestTrailers?.copied()
        if let trace = unsafe tracing.traces[stream.pointee.trace], let (traceHandle, copy) = unsafe tracing.traces.allocate() {
            unsafe copy.initialize(to: trace.pointee)
            unsafe copy.pointee.hasAttempt = false
            unsafe hedge.pointee.trace = traceHandle
        }
        unsafe meterUpstreamSent(stream)
        unsafe exchangeAttempts(stream, hedge)
        unsafe tellCodec(hedge)
        unsafe hedge.pointee.wasMoved = true
        // The next try counts on from here; what this one still does is added when it ends (`addOtherTry`).
        unsafe stream.pointee.upstreamMeter = unsafe hedge.pointee.upstreamMeter
        unsafe hedge.pointee.meterWhenParked = unsafe hedge.pointee.upstreamMeter
        unsafe hedge.pointee.nextHedge = unsafe stream.pointee.firstHedge
        unsafe stream.pointee.firstHedge = unsafe hedge.pointee.handle
        unsafe armStreamTimer(hedge)
        // What the connection still has to send holds the client back no more.
        unsafe resumeDownstreamReading(stream)
        return true
    }

    /// The attempt becomes the stream's own, which has none.
    func adoptHedge(_ hedge: StreamPointer, _ stream: StreamPointer) {
        unsafe unlinkHedge(hedge, stream)
        unsafe exchangeAttempts(stream, hedge)
        unsafe tellCodec(stream)
        // The meter that the stream has counted on with goes with the object.
        unsafe addOtherTry(hedge, stream)
        // Its host has said all: there is nothing left to wait for.
        if unsafe stream.pointee.upstreamEndNs != 0 { unsafe stream.pointee.timeoutAtMs = 0 }
        unsafe freeHedge(hedge)
        unsafe armStreamTimer(stream)
    }

    /// The stream's own attempt is over and no other one follows: the newest of those beside it takes its place.
    func promoteHedge(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.retry.isWaiting, let hedge = unsafe streams[stream.pointee.firstHedge] else { return }
        unsafe adoptHedge(hedge, stream)
    }

    /// The attempt is given up: reset, unless its host has said all.
    func endHedge(_ hedge: StreamPointer, _ stream: StreamPointer) {
        unsafe unlinkHedge(hedge, stream)
        unsafe hedge.pointee.isDestroyed = true
        unsafe endHedgeSpan(hedge, stream)
        unsafe releaseUpstream(hedge)
        unsafe addOtherTry(hedge, stream)
        unsafe freeHedge(hedge)
    }

    /// The object's meter goes: what it has counted beyond what the stream's counts already.
    private func addOtherTry(_ hedge: StreamPointer, _ stream: StreamPointer) {
        unsafe stream.pointee.otherTries = unsafe stream.pointee.otherTries + hedge.pointee.upstreamMeter.since(hedge.pointee.meterWhenParked)
    }

    /// Oldest first, as in Envoy, so that the lines of a log are in its order. `winner`: goes on.
    func endHedges(_ stream: StreamPointer, but winner: Handle = .none) {
        while let hedge = unsafe oldestHedge(stream, but: winner) { unsafe endHedge(hedge, stream) }
    }

    private func oldestHedge(_ stream: StreamPointer, but winner: Handle) -> StreamPointer? {
        var oldest: StreamPointer?
        var next = unsafe stream.pointee.firstHedge
        while let hedge = unsafe streams[next] {
            if next != winner { unsafe oldest = unsafe hedge }
            next = unsafe hedge.pointee.nextHedge
        }
        return unsafe oldest
    }

    private func unlinkHedge(_ hedge: StreamPointer, _ stream: StreamPointer) {
        let handle = unsafe hedge.pointee.handle
        if unsafe stream.pointee.firstHedge == handle {
            unsafe stream.pointee.firstHedge = unsafe hedge.pointee.nextHedge
            return
        }
        var at = unsafe stream.pointee.firstHedge
        while let other = unsafe streams[at] {
            at = unsafe other.pointee.nextHedge
            if at == handle { unsafe other.pointee.nextHedge = unsafe hedge.pointee.nextHedge }
        }
    }

    private func freeHedge(_ hedge: StreamPointer) {
        if unsafe hedge.pointee.trace != .none { unsafe tracing.traces.free(hedge.pointee.trace) }
        unsafe freeStream(hedge)
    }

    private func endHedgeSpan(_ hedge: StreamPointer, _ stream: StreamPointer) {
        guard let own = unsafe tracing.traces[hedge.pointee.trace], let trace = unsafe tracing.traces[stream.pointee.trace],
            unsafe own.pointee.hasAttempt
        else { return }
        unsafe own.pointee.hasAttempt = false
        guard unsafe own.pointee.isRecorded(own.pointee.attempt) else { return }
        // Nothing is sent while the attempts have changed places: sending may end other requests' attempts, and this one's.
        unsafe exchangeAttempts(stream, hedge)
        let span = unsafe fillAttempt(stream, trace)
        unsafe exchangeAttempts(stream, hedge)
        unsafe export(span, trace)
    }

    /// The codec's entry of the attempt names the stream that has it.
    private func tellCodec(_ stream: StreamPointer) {
        if let entry = unsafe h2.streams[stream.pointee.upstreamCodec] {
            unsafe entry.pointee.stream = unsafe stream.pointee.handle
        } else if let connection = unsafe connections.slab[stream.pointee.upstream],
            let client = unsafe clients[connection.pointee.session]
        {
            unsafe client.pointee.stream = unsafe stream.pointee.handle
        }
    }

    /// All that belongs to one attempt changes places. The place in a host's line does not: neither of the two waits in one
    /// when an attempt moves.
    func exchangeAttempts(_ a: StreamPointer, _ b: StreamPointer) {
        unsafe swap(&a.pointee.host, &b.pointee.host)
        unsafe swap(&a.pointee.upstream, &b.pointee.upstream)
        unsafe swap(&a.pointee.upstreamCodec, &b.pointee.upstreamCodec)
        unsafe swap(&a.pointee.wantsHTTP2, &b.pointee.wantsHTTP2)
        unsafe swap(&a.pointee.upstreamIsHTTP2, &b.pointee.upstreamIsHTTP2)
        unsafe swap(&a.pointee.poolKey, &b.pointee.poolKey)
        unsafe swap(&a.pointee.hasOwnConnection, &b.pointee.hasOwnConnection)
        unsafe swap(&a.pointee.isCountedUpstream, &b.pointee.isCountedUpstream)
        unsafe swap(&a.pointee.upstreamIsHigh, &b.pointee.upstreamIsHigh)
        unsafe swap(&a.pointee.isOnUpstream, &b.pointee.isOnUpstream)
        unsafe swap(&a.pointee.requestHeadSent, &b.pointee.requestHeadSent)
        unsafe swap(&a.pointee.requestLeft, &b.pointee.requestLeft)
        unsafe swap(&a.pointee.wasMoved, &b.pointee.wasMoved)
        unsafe swap(&a.pointee.sawInterim, &b.pointee.sawInterim)
        unsafe swap(&a.pointee.upstreamBodySent, &b.pointee.upstreamBodySent)
        unsafe swap(&a.pointee.response, &b.pointee.response)
        unsafe swap(&a.pointee.responseTrailers, &b.pointee.responseTrailers)
        unsafe swap(&a.pointee.responseLength, &b.pointee.responseLength)
        unsafe swap(&a.pointee.perTryTimeoutAtMs, &b.pointee.perTryTimeoutAtMs)
        unsafe swap(&a.pointee.retry.perTryIdleAtMs, &b.pointee.retry.perTryIdleAtMs)
        unsafe swap(&a.pointee.retry.durationAtMs, &b.pointee.retry.durationAtMs)
        unsafe swap(&a.pointee.retry.isFollowed, &b.pointee.retry.isFollowed)
        unsafe exchangeAccounts(a, b)
        guard let one = unsafe tracing.traces[a.pointee.trace], let other = unsafe tracing.traces[b.pointee.trace] else { return }
        unsafe one.pointee.exchangeAttempt(&other.pointee)
    }

    /// What logs and spans ask of an attempt.
    private func exchangeAccounts(_ a: StreamPointer, _ b: StreamPointer) {
        unsafe swap(&a.pointee.upstreamSentBefore, &b.pointee.upstreamSentBefore)
        unsafe swap(&a.pointee.upstreamReceivedBefore, &b.pointee.upstreamReceivedBefore)
        unsafe swap(&a.pointee.upstreamMeter, &b.pointee.upstreamMeter)
        unsafe swap(&a.pointee.earlierTries, &b.pointee.earlierTries)
        unsafe swap(&a.pointee.upstreamStartNs, &b.pointee.upstreamStartNs)
        unsafe swap(&a.pointee.upstreamTimes, &b.pointee.upstreamTimes)
        unsafe swap(&a.pointee.upstreamRequestEndNs, &b.pointee.upstreamRequestEndNs)
        unsafe swap(&a.pointee.upstreamFirstByteNs, &b.pointee.upstreamFirstByteNs)
        unsafe swap(&a.pointee.upstreamEndNs, &b.pointee.upstreamEndNs)
        unsafe swap(&a.pointee.tryFlags, &b.pointee.tryFlags)
        unsafe swap(&a.pointee.tryStatus, &b.pointee.tryStatus)
        unsafe swap(&a.pointee.tryLogAtMs, &b.pointee.tryLogAtMs)
        unsafe swap(&a.pointee.tryBodyReceived, &b.pointee.tryBodyReceived)
        unsafe swap(&a.pointee.tryHeads, &b.pointee.tryHeads)
        unsafe swap(&a.pointee.upstreamErrno, &b.pointee.upstreamErrno)
        unsafe swap(&a.pointee.transportFailure, &b.pointee.transportFailure)
        unsafe swap(&a.pointee.upstreamTLS, &b.pointee.upstreamTLS)
        unsafe swap(&a.pointee.upstreamRemoteAddress, &b.pointee.upstreamRemoteAddress)
        unsafe swap(&a.pointee.upstreamLocalAddress, &b.pointee.upstreamLocalAddress)
        unsafe swap(&a.pointee.upstreamConnectionID, &b.pointee.upstreamConnectionID)
    }
}

extension HTTPStream {
    /// Of an attempt beside: its meter when it moved out. It has no client of which anything could be counted.
    fileprivate var meterWhenParked: WireMeter {
        get { downstreamMeter }
        set { downstreamMeter = newValue }
    }
}

extension TraceState {
    mutating func exchangeAttempt(_ other: inout TraceState) {
        swap(&hasAttempt, &other.hasAttempt)
        swap(&attempt, &other.attempt)
        swap(&attemptStartNs, &other.attemptStartNs)
        swap(&attemptNumber, &other.attemptNumber)
        swap(&attemptStatus, &other.attemptStatus)
        swap(&attemptFlags, &other.attemptFlags)
        swap(&attemptFailure, &other.attemptFailure)
    }
}
