import Glibc
import TestSupport
import Testing

/// What leaves for StatsD, read by `Metrics/statsd.py`.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: (try? Shell.run("python3 -c 'import json'"))?.status == 0, "python3 is missing"))
struct StatsSinkTests {
    private static let script = "\(#filePath)".split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Metrics/statsd.py"
    private static let metrics = "type.googleapis.com/envoy.config.metrics.v3."
    private static let requests = 5

    private final class Reader {
        let port = Ports.free()
        private let process: ChildProcess

        init(_ kind: String, _ shape: String, bytesMax: Int = 0) throws {
            process = try ChildProcess(
                "/usr/bin/env", ["python3", StatsSinkTests.script, kind, "\(port)", shape, "\(bytesMax)", "60"])
            #expect(wait(upToMs: 10_000) { process.output.contains("ready") }, "\(process.output)")
        }

        deinit { process.kill() }

        func result() throws -> JSON {
            process.signal(SIGTERM)
            #expect(wait(upToMs: 10_000) { process.exitStatus() != nil }, "\(process.output)")
            return try JSON(parsing: process.output.textLines.last ?? "")
        }
    }

    /// Serves requests, ends gracefully, and returns what the reader has read.
    private func run(_ reader: Reader, _ sink: String, _ more: String = "", interval: String = "0.1s") throws -> JSON {
        let upstream = try LoadUpstream("c")
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            "node: {id: n1, cluster: c1}\nstats_flush_interval: \(interval)\nstats_sinks: [\(sink)]\n\(more)\n"
                + Served.http(
                    port, clusters: [
                        Served.cluster([upstream.port], more: "track_cluster_stats: {per_endpoint_stats: true}"), Served.cluster([reader.port], name: "statsd"),
                    ])
        }
        for _ in 0..<StatsSinkTests.requests { #expect(try served.get().status == 200) }
        #expect(served.stat("http.h.downstream_rq_total", becomes: StatsSinkTests.requests) == StatsSinkTests.requests)
        #expect(served.stat("martlet.stats_sinks.lines_dropped", becomes: 0) == 0)
        served.process.signal(SIGTERM)
        #expect(wait(upToMs: 10_000) { served.process.exitStatus() == 0 }, "\(served.process.output)")
        let result = try reader.result()
        #expect(result["faults"]?.array?.count == 0, "\(result["faults"]?.text() ?? "")")
        return result
    }

    private func number(_ result: JSON, _ kind: String, _ name: String) -> Int? {
        result[kind]?[name].flatMap { Int($0.text()) }
    }

    /// Of the cluster's only endpoint, whatever its port; nil: there is none, or more.
    private func endpoint(_ result: JSON, _ kind: String, _ prefix: String, _ ending: String) -> Int? {
        let found = (result[kind]?.members ?? []).filter { $0.name.hasPrefix(prefix) && $0.name.hasSuffix(ending) }
        return found.count == 1 ? Int(found[0].value.text()) : nil
    }

    private func udp(_ type: String, _ port: UInt16, _ more: String = "") -> String {
        "{name: s, typed_config: {\"@type\": \(type), address: \(Bootstrap.address(port))\(more)}}"
    }

    /// The sums are the totals: nothing is sent twice, the last flush comes when the process ends.
    @Test(arguments: ["0.1s", "60s"]) func statsdOverUDP(interval: String) throws {
        let reader = try Reader("udp", "plain")
        let result = try run(reader, udp(StatsSinkTests.metrics + "StatsdSink", reader.port), interval: interval)
        #expect(number(result, "counters", "envoy.http.h.downstream_rq_total") == StatsSinkTests.requests)
        #expect(number(result, "counters", "envoy.http.h.downstream_rq_2xx") == StatsSinkTests.requests)
        #expect(number(result, "counters", "envoy.cluster.c.upstream_rq_200") == StatsSinkTests.requests)
        #expect(number(result, "gauges", "envoy.server.concurrency") == 2)
        #expect(result["samples"]?["envoy.cluster.c.upstream_rq_time"]?.array?.count == StatsSinkTests.requests)
        #expect(result["counters"]?["envoy.cluster.c.bind_errors"] == nil, "never used, never sent")
        // Of an endpoint everything is sent.
        let prefix = "envoy.cluster.c.endpoint.127.0.0.1_"
        for (leaf, count) in [("rq_total", StatsSinkTests.requests), ("rq_success", StatsSinkTests.requests), ("rq_error", 0), ("cx_connect_fail", 0)] {
            #expect(endpoint(result, "counters", prefix, "." + leaf) == count, "\(leaf)")
        }
        #expect(endpoint(result, "gauges", prefix, ".healthy") == 1 && endpoint(result, "gauges", prefix, ".rq_active") == 0)
    }

    @Test func dogStatsdInLargeDatagrams() throws {
        let reader = try Reader("udp", "dog", bytesMax: 900)
        let result = try run(
            reader, udp(StatsSinkTests.metrics + "DogStatsdSink", reader.port, ", prefix: edge, max_bytes_per_datagram: 900"),
            "stats_config: {stats_tags: [{tag_name: site, fixed_value: a b}]}")
        let tags = "{envoy.response_code:200,site:a b,envoy.cluster_name:c}"
        #expect(number(result, "counters", "edge.cluster.upstream_rq" + tags) == StatsSinkTests.requests)
        let host = "edge.cluster.endpoint.rq_total{site:a b,envoy.cluster_name:c,envoy.endpoint_address:127.0.0.1:"
        #expect(endpoint(result, "counters", host, "}") == StatsSinkTests.requests)
        let largest = result["largest"].flatMap { Int($0.text()) } ?? 0
        #expect(largest > 500 && largest <= 900)
    }

    @Test func graphite() throws {
        let reader = try Reader("udp", "graphite")
        let result = try run(
            reader, udp("type.googleapis.com/envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink", reader.port))
        let tags = "{envoy.response_code:200,envoy.cluster_name:c}"
        #expect(number(result, "counters", "envoy.cluster.upstream_rq" + tags) == StatsSinkTests.requests)
        #expect(number(result, "gauges", "envoy.server.concurrency") == 2)
    }

    @Test func statsdOverTCP() throws {
        let reader = try Reader("tcp", "plain")
        let result = try run(
            reader, "{name: s, typed_config: {\"@type\": \(StatsSinkTests.metrics)StatsdSink, tcp_cluster_name: statsd}}")
        #expect(number(result, "counters", "envoy.http.h.downstream_rq_total") == StatsSinkTests.requests)
        #expect(result["samples"]?["envoy.cluster.c.upstream_rq_time"]?.array?.count == StatsSinkTests.requests)
        #expect(result["connections"]?.text() == "1", "one connection for all flushes")
    }

    /// Nobody listens, and a peer that takes nothing: the process serves, and ends in time.
    @Test(arguments: [false, true]) func aDeadSinkHoldsNothingUp(_ isTCP: Bool) throws {
        let reader = Ports.free()
        let served = try Served(try Binary.martlet()) { port in
            let sink =
                isTCP
                ? "{name: s, typed_config: {\"@type\": \(StatsSinkTests.metrics)StatsdSink, tcp_cluster_name: dead}}"
                : udp(StatsSinkTests.metrics + "StatsdSink", reader)
            return "node: {id: n1, cluster: c1}\nstats_flush_interval: 0.05s\nstats_sinks: [\(sink)]\n"
                + Served.http(port, clusters: [Served.cluster([1]), Served.cluster([reader], name: "dead")])
        }
        #expect(served.stat("server.live", becomes: 1) == 1)
        #expect(wait(upToMs: 10_000) { (served.admin.stats(matching: "lines_sent").values.first ?? 0) > 500 })
        served.process.signal(SIGTERM)
        #expect(wait(upToMs: 10_000) { served.process.exitStatus() == 0 }, "\(served.process.output)")
    }
}
