// What `martlet top` knows of a moment: statistics and hosts as the admin told them in text.

import Primitives

struct TopSample {
    struct Quantiles {
        var p50: Double?
        var p99: Double?
    }

    struct Hosts {
        var total = 0
        var healthy = 0
        /// Address and what is the matter, of those that are not healthy.
        var others: [(address: String, flags: String)] = []
    }

    let state: String
    let atNs = Clock.monotonicNs()
    private(set) var values: [String: UInt64] = [:]
    /// Of the last five seconds that were merged.
    private(set) var quantiles: [String: Quantiles] = [:]
    /// Clusters in the order of `/clusters`.
    private(set) var clusters: [String] = []
    /// By cluster: what its statistics are called, `alt_stat_name` or its name.
    private(set) var observed: [String: String] = [:]
    private(set) var hosts: [String: Hosts] = [:]

    /// Counters and gauges that a frame shows, and the two histograms.
    static let filter =
        "^(cluster\\..*\\.upstream_(rq_(total|active|[1-5]xx|time)|cx_active)|http\\..*\\.downstream_(rq_(total|active|[1-5]xx|time)|cx_(active|rx_bytes_total|tx_bytes_total))|listener\\..*\\.downstream_cx_active|tcp\\..*\\.downstream_cx_(total|rx_bytes_total|tx_bytes_total)|server\\.(uptime|concurrency|memory_physical_size|total_connections)|martlet\\.plan\\.version)$"

    init(_ client: AdminClient) throws(AdminClient.Failure) {
        state = String(try client.get("/ready").prefix { $0 != "\n" })
        readStatistics(try client.get("/stats?usedonly&filter=" + TopSample.escaped(TopSample.filter)))
        readClusters(try client.get("/clusters"))
    }

    private mutating func readStatistics(_ text: String) {
        for line in text.split(separator: "\n") {
            guard let colon = line.range(ofFirst: ": ") else { continue }
            let name = String(line[..<colon])
            let value = line.after(colon, ": ")
            if let number = UInt64(value) {
                values[name] = number
            } else if value.hasPrefix("P0(") {
                quantiles[name] = Quantiles(p50: TopSample.interval(value, " P50("), p99: TopSample.interval(value, " P99("))
            }
        }
    }

    /// `P50(3.05,2.9)`: of the interval, of the whole time. Nothing of the interval: `nan`.
    private static func interval(_ text: Substring, _ label: String) -> Double? {
        guard let start = text.range(ofFirst: label) else { return nil }
        let number = text.after(start, label).prefix { $0 != "," }
        return Double(number).flatMap { $0.isFinite ? $0 : nil }
    }

    /// The lines of a cluster begin with that of its `observability_name`: its own name may have colons.
    private mutating func readClusters(_ text: String) {
        var name = ""
        for line in text.split(separator: "\n") {
            if let cut = line.range(ofFirst: "::observability_name::") {
                name = String(line[..<cut])
                clusters.append(name)
                observed[name] = String(line.after(cut, "::observability_name::"))
                hosts[name] = Hosts()
                continue
            }
            guard line.hasPrefix(name + "::") else { continue }
            let facts = line.after(line.startIndex, name + "::")
            guard let flags = facts.range(ofFirst: "::health_flags::") else { continue }
            let address = String(facts[..<flags])
            let health = String(line.after(flags, "::health_flags::"))
            hosts[name]?.total += 1
            if health == "healthy" { hosts[name]?.healthy += 1 } else { hosts[name]?.others.append((address, health)) }
        }
    }

    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        var result = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if scalar.properties.isAlphabetic || (48...57).contains(byte) || byte == 0x5f || byte == 0x2e {
                result.unicodeScalars.append(scalar)
            } else {
                result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
        return result
    }
}

extension Substring {
    /// Where the pattern begins first.
    fileprivate func range(ofFirst pattern: String) -> Substring.Index? {
        guard let first = pattern.utf8.first else { return nil }
        var rest = utf8
        while let at = rest.firstIndex(of: first) {
            if utf8[at...].starts(with: pattern.utf8) { return at }
            rest = utf8[utf8.index(after: at)...]
        }
        return nil
    }

    /// What stands behind a pattern that begins there.
    fileprivate func after(_ start: Substring.Index, _ pattern: String) -> Substring {
        self[utf8.index(start, offsetBy: pattern.utf8.count)...]
    }
}
