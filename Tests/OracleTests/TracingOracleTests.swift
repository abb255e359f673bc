import TestSupport
import Testing

/// The same requests through Envoy 1.40 and through Martlet, each with a collector of its own: the same spans (names, kinds,
/// parents, tags, events) and the same heads at the upstream; not ids, times, and who made the span.
@Suite(.serialized, .enabled(if: TraceCollector.isInstalled, "needs PyPI's grpcio and opentelemetry-proto"))
struct TracingOracleTests {
    struct Setting: CustomStringConvertible, Sendable {
        let description: String
        let provider: String
        var direction = "INBOUND"
        var tracing = ""
        /// The expression asks of a try what a request alone has. Of such an error Envoy forgets the caller's `tracestate`
        /// (docs/tracing.md).
        var isErrorInTries = false
    }

    static let settings: [Setting] = [
        Setting(description: "otlp over gRPC, a hop", provider: TracedConfiguration.overGRPC, tracing: "spawn_upstream_span: true"),
        Setting(
            description: "otlp over HTTP, verbose", provider: TracedConfiguration.overHTTP, direction: "OUTBOUND",
            tracing: "verbose: true"),
        Setting(
            description: "otlp, operations", provider: TracedConfiguration.overGRPC,
            tracing: "spawn_upstream_span: true\n            operation: 'in %REQ(:PATH)%'\n            upstream_operation: 'out %UPSTREAM_CLUSTER_RAW%'\n            max_path_tag_length: 8"),
        Setting(
            description: "otlp, always_on",
            provider: TracedConfiguration.overGRPC + ", sampler: " + TracedConfiguration.sampler("always_on")),
        Setting(
            description: "otlp, always_on, a hop",
            provider: TracedConfiguration.overGRPC + ", sampler: " + TracedConfiguration.sampler("always_on"),
            tracing: "spawn_upstream_span: true"),
        Setting(
            description: "otlp, parent_based of a ratio",
            provider: TracedConfiguration.overGRPC + ", sampler: "
                + TracedConfiguration.sampler(
                    "parent_based",
                    "wrapped_sampler: " + TracedConfiguration.sampler("trace_id_ratio_based", "sampling_percentage: {numerator: 0}"))),
        Setting(
            description: "otlp, a ratio",
            provider: TracedConfiguration.overGRPC + ", sampler: "
                + TracedConfiguration.sampler("trace_id_ratio_based", "sampling_percentage: {numerator: 100}")),
        Setting(
            description: "otlp, an expression",
            provider: TracedConfiguration.overGRPC + ", sampler: " + TracedConfiguration.sampler("cel", "expression: {cel_expr_parsed: {\(ofStatus)}}")),
        Setting(
            description: "otlp, an expression that is checked, a hop",
            provider: TracedConfiguration.overGRPC + ", sampler: " + TracedConfiguration.sampler("cel", "expression: {cel_expr_checked: {\(outbound)}}"),
            direction: "OUTBOUND", tracing: "spawn_upstream_span: true", isErrorInTries: true),
        Setting(
            description: "otlp, an older expression, a hop",
            provider: TracedConfiguration.overGRPC + ", sampler: " + TracedConfiguration.sampler("cel", "expression: {parsed_expr: {\(ofStatus)}}"),
            tracing: "spawn_upstream_span: true", isErrorInTries: true),
        Setting(description: "zipkin, shared", provider: TracedConfiguration.zipkin("collector_endpoint_version: HTTP_JSON")),
        Setting(
            description: "zipkin, egress, not shared",
            provider: TracedConfiguration.zipkin("collector_endpoint_version: HTTP_JSON, shared_span_context: false"),
            direction: "OUTBOUND", tracing: "verbose: true"),
        Setting(
            description: "zipkin in protobuf, a hop, W3C",
            provider: TracedConfiguration.zipkin(
                "collector_endpoint_version: HTTP_PROTO, trace_id_128bit: true, trace_context_option: USE_B3_WITH_W3C_PROPAGATION"),
            tracing: "spawn_upstream_span: true"),
        Setting(
            description: "otlp, no propagation, a hop, who speaks is not told",
            provider: TracedConfiguration.overGRPC
                + ", set_telemetry_sdk_resource_attributes: false, set_service_name_resource_attribute: false, set_instrumentation_scope: false",
            tracing: "spawn_upstream_span: true\n            no_context_propagation: true"),
        Setting(
            description: "otlp, no propagation, a scope and a service", provider: TracedConfiguration.overHTTP + ", set_telemetry_sdk_resource_attributes: false",
            direction: "OUTBOUND", tracing: "no_context_propagation: true"),
        Setting(
            description: "zipkin, dated, no propagation, W3C",
            provider: TracedConfiguration.zipkin(
                "collector_endpoint_version: HTTP_JSON, timestamp_trace_ids: true, trace_context_option: USE_B3_WITH_W3C_PROPAGATION"),
            tracing: "no_context_propagation: true"),
        Setting(
            description: "zipkin, dated, 128 bits, a hop",
            provider: TracedConfiguration.zipkin("collector_endpoint_version: HTTP_JSON, timestamp_trace_ids: true, trace_id_128bit: true"),
            tracing: "spawn_upstream_span: true"),
    ]

    /// `request.path.startsWith('/status')`, `xds.listener_direction == 2 && !(request.method == 'POST')`
    private static let ofStatus =
        "expr: {call_expr: {target: {select_expr: {operand: {ident_expr: {name: request}}, field: path}}, function: startsWith, args: [{const_expr: {string_value: /status}}]}}"
    private static let outbound =
        "expr: {call_expr: {function: _&&_, args: [{call_expr: {function: _==_, args: [{select_expr: {operand: {ident_expr: {name: xds}}, field: listener_direction}}, {const_expr: {int64_value: 2}}]}}, {call_expr: {function: '!_', args: [{call_expr: {function: _==_, args: [{select_expr: {operand: {ident_expr: {name: request}}, field: method}}, {const_expr: {string_value: POST}}]}}]}}]}}"

    private static let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

    /// Paths are told apart by their queries.
    static let requests: [(path: String, fields: [String])] = {
        let b3 = ["x-b3-traceid: 0af7651916cd43dd", "x-b3-spanid: b7ad6b7169203331"]
        let single = "b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
        return [
            ("/status/200?plain", ["x-tag: t", "x-tag2: t2"]), ("/status/404", []), ("/status/503", []),
            ("/direct", []), ("/dead", []), ("/nohost", []), ("/never", []), ("/slow/600", []), ("/hedged", []), ("/mirror", []), ("/quiet", []),
            ("/rewritten", ["user-agent: ua", "x-client-trace-id: cc"]),
            ("/operation/told", []), ("/operation/told?asked", ["x-envoy-decorator-operation: asked"]),
            ("/never?forced", ["x-envoy-force-trace: 1", "x-forwarded-for: 127.0.0.1"]),
            ("/never?client", ["x-client-trace-id: cc"]),
            ("/status/200?sampled", ["x-request-id: 11111111-1111-9111-1111-111111111111"]),
            ("/never?packed", ["x-request-id: 11111111-1111-9111-1111-111111111111"]),
            ("/status/200?nonsense", ["x-request-id: nonsense"]),
            ("/status/200?w3c1", ["traceparent: \(traceparent)-01", "tracestate: a=b", "tracestate: c=d"]),
            ("/status/200?w3c0", ["traceparent: \(traceparent)-00"]), ("/never?w3c1", ["traceparent: \(traceparent)-01"]),
            ("/status/200?w3cbad", ["traceparent: \(traceparent)"]),
            ("/status/200?w3czero", ["traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01"]),
            ("/status/200?ratio", ["traceparent: 00-99999999999999990000000000000001-b7ad6b7169203331-01"]),
            ("/status/200?b3", b3 + ["x-b3-sampled: 1"]),
            ("/status/200?b3parent", b3 + ["x-b3-parentspanid: 00ad6b7169203331", "x-b3-sampled: 0"]),
            ("/status/200?b3none", b3 + ["x-b3-parentspanid: 00ad6b7169203331"]), ("/never?b3", b3 + ["x-b3-sampled: 1"]),
            ("/status/200?b3flags", ["x-b3-flags: 1"]), ("/status/200?b3only", ["x-b3-traceid: 0af7651916cd43dd"]),
            ("/status/200?b3single", [single + "-1-00ad6b7169203331"]), ("/status/200?b3single0", ["b3: 0"]),
            ("/status/200?b3singled", [single + "-d"]), ("/status/200?b3bad", ["b3: zz"]),
            ("/grpc/0", ["content-type: application/grpc", "grpc-timeout: 1S"]),
        ] + [1, 2, 4, 5, 8, 13, 16].map { ("/grpc/\($0)", ["content-type: application/grpc"]) }
    }()

    @Test(arguments: settings)
    func spansAreEnvoys(_ setting: Setting) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try outcome(envoy, ["--disable-hot-restart", "-l", "error"], setting)
        let found = try outcome(martlet, [], setting)
        #expect(!expected.spans.isEmpty, "Envoy made spans")
        for line in expected.spans where !found.spans.contains(line) { Issue.record("only Envoy's: \(line)") }
        for line in found.spans where !expected.spans.contains(line) { Issue.record("only Martlet's: \(line)") }
        #expect(expected.spans.count == found.spans.count)
        for (theirs, ours) in zip(expected.heads, found.heads) {
            let isForgotten = setting.isErrorInTries && theirs.hasSuffix("tracestate ") && ours.hasSuffix("tracestate a=b,c=d")
            #expect(theirs + (isForgotten ? "a=b,c=d" : "") == ours)
        }
        #expect(expected.heads.count == found.heads.count)
        #expect(expected.statistics == found.statistics)
    }

    private struct Outcome {
        var spans: [String]
        var heads: [String]
        var statistics: [String]
    }

    private func outcome(_ binary: String, _ options: [String], _ setting: Setting) throws -> Outcome {
        let collector = try TraceCollector()
        var configuration = TracedConfiguration(
            listener: Ports.free(), admin: Ports.free(), collector: collector, provider: setting.provider)
        configuration.direction = setting.direction
        configuration.tracing = setting.tracing
        let directory = TemporaryDirectory()
        let file = directory.write(configuration.yaml, to: "config.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: configuration.admin), "\(process.output)")
        for request in TracingOracleTests.requests {
            var client = RawClient(
                steps: [.send("GET \(request.path) HTTP/1.1\r\nhost: h.test\r\n\(request.fields.map { $0 + "\r\n" }.joined())\r\n")],
                methods: ["GET"])
            client.closeLimitMs = 0
            _ = try client.run(port: configuration.listener)
        }
        let admin = Admin(port: configuration.admin)
        // What is sent has arrived, and nothing more is on its way.
        let prefix = setting.provider.contains("Zipkin") ? "tracing.zipkin." : "tracing.opentelemetry."
        var sent = -1
        _ = wait(upToMs: 10_000, everyMs: 300) {
            let now = admin.stats(matching: "spans_sent")[prefix + "spans_sent"] ?? 0
            defer { sent = now }
            return now == sent && collector.spans.count >= now
        }
        let names = ["client_enabled", "health_check", "not_traceable", "random_sampling", "service_forced"]
        let statistics = admin.stats(matching: "tracing")
        // Envoy writes the bytes of span ids into protobuf from the last to the first, those of trace ids as they are.
        let isEnvoy = !options.isEmpty
        let spans = isEnvoy ? collector.spans.map(\.withIDsTurnedRound) : collector.spans
        return Outcome(
            spans: describe(spans, collector).sorted(), heads: heads(collector).sorted(),
            statistics: names.map { "\($0) \(statistics["http.h.tracing." + $0] ?? -1)" }
                + ["sent \(statistics[prefix + "spans_sent"] ?? -1)"])
    }

    private func describe(_ spans: [TraceCollector.Span], _ collector: TraceCollector) -> [String] {
        spans.map { span in
            let parents = spans.filter { $0.trace == span.trace && $0.id == span.parent && $0.id != span.id }
            let parent =
                span.parent.isEmpty ? "none" : parents.first.map { "span of " + $0.path }
                    ?? (TracingOracleTests.isGiven(span.parent) ? span.parent : "unknown")
            let trace = TracingOracleTests.isGiven(span.trace) ? span.trace : "new \(span.trace.count)"
            // Who made it: which attributes, whatever they say.
            let maker = ["\(span.json["scope"]?.string ?? "")"] + (span.json["resource"]?.members ?? []).map(\.name).sorted()
            let id = TracingOracleTests.isGiven(span.id) ? span.id : span.trace.hasSuffix(span.id) ? "the trace's" : "new"
            let tags = (span.json["tags"]?.members ?? []).map { tag in
                let value = tag.value.string ?? ""
                let isID = tag.name == "guid:x-request-id" && !value.hasPrefix("11111111-1111-") && value != "nonsense"
                return "\(tag.name)=\(isID ? "ID" : value.replacing(":\(collector.upstream)", by: ":UP"))"
            }
            let more = ["isError", "shared", "repeated"].compactMap { name in span.json[name].map { "\(name) \($0.text())" } }
            let endpoint = span.json["endpoint"]?.sorted.text().split(separator: "\n").joined() ?? ""
            return "\(span.name) \(span.kind) parent=\(parent) trace=\(trace) id=\(id) state=\(span.state) \(more) \(endpoint) \(maker) "
                + "\(tags.sorted()) \(span.events)"
        }
    }

    /// Ids that the requests bring along.
    private static func isGiven(_ id: String) -> Bool {
        id.contains("0af7651916cd43dd") || id == "b7ad6b7169203331" || id == "00ad6b7169203331" || id.hasPrefix("99999999")
    }

    private func heads(_ collector: TraceCollector) -> [String] {
        collector.requests.map { path, fields in
            path + " "
                + fields.map { name, value in
                    switch name {
                    case "traceparent":
                        let parts = value.split(separator: "-", omittingEmptySubsequences: false)
                        return parts.count == 4
                            ? "traceparent \(TracingOracleTests.isGiven(String(parts[1])) ? parts[1] : "new") \(parts[3])" : value
                    case "x-request-id": return "x-request-id \(value.dropFirst(14).prefix(1))"
                    case "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid":
                        return "\(name) \(TracingOracleTests.isGiven(value) ? value : "new \(value.count)")"
                    case "b3":
                        return "b3 "
                            + value.split(separator: "-").map { TracingOracleTests.isGiven(String($0)) || $0.count < 3 ? String($0) : "new" }
                            .joined(separator: "-")
                    case "x-envoy-expected-rq-timeout-ms": return name
                    default: return "\(name) \(value)"
                    }
                }.joined(separator: "; ")
        }
    }
}

extension TraceCollector.Span {
    fileprivate var withIDsTurnedRound: TraceCollector.Span {
        guard json["via"]?.string == "proto", let members = json.members else { return self }
        return TraceCollector.Span(
            .object(
                members.map { name, value in
                    guard name == "id" || name == "parent", let text = value.string else { return (name, value) }
                    let digits = Array(text)
                    let turned = stride(from: digits.count - 2, through: 0, by: -2).map { String(digits[$0...($0 + 1)]) }
                    return (name, .string(turned.joined()))
                }))
    }
}

extension String {
    fileprivate func replacing(_ part: String, by other: String) -> String {
        guard hasSuffix(part) else { return self }
        return dropLast(part.count) + other
    }
}
