import TestSupport
import Testing

/// While secrets of a management server are on their way: what is judged, what is shown, what a reload changes.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"),
    .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct WaitingSecretsTests {
    private let certificates: Certificates
    private let manager: ManagementServer
    private let origin = Ports.free()

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        try certificates.issue("second", names: "DNS:localhost,DNS:second.test")
        manager = try ManagementServer()
    }

    private static let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
    private static let http2 =
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}"

    private func source(_ name: String, api: String = "GRPC") -> String {
        "{name: \(name), sds_config: {resource_api_version: V3, initial_fetch_timeout: 300s, api_config_source: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}}]}}}"
    }

    private func listener(_ port: UInt16, name: String = "l", _ common: String, _ context: String = "", body: String = "hello") -> String {
        """
          - name: \(name)
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - name: h
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: \(body)}}}]}]}
                  http_filters: [{name: envoy.filters.http.router}]
              transport_socket: {name: t, typed_config: {"@type": \(WaitingSecretsTests.tls).DownstreamTlsContext, \(context.isEmpty ? "" : context + ", ")common_tls_context: {\(common)}}}
        """
    }

    private func cluster(_ name: String, _ secret: String, more: String = "") -> String {
        Served.cluster(
            [origin], name: name,
            more: "transport_socket: {name: t, typed_config: {\"@type\": \(WaitingSecretsTests.tls).UpstreamTlsContext, sni: localhost, common_tls_context: {validation_context_sds_secret_config: \(source(secret))}}}\(more)")
    }

    private func yaml(_ listeners: [String], _ clusters: [String] = []) -> String {
        """
        node: {id: the-node, cluster: the-cluster}
        static_resources:
          listeners:
        \(listeners.joined(separator: "\n"))
          clusters:
        \(([Served.cluster([manager.port], name: "sds", more: WaitingSecretsTests.http2)] + clusters).joined(separator: "\n"))
        """
    }

    private func certificate(_ secret: String, api: String = "GRPC") -> String { "tls_certificate_sds_secret_configs: [\(source(secret, api: api))]" }

    private func names(_ line: JSON) -> [String] { line["names"]?.array?.compactMap(\.string) ?? [] }

    private func text(_ served: Served, _ path: String) -> String { String(wire: served.admin.request("GET", path)?.body ?? []) }

    private func text(_ served: Served, _ path: String, becomes wanted: String) -> String {
        var seen = ""
        _ = wait(upToMs: 10_000, everyMs: 20) {
            seen = text(served, path)
            return seen == wanted
        }
        return seen
    }

    private func reload(_ served: Served, _ yaml: String) {
        let admin = "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n"
        Files.write(Array((yaml + admin).utf8), to: served.file)
        served.process.signal(1)
    }

    private func ask(_ served: Served, name: String = "localhost") throws -> String {
        let finished = try Shell.run(
            "curl -sS -m 10 --cacert \(certificates.authority) --resolve \(name):\(served.listener):127.0.0.1 https://\(name):\(served.listener)/ 2>&1")
        return finished.status == 0 ? finished.output : "curl: \(finished.status ?? -1)"
    }

    private func becomes(_ wanted: String, _ body: () throws -> String) rethrows -> String {
        var seen = ""
        for _ in 0..<200 {
            seen = try body()
            if seen == wanted { break }
            _ = wait(upToMs: 50, everyMs: 50) { false }
        }
        return seen
    }

    // MARK: What is judged

    /// Ticket keys, and names without authorities: refused at once, whatever else their context waits for.
    @Test func aSecretIsJudgedThoughAnotherIsMissing() throws {
        let served = try Served(Binary.martlet(), waits: false) {
            yaml([
                listener(
                    $0, certificate("server") + ", validation_context_sds_secret_config: \(source("ca"))",
                    "session_ticket_keys_sds_secret_config: \(source("keys"))")
            ])
        }
        manager.give("keys", "1", "\"session_ticket_keys\": {\"keys\": [{\"inline_string\": \"short\"}]}")
        #expect(served.stat("sds.keys.update_rejected", becomes: 1) == 1)
        manager.give("ca", "1", "\"validation_context\": {\"match_typed_subject_alt_names\": [{\"san_type\": \"DNS\", \"matcher\": {\"exact\": \"a\"}}]}")
        #expect(served.stat("sds.ca.update_rejected", becomes: 1) == 1)
        // A name without a type would be dropped, and with it the restriction.
        manager.give("ca", "2", "\"validation_context\": {\"trusted_ca\": {\"filename\": \"/none\"}, \"match_typed_subject_alt_names\": [{\"matcher\": {\"exact\": \"a\"}}]}")
        #expect(served.stat("sds.ca.update_rejected", becomes: 2) == 2)
        var refusals: [String] = []
        _ = wait(upToMs: 10_000, everyMs: 20) {
            refusals = manager.lines("request").compactMap { $0["error"]?.string }.filter { !$0.isEmpty }
            return refusals.count == 3
        }
        #expect(refusals.contains { $0.hasPrefix("Incorrect TLS session ticket key length") })
        #expect(refusals.contains { $0.hasPrefix("validation_context.match_typed_subject_alt_names[0].san_type: ") }, "\(refusals)")
        #expect(refusals.contains("SAN-based verification of peer certificates without trusted CA is insecure and not allowed"))
    }

    /// What a context has beside its secrets is read with the configuration, not when they come.
    @Test func aContextThatWaitsIsReadAllTheSame() throws {
        let directory = TemporaryDirectory()
        let file = directory.write(yaml([listener(Ports.free(), certificate("server") + ", alpn_protocols: [\"\"]")]), to: "c.yaml")
        let process = try Binary.martlet().start(["-c", file, "--mode", "validate"])
        #expect(process.waitForExit(upToMs: 10_000) == 1)
        #expect(process.output.contains("Invalid ALPN protocol string"))
    }

    /// A file of the context that has broken meanwhile is not the secret's fault: it is accepted, and serves with the file.
    @Test func aBrokenFileRefusesNoSecret() throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        let directory = TemporaryDirectory()
        let authority = Files.text(certificates.authority) ?? ""
        let file = directory.write(authority, to: "ca.pem")
        let served = try Served(Binary.martlet()) {
            yaml([listener($0, certificate("server") + ", validation_context: {trusted_ca: {filename: \(file)}}", "require_client_certificate: false")])
        }
        #expect(try ask(served) == "hello")
        _ = directory.write("nonsense", to: "ca.pem")
        manager.give("server", "2", ManagementServer.pair(certificates, "second"))
        #expect(served.stat("sds.server.update_success", becomes: 2) == 2)
        #expect(served.stat("sds.server.update_rejected", becomes: 0) == 0)
        #expect(try ask(served) == "hello")
        // What is wrong with it in this context is found behind the file's mistake.
        manager.give("server", "2a", ManagementServer.trust(certificates.authority))
        #expect(served.stat("sds.server.update_rejected", becomes: 1) == 1)
        #expect(wait(upToMs: 10_000, everyMs: 20) {
            served.process.output.contains("sds: listener.") && served.process.output.contains("ssl: what was before serves on: Failed to load trusted CA")
        })
        // A secret that is none stays refused.
        manager.give("server", "3", "\"tls_certificate\": {\"certificate_chain\": {\"inline_string\": \"nonsense\"}, \"private_key\": {\"inline_string\": \"no\"}}")
        #expect(served.stat("sds.server.update_rejected", becomes: 2) == 2)
        _ = directory.write(authority, to: "ca.pem")
        #expect(try becomes("hello") { try ask(served, name: "second.test") } == "hello")
    }

    /// A file's secret is not looked for again because another one has come, be it good or bad.
    @Test func aFilesSecretIsCountedWhenItsFileChanges() throws {
        let directory = TemporaryDirectory()
        let secret = "resources:\n- {\"@type\": \(WaitingSecretsTests.tls).Secret, name: file, tls_certificate: {certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}}\n"
        let file = directory.write(secret, to: "file.yaml")
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        let served = try Served(Binary.martlet()) {
            yaml([
                listener(
                    $0,
                    "tls_certificate_sds_secret_configs: [{name: file, sds_config: {path_config_source: {path: \(file)}}}], validation_context_sds_secret_config: \(source("ca"))",
                    "require_client_certificate: false")
            ])
        }
        #expect(try ask(served) == "hello")
        manager.give("ca", "2", "\"validation_context\": {\"trusted_ca\": {\"inline_string\": \"nonsense\"}}")
        #expect(served.stat("sds.ca.update_rejected", becomes: 1) == 1)
        #expect(served.stat("sds.file.update_attempt", becomes: 1) == 1)
        #expect(served.stat("sds.file.update_success", becomes: 1) == 1)
        _ = directory.write(secret + "\n", to: "file.yaml")
        #expect(served.stat("sds.file.update_success", becomes: 2) == 2)
        #expect(served.stat("sds.file.update_attempt", becomes: 2) == 2)
    }

    /// Devices and pipes are not read; shown as in Envoy, whose files cannot be read either.
    @Test func aSecretNamesFilesAndNothingElse() throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        let served = try Served(Binary.martlet()) { yaml([listener($0, certificate("server"))]) }
        let directory = TemporaryDirectory()
        for (i, path) in ["/dev/zero", directory.path].enumerated() {
            manager.give("server", "2\(i)", "\"tls_certificate\": {\"certificate_chain\": {\"filename\": \"\(path)\"}, \"private_key\": {\"filename\": \"\(path)\"}}")
            #expect(served.stat("sds.server.update_rejected", becomes: i + 1) == i + 1)
            #expect(manager.lines("request", 3 + i).last?["error"]?.string == "unable to read file: \(path) (not a regular file)")
            let shown = text(served, "/config_dump?resource=dynamic_warming_secrets")
            #expect(shown.contains("\"version_info\": \"2\(i)\"") && !shown.contains("certificate_chain"), "\(shown)")
            #expect(text(served, "/config_dump?resource=dynamic_active_secrets") == "{}\n")
        }
        #expect(try ask(served) == "hello")
    }

    /// Nothing is said of it, so it is waited for: as Envoy 1.40.
    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func aResponseThatSaysNothingIsNoAnswer(api: String) throws {
        manager.giveNothing("server", "1")
        let served = try Served(Binary.martlet(), waits: false) { yaml([listener($0, certificate("server", api: api))]) }
        let accepted = try #require(manager.lines("request", 2).last)
        #expect(accepted["nonce"]?.string == "nonce-1" && accepted["error"]?.string == "")
        #expect(served.stat("sds.server.update_success", becomes: 0) == 0)
        #expect(served.stat("sds.server.update_attempt", becomes: 1) == 1)
        #expect(text(served, "/ready") == "INITIALIZING\n")
        manager.give("server", "2", ManagementServer.pair(certificates, "server"))
        #expect(served.process.becomesReady(admin: served.admin.port))
    }

    /// What the server says stands on one line, short, in answers, statistics and the log.
    @Test func aServersTextIsShownOnOneLine() throws {
        let served = try Served(Binary.martlet(), waits: false) { yaml([listener($0, certificate("server", api: "DELTA_GRPC"))]) }
        manager.give("server", "1\\n2", ManagementServer.pair(certificates, "server"))
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(text(served, "/stats?filter=version_text").contains("sds.server.version_text: \"system-1\\u{a}2\"\n"))
        manager.give("server", "3", "\"name\": \"an\\nother\(String(repeating: "x", count: 2000))\", " + ManagementServer.pair(certificates, "server"))
        let refused = try #require(manager.lines("request", 3).last?["error"]?.string)
        #expect(refused.hasPrefix("Unexpected SDS secret (expecting server): an\\u{a}otherxx") && refused.hasSuffix("x…"))
        #expect(refused.utf8.count <= 515)
        #expect(wait(upToMs: 10_000, everyMs: 20) { served.process.output.contains("rejected: Unexpected SDS secret (expecting server): an\\u{a}otherxx") })
    }

    // MARK: What is shown

    /// At the start all that is configured is active, as in Envoy: clusters' secrets first, then listeners'.
    @Test func whatIsShownAtTheStart() throws {
        let served = try Served(Binary.martlet(), waits: false) { yaml([listener($0, certificate("server"))], [cluster("up", "ca")]) }
        #expect(manager.lines("request", 1).map(names) == [["ca"]])
        #expect(text(served, "/ready") == "PRE_INITIALIZING\n")
        // What the process says of itself while it starts is not hidden by that.
        #expect(served.admin.request("POST", "/healthcheck/fail")?.status == 200)
        #expect(text(served, "/ready") == "PRE_INITIALIZING\n")
        #expect(served.admin.request("POST", "/healthcheck/ok")?.status == 200)
        // As in Envoy what is configured at the start is active: nothing of it is listed as waiting.
        #expect(text(served, "/init_dump") == "{}\n")
        #expect(text(served, "/listeners") == "l::127.0.0.1:\(served.listener)\n")
        #expect(text(served, "/clusters").contains("up::127.0.0.1:\(origin)::health_flags::healthy"))
        #expect(text(served, "/config_dump?resource=dynamic_listeners") == "{}\n")
        #expect(text(served, "/config_dump?resource=dynamic_warming_clusters") == "{}\n")
        #expect(served.stat("cluster.up.warming_state", becomes: 1) == 1)
        #expect(served.stat("cluster.sds.warming_state", becomes: 0) == 0)
        #expect(served.stat("cluster_manager.active_clusters", becomes: 2) == 2)
        #expect(served.stat("listener_manager.total_listeners_active", becomes: 1) == 1)
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        #expect(text(served, "/ready", becomes: "INITIALIZING\n") == "INITIALIZING\n")
        #expect(served.stat("cluster.up.warming_state", becomes: 0) == 0)
        // Listeners ask when clusters have theirs: the request follows the answer to it.
        #expect(manager.lines("request", 3).map(names).sorted { $0[0] < $1[0] } == [["ca"], ["ca"], ["server"]])
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        #expect(served.process.becomesReady(admin: served.admin.port))
    }

    /// Behind a reload: what serves is active, what waits is warming.
    @Test func whatIsShownBehindAReload() throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        let served = try Served(Binary.martlet()) { yaml([listener($0, certificate("server"))], [cluster("up", "ca")]) }
        let other = Ports.free()
        reload(
            served,
            yaml(
                [listener(served.listener, certificate("later"), body: "later"), listener(other, name: "new", certificate("later"), body: "later")],
                [cluster("up", "late", more: ", respect_dns_ttl: true"), cluster("new", "late")]))
        #expect(served.stat("listener_manager.total_listeners_warming", becomes: 2) == 2)
        #expect(served.stat("listener_manager.total_listeners_active", becomes: 1) == 1)
        #expect(served.stat("cluster_manager.warming_clusters", becomes: 2) == 2)
        #expect(served.stat("cluster_manager.active_clusters", becomes: 2) == 2)
        #expect(text(served, "/listeners") == "l::127.0.0.1:\(served.listener)\n")
        let dumps = try JSON(parsing: text(served, "/init_dump"))["unready_targets_dumps"]?.array ?? []
        #expect(dumps.map { $0["target_names"]?.array?.map(\.string) } == [["target SdsApi later"], ["target SdsApi later"]])
        let managers = dumps.compactMap { $0["name"]?.string?.split(separator: " ").dropLast().joined(separator: " ") }
        #expect(managers == ["l", "new"].map { "init manager Listener-local-init-manager \($0)" })
        #expect(text(served, "/init_dump?mask=listener") == text(served, "/init_dump") && text(served, "/init_dump?mask=cluster") == "{}\n")
        #expect(!text(served, "/clusters").contains("new::"))
        let listeners = text(served, "/config_dump?mask=static_listeners,dynamic_listeners")
        let (active, warming) = try halves(listeners, at: "\"dynamic_listeners\"")
        #expect(active.contains("hello") && !active.contains("later"))
        #expect(warming.contains("\"name\": \"l\"") && warming.contains("\"warming_state\": {") && warming.contains("later") && !warming.contains("hello\""))
        let named = text(served, "/config_dump?resource=dynamic_listeners&name_regex=new&mask=name")
        #expect(named.contains("\"name\": \"new\"") && !named.contains("warming_state"))
        let clusters = text(served, "/config_dump?mask=static_clusters,dynamic_warming_clusters")
        let (shown, waiting) = try halves(clusters, at: "\"dynamic_warming_clusters\"")
        #expect(!shown.contains("\"name\": \"late\"") && shown.contains("\"name\": \"ca\""))
        #expect(waiting.contains("\"name\": \"new\"") && waiting.contains("\"name\": \"late\""))
        manager.give("later", "1", ManagementServer.pair(certificates, "second"))
        manager.give("late", "1", ManagementServer.trust(certificates.authority))
        #expect(try becomes("later") { try ask(served) } == "later")
        #expect(served.stat("listener_manager.total_listeners_warming", becomes: 0) == 0)
        #expect(served.stat("cluster_manager.warming_clusters", becomes: 0) == 0)
        #expect(served.stat("cluster_manager.active_clusters", becomes: 3) == 3)
        #expect(text(served, "/listeners").contains("new::127.0.0.1:\(other)\n"))
        #expect(text(served, "/config_dump?resource=dynamic_listeners") == "{}\n")
        #expect(text(served, "/init_dump") == "{}\n")
    }

    private func halves(_ text: String, at marker: String) throws -> (String, String) {
        let parts = text.split(separator: marker)
        try #require(parts.count == 2, "\(text)")
        return (String(parts[0]), String(parts[1]))
    }

    // MARK: A reload before anybody serves

    /// What a reload has left out is not waited for.
    @Test func aReloadEndsTheWaitForASecretThatItLeavesOut() throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        let served = try Served(Binary.martlet(), waits: false) { yaml([listener($0, certificate("never"))]) }
        #expect(manager.lines("request", 1).count == 1)
        #expect(text(served, "/ready") == "INITIALIZING\n")
        reload(served, yaml([listener(served.listener, certificate("server"))]))
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(try becomes("hello") { try ask(served) } == "hello")
    }

    /// Nobody serves yet: what was made for secrets that others have followed does not pile up.
    @Test func whatIsMadeBeforeAnybodyServesIsFreed() throws {
        let served = try Served(Binary.martlet(), waits: false) {
            yaml([listener($0, certificate("server") + ", validation_context_sds_secret_config: \(source("never"))")])
        }
        for i in 1...8 {
            manager.give("server", "\(i)", ManagementServer.pair(certificates, i % 2 == 0 ? "server" : "second"))
            #expect(served.stat("sds.server.update_success", becomes: i) == i)
        }
        #expect(served.stat("martlet.plan.parts_retiring", becomes: 0) == 0)
        manager.give("never", "1", ManagementServer.trust(certificates.authority))
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(try ask(served) == "hello")
    }
}
