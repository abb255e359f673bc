import Stats

/// Visits every endpoint of every group, one at a time.
struct EndpointWalk {
    struct Position {
        let cluster: String
        let endpoint: StatEndpoint
        /// `cluster.up.endpoint.10.0.0.1_80.`
        let prefix: [UInt8]

        func setName(_ stat: EndpointStat, _ name: inout [UInt8]) {
            name.removeAll(keepingCapacity: true)
            name += prefix
            let leaf = stat.descriptor.name
            unsafe name.append(contentsOf: UnsafeBufferPointer(start: leaf.utf8Start, count: leaf.utf8CodeUnitCount))
        }

        /// `cluster.endpoint.rq_total`: the name without its tags.
        static func extracted(_ stat: EndpointStat) -> String { "cluster.endpoint.\(stat.descriptor.name)" }

        /// What the configuration says of every statistic, then the cluster, the address, and the host's name where it has
        /// one. Nothing is looked for in names here. A tag comes once.
        func forEachTag(_ tags: TagExtraction, _ body: (_ name: [UInt8], _ value: String) -> Void) {
            let fixed = tags.fixed
            for tag in fixed { body(tag.name, tag.value) }
            for (name, value) in [
                ("envoy.cluster_name", cluster), ("envoy.endpoint_address", endpoint.address), ("envoy.endpoint_hostname", endpoint.hostname),
            ] {
                let tag = Array(name.utf8)
                if name == "envoy.endpoint_hostname", value.isEmpty { continue }
                if !fixed.contains(where: { $0.name == tag }) { body(tag, value) }
            }
        }
    }

    private let groups: [EndpointGroup]
    private var group = 0
    private var place = 0

    init(_ groups: [EndpointGroup]) { self.groups = groups }

    mutating func next() -> Position? {
        while group < groups.count {
            let current = groups[group]
            while place < current.count {
                place += 1
                guard let endpoint = current.endpoint(place - 1) else { continue }
                let prefix = "cluster.\(current.cluster).endpoint.\(StatPrefix.sanitize(endpoint.address))."
                return Position(cluster: current.cluster, endpoint: endpoint, prefix: Array(prefix.utf8))
            }
            group += 1
            place = 0
        }
        return nil
    }
}

extension StatRegistry {
    /// The statistics of an endpoint that a query wants. As in Envoy all are there, used or not, and `stats_matcher` is not
    /// asked.
    func forEachLine(
        _ position: EndpointWalk.Position, _ query: StatsQuery, _ body: (_ name: [UInt8], _ value: UInt64) -> Void
    ) {
        var name: [UInt8] = []
        for stat in EndpointStat.allCases where query.shows(stat.descriptor.kind) {
            position.setName(stat, &name)
            if let filter = query.filter, !filter(name.span) { continue }
            body(name, value(stat, of: position.endpoint))
        }
    }
}
