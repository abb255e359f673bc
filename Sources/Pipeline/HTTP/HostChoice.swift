// The host of a try: the cluster's balancer with what the route says of hashes and subsets, other hosts than those of earlier
// tries, or the address that the client asked for.

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// The host of a try; a retry avoids those that were tried where the policy says so.
    func chooseHost(_ stream: StreamPointer, _ cluster: UnsafeMutablePointer<Cluster>) -> UnsafeMutablePointer<Host>? {
        if let original = unsafe cluster.pointee.config.pointee.originalDst { return unsafe originalHost(stream, cluster, original) }
        var hash: UInt64?
        if let route = unsafe stream.pointee.route, unsafe !route.pointee.hashRules.isEmpty,
            unsafe cluster.pointee.config.pointee.policy.isHashing
        {
            hash = unsafe hashKey(stream, route.pointee.hashRules, makesCookies: true)
            // Without one every host that is asked for is another draw.
            if hash == nil { hash = random.next() }
        }
        let criteria = unsafe criteria(stream)
        var host = unsafe cluster.pointee.choose(slab: hosts, random: &random, hash: hash, nowMs: nowMs, criteria: criteria)
        unsafe countChoice(cluster)
        guard let policy = unsafe stream.pointee.route?.pointee.retry, unsafe policy.pointee.avoidsTriedHosts,
            unsafe !stream.pointee.retry.on.isEmpty
        else { return unsafe host }
        if unsafe stream.pointee.attempt > 1 {
            var selections = unsafe policy.pointee.hostSelectionsMax
            var refused: UInt32 = 0
            while selections > 0, let candidate = unsafe host, unsafe stream.pointee.retry.wasTried(candidate.pointee.handle) {
                refused &+= 1
                unsafe host = unsafe cluster.pointee.choose(
                    slab: hosts, random: &random, hash: hash, attempt: refused, nowMs: nowMs, criteria: criteria)
                unsafe countChoice(cluster)
                selections &-= 1
            }
        }
        if let host = unsafe host { unsafe stream.pointee.retry.remember(host.pointee.handle) }
        return unsafe host
    }

    // HOT: per message.
    /// What the route asks of hosts' metadata: its entry's own, which has the route's in it, else the route's.
    @inline(__always)
    private func criteria(_ stream: StreamPointer) -> UnsafePointer<MetadataCriteria>? {
        if let own = unsafe stream.pointee.chosen?.pointee.metadataMatch { return unsafe own }
        return unsafe stream.pointee.route?.pointee.metadataMatch
    }

    // HOT: per message.
    @inline(__always)
    func countChoice(_ cluster: UnsafeMutablePointer<Cluster>) {
        let stats = unsafe cluster.pointee.config.pointee.stats
        if unsafe !cluster.pointee.zoneOutcome.isEmpty { unsafe countZones(cluster.pointee.zoneOutcome, stats) }
        switch unsafe cluster.pointee.subsetOutcome {
        case .none: break
        case .selected: count(stats, .lbSubsetsSelected)
        case .fallback: count(stats, .lbSubsetsFallback)
        case .fallbackPanic: count(stats, .lbSubsetsFallbackPanic)
        }
    }

    private func countZones(_ outcome: ZoneOutcome, _ stats: UInt32) {
        if outcome.contains(.directly) { count(stats, .lbZoneRoutingAllDirectly) }
        if outcome.contains(.sampled) { count(stats, .lbZoneRoutingSampled) }
        if outcome.contains(.crossZone) { count(stats, .lbZoneRoutingCrossZone) }
        if outcome.contains(.noCapacity) { count(stats, .lbZoneNoCapacityLeft) }
        if outcome.contains(.localNotOK) { count(stats, .lbLocalClusterNotOk) }
    }
}
