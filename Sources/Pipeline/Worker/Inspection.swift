// Before a filter chain is chosen: the connection's first bytes are read for what `FilterChainMatch` asks (the listener
// filter `tls_inspector`), kept, and handed to the chain as if they had just come.

import Primitives
import Ring
import Stats
import Transport
import Wire

@safe
package struct InspectorConfig: BitwiseCopyable {
    /// First statistic of `tls_inspector.`.
    package var stats: UInt32 = 0
    package var helloMax = 16_384
    package var closesOnError = false
    /// `listener_filters_timeout`, in milliseconds; 0: none.
    package var timeoutMs: UInt64 = 15_000
    package var continuesOnTimeout = false
    package init() {}
}

/// Kept as long as the connection, for its server's name.
@safe
struct Inspection {
    /// What came before the chain was there.
    var pending = ByteQueue()
    var name: Block?
    var nameCount = 0
    var facts = ConnectionFacts()

    var serverName: Bytes { name.map { unsafe Bytes(UnsafeRawPointer($0.base), nameCount) } ?? .empty }
}

extension Worker {
    /// Room for a hello in one piece, and for its message without record headers.
    private static let helloRoom = 24_576

    // MARK: Beginning

    func beginInspection(_ connection: UnsafeMutablePointer<Connection>, _ inspector: InspectorConfig) {
        guard let (handle, inspection) = unsafe inspections.allocate() else { return unsafe close(connection) }
        unsafe inspection.initialize(to: Inspection())
        unsafe connection.pointee.inspection = handle
        unsafe connection.pointee.role = .inspecting
        unsafe listenerGauge(connection, 1)
        if inspector.timeoutMs != 0 { unsafe timers.arm(connection.timerNode, at: nowMs &+ inspector.timeoutMs) }
        unsafe connections.receiveOnce(connection)
    }

    /// The connection goes.
    func endInspection(_ connection: UnsafeMutablePointer<Connection>) {
        guard let inspection = unsafe inspections[connection.pointee.inspection] else { return }
        if unsafe connection.pointee.role == .inspecting { unsafe listenerGauge(connection, -1) }
        unsafe inspection.pointee.pending.removeAll(memory)
        if let block = unsafe inspection.pointee.name { memory.blocks.free(block) }
        unsafe inspections.free(connection.pointee.inspection)
        unsafe connection.pointee.inspection = .none
    }

    private func listenerGauge(_ connection: UnsafeMutablePointer<Connection>, _ change: Int64) {
        guard let config = unsafe listenerConfig(connection) else { return }
        unsafe cells.gaugeAdd(config.pointee.stats &+ ListenerStat.downstreamPreCxActive.rawValue, change)
    }

    func listenerConfig(_ connection: UnsafeMutablePointer<Connection>) -> UnsafePointer<ListenerConfig>? {
        unsafe connection.pointee.listener?.assumingMemoryBound(to: ListenerConfig.self)
    }

    // MARK: Bytes

    func inspect(_ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ count: Int, _ bytes: Int) {
        var left = bytes
        for i in 0..<count {
            let id = memory.buffers.identifier(at: position &+ UInt16(truncatingIfNeeded: i))
            let n = min(left, memory.buffers.size)
            left &-= n
            if let inspection = unsafe inspections[connection.pointee.inspection] {
                _ = unsafe inspection.pointee.pending.append(copying: Bytes(UnsafeRawPointer(memory.buffers.base(id)), n), memory)
            }
            memory.buffers.release(id)
        }
        guard let inspection = unsafe inspections[connection.pointee.inspection], let config = unsafe listenerConfig(connection)
        else { return unsafe close(connection) }
        unsafe read(connection, inspection, config)
    }

    private func read(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>,
        _ config: UnsafePointer<ListenerConfig>
    ) {
        let inspector = unsafe config.pointee.inspector
        let room = Worker.helloRoom
        let scratch = unsafe helloScratch ?? .allocate(byteCount: room * 2, alignment: 64)
        unsafe helloScratch = unsafe scratch
        let length = unsafe min(inspection.pointee.pending.count, room)
        unsafe inspection.pointee.pending.copy(from: 0, count: length, into: scratch)
        let hello = unsafe ClientHello.read(
            Bytes(UnsafeRawPointer(scratch), length), max: inspector.helloMax,
            scratch: (scratch + room).assumingMemoryBound(to: UInt8.self))
        switch hello {
        case .needMore: unsafe connections.receiveOnce(connection)
        case .notTLS:
            count(inspector, .tlsNotFound)
            unsafe chooseChain(connection, inspection, config)
        case .malformed:
            count(inspector, .tlsNotFound)
            if inspector.closesOnError { return unsafe refuse(connection, config) }
            unsafe chooseChain(connection, inspection, config)
        case .tooLarge:
            count(inspector, .clientHelloTooLarge)
            unsafe refuse(connection, config)
        case .found(let name, let protocols):
            count(inspector, .tlsFound)
            count(inspector, name.isEmpty ? .sniNotFound : .sniFound)
            count(inspector, protocols.isEmpty ? .alpnNotFound : .alpnFound)
            unsafe keepName(inspection, name)
            unsafe inspection.pointee.facts.transportProtocol = Bytes("tls" as StaticString)
            unsafe inspection.pointee.facts.protocols = protocols
            unsafe chooseChain(connection, inspection, config)
        }
    }

    private func count(_ inspector: InspectorConfig, _ leaf: TLSInspectorStat) { cells.increment(inspector.stats &+ leaf.rawValue) }

    private func keepName(_ inspection: UnsafeMutablePointer<Inspection>, _ name: Bytes) {
        guard !name.isEmpty, let block = memory.blocks.allocate(name.count) else { return }
        for i in 0..<name.count {
            let byte = name[i]
            unsafe block.base.storeBytes(of: byte &- 65 < 26 ? byte | 32 : byte, toByteOffset: i, as: UInt8.self)
        }
        unsafe inspection.pointee.name = block
        unsafe inspection.pointee.nameCount = name.count
        unsafe inspection.pointee.facts.serverName = unsafe inspection.pointee.serverName
    }

    private func refuse(_ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<ListenerConfig>) {
        unsafe countListener(config.pointee.stats, .downstreamListenerFilterError)
        unsafe close(connection)
    }

    // MARK: Ends

    func inspectionEnded(_ connection: UnsafeMutablePointer<Connection>) {
        if let config = unsafe listenerConfig(connection) {
            unsafe countListener(config.pointee.stats, .downstreamListenerFilterRemoteClose)
        }
        unsafe close(connection)
    }

    func inspectionTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let config = unsafe listenerConfig(connection), let inspection = unsafe inspections[connection.pointee.inspection]
        else { return unsafe close(connection) }
        unsafe countListener(config.pointee.stats, .downstreamPreCxTimeout)
        guard unsafe config.pointee.inspector.continuesOnTimeout else { return unsafe close(connection) }
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
            unsafe countListener(config.pointee.stats, .noFilterChainMatch)
            return unsafe close(connection)
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
        if unsafe connection.pointee.remote.family == .none || connection.pointee.local.family == .none {
            unsafe learnAddresses(connection)
        }
        var facts = known
        facts.local = unsafe connection.pointee.local
        facts.remote = unsafe connection.pointee.remote
        facts.directRemote = unsafe connection.pointee.remote
        if let place = unsafe FilterChainSearch.find(config.pointee.chains, facts) { return unsafe config.pointee.chains.pointer(place) }
        return unsafe config.pointee.hasDefaultChain ? config.onlyChain : nil
    }
}
