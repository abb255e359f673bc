// Which cluster a route leads to: its one cluster, one that a header names, or one of several by weight.

import Primitives
import Routing
import Upstream
import Wire

extension Worker {
    // HOT: per message.
    /// The cluster's slot, or nil when the route names none that exists.
    func chooseCluster(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) -> UInt32? {
        let clusters = unsafe route.pointee.clusters
        switch unsafe route.pointee.clusterChoice {
        case .single:
            unsafe stream.pointee.chosen = unsafe clusters.pointer(0)
            return slot(clusters[0])
        case .header:
            guard let name = unsafe stream.pointee.request.value(named: route.pointee.clusterHeader) else { return nil }
            return clusterSlot(named: name)
        case .weighted:
            guard let entry = unsafe stream.pointee.chosen else { return nil }
            if unsafe entry.pointee.header.isEmpty { return unsafe slot(entry.pointee) }
            guard let name = unsafe stream.pointee.request.value(named: entry.pointee.header) else { return nil }
            return clusterSlot(named: name)
        }
    }

    // HOT: per message.
    /// Sets `chosen` to the entry that the request's random value, or its header, falls on.
    func chooseEntry(_ stream: StreamPointer, _ route: UnsafePointer<RouteConfig>) {
        let clusters = unsafe route.pointee.clusters
        var ticket = unsafe stream.pointee.random
        if unsafe !route.pointee.clusterHeader.isEmpty,
            let value = unsafe stream.pointee.request.value(named: route.pointee.clusterHeader)?.decimal
        {
            ticket = value
        }
        if unsafe route.pointee.weighsByHash, let hash = unsafe hashKey(stream, route.pointee.hashRules, makesCookies: false) {
            ticket = hash
        }
        if unsafe route.pointee.hasRuntimeWeights { return unsafe chooseByRuntime(stream, clusters, ticket) }
        let total = clusters[clusters.count &- 1].cumulativeWeight
        ticket = total == 0 ? 0 : ticket % total
        var i = 0
        while i &+ 1 < clusters.count, clusters[i].cumulativeWeight <= ticket { i &+= 1 }
        unsafe stream.pointee.chosen = unsafe clusters.pointer(i)
    }

    /// The runtime may give every entry another weight at any time. Weights that add up to nothing leave the request
    /// without a route, as in Envoy.
    private func chooseByRuntime(_ stream: StreamPointer, _ clusters: FrozenArray<RouteCluster>, _ ticket: UInt64) {
        var total: UInt64 = 0
        for i in 0..<clusters.count { total &+= clusters[i].runtimeWeight }
        // A weight may change between the two walks: then the last entry takes what no other does.
        var left = total == 0 || total > UInt64(UInt32.max) ? nil : ticket % total
        guard left != nil else {
            unsafe stream.pointee.route = nil
            return
        }
        for i in 0..<clusters.count {
            let weight = clusters[i].runtimeWeight
            unsafe stream.pointee.chosen = unsafe clusters.pointer(i)
            if let rest = left, rest < weight { return }
            left = left.map { $0 &- weight }
        }
    }

    private func slot(_ cluster: RouteCluster) -> UInt32? {
        cluster.slot != RouteConfig.noSlot ? cluster.slot : clusterSlot(named: cluster.name)
    }

    /// Binary search in the plan's sorted names.
    func clusterSlot(named name: Bytes) -> UInt32? {
        guard let plan = unsafe currentPlan else { return nil }
        let names = unsafe plan.pointee.clusterNames
        var low = 0
        var high = names.count
        while low < high {
            let middle = (low &+ high) >> 1
            let order = names[middle].name.compare(name)
            if order == 0 { return names[middle].slot }
            if order < 0 { low = middle &+ 1 } else { high = middle }
        }
        return nil
    }
}

extension RouteCluster {
    /// As it is now. A runtime value is cut to 32 bits, as in Envoy.
    fileprivate var runtimeWeight: UInt64 {
        guard let cell = weightCell else { return weight }
        return UInt64(UInt32(truncatingIfNeeded: cell.integer(default: weight)))
    }
}
