import TestSupport
import Testing

/// Secrets of a management server that is asked again and again (SDS over REST).
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"),
    .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct PolledSecretsTests {
    private let certificates: Certificates
    private let manager: ManagementServer

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        try certificates.issue("second", names: "DNS:localhost,DNS:second.test")
        manager = try ManagementServer()
    }

    private func serve(waits: Bool = true, fetch: String = "300s", timeout: String = "10s") throws -> Served {
        try Served(Binary.martlet(), waits: waits) { port in
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
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}]}]}
                      http_filters: [{name: envoy.filters.http.router}]
                  transport_socket:
                    name: t
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      common_tls_context:
                        tls_certificate_sds_secret_configs:
                        - name: server
                          sds_config:
                            resource_api_version: V3
                            initial_fetch_timeout: \(fetch)
                            api_config_source: {api_type: REST, transport_api_version: V3, cluster_names: [sds], refresh_delay: 0.05s, request_timeout: \(timeout)}
              clusters:
            \(Served.cluster([manager.restPort], name: "sds"))
            """
        }
    }

    private func ask(_ served: Served, name: String = "localhost") throws -> String {
        let finished = try Shell.run(
            "curl -sS -m 10 --cacert \(certificates.authority) --resolve \(name):\(served.listener):127.0.0.1 https://\(name):\(served.listener)/ 2>&1")
        return finished.status == 0 ? finished.output : "curl: \(finished.status ?? -1)"
    }

    private func reaches(_ served: Served, _ name: String, _ count: Int) -> Bool {
        served.admin.stat(name, reaches: count)
    }

    private func fetched(version: String) -> Bool {
        wait(upToMs: 10_000, everyMs: 20) { manager.lines("fetch").last?["version"]?.string == version }
    }

    private func text(_ served: Served, _ path: String) -> String { String(wire: served.admin.request("GET", path)?.body ?? []) }

    @Test func aSecretIsFetchedAndFetchedAgain() throws {
        manager.answer("server", "0", "\"status\": 404")
        let served = try serve(waits: false)
        #expect(reaches(served, "sds.server.update_failure", 2))
        #expect(text(served, "/ready") == "INITIALIZING\n")
        let first = try #require(manager.lines("fetch").first)
        #expect(first["path"]?.string == "/v3/discovery:secrets" && first["host"]?.string == "sds")
        #expect(first["names"]?.array?.compactMap(\.string) == ["server"] && first["version"]?.string == "")
        #expect(first["type"]?.string == "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret")
        #expect(first["node"]?.string == "the-node" && first["cluster"]?.string == "the-cluster")
        #expect(first["headers"]?["content-type"]?.string == "application/json")
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(try ask(served) == "hello")
        #expect(fetched(version: "1"))
        #expect(text(served, "/stats?filter=sds.server.version_text") == "sds.server.version_text: \"1\"\n")
        // What was there before goes on.
        manager.answer("server", "2", "\"text\": \"nonsense\"")
        #expect(reaches(served, "sds.server.update_rejected", 1))
        manager.answer("server", "2", "\"status\": 304")
        let asked = manager.lines("fetch").count
        _ = manager.lines("fetch", asked + 2)
        let successes = served.admin.stats(matching: "^sds.server.update_success$")["sds.server.update_success"]
        _ = manager.lines("fetch", asked + 4)
        #expect(served.stat("sds.server.update_success", becomes: successes ?? -1) == successes)
        #expect(try ask(served) == "hello")
        manager.give("server", "3", ManagementServer.pair(certificates, "second"))
        #expect(fetched(version: "3"))
        #expect(try ask(served, name: "second.test") == "hello")
        #expect(text(served, "/config_dump?resource=dynamic_active_secrets").contains("\"version_info\": \"3\""))
        #expect(!text(served, "/stats?filter=sds").contains("control_plane"))
    }

    /// Each with what is told of it: all of an answer is for the one that has asked.
    @Test func answersThatAreRefused() throws {
        let served = try serve(waits: false)
        let answers = [
            ("\"removed\": true", "rejected: Missing SDS resources for server in onConfigUpdate()"),
            ("\"secret\": {\"name\": \"other\"}", "rejected: Unexpected SDS secret (expecting server): other"),
            ("\"text\": \"nonsense\"", "rejected: Unable to parse JSON as proto ("),
            ("\"secret\": {\"tls_certificate\": {\"certificate_chain\": {\"inline_string\": \"nonsense\"}, \"private_key\": {\"inline_string\": \"no\"}}}", "rejected: Failed to load certificate chain from <inline>"),
            ("\"text\": \"{\\\"resources\\\": [{\\\"@type\\\": \\\"type.googleapis.com/envoy.config.core.v3.Node\\\"}]}\"", "does not match the message-wide type URL"),
            ("\"text\": \"{\\\"resources\\\": [\(String(repeating: "{\\\"@type\\\": \\\"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\\\"},", count: 2).dropLast())]}\"", "rejected: Unexpected SDS secrets length: 2"),
        ]
        for (answer, said) in answers {
            manager.answer("server", "1", answer)
            #expect(wait(upToMs: 10_000, everyMs: 20) { served.process.output.contains(said) }, "\(said): \(served.process.output)")
        }
        #expect(served.process.output.contains("REST config for /v3/discovery:secrets rejected: "))
        // Refused is settled.
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(try ask(served) == "curl: 35")
        // A field that nobody knows is no reason.
        manager.give("server", "2", ManagementServer.pair(certificates, "server"))
        #expect(reaches(served, "sds.server.update_success", 1))
        #expect(try ask(served) == "hello")
    }

    @Test func anAnswerThatDoesNotComeIsNotWaitedFor() throws {
        manager.answer("server", "0", "\"silent\": true")
        let served = try serve(waits: false, timeout: "0.1s")
        #expect(reaches(served, "sds.server.update_failure", 3))
        #expect(served.process.output.contains("REST update for /v3/discovery:secrets failed"))
        manager.give("server", "1", ManagementServer.pair(certificates, "server"))
        // On a machine that is busy an answer may come too late, but not for ever.
        #expect(reaches(served, "sds.server.update_success", 1))
        #expect(served.process.becomesReady(admin: served.admin.port))
    }

    @Test func theFirstOneIsNotWaitedForForEver() throws {
        let served = try serve(fetch: "0.2s")
        #expect(served.stat("sds.server.init_fetch_timeout", becomes: 1) == 1)
        #expect(served.process.output.contains("REST config: initial fetch timed out for /v3/discovery:secrets"))
        #expect(try ask(served) == "curl: 35")
    }
}
