// How a worker adopts a plan: at the top of a turn, in one step, by comparing part numbers slot by slot.

import Primitives
import Transport
import Upstream

extension Worker {
    // HOT: per turn.
    @inline(__always)
    func lookAtPlan() {
        guard let plan = unsafe mailbox.plan, unsafe plan.pointee.version != planVersion else {
            if pins.hasRetired { _ = pins.releaseUnused(mailbox, plan: planVersion) }
            return
        }
        unsafe adopt(plan)
    }

    private func adopt(_ plan: UnsafePointer<Plan>) {
        unsafe currentPlan = unsafe plan
        unsafe formats.texts = plan.pointee.texts
        unsafe adoptClusters(plan)
        unsafe adoptListeners(plan)
        unsafe retireChains(plan)
        for i in unsafe 0..<plan.pointee.retired.count {
            unsafe retireExports(plan.pointee.retired[i])
            unsafe pins.retire(plan.pointee.retired[i])
        }
        planVersion = unsafe plan.pointee.version
        _ = pins.releaseUnused(mailbox, plan: planVersion)
        if unsafe plan.pointee.drain != drain { unsafe drainChanged(plan.pointee.drain) }
        unsafe adoptDraining(plan)
        mailbox.adopt(planVersion)
        if mailbox.isStopped { stop() }
    }

    /// The newest configuration of a listener's slot; nil when it is gone.
    func currentListener(_ slot: UInt32) -> UnsafePointer<ListenerConfig>? {
        for i in 0..<acceptors.count where acceptors[i].slot == slot && acceptors[i].removeMs == 0 {
            return unsafe acceptors[i].config
        }
        return unsafe currentPlan?.pointee.unboundListener(slot)
    }

    /// This worker's instances of a chain, made when first asked for.
    func chain(_ http: UnsafePointer<HTTPConfig>) -> WorkerFilterChain? {
        let number = unsafe Int(http.pointee.filterChain)
        if number < chains.count, let chain = chains[number], unsafe chain.serial == http.pointee.filterChainSerial { return chain }
        guard let opaque = unsafe http.pointee.filterChainSpec else { return nil }
        while chains.count <= number { chains.append(nil) }
        let chain = unsafe WorkerFilterChain(Unmanaged<FilterChainSpec>.fromOpaque(opaque).takeUnretainedValue(), serial: http.pointee.filterChainSerial, self)
        chains[number] = chain
        return chain
    }

    /// Makes this worker's instances of a chain before its first stream asks for them.
    package func prepareChain(_ http: UnsafePointer<HTTPConfig>) { _ = unsafe chain(http) }

    /// Instances of chains that no listener has any more go, with their last stream. The admin's and that
    /// of calls stay.
    private func retireChains(_ plan: UnsafePointer<Plan>) {
        let first = Int(CallConfig.filterChain) + 1
        guard chains.count > first else { return }
        for number in first..<chains.count {
            guard let chain = chains[number] else { continue }
            chain.isRetired = unsafe !isListed(number, chain.serial, plan)
            if chain.isRetired, chain.streamCount == 0 { chains[number] = nil }
        }
    }

    private func isListed(_ number: Int, _ serial: UInt64, _ plan: UnsafePointer<Plan>) -> Bool {
        let listeners = unsafe plan.pointee.listeners
        for i in 0..<listeners.count {
            var isThere = false
            unsafe listeners[i].config.eachChain { chain in
                if case .http(let http) = unsafe chain.pointee.chain, unsafe Int(http.pointee.filterChain) == number && http.pointee.filterChainSerial == serial {
                    isThere = true
                }
            }
            if isThere { return true }
        }
        return false
    }

    private func adoptClusters(_ plan: UnsafePointer<Plan>) {
        while unsafe clusters.count < plan.pointee.clusters.count {
            unsafe clusters.append(nil)
            clusterParts.append(.max)
        }
        for slot in unsafe 0..<clusters.count {
            let isPresent = unsafe slot < plan.pointee.clusters.count && plan.pointee.clusterPresent[slot]
            if let cluster = unsafe clusters[slot], unsafe !isPresent || clusterParts[slot] != plan.pointee.clusters[slot].part {
                unsafe removeCluster(cluster)
                unsafe clusters[slot] = nil
            }
            guard isPresent else { continue }
            let entry = unsafe plan.pointee.clusters[slot]
            if unsafe clusters[slot] == nil {
                let cluster = UnsafeMutablePointer<Cluster>.allocate(capacity: 1)
                unsafe cluster.initialize(to: Cluster(config: entry.config, set: entry.hosts))
                pins.pin(entry.part)
                unsafe cluster.pointee.adopt(
                    entry.hosts, at: cluster, slab: &hosts, random: &random, nowMs: nowMs, moved: { repin($0, $1) }, removed: { _ in })
                unsafe clusters[slot] = unsafe cluster
                clusterParts[slot] = entry.part
            } else if let cluster = unsafe clusters[slot], unsafe cluster.pointee.set.pointee.version != entry.hosts.pointee.version {
                var gone = PlainArray<UInt64>(capacity: 8)
                var hasNew = false
                unsafe cluster.pointee.adopt(
                    entry.hosts, at: cluster, slab: &hosts, random: &random, nowMs: nowMs,
                    moved: {
                        if $0 == .max { hasNew = true }
                        repin($0, $1)
                    }, removed: { gone.append($0.raw) })
                for i in 0..<gone.count { hostRemoved(Handle(raw: gone[i])) }
                if unsafe cluster.pointee.config.pointee.closesOnHostChange, hasNew || gone.count > 0 { unsafe drainHosts(cluster) }
                gone.destroy()
            }
        }
    }

    /// Envoy does it when a host's health changes too; here that makes a new set as well, in which nobody has come or gone.
    private func drainHosts(_ cluster: UnsafeMutablePointer<Cluster>) {
        for i in unsafe 0..<cluster.pointee.hostCount { unsafe drain(cluster.pointee.host(i)) }
    }

    /// A host's configuration and statistics belong to its set's part.
    private func repin(_ old: PartID, _ new: PartID) {
        if new != .max { pins.pin(new) }
        if old != .max { pins.unpin(old) }
    }

    /// The cluster of a slot; nil when there is none now.
    @inline(__always)
    func cluster(_ slot: UInt32) -> UnsafeMutablePointer<Cluster>? {
        unsafe Int(slot) < clusters.count ? clusters[Int(slot)] : nil
    }

    /// Hosts of a cluster, and how many of them may be used (healthy or degraded); nil when there is none of this name.
    package func clusterHealth(named name: Bytes) -> (total: Int, usable: Int)? {
        guard let slot = clusterSlot(named: name), let cluster = unsafe cluster(slot) else { return nil }
        let hosts = unsafe cluster.pointee.set.pointee.hosts
        var usable = 0
        for i in 0..<hosts.count where hosts[i].isHealthy || hosts[i].isDegraded { usable += 1 }
        return (hosts.count, usable)
    }

    /// Hosts of a cluster; 0 when there is none of this name.
    package func clusterHosts(named name: Bytes) -> Int {
        guard let slot = clusterSlot(named: name), let cluster = unsafe cluster(slot) else { return 0 }
        return unsafe cluster.pointee.set.pointee.hosts.count
    }

    /// A cluster that is gone or was replaced: idle connections close, the rest end with their streams.
    private func removeCluster(_ cluster: UnsafeMutablePointer<Cluster>) {
        for i in unsafe 0..<cluster.pointee.hostCount {
            guard let host = unsafe hosts[cluster.pointee.host(i)] else { continue }
            unsafe host.pointee.isRemoved = true
            unsafe hostRemoved(host.pointee.handle)
        }
        unsafe removeOriginalHosts(cluster) { _ in true }
        unsafe cluster.pointee.isRemoved = true
        unsafe freeIfUnused(cluster)
    }

    /// A cluster that no plan lists goes with the last of its hosts, and only then lets go of its part: connections and
    /// streams of before are still counted there.
    func freeIfUnused(_ cluster: UnsafeMutablePointer<Cluster>) {
        guard unsafe cluster.pointee.isRemoved, unsafe cluster.pointee.liveHosts == 0 else { return }
        unsafe pins.unpin(cluster.pointee.config.pointee.part)
        unsafe cluster.pointee.destroy()
        unsafe cluster.deallocate()
    }
}
