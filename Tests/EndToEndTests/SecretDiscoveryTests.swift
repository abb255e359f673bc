import TestSupport
import Testing

/// Secrets of a management server (SDS over gRPC): waited for, replaced, refused, taken away; streams that end.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"),
    .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct SecretDiscoveryTests {
    private let certificates: Certificates
    private let manager: ManagementServer

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        try certificates.issue("second", names: "DNS:localhost,DNS:second.test")
        try certificates.issue("client", names: "DNS:client.test")
        manager = try ManagementServer()
    }

    private static let type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
    private static let http2 =
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}"

    /// Nothing is given up because the machine is busy.
    private func source(_ name: String, api: String = "GRPC", more: String = "initial_fetch_timeout: 300s, ") -> String {
        "{name: \(name), sds_config: {resource_api_version: V3, \(more)api_config_source: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: sds}, initial_metadata: [{key: x-token, value: abc}]}]}}}"
    }

    /// `context`: of the downstream context; `common`: what continues it.
    private func yaml(_ port: UInt16, _ common: String, _ context: String = "", body: String = "hello", server: UInt16? = nil) -> String {
        """
        node: {id: the-node, cluster: the-cluster}
        static_resources:
          listeners:
          - name: l
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            stat_prefix: l
            filter_chains:
            - filters:
              - name: h
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: \(body)}}}]}]}
                  http_filters: [{name: envoy.filters.http.router}]
              transport_socket: {name: t, typed_config: {"@type": \(SecretDiscoveryTests.type).DownstreamTlsContext, \(context.isEmpty ? "" : context + ", ")common_tls_context: {\(common)}}}
          clusters:
        \(Served.cluster([server ?? manager.port], name: "sds", more: SecretDiscoveryTests.http2))
        """
    }

    private func serve(_ common: String, _ context: String = "", waits: Bool = true, workers: Int = 1) throws -> Served {
        try Served(Binary.martlet(), workers: workers, waits: waits) { yaml($0, common, context) }
    }

    private func ask(_ served: Served, _ options: String = "", name: String = "localhost") throws -> String {
        let finished = try Shell.run(
            "curl -sS -m 10 --cacert \(certificates.authority) --resolve \(name):\(served.listener):127.0.0.1 \(options) https://\(name):\(served.listener)/ 2>&1")
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

    private func text(_ served: Served, _ path: String) -> String { String(wire: served.admin.request("GET", path)?.body ?? []) }
    private func text(_ served: Served, stat: String) -> String { text(served, "/stats?filter=^\(stat)$").split(separator: "\n").joined() }

    // MARK: The first one

    @Test(arguments: [("GRPC", 1), ("GRPC", 3), ("DELTA_GRPC", 1)])
    func nothingIsServedBeforeTheSecretIsThere(api: String, workers: Int) throws {
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server", api: api))]", waits: false, workers: workers)
        let requests = manager.lines("request", 1)
        #expect(requests.first?["names"]?.array?.compactMap(\.string) == ["server"])
        #expect(requests.first?["node"]?.string == "the-node" && requests.first?["cluster"]?.string == "the-cluster")
        #expect(manager.lines("stream").first?["metadata"]?["x-token"]?.string == "abc")
        #expect(text(served, "/ready") == "INITIALIZING\n")
        #expect(try Shell.run("curl -sk -m 1 https://localhost:\(served.listener)/").status != 0)
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(try ask(served) == "hello")
        // Accepted: the version of the state of the world, the nonce of either.
        let accepted = try #require(manager.lines("request", 2).last)
        #expect(accepted["nonce"]?.string == "nonce-1" && accepted["error"]?.string == "")
        if api == "GRPC" { #expect(accepted["version"]?.string == "1") }
        #expect(served.stat("sds.server.update_success", becomes: 1) == 1)
        #expect(served.stat("sds.server.update_attempt", becomes: 2) == 2)
        #expect(served.stat("sds.server.control_plane.connected_state", becomes: 1) == 1)
        #expect(text(served, stat: "sds.server.version_text") == "sds.server.version_text: \"\(api == "GRPC" ? "1" : "system-1")\"")
        // XXH64 of "1".
        if api == "GRPC" { #expect(text(served, stat: "sds.server.version") == "sds.server.version: 13237225503670494420") }
        #expect(text(served, stat: "sds.server.control_plane.identifier") == "sds.server.control_plane.identifier: \"test-server\"")
        #expect(served.stat("listener.l.server_ssl_socket_factory.ssl_context_update_by_sds", becomes: 1) == 1)
        let dump = text(served, "/config_dump?resource=dynamic_active_secrets")
        #expect(dump.contains("\"name\": \"server\"") && dump.contains("\"version_info\": \"1\"") && dump.contains("[redacted]"))
        #expect(!dump.contains("PRIVATE"))
        #expect(text(served, "/certs").contains("localhost"))
    }

    @Test func aSecretThatDoesNotComeIsNotWaitedForForEver() throws {
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server", more: "initial_fetch_timeout: 0.3s, "))]")
        #expect(try ask(served) == "curl: 35")
        #expect(served.stat("sds.server.init_fetch_timeout", becomes: 1) == 1)
        #expect(served.stat("listener.l.server_ssl_socket_factory.downstream_context_secrets_not_ready", becomes: 1) == 1)
        #expect(text(served, "/config_dump?resource=dynamic_warming_secrets").contains("uninitialized"))
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        #expect(try becomes("hello") { try ask(served) } == "hello")
        #expect(served.stat("sds.server.update_success", becomes: 1) == 1)
    }

    // MARK: Updates

    @Test(arguments: ["GRPC", "DELTA_GRPC"])
    func updatesAreTakenOrRefused(api: String) throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server", api: api))]", workers: 2)
        #expect(try ask(served, name: "second.test") == "curl: 60")
        // A connection of before goes on.
        let kept = try ChildProcess(
            "/bin/sh",
            ["-c", "(printf 'GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n'; while [ ! -e \(manager.folder.path)/go ]; do sleep 0.05; done; printf 'GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n'; sleep 5) | timeout 60 openssl s_client -connect 127.0.0.1:\(served.listener) -quiet -ign_eof 2>&1"])
        #expect(wait(upToMs: 10_000, everyMs: 20) { kept.output.contains("hello") })
        manager.give("server", "2", ManagementServer.pair(certificates, "second"))
        #expect(try becomes("hello") { try ask(served, name: "second.test") } == "hello")
        _ = manager.folder.write("", to: "go")
        #expect(wait(upToMs: 10_000, everyMs: 20) { kept.output.split(separator: "hello").count >= 3 || kept.output.contains("close") })
        kept.kill()
        // One that is none: the server is told why, and the one before serves on.
        manager.give("server", "3", "\"tls_certificate\": {\"certificate_chain\": {\"inline_string\": \"nonsense\"}, \"private_key\": {\"inline_string\": \"no\"}}")
        #expect(served.stat("sds.server.update_rejected", becomes: 1) == 1)
        let refused = try #require(manager.lines("request", 4).last)
        #expect(refused["code"] == .bare("13") && refused["error"]?.string?.contains("Failed to load certificate chain from <inline>") == true, "\(refused)")
        #expect(refused["nonce"]?.string == "nonce-3")
        if api == "GRPC" { #expect(refused["version"]?.string == "2") }
        #expect(try ask(served, name: "second.test") == "hello")
        // Shown as in Envoy, which shows what came last.
        let shown = text(served, "/config_dump?resource=dynamic_active_secrets")
        #expect(shown.contains("\"version_info\": \"3\"") && shown.contains("\"inline_string\": \"nonsense\""), "\(shown)")
        // Of another type, and no certificate.
        manager.giveOther("server", "4", type: "type.googleapis.com/envoy.config.core.v3.Node")
        #expect(served.stat("sds.server.update_rejected", becomes: 2) == 2)
        #expect(manager.lines("request", 5).last?["error"]?.string?.contains("does not match the message-wide type URL") == true)
        manager.give("server", "5", ManagementServer.trust(certificates.authority))
        #expect(served.stat("sds.server.update_rejected", becomes: 3) == 3)
        #expect(text(served, "/config_dump?resource=dynamic_active_secrets").contains("\"version_info\": \"5\""))
        // Bytes that are no secret, and somebody else's secret: in a state of the world it is nobody's fault.
        manager.giveOther("server", "5a", type: SecretDiscoveryTests.type + ".Secret", value: "AP8=")
        #expect(served.stat("sds.server.update_rejected", becomes: 4) == 4)
        #expect(manager.lines("request", 7).last?["error"]?.string?.hasPrefix("Unable to unpack as envoy.") == true)
        manager.give("server", "5b", "\"name\": \"another\", " + ManagementServer.pair(certificates, "server"))
        let another = api == "GRPC" ? "" : "Unexpected SDS secret (expecting server): another"
        #expect(manager.lines("request", 8).last?["error"]?.string == another)
        // Taken away: what serves stays.
        manager.remove("server", "6")
        #expect(manager.lines("request", 9).last?["error"]?.string == "")
        #expect(try ask(served, name: "second.test") == "hello")
        manager.give("server", "7", ManagementServer.pair(certificates, "server"))
        #expect(try becomes("curl: 60") { try ask(served, name: "second.test") } == "curl: 60")
        #expect(try ask(served) == "hello")
        #expect(served.stat("listener.l.server_ssl_socket_factory.ssl_context_update_by_sds", becomes: 3) == 3)
        #expect(manager.lines("stream").count == 1)
    }

    @Test(arguments: ["GRPC", "DELTA_GRPC"])
    func aStreamIsOpenedAgainWithWhatIsKnown(api: String) throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server", api: api))]")
        #expect(served.stat("sds.server.update_success", becomes: 1) == 1)
        // The server has read what is said to its answer: of a stream that has ended it would not.
        #expect(manager.lines("request", 2).count == 2)
        manager.endStreams()
        #expect(manager.lines("stream", 2).count == 2)
        // The first one of the second stream; the server's answer, and what is said to that, may have come already.
        let again = try #require(manager.lines("request", 3).dropFirst(2).first)
        #expect(again["nonce"]?.string == "")
        if api == "GRPC" {
            #expect(again["version"]?.string == "1")
        } else {
            #expect(again["versions"]?["server"]?.string == "1")
        }
        #expect(served.stat("sds.server.update_failure", becomes: 1) == 1)
        #expect(served.stat("sds.server.control_plane.connected_state", becomes: 1) == 1)
        // The server goes, and another one comes in its place.
        manager.end()
        #expect(served.stat("sds.server.control_plane.connected_state", becomes: 0) == 0)
        #expect(try ask(served) == "hello")
        let other = try ManagementServer(port: manager.port, folder: manager.folder)
        #expect(other.lines("request", 1).first?["hasNode"] == .bare("true"))
        other.give("server", "2", ManagementServer.pair(certificates, "second"))
        #expect(try becomes("hello") { try ask(served, name: "second.test") } == "hello")
    }

    /// Whatever else its context waits for.
    @Test func aSecretIsLookedAtByItself() throws {
        let served = try serve(
            "tls_certificate_sds_secret_configs: [\(source("server"))], validation_context_sds_secret_config: \(source("ca"))", waits: false)
        manager.give("server", "1", "\"tls_certificate\": {\"certificate_chain\": {\"inline_string\": \"nonsense\"}, \"private_key\": {\"inline_string\": \"no\"}}")
        #expect(served.stat("sds.server.update_rejected", becomes: 1) == 1)
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        #expect(served.stat("sds.ca.update_success", becomes: 1) == 1)
        manager.give("server", "2", ManagementServer.pair(certificates, "server"))
        #expect(try becomes("hello") { try ask(served) } == "hello")
    }

    // MARK: Kinds of secrets

    @Test func authoritiesAndTicketKeys() throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        let keys = { (letter: Character) in "\"session_ticket_keys\": {\"keys\": [{\"inline_string\": \"\(String(repeating: letter, count: 80))\"}]}" }
        manager.give("keys", "1", keys("a"))
        let served = try serve(
            "tls_certificate_sds_secret_configs: [\(source("server"))], combined_validation_context: {default_validation_context: {match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: client.test}}]}, validation_context_sds_secret_config: \(source("ca"))}",
            "require_client_certificate: true, session_ticket_keys_sds_secret_config: \(source("keys"))")
        let client = "--cert \(certificates.chain("client")) --key \(certificates.key("client"))"
        #expect(try ask(served, client) == "hello")
        #expect(try ask(served) != "hello")
        let stranger = try Certificates()
        try stranger.issue("client", names: "DNS:client.test")
        manager.give("ca", "2", ManagementServer.trust(stranger.authority))
        #expect(try becomes("hello") { try ask(served, "--cert \(stranger.chain("client")) --key \(stranger.key("client"))") } == "hello")
        #expect(try ask(served, client) != "hello")
        manager.give("keys", "2", "\"session_ticket_keys\": {\"keys\": [{\"inline_string\": \"short\"}]}")
        #expect(served.stat("sds.keys.update_rejected", becomes: 1) == 1)
        manager.give("keys", "3", keys("b"))
        #expect(served.stat("sds.keys.update_success", becomes: 2) == 2)
        #expect(!text(served, "/config_dump?resource=dynamic_active_secrets").contains("bbbb"))
    }

    @Test func anUpstreamsAuthorities() throws {
        let server = try TLSServed(certificates)
        let socket =
            "transport_socket: {name: t, typed_config: {\"@type\": \(SecretDiscoveryTests.type).UpstreamTlsContext, sni: localhost, common_tls_context: {validation_context_sds_secret_config: \(source("ca"))}}}"
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        let sds = Served.cluster([manager.port], name: "sds", more: SecretDiscoveryTests.http2)
        let served = try Served(Binary.martlet()) { Served.http($0, clusters: [Served.cluster([server.port], more: socket), sds]) }
        #expect(try served.get().status == 200)
        #expect(served.stat("cluster.c.client_ssl_socket_factory.ssl_context_update_by_sds", becomes: 1) == 1)
        let stranger = try Certificates()
        manager.give("ca", "2", ManagementServer.trust(stranger.authority))
        #expect(served.stat("sds.ca.update_success", becomes: 2) == 2)
    }

    // MARK: Reloads

    private func reload(_ served: Served, _ yaml: String) {
        let admin = "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n"
        Files.write(Array((yaml + admin).utf8), to: served.file)
        served.process.signal(1)
    }

    /// Until the secrets of a listener are there the one before serves: its routes, under its certificate.
    @Test func aReloadWaitsForItsSecret() throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server"))]")
        #expect(try ask(served) == "hello")
        reload(served, yaml(served.listener, "tls_certificate_sds_secret_configs: [\(source("other"))]", body: "again"))
        #expect(manager.lines("stream", 2).count == 2)
        #expect(try ask(served) == "hello")
        // One more, and back to what serves: nothing is waited for.
        reload(served, yaml(served.listener, "tls_certificate_sds_secret_configs: [\(source("third"))]", body: "third"))
        #expect(manager.lines("stream", 3).count == 3)
        #expect(try ask(served) == "hello")
        reload(served, yaml(served.listener, "tls_certificate_sds_secret_configs: [\(source("server"))]"))
        #expect(manager.lines("closed", 2).count == 2)
        #expect(try ask(served) == "hello")
        reload(served, yaml(served.listener, "tls_certificate_sds_secret_configs: [\(source("fourth"))]", body: "again"))
        #expect(manager.lines("stream", 4).count == 4)
        #expect(try ask(served) == "hello")
        #expect(try ask(served, name: "second.test") == "curl: 60")
        manager.give("fourth", "1", ManagementServer.pair(certificates, "second"))
        #expect(try becomes("again") { try ask(served, name: "second.test") } == "again")
        // Nobody asks for the first one any more.
        #expect(manager.lines("closed", 3).count == 3)
    }

    /// What has to be answered with a client certificate is never answered under the context of another chain, or of before.
    @Test(arguments: [true, false])
    func aReloadNeverServesUnderAnothersContext(comes: Bool) throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "second"))
        let common = "tls_certificate_sds_secret_configs: [\(source("server"))]"
        let served = try serve(common)
        #expect(try ask(served, name: "second.test") == "hello")
        // Ahead of the public chain one for clients with certificates.
        let wait = comes ? "initial_fetch_timeout: 300s, " : "initial_fetch_timeout: 0.3s, "
        let open = yaml(served.listener, common, body: "public")
        let closed = yaml(
            served.listener, "\(common), validation_context_sds_secret_config: \(source("ca", more: wait))", "require_client_certificate: true", body: "admin")
        let chain = String(closed.split(separator: "    filter_chains:\n")[1].split(separator: "  clusters:\n")[0])
            .replacing(text: "    - filters:\n", by: "    - filter_chain_match: {server_names: [second.test]}\n      filters:\n")
        reload(
            served,
            open.replacing(text: "    filter_chains:\n", by: "    listener_filters: [{name: i, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]\n    filter_chains:\n" + chain))
        #expect(manager.lines("stream", 2).count == 2)
        if comes {
            // Whoever asks, it is the old listener that answers.
            #expect(try ask(served, name: "second.test") == "hello")
            #expect(try ask(served) == "hello")
            manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        } else {
            #expect(served.stat("sds.ca.init_fetch_timeout", becomes: 1) == 1)
        }
        #expect(try becomes("public") { try ask(served, "-k") } == "public")
        #expect(try ask(served, name: "second.test").hasPrefix("curl: "))
        let client = "--cert \(certificates.chain("client")) --key \(certificates.key("client"))"
        let answer = try ask(served, client, name: "second.test")
        #expect(comes ? answer == "admin" : answer.hasPrefix("curl: "), "\(answer)")
    }

    /// A cluster with another secret: the one before serves until it is there.
    @Test func aReloadOfAClusterWaitsForItsSecret() throws {
        let server = try TLSServed(certificates)
        let cluster = { (name: String) in
            Served.cluster([server.port], more: "transport_socket: {name: t, typed_config: {\"@type\": \(SecretDiscoveryTests.type).UpstreamTlsContext, sni: localhost, common_tls_context: {validation_context_sds_secret_config: \(source(name))}}}")
        }
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        let sds = Served.cluster([manager.port], name: "sds", more: SecretDiscoveryTests.http2)
        let served = try Served(Binary.martlet()) { Served.http($0, clusters: [cluster("ca"), sds]) }
        #expect(try served.get().status == 200)
        reload(served, Served.http(served.listener, clusters: [cluster("other"), sds]))
        #expect(manager.lines("stream", 2).count == 2)
        for _ in 0..<3 { #expect(try served.get().status == 200) }
        manager.give("other", "1", ManagementServer.trust(try Certificates().authority))
        #expect(try becomes("503") { String(try served.get().status ?? 0) } == "503")
        // It is trusted again.
        manager.give("other", "2", ManagementServer.trust(certificates.authority))
        #expect(try becomes("200") { String(try served.get().status ?? 0) } == "200")
    }

    /// Who connects to a new listener before its secret is there waits for it.
    @Test func aNewListenerWaitsForItsSecret() throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        let common = "tls_certificate_sds_secret_configs: [\(source("server"))]"
        let served = try serve(common)
        let port = Ports.free()
        let first = yaml(served.listener, common)
        let second = yaml(port, "tls_certificate_sds_secret_configs: [\(source("other"))]", body: "late").replacing(text: "- name: l\n", by: "- name: second\n")
        let listener = second.split(separator: "  listeners:\n")[1].split(separator: "  clusters:\n")[0]
        let admin = "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n"
        Files.write(Array((first.replacing(text: "  listeners:\n", by: "  listeners:\n" + listener) + admin).utf8), to: served.file)
        served.process.signal(1)
        #expect(manager.lines("stream", 2).count == 2)
        let client = try ChildProcess(
            "/usr/bin/env", ["curl", "-sS", "-m", "20", "--cacert", certificates.authority, "https://localhost:\(port)/"])
        #expect(!wait(upToMs: 300, everyMs: 20) { client.exitStatus() != nil })
        #expect(try ask(served) == "hello")
        manager.give("other", "1", ManagementServer.pair(certificates, "second"))
        #expect(client.waitForExit(upToMs: 20_000) == 0)
        #expect(client.output == "late")
    }

    // MARK: Faults

    @Test func filesOfASecretThatBreakAreCounted() throws {
        let secret = "\"tls_certificate\": {\"certificate_chain\": {\"filename\": \"\(certificates.chain("server"))\"}, \"private_key\": {\"filename\": \"\(certificates.key("server"))\"}}"
        manager.give("server", "1", secret)
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server"))]")
        #expect(try ask(served) == "hello")
        Files.write(Array("nonsense".utf8), to: certificates.key("server"))
        #expect(served.stat("sds.server.key_rotation_failed", becomes: 1) == 1)
        #expect(try ask(served) == "hello")
        try certificates.issue("server", names: "DNS:localhost,DNS:second.test")
        #expect(try becomes("hello") { try ask(served, name: "second.test") } == "hello")
    }

    private static let begun = H2Frame.head(1, [(":status", "200"), ("content-type", "application/grpc")], flags: H2Frame.endHeaders)
    /// A response without a type: nobody's here. It has come, so the next pause is short.
    private static let foreign: [UInt8] = [0, 0, 0, 0, 0]

    /// A response of secrets that has none.
    private static let unasked: [UInt8] = {
        let name = Array((type + ".Secret").utf8)
        return [0, 0, 0, 0, UInt8(name.count + 2), 0x22, UInt8(name.count)] + name
    }()

    /// What a server says on the stream, and what the log says of it.
    private static let wrong: [(frames: [H2Frame], said: String)] = [
        ([H2Frame.head(1, [(":status", "404")])], "closed: 12, no grpc-status"),
        ([H2Frame.head(1, [(":status", "401")])], "closed: 16, no grpc-status"),
        ([H2Frame.head(1, [(":status", "200"), ("grpc-status", "7"), ("grpc-message", "who are you")])], "closed: 7, who are you"),
        ([begun, H2Frame(.data, stream: 1, foreign + [1, 0, 0, 0, 0])], "closed: 13, a message that is compressed or too long"),
        ([H2Frame.head(1, [(":status", "400")])], "closed: 13, no grpc-status"),
        ([begun, H2Frame(.data, stream: 1, foreign + [0, 5, 0, 0, 0])], "closed: 13, a message that is compressed or too long"),
        ([H2Frame.head(1, [(":status", "404")], flags: H2Frame.endHeaders), H2Frame(.data, flags: 1, stream: 1, Array("Not found".utf8))], "closed: 12, no grpc-status"),
        ([begun, H2Frame(.data, stream: 1, foreign + [0, 0, 0, 0, 2, 255, 255])], "closed: 13, a response that is none"),
        ([H2Frame.head(1, [(":status", "403")])], "closed: 7, no grpc-status"),
        ([H2Frame.head(1, [(":status", "429")])], "closed: 14, no grpc-status"),
        ([begun, H2Frame(.data, stream: 1, foreign), H2Frame.head(1, [("grpc-status", "0")])], "closed: 0, "),
        ([H2Frame.head(1, [(":status", "200"), ("grpc-status", "7"), ("grpc-message", String(repeating: "x", count: 2000))])], "closed: 7, " + String(repeating: "x", count: 512) + "…"),
        // Nothing of what it says makes a line of its own.
        ([H2Frame.head(1, [(":status", "200"), ("grpc-status", "7"), ("grpc-message", "a\tb")])], "closed: 7, a\\u{9}b"),
        ([H2Frame.head(1, [(":status", "500")])], "closed: 2, no grpc-status"),
        ([begun, H2Frame(.data, stream: 1, foreign + [0, 0]), H2Frame(.reset, stream: 1, [0, 0, 0, 2])], "closed: 14, the connection was lost"),
    ]

    /// What speaks with it when it is there, as a server of HTTP/2 that says what it is told.
    private func speak(_ listener: Descriptor) throws -> RawH2Client {
        var accepted: Descriptor?
        #expect(wait(upToMs: 20_000, everyMs: 5) {
            accepted = Sockets.accept(listener)
            return accepted != nil
        })
        let server = try #require(accepted.flatMap { RawH2Client(accepted: $0) })
        server.send([H2Frame(.settings)])
        server.begun()
        server.read(forMs: 10_000) { client in client.frames.contains { $0.type == 0 && $0.stream == 1 } }
        return server
    }

    /// Messages of gRPC on the stream, whole ones.
    private func messages(_ server: RawH2Client) -> Int {
        let body = server.body[1] ?? []
        var count = 0
        var at = 0
        while at + 5 <= body.count {
            at += 5 + body[(at + 1)..<(at + 5)].reduce(0) { $0 << 8 | Int($1) }
            if at <= body.count { count += 1 }
        }
        return count
    }

    /// More than 4 MiB of small messages at once: they are read as they are taken, and the stream goes on.
    @Test func aBurstOfMessagesIsReadAsItIsTaken() throws {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        let served = try Served(Binary.martlet(), waits: false) {
            yaml($0, "tls_certificate_sds_secret_configs: [\(source("server"))]", server: port)
        }
        let server = try speak(listener)
        // Of no type: nobody's here. Half a KiB of a version.
        let foreign: [UInt8] = [0, 0, 0, 2, 3, 0x0a, 0x80, 4] + [UInt8](repeating: 0x78, count: 512)
        let frame = H2Frame(.data, stream: 1, [UInt8]((0..<31).map { _ in foreign }.joined()))
        server.send([SecretDiscoveryTests.begun] + (0..<290).map { _ in frame } + [H2Frame(.data, stream: 1, SecretDiscoveryTests.unasked)])
        // The first request, and the answer to what came last.
        #expect(server.read(forMs: 30_000) { messages($0) == 2 }, "\(served.process.output.suffix(400))")
        #expect(!served.process.output.contains("closed: "))
        let paused = "cluster.sds.upstream_flow_control_paused_reading_total"
        let counted = served.admin.stats(matching: "upstream_flow_control")
        #expect(counted[paused] ?? 0 > 0)
        #expect(counted["cluster.sds.upstream_flow_control_resumed_reading_total"] == counted[paused])
    }

    /// Many answers to be had, and no window to give them: what they answer waits until there is one.
    @Test func aServerThatTakesNothingIsWaitedFor() throws {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        let served = try Served(Binary.martlet(), waits: false) {
            yaml($0, "tls_certificate_sds_secret_configs: [\(source("server"))]", server: port)
                .replacing(text: "{name: sds, connect", by: "{name: sds, per_connection_buffer_limit_bytes: 32768, connect")
        }
        let server = try speak(listener)
        let count = 1600
        server.send([SecretDiscoveryTests.begun] + (0..<8).map { _ in H2Frame(.data, stream: 1, [UInt8]((0..<(count / 8)).map { _ in SecretDiscoveryTests.unasked }.joined())) })
        #expect(served.stat("cluster.sds.upstream_flow_control_backed_up_total", becomes: 1) == 1)
        #expect(messages(server) < count)
        let window = H2Frame(.windowUpdate, [0, 0x10, 0, 0])
        server.send([window, H2Frame(.windowUpdate, stream: 1, [0, 0x10, 0, 0])])
        #expect(server.read(forMs: 30_000) { messages($0) == count + 1 }, "\(messages(server)) \(served.process.output.suffix(400))")
        #expect(!served.process.output.contains("closed: "))
    }

    /// A stream says once who it is for: another node is told on another one, and without what was for the one before.
    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func anotherNodeIsToldOnAnotherStream(api: String) throws {
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        let common = "tls_certificate_sds_secret_configs: [\(source("server", api: api))]"
        let served = try serve(common)
        #expect(try ask(served) == "hello")
        reload(served, yaml(served.listener, common).replacing(text: "id: the-node", by: "id: another-node"))
        #expect(manager.lines("stream", 2).count == 2)
        let opening = try #require(manager.lines("request", 3).dropFirst(2).first)
        #expect(opening["node"]?.string == "another-node" && opening["nonce"]?.string == "")
        #expect(opening["version"]?.string ?? "" == "" && opening["versions"]?.text() ?? "{}" == "{}")
        #expect(served.stat("sds.server.update_success", becomes: 2) == 2)
        #expect(wait(upToMs: 10_000, everyMs: 20) { manager.lines("closed").count == 1 })
        #expect(try ask(served) == "hello")
    }

    /// Nobody listens: what failed is told, not what our own words would be as a message.
    @Test func aServerThatIsNotThereIsNamedAsSuch() throws {
        let port = Ports.free()
        let served = try Served(Binary.martlet(), waits: false) {
            yaml($0, "tls_certificate_sds_secret_configs: [\(source("server"))]", server: port)
        }
        #expect(wait(upToMs: 10_000, everyMs: 20) { served.process.output.contains("gRPC config stream to sds closed: 14, ") })
        #expect(!served.process.output.contains("closed: 13"))
    }

    @Test func aServerThatSpeaksNoDiscoveryIsTriedAgain() throws {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        let served = try Served(Binary.martlet(), waits: false) {
            yaml($0, "tls_certificate_sds_secret_configs: [\(source("server", more: "initial_fetch_timeout: 0s, "))]", server: port)
        }
        var told: [String: Int] = [:]
        for one in SecretDiscoveryTests.wrong {
            let server = try speak(listener)
            server.send(one.frames)
            let said = "gRPC config stream to sds " + one.said
            // Each is told anew, though another has ended so.
            told[said, default: 0] += 1
            let count = told[said] ?? 0
            #expect(wait(upToMs: 10_000, everyMs: 5) { served.process.output.split(separator: said).count > count }, "\(said): \(served.process.output.suffix(400))")
            // Ahead of the next stream, which would fail with it.
            server.close()
        }
        #expect((served.admin.stats(matching: "update_failure")["sds.server.update_failure"] ?? 0) >= SecretDiscoveryTests.wrong.count)
        // It is waited for without end.
        #expect(text(served, "/ready") == "INITIALIZING\n")
        #expect(served.stat("sds.server.init_fetch_timeout", becomes: 0) == 0)
    }
}
