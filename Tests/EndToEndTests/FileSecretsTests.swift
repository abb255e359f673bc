import TestSupport
import Testing

/// Secrets out of files (SDS over `path_config_source`): certificates, authorities, ticket keys; replaced, broken, late.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct FileSecretsTests {
    private let certificates: Certificates
    private let directory = TemporaryDirectory()

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        try certificates.issue("second", names: "DNS:localhost,DNS:second.test")
        try certificates.issue("client", names: "DNS:client.test")
    }

    private static let type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"

    private func secret(_ name: String, _ content: String) -> String {
        "resources:\n- {\"@type\": \(FileSecretsTests.type).Secret, name: \(name), \(content)}\n"
    }

    private func pair(_ name: String) -> String {
        "tls_certificate: {certificate_chain: {filename: \(certificates.chain(name))}, private_key: {filename: \(certificates.key(name))}}"
    }

    private func source(_ file: String, _ name: String) -> String {
        "{name: \(name), sds_config: {path_config_source: {path: \(directory.path)/\(file), watched_directory: {path: \(directory.path)}}, resource_api_version: V3}}"
    }

    /// `context`: of the downstream context; `common`: what continues it.
    private func serve(_ common: String, _ context: String = "") throws -> Served {
        try Served(Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                stat_prefix: l
                filter_chains:
                - filters:
                  - name: h
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}]}]}
                      http_filters: [{name: envoy.filters.http.router}]
                  transport_socket: {name: t, typed_config: {"@type": \(FileSecretsTests.type).DownstreamTlsContext, \(context.isEmpty ? "" : context + ", ")common_tls_context: {\(common)}}}
            """
        }
    }

    private func ask(_ served: Served, _ options: String = "", name: String = "localhost") throws -> String {
        let finished = try Shell.run(
            "curl -sS -m 10 --cacert \(certificates.authority) --resolve \(name):\(served.listener):127.0.0.1 \(options) https://\(name):\(served.listener)/ 2>&1")
        return finished.status == 0 ? finished.output : "curl: \(finished.status ?? -1)"
    }

    private func becomes(_ wanted: String, _ body: () throws -> String) rethrows -> String {
        var seen = ""
        for _ in 0..<100 {
            seen = try body()
            if seen == wanted { break }
            _ = wait(upToMs: 50, everyMs: 50) { false }
        }
        return seen
    }

    private func text(_ served: Served, _ path: String) -> String { String(wire: served.admin.request("GET", path)?.body ?? []) }

    @Test func aCertificateIsReplaced() throws {
        _ = directory.write(secret("server", pair("server")), to: "server.yaml")
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server.yaml", "server"))]")
        #expect(try ask(served) == "hello")
        #expect(try ask(served, name: "second.test") == "curl: 60")
        // A file that is no secret any more: the old one serves, and the error names place and reason.
        _ = directory.write("resources: [", to: "server.yaml")
        #expect(served.stat("sds.server.update_rejected", becomes: 1) == 1)
        #expect(try ask(served) == "hello")
        #expect(served.process.output.wire.index(of: "sds: secret 'server' config rejected".wire) != nil)
        // A new one by rename.
        _ = directory.write(secret("server", pair("second")), to: "new.yaml")
        _ = try Shell.run("mv \(directory.path)/new.yaml \(directory.path)/server.yaml")
        #expect(try becomes("hello") { try ask(served, name: "second.test") } == "hello")
        #expect(served.stat("sds.server.update_success", becomes: 2) == 2)
        #expect(served.stat("listener.l.server_ssl_socket_factory.ssl_context_update_by_sds", becomes: 2) == 2)
        #expect(served.admin.stat("listener.l.ssl.certificate.server.expiration_unix_time_seconds", reaches: 1))
        let dump = text(served, "/config_dump?resource=dynamic_active_secrets")
        #expect(dump.wire.index(of: "\"name\": \"server\"".wire) != nil && dump.wire.index(of: "[redacted]".wire) != nil)
        #expect(dump.wire.index(of: "PRIVATE".wire) == nil)
    }

    /// In a `Resource` that says how it is called, as servers of both protocols give it.
    @Test func aSecretMayBeWrapped() throws {
        let inner = "{\"@type\": \(FileSecretsTests.type).Secret, name: server, \(pair("server"))}"
        _ = directory.write(
            "resources:\n- {\"@type\": type.googleapis.com/envoy.service.discovery.v3.Resource, name: server, version: \"3\", resource: \(inner)}\n",
            to: "server.yaml")
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server.yaml", "server"))]")
        #expect(try ask(served) == "hello")
        #expect(served.stat("sds.server.update_success", becomes: 1) == 1)
    }

    /// Until its file has the secret, a context takes no connection.
    @Test func aSecretComesLate() throws {
        _ = directory.write(secret("another", pair("server")), to: "server.yaml")
        let served = try serve("tls_certificate_sds_secret_configs: [\(source("server.yaml", "server"))]")
        #expect(try ask(served) == "curl: 35")
        #expect(served.stat("listener.l.server_ssl_socket_factory.downstream_context_secrets_not_ready", becomes: 1) == 1)
        #expect(text(served, "/config_dump?resource=dynamic_warming_secrets").wire.index(of: "uninitialized".wire) != nil)
        _ = directory.write(secret("server", pair("server")), to: "server.yaml")
        #expect(try becomes("hello") { try ask(served) } == "hello")
    }

    @Test func authoritiesAndTicketKeys() throws {
        _ = directory.write(secret("server", pair("server")), to: "server.yaml")
        _ = directory.write(secret("ca", "validation_context: {trusted_ca: {filename: \(certificates.authority)}}"), to: "ca.yaml")
        let key = String(repeating: "a", count: 80)
        _ = directory.write(secret("keys", "session_ticket_keys: {keys: [{inline_string: \(key)}]}"), to: "keys.yaml")
        let served = try serve(
            "tls_certificate_sds_secret_configs: [\(source("server.yaml", "server"))], combined_validation_context: {default_validation_context: {match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: client.test}}]}, validation_context_sds_secret_config: \(source("ca.yaml", "ca"))}",
            "require_client_certificate: true, session_ticket_keys_sds_secret_config: \(source("keys.yaml", "keys"))")
        let client = "--cert \(certificates.chain("client")) --key \(certificates.key("client"))"
        let other = "--cert \(certificates.chain("server")) --key \(certificates.key("server"))"
        #expect(try ask(served, client) == "hello")
        #expect(try ask(served, other) != "hello")
        #expect(try ask(served) != "hello")
        // Nobody is trusted any more but somebody else's clients.
        let stranger = try Certificates()
        try stranger.issue("client", names: "DNS:client.test")
        _ = directory.write(secret("ca", "validation_context: {trusted_ca: {filename: \(stranger.authority)}}"), to: "ca.yaml")
        let theirs = "--cert \(stranger.chain("client")) --key \(stranger.key("client"))"
        #expect(try becomes("hello") { try ask(served, theirs) } == "hello")
        #expect(try ask(served, client) != "hello")
    }

    @Test func anUpstreamsAuthorities() throws {
        let server = try TLSServed(certificates)
        _ = directory.write(secret("ca", "validation_context: {trusted_ca: {filename: \(certificates.authority)}}"), to: "ca.yaml")
        let socket =
            "transport_socket: {name: t, typed_config: {\"@type\": \(FileSecretsTests.type).UpstreamTlsContext, sni: localhost, auto_sni_san_validation: true, common_tls_context: {validation_context_sds_secret_config: \(source("ca.yaml", "ca"))}}}"
        let served = try Served(Binary.martlet()) { Served.http($0, clusters: [Served.cluster([server.port], more: socket)]) }
        #expect(try served.get().status == 200)
        #expect(served.stat("sds.ca.update_success", becomes: 1) == 1)
    }
}
