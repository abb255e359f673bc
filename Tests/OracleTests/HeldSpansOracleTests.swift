import TestSupport
import Testing

/// SkyWalking's segments and Datadog's traces: the same requests through Envoy 1.40 and through Martlet, each with a collector
/// of its own. Compared is all that the collector and the upstream get, but ids that are made up, times, and who made the spans.
@Suite(.serialized, .enabled(if: TraceCollector.isInstalled, "needs PyPI's grpcio and opentelemetry-proto"))
struct HeldSpansOracleTests {
    struct Setting: CustomStringConvertible, Sendable {
        let description: String
        let provider: String
        var direction = "INBOUND"
        var tracing = ""
        var isDatadog: Bool { provider.contains("Datadog") }
    }

    static let settings: [Setting] = [
        Setting(description: "skywalking", provider: TracedConfiguration.skyWalking),
        Setting(
            description: "skywalking, a hop", provider: TracedConfiguration.skyWalking + ", client_config: {service_name: sv, instance_name: in}",
            tracing: "spawn_upstream_span: true"),
        Setting(
            description: "skywalking, a hop, egress, operations", provider: TracedConfiguration.skyWalking, direction: "OUTBOUND",
            tracing:
                "spawn_upstream_span: true\n            verbose: true\n            operation: 'in %REQ(:PATH)%'\n            upstream_operation: 'out %UPSTREAM_CLUSTER_RAW%'"),
        Setting(description: "datadog", provider: TracedConfiguration.datadog),
        Setting(
            description: "datadog, a hop", provider: TracedConfiguration.datadog + ", collector_hostname: agent.test",
            tracing: "spawn_upstream_span: true"),
        Setting(
            description: "datadog, a hop, egress, operations", provider: TracedConfiguration.datadog, direction: "OUTBOUND",
            tracing:
                "spawn_upstream_span: true\n            verbose: true\n            operation: 'in %REQ(:PATH)%'\n            upstream_operation: 'out %UPSTREAM_CLUSTER_RAW%'"),
    ]

    /// What both have in common. Attempts beside each other are told of when they end, which is a matter of time.
    static let plain: [(path: String, fields: [String])] = [
        ("/status/200?plain", ["x-tag: t", "x-tag2: t2"]), ("/status/404", []), ("/status/503", []), ("/direct", []), ("/dead", []),
        ("/nohost", []), ("/never", []), ("/slow/600", []), ("/mirror", []), ("/quiet", []),
        ("/rewritten", ["user-agent: ua", "x-client-trace-id: cc"]), ("/operation/told", []),
        ("/operation/told?asked", ["x-envoy-decorator-operation: asked"]), ("/never?client", ["x-client-trace-id: cc"]),
        ("/status/200?nonsense", ["x-request-id: nonsense"]), ("/grpc/0", ["content-type: application/grpc", "grpc-timeout: 1S"]),
        ("/grpc/5", ["content-type: application/grpc"]), ("/grpc/13", ["content-type: application/grpc"]),
    ]

    /// Not among them: a ninth, empty field, or one of eight dashes, which end Envoy's process.
    static let skyWalking: [(path: String, fields: [String])] = {
        let tail = "cHN2Yw==-cGluc3Q=-L2Vw-MS4yLjMuNDo4MA=="
        return [
            ("/status/200?sw", ["sw8: 1-dGlk-c2Vn-3-" + tail]), ("/status/200?zero", ["sw8: 0-dGlk-c2Vn-0-" + tail]),
            ("/never?sw", ["sw8: 1-dGlk-c2Vn-3-" + tail]), ("/mirror?sw", ["sw8: 1-dGlk-c2Vn-3-" + tail]),
            ("/status/200?bad", ["sw8: x"]), ("/never?bad", ["sw8: x"]), ("/status/200?flag", ["sw8: 2-dGlk-c2Vn-3-" + tail]),
            ("/status/200?number", ["sw8: 1-dGlk-c2Vn-x-" + tail]), ("/status/200?half", ["sw8: 1-dGlk-c2Vn-12x-" + tail]),
            ("/status/200?unpadded", ["sw8: 1-dGlk-c2Vn-4-cHN2Yw-cGluc3Q-L2Vw-MS4yLjMuNDo4MA"]),
            ("/status/200?notbase64", ["sw8: 1-dGlk-c2V!-4-cHN2Yw-cGluc3Q-L2Vw-MS4yLjMuNDo4MA"]),
            ("/status/200?empty", ["sw8: 1---4----"]), ("/status/200?none", ["sw8: "]), ("/status/200?x", ["sw8-x: 1"]),
        ]
    }()

    static let datadog: [(path: String, fields: [String])] = {
        let own = ["x-datadog-trace-id: 1234567890", "x-datadog-parent-id: 987654"]
        let one = ["x-datadog-trace-id: 55", "x-datadog-parent-id: 7"]
        let first = "x-datadog-sampling-priority: 1"
        let w3c = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"
        let same = "traceparent: 00-000000000000000000000000499602d2-00000000000000ff-01"
        return [
            ("/status/200?dd", own + [first, "x-datadog-origin: synth", "x-datadog-tags: _dd.p.foo=bar,_dd.p.tid=0000000000000abc"]),
            ("/status/200?dd0", own + ["x-datadog-sampling-priority: 0"]), ("/status/200?undecided", own), ("/never?undecided", own),
            ("/never?dd", own + ["x-datadog-sampling-priority: 2"]), ("/mirror?dd", own + [first, "x-datadog-tags: _dd.p.dm=-3,_dd.p.a=b"]),
            ("/status/200?99", one + ["x-datadog-sampling-priority: 99"]), ("/status/200?-1", one + ["x-datadog-sampling-priority: -1"]),
            ("/status/200?priority", one + ["x-datadog-sampling-priority: x"]),
            ("/status/200?both", own + [
                first, "x-datadog-tags: _dd.p.tid=0000000000000abc",
                "traceparent: 00-0000000000000abc00000000499602d2-00000000000000ff-01", "tracestate: x=y,dd=s:1;p:00000000000000aa;t.dm:-0;z:9"]),
            ("/status/200?bothplain", own + [first, same]),
            ("/status/200?bothsame", own + [
                first, "traceparent: 00-000000000000000000000000499602d2-00000000000f1206-01", "tracestate: x=y,dd=s:2;t.usr.id:a~b;o:qq"]),
            ("/status/200?bothdiffer", own + [first, w3c + "1"]),
            ("/status/200?traceonly", ["x-datadog-trace-id: 1234567890"]), ("/status/200?parentonly", ["x-datadog-parent-id: 987654"]),
            ("/status/200?origin", ["x-datadog-trace-id: 1234567890", "x-datadog-origin: oo"]),
            ("/status/200?zero", ["x-datadog-trace-id: 0", "x-datadog-parent-id: 987654"]),
            ("/status/200?parentzero", ["x-datadog-trace-id: 55", "x-datadog-parent-id: 0"]),
            ("/status/200?overflow", ["x-datadog-trace-id: 99999999999999999999999", "x-datadog-parent-id: 7"]),
            ("/status/200?negative", ["x-datadog-trace-id: -5", "x-datadog-parent-id: 7"]),
            ("/status/200?parentbad", ["x-datadog-trace-id: 55", "x-datadog-parent-id: x"]),
            ("/status/200?tidbad", one + ["x-datadog-tags: _dd.p.tid=xyz,_dd.p.a=b"]),
            ("/status/200?tidzero", one + ["x-datadog-tags: _dd.p.tid=0000000000000000,_dd.p.a=b"]),
            ("/status/200?tagsbad", one + ["x-datadog-tags: nonsense"]), ("/status/200?tagsnone", one + ["x-datadog-tags: "]),
            ("/status/200?tagsbadtold", one + [first, "x-datadog-tags: nonsense"]),
            ("/status/200?tagsothers", one + ["x-datadog-tags: foo=bar,_dd.p.k=v=w,_dd.p.dm=-3,_dd.other=1"]),
            ("/status/200?tagslong", one + ["x-datadog-tags: _dd.p.k=" + String(repeating: "v", count: 520)]),
            ("/status/200?tagsuntold", one + ["x-datadog-tags: _dd.p.k=" + String(repeating: "v", count: 500)]),
            ("/status/200?tagsmember", one + ["x-datadog-tags: _dd.p.k=" + String(repeating: "v", count: 300) + ",_dd.p.l=m"]),
            ("/status/200?signs", own + ["x-datadog-origin: a=b,c;d~e", "x-datadog-tags: _dd.p.w=a~b=c"]),
            ("/status/200?w3c", [w3c + "1", "tracestate: a=b,dd=s:2;o:rum;t.dm:-4;p:00ad6b7169203331"]), ("/status/200?w3c0", [w3c + "0"]),
            ("/never?w3c", [w3c + "1"]), ("/status/200?w3cbad", ["traceparent: xx"]),
            ("/status/200?w3cff", ["traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]),
            ("/status/200?w3c01", ["traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-xx"]),
            ("/status/200?w3czero", ["traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01"]),
            ("/status/200?w3cupper", ["traceparent: 00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]),
            ("/status/200?state1", [w3c + "1", "tracestate: dd=s:-1;o:a~b;t.dm:-4;t.x_y:q~r"]),
            ("/status/200?state2", [w3c + "0", "tracestate: a=b,dd=s:2;unk:zz;t.dm:-4,c=d"]),
            ("/status/200?state3", [w3c + "1", "tracestate: a=b", "tracestate: c=d"]),
            ("/status/200?state4", [w3c + "0", "tracestate: dd=s:x"]),
        ]
    }()

    @Test(arguments: settings)
    func whatTheCollectorGetsIsEnvoys(_ setting: Setting) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet(),
            !setting.isDatadog || TraceCollector.readsMessagePack
        else { return }
        let expected = try outcome(envoy, ["--disable-hot-restart", "-l", "off"], setting)
        let found = try outcome(martlet, [], setting)
        #expect(expected.spans.count > 10, "Envoy made spans")
        for line in expected.spans where !found.spans.contains(line) { Issue.record("only Envoy's: \(line)") }
        for line in found.spans where !expected.spans.contains(line) { Issue.record("only Martlet's: \(line)") }
        #expect(expected.spans.count == found.spans.count)
        for (theirs, ours) in zip(expected.heads, found.heads) { #expect(theirs == ours) }
        #expect(expected.heads.count == found.heads.count)
        #expect(expected.statistics == found.statistics)
        #expect(expected.hosts == found.hosts)
    }

    private struct Outcome {
        var spans: [String]
        var heads: [String]
        var statistics: [String]
        var hosts: Set<String>
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
        let requests = HeldSpansOracleTests.plain + (setting.isDatadog ? HeldSpansOracleTests.datadog : HeldSpansOracleTests.skyWalking)
        for request in requests {
            var client = RawClient(
                steps: [.send("GET \(request.path) HTTP/1.1\r\nhost: h.test\r\n\(request.fields.map { $0 + "\r\n" }.joined())\r\n")],
                methods: ["GET"])
            client.closeLimitMs = 0
            _ = try client.run(port: configuration.listener)
        }
        // What is sent has arrived, and nothing more is on its way.
        var before = -1
        _ = wait(upToMs: 20_000, everyMs: 1000) {
            let now = setting.isDatadog ? collector.traces.count : collector.segments.count
            defer { before = now }
            return now == before && now >= (setting.isDatadog ? requests.count : 20)
        }
        let statistics = Admin(port: configuration.admin).stats(matching: "tracing")
        let names = ["client_enabled", "health_check", "not_traceable", "random_sampling", "service_forced"].map { "http.h.tracing." + $0 }
            + (setting.isDatadog
                ? ["reports_dropped", "reports_failed", "reports_skipped_no_cluster"].map { "tracing.datadog." + $0 }
                : ["segments_dropped", "segments_sent"].map { "tracing.skywalking." + $0 })
        let trim = Trim(upstream: collector.upstream)
        return Outcome(
            spans: (setting.isDatadog ? collector.traces.map(trim.trace) : collector.segments.map(trim.segment)).sorted(),
            heads: collector.requests.map { trim.head($0.path, $0.fields) }.sorted(),
            statistics: names.map { "\($0) \(statistics[$0] ?? -1)" },
            hosts: Set(collector.reports.compactMap { $0["headers"]?["host"]?.string }))
    }
}

/// Leaves out what cannot be the same.
private struct Trim {
    let upstream: UInt16
    /// Ids that the requests bring along.
    static let given: Set<String> = [
        "1234567890", "987654", "55", "7", "255", "0", "9532127138774266268", "13235353014750950193", "b7ad6b7169203331",
        "00ad6b7169203331", "00000000000000aa", "00000000000f1206", "0000000000000000", "0000000000000abc", "0af7651916cd43dd", "xyz",
        "000000000000000000000000499602d2", "0000000000000abc00000000499602d2", "0af7651916cd43dd8448eb211c80319c",
        "00000000000000000000000000000037",
    ]

    func id(_ text: String) -> String { Trim.given.contains(text) ? text : "new" }
    private func isUUID(_ text: String) -> Bool { text.utf8.count == 36 && text.split(separator: "-").map(\.utf8.count) == [8, 4, 4, 4, 12] }
    private func bare(_ json: JSON?) -> String { if case .bare(let text)? = json { text } else { json?.string ?? "" } }
    private func value(_ text: String) -> String { isUUID(text) ? "UUID" : text.hasSuffix(":\(upstream)") ? "UP" : text }

    // MARK: SkyWalking

    func segment(_ json: JSON) -> String {
        let spans = (json["spans"]?.array ?? []).sorted { (Int(bare($0["spanId"])) ?? 0) < (Int(bare($1["spanId"])) ?? 0) }
        let lines = spans.map { span in
            let members = (span.members ?? []).filter { !["startTime", "endTime"].contains($0.name) }.map { name, member in
                switch name {
                case "tags":
                    let tags = (member.array ?? []).map { "\($0["key"]?.string ?? "")=\(value($0["value"]?.string ?? ""))" }
                    // Envoy says of a try that failed twice that it is an error.
                    return "tags \(Set(tags).sorted())"
                case "logs": return "logs \((member.array ?? []).map { $0["data"]?.text() ?? "" })"
                default: return "\(name) \(value(bare(member)))\(member.array == nil ? "" : member.text())"
                }
            }
            return members.sorted().joined(separator: ", ")
        }
        return "\(value(json["traceId"]?.string ?? "")) \(value(json["traceSegmentId"]?.string ?? "")) \(json["service"]?.string ?? "") "
            + "\(json["serviceInstance"]?.string ?? "") \(lines)"
    }

    // MARK: Datadog

    /// What says which library it was.
    private static let library: Set<String> = ["language", "version", "runtime-id"]

    func trace(_ spans: [JSON]) -> String {
        let ids = spans.map { bare($0["span_id"]) }
        let lines = spans.map { span in
            let parent = bare(span["parent_id"])
            let known = ids.firstIndex(of: parent).map { "span \($0)" } ?? id(parent)
            let members = (span.members ?? []).filter { !["start", "duration"].contains($0.name) }.map { name, member in
                switch name {
                case "trace_id": return "trace \(id(bare(member)))\(bare(member) == bare(span["span_id"]) ? " own" : "")"
                case "span_id": return "id"
                case "parent_id": return "parent \(known)"
                case "meta":
                    let pairs = (member.members ?? []).filter { !Trim.library.contains($0.name) }.map { key, text in
                        let plain = text.string ?? ""
                        return "\(key)=\(key == "_dd.p.tid" ? id(plain) : value(plain))"
                    }
                    return "meta \(pairs.sorted())"
                case "metrics":
                    return "metrics \((member.members ?? []).map { "\($0.name)=\($0.name == "process_id" ? "" : bare($0.value))" }.sorted())"
                default: return "\(name) \(bare(member))"
                }
            }
            return members.sorted().joined(separator: ", ")
        }
        // The order of attempts is a matter of time.
        return "\(lines.prefix(1)) \(lines.dropFirst().sorted())"
    }

    // MARK: Heads

    private static let ours: Set<String> = ["x-envoy-expected-rq-timeout-ms", "x-request-id"]

    func head(_ path: String, _ fields: [(name: String, value: String)]) -> String {
        let lines = fields.filter { !Trim.ours.contains($0.name) }.map { name, value in
            switch name {
            case "x-datadog-trace-id", "x-datadog-parent-id": return "\(name) \(id(value))"
            case "traceparent": return "\(name) \(value.split(separator: "-").map { $0.utf8.count > 2 ? id(String($0)) : String($0) })"
            case "tracestate":
                return "\(name) " + value.split(separator: ";", omittingEmptySubsequences: false).map { part in
                    part.hasPrefix("p:") && !Trim.given.contains(String(part.dropFirst(2).prefix(16))) ? "p:new\(part.dropFirst(18))" : String(part)
                }.joined(separator: ";")
            case "x-datadog-tags":
                return "\(name) " + value.split(separator: ",").map { pair in
                    pair.hasPrefix("_dd.p.tid=") ? "tid=" + id(String(pair.dropFirst(10))) : String(pair)
                }.joined(separator: ",")
            case "sw8": return "\(name) \(sw8(value))"
            default: return "\(name) \(value)"
            }
        }
        return path + " " + lines.sorted().joined(separator: "; ")
    }

    private func sw8(_ text: String) -> String {
        let fields = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 8 else { return text }
        return fields.enumerated().map { i, field in i == 0 || i == 3 ? field : value(Trim.decoded(field)) }.joined(separator: " ")
    }

    /// Base64, as far as these tests need it.
    private static func decoded(_ text: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var bytes: [UInt8] = []
        var bits = 0
        var count = 0
        for byte in text.utf8 {
            guard let value = alphabet.firstIndex(of: byte) else { continue }
            bits = (bits << 6 | value) & 0xffff
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
