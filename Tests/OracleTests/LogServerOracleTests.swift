import TestSupport
import Testing

/// The same requests through Envoy 1.40 and through Martlet, each with log servers of its own: the same entries and records,
/// the same heads, the same statistics; not ids and times, and not who we say we are.
@Suite(.serialized, .enabled(if: LogReceiver.isInstalled, "needs PyPI's grpcio, xds-protos and msgpack"))
struct LogServerOracleTests {
    private static let tags =
        "custom_tags: [{tag: lit, literal: {value: lv}}, {tag: env, environment: {name: NOT_THERE_AT_ALL, default_value: dv}}, {tag: hdr, request_header: {name: x-h, default_value: none}}, {tag: gone, request_header: {name: x-h}}, {tag: val, value: \"%PROTOCOL%\"}, {tag: meta, metadata: {kind: {route: {}}, metadata_key: {key: k, path: [{key: p}]}, default_value: md}}, " + metadataTags + "]"

    /// Of each kind; what requests are told of, formats of dynamic metadata too.
    private static let metadataTags = ["request", "route", "cluster", "host"].flatMap { kind in
        ["text", "num", "big", "list", "gone"].map { key in
            "{tag: \(kind)-\(key), metadata: {kind: {\(kind): {}}, metadata_key: {key: com.m, path: [{key: \(key)}]}, default_value: \(key == "num" ? "\"\"" : "d")}}"
        }
    }.joined(separator: ", ")

    static let loggers = [
        LoggedConfiguration.grpc(
            "Http", "buffer_flush_interval: 0.2s, \(tags)",
            "additional_request_headers_to_log: [x-a, X-B, \":path\", \":method\", host, x-none], additional_response_headers_to_log: [content-type, \":status\"], additional_response_trailers_to_log: [grpc-status]"),
        LoggedConfiguration.openTelemetry(
            "buffer_flush_interval: 0.2s, log_name: records, \(tags), \(LoggedConfiguration.overGRPC), stat_prefix: \"g.\", "
                + "body: {kvlist_value: {values: [{key: m, value: {string_value: \"%REQ(:METHOD)% %PROTOCOL%\"}}, {key: none, value: {string_value: \"%REQ(nope)%\"}}]}}, "
                + "attributes: {values: [{key: list, value: {array_value: {values: [{string_value: \"%REQ(:PATH)%\"}, {kvlist_value: {values: [{key: z, value: {string_value: \"%RESPONSE_CODE%\"}}]}}]}}}]}, "
                + "resource_attributes: {values: [{key: ra, value: {int_value: 4}}]}"),
        LoggedConfiguration.openTelemetry(
            "buffer_flush_interval: 0.2s, log_name: more, disable_builtin_labels: true, \(LoggedConfiguration.overHTTP)"),
        LoggedConfiguration.fluentd(
            "{method: \"%REQ(:METHOD)%\", code: \"%RESPONSE_CODE%\", mixed: \"c=%RESPONSE_CODE%\", number: 4, large: 70000, yes: true, nest: {path: \"%REQ(:PATH)%\"}, list: [\"%PROTOCOL%\", 1], miss: \"%REQ(nope)%\", h: \"%REQ(x-a)%\"}",
            "buffer_flush_interval: 0.2s"),
    ]

    static let requests: [(method: String, path: String, fields: [String], body: String)] = [
        ("GET", "/status/200?x=1", ["x-a: 1", "x-a: 3", "x-h: hh", "x-b: a\u{e9}b", "referer: rf", "user-agent: ua"], ""),
        ("POST", "/status/404", ["content-length: 3"], "abc"), ("GET", "/direct", ["x-forwarded-for: 10.1.2.3"], ""),
        ("GET", "/dead", [], ""), ("POST", "/rewritten", ["content-length: 0"], ""), ("HEAD", "/status/200", [], ""),
        ("GET", "/grpc/5", ["content-type: application/grpc", "te: trailers"], ""), ("GET", "/slow/50", [], ""),
        ("GET", "/quoted", ["x-a: \"q\" \\ \u{9}t"], ""),
    ]

    @Test func linesAreEnvoys() throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try outcome(envoy, ["--disable-hot-restart", "-l", "error"])
        let found = try outcome(martlet, [])
        #expect(expected.count > 30, "Envoy logged")
        for line in expected where !found.contains(line) { Issue.record("only Envoy's: \(line)") }
        for line in found where !expected.contains(line) { Issue.record("only Martlet's: \(line)") }
    }

    private func outcome(_ binary: String, _ options: [String]) throws -> [String] {
        let receiver = try LogReceiver()
        let upstream = try TraceCollector()
        var configuration = LoggedConfiguration(
            listener: Ports.free(), admin: Ports.free(), upstream: upstream.upstream, receiver: receiver,
            http: LogServerOracleTests.loggers)
        configuration.tcpLoggers = [LoggedConfiguration.grpc("Tcp", "buffer_size_bytes: 0, custom_tags: [{tag: lit, literal: {value: lv}}]")]
        // How long an upstream takes has more digits on a busy machine, and the head more bytes.
        configuration.router = ", suppress_envoy_headers: true"
        let directory = TemporaryDirectory()
        let process = try ChildProcess(
            binary, ["-c", directory.write(configuration.yaml, to: "config.yaml"), "--concurrency", "1"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: configuration.admin), "\(process.output)")
        for request in LogServerOracleTests.requests {
            let fields = request.fields.map { $0 + "\r\n" }.joined()
            var client = RawClient(
                steps: [.send("\(request.method) \(request.path) HTTP/1.1\r\nhost: h.test\r\n\(fields)\r\n\(request.body)")],
                methods: [request.method])
            client.closeLimitMs = 0
            _ = try client.run(port: configuration.listener)
        }
        var client = RawClient(steps: [.send("GET /status/200 HTTP/1.1\r\nhost: h.test\r\nconnection: close\r\n\r\n")], methods: ["GET"])
        client.closeLimitMs = 2_000
        _ = try client.run(port: configuration.tcp)
        let count = LogServerOracleTests.requests.count
        #expect(receiver.entries(count + 1).count == count + 1)
        #expect(receiver.records(2 * count).count == 2 * count)
        #expect(receiver.forwarded(count).count == count)
        let statistics = Admin(port: configuration.admin)
        var lines: [String] = []
        let names = ["grpc_access_log.logs_written", "grpc_access_log.logs_dropped", "grpc_access_log.grpc_entries_flushed",
            "grpc_access_log.grpc_entries_flush_failed", "open_telemetry_access_log.logs_written", "open_telemetry_access_log.logs_dropped",
            "open_telemetry_access_log.g.logs_written", "open_telemetry_access_log.g.grpc_entries_flushed", "fluentd.fl.entries_buffered",
            "fluentd.fl.entries_lost", "fluentd.fl.connections_closed"]
        _ = wait(upToMs: 10_000, everyMs: 20) {
            statistics.stats(matching: "access_logs")["access_logs.open_telemetry_access_log.logs_written"] == count
                && statistics.stats(matching: "access_logs")["access_logs.open_telemetry_access_log.g.logs_written"] == count
        }
        let counted = statistics.stats(matching: "access_logs")
        lines += names.map { "\($0) \(counted["access_logs." + $0] ?? -1)" }
        let ports = [configuration.listener, configuration.tcp, upstream.upstream, 1].map(Int.init)
        func plain(_ value: JSON) -> String { redacted(value, ports, configuration).sorted.text().split(separator: "\n").joined() }
        lines += receiver.entries.map(plain) + receiver.records.map { "record " + plain($0) } + receiver.forwarded.map { "forwarded " + plain($0) }
        for message in receiver.lines("message") {
            if let identifier = message["body"]?["identifier"] { lines.append("identifier " + plain(identifier)) }
            if let logs = message["body"]?["resource_logs"]?.array?.first {
                lines.append("resource " + plain(logs["resource"] ?? .bare("none")) + plain(message["headers"] ?? .bare("none")))
            }
        }
        lines += receiver.lines("stream").map { "stream " + plain($0["headers"] ?? .bare("none")) + ($0["method"]?.string ?? "") }
        lines += receiver.lines("forward").map { "tag \($0["body"]?.array?.first?.string ?? "")" }
        return Array(Set(lines)).sorted()
    }

    /// What `proxy_protocol` makes of TLVs, as dynamic metadata and as filter state, of a connection and of a request.
    @Test(arguments: ["DYNAMIC_METADATA", "FILTER_STATE"])
    func tlvsAreEnvoys(_ location: String) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try tlvs(envoy, ["--disable-hot-restart", "-l", "error"], location)
        let found = try tlvs(martlet, [], location)
        #expect(expected.filter { $0.contains("a!b") }.count == (location == "FILTER_STATE" ? 3 : 1), "\(expected)")
        #expect(expected == found)
    }

    private func tlvs(_ binary: String, _ options: [String], _ location: String) throws -> [String] {
        let receiver = try LogReceiver()
        let upstream = try TraceCollector()
        var configuration = LoggedConfiguration(listener: Ports.free(), admin: Ports.free(), upstream: upstream.upstream, receiver: receiver, http: [])
        let fields = "buffer_size_bytes: 0, filter_state_objects_to_log: [envoy.network.proxy_protocol.tlv, envoy.network.proxy_protocol_options, nope], custom_tags: [{tag: a, metadata: {kind: {request: {}}, metadata_key: {key: ns1, path: [{key: ea}]}, default_value: d}}]"
        configuration.http = [LoggedConfiguration.grpc("Http", fields)]
        configuration.tcpLoggers = [
            LoggedConfiguration.grpc("Tcp", fields),
            LoggedConfiguration.openTelemetry("log_name: records, buffer_size_bytes: 0, filter_state_objects_to_log: [envoy.network.proxy_protocol.tlv], \(LoggedConfiguration.overGRPC)"),
        ]
        let rules = [(234, "ea", "ns1"), (235, "eb", ""), (1, "e1", "ns1"), (236, "none", "ns2"), (237, "empty", "ns1")].map { type, key, namespace in
            "{tlv_type: \(type), on_tlv_present: {key: \(key)\(namespace.isEmpty ? "" : ", metadata_namespace: " + namespace)}}"
        }
        let filter = "listener_filters: [{name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol, tlv_location: \(location), rules: [\(rules.joined(separator: ", "))]}}]"
        let directory = TemporaryDirectory()
        let yaml = configuration.yaml.replacing(text: "    filter_chains:\n", by: "    \(filter)\n    filter_chains:\n")
        let process = try ChildProcess(binary, ["-c", directory.write(yaml, to: "config.yaml"), "--concurrency", "1"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: configuration.admin), "\(process.output)")
        var values: [UInt8] = [10, 1, 1, 1, 10, 2, 2, 2, 4, 87, 8, 174]
        for (type, value) in [(234, Array("one".utf8)), (235, [0x61, 0xff, 0x62]), (234, Array("two".utf8)), (1, Array("h2".utf8)), (237, [])] as [(UInt8, [UInt8])] {
            values += [type, 0, UInt8(value.count)] + value
        }
        let header: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, UInt8(values.count)] + values
        for port in [configuration.tcp, configuration.listener] {
            let socket = try Sockets.connect(port: port, within: 5_000)
            defer { socket.close() }
            let sent = header + Array("GET /status/200 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".utf8)
            #expect(Sockets.send(sent, from: 0, on: socket) == sent.count)
            _ = wait(upToMs: 10_000) {
                if case .bytes = Sockets.receive(socket) { return true }
                return false
            }
        }
        let properties = receiver.entries(2).compactMap { $0["common_properties"] }
        let records = receiver.records(1)
        #expect(properties.count == 2 && records.count == 1)
        let lines = properties.map { entry in
            ["metadata", "filter_state_objects", "custom_tags"].map { "\($0) \(entry[$0]?.sorted.text() ?? "none")" }.joined(separator: "; ")
        }
        // A map in Envoy, in no order.
        return try lines.sorted() + records.map { record in
            try (record["attributes"]?.array ?? []).map { attribute in
                let text = attribute["value"]?["string_value"]?.string ?? ""
                return "record \(attribute["key"]?.string ?? "") \(try JSON(parsing: text).sorted.text())"
            }.joined()
        }
    }

    private static let asked = [("GET", "/ready?a"), ("POST", "/healthcheck/ok"), ("GET", "/nope"), ("GET", "/healthcheck/fail")]
    private static let answered = ["GET /healthcheck/fail 405 HTTP/1.1", "GET /nope 404 HTTP/1.1", "GET /ready?a 200 HTTP/1.1", "POST /healthcheck/ok 200 HTTP/1.1"]

    /// The admin interface's own lines, which main makes and a worker sends. Envoy 1.40 dies of such loggers in `admin.access_log`: at
    /// its start, that of OpenTelemetry over HTTP with the first line.
    @Test func adminLinesGoToEveryServer() throws {
        guard case .success(let martlet) = ProxyBinary.martlet() else { return }
        let text = "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %PROTOCOL%"
        let count = LogServerOracleTests.asked.count
        let receiver = try adminLines(
            martlet,
            [
                LoggedConfiguration.grpc("Http", "buffer_flush_interval: 0.1s", "additional_request_headers_to_log: [x-told]"),
                LoggedConfiguration.openTelemetry("log_name: records, buffer_size_bytes: 0, body: {string_value: \"\(text)\"}, \(LoggedConfiguration.overGRPC)"),
                LoggedConfiguration.fluentd("{line: \"\(text)\"}", "buffer_flush_interval: 0.1s"),
            ])
        let entries = receiver.entries(count)
        #expect(entries.compactMap { $0["request"]?["request_headers"]?["x-told"]?.string }.sorted() == LogServerOracleTests.asked.map(\.1).sorted(), "\(entries)")
        #expect(receiver.records(count).compactMap { $0["body"]?["string_value"]?.string }.sorted() == LogServerOracleTests.answered)
        let forwarded = receiver.forwarded(count).map { $0.text() }
        #expect(forwarded.count == count)
        for line in LogServerOracleTests.answered { #expect(forwarded.contains { $0.contains(line) }, "\(line) in \(forwarded)") }
        let overHTTP = try adminLines(
            martlet, [LoggedConfiguration.openTelemetry("log_name: records, buffer_flush_interval: 0.1s, body: {string_value: \"\(text)\"}, \(LoggedConfiguration.overHTTP)")])
        #expect(overHTTP.records(count).compactMap { $0["body"]?["string_value"]?.string }.sorted() == LogServerOracleTests.answered)
    }

    /// Asks the admin interface, and awaits the lines.
    private func adminLines(_ binary: String, _ loggers: [String]) throws -> LogReceiver {
        let receiver = try LogReceiver()
        let upstream = try TraceCollector()
        let configuration = LoggedConfiguration(listener: Ports.free(), admin: Ports.free(), upstream: upstream.upstream, receiver: receiver, http: [])
        // Who asks whether it is ready is no concern of this.
        let filter = "filter: {header_filter: {header: {name: x-told, present_match: true}}}, "
        let logs = loggers.map { $0.replacing(text: "{name: l, ", by: "{name: l, \(filter)") }.joined(separator: ", ")
        let directory = TemporaryDirectory()
        let yaml = configuration.yaml.replacing(text: "admin: {address", by: "admin: {access_log: [\(logs)], address")
        let process = try ChildProcess(binary, ["-c", directory.write(yaml, to: "config.yaml"), "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: configuration.admin), "\(process.output)")
        for (method, path) in LogServerOracleTests.asked {
            var client = RawClient(steps: [.send("\(method) \(path) HTTP/1.1\r\nhost: h.test\r\nx-told: \(path)\r\n\r\n")], methods: [method])
            client.closeLimitMs = 0
            _ = try client.run(port: configuration.admin)
        }
        _ = wait(upToMs: 10_000, everyMs: 20) {
            let lines = [receiver.entries.count, receiver.records.count, receiver.forwarded.count]
            return lines.filter { $0 >= LogServerOracleTests.asked.count }.count >= loggers.count
        }
        return receiver
    }

    /// Without what is another thing each time, and what says who we are.
    private func redacted(_ value: JSON, _ ports: [Int], _ configuration: LoggedConfiguration) -> JSON {
        switch value {
        case .object(let members):
            let times = ["start_time", "stream_id", "request_id", "duration", "time_unix_nano", "user-agent"]
            let ours = ["extensions", "user_agent_build_version", "user_agent_version", "content-length", "transfer-encoding"]
            return .object(
                members.filter { !ours.contains($0.name) }.map { name, value in
                    if times.contains(name) || name.hasPrefix("time_to") { return (name, .string("*")) }
                    if name == "port_value", case .bare(let text) = value, let port = Int(text) {
                        return (name, .string(ports.firstIndex(of: port).map { "port \($0)" } ?? "another"))
                    }
                    return (name, redacted(value, ports, configuration))
                })
        // Tags are a map in Envoy, in no order.
        case .array(let items): return .array(items.map { redacted($0, ports, configuration) }.sorted { $0.text() < $1.text() })
        case .string, .bare: return value
        }
    }
}
