// `proxy_protocol`: the connection takes the addresses that its PROXY header names, and keeps the header's TLVs that
// somebody asks for.

import Primitives
import Stats
import Transport
import Wire

/// What is kept of a header.
@safe
package struct ProxyInspection {
    /// Nil: no header.
    var config: UnsafePointer<ProxyProtocolConfig>?
    /// The TLVs that are kept, as on the wire.
    var block: Block?
    var count = 0

    /// What `tcp_proxy` has made of them for an upstream's header, instead of those that the filter passes on.
    var madeBlock: Block?
    var madeCount = 0
    var made: Bytes? { madeBlock.map { unsafe Bytes(UnsafeRawPointer($0.base), madeCount) } }

    package var tlvs: Bytes { block.map { unsafe Bytes(UnsafeRawPointer($0.base), count) } ?? .empty }
}

extension Worker {
    func inspectProxy(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>,
        _ config: UnsafePointer<ProxyProtocolConfig>
    ) -> InspectionStep {
        let bytes = unsafe pendingBytes(inspection, ProxyHeader.bytesMax)
        switch unsafe ProxyHeader.read(bytes, config.pointee.options) {
        case .needMore(let wanted): return .needMore(wanted)
        case .absent:
            let isAllowed = unsafe config.pointee.options.mayBeAbsent
            unsafe count(config, isAllowed ? .notFoundAllowed : .notFoundDisallowed)
            if isAllowed { return .next }
            return unsafe deny(connection, config)
        case .disallowed(let version):
            unsafe count(config, version == 1 ? .version1Found : .version2Found)
            unsafe count(config, version == 1 ? .version1Disallowed : .version2Disallowed)
            unsafe closeInspected(connection)
            return .closed
        case .malformed(let version):
            unsafe count(config, version == 1 ? .version1Error : .version2Error)
            return unsafe deny(connection, config)
        case .found(let facts):
            guard unsafe keep(inspection, facts, config) else {
                unsafe close(connection)
                return .closed
            }
            unsafe count(config, facts.version == 1 ? .version1Found : .version2Found)
            unsafe takeAddresses(connection, inspection, facts)
            unsafe inspection.pointee.pending.consume(facts.length, memory)
            // Counted as the connection's own bytes when they came.
            unsafe connection.pointee.bytesReceived &-= UInt64(truncatingIfNeeded: facts.length)
            return .next
        }
    }

    private func takeAddresses(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>, _ facts: ProxyFacts
    ) {
        guard facts.source.family != .none else { return }
        unsafe restoreLocal(connection, inspection, facts.destination)
        unsafe inspection.pointee.directRemote = unsafe connection.pointee.remote
        unsafe connection.pointee.remote = facts.source
    }

    /// False: no memory.
    private func keep(
        _ inspection: UnsafeMutablePointer<Inspection>, _ facts: ProxyFacts, _ config: UnsafePointer<ProxyProtocolConfig>
    ) -> Bool {
        unsafe inspection.pointee.proxy.config = unsafe config
        let wanted = unsafe config.pointee.kept
        guard !wanted.isEmpty else { return true }
        var length = 0
        var list = ProxyTLVs(facts.tlvs)
        while let entry = list.next() { if wanted.contains(entry.type) { length &+= entry.whole.count } }
        guard length > 0 else { return true }
        guard let block = memory.blocks.allocate(length) else { return false }
        list = ProxyTLVs(facts.tlvs)
        var place = 0
        while let entry = list.next() {
            guard wanted.contains(entry.type) else { continue }
            unsafe (block.base + place).copyMemory(from: entry.whole.base, byteCount: entry.whole.count)
            place &+= entry.whole.count
        }
        unsafe inspection.pointee.proxy.block = block
        unsafe inspection.pointee.proxy.count = length
        return true
    }

    private func deny(
        _ connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<ProxyProtocolConfig>
    ) -> InspectionStep {
        unsafe cells.increment(config.pointee.sharedStats &+ ProxyProtocolSharedStat.downstreamCxProxyProtoError.rawValue)
        unsafe closeInspected(connection)
        return .closed
    }

    private func count(_ config: UnsafePointer<ProxyProtocolConfig>, _ leaf: ProxyProtocolStat) {
        unsafe cells.increment(config.pointee.stats &+ leaf.rawValue)
    }
}
