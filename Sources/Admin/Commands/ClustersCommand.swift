// `/clusters`: circuit breakers, hosts and what was counted per host, as text.

import Control
import EnvoyAPI
import Primitives
import Routing
import Stats
import StatsStore
import Upstream

enum ClustersCommand {
    static let command = AdminCommand(
        "/clusters", "upstream cluster status",
        [.init("filter", "Regular expression (Google re2) for filtering clusters by name")]
    ) { context, request in
        var clusters = context.configurator.activeClusters
        if let pattern = request.query.nonEmpty("filter") {
            guard let filter = RegexFilter(pattern) else { return AdminResponse("Invalid re2 regex", status: 400) }
            clusters = clusters.filter { cluster in cluster.name.withBytes { filter.finds(in: $0) } }
        }
        let stats = context.stats
        if request.query["format"] == "json" {
            return AdminResponse(contentType: AdminResponse.json, body: ClustersJSON(clusters, stats))
        }
        return AdminResponse(body: ClustersText(clusters, stats))
    }
}

/// A host's statistics in the order of `/clusters`.
struct HostCounts {
    let stats: StatRegistry
    let host: HostView

    static let text: [HostStat] = [
        .cxActive, .cxConnectFail, .cxTotal, .rqActive, .rqError, .rqPendingActive, .rqSuccess, .rqTimeout, .rqTotal,
    ]
    static let counters: [HostStat] = [.cxConnectFail, .cxTotal, .rqError, .rqSuccess, .rqTimeout, .rqTotal]
    static let gauges: [HostStat] = [.cxActive, .rqActive, .rqPendingActive]

    subscript(_ leaf: HostStat) -> UInt64 { stats.value(leaf, of: host.cells) }
}

/// A host at a time: a cluster may have thousands.
private final class ClustersText: BodySource {
    private let clusters: [LiveCluster]
    private let stats: StatRegistry
    private var at = 0
    /// The cluster that is being written, and the next of its hosts.
    private var hosts: HostList?
    private var place = 0

    init(_ clusters: [LiveCluster], _ stats: StatRegistry) {
        self.clusters = clusters
        self.stats = stats
    }

    override func next(_ out: inout [UInt8]) -> Bool {
        var time = RenderingTime(looksPerClock: 1)
        while at < clusters.count, out.count < BodySource.pieceBytes, !time.isOver() {
            let cluster = clusters[at]
            guard let hosts else {
                out += ClustersText.head(cluster).utf8
                hosts = cluster.hostList
                place = 0
                continue
            }
            if place < hosts.count {
                if let host = hosts.host(place) { out += ClustersText.text(cluster.name, host, stats).utf8 }
                place += 1
            } else {
                self.hosts = nil
                at += 1
            }
        }
        return at < clusters.count
    }

    private static func head(_ cluster: LiveCluster) -> String {
        let name = cluster.name
        var text = "\(name)::observability_name::\(cluster.observabilityName)\n"
        if cluster.message.hasOutlierDetection {
            for line in [
                "success_rate_average", "success_rate_ejection_threshold", "local_origin_success_rate_average",
                "local_origin_success_rate_ejection_threshold",
            ] { text += "\(name)::outlier::\(line)::-1\n" }
        }
        for (priority, limits) in [("default", cluster.limits.normal), ("high", cluster.limits.high)] {
            text += "\(name)::\(priority)_priority::max_connections::\(limits.connections)\n"
            text += "\(name)::\(priority)_priority::max_pending_requests::\(limits.pendingRequests)\n"
            text += "\(name)::\(priority)_priority::max_requests::\(limits.requests)\n"
            text += "\(name)::\(priority)_priority::max_retries::\(limits.retries)\n"
        }
        text += "\(name)::added_via_api::false\n"
        return text
    }

    private static func text(_ cluster: String, _ host: HostView, _ stats: StatRegistry) -> String {
        let counts = HostCounts(stats: stats, host: host)
        let prefix = "\(cluster)::\(host.address)::"
        var text = ""
        for leaf in HostCounts.text { text += "\(prefix)\(leaf.descriptor.name)::\(counts[leaf])\n" }
        let health =
            switch host.health {
            case .healthy: "healthy"
            case .degraded: "/degraded_eds_health"
            case .draining: "/eds_status_draining"
            case .unhealthy: "/failed_eds_health"
            }
        let facts: [(String, String)] = [
            ("hostname", host.hostname), ("health_flags", health), ("weight", "\(host.weight)"),
            ("region", host.region), ("zone", host.zone), ("sub_zone", host.subZone), ("canary", "\(host.isCanary)"),
            ("priority", "\(host.priority)"), ("success_rate", "-1"), ("local_origin_success_rate", "-1"),
        ]
        for (name, value) in facts { text += "\(prefix)\(name)::\(value)\n" }
        return text
    }
}

/// A pattern of a query; the program goes with it.
final class RegexFilter {
    private let program: RegexProgram

    init?(_ pattern: String) {
        guard let program = try? RegexProgram(pattern) else { return nil }
        self.program = program
    }

    init(checked pattern: String) throws(RegexProgram.Invalid) { program = try RegexProgram(pattern) }

    deinit { program.destroy() }

    func finds(in text: Bytes) -> Bool { program.finds(in: text) }
    func matches(_ text: Bytes) -> Bool { program.matches(text) }
}
