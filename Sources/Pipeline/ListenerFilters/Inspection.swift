// Before a filter chain is chosen: the listener's filters look at the connection one after the other, the first bytes are
// kept for them, and handed to the chain as if they had just come.

import Primitives
import Ring
import Stats
import Transport
import Wire

/// Kept as long as the connection, for what its filters have found out.
@safe
package struct Inspection {
    /// What came before the chain was there.
    var pending = ByteQueue()
    /// The filter whose turn it is, by its place.
    var turn = 0
    /// It came from the listener of another address, and stays with this one.
    var wasHandedOff = false
    /// It has nothing to do before there are this many bytes.
    var wanted = 1
    var name: Block?
    var nameCount = 0
    var facts = ConnectionFacts()
    var fingerprints = HelloDigests()
    var proxy = ProxyInspection()
    /// The addresses of the socket itself, where a filter has set others; family `none`: they are the connection's.
    var directRemote = SocketAddress()
    var directLocal = SocketAddress()

    var serverName: Bytes { name.map { unsafe Bytes(UnsafeRawPointer($0.base), nameCount) } ?? .empty }
}

/// How a filter ends its look.
enum InspectionStep {
    case next
    case needMore(Int)
    /// The connection has been closed.
    case closed
}

extension Worker {
    /// Room for what a filter asks for in one piece, and behind it for a hello without record headers.
    static let inspectionRoom = ProxyHeader.bytesMax
    static let helloRoom = 24_576

    // MARK: Beginning

    func beginInspection(_ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<ListenerConfig>) {
        guard let (handle, inspection) = unsafe inspections.allocate() else { return unsafe close(connection) }
        unsafe inspection.initialize(to: Inspection())
        unsafe connection.pointee.inspection = handle
        unsafe connection.pointee.role = .inspecting
        unsafe listenerGauge(connection, 1)
        let timeout = unsafe config.pointee.filtersTimeoutMs
        if timeout != 0 { unsafe timers.arm(connection.timerNode, at: nowMs &+ timeout) }
        unsafe runListenerFilters(connection, inspection, config)
    }

    /// The connection goes.
    func endInspection(_ connection: UnsafeMutablePointer<Connection>) {
        guard let inspection = unsafe inspections[connection.pointee.inspection] else { return }
        if unsafe connection.pointee.role == .inspecting { unsafe listenerGauge(connection, -1) }
        unsafe inspection.pointee.pending.removeAll(memory)
        if let block = unsafe inspection.pointee.name { memory.blocks.free(block) }
        if let block = unsafe inspection.pointee.proxy.block { memory.blocks.free(block) }
        if let block = unsafe inspection.pointee.proxy.madeBlock { memory.blocks.free(block) }
        unsafe inspections.free(connection.pointee.inspection)
        unsafe connection.pointee.inspection = .none
    }

    func listenerGauge(_ connection: UnsafeMutablePointer<Connection>, _ change: Int64) {
        guard let config = unsafe listenerConfig(connection) else { return }
        unsafe cells.gaugeAdd(config.pointee.stats &+ ListenerStat.downstreamPreCxActive.rawValue, change)
    }

    func listenerConfig(_ connection: UnsafeMutablePointer<Connection>) -> UnsafePointer<ListenerConfig>? {
        unsafe connection.pointee.listener?.assumingMemoryBound(to: ListenerConfig.self)
    }

    // MARK: Bytes

    func inspect(_ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ count: Int, _ bytes: Int) {
        var left = bytes
        var isWhole = true
        for i in 0..<count {
            let id = memory.buffers.identifier(at: position &+ UInt16(truncatingIfNeeded: i))
            let n = min(left, memory.buffers.size)
            left &-= n
            if let inspection = unsafe inspections[connection.pointee.inspection] {
                let piece = unsafe Bytes(UnsafeRawPointer(memory.buffers.base(id)), n)
                isWhole = unsafe inspection.pointee.pending.append(copying: piece, memory) && isWhole
            }
            memory.buffers.release(id)
        }
        guard isWhole, let inspection = unsafe inspections[connection.pointee.inspection],
            let config = unsafe listenerConfig(connection)
        else { return unsafe close(connection) }
        guard unsafe inspection.pointee.pending.count >= inspection.pointee.wanted else {
            return unsafe connections.receiveOnce(connection)
        }
        unsafe runListenerFilters(connection, inspection, config)
    }

    /// From the filter whose turn it is, as far as the bytes reach.
    func runListenerFilters(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>,
        _ config: UnsafePointer<ListenerConfig>
    ) {
        while unsafe inspection.pointee.turn < config.pointee.listenerFilters.count {
            let filter = unsafe config.pointee.listenerFilters.pointer(inspection.pointee.turn)
            let step: InspectionStep
            if unsafe isDisabled(filter, connection) {
                step = .next
            } else {
                switch unsafe filter.pointee.filter {
                case .tlsInspector(let inspector): step = unsafe inspectTLS(connection, inspection, inspector)
                case .proxyProtocol(let proxy): step = unsafe inspectProxy(connection, inspection, proxy)
                case .httpInspector(let stats): step = unsafe inspectHTTP(inspection, stats)
                case .originalDst: step = unsafe restoreDestination(connection, inspection)
                }
            }
            switch step {
            case .next:
                unsafe inspection.pointee.turn &+= 1
                unsafe inspection.pointee.wanted = 1
            case .needMore(let wanted):
                unsafe inspection.pointee.wanted = wanted
                return unsafe connections.receiveOnce(connection)
            case .closed: return
            }
        }
        if unsafe handOff(connection, inspection, from: config) { return }
        unsafe chooseChain(connection, inspection, config)
    }

    private func isDisabled(
        _ filter: UnsafePointer<ListenerFilterConfig>, _ connection: UnsafeMutablePointer<Connection>
    ) -> Bool {
        let disabled = unsafe filter.pointee.disabled
        guard !disabled.isEmpty else { return false }
        unsafe learnAddresses(connection)
        return unsafe ListenerPredicate.evaluate(disabled, port: connection.pointee.local.port)
    }

    /// What has come so far in one piece, up to `count` bytes of it: scratch, good until the next call.
    func pendingBytes(_ inspection: UnsafeMutablePointer<Inspection>, _ count: Int) -> Bytes {
        let length = unsafe min(inspection.pointee.pending.count, count, Worker.inspectionRoom)
        let first = unsafe inspection.pointee.pending.run(from: 0)
        if first.count >= length { return first.prefix(length) }
        let scratch = unsafe inspectionScratch()
        unsafe inspection.pointee.pending.copy(from: 0, count: length, into: scratch)
        return unsafe Bytes(UnsafeRawPointer(scratch), length)
    }

    func inspectionScratch() -> UnsafeMutableRawPointer {
        let scratch = unsafe helloScratch ?? .allocate(byteCount: Worker.inspectionRoom + Worker.helloRoom, alignment: 64)
        unsafe helloScratch = unsafe scratch
        return unsafe scratch
    }

    func refuse(_ connection: UnsafeMutablePointer<Connection>) -> InspectionStep {
        if let config = unsafe listenerConfig(connection) {
            unsafe countListener(config.pointee.stats, .downstreamListenerFilterError)
        }
        unsafe closeInspected(connection)
        return .closed
    }

    /// A client whose bytes nobody has taken is told by a reset, as by Envoy, whose filters leave them in the socket.
    func closeInspected(_ connection: UnsafeMutablePointer<Connection>) {
        if let inspection = unsafe inspections[connection.pointee.inspection], unsafe !inspection.pointee.pending.isEmpty {
            unsafe resetOnClose(connection)
        }
        unsafe close(connection)
    }

    // MARK: Ends

    func inspectionEnded(_ connection: UnsafeMutablePointer<Connection>) {
        if let config = unsafe listenerConfig(connection) {
            unsafe countListener(config.pointee.stats, .downstreamListenerFilterRemoteClose)
        }
        unsafe closeInspected(connection)
    }

    func inspectionTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let config = unsafe listenerConfig(connection), let inspection = unsafe inspections[connection.pointee.inspection]
        else { return unsafe close(connection) }
        unsafe countListener(config.pointee.stats, .downstreamPreCxTimeout)
        guard unsafe config.pointee.continuesOnTimeout else { return unsafe closeInspected(connection) }
        if unsafe handOff(connection, inspection, from: config) { return }
        unsafe chooseChain(connection, inspection, config)
    }

    // MARK: The chain

    private func chooseChain(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>,
        _ config: UnsafePointer<ListenerConfig>
    ) {
        unsafe timers.cancel(connection.timerNode)
        unsafe listenerGauge(connection, -1)
        unsafe connection.pointee.role = .none
        let handle = unsafe connection.pointee.handle
        guard let chain = unsafe findChain(connection, config, inspection.pointee.facts) else {
            return unsafe noChain(connection, config)
        }
        // What the facts pointed to is scratch.
        unsafe inspection.pointee.facts.protocols = .empty
        var pending = unsafe inspection.pointee.pending
        unsafe inspection.pointee.pending = ByteQueue()
        unsafe open(connection, chain)
        while let run = pending.first, !run.isEmpty {
            guard unsafe connections.slab[handle] != nil, unsafe !connection.pointee.isClosing else { break }
            unsafe connection.pointee.bytesReceived &-= UInt64(truncatingIfNeeded: run.count)
            unsafe take(connection, run)
            pending.consume(run.count, memory)
        }
        pending.removeAll(memory)
    }

    /// The chain that a connection belongs to, by what is known of it; nil: none.
    func findChain(
        _ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<ListenerConfig>, _ known: ConnectionFacts
    ) -> UnsafePointer<FilterChainConfig>? {
        if unsafe config.pointee.chains.isEmpty { return unsafe config.pointee.hasDefaultChain ? config.onlyChain : nil }
        unsafe learnAddresses(connection)
        var facts = known
        facts.local = unsafe connection.pointee.local
        facts.remote = unsafe connection.pointee.remote
        facts.directRemote = unsafe directRemote(connection)
        if let place = unsafe FilterChainSearch.find(config.pointee.chains, facts) { return unsafe config.pointee.chains.pointer(place) }
        return unsafe config.pointee.hasDefaultChain ? config.onlyChain : nil
    }

    // MARK: Addresses

    /// The socket's own peer, whatever a listener filter has put in its place.
    func directRemote(_ connection: UnsafeMutablePointer<Connection>) -> SocketAddress {
        if let inspection = unsafe inspections[connection.pointee.inspection],
            unsafe inspection.pointee.directRemote.family != .none
        {
            return unsafe inspection.pointee.directRemote
        }
        return unsafe connection.pointee.remote
    }

    func directLocal(_ connection: UnsafeMutablePointer<Connection>) -> SocketAddress {
        if let inspection = unsafe inspections[connection.pointee.inspection],
            unsafe inspection.pointee.directLocal.family != .none
        {
            return unsafe inspection.pointee.directLocal
        }
        return unsafe connection.pointee.local
    }

    /// A listener filter knows better where the connection was meant to go.
    func restoreLocal(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>, _ address: SocketAddress
    ) {
        unsafe learnAddresses(connection)
        if unsafe inspection.pointee.directLocal.family == .none {
            unsafe inspection.pointee.directLocal = unsafe connection.pointee.local
        }
        unsafe connection.pointee.local = address
    }
}
