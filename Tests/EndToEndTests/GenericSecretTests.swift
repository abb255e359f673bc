import Glibc
import TestSupport
import Testing

/// `%SECRET(name)%` of the running program, in access logs and in bodies: out of the configuration, out of files, of a management
/// server; and that it stands nowhere else.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct GenericSecretTests {
    private let directory = TemporaryDirectory()
    private static let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
    /// Of the process's log there is all; access logs come soon.
    private static let arguments = ["-l", "trace", "--file-flush-interval-msec", "20"]
    private var log: String { directory.path + "/access.log" }

    /// `configs`: of the formatter, for the body and for the log.
    private func yaml(_ port: UInt16, secrets: String = "", _ configs: String, clusters: String = "") -> String {
        let formatter = "[{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.generic_secret.v3.GenericSecret, secret_configs: {\(configs)}}}]"
        return """
            node: {id: the-node, cluster: the-cluster}
            static_resources:
              secrets: [\(secrets)]
              listeners:
              - name: l
                address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      access_log:
                      - name: f
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                          path: \(log)
                          log_format: {json_format: {whole: "%SECRET(a)%", cut: "<%SECRET(a):3%>"}, formatters: \(formatter)}
                      route_config: {virtual_hosts: [{name: v, domains: ["*"]}]}
                      local_reply_config:
                        body_format: {text_format_source: {inline_string: "<%SECRET(a)%> <%SECRET(a):3%>"}, formatters: \(formatter)}
                      http_filters:
                      - name: envoy.filters.http.router
              clusters: [\(clusters)]
            """
    }

    private func body(_ served: Served) -> String? { (try? served.get()).map { String(decoding: $0.body, as: UTF8.self) } }

    private func becomes(_ wanted: String, _ served: Served) -> Bool { wait(upToMs: 30_000, everyMs: 50) { body(served) == wanted } }

    private func text(_ served: Served, _ path: String) -> String { String(wire: served.admin.request("GET", path)?.body ?? []) }

    /// Nowhere but in the log that says it and the body.
    private func isHidden(_ secret: String, _ served: Served, dump: Bool = true) -> Bool {
        let pages = ["/config_dump", "/config_dump?include_eds", "/stats", "/listeners", "/certs"].map { text(served, $0) }.joined()
        return !pages.contains(secret) && !served.process.output.contains(secret) && (!dump || pages.contains("[redacted]"))
    }

    @Test func aStaticSecretIsWritten() throws {
        let served = try Served(Binary.martlet(), arguments: GenericSecretTests.arguments) {
            yaml($0, secrets: "{name: s, generic_secret: {secret: {inline_string: hunter2}}}", "a: {name: s}")
        }
        #expect(body(served) == "<hunter2> <hun>")
        #expect(wait(upToMs: 10_000, everyMs: 20) { Files.text(log) == "{\"cut\":\"<hun>\",\"whole\":\"hunter2\"}\n" }, "\(Files.text(log) ?? "")")
        #expect(isHidden("hunter2", served), "\(served.process.output)")
    }

    @Test func aFileIsReadAgain() throws {
        let path = directory.write("hush-1", to: "token")
        let served = try Served(Binary.martlet(), workers: 2, arguments: GenericSecretTests.arguments) {
            yaml($0, secrets: "{name: s, generic_secret: {secret: {filename: \(path)}}}", "a: {name: s}")
        }
        #expect(body(served) == "<hush-1> <hus>")
        // In its place, and by another.
        Files.write(Array("hush-2".utf8), to: path)
        #expect(becomes("<hush-2> <hus>", served), "\(body(served) ?? "")")
        Files.write(Array("hush-3".utf8), to: path + ".new")
        unsafe _ = rename(path + ".new", path)
        #expect(becomes("<hush-3> <hus>", served), "\(body(served) ?? "")")
        unsafe _ = unlink(path)
        #expect(wait(upToMs: 30_000, everyMs: 50) { served.process.output.contains("what it held before is written on") })
        #expect(body(served) == "<hush-3> <hus>")
        #expect(served.stat("martlet.plan.texts_refused", becomes: 1) == 1)
        Files.write([], to: path)
        #expect(becomes("<-> <->", served), "\(body(served) ?? "")")
        for secret in ["hush-1", "hush-2", "hush-3"] { #expect(isHidden(secret, served), "\(served.process.output)") }
    }

    @Test func aDiscoveryResponseInAFile() throws {
        func response(_ content: String) -> String { "resources: [{\"@type\": \(GenericSecretTests.tls).Secret, name: s, generic_secret: {secret: \(content)}}]" }
        let path = directory.write(response("{inline_string: hush-1}"), to: "s.yaml")
        let served = try Served(Binary.martlet(), arguments: GenericSecretTests.arguments) {
            yaml($0, "a: {name: s, sds_config: {path_config_source: {path: \(path)}}}")
        }
        #expect(body(served) == "<hush-1> <hus>")
        directory.write(response("{inline_string: hush-2}"), to: "s.yaml")
        #expect(becomes("<hush-2> <hus>", served), "\(body(served) ?? "")")
        #expect(served.stat("sds.s.update_success", becomes: 2) == 2)
        directory.write(response("{inline_string: 98765}"), to: "s.yaml")
        #expect(served.stat("sds.s.update_failure", becomes: 1) == 1 || served.stat("sds.s.update_rejected", becomes: 1) == 1)
        #expect(body(served) == "<hush-2> <hus>")
        for secret in ["hush-1", "hush-2", "98765"] { #expect(isHidden(secret, served), "\(served.process.output)") }
        let dump = text(served, "/config_dump?resource=dynamic_active_secrets")
        #expect(dump.contains("\"name\": \"s\""), "\(dump)")
    }

    // MARK: Of a management server

    private static let http2 =
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}"

    private func source(_ name: String, _ api: String, timeout: String = "300s") -> String {
        "a: {name: \(name), sds_config: {resource_api_version: V3, initial_fetch_timeout: \(timeout), api_config_source: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}}]}}}"
    }

    private func cluster(_ manager: ManagementServer) -> String {
        "{name: sds, connect_timeout: 10s, load_assignment: {cluster_name: sds, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(manager.port)}}}}]}]}, \(GenericSecretTests.http2)}"
    }

    private func value(_ text: String) -> String { "\"generic_secret\": {\"secret\": {\"inline_string\": \"\(text)\"}}" }

    @Test(.enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"), arguments: ["GRPC", "DELTA_GRPC"])
    func itIsWaitedForAndUpdated(api: String) throws {
        let manager = try ManagementServer()
        let served = try Served(Binary.martlet(), workers: 2, waits: false, arguments: GenericSecretTests.arguments) {
            yaml($0, source("s", api), clusters: cluster(manager))
        }
        #expect(manager.lines("request", 1).first?["names"]?.array?.compactMap(\.string) == ["s"])
        #expect(text(served, "/ready") == "INITIALIZING\n")
        manager.give("s", "1", value("hush-1"))
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(body(served) == "<hush-1> <hus>")
        manager.give("s", "2", value("hush-2"))
        #expect(becomes("<hush-2> <hus>", served), "\(body(served) ?? "")")
        // One whose file is not there is refused, and what was before is written on.
        manager.give("s", "3", "\"generic_secret\": {\"secret\": {\"filename\": \"/nonexistent/s\"}}")
        #expect(served.stat("sds.s.update_rejected", becomes: 1) == 1)
        let refused = manager.lines("request", 4).last
        #expect(refused?["error"]?.string?.contains("Invalid path: /nonexistent/s") == true, "\(String(describing: refused))")
        #expect(body(served) == "<hush-2> <hus>")
        // One that names a file is read when that changes.
        let path = directory.write("hush-3", to: "token")
        manager.give("s", "4", "\"generic_secret\": {\"secret\": {\"filename\": \"\(path)\"}}")
        #expect(becomes("<hush-3> <hus>", served), "\(body(served) ?? "")")
        directory.write("hush-4", to: "token")
        #expect(becomes("<hush-4> <hus>", served), "\(body(served) ?? "")")
        // One that is taken away is written on.
        manager.remove("s", "5")
        _ = manager.lines("request", 6)
        #expect(body(served) == "<hush-4> <hus>")
        for secret in ["hush-1", "hush-2", "hush-3", "hush-4"] { #expect(isHidden(secret, served), "\(served.process.output)") }
        #expect(text(served, "/config_dump?resource=dynamic_active_secrets").contains("\"name\": \"s\""))
    }

    /// Two formats over the one stream of ADS, which ask for a name once.
    @Test(.enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"), arguments: ["GRPC", "DELTA_GRPC"])
    func overTheAggregatedStream(api: String) throws {
        let manager = try ManagementServer()
        manager.give("s", "1", value("hush-1"))
        let served = try Served(Binary.martlet(), arguments: GenericSecretTests.arguments) {
            "dynamic_resources: {ads_config: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}}]}}\n"
                + yaml($0, "a: {name: s, sds_config: {resource_api_version: V3, ads: {}}}, b: {name: s, sds_config: {resource_api_version: V3, initial_fetch_timeout: 7s, ads: {}}}", clusters: cluster(manager))
        }
        #expect(body(served) == "<hush-1> <hus>")
        manager.give("s", "2", value("hush-2"))
        #expect(becomes("<hush-2> <hus>", served), "\(body(served) ?? "")")
        #expect(served.stat("sds.s.update_success", becomes: 2) == 2)
        #expect(manager.lines("stream").count == 1)
        #expect(wait(upToMs: 10_000, everyMs: 20) { Files.text(log)?.contains("\"whole\":\"hush-2\"") == true })
        for secret in ["hush-1", "hush-2"] { #expect(isHidden(secret, served), "\(served.process.output)") }
    }

    /// Main writes it too, in the admin interface's log, and waits for it.
    @Test(.enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"))
    func theAdminLogWritesIt() throws {
        let manager = try ManagementServer()
        let port = Ports.free()
        let admin = Admin(port: Ports.free())
        let formatter = "{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.generic_secret.v3.GenericSecret, secret_configs: {\(source("s", "GRPC"))}}}"
        let text = yaml(port, secrets: "{name: t, generic_secret: {secret: {inline_string: other}}}", "a: {name: t}", clusters: cluster(manager)) + """

            admin:
              address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}
              access_log: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/admin.log, log_format: {text_format_source: {inline_string: "%REQ(:PATH)% %SECRET(a)%\\n"}, formatters: [\(formatter)]}}}]

            """
        let process = try Binary.martlet().start(["-c", directory.write(text, to: "admin.yaml"), "--concurrency", "1"] + GenericSecretTests.arguments)
        defer { process.kill() }
        #expect(manager.lines("request", 1).first?["names"]?.array?.compactMap(\.string) == ["s"])
        manager.give("s", "1", value("hush-1"))
        #expect(process.becomesReady(admin: admin.port))
        _ = admin.request("GET", "/stats?after")
        #expect(wait(upToMs: 10_000, everyMs: 20) { Files.text(directory.path + "/admin.log")?.contains("/stats?after hush-1\n") == true })
    }

    /// In a TLV of the PROXY protocol: a cluster waits for it, and asks ahead of listeners.
    @Test(.enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"))
    func aClusterWaitsForIt() throws {
        let manager = try ManagementServer()
        let port = Ports.free()
        let upstream = try Sockets.listen(port: port)
        defer { upstream.close() }
        let types = "type.googleapis.com/envoy.extensions."
        let format = "{text_format_source: {inline_string: \"<%SECRET(a)%>\"}, formatters: [{name: f, typed_config: {\"@type\": \(types)formatter.generic_secret.v3.GenericSecret, secret_configs: {\(source("s", "GRPC"))}}}]}"
        let served = try Served(Binary.martlet(), waits: false) { listener in
            """
            node: {id: the-node, cluster: the-cluster}
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(listener)}}
                filter_chains: [{filters: [{name: t, typed_config: {"@type": \(types)filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}]}]
              clusters:
              - \(cluster(manager))
              - name: c
                load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}}]}]}
                transport_socket: {name: p, typed_config: {"@type": \(types)transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: {version: V2, added_tlvs: [{type: 225, format_string: \(format)}]}, transport_socket: {name: r, typed_config: {"@type": \(types)transport_sockets.raw_buffer.v3.RawBuffer}}}}
            """
        }
        #expect(manager.lines("request", 1).first?["names"]?.array?.compactMap(\.string) == ["s"])
        manager.give("s", "1", value("hush-1"))
        #expect(served.process.becomesReady(admin: served.admin.port))
        let client = try Sockets.connect(port: served.listener)
        defer { client.close() }
        _ = Sockets.send(Array("hello".utf8), from: 0, on: client)
        var accepted: Descriptor?
        _ = wait(upToMs: 10_000, everyMs: 20) {
            accepted = Sockets.accept(upstream)
            return accepted != nil
        }
        let connection = try #require(accepted)
        defer { connection.close() }
        var got: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 8192)
        #expect(wait(upToMs: 10_000, everyMs: 20) {
            let n = unsafe recv(connection.raw, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if n > 0 { got += buffer[0..<n] }
            return got.index(of: "hello".wire) != nil
        })
        #expect(got.index(of: [225, 0, 8] + "<hush-1>".wire) != nil)
    }

    @Test(.enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"))
    func oneThatDoesNotComeIsEmpty() throws {
        let manager = try ManagementServer()
        let served = try Served(Binary.martlet()) { yaml($0, source("s", "GRPC", timeout: "0.3s"), clusters: cluster(manager)) }
        #expect(body(served) == "<-> <->")
        #expect(served.stat("sds.s.init_fetch_timeout", becomes: 1) == 1)
        #expect(text(served, "/config_dump?resource=dynamic_warming_secrets").contains("uninitialized"))
        manager.give("s", "1", value("late"))
        #expect(becomes("<late> <lat>", served), "\(body(served) ?? "")")
    }

    /// Behind a reload the listener of before serves until the secret of the new one has come; the old one is not asked for any more.
    @Test(.enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"))
    func aReloadWaits() throws {
        let manager = try ManagementServer()
        manager.give("s", "1", value("hush-1"))
        let served = try Served(Binary.martlet()) { yaml($0, source("s", "GRPC"), clusters: cluster(manager)) }
        #expect(body(served) == "<hush-1> <hus>")
        let before = try #require(Files.text(served.file))
        Files.write(Array(before.replacing(text: "name: s,", by: "name: t,").utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 30_000, everyMs: 50) { manager.lines("request").contains { $0["names"]?.array?.compactMap(\.string) == ["t"] } })
        #expect(text(served, "/init_dump").contains("target SdsApi t"))
        #expect(body(served) == "<hush-1> <hus>")
        manager.give("t", "1", value("other"))
        #expect(becomes("<other> <oth>", served), "\(body(served) ?? "")")
        #expect(wait(upToMs: 30_000, everyMs: 50) { !text(served, "/stats").contains("sds.s.") })
    }

    /// A configuration with a mistake in a secret is refused, and nobody reads there what it was.
    @Test func refusalsDoNotTell() throws {
        for wrong in ["{secret: {inline_string: 12345}}", "{secret: {inline_string: *hunter2}}", "{secret: {hunter2: 12345}}", "{secret: hunter2}"] {
            let file = directory.write(yaml(1, secrets: "{name: s, generic_secret: \(wrong)}", "a: {name: s}"), to: "wrong.yaml")
            for format in [[], ["--format", "json"]] {
                let finished = try Binary.martlet().run(["-c", file, "--mode", "validate"] + format)
                #expect(finished.status != 0 && !finished.output.isEmpty)
                #expect(!finished.output.contains("hunter2") && !finished.output.contains("12345"), "\(finished.output)")
            }
        }
    }
}
