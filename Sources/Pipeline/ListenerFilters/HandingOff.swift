// `use_original_dst`: when a listener's filters are through and one of them has restored the address that the connection
// was meant for, the listener of that address takes over, filters of its own included. Once: it goes no further. Where no
// listener has the address the connection stays.

import Primitives
import Transport

extension Worker {
    /// Whether another listener has the connection now.
    func handOff(
        _ connection: UnsafeMutablePointer<Connection>, _ inspection: UnsafeMutablePointer<Inspection>,
        from old: UnsafePointer<ListenerConfig>
    ) -> Bool {
        guard unsafe old.pointee.handsOff, unsafe !inspection.pointee.wasHandedOff,
            unsafe inspection.pointee.directLocal.family != .none,
            let next = unsafe currentPlan?.pointee.listener(of: connection.pointee.local)
        else { return false }
        let config = unsafe next.config
        guard unsafe config.pointee.slot != old.pointee.slot else { return false }
        unsafe timers.cancel(connection.timerNode)
        unsafe listenerGauge(connection, -1)
        pins.pin(next.part)
        unsafe pins.unpin(connection.pointee.owner)
        // It stays with this worker: what it has sent so far lies here.
        unsafe moveBalance(from: old, to: config)
        unsafe connection.pointee.owner = next.part
        unsafe connection.pointee.listener = unsafe UnsafeRawPointer(config)
        unsafe listenerGauge(connection, 1)
        unsafe inspection.pointee.wasHandedOff = true
        unsafe inspection.pointee.turn = 0
        unsafe inspection.pointee.wanted = 1
        // As in Envoy the header's TLVs are not handed on. What the facts point to does not outlast another filter.
        if let block = unsafe inspection.pointee.proxy.block { memory.blocks.free(block) }
        unsafe inspection.pointee.proxy = ProxyInspection()
        if unsafe !config.pointee.listenerFilters.isEmpty { unsafe inspection.pointee.facts.protocols = .empty }
        let timeout = unsafe config.pointee.filtersTimeoutMs
        if unsafe timeout != 0 && !config.pointee.listenerFilters.isEmpty {
            unsafe timers.arm(connection.timerNode, at: nowMs &+ timeout)
        }
        unsafe runListenerFilters(connection, inspection, config)
        return true
    }
}
