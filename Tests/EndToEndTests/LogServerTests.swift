import Glibc
import TestSupport
import Testing

/// Access logs that are sent to log servers: batches, servers that are away, slow or refuse, the end of the process and of a
/// configuration. That their contents are Envoy's shows `LogServerOracleTests`.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: LogReceiver.isInstalled, "needs PyPI's grpcio, xds-protos and msgpack"))
struct LogServerTests {
    private struct Setting {
        let receiver: LogReceiver
        let served: Served
        let tcp: UInt16
    }

    private func serve(_ http: [String], tcp: [String] = [], workers: Int = 1, change: (String) -> String = { $0 }) throws -> Setting {
        let receiver = try LogReceiver()
        let tcpPort = Ports.free()
        let served = try Served(try Binary.martlet(), workers: workers) { port in
            var configuration = LoggedConfiguration(
                listener: port, tcp: tcpPort, admin: 0, upstream: receiver.http, receiver: receiver, http: http)
            configuration.tcpLoggers = tcp
            // `Served` adds an admin address of its own.
            return change(configuration.yaml.split(separator: "\n").filter { !$0.hasPrefix("admin:") }.joined(separator: "\n"))
        }
        return Setting(receiver: receiver, served: served, tcp: tcpPort)
    }

    private let grpc = "access_logs.grpc_access_log."

    // MARK: gRPC

    @Test func batchesAreMessagesOfOneStream() throws {
        let setting = try serve([LoggedConfiguration.grpc("Http", "buffer_size_bytes: 0")])
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        #expect(setting.receiver.entries(3).count == 3)
        let streams = setting.receiver.lines("stream")
        #expect(streams.count == 1 && streams[0]["headers"]?["x-meta"]?.string == "told")
        let messages = setting.receiver.lines("message", 3)
        // Who speaks is told once.
        #expect(messages.map { $0["body"]?["identifier"] != nil } == [true, false, false])
        #expect(messages[0]["body"]?["identifier"]?["log_name"]?.string == "lines")
        #expect(messages[0]["body"]?["identifier"]?["node"]?["id"]?.string == "n1")
        #expect(messages[0]["body"]?["identifier"]?["node"]?["metadata"]?["kept"]?["as"]?.string == "it is")
        #expect(setting.served.stat(grpc + "logs_written", becomes: 3) == 3)
        #expect(setting.served.stat(grpc + "grpc_entries_flushed", becomes: 3) == 3)
        #expect(setting.served.stat(grpc + "logs_dropped", becomes: 0) == 0)
    }

    @Test func entriesWaitForTheInterval() throws {
        let setting = try serve([LoggedConfiguration.grpc("Http", "buffer_flush_interval: 0.3s")])
        for _ in 0..<4 { _ = try setting.served.get("/direct") }
        #expect(setting.receiver.entries(4).count == 4)
        #expect(setting.receiver.lines("message").count < 4)
    }

    @Test func aFullBufferDoesNotWait() throws {
        let setting = try serve([LoggedConfiguration.grpc("Http", "buffer_size_bytes: 600, buffer_flush_interval: 600s")])
        for _ in 0..<4 { _ = try setting.served.get("/direct") }
        #expect(!setting.receiver.entries(2).isEmpty)
    }

    @Test func connectionsOfTCPAreLogged() throws {
        let setting = try serve([], tcp: [LoggedConfiguration.grpc("Tcp", "buffer_size_bytes: 0")])
        var client = RawClient(steps: [.send("POST /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")], methods: ["POST"])
        client.closeLimitMs = 2_000
        _ = try client.run(port: setting.tcp)
        let entry = try #require(setting.receiver.entries(1).first)
        #expect(entry["common_properties"]?["access_log_type"]?.string == "TcpConnectionEnd")
        #expect(entry["common_properties"]?["upstream_cluster"]?.string == "upstream")
        #expect(entry["connection_properties"]?["received_bytes"] != nil && entry["connection_properties"]?["sent_bytes"] != nil)
    }

    /// What the handshake told, JA3 included, and the counts of grpc_stats.
    @Test func tlsAndFilterStateAreLogged() throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost,URI:spiffe://acme/server")
        try certificates.issue("client", names: "URI:spiffe://acme/client,URI:spiffe://acme/second")
        let types = "type.googleapis.com/envoy.extensions"
        let logger = LoggedConfiguration.grpc("Http", "buffer_size_bytes: 0, filter_state_objects_to_log: [envoy.filters.http.grpc_stats]")
        let setting = try serve([logger]) { yaml in
            yaml.replacing(
                text: "    filter_chains:\n    - filters:\n",
                by: """
                        listener_filters:
                        - {name: t, typed_config: {"@type": \(types).filters.listener.tls_inspector.v3.TlsInspector, enable_ja3_fingerprinting: true}}
                        filter_chains:
                        - transport_socket:
                            name: t
                            typed_config:
                              "@type": \(types).transport_sockets.tls.v3.DownstreamTlsContext
                              common_tls_context:
                                tls_certificates: [{certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}]
                                validation_context: {trusted_ca: {filename: \(certificates.authority)}}
                          filters:

                    """
            ).replacing(
                text: "          http_filters:\n",
                by: """
                              http_filters:
                              - {name: g, typed_config: {"@type": \(types).filters.http.grpc_stats.v3.FilterConfig, emit_filter_state: true}}

                    """)
        }
        let output = try Shell.run(
            "printf '\\000\\000\\000\\000\\000' | curl -sS -i -m 10 --cacert \(certificates.authority) \(TLSServed.pair(certificates, "client")) "
                + "-H 'content-type: application/grpc' --data-binary @- https://localhost:\(setting.served.listener)/dead").output
        #expect(output.contains("HTTP/1.1 200"), "\(output)")
        let entry = try #require(setting.receiver.entries(1).first)
        let tls = entry["common_properties"]?["tls_properties"]
        #expect(tls?["tls_version"]?.string == "TLSv1_3" && tls?["tls_sni_hostname"]?.string == "localhost", "\(entry)")
        #expect(tls?["ja3_fingerprint"]?.string?.count == 32)
        let local = "\(tls?["local_certificate_properties"] as Any)", peer = "\(tls?["peer_certificate_properties"] as Any)"
        #expect(local.contains("spiffe://acme/server"), "\(local)")
        #expect(peer.contains("spiffe://acme/client") && peer.contains("spiffe://acme/second"), "\(peer)")
        let states = "\(entry["common_properties"]?["filter_state_objects"] as Any)"
        #expect(states.contains("envoy.filters.http.grpc_stats") && states.contains("request_message_count"), "\(states)")
    }

    @Test func triesAreLogged() throws {
        let setting = try serve([]) { yaml in
            yaml.replacing(text: "router.v3.Router}", by: "router.v3.Router, upstream_log: [\(LoggedConfiguration.grpc("Http", "buffer_size_bytes: 0"))]}")
        }
        _ = try setting.served.get("/dead")
        let entry = try #require(setting.receiver.entries(1).first)
        #expect(entry["common_properties"]?["access_log_type"]?.string == "UpstreamEnd")
    }

    @Test func theBeginningIsAnIntermediateEntry() throws {
        let setting = try serve([LoggedConfiguration.grpc("Http", "buffer_size_bytes: 0")]) {
            $0.replacing(text: "stat_prefix: h", by: "stat_prefix: h\n          access_log_options: {flush_access_log_on_new_request: true}")
        }
        _ = try setting.served.get("/direct")
        let entries = setting.receiver.entries(2)
        #expect(entries.map { $0["common_properties"]?["intermediate_log_entry"] == JSON.bare("true") } == [true, false])
        #expect(entries.map { $0["common_properties"]?["duration"] != nil } == [false, true])
    }

    @Test func aServerThatComesBackGetsANewStream() throws {
        let setting = try serve([LoggedConfiguration.grpc("Http", "buffer_size_bytes: 0")])
        _ = try setting.served.get("/direct")
        #expect(setting.receiver.entries(1).count == 1)
        let (http, port, forward) = (setting.receiver.http, setting.receiver.grpc, setting.receiver.forward)
        setting.receiver.end()
        // Lines of this time are lost, requests are not.
        for _ in 0..<5 { #expect(try setting.served.get("/direct").status == 200) }
        let next = try LogReceiver(http: http, grpc: port, forward: forward)
        #expect(wait(upToMs: 10_000, everyMs: 50) { (try? setting.served.get("/direct")) != nil && !next.entries.isEmpty })
        #expect(next.lines("message").first?["body"]?["identifier"] != nil)
    }

    @Test(arguments: ["dead2", "empty", "nowhere"])
    func aServerThatIsAwayIsNoConcernOfTheClients(_ cluster: String) throws {
        let setting = try serve([LoggedConfiguration.grpc("Http", "buffer_size_bytes: 300, buffer_flush_interval: 0.05s", cluster: cluster)])
        for _ in 0..<20 { #expect(try setting.served.get("/direct").status == 200) }
        let counted = setting.served.admin.stats(matching: grpc)
        #expect((counted[grpc + "logs_written"] ?? 0) + (counted[grpc + "logs_dropped"] ?? 0) == 20)
        if cluster != "dead2" {
            #expect(wait(upToMs: 10_000, everyMs: 50) { (setting.served.admin.stats(matching: grpc)[grpc + "grpc_entries_flush_failed"] ?? 0) > 0 })
            #expect((setting.served.admin.stats(matching: grpc)[grpc + "logs_dropped"] ?? 0) > 0)
        }
    }

    /// It takes the connection and reads nothing: what is more than may wait is dropped, and memory has a bound.
    @Test func aServerThatReadsNothingMakesLinesDrop() throws {
        let port = Ports.free()
        let silent = try Sockets.listen(port: port)
        let setting = try serve([LoggedConfiguration.grpc("Http", "buffer_size_bytes: 0")]) { yaml in
            yaml.replacing(text: "cluster_name: grpc}, timeout", by: "cluster_name: silent}, timeout")
                + "\n  - {name: silent, load_assignment: {cluster_name: silent, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}}]}]}, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}}"
        }
        let head = "GET /direct HTTP/1.1\r\nhost: a\r\nuser-agent: \(String(repeating: "u", count: 20_000))\r\n\r\n"
        #expect(wait(upToMs: 60_000, everyMs: 1) {
            for _ in 0..<20 { guard (try? setting.served.send(head))?.status == 200 else { return false } }
            return (setting.served.admin.stats(matching: grpc)[grpc + "logs_dropped"] ?? 0) > 0
        })
        #expect((setting.served.admin.stats(matching: grpc)[grpc + "grpc_entries_flush_failed"] ?? 0) > 0)
        silent.close()
    }

    // MARK: The end

    @Test(arguments: ["grpc", "otlp", "forward"])
    func linesThatWaitLeaveAtTheEnd(_ kind: String) throws {
        let logger = switch kind {
        case "grpc": LoggedConfiguration.grpc("Http", "buffer_flush_interval: 600s")
        case "otlp": LoggedConfiguration.openTelemetry("buffer_flush_interval: 600s, log_name: lines, \(LoggedConfiguration.overHTTP)")
        default: LoggedConfiguration.fluentd("{path: \"%REQ(:PATH)%\"}", "buffer_flush_interval: 600s")
        }
        let setting = try serve([logger], workers: 2)
        for _ in 0..<5 { _ = try setting.served.get("/direct") }
        setting.served.process.signal(SIGTERM)
        #expect(setting.served.process.waitForExit(upToMs: 20_000) == 0)
        switch kind {
        case "grpc": #expect(setting.receiver.entries(5).count == 5)
        case "otlp": #expect(setting.receiver.records(5).count == 5)
        default: #expect(setting.receiver.forwarded(5).count == 5)
        }
    }

    /// The old configuration's lines leave with it, its stream ends, and its memory goes.
    @Test(arguments: ["grpc", "forward"])
    func aReloadSendsWhatWaits(_ kind: String) throws {
        let logger = kind == "grpc" ? LoggedConfiguration.grpc("Http", "buffer_flush_interval: 600s")
            : LoggedConfiguration.fluentd("{path: \"%REQ(:PATH)%\"}", "buffer_flush_interval: 600s")
        let setting = try serve([logger])
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        let text = try #require(Files.text(setting.served.file)).replacing(text: "stat_prefix: h", by: "stat_prefix: other")
        Files.write(Array(text.utf8), to: setting.served.file)
        setting.served.process.signal(SIGHUP)
        if kind == "grpc" {
            #expect(setting.receiver.entries(3).count == 3)
            #expect(setting.receiver.lines("end", 1).count == 1)
        } else {
            #expect(setting.receiver.forwarded(3).count == 3)
        }
        #expect(setting.served.stat("martlet.plan.parts_retiring", becomes: 0) == 0)
        #expect(try setting.served.get("/direct").status == 200)
    }

    // MARK: OpenTelemetry

    @Test(arguments: [LoggedConfiguration.overHTTP, LoggedConfiguration.overGRPC])
    func recordsAreCountedByTheirAnswer(_ transport: String) throws {
        let setting = try serve([
            LoggedConfiguration.openTelemetry("buffer_flush_interval: 0.1s, log_name: lines, stat_prefix: \"p.\", body: {string_value: \"%REQ(:PATH)%\"}, \(transport)")
        ])
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        let records = setting.receiver.records(3)
        #expect(records.map { $0["body"]?["string_value"]?.string } == ["/direct", "/direct", "/direct"])
        #expect(setting.served.stat("access_logs.open_telemetry_access_log.p.logs_written", becomes: 3) == 3)
        #expect(setting.served.stat("access_logs.open_telemetry_access_log.p.logs_dropped", becomes: 0) == 0)
        let message = try #require(setting.receiver.lines("message").first)
        if message["via"]?.string == "http" { #expect(message["headers"]?["x-key"]?.string == "k") }
    }

    @Test func recordsThatAreRefusedAreDropped() throws {
        let refused = LoggedConfiguration.overHTTP.replacing(text: "/v1/logs", by: "/refuse")
        let setting = try serve([
            LoggedConfiguration.openTelemetry("buffer_size_bytes: 0, log_name: lines, \(refused)"),
            LoggedConfiguration.openTelemetry("buffer_size_bytes: 0, stat_prefix: \"d.\", grpc_service: {envoy_grpc: {cluster_name: dead2}}"),
        ])
        for _ in 0..<3 { _ = try setting.served.get("/direct") }
        for prefix in ["", "d."] {
            #expect(setting.served.stat("access_logs.open_telemetry_access_log.\(prefix)logs_dropped", becomes: 3) == 3)
        }
    }

    @Test func recordsNameTheSpan() throws {
        let setting = try serve([LoggedConfiguration.openTelemetry("buffer_size_bytes: 0, log_name: lines, \(LoggedConfiguration.overGRPC)")]) {
            $0.replacing(text: "stat_prefix: h", by: "stat_prefix: h\n          tracing: {provider: {name: t, typed_config: {\"@type\": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig, grpc_service: {envoy_grpc: {cluster_name: dead2}}}}}")
        }
        _ = try setting.served.get("/direct", headers: ["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
        let record = try #require(setting.receiver.records(1).first)
        // In JSON, protobuf's bytes are base64.
        #expect(record["trace_id"]?.string == "CvdlGRbNQ92ESOshHIAxnA==" && record["span_id"]?.string?.count == 12)
    }

    // MARK: fluentd

    private let fluentd = "access_logs.fluentd.fl."

    @Test func recordsKeepTheirTypes() throws {
        let record =
            "{path: \"%REQ(:PATH)%\", code: \"%RESPONSE_CODE%\", text: \"c=%RESPONSE_CODE%\", none: \"%REQ(nope)%\", whole: 70000, yes: true, list: [\"%PROTOCOL%\", {deep: \"%ROUTE_NAME%\"}], \"null\": null, binary: \"%REQ(x-bytes)%\", status: \"%RESP(:status)%\", long: \"%REQ(x-long)%\"}"
        let setting = try serve([LoggedConfiguration.fluentd(record, "buffer_flush_interval: 0.1s")])
        let long = String(repeating: "l", count: 300)
        _ = try setting.served.get("/direct", headers: ["x-long: \(long)"])
        let found = try #require(setting.receiver.forwarded(1).first)
        #expect(found["path"]?.string == "/direct" && found["code"] == .bare("200") && found["text"]?.string == "c=200")
        #expect(found["none"] == .bare("null") && found["whole"] == .bare("70000") && found["yes"] == .bare("true"))
        #expect(found["list"]?.array?.first?.string == "HTTP/1.1" && found["list"]?.array?.last?["deep"]?.string == "direct")
        #expect(found["null"] == .bare("null") && found["status"]?.string == "200" && found["long"]?.string == long)
        #expect(setting.receiver.lines("forward").first?["body"]?.array?.first?.string == "tagged")
        #expect(setting.served.stat(fluentd + "events_sent", becomes: 1) == 1)
        #expect(setting.served.stat(fluentd + "entries_buffered", becomes: 1) == 1)
    }

    @Test func recordsWaitForTheServer() throws {
        let setting = try serve([LoggedConfiguration.fluentd("{path: \"%REQ(:PATH)%\"}", "buffer_flush_interval: 0.1s, retry_options: {backoff_options: {base_interval: 0.05s, max_interval: 0.1s}}")])
        let (http, port, forward) = (setting.receiver.http, setting.receiver.grpc, setting.receiver.forward)
        setting.receiver.end()
        for _ in 0..<3 { #expect(try setting.served.get("/direct").status == 200) }
        #expect(wait(upToMs: 10_000, everyMs: 20) { (setting.served.admin.stats(matching: fluentd)[fluentd + "connections_closed"] ?? 0) > 1 })
        let next = try LogReceiver(http: http, grpc: port, forward: forward)
        #expect(next.forwarded(3).count == 3, "nothing was lost meanwhile")
        #expect((setting.served.admin.stats(matching: fluentd)[fluentd + "reconnect_attempts"] ?? 0) > 0)
        #expect(setting.served.stat(fluentd + "entries_lost", becomes: 0) == 0)
    }

    @Test func triesToConnectAreCounted() throws {
        let setting = try serve([
            LoggedConfiguration.fluentd(
                "{path: \"%REQ(:PATH)%\"}",
                "buffer_flush_interval: 0.05s, retry_options: {max_connect_attempts: 2, backoff_options: {base_interval: 0.01s, max_interval: 0.02s}}",
                cluster: "dead")
        ])
        _ = try setting.served.get("/direct")
        #expect(setting.served.stat("cluster.dead.upstream_cx_connect_attempts_exceeded", becomes: 1) == 1)
        #expect(setting.served.stat(fluentd + "connections_closed", becomes: 2) == 2)
        // Given up: what waited is lost, and so is what comes. Envoy counts the second alone.
        #expect(setting.served.stat(fluentd + "entries_lost", becomes: 1) == 1)
        _ = try setting.served.get("/direct")
        #expect(setting.served.stat(fluentd + "entries_lost", becomes: 2) == 2)
    }

    @Test func aFullBufferOfAServerThatIsAwayLosesRecords() throws {
        let setting = try serve([LoggedConfiguration.fluentd("{path: \"%REQ(:PATH)%\"}", "buffer_size_bytes: 40, buffer_flush_interval: 600s", cluster: "dead")])
        for _ in 0..<10 { #expect(try setting.served.get("/direct").status == 200) }
        let counted = setting.served.admin.stats(matching: fluentd)
        #expect((counted[fluentd + "entries_lost"] ?? 0) > 0)
        #expect((counted[fluentd + "entries_lost"] ?? 0) + (counted[fluentd + "entries_buffered"] ?? 0) == 10)
    }
}
