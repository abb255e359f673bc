import TestSupport
import Testing

/// The same management server for Envoy 1.40 and for Martlet: the same requests, answers, refusals and statistics.
@Suite(
    .serialized, .enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"), .enabled(if: Shell.has("openssl")))
struct SecretDiscoveryOracleTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("first", names: "DNS:localhost")
        try certificates.issue("second", names: "DNS:localhost")
    }

    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func theConversationIsEnvoys(api: String) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try conversation(envoy, ["--disable-hot-restart", "-l", "error"], api)
        let found = try conversation(martlet, [], api)
        #expect(expected.count > 15, "Envoy talked")
        for (theirs, ours) in zip(expected, found) where theirs != ours { Issue.record("Envoy: \(theirs)\nMartlet: \(ours)") }
        #expect(expected.count == found.count)
    }

    private func conversation(_ binary: String, _ options: [String], _ api: String) throws -> [String] {
        let manager = try ManagementServer()
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let process = try ChildProcess(
            binary, ["-c", directory.write(yaml(manager.port, admin.port, api), to: "config.yaml"), "--concurrency", "1"] + options)
        defer { process.kill() }
        // Each answer is awaited, so that there is one order.
        var answers = 1
        func answered() {
            answers += 1
            _ = manager.lines("request", answers)
        }
        _ = manager.lines("request", 1)
        manager.give("server", "1", ManagementServer.pair(certificates, "first"))
        answered()
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        manager.give("server", "2", "\"tls_certificate\": {\"certificate_chain\": {\"inline_string\": \"nonsense\"}, \"private_key\": {\"inline_string\": \"no\"}}")
        answered()
        manager.give("server", "3", ManagementServer.pair(certificates, "second"))
        answered()
        manager.giveOther("server", "4", type: "type.googleapis.com/envoy.config.core.v3.Node")
        answered()
        manager.give("server", "5", "\"name\": \"another\", " + ManagementServer.pair(certificates, "first"))
        answered()
        manager.remove("server", "6")
        answered()
        manager.endStreams()
        // The first request of the next stream, and the answer to what comes on it.
        answered()
        answered()
        let names = [
            "init_fetch_timeout", "key_rotation_failed", "update_attempt", "update_failure", "update_rejected", "update_success",
            "control_plane.connected_state", "control_plane.pending_requests", "control_plane.rate_limit_enforced",
        ].map { "sds.server." + $0 }
        _ = wait(upToMs: 10_000, everyMs: 20) {
            admin.stats(matching: "^sds")["sds.server.update_attempt"] == (api == "GRPC" ? 6 : 11)
        }
        let counted = admin.stats(matching: "^sds")
        let texts = String(wire: admin.request("GET", "/stats?filter=^sds.*(text|identifier)$")?.body ?? [])
        let said = ["stream", "request"].flatMap { manager.lines($0) }.map(plain)
        return said + names.map { "\($0) \(counted[$0] ?? -1)" } + texts.split(separator: "\n").map(String.init).sorted()
    }

    /// Secrets of two listeners on the one stream of ADS. (Envoy 1.40 crashes when a cluster's is asked for over it.)
    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func theAggregatedConversationIsEnvoys(api: String) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try aggregated(envoy, ["--disable-hot-restart", "-l", "error"], api)
        let found = try aggregated(martlet, [], api)
        #expect(expected.count > 12, "Envoy talked")
        for (theirs, ours) in zip(expected, found) where theirs != ours { Issue.record("Envoy: \(theirs)\nMartlet: \(ours)") }
        #expect(expected.count == found.count)
    }

    private func aggregated(_ binary: String, _ options: [String], _ api: String) throws -> [String] {
        let manager = try ManagementServer()
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let whole = yaml(manager.port, admin.port, source: "ads: {}")
        let parts = whole.split(separator: "  - name: l\n")
        let listener = try #require(parts.last?.split(separator: "  clusters:\n").first.map(String.init))
        let second = "  - name: m\n" + listener.replacing(text: "name: server", by: "name: other").replacing(text: "stat_prefix: l", by: "stat_prefix: m")
            .split(separator: "\n").map { $0.contains("socket_address") ? "    address: {socket_address: {address: 127.0.0.1, port_value: \(Ports.free())}}" : String($0) }.joined(separator: "\n") + "\n"
        let text = "dynamic_resources: {ads_config: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}}]}}\n"
            + whole.replacing(text: "  clusters:\n", by: second + "  clusters:\n")
        let process = try ChildProcess(binary, ["-c", directory.write(text, to: "config.yaml"), "--concurrency", "1"] + options)
        defer { process.kill() }
        func counted(_ name: String, _ count: Int) { _ = wait(upToMs: 10_000, everyMs: 20) { admin.stats(matching: "^sds")[name] == count } }
        // Envoy asks for them one by one, Martlet at once.
        _ = wait(upToMs: 10_000, everyMs: 20) { Set(manager.lines("request").flatMap { $0["names"]?.array?.compactMap(\.string) ?? [] }).count == 2 }
        manager.give("other", "1", ManagementServer.pair(certificates, "first"))
        counted("sds.other.update_success", 1)
        manager.give("server", "1", ManagementServer.pair(certificates, "first"))
        counted("sds.server.update_success", 1)
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        manager.give("server", "2", "\"tls_certificate\": {\"certificate_chain\": {\"inline_string\": \"nonsense\"}, \"private_key\": {\"inline_string\": \"no\"}}")
        counted("sds.server.update_rejected", 1)
        manager.give("server", "3", ManagementServer.pair(certificates, "second"))
        counted("sds.server.update_success", 2)
        let names = ["server", "other"].flatMap { name in
            ["init_fetch_timeout", "update_attempt", "update_failure", "update_rejected", "update_success"].map { "sds.\(name).\($0)" }
        }
        let counts = admin.stats(matching: "^sds")
        let texts = String(wire: admin.request("GET", "/stats?filter=^(sds|control_plane).*(text|identifier)$")?.body ?? [])
        // The server writes them down when they come, which may be later than they are counted.
        var answers: [JSON] = []
        _ = wait(upToMs: 10_000, everyMs: 20) {
            answers = manager.lines("request").filter { $0["nonce"]?.string != "" }
            return answers.count == 4
        }
        return ((manager.lines("stream") + answers).map(plain) + names.map { "\($0) \(counts[$0] ?? -1)" }
            + texts.split(separator: "\n").map(String.init).sorted())
    }

    /// Clusters ask first; and what is shown of secrets that were refused.
    @Test func orderAndRefusedSecretsAreEnvoys() throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try refusals(envoy, ["--disable-hot-restart", "-l", "error"])
        let found = try refusals(martlet, [])
        #expect(expected.count == 8 && expected[0].contains("ca"), "Envoy talked")
        for (theirs, ours) in zip(expected, found) where theirs != ours { Issue.record("Envoy: \(theirs)\nMartlet: \(ours)") }
        #expect(expected.count == found.count)
    }

    private func refusals(_ binary: String, _ options: [String]) throws -> [String] {
        let manager = try ManagementServer()
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let source = "api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}}]}"
        let cluster = """
            - name: up
              load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}
              transport_socket:
                name: t
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                  sni: x
                  common_tls_context: {validation_context_sds_secret_config: {name: ca, sds_config: {resource_api_version: V3, initial_fetch_timeout: 300s, \(source)}}}

            """.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n")
        let text = yaml(manager.port, admin.port, source: source).replacing(text: "  clusters:\n", by: "  clusters:\n" + cluster + "\n")
        let process = try ChildProcess(binary, ["-c", directory.write(text, to: "config.yaml"), "--concurrency", "1"] + options)
        defer { process.kill() }
        var answers = 1
        func answered() {
            answers += 1
            _ = manager.lines("request", answers)
        }
        var seen: [String] = []
        seen.append("\(manager.lines("request", 1).map { $0["names"]?.text() ?? "" })")
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        answered()
        answered()
        let pair = { (chain: String, key: String) in "\"tls_certificate\": {\"certificate_chain\": {\(chain)}, \"private_key\": {\(key)}}" }
        let nonsense = pair("\"inline_string\": \"nonsense\"", "\"inline_string\": \"no\"")
        let gone = pair("\"filename\": \"/nowhere/at/all\"", "\"filename\": \"/nowhere/at/all\"")
        let device = pair("\"filename\": \"/dev/zero\"", "\"filename\": \"/dev/zero\"")
        let steps = [nonsense, ManagementServer.pair(certificates, "first"), nonsense, ManagementServer.trust(certificates.authority), gone, device, ManagementServer.pair(certificates, "second")]
        for (i, step) in steps.enumerated() {
            manager.give("server", "\(i)", step)
            answered()
            let dump = String(wire: admin.request("GET", "/config_dump?mask=dynamic_active_secrets,dynamic_warming_secrets")?.body ?? [])
            // In the order of their names, without the time.
            let whole = try JSON(parsing: dump)["configs"]?.array?.first
            let shown = ["dynamic_active_secrets", "dynamic_warming_secrets"].flatMap { kind in
                (whole?[kind]?.array ?? []).map { one in
                    "\(kind) \(one["name"]?.string ?? "") \(one["version_info"]?.string ?? "") \(one["error_state"]?.text() ?? "") \(one["secret"]?.text() ?? "")"
                }
            }
            seen.append("\(i): \(shown.sorted().filter { $0.contains(" server ") }.joined(separator: "; "))")
        }
        return seen
    }

    /// What is asked over REST, and what answers are counted as.
    @Test func requestsOverRESTAreEnvoys() throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try requests(envoy, ["--disable-hot-restart", "-l", "error"])
        let found = try requests(martlet, [])
        #expect(expected.count > 6, "Envoy talked")
        for (theirs, ours) in zip(expected, found) where theirs != ours { Issue.record("Envoy: \(theirs)\nMartlet: \(ours)") }
        #expect(expected.count == found.count)
    }

    private func requests(_ binary: String, _ options: [String]) throws -> [String] {
        let manager = try ManagementServer()
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let source = "api_config_source: {api_type: REST, transport_api_version: V3, cluster_names: [sds], refresh_delay: 0.05s, request_timeout: 9s}"
        let text = yaml(manager.restPort, admin.port, source: source).replacing(text: "explicit_http_config: {http2_protocol_options: {}}", by: "explicit_http_config: {http_protocol_options: {}}")
        let process = try ChildProcess(binary, ["-c", directory.write(text, to: "config.yaml"), "--concurrency", "1"] + options)
        defer { process.kill() }
        var seen: [String] = []
        // Not in it: a secret that cannot be used. Envoy refuses it once, and takes the same one when it comes again.
        // How many of each there are is a matter of time; whether there are any, and more of them, is not.
        let answers = [
            ("\"status\": 404", "update_failure"), ("\"text\": \"nonsense\"", "update_rejected"), ("\"removed\": true", "update_rejected"),
            ("\"secret\": {\"name\": \"other\"}", "update_rejected"), ("\"secret\": {\(ManagementServer.pair(certificates, "first"))}", "update_success"),
            ("\"secret\": {\(ManagementServer.pair(certificates, "second"))}", "update_success"),
        ]
        for (i, answer) in answers.enumerated() {
            let before = admin.stats(matching: "^sds")["sds.server.\(answer.1)"] ?? 0
            manager.answer("server", "v\(i)", answer.0)
            let counted = wait(upToMs: 10_000, everyMs: 20) { (admin.stats(matching: "^sds")["sds.server.\(answer.1)"] ?? 0) >= before + 3 }
            let version = String(wire: admin.request("GET", "/stats?filter=^sds.server.version_text$")?.body ?? [])
            let asked = manager.lines("fetch").last?["version"]?.string ?? "?"
            seen.append("\(answer.0.prefix(30)): \(answer.1) \(counted) asks for \(asked) \(version)")
        }
        let first = try #require(manager.lines("fetch").first)
        return seen + [plain(first)]
    }

    /// Envoy's own words of a refusal, without the response that it shows in it.
    private func plain(_ line: JSON) -> String {
        guard case .object(let members) = line else { return "" }
        return members.map { name, value in
            guard name == "error", let text = value.string else { return "\(name)=\(value.text())" }
            return "error=" + (text.split(separator: " ").prefix { $0 != "goo.gle/debugonly" && $0 != "goo.gle/debugproto" && $0 != "goo.gle/debugstr" }.joined(separator: " "))
        }.joined(separator: " ")
    }

    private func yaml(_ manager: UInt16, _ admin: UInt16, _ api: String) -> String {
        yaml(
            manager, admin,
            source: "api_config_source: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}, initial_metadata: [{key: x-token, value: abc}]}]}")
    }

    private func yaml(_ manager: UInt16, _ admin: UInt16, source: String) -> String {
        """
        node: {id: the-node, cluster: the-cluster}
        admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
        static_resources:
          listeners:
          - name: l
            address: {socket_address: {address: 127.0.0.1, port_value: \(Ports.free())}}
            stat_prefix: l
            filter_chains:
            - filters:
              - name: h
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
                  http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
              transport_socket:
                name: t
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                  common_tls_context:
                    tls_certificate_sds_secret_configs:
                    - name: server
                      sds_config:
                        initial_fetch_timeout: 300s
                        resource_api_version: V3
                        \(source)
          clusters:
          - name: sds
            connect_timeout: 1s
            typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}
            load_assignment: {cluster_name: sds, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(manager)}}}}]}]}
        """
    }
}
