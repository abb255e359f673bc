import Glibc
import TestSupport
import Testing

/// SkyWalking's segments and Datadog's traces on their way: waiting, collectors that are away, rates.
/// That their contents are Envoy's shows `HeldSpansOracleTests`.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: TraceCollector.isInstalled, "needs PyPI's grpcio and opentelemetry-proto"))
struct HeldSpansTests {
    private struct Setting {
        let collector: TraceCollector
        let served: Served
    }

    private func serve(
        _ provider: String, tracing: String = "spawn_upstream_span: true", manager: String = "", change: (String) -> String = { $0 }
    ) throws -> Setting {
        let collector = try TraceCollector()
        let served = try Served(try Binary.martlet()) { port in
            var configuration = TracedConfiguration(listener: port, admin: 0, collector: collector, provider: provider)
            configuration.tracing = tracing
            configuration.manager = manager
            return change(configuration.yaml.split(separator: "\n").filter { !$0.hasPrefix("admin:") }.joined(separator: "\n"))
        }
        return Setting(collector: collector, served: served)
    }

    private func waits(_ body: () -> Bool) -> Bool { wait(upToMs: 10_000, everyMs: 20, until: body) }

    private func texts(_ span: JSON) -> [String: String] {
        Dictionary((span["tags"]?.array ?? []).map { ($0["key"]?.string ?? "", $0["value"]?.string ?? "") }) { $1 }
    }

    // MARK: SkyWalking

    @Test func aSegmentHoldsTheRequestAndItsTries() throws {
        let setting = try serve(TracedConfiguration.skyWalking + ", client_config: {backend_token: \"a%b\"}")
        #expect(try setting.served.get("/status/503").status == 503)
        #expect(waits { setting.collector.segments.count == 1 })
        let segment = try #require(setting.collector.segments.first)
        #expect(segment["service"]?.string == "c1" && segment["serviceInstance"]?.string == "n1")
        let spans = try #require(segment["spans"]?.array)
        #expect(spans.map { $0["spanType"]?.text() ?? "0" } == ["0", "1", "1", "1"])
        #expect(spans.first?["parentSpanId"] == .bare("-1") && spans.dropFirst().allSatisfy { texts($0)["retry.count"] != nil || $0["spanId"] == .bare("1") })
        #expect(setting.collector.streams.first?["headers"]?["authentication"]?.string == "a%b")
        // Another one on the same stream.
        #expect(try setting.served.get("/status/200").status == 200)
        #expect(waits { setting.collector.segments.count == 2 })
        #expect(setting.collector.streams.count == 1)
        #expect(setting.served.stat("tracing.skywalking.segments_sent", becomes: 2) == 2)
        #expect(setting.served.stat("tracing.skywalking.segments_dropped", becomes: 0) == 0)
    }

    /// Three attempts beside each other, and a mirror that outlives its request.
    @Test(arguments: ["/hedged", "/mirror"])
    func whateverIsBegunBelongsToTheSegment(_ path: String) throws {
        let setting = try serve(TracedConfiguration.skyWalking)
        #expect(try setting.served.get(path).status == 200)
        #expect(waits { !setting.collector.segments.isEmpty })
        let spans = setting.collector.segments.first?["spans"]?.array ?? []
        #expect(spans.count == 3 || path == "/hedged" && spans.count > 1, "\(spans)")
        #expect(spans.first?["spanId"] == nil, "the request's own is the first")
    }

    @Test func segmentsWaitForTheStream() throws {
        let setting = try serve(TracedConfiguration.skyWalking)
        // The collector ends the stream behind each of the first. Until it is open again, segments wait; how many, and whether
        // any, depends on when the end has come and how long the pause is.
        var asked = 0
        #expect(waits {
            for path in ["/status/200?hangup", "/direct", "/direct", "/direct"] { _ = try? setting.served.get(path) }
            asked += 4
            return (setting.served.admin.stats(matching: "skywalking")["tracing.skywalking.cache_flushed"] ?? 0) > 0
        })
        #expect(setting.served.stat("tracing.skywalking.segments_sent", becomes: asked) == asked)
        #expect((setting.served.admin.stats(matching: "skywalking")["tracing.skywalking.segments_flushed"] ?? 0) > 0)
        #expect(waits { setting.collector.streams.count >= 2 })
    }

    /// A cluster without hosts: its calls fail, and between two of them segments wait, as many as may.
    @Test func moreThanMayWaitIsDropped() throws {
        let setting = try serve(
            TracedConfiguration.skyWalking.replacing(text: "cluster_name: grpc", by: "cluster_name: empty") + ", client_config: {max_cache_size: 1}")
        #expect(waits {
            _ = try? setting.served.get("/direct")
            return (setting.served.admin.stats(matching: "skywalking")["tracing.skywalking.segments_dropped"] ?? 0) > 0
        })
    }

    @Test func whoseTraceItIsSaysTheCaller() throws {
        let log =
            "access_log: [{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format_source: {inline_string: \"LOG %REQ(:PATH)% %TRACE_ID% %SPAN_ID%\\n\"}}}}]"
        let setting = try serve(TracedConfiguration.skyWalking, manager: log)
        let sw8 = "1-dGlk-c2Vn-3-cHN2Yw==-cGluc3Q=-L2Vw-MS4yLjMuNDo4MA=="
        var client = RawClient(steps: [.send("GET /never HTTP/1.1\r\nhost: h\r\nsw8: \(sw8)\r\n\r\n")], methods: ["GET"])
        client.closeLimitMs = 0
        _ = try client.run(port: setting.served.listener)
        #expect(waits { setting.collector.segments.first?["traceId"]?.string == "tid" })
        #expect(setting.collector.segments.first?["spans"]?.array?.first?["refs"]?.array?.first?["parentService"]?.string == "psvc")
        #expect(setting.collector.field("sw8", of: "/never")?.hasPrefix("1-dGlk-") == true)
        // Its ids are none of the log's.
        #expect(waits { setting.served.process.output.contains("LOG /never - -") }, "\(setting.served.process.output)")
    }

    // MARK: Datadog

    private func number(_ json: JSON?) -> Double? { if case .bare(let text)? = json { Double(text) } else { nil } }

    @Test(.enabled(if: TraceCollector.readsMessagePack, "needs PyPI's msgpack"))
    func tracesLeaveTogether() throws {
        let setting = try serve(TracedConfiguration.datadog)
        for path in ["/status/503", "/never", "/mirror"] { _ = try setting.served.get(path) }
        #expect(waits { setting.collector.traces.count == 3 })
        let sizes = setting.collector.traces.map(\.count).sorted()
        #expect(sizes == [2, 3, 4], "every trace is told, kept or not")
        let roots = setting.collector.traces.compactMap(\.first)
        #expect(roots.allSatisfy { $0["trace_id"] == $0["span_id"] && $0["service"]?.string == "svc" && $0["meta"]?["language"]?.string == "swift" })
        #expect(roots.compactMap { number($0["metrics"]?["_sampling_priority_v1"]) }.sorted() == [-1, 1, 2])
        #expect(waits { (setting.served.admin.stats(matching: "datadog")["tracing.datadog.reports_sent"] ?? 0) >= 1 })
        let report = try #require(setting.collector.reports.first)
        #expect(report["path"]?.string == "/v0.4/traces" && report["headers"]?["content-type"]?.string == "application/msgpack")
        #expect(report["headers"]?["x-datadog-trace-count"]?.string == report["traces"]?.text())
    }

    @Test(.enabled(if: TraceCollector.readsMessagePack, "needs PyPI's msgpack"))
    func theAgentsRateIsFollowed() throws {
        let setting = try serve(TracedConfiguration.datadog + ", collector_hostname: rate.0")
        _ = try setting.served.get("/direct")
        #expect(waits { setting.collector.traces.count == 1 })
        #expect(number(setting.collector.traces.first?.first?["metrics"]?["_sampling_priority_v1"]) == 1, "nobody has said anything yet")
        #expect(setting.served.stat("tracing.datadog.reports_sent", becomes: 1) == 1)
        #expect(waits {
            _ = try? setting.served.get("/status/200")
            return setting.collector.requests.last?.fields.contains { $0.name == "x-datadog-sampling-priority" && $0.value == "0" } == true
        })
        #expect(setting.collector.requests.last?.fields.contains { $0.name == "x-datadog-tags" && $0.value.hasSuffix(",_dd.p.ksr=0") } == true)
        #expect(waits { setting.collector.traces.contains { number($0.first?["metrics"]?["_dd.agent_psr"]) == 0 } })
    }

    @Test(.enabled(if: TraceCollector.readsMessagePack, "needs PyPI's msgpack"))
    func anAgentThatRefusesIsCounted() throws {
        let setting = try serve(TracedConfiguration.datadog + ", collector_hostname: refuse.test")
        _ = try setting.served.get("/direct")
        #expect(setting.served.stat("tracing.datadog.reports_dropped", becomes: 1) == 1)
    }

    @Test func anAgentThatIsAwayIsNoConcernOfTheClients() throws {
        let setting = try serve(TracedConfiguration.datadog.replacing(text: "collector_cluster: collector", by: "collector_cluster: dead"))
        for _ in 0..<5 { #expect(try setting.served.get("/status/200").status == 200) }
        #expect(wait(upToMs: 10_000, everyMs: 20) {
            (setting.served.admin.stats(matching: "datadog")["tracing.datadog.reports_failed"] ?? 0) > 0
        })
    }
}
