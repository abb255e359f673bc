// How a filter lets go of what it stopped, adds to a message, and begins a stream anew.
//
// All of it is safe to call at any time: for a stream that is gone, from inside a call of the chain (it is done when the
// chain has unwound), twice, or where nothing is stopped.

import Primitives
import Routing
import Transport
import Wire

extension Worker {
    /// Receive buffers that a gate refers to in place; beyond it the bytes are copied, so that they go back to the ring.
    static let heldBuffersMax = 8

    // MARK: The chain is running

    func enter(_ direction: FilterDirection, _ stream: StreamPointer) -> ChainPass {
        if direction == .request {
            unsafe stream.pointee.requestDepth &+= 1
        } else {
            unsafe stream.pointee.responseDepth &+= 1
        }
        return unsafe pass(of: stream)
    }

    /// The chain has unwound: what was resumed meanwhile goes on now.
    func leave(_ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain, _ pass: ChainPass) {
        guard unsafe isCurrent(pass, stream) else { return }
        if direction == .request {
            unsafe stream.pointee.requestDepth &-= 1
            guard unsafe stream.pointee.requestDepth == 0, unsafe stream.pointee.requestResumeIsDue else { return }
            unsafe stream.pointee.requestResumeIsDue = false
        } else {
            unsafe stream.pointee.responseDepth &-= 1
            guard unsafe stream.pointee.responseDepth == 0, unsafe stream.pointee.responseResumeIsDue else { return }
            unsafe stream.pointee.responseResumeIsDue = false
        }
        for step in 0..<chain.filters.count where unsafe chain.gate(direction, step, stream).pointee.resumeIsDue {
            unsafe chain.gate(direction, step, stream).pointee.resumeIsDue = false
            unsafe resume(direction, stream, chain, step)
            guard unsafe isCurrent(pass, stream) else { return }
        }
    }

    private func isRunning(_ direction: FilterDirection, _ stream: StreamPointer) -> Bool {
        unsafe direction == .request ? stream.pointee.requestDepth > 0 : stream.pointee.responseDepth > 0
    }

    // MARK: Resuming

    /// A filter that stopped a request lets it go on. Nothing happens when the stream is gone.
    package func resumeRequest(_ handle: Handle, from filter: HTTPFilter) {
        guard let stream = unsafe streams[handle], unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) else { return }
        unsafe resume(.request, stream, chain, Int(filter.place))
    }

    /// A filter that stopped a response lets it go on.
    package func resumeResponse(_ handle: Handle, from filter: HTTPFilter) {
        guard let stream = unsafe streams[handle], unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) else { return }
        unsafe resume(.response, stream, chain, chain.filters.count &- 1 &- Int(filter.place))
    }

    private func resume(_ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain, _ step: Int) {
        let now = unsafe pass(of: stream)
        guard unsafe goesOn(direction, stream, now) else { return }
        if unsafe isRunning(direction, stream) {
            unsafe chain.gate(direction, step, stream).pointee.resumeIsDue = true
            if direction == .request {
                unsafe stream.pointee.requestResumeIsDue = true
            } else {
                unsafe stream.pointee.responseResumeIsDue = true
            }
            return
        }
        let pass = unsafe enter(direction, stream)
        _ = unsafe release(direction, stream, chain, step: step)
        unsafe leave(direction, stream, chain, pass)
    }

    /// Everything that waits at a gate goes on behind it; what its filter has not seen goes to the filter first.
    func release(_ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain, step: Int) -> Bool {
        let gate = unsafe chain.gate(direction, step, stream)
        guard unsafe gate.pointee.isStopped || !gate.pointee.held.isEmpty else { return true }
        let pass = unsafe pass(of: stream)
        var data = unsafe gate.pointee.takeHeld()
        let headWaited = unsafe gate.pointee.headIsStopped
        let next = unsafe gate.pointee.keepsUnseen ? step : step &+ 1
        let ends = unsafe gate.pointee.endWaits
        let trailers = unsafe gate.pointee.trailersWait || (ends && hasTrailers(direction, stream))
        unsafe gate.pointee.open()
        if headWaited {
            let endsWithHead = ends && data.isEmpty && !trailers
            guard unsafe passHead(direction, stream, chain, from: step &+ 1, endStream: endsWithHead) else {
                data.removeAll(memory)
                return false
            }
            if endsWithHead { return true }
        }
        if !data.isEmpty || (ends && !trailers) {
            guard unsafe passData(direction, stream, chain, from: next, &data, endStream: ends && !trailers) else { return false }
        }
        if trailers { guard unsafe passTrailers(direction, stream, chain, from: next) else { return false } }
        unsafe readOn(direction, stream, chain)
        return unsafe goesOn(direction, stream, pass)
    }

    /// Reads a source again that the chain had paused, once little enough waits.
    private func readOn(_ direction: FilterDirection, _ stream: StreamPointer, _ chain: WorkerFilterChain) {
        let isHeldBack = unsafe direction == .request ? stream.pointee.requestIsHeldBack : stream.pointee.responseIsHeldBack
        guard isHeldBack, unsafe chain.heldBytes(direction, stream) <= bufferLimit(direction, stream) / 2 else { return }
        if direction == .request {
            unsafe stream.pointee.requestIsHeldBack = false
            unsafe resumeDownstreamReading(stream)
        } else {
            unsafe stream.pointee.responseIsHeldBack = false
            unsafe resumeUpstreamReading(stream)
        }
    }

    /// What the chain keeps of a body at most.
    package func bufferLimit(_ direction: FilterDirection, _ stream: StreamPointer) -> Int {
        if direction == .response { return unsafe stream.pointee.http.pointee.bufferLimit }
        if let own = unsafe stream.pointee.requestBufferMax { return own }
        return unsafe stream.pointee.route?.pointee.bufferLimit ?? stream.pointee.http.pointee.bufferLimit
    }

    /// A filter sets the limit of this request's buffering (`buffer`).
    package func setRequestBufferMax(_ stream: StreamPointer, _ bytes: Int) { unsafe stream.pointee.requestBufferMax = bytes }

    // MARK: Adding

    /// What the chain keeps for this filter, to be read, drained or replaced in place.
    package func heldBody(
        _ direction: FilterDirection, _ stream: StreamPointer, for filter: HTTPFilter
    ) -> UnsafeMutablePointer<ByteQueue>? {
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) else { return nil }
        let step = chain.place(direction, Int(filter.place))
        let gate = unsafe chain.gate(direction, step, stream)
        guard let offset = MemoryLayout<FilterGate>.offset(of: \.held) else { return nil }
        return unsafe (UnsafeMutableRawPointer(gate) + offset).assumingMemoryBound(to: ByteQueue.self)
    }

    /// Whether this filter has stopped the message's head and not let it go.
    package func holdsHead(_ direction: FilterDirection, _ stream: StreamPointer, for filter: HTTPFilter) -> Bool {
        guard unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) else { return false }
        return unsafe chain.gate(direction, chain.place(direction, Int(filter.place)), stream).pointee.headIsStopped
    }

    /// Puts `data` behind what the chain keeps for this filter: it goes on with that. The way to give a body to a message
    /// from inside `…Head` or `…Trailers`.
    package func addBody(_ direction: FilterDirection, _ stream: StreamPointer, _ data: inout ByteQueue, from filter: HTTPFilter) {
        guard let held = unsafe heldBody(direction, stream, for: filter) else { return data.removeAll(memory) }
        unsafe held.pointee.append(moving: &data)
    }

    /// Sends body of the filter's own on to the filters behind it, at once, and a head that waits here before it. What
    /// waits here besides stays. With `endStream` the message ends; what still comes of it is dropped.
    /// Not from inside a call of the chain in this direction: there, change `data` or use `addBody`.
    package func inject(
        _ direction: FilterDirection, _ handle: Handle, _ data: inout ByteQueue, endStream: Bool, from filter: HTTPFilter
    ) {
        guard let stream = unsafe streams[handle], unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream),
            unsafe goesOn(direction, stream, pass(of: stream))
        else { return data.removeAll(memory) }
        assert(unsafe !isRunning(direction, stream), "inject from inside the chain")
        let step = chain.place(direction, Int(filter.place))
        let gate = unsafe chain.gate(direction, step, stream)
        let pass = unsafe enter(direction, stream)
        let headWaited = unsafe gate.pointee.headIsStopped
        unsafe gate.pointee.headIsStopped = false
        // What comes behind stays stopped until the filter resumes.
        unsafe gate.pointee.bodyIsStopped = unsafe gate.pointee.bodyIsStopped || headWaited
        let trailersFollow = unsafe endStream && hasTrailers(direction, stream)
        if endStream {
            unsafe gate.pointee.held.removeAll(memory)
            unsafe gate.pointee.open()
            unsafe gate.pointee.isOver = true
        }
        if headWaited {
            guard unsafe passHead(direction, stream, chain, from: step &+ 1, endStream: false) else {
                data.removeAll(memory)
                return unsafe leave(direction, stream, chain, pass)
            }
        }
        if !data.isEmpty || (endStream && !trailersFollow),
            unsafe passData(direction, stream, chain, from: step &+ 1, &data, endStream: endStream && !trailersFollow),
            trailersFollow
        {
            _ = unsafe passTrailers(direction, stream, chain, from: step &+ 1)
        }
        unsafe leave(direction, stream, chain, pass)
    }

    /// The message's trailers, made if it has none; only when its end has come as far as this filter. They are sent where
    /// the protocol can carry them. Nil: no memory.
    package func addTrailers(_ direction: FilterDirection, _ stream: StreamPointer) -> UnsafeMutablePointer<MessageHead>? {
        if unsafe !hasTrailers(direction, stream) {
            guard let trailers = MessageHead(pool: memory.blocks, bytes: 1024) else { return nil }
            if direction == .request {
                unsafe stream.pointee.requestTrailers = trailers
            } else {
                unsafe stream.pointee.responseTrailers = trailers
            }
            // A body of known length has no room for trailers behind it (RFC 9112 §7.1.2).
            unsafe setBodyLength(direction, stream, nil)
        }
        let offset = direction == .request ? \HTTPStream.requestTrailers : \HTTPStream.responseTrailers
        guard let at = MemoryLayout<HTTPStream>.offset(of: offset) else { return nil }
        return unsafe (UnsafeMutableRawPointer(stream) + at).assumingMemoryBound(to: MessageHead.self)
    }

    /// Who changes a body's length says so before its head has gone out: the new length, or nil for one that is not known.
    package func setBodyLength(_ direction: FilterDirection, _ stream: StreamPointer, _ length: UInt64?) {
        if direction == .request {
            guard unsafe !stream.pointee.requestHeadSent else { return }
            unsafe stream.pointee.requestLength = length
            unsafe stream.pointee.requestIsChunked = length == nil
            unsafe stream.pointee.request.setLength(length)
        } else {
            guard unsafe !stream.pointee.responseHeadSent else { return }
            unsafe stream.pointee.responseLength = length
            unsafe stream.pointee.responseIsChunked = length == nil && stream.pointee.request.version != .http10
            unsafe stream.pointee.response.setLength(length)
        }
    }

    /// An answer of ours takes the place of a response that waits at a filter: it bypasses the filters, which have seen
    /// that one. False: part of the response is on its way to the client already.
    func dropHeldResponse(_ stream: StreamPointer) -> Bool {
        guard unsafe stream.pointee.hasFilters, unsafe !stream.pointee.responseHeadSent, unsafe !stream.pointee.bypassesFilters,
            let chain = unsafe filters(stream)
        else { return false }
        unsafe stream.pointee.bypassesFilters = true
        unsafe chain.removeHeld(.response, stream, memory)
        return true
    }

    // MARK: Anew

    /// Runs the request through the chain again, as a new one: what an internal redirect does after it has changed the
    /// head. Only a request that is here in full, whose body the chain still has, and that has no response on its way to
    /// the client. False: nothing happened. True: return at once, the filters' state is new.
    package func recreate(_ stream: StreamPointer) -> Bool {
        guard unsafe stream.pointee.requestEnded, unsafe !stream.pointee.responseHeadSent, unsafe !stream.pointee.isTunnel,
            unsafe !stream.pointee.isUpgrade, unsafe !stream.pointee.isDestroyed,
            unsafe stream.pointee.upstreamBodySent == 0, unsafe stream.pointee.requestTrailers == nil
        else { return false }
        var body = ByteQueue()
        if unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) {
            // From the last filter to the first: what got further came earlier.
            for step in stride(from: chain.filters.count - 1, through: 0, by: -1) {
                var held = unsafe chain.gate(.request, step, stream).pointee.takeHeld()
                body.append(moving: &held)
            }
        }
        unsafe body.prepend(moving: &stream.pointee.waitingBody)
        unsafe stream.pointee.retry.body.removeAll(memory)
        unsafe runAgain(stream, &body)
        return true
    }

    /// From the route on, with the head as it is. Takes over `body`.
    func runAgain(_ stream: StreamPointer, _ body: inout ByteQueue) {
        unsafe endRetries(stream)
        unsafe releaseUpstream(stream)
        unsafe destroyFilters(stream)
        if let state = unsafe stream.pointee.filterState { memory.blocks.free(state) }
        unsafe stream.pointee.beginAnew()
        unsafe chooseRoute(stream)
        guard unsafe beginFilters(stream) else {
            body.removeAll(memory)
            unsafe resetDownstream(stream)
            return
        }
        let pass = unsafe pass(of: stream)
        let isEmpty = body.isEmpty
        unsafe runRequestHead(stream, endStream: isEmpty)
        guard !isEmpty else { return }
        guard unsafe goesOn(.request, stream, pass) else {
            body.removeAll(memory)
            return
        }
        if unsafe stream.pointee.hasFilters, let chain = unsafe filters(stream) {
            let pass = unsafe enter(.request, stream)
            _ = unsafe passData(.request, stream, chain, from: 0, &body, endStream: true)
            unsafe leave(.request, stream, chain, pass)
        } else {
            unsafe forwardRequestQueue(stream, &body, endStream: true)
        }
    }
}

extension FilterGate {
    /// Nothing waits here any more.
    mutating func open() {
        headIsStopped = false
        keepsUnseen = false
        bodyIsStopped = false
        endWaits = false
        trailersWait = false
    }
}

extension MessageHead {
    /// `content-length` as the filters behind see it; an encoder writes it from the framing.
    fileprivate mutating func setLength(_ length: UInt64?) {
        guard let length else { return remove(.contentLength) }
        var digits = DecimalText(length)
        set(.contentLength, digits.bytes())
    }
}

extension ByteQueue {
    mutating func prepend(moving other: inout ByteQueue) {
        var all = other
        other = ByteQueue()
        all.append(moving: &self)
        self = all
    }
}

extension HTTPStream {
    /// What a first run of the chain has left behind. The request's head stays as it is now.
    mutating func beginAnew() {
        chainRun &+= 1
        filterState = nil
        requestDepth = 0
        responseDepth = 0
        requestResumeIsDue = false
        responseResumeIsDue = false
        requestIsHeldBack = false
        responseIsHeldBack = false
        requestBufferMax = nil
        bypassesFilters = false
        response.reset()
        hasResponseHead = false
        isLocalReply = false
        responseEnded = false
        responseIsChunked = false
        responseLength = nil
        requestHeadForwarded = false
        requestHeadSent = false
        requestEndForwarded = false
        unsafe chosen = nil
        clusterSlot = RouteConfig.noSlot
        host = .none
        timeoutAtMs = 0
        perTryTimeoutAtMs = 0
        wasMoved = false
        attempt = 0
        retry = RetryState()
        flags = []
        details = .empty
        refusedField = .empty
    }
}
