// The plan as it is now, out of what is configured, drained and warm: for the workers, and for main's own one.

import Pipeline
import Primitives
import Upstream

extension Configurator {
    /// Many names may be answered for in one turn: one plan for all of them. While nobody serves yet none is needed.
    func publishSoon() {
        publishIsDue = true
        // Main's worker may need a management server's hosts before anybody serves.
        guard isWarm || !environment.managementClusters.isEmpty, let dns else { return }
        if publishTimer == nil { publishTimer = dns.timer { [unowned self] in publishIfDue() } }
        publishTimer?.arm(afterMs: 1)
    }

    func publishIfDue() {
        if publishIsDue { publish() }
    }

    func publish() {
        publishIsDue = false
        replacePredecessors()
        showWarming()
        let arena = FrozenArena()
        var plan = Plan()
        plan.drain = drain
        plan.draining = arena.array(draining.entries(withPredecessors))
        plan.listeners = arena.array(
            listeners.compactMap { live in
                guard !live.isStopped, let shown = isWarming(live) ? live.predecessor : live else { return nil }
                return unsafe shown.config.map { unsafe ListenerSlot(part: shown.draft.part.id, config: $0) }
            })
        plan.indexListeners(arena)
        let served = clusters.map { $0.predecessor ?? $0 }
        let bySlot = Dictionary(
            served.compactMap { live in unsafe live.config.map { unsafe ($0.pointee.slot, live) } }, uniquingKeysWith: { a, _ in a })
        if let any = clusters.first, let config = unsafe any.config, let set = unsafe any.set {
            let filler = unsafe ClusterSlot(part: PlanPart.none, config: config, hosts: set)
            let count = Int((bySlot.keys.max() ?? 0) + 1)
            var slots = [ClusterSlot](repeating: filler, count: count)
            var present = [Bool](repeating: false, count: count)
            for (slot, live) in bySlot {
                guard let config = unsafe live.config, let set = unsafe live.set else { continue }
                slots[Int(slot)] = unsafe ClusterSlot(part: live.draft.part.id, config: config, hosts: set)
                present[Int(slot)] = true
            }
            plan.clusters = arena.array(slots)
            plan.clusterPresent = arena.array(present)
        }
        let names = served.compactMap { live in
            unsafe live.config.map { unsafe (Array(live.name.utf8), ClusterName(name: $0.pointee.name, slot: $0.pointee.slot)) }
        }
        plan.clusterNames = arena.array(
            names.sorted { $0.0.lexicographicallyPrecedes($1.0) }.map(\.1))
        plan.tls = tlsContexts.slots(arena)
        plan.texts = environment.planTexts.slots(arena)
        publisher.publish(plan, main: mainPlan(plan, bySlot, arena), arena)
    }

    /// What main's own worker serves: the admin, and calls to management servers.
    private func mainPlan(_ plan: Plan, _ bySlot: [UInt32: LiveCluster], _ arena: FrozenArena) -> Plan {
        var mains = Plan()
        mains.listeners = mainListeners
        mains.texts = plan.texts
        let wanted = environment.managementClusters
        guard !wanted.isEmpty else { return mains }
        mains.clusters = plan.clusters
        mains.clusterPresent = arena.array(
            (0..<plan.clusters.count).map { slot in
                plan.clusterPresent[slot] && bySlot[UInt32(slot)].map { wanted.contains($0.name) } == true
            })
        mains.tls = plan.tls
        return mains
    }

    package func serveOnMain(_ listeners: FrozenArray<ListenerSlot>) {
        mainListeners = listeners
        publish()
    }
}
