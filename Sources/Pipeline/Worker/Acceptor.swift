// Accepting: one multishot accept per listening socket of this worker. The sockets belong to main and survive updates;
// a worker only arms and cancels its accept on them.
//
// A socket that no plan lists any more has been shut by main (`ListenSocketGroup.shut`). This worker goes on accepting
// for `acceptTailMs`, so that handshakes under way arrive, cancels, empties the queue, and lets go of the part; when
// every worker has, main closes the socket. So nobody who got through to us is reset.

import CLiburing
import Glibc
import Primitives
import Ring
import Stats
import Transport

/// One listening socket as this worker uses it.
@safe
struct Acceptor: BitwiseCopyable {
    var socket: Int32
    /// Slot of the listener.
    var slot: UInt32
    var part: PartID
    var config: UnsafePointer<ListenerConfig>
    /// Where every connection of this socket arrives, when it is bound to one address; else `none`.
    var local: SocketAddress
    var isArmed = false
    var isCancelling = false
    /// No plan lists it any more: when accepting ends, in milliseconds; 0: it is listed.
    var removeMs: UInt64 = 0
    /// When to try again after the system had no descriptor or memory for us, in milliseconds; 0: not waiting.
    var retryMs: UInt64 = 0
    /// When waiting for connections under way from other workers ends; 0: it has not begun.
    var arrivalEndMs: UInt64 = 0
    /// Scratch of `adoptListeners`.
    var isListed = true
}

extension Worker {
    /// How long accepting rests when the system has no descriptor or memory left (EMFILE, ENFILE, ENOBUFS, ENOMEM).
    static let acceptPauseMs: UInt64 = 100
    /// How long a socket that was taken away is still accepted from: longer than a handshake takes.
    static let acceptTailMs: UInt64 = 100

    func adoptListeners(_ plan: UnsafePointer<Plan>) {
        for i in 0..<acceptors.count { acceptors[i].isListed = false }
        for i in unsafe 0..<plan.pointee.listeners.count where unsafe plan.pointee.drain != .closing {
            let listener = unsafe plan.pointee.listeners[i]
            for j in unsafe 0..<listener.config.pointee.addresses.count {
                let place = unsafe listener.config.pointee.addresses[j]
                guard !place.sockets.isEmpty else { continue }
                adoptSocket(place.sockets[min(index, place.sockets.count - 1)], place.address, listener)
            }
        }
        for i in 0..<acceptors.count where !acceptors[i].isListed && acceptors[i].removeMs == 0 {
            acceptors[i].removeMs = nowMs &+ Worker.acceptTailMs
            armAcceptTimer(acceptors[i].removeMs)
        }
        tellBalances()
        tellAcceptors()
    }

    private func tellAcceptors() {
        var leaving = 0
        for i in 0..<acceptors.count where acceptors[i].removeMs != 0 { leaving &+= 1 }
        mailbox.accepts(on: acceptors.count, leaving: leaving)
    }

    private func adoptSocket(_ socket: Int32, _ address: SocketAddress, _ listener: ListenerSlot) {
        for i in 0..<acceptors.count where acceptors[i].socket == socket {
            var acceptor = acceptors[i]
            if acceptor.part != listener.part {
                pins.unpin(acceptor.part)
                pins.pin(listener.part)
            }
            acceptor.part = listener.part
            acceptor.slot = unsafe listener.config.pointee.slot
            unsafe acceptor.config = unsafe listener.config
            acceptor.isListed = true
            acceptor.removeMs = 0
            acceptor.arrivalEndMs = 0
            acceptors[i] = acceptor
            if acceptor.retryMs == 0 { armAccept(i) }
            return
        }
        pins.pin(listener.part)
        unsafe acceptors.append(
            Acceptor(
                socket: socket, slot: listener.config.pointee.slot, part: listener.part, config: listener.config,
                local: address.isWildcard ? SocketAddress() : address))
        armAccept(acceptors.count - 1)
    }

    private func armAccept(_ index: Int) {
        guard !acceptors[index].isArmed else { return }
        acceptors[index].isArmed = true
        unsafe martlet_prep_accept_multishot(
            ring.entry(), acceptors[index].socket, acceptToken(acceptors[index].socket))
    }

    package func acceptToken(_ socket: Int32) -> UInt64 {
        Operation.accept.token(Handle(raw: UInt64(UInt32(bitPattern: socket))))
    }

    // HOT: per connection.
    package func accepted(_ completion: Completion) {
        let socket = Int32(truncatingIfNeeded: Handle(raw: completion.user_data).raw)
        var index = 0
        while index < acceptors.count, acceptors[index].socket != socket { index &+= 1 }
        guard index < acceptors.count else {
            if completion.result >= 0 { Glibc.close(completion.result) }
            return
        }
        if completion.result >= 0 {
            countAccepted(acceptors[index])
            if !handOver(completion.result, acceptors[index]) { opened(completion.result, acceptors[index]) }
        }
        guard !completion.more else { return }
        acceptors[index].isArmed = false
        acceptors[index].isCancelling = false
        switch -completion.result {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            // The connection waits in the kernel's queue; it is not lost.
            unsafe countListener(acceptors[index].config.pointee.stats, .acceptPaused)
            acceptors[index].retryMs = nowMs &+ Worker.acceptPauseMs
            armAcceptTimer(acceptors[index].retryMs)
        default:
            // A socket that was shut does not block: what is left of its queue is taken at the end of its tail.
            if acceptors[index].removeMs == 0 { armAccept(index) } else { endAccepting(index) }
        }
    }

    /// The tail of a socket that was taken away is over: the accept is cancelled; when that has completed, the queue is
    /// emptied.
    private func endAccepting(_ index: Int) {
        guard acceptors[index].removeMs <= nowMs else { return }
        if acceptors[index].isArmed {
            guard !acceptors[index].isCancelling else { return }
            acceptors[index].isCancelling = true
            unsafe martlet_prep_cancel(
                ring.entry(), acceptToken(acceptors[index].socket), Operation.cancel.token(.none))
        } else {
            emptyAcceptQueue(index)
        }
    }

    /// Connections that the kernel has already accepted for us are served; then the part is let go of.
    private func emptyAcceptQueue(_ index: Int) {
        let acceptor = acceptors[index]
        // The socket may be shared with other workers (UNIX), and one of the abstract namespace blocks: another worker that
        // is quicker behind the look costs a millisecond at most.
        _ = martlet_accept_briefly(acceptor.socket)
        var ready = pollfd(fd: acceptor.socket, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&ready, 1, 0) == 1, ready.revents & Int16(POLLIN) != 0 {
            let descriptor = martlet_accept(acceptor.socket)
            if descriptor < 0 {
                // No descriptor left: what waits is not given up yet.
                if errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM {
                    unsafe countListener(acceptor.config.pointee.stats, .acceptPaused)
                    acceptors[index].removeMs = nowMs &+ Worker.acceptPauseMs
                    armAcceptTimer(acceptors[index].removeMs)
                    return
                }
                break
            }
            countAccepted(acceptor)
            if let cells = unsafe countedCells(acceptor.config) { cells.add(self.index) }
            opened(descriptor, acceptor)
        }
        guard leaveBalance(index) else {
            acceptors[index].removeMs = nowMs &+ Worker.arrivalMs
            return armAcceptTimer(acceptors[index].removeMs)
        }
        acceptors.swapRemove(index)
        tellAcceptors()
        if isDrained(acceptor.part) { closeConnections(of: acceptor.part) }
        pins.unpin(acceptor.part)
    }

    /// The accept timer has fired: tries again where accepting rested, ends it where a tail is over.
    func acceptTimerFired() {
        // From the end: an entry that goes is replaced by the last one.
        var i = acceptors.count
        while i > 0 {
            i &-= 1
            if acceptors[i].retryMs != 0, acceptors[i].retryMs <= nowMs {
                acceptors[i].retryMs = 0
                if acceptors[i].removeMs == 0 { armAccept(i) }
            }
            if acceptors[i].removeMs != 0 { endAccepting(i) }
        }
        for i in 0..<acceptors.count {
            let acceptor = acceptors[i]
            if acceptor.retryMs > nowMs { armAcceptTimer(acceptor.retryMs) }
            if acceptor.removeMs > nowMs { armAcceptTimer(acceptor.removeMs) }
        }
    }

    /// While draining, main waits for the last connection.
    @inline(__always)
    func tellConnections() {
        if drain != .none { mailbox.holds(connections: downstreamConnections) }
    }

    func armAcceptTimer(_ deadline: UInt64) { unsafe timers.armNoLater(acceptTimer, than: deadline) }

    /// The kernel hands connections over one by one, as they are accepted one by one for an event of Envoy's.
    private func countAccepted(_ acceptor: Acceptor) {
        unsafe cells.record(acceptor.config.pointee.stats &+ ListenerStat.connectionsAcceptedPerSocketEvent.rawValue, 1)
    }

    /// A new downstream connection: its filter chain takes over. Where connections are balanced it is counted for us.
    func opened(_ descriptor: Int32, _ acceptor: Acceptor) {
        let config = unsafe acceptor.config
        let cells = unsafe countedCells(config)
        guard let connection = unsafe connections.adopt(descriptor: descriptor, role: .none, nowNs: nowNs) else {
            unsafe countListener(config.pointee.stats, .downstreamCxOverflow)
            cells?.give(index)
            Glibc.close(descriptor)
            return
        }
        unsafe connection.pointee.owner = unsafe config.pointee.part
        unsafe connection.pointee.activeMs = nowMs
        unsafe connection.pointee.local = acceptor.local
        unsafe connection.pointee.listener = unsafe UnsafeRawPointer(config)
        unsafe pins.pin(config.pointee.part)
        downstreamConnections &+= 1
        cells?.hold(index)
        tellConnections()
        if unsafe !config.pointee.listenerFilters.isEmpty { return unsafe beginInspection(connection, config) }
        if unsafe config.pointee.chains.isEmpty { return unsafe open(connection, config.onlyChain) }
        if let chain = unsafe findChain(connection, config, ConnectionFacts()) { return unsafe open(connection, chain) }
        unsafe noChain(connection, config)
    }

    /// As in Envoy its listener's log says so.
    func noChain(_ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<ListenerConfig>) {
        unsafe countListener(config.pointee.stats, .noFilterChainMatch)
        unsafe connection.pointee.logFlags |= ResponseFlags.noRouteFound.rawValue
        unsafe closeInspected(connection)
    }

    /// Its filter chain takes over.
    func open(_ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<FilterChainConfig>) {
        unsafe connection.pointee.filterChain = unsafe UnsafeRawPointer(config)
        unsafe countOpened(connection)
        if unsafe config.pointee.tlsSlot != noTLS, unsafe !beginTLS(connection, config) { return unsafe close(connection) }
        switch unsafe config.pointee.chain {
        case .tcpProxy(let proxy): unsafe tcpOpened(connection, proxy)
        case .http(let http): unsafe httpOpened(connection, http)
        case .echo:
            unsafe connection.pointee.role = .echo
            unsafe connections.receive(connection)
        case .directResponse(let bytes):
            unsafe connection.pointee.role = .directResponse
            unsafe connection.pointee.out.append(borrowing: bytes, memory)
            unsafe connections.closeWhenSent(connection)
            unsafe connections.receive(connection)
        case .none: unsafe close(connection)
        }
    }

    /// As in Envoy, one that got no filter chain is no connection of the listener's.
    private func countOpened(_ connection: UnsafeMutablePointer<Connection>) {
        guard let config = unsafe listenerConfig(connection) else { return }
        unsafe connection.pointee.isCounted = true
        let worker = unsafe config.pointee.workerStats[index]
        unsafe countListener(config.pointee.stats, .downstreamCxTotal)
        unsafe cells.gaugeAdd(config.pointee.stats &+ ListenerStat.downstreamCxActive.rawValue, 1)
        cells.increment(worker &+ ListenerWorkerStat.downstreamCxTotal.rawValue)
        cells.gaugeAdd(worker &+ ListenerWorkerStat.downstreamCxActive.rawValue, 1)
    }

    private func countClosed(_ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<ListenerConfig>) {
        guard unsafe connection.pointee.isCounted else { return }
        let worker = unsafe config.pointee.workerStats[index]
        unsafe countListener(config.pointee.stats, .downstreamCxDestroy)
        unsafe cells.gaugeAdd(config.pointee.stats &+ ListenerStat.downstreamCxActive.rawValue, -1)
        cells.gaugeAdd(worker &+ ListenerWorkerStat.downstreamCxActive.rawValue, -1)
        unsafe cells.record(
            config.pointee.stats &+ ListenerStat.downstreamCxLengthMs.rawValue,
            (nowNs &- connection.pointee.openedNs) / 1_000_000)
    }

    /// Closes a downstream or upstream connection and its accounts. The session must have been dealt with.
    func close(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe !connection.pointee.isClosing else { return }
        unsafe timers.cancel(connection.timerNode)
        if unsafe connection.pointee.tls != nil { unsafe leaveTLS(connection) }
        if let config = unsafe listenerConfig(connection) {
            unsafe logConnection(connection)
            unsafe countClosed(connection, config)
            downstreamConnections &-= 1
            if let cells = unsafe countedCells(config) { cells.letGo(index) }
            tellConnections()
            unsafe pins.unpin(connection.pointee.owner)
            if unsafe !connection.pointee.inspection.isNone { unsafe endInspection(connection) }
            unsafe connection.pointee.listener = nil
        }
        unsafe connections.close(connection)
    }
}

extension UnsafeMutablePointer where Pointee == Connection {
    @inline(__always)
    var timerNode: UnsafeMutablePointer<TimerNode> {
        unsafe (UnsafeMutableRawPointer(self) + MemoryLayout<Connection>.offset(of: \.timer).unsafelyUnwrapped)
            .assumingMemoryBound(to: TimerNode.self)
    }
}
