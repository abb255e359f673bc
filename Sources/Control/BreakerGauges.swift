// `circuit_breakers.<default|high>.…`: worked out from the breakers' tokens whenever statistics are shown, so that
// opening and closing a breaker costs the workers nothing.

import Pipeline
import Primitives
import Stats
import StatsStore
import Upstream

extension Configurator {
    package func refreshBreakerGauges() {
        for live in clusters {
            refresh(live)
            refreshOriginalHosts(live)
        }
        for live in listeners { refreshListener(live) }
    }

    /// Connections that no listener filter sees are never counted as waiting: from the first one on the gauge is 0, and there.
    private func refreshListener(_ live: LiveListener) {
        let base = live.draft.config.stats
        guard !live.showsWaiting, environment.stats.counter(base &+ ListenerStat.downstreamCxTotal.rawValue) > 0 else { return }
        live.showsWaiting = true
        environment.stats.mainCells.set(base &+ ListenerStat.downstreamPreCxActive.rawValue, 0)
    }

    /// Workers find the hosts of an ORIGINAL_DST cluster by themselves.
    private func refreshOriginalHosts(_ live: LiveCluster) {
        // Before the first one, as in Envoy, nobody has written these.
        guard let addresses = live.originalAddresses, !addresses.isEmpty || live.hadHosts else { return }
        live.hadHosts = true
        let cells = environment.stats.mainCells
        cells.set(live.control[.membershipTotal], UInt64(addresses.count))
        cells.set(live.control[.membershipHealthy], UInt64(addresses.count))
        // As in Envoy each one that comes is a change, and those that go together are one.
        let come = addresses.subtracting(live.shownAddresses).count
        let haveGone = !live.shownAddresses.isSubset(of: addresses)
        live.shownAddresses = addresses
        if come > 0 || haveGone { cells.add(live.control[.membershipChange], UInt64(come + (haveGone ? 1 : 0))) }
    }

    /// Pools are HTTP's alone. With a connection that went Envoy has looked at both priorities.
    private func showPools(_ live: LiveCluster, _ breakers: Breakers, _ base: StatID) {
        let stats = environment.stats
        func has(_ leaf: ClusterStat) -> Bool { stats.counter(base &+ leaf.rawValue) > 0 }
        guard has(.upstreamCxHttp1Total) || has(.upstreamCxHttp2Total) else { return }
        let config = live.draft.config
        for (priority, limits, gauge) in [
            (Priority.normal, config.defaultLimits, ClusterStat.circuitBreakersDefaultCxPoolOpen),
            (.high, config.highLimits, .circuitBreakersHighCxPoolOpen),
        ] {
            let isAsked = breakers.isTouched(.connections, priority, limit: limits.connections)
                || breakers.isTouched(.pendingRequests, priority, limit: limits.pendingRequests)
            let isOpen = isPoolLimitReached(live, priority)
            if isAsked || isOpen || has(.upstreamCxDestroy) { stats.mainCells.set(base &+ gauge.rawValue, isOpen ? 1 : 0) }
        }
    }

    private func isPoolLimitReached(_ live: LiveCluster, _ priority: Priority) -> Bool {
        live.draft.config.poolBreakers.map { $0.left(.connections, priority) <= 0 } ?? false
    }

    private func refresh(_ live: LiveCluster) {
        guard let breakers = live.draft.config.breakers else { return }
        let cells = environment.stats.mainCells
        let base = live.draft.config.stats
        showPools(live, breakers, base)
        // `tcp_proxy` takes no token for what Envoy counts as a request, always of the usual priority.
        let hasRequests = environment.stats.counter(base &+ ClusterStat.upstreamRqTotal.rawValue) > 0
        let isHighAsked = breakers.isTouched(.requests, .high, limit: live.draft.config.highLimits.requests)
        for priority in [Priority.normal, .high] {
            let isHigh = priority == .high
            let left = BreakerResource.allCases.map { breakers.left($0, priority) }
            let limits = isHigh ? live.draft.config.highLimits : live.draft.config.defaultLimits
            // What may never begin never reaches its limit (Envoy); a connection may always, and of a limit of 0 it is who waited
            // for one that tells.
            let isNever = [false, limits.pendingRequests == 0, limits.requests == 0, limits.retries == 0 && limits.retryBudget == nil]
            let leaves: [(ClusterStat, Bool)] = [
                (isHigh ? .circuitBreakersHighCxOpen : .circuitBreakersDefaultCxOpen, left[0] <= 0),
                (isHigh ? .circuitBreakersHighRqPendingOpen : .circuitBreakersDefaultRqPendingOpen, left[1] <= 0),
                (isHigh ? .circuitBreakersHighRqOpen : .circuitBreakersDefaultRqOpen, left[2] <= 0),
                (isHigh ? .circuitBreakersHighRqRetryOpen : .circuitBreakersDefaultRqRetryOpen, left[3] <= 0),
            ]
            let most = [limits.connections, limits.pendingRequests, limits.requests, limits.retries]
            var isAsked = zip(BreakerResource.allCases, most).map { breakers.isTouched($0, priority, limit: $1) }
            isAsked[0] = isAsked[0] || (limits.connections == 0 && isAsked[1])
            isAsked[2] = isAsked[2] || (!isHigh && hasRequests && !isHighAsked)
            for (i, (leaf, isOpen)) in leaves.enumerated() {
                // Whoever has been asked for anything has its gauge, whatever it is, so that an alert on it sees 0 and not a series
                // that is missing. A cell that main has never written costs main no memory: it is touched once it is shown.
                guard !isNever[i], isAsked[i] else { continue }
                cells.set(base &+ leaf.rawValue, isOpen ? 1 : 0)
            }
            guard let remaining = isHigh ? live.draft.remaining.high : live.draft.remaining.normal else { continue }
            let shown: [CircuitBreakerRemainingStat] = [.remainingCx, .remainingPending, .remainingRq, .remainingRetries]
            if limits.pools != nil, let pools = live.draft.config.poolBreakers {
                cells.set(remaining[.remainingCxPools], UInt64(max(0, pools.left(.connections, priority))))
            }
            // How many retries a budget has left nobody can say: it moves with the requests. Envoy shows what `max_retries`
            // would leave until the first retry, and 0 from then on.
            let hasRetried = environment.stats.counter(base &+ ClusterStat.upstreamRqRetry.rawValue) > 0
            for (leaf, left) in zip(shown, left) {
                let isBudget = leaf == .remainingRetries && limits.retryBudget != nil && hasRetried
                cells.set(remaining[leaf], isBudget ? 0 : UInt64(max(0, left)))
            }
        }
    }
}
