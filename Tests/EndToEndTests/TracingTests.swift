import Glibc
import TestSupport
import Testing

/// Spans and what becomes of them: sending, waiting, collectors that are away, and what the logs say.
/// That their contents are Envoy's shows `TracingOracleTests`.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: TraceCollector.isInstalled, "needs PyPI's grpcio and opentelemetry-proto"))
struct TracingTests {
    private struct Setting {
        let collector: TraceCollector
        let served: Served
    }

    private func serve(
        _ provider: String, runtime: String = "tracing.opentelemetry.min_flush_spans: 1, tracing.zipkin.min_flush_spans: 1",
        tracing: String = "", manager: String = "", change: (String) -> String = { $0 }
    ) throws -> Setting {
        let collector = try TraceCollector()
        let served = try Served(try Binary.martlet()) { port in
            var configuration = TracedConfiguration(listener: port, admin: 0, collector: collector, provider: provider)
            configuration.runtime = runtime
            configuration.tracing = tracing
            configuration.manager = manager
            // `Served` adds an admin address of its own.
            return change(configuration.yaml.split(separator: "\n").filter { !$0.hasPrefix("admin:") }.joined(separator: "\n"))
        }
        return Setting(collector: collector, served: served)
    }

    /// What the environment says of the resource.
    @Test func theEnvironmentIsRead() throws {
        let directory = TemporaryDirectory()
        let tracer = "{\"@type\": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig, grpc_service: {envoy_grpc: {cluster_name: c}}, resource_detectors: [{name: e, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig}}]}"
        let yaml = Served.http(1, clusters: [Served.cluster([1])]).replacing("route_config:", "tracing: {provider: {name: t, typed_config: \(tracer)}}\n          route_config:")
        let file = directory.write(yaml, to: "martlet.yaml")
        let process = try Binary.martlet().start(["--mode", "validate", "-c", file], environment: ["OTEL_RESOURCE_ATTRIBUTES": "a=b,nothing,c=d=e"])
        #expect(process.waitForExit(upToMs: 10_000) == 0, "\(process.output)")
    }

    @Test(arguments: [TracedConfiguration.overGRPC, TracedConfiguration.overHTTP])
    func aSpanPerRequest(_ provider: String) throws {
        let setting = try serve(provider)
        #expect(try setting.served.get("/status/200").status == 200)
        let span = try #require(setting.collector.spans(1).first)
        #expect(span.name == "ingress" && span.kind == "SERVER" && span.parent.isEmpty && span.tag("http.status_code") == "200")
        #expect(span.trace.count == 32 && span.id.count == 16)
        let age = try #require(span.json["age"].flatMap { if case .bare(let text) = $0 { Double(text) } else { nil } })
        #expect(age > -1 && age < 60, "the clock is the day's")
        let told = try #require(setting.collector.field("traceparent", of: "/status/200"))
        #expect(told == "00-\(span.trace)-\(span.id)-01")
        #expect(setting.served.stat("tracing.opentelemetry.spans_sent", becomes: 1) == 1)
        let report = try #require(setting.collector.reports.first)
        if report["via"]?.string == "http" {
            #expect(report["path"]?.string == "/v1/traces" && report["headers"]?["host"]?.string == "coll.test:4318")
            #expect(report["headers"]?["content-type"]?.string == "application/x-protobuf")
        }
        let resource = try #require(span.json["resource"])
        #expect(resource["service.name"]?.string == (provider == TracedConfiguration.overGRPC ? "svc" : "unknown_service:envoy"))
    }

    /// `timestamp_trace_ids`: the first four bytes are the second in which the trace began; the rest is chance.
    @Test(arguments: [false, true])
    func idsSayWhenTheirTraceBegan(has128Bits: Bool) throws {
        let setting = try serve(
            TracedConfiguration.zipkin("collector_endpoint_version: HTTP_JSON, timestamp_trace_ids: true, trace_id_128bit: \(has128Bits)"))
        let before = time(nil)
        for _ in 0..<2 { #expect(try setting.served.get("/status/200").status == 200) }
        let spans = setting.collector.spans(2)
        let seconds = spans.compactMap { Int($0.trace.prefix(8), radix: 16) }
        #expect(spans.allSatisfy { $0.trace.count == (has128Bits ? 32 : 16) })
        #expect(seconds.count == 2 && seconds.allSatisfy { $0 >= before && $0 <= time(nil) }, "\(spans.map(\.trace))")
        #expect(Set(spans.map { $0.trace.dropFirst(8) }).count == 2)
        // The first span's id is the half of the trace's that has no time in it.
        #expect(spans.allSatisfy { $0.trace.hasSuffix($0.id) == has128Bits })
    }

    /// `no_context_propagation`: spans are recorded, and the upstream gets what the caller said.
    @Test(arguments: [TracedConfiguration.overGRPC, TracedConfiguration.zipkin("collector_endpoint_version: HTTP_JSON"), TracedConfiguration.datadog])
    func theUpstreamIsToldNothing(_ provider: String) throws {
        let setting = try serve(provider, tracing: "spawn_upstream_span: true\n            no_context_propagation: true")
        #expect(try setting.served.get("/status/200").status == 200)
        let names = ["traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-datadog-trace-id"]
        for name in names { #expect(setting.collector.field(name, of: "/status/200") == nil, "\(name)") }
        if provider == TracedConfiguration.overGRPC { #expect(setting.collector.spans(2).count == 2) }
    }

    @Test func triesHaveSpansOfTheirOwn() throws {
        // All in one report: several may overtake each other.
        let setting = try serve(
            TracedConfiguration.overGRPC, runtime: "tracing.opentelemetry.min_flush_spans: 4", tracing: "spawn_upstream_span: true")
        #expect(try setting.served.get("/status/503").status == 503)
        let spans = setting.collector.spans(4)
        let root = try #require(spans.first { $0.kind == "SERVER" })
        let tries = spans.filter { $0.kind == "CLIENT" }
        #expect(tries.map { $0.tag("retry.count") } == [nil, "1", "2"])
        #expect(tries.allSatisfy { $0.parent == root.id && $0.trace == root.trace && $0.isError })
        // Each try told the upstream its own id.
        let told = setting.collector.requests.compactMap { $0.fields.first { $0.name == "traceparent" }?.value }
        #expect(told == tries.map { "00-\($0.trace)-\($0.id)-01" })
    }

    @Test func spansWaitForOthers() throws {
        let setting = try serve(
            TracedConfiguration.overGRPC,
            runtime: "tracing.opentelemetry.min_flush_spans: 3, tracing.opentelemetry.flush_interval_ms: 600000")
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        #expect(setting.collector.spans(3).count == 3)
        #expect(wait(upToMs: 10_000, everyMs: 20) { !setting.collector.reports.isEmpty })
        #expect(setting.collector.reports.first?["spans"] == .bare("3"))
        #expect(setting.served.stat("tracing.opentelemetry.timer_flushed", becomes: 0) == 0)
    }

    @Test func spansWaitNoLongerThanTheTimer() throws {
        let setting = try serve(
            TracedConfiguration.overGRPC,
            runtime: "tracing.opentelemetry.min_flush_spans: 100, tracing.opentelemetry.flush_interval_ms: 200")
        for round in 1...2 {
            _ = try setting.served.get("/direct")
            #expect(setting.collector.spans(round).count == round)
        }
        #expect(setting.served.stat("tracing.opentelemetry.timer_flushed", becomes: 2) == 2)
    }

    /// Whatever is still to wait for: the process waits for the collector, not for the interval.
    @Test func spansThatWaitLeaveAtTheEnd() throws {
        let setting = try serve(
            TracedConfiguration.overGRPC,
            runtime: "tracing.opentelemetry.min_flush_spans: 100, tracing.opentelemetry.flush_interval_ms: 600000")
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        #expect(setting.collector.spans.isEmpty)
        setting.served.process.signal(SIGTERM)
        #expect(setting.served.process.waitForExit(upToMs: 20_000) == 0)
        #expect(setting.collector.spans(3).count == 3)
    }

    /// A collector that never answers holds the end up for two seconds, and no longer.
    @Test func aCollectorThatIsSilentDoesNotHoldTheEndUp() throws {
        let port = Ports.free()
        let silent = try Sockets.listen(port: port)
        defer { silent.close() }
        let setting = try serve(
            TracedConfiguration.overGRPC.replacing("cluster_name: grpc", "cluster_name: dead"),
            runtime: "tracing.opentelemetry.min_flush_spans: 100, tracing.opentelemetry.flush_interval_ms: 600000"
        ) { $0.replacing("port_value: 1}", "port_value: \(port)}") }
        _ = try setting.served.get("/direct")
        setting.served.process.signal(SIGTERM)
        #expect(setting.served.process.waitForExit(upToMs: 20_000) == 0)
    }

    @Test func moreThanMayWaitIsDropped() throws {
        let setting = try serve(
            TracedConfiguration.overGRPC + ", max_cache_size: 2",
            runtime: "tracing.opentelemetry.min_flush_spans: 100, tracing.opentelemetry.flush_interval_ms: 60000")
        for _ in 0..<5 { _ = try setting.served.get("/direct") }
        #expect(setting.served.stat("tracing.opentelemetry.spans_dropped", becomes: 3) == 3)
    }

    @Test func aCollectorThatIsAwayIsNoConcernOfTheClients() throws {
        let provider = TracedConfiguration.zipkin("collector_endpoint_version: HTTP_JSON")
            .replacing("collector_cluster: collector", "collector_cluster: dead")
        let setting = try serve(provider)
        for _ in 0..<20 { #expect(try setting.served.get("/status/200").status == 200) }
        #expect(setting.served.stat("tracing.zipkin.reports_failed", becomes: 20) == 20)
        #expect(setting.served.stat("tracing.zipkin.spans_sent", becomes: 20) == 20)
    }

    @Test func aCollectorThatRefusesIsCounted() throws {
        let provider = TracedConfiguration.zipkin("collector_endpoint_version: HTTP_PROTO")
            .replacing("/api/v2/spans", "/refuse/spans")
        let setting = try serve(provider)
        #expect(try setting.served.get("/status/200").status == 200)
        #expect(setting.served.stat("tracing.zipkin.reports_dropped", becomes: 1) == 1)
        #expect(setting.collector.spans(1).first?.json["via"] == .string("proto"))
    }

    @Test func logsNameTheSpan() throws {
        let log =
            "access_log: [{name: l, filter: {traceable_filter: {}}, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format_source: {inline_string: \"LOG %REQ(:PATH)% %TRACE_ID% %SPAN_ID%\\n\"}}}}]"
        let setting = try serve(TracedConfiguration.overGRPC, manager: log)
        _ = try setting.served.get("/never")
        _ = try setting.served.get("/status/200")
        let span = try #require(setting.collector.spans(1).first)
        let line = "LOG /status/200 \(span.trace) \(span.id)"
        #expect(wait(upToMs: 10_000, everyMs: 20) { setting.served.process.output.contains(line) }, "\(setting.served.process.output)")
        #expect(!setting.served.process.output.contains("LOG /never"))
    }

    /// What waits belongs to the old configuration, and is sent all the same.
    @Test func spansOutliveTheirListenersConfiguration() throws {
        let setting = try serve(
            TracedConfiguration.overGRPC,
            runtime: "tracing.opentelemetry.min_flush_spans: 100, tracing.opentelemetry.flush_interval_ms: 1500")
        _ = try setting.served.get("/direct")
        let text = try #require(Files.text(setting.served.file)).replacing("stat_prefix: h", "stat_prefix: other")
        Files.write(Array(text.utf8), to: setting.served.file)
        setting.served.process.signal(SIGHUP)
        #expect(wait(upToMs: 10_000, everyMs: 20) { (try? setting.served.get("/direct")) != nil
            && (setting.served.admin.stats(matching: "http.other.downstream_rq_total")["http.other.downstream_rq_total"] ?? 0) > 0 })
        #expect(setting.collector.spans(2).count >= 2)
        #expect(try setting.served.get("/status/200").status == 200)
    }

    @Test func requestsOfHTTP2() throws {
        let setting = try serve(TracedConfiguration.overGRPC)
        let run = try Shell.run("curl -s --http2-prior-knowledge -o /dev/null http://127.0.0.1:\(setting.served.listener)/status/200")
        #expect(run.status == 0)
        #expect(setting.collector.spans(1).first?.tag("http.protocol") == "HTTP/2")
    }
}

extension String {
    fileprivate func replacing(_ part: String, _ other: String) -> String {
        var pieces: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: part) {
            pieces.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return (pieces + [rest]).map { String($0) }.joined(separator: other)
    }
}
