// What configuration says of a cluster and its hosts, frozen: read by every worker, changed by none.

import Glibc
import Primitives

package enum BalancingPolicy: UInt8, BitwiseCopyable { case roundRobin, leastRequest, random }

package struct CircuitLimits: BitwiseCopyable {
    package var connections: UInt32 = 1024
    package var pendingRequests: UInt32 = 1024
    package var requests: UInt32 = 1024
    package var retries: UInt32 = 3
    /// Takes the place of `retries`.
    package var retryBudget: RetryBudget?
    package init() {}
}

/// Active retries may be this share of what is active and waits, and always `concurrencyMin`.
package struct RetryBudget: BitwiseCopyable {
    package var percent = 20.0
    package var concurrencyMin: UInt32 = 3
    package init() {}
}

@safe
package struct ClusterConfig: BitwiseCopyable {
    /// Stable number of the cluster, reused after it is gone.
    package var slot: UInt32 = 0
    package var part: UInt32 = 0
    package var name = Bytes.empty
    /// First statistic of `cluster.<name>.`.
    package var stats: UInt32 = 0
    package var policy = BalancingPolicy.roundRobin
    /// Least request: hosts compared per choice.
    package var choiceCount: UInt32 = 2
    package var connectTimeoutMs: UInt64 = 5000
    /// 0: never.
    package var idleTimeoutMs: UInt64 = 3_600_000
    /// 0: no limit.
    package var connectionDurationMaxMs: UInt64 = 0
    package var requestsPerConnectionMax: UInt64 = 0
    package var bufferLimit: Int = 1 << 20
    package var defaultLimits = CircuitLimits()
    package var highLimits = CircuitLimits()
    /// What all workers together use of the limits. Nil: no limits (tests).
    package var breakers: Breakers?
    /// Least request with weights: how much active requests weigh.
    package var activeRequestBias = 1.0
    /// Least request: every host is compared.
    package var scansAllHosts = false
    package var tcpKeepaliveProbes: UInt32 = 0
    package var tcpKeepaliveTimeS: UInt32 = 0
    package var tcpKeepaliveIntervalS: UInt32 = 0
    package var hasTCPKeepalive = false
    package var bindAddress = SocketAddress()
    // HTTP/1 towards the hosts.
    package var headersMax: UInt32 = 100
    package var headBytesMax: Int = 60 << 10
    package var enableTrailers = false
    package var properCaseHeaders = false
    package var sendFullyQualifiedURL = false
    package init() {}
}

package struct HostConfig: BitwiseCopyable {
    package var address = SocketAddress()
    package var hostname = Bytes.empty
    package var weight: UInt32 = 1
    package var priority: UInt32 = 0
    package var isHealthy = true
    package var isDegraded = false
    /// LOGICAL_DNS: the host stays the same when its address changes.
    package var isLogical = false
    /// First of the host's statistics (`cx_active`, `rq_total`, …).
    package var stats: UInt32 = 0
    package init() {}
}

/// The hosts of one priority that may be chosen, and the share of the load that goes there.
package struct PriorityLevel: BitwiseCopyable {
    /// Indexes into `HostSet.hosts`; the healthy ones, or all of them in panic.
    package var candidates = FrozenArray<UInt32>()
    /// Percent; the loads of all levels add up to 100, or to 0 when there is no host at all.
    package var load: UInt32 = 0
    package var isPanicking = false
    package var hasEqualWeights = true
    package init() {}
}

package struct HostSet: BitwiseCopyable {
    package var hosts = FrozenArray<HostConfig>()
    package var levels = FrozenArray<PriorityLevel>()
    /// Number of the plan part that it lies in: a host pins it as long as it lives.
    package var part: UInt32 = .max
    /// Differs from every other set that this cluster had.
    package var version: UInt64 = 0
    package init() {}

    /// Computes the levels as Envoy does: a priority takes load in proportion to its healthy share times the
    /// overprovisioning factor, the rest spills to the next; below the panic threshold every host of a level counts.
    package static func build(
        _ hosts: [HostConfig], overprovisioning: UInt32 = 140, panicThresholdPercent: Double = 50, version: UInt64,
        in arena: FrozenArena
    ) -> HostSet {
        let priorities = Int(hosts.map(\.priority).max() ?? 0) + (hosts.isEmpty ? 0 : 1)
        var health = [UInt32](repeating: 0, count: priorities)
        var members = [[UInt32]](repeating: [], count: priorities)
        var healthy = [[UInt32]](repeating: [], count: priorities)
        for (i, host) in hosts.enumerated() {
            members[Int(host.priority)].append(UInt32(i))
            if host.isHealthy && !host.isDegraded { healthy[Int(host.priority)].append(UInt32(i)) }
        }
        for p in 0..<priorities where !members[p].isEmpty {
            health[p] = min(100, UInt32(Double(healthy[p].count) * Double(overprovisioning) / Double(members[p].count)))
        }
        let total = min(100, health.reduce(0, +))
        var loads = [UInt32](repeating: 0, count: priorities)
        var left: UInt32 = 100
        for p in 0..<priorities where total > 0 {
            loads[p] = min(left, health[p] * 100 / total)
            left -= loads[p]
        }
        if total > 0, left > 0, let first = health.firstIndex(where: { $0 > 0 }) { loads[first] += left }
        if total == 0, let first = members.firstIndex(where: { !$0.isEmpty }) { loads[first] = 100 }

        var levels: [PriorityLevel] = []
        for p in 0..<priorities {
            var level = PriorityLevel()
            let share = members[p].isEmpty ? 0 : 100 * Double(healthy[p].count) / Double(members[p].count)
            // A level panics only when all levels together cannot carry the load (Envoy's normalised total health).
            level.isPanicking = !members[p].isEmpty && total < 100 && share < panicThresholdPercent
            let usable = level.isPanicking ? members[p] : healthy[p]
            level.candidates = arena.array(usable)
            level.load = loads[p]
            level.hasEqualWeights = Set(usable.map { hosts[Int($0)].weight }).count <= 1
            levels.append(level)
        }
        var set = HostSet()
        set.hosts = arena.array(hosts)
        set.levels = arena.array(levels)
        set.version = version
        return set
    }
}
