// One frame of `martlet top`: rates between two samples, as rows for a terminal or as JSON.

import EnvoyAPI
import Primitives
import Stats

struct TopFrame {
    struct Row {
        let name: String
        let requests: Double
        /// Shares of responses.
        let clientErrors: Double
        let serverErrors: Double
        let p50: Double?
        let p99: Double?
        let active: UInt64
        let connections: UInt64
        var hosts: TopSample.Hosts?
    }

    let address: String
    let sample: TopSample
    private let before: TopSample
    private let seconds: Double
    private(set) var managers: [Row] = []
    private(set) var clusters: [Row] = []
    private(set) var received = 0.0
    private(set) var sent = 0.0
    private(set) var connections: UInt64 = 0

    init(_ before: TopSample, _ sample: TopSample, address: String) {
        self.address = address
        self.sample = sample
        self.before = before
        seconds = max(0.001, Double(sample.atNs - before.atNs) / 1_000_000_000)
        let names = sample.values.keys
        for name in names where name.hasPrefix("http.") && name.hasSuffix(".downstream_rq_total") {
            let subject = String(name.dropFirst(5).dropLast(20))
            if subject == "admin" || subject == "async-client" { continue }
            managers.append(row(subject, "http.\(subject).downstream_"))
            received += rate("http.\(subject).downstream_cx_rx_bytes_total")
            sent += rate("http.\(subject).downstream_cx_tx_bytes_total")
        }
        for name in names where name.hasPrefix("tcp.") && name.hasSuffix("_bytes_total") {
            if name.hasSuffix("_rx_bytes_total") { received += rate(name) } else { sent += rate(name) }
        }
        for name in names where name.hasPrefix("listener.") && name.hasSuffix(".downstream_cx_active") {
            // Not a worker's share of it.
            let subject = name.dropFirst(9).dropLast(21)
            let last = subject.split(separator: ".").last ?? ""
            if subject == "admin" || last == "main_thread" || last.hasPrefix("worker_") && last.dropFirst(7).allSatisfy(\.isNumber) { continue }
            connections += sample.values[name] ?? 0
        }
        for cluster in sample.clusters {
            var row = row(cluster, StatPrefix.cluster(sample.observed[cluster] ?? cluster) + "upstream_")
            row.hosts = sample.hosts[cluster]
            clusters.append(row)
        }
        managers.sort { ($0.requests, $1.name) > ($1.requests, $0.name) }
        clusters.sort { ($0.requests, $1.name) > ($1.requests, $0.name) }
    }

    private func row(_ name: String, _ prefix: String) -> Row {
        let classes = (1...5).map { rate("\(prefix)rq_\($0)xx") }
        let all = classes.reduce(0, +)
        let quantiles = sample.quantiles[prefix + "rq_time"]
        return Row(
            name: name, requests: rate(prefix + "rq_total"), clientErrors: all > 0 ? classes[3] / all : 0,
            serverErrors: all > 0 ? classes[4] / all : 0, p50: quantiles?.p50, p99: quantiles?.p99,
            active: sample.values[prefix + "rq_active"] ?? 0, connections: sample.values[prefix + "cx_active"] ?? 0)
    }

    /// Per second; a counter that was reset has grown by what it is now.
    private func rate(_ name: String) -> Double {
        guard let now = sample.values[name] else { return 0 }
        let old = before.values[name] ?? 0
        return Double(now >= old ? now - old : now) / seconds
    }

    var requests: Double { managers.reduce(0) { $0 + $1.requests } }

    // MARK: JSON

    var json: String {
        let facts: [(String, String)] = [
            ("address", JSONText.quoted(address)), ("state", JSONText.quoted(sample.state)),
            ("uptime_s", "\(sample.values["server.uptime"] ?? 0)"), ("plan", "\(sample.values["martlet.plan.version"] ?? 0)"),
            ("workers", "\(sample.values["server.concurrency"] ?? 0)"),
            ("memory_bytes", "\(sample.values["server.memory_physical_size"] ?? 0)"),
            ("requests_per_s", TopFrame.number(requests)), ("connections", "\(connections)"),
            ("received_bytes_per_s", TopFrame.number(received)), ("sent_bytes_per_s", TopFrame.number(sent)),
            ("http", "[" + managers.map(TopFrame.json).joined(separator: ",") + "]"),
            ("clusters", "[" + clusters.map(TopFrame.json).joined(separator: ",") + "]"),
        ]
        return "{" + facts.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }

    private static func json(_ row: Row) -> String {
        var facts: [(String, String)] = [
            ("name", JSONText.quoted(row.name)), ("requests_per_s", number(row.requests)),
            ("share_4xx", number(row.clientErrors)), ("share_5xx", number(row.serverErrors)),
            ("p50_ms", row.p50.map(number) ?? "null"), ("p99_ms", row.p99.map(number) ?? "null"),
            ("active", "\(row.active)"), ("connections", "\(row.connections)"),
        ]
        if let hosts = row.hosts {
            facts += [("hosts", "\(hosts.total)"), ("healthy_hosts", "\(hosts.healthy)")]
            let others = hosts.others.map { "{\"address\":\(JSONText.quoted($0.address)),\"health_flags\":\(JSONText.quoted($0.flags))}" }
            facts.append(("unhealthy", "[" + others.joined(separator: ",") + "]"))
        }
        return "{" + facts.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }

    private static func number(_ value: Double) -> String { JSONText.number((value * 1000).rounded() / 1000) }
}
