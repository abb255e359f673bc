import Glibc
import TestSupport
import Testing

/// `envoy.stat_sinks.open_telemetry` and `envoy.stat_sinks.metrics_service`, read by protobuf's own reader. Names, tags, kinds and
/// values were compared with Envoy 1.40's by hand.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: LogReceiver.isInstalled, "needs PyPI's grpcio, xds-protos and msgpack"))
struct MetricsSinkTests {
    private struct Setting {
        let receiver: LogReceiver
        let served: Served

        /// Metrics of OpenTelemetry by name.
        func metrics(_ name: String) -> [JSON] {
            receiver.lines("message").flatMap { $0["body"]?["resource_metrics"]?.array ?? [] }
                .flatMap { $0["scope_metrics"]?.array ?? [] }.flatMap { $0["metrics"]?.array ?? [] }.filter { $0["name"]?.string == name }
        }

        func points(_ name: String, _ kind: String) -> [JSON] { metrics(name).flatMap { $0[kind]?["data_points"]?.array ?? [] } }

        func families(_ name: String, _ type: String = "COUNTER") -> [JSON] {
            receiver.lines("message").flatMap { $0["body"]?["envoy_metrics"]?.array ?? [] }
                .filter { $0["name"]?.string == name && $0["type"]?.string == type }.flatMap { $0["metric"]?.array ?? [] }
        }
    }

    private func serve(_ sink: String, interval: String = "0.2s") throws -> Setting {
        let receiver = try LogReceiver()
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            let configuration = LoggedConfiguration(listener: port, admin: 0, upstream: receiver.http, receiver: receiver, http: [])
            return "stats_flush_interval: \(interval)\nstats_sinks: [{name: s, typed_config: {\(sink)}}]\n"
                + configuration.yaml.split(separator: "\n").filter { !$0.hasPrefix("admin:") }.joined(separator: "\n")
                .replacing(text: "{name: upstream, ", by: "{name: upstream, track_cluster_stats: {per_endpoint_stats: true}, ")
        }
        return Setting(receiver: receiver, served: served)
    }

    private static let openTelemetry = "\"@type\": type.googleapis.com/envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig"
    private static let metricsService =
        "\"@type\": type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig, grpc_service: {envoy_grpc: {cluster_name: grpc}}, transport_api_version: V3"
    private static let overGRPC = openTelemetry + ", grpc_service: {envoy_grpc: {cluster_name: grpc}}"
    private static let overHTTP = openTelemetry + ", http_service: {http_uri: {uri: \"http://m.test/v1/metrics\", cluster: http, timeout: 1s}}"

    private func waits(_ body: () -> Bool) -> Bool { wait(upToMs: 10_000, everyMs: 20, until: body) }

    @Test(arguments: [overGRPC, overHTTP])
    func totalsWithTags(_ sink: String) throws {
        let setting = try serve(sink + ", prefix: pre")
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        let name = "pre.http.downstream_rq_total"
        let total = { (point: JSON) in
            point["as_int"]?.string == "3" && point["attributes"]?.array?.first?["key"]?.string == "envoy.http_conn_manager_prefix"
                && point["attributes"]?.array?.first?["value"]?["string_value"]?.string == "h"
        }
        // Again and again, whether or not anything is new.
        #expect(waits { setting.points(name, "sum").filter(total).count >= 2 })
        let sum = try #require(setting.metrics(name).last?["sum"])
        #expect(sum["is_monotonic"] == JSON.bare("true") && sum["aggregation_temporality"]?.string == "AGGREGATION_TEMPORALITY_CUMULATIVE")
        #expect(waits { setting.points("pre.server.live", "gauge").contains { $0["as_int"]?.string == "1" } })
        #expect(waits { setting.points("pre.http.downstream_rq_time", "histogram").contains { $0["count"]?.string == "3" } })
        let point = try #require(setting.points("pre.http.downstream_rq_time", "histogram").last { $0["count"]?.string == "3" })
        let counts = (point["bucket_counts"]?.array ?? []).compactMap { $0.string.flatMap { Int($0) } }
        #expect(counts.count == (point["explicit_bounds"]?.array?.count ?? 0) + 1 && counts.reduce(0, +) == 3)
        let resource = try #require(setting.receiver.lines("message").first?["body"]?["resource_metrics"]?.array?.first?["resource"])
        #expect(resource.text().contains("telemetry.sdk.name"))
        #expect(setting.served.stat("martlet.stats_sinks.metrics_dropped", becomes: 0) == 0)
    }

    /// Of a single endpoint, with its address.
    @Test func endpointsOne() throws {
        let setting = try serve(MetricsSinkTests.overGRPC)
        for _ in 0..<3 { _ = try setting.served.get("/status/200") }
        let tags = ["envoy.cluster_name=upstream", "envoy.endpoint_address=127.0.0.1:\(setting.receiver.http)"]
        func told(_ leaf: String, _ kind: String, _ value: String) -> Bool {
            waits {
                setting.points("cluster.endpoint." + leaf, kind).contains { point in
                    point["as_int"]?.string == value
                        && (point["attributes"]?.array ?? []).map { "\($0["key"]?.string ?? "")=\($0["value"]?["string_value"]?.string ?? "")" } == tags
                }
            }
        }
        #expect(told("rq_total", "sum", "3") && told("healthy", "gauge", "1"))
        let service = try serve(MetricsSinkTests.metricsService + ", emit_tags_as_labels: true")
        for _ in 0..<3 { _ = try service.served.get("/status/200") }
        // As in Envoy nothing of them is told there.
        #expect(waits { service.families("cluster.upstream_rq_total").contains { $0["counter"]?["value"] == JSON.bare("3.0") } })
        #expect(service.families("cluster.endpoint.rq_total").isEmpty && service.families("cluster.endpoint.healthy", "GAUGE").isEmpty)
    }

    @Test func differencesWithFullNames() throws {
        let detector =
            "resource_detectors: [{name: d, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig, attributes: {det: d}}}]"
        let setting = try serve(
            MetricsSinkTests.overGRPC
                + ", report_counters_as_deltas: true, report_histograms_as_deltas: true, emit_tags_as_attributes: false, use_tag_extracted_name: false, max_data_points_per_request: 10, \(detector)")
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        let sum = { setting.points("http.h.downstream_rq_total", "sum").compactMap { $0["as_int"]?.string.flatMap { Int($0) } }.reduce(0, +) }
        #expect(waits { sum() == 3 })
        let messages = setting.receiver.lines("message").count
        #expect(waits { setting.receiver.lines("message").count > messages + 3 }, "flushes go on")
        #expect(sum() == 3, "what was told is not told again")
        #expect(setting.points("http.h.downstream_rq_total", "sum").allSatisfy { $0["attributes"] == nil && $0["start_time_unix_nano"] != nil })
        let histograms = setting.points("http.h.downstream_rq_time", "histogram").compactMap { $0["count"]?.string.flatMap { Int($0) } }
        #expect(histograms.reduce(0, +) == 3 && !histograms.contains(0))
        for message in setting.receiver.lines("message") {
            let scopes = message["body"]?["resource_metrics"]?.array?.first?["scope_metrics"]?.array ?? []
            #expect(scopes.flatMap { $0["metrics"]?.array ?? [] }.count <= 10)
            #expect(message.text().contains("\"det\""))
        }
    }

    /// As Envoy 1.40 does (compared by hand): names without the prefix, labels behind the tags, points that are alike summed.
    @Test func namesOfTheConfigurationsOwn() throws {
        let input = "input: {name: i, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.matching.common_inputs.stats.v3.StatFullNameMatchInput}}"
        func rename(_ name: String, _ labels: String = "") -> String {
            "{action: {name: a, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig.ConversionAction, metric_name: \(name)\(labels)}}}"
        }
        let drop = "{action: {name: d, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig.DropAction}}}"
        func single(_ kind: String, _ text: String) -> String { "{single_predicate: {\(input), value_match: {\(kind): \"\(text)\"}}}" }
        let labels = ", static_metric_labels: [{key: k, value: {string_value: v}}, {key: num, value: {int_value: 5}}]"
        let matchers = [
            (single("exact", "http.h.downstream_rq_total"), rename("mine", labels)),
            ("{and_matcher: {predicate: [\(single("prefix", "http.h.downstream_")), \(single("suffix", "_ms"))]}}", rename("times")),
            (single("exact", "http.h.downstream_rq_time"), rename("times")),
            ("{or_matcher: {predicate: [\(single("exact", "server.live")), \(single("contains", "er.concurrency"))]}}", rename("sums")),
            ("{and_matcher: {predicate: [\(single("prefix", "server.")), {not_matcher: \(single("exact", "server.state"))}]}}", drop),
        ]
        let tree = "{matcher_tree: {\(input), prefix_match_map: {map: {\"http.h.\": \(drop), \"http.h.downstream_cx_total\": \(rename("longest")), \"cluster.\": {matcher: {matcher_tree: {\(input), exact_match_map: {map: {\"cluster.http.membership_total\": \(rename("exact"))}}}}}}}}}"
        // What goes on matching is passed over, actions and trees alike.
        let kept = [(single("exact", "http.h.downstream_rq_total"), "{keep_matching: true, " + rename("kept").dropFirst()), (single("prefix", "server."), "{keep_matching: true, " + drop.dropFirst())]
        let list = (kept + matchers).map { "{predicate: \($0), on_match: \($1)}" }.joined(separator: ", ")
        let setting = try serve(
            MetricsSinkTests.overGRPC + ", prefix: pre, custom_metric_conversions: {matcher_list: {matchers: [\(list)]}, on_no_match: {matcher: \(tree)}}")
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        #expect(waits { setting.points("mine", "sum").contains { $0["as_int"]?.string == "3" } })
        let attributes = try #require(setting.points("mine", "sum").last?["attributes"]?.array)
        #expect(attributes.map { "\($0["key"]?.string ?? "")=\($0["value"]?["string_value"]?.string ?? "")" }
            == ["envoy.http_conn_manager_prefix=h", "k=v", "num="])
        // Two gauges, and two histograms, that differ in nothing.
        #expect(waits { setting.points("sums", "gauge").contains { $0["as_int"]?.string == "3" } })
        #expect(waits { setting.points("times", "histogram").contains { $0["count"]?.string == "6" } })
        #expect(waits { !setting.points("longest", "sum").isEmpty && !setting.points("exact", "gauge").isEmpty })
        #expect(waits { !setting.points("pre.server.state", "gauge").isEmpty })
        #expect(setting.points("kept", "sum").isEmpty)
        for gone in ["pre.server.live", "server.live", "pre.server.uptime", "pre.http.downstream_rq_total", "pre.http.downstream_cx_active"] {
            #expect(setting.metrics(gone).filter { !$0.text().contains("\"admin\"") }.isEmpty, "\(gone)")
        }
    }

    @Test func familiesOfTheMetricsService() throws {
        let setting = try serve(MetricsSinkTests.metricsService + ", emit_tags_as_labels: true")
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        let of = { (value: JSON) in value["label"]?.array?.first?["value"]?.string == "h" }
        #expect(waits { setting.families("http.downstream_rq_total").filter { of($0) && $0["counter"]?["value"] == JSON.bare("3.0") }.count >= 2 })
        #expect(waits { setting.families("server.live", "GAUGE").contains { $0["gauge"]?["value"] == JSON.bare("1.0") } })
        #expect(waits { setting.families("http.downstream_rq_time", "SUMMARY").contains { of($0) && $0["summary"]?["sample_count"]?.string == "3" } })
        #expect(waits { setting.families("http.downstream_rq_time", "HISTOGRAM").contains { of($0) && $0["histogram"]?["sample_count"]?.string == "3" } })
        // One stream, and who speaks once.
        #expect(setting.receiver.lines("stream").count == 1)
        #expect(setting.receiver.lines("message").filter { $0["body"]?["identifier"] != nil }.count == 1)
        #expect(setting.receiver.lines("message").first?["body"]?["identifier"]?["node"]?["id"]?.string == "n1")
    }

    @Test(arguments: ["SUMMARY", "HISTOGRAM"])
    func differencesInBatches(_ mode: String) throws {
        let setting = try serve(MetricsSinkTests.metricsService + ", report_counters_as_deltas: true, batch_size: 20, histogram_emit_mode: \(mode)")
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        let sum = {
            setting.families("http.h.downstream_rq_total").reduce(0.0) { sum, metric in
                guard case .bare(let text)? = metric["counter"]?["value"] else { return sum }
                return sum + (Double(text) ?? 0)
            }
        }
        #expect(waits { sum() == 3 })
        #expect(waits { setting.families("http.h.downstream_rq_total").contains { $0["counter"]?["value"] == JSON.bare("0.0") } })
        #expect(waits { !setting.families("http.h.downstream_rq_time", mode).isEmpty })
        #expect(setting.families("http.h.downstream_rq_time", mode == "SUMMARY" ? "HISTOGRAM" : "SUMMARY").isEmpty)
        for message in setting.receiver.lines("message") { #expect((message["body"]?["envoy_metrics"]?.array?.count ?? 0) <= 20) }
    }

    @Test func theLastFlushLeavesToo() throws {
        let setting = try serve(MetricsSinkTests.overGRPC, interval: "200s")
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        setting.served.process.signal(SIGTERM)
        #expect(setting.served.process.waitForExit(upToMs: 20_000) == 0)
        #expect(waits { setting.points("http.downstream_rq_total", "sum").contains { $0["as_int"]?.string == "3" } })
    }

    @Test(arguments: ["dead2", "empty", "nowhere"])
    func aServerThatIsAwayIsNoConcernOfTheClients(_ cluster: String) throws {
        let setting = try serve(MetricsSinkTests.metricsService.replacing(text: "cluster_name: grpc", by: "cluster_name: \(cluster)"))
        #expect(waits { (setting.served.admin.stats(matching: "stats_sinks").values.reduce(0, +)) > 0 })
        for _ in 0..<5 { #expect(try setting.served.get("/direct").status == 200) }
    }
}
