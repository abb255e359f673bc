import TestSupport
import Testing

/// Secrets over the one stream of `dynamic_resources.ads_config` (ADS).
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"),
    .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct AggregatedSecretsTests {
    private let certificates: Certificates
    private let manager: ManagementServer

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        try certificates.issue("second", names: "DNS:localhost,DNS:second.test")
        manager = try ManagementServer()
    }

    private static let http2 =
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}"

    /// A listener for each secret.
    private func yaml(_ api: String, _ listeners: [(port: UInt16, secret: String)], server: UInt16? = nil) -> String {
        let shown = listeners.map { port, secret in
            """
              - name: \(secret)
                address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: h
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: \(secret)}}}]}]}
                      http_filters: [{name: envoy.filters.http.router}]
                  transport_socket:
                    name: t
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      common_tls_context: {tls_certificate_sds_secret_configs: [{name: \(secret), sds_config: {resource_api_version: V3, initial_fetch_timeout: 300s, ads: {}}}]}
            """
        }
        return """
            node: {id: the-node, cluster: the-cluster}
            dynamic_resources: {ads_config: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: ads}}]}}
            static_resources:
              listeners:
            \(shown.joined(separator: "\n"))
              clusters:
            \(Served.cluster([server ?? manager.port], name: "ads", more: AggregatedSecretsTests.http2))
            """
    }

    private func ask(_ port: UInt16, name: String = "localhost") throws -> String {
        let finished = try Shell.run(
            "curl -sS -m 10 --cacert \(certificates.authority) --resolve \(name):\(port):127.0.0.1 https://\(name):\(port)/ 2>&1")
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

    private func reload(_ served: Served, _ yaml: String) {
        let admin = "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n"
        Files.write(Array((yaml + admin).utf8), to: served.file)
        served.process.signal(1)
    }

    private func names(_ line: JSON?, _ member: String = "names") -> [String] { line?[member]?.array?.compactMap(\.string) ?? [] }

    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func oneStreamForAll(api: String) throws {
        let other = Ports.free()
        let served = try Served(Binary.martlet(), waits: false) { yaml(api, [($0, "first"), (other, "other")]) }
        let opening = try #require(manager.lines("request", 1).first)
        #expect(names(opening) == ["first", "other"] && opening["node"]?.string == "the-node")
        #expect(manager.lines("stream").first?["kind"]?.string == (api == "GRPC" ? "aggregated world" : "aggregated delta"))
        manager.give("other", "1", ManagementServer.pair(certificates, "server"))
        #expect(served.stat("sds.other.update_success", becomes: 1) == 1)
        #expect(served.stat("sds.first.update_success", becomes: 0) == 0)
        manager.give("first", "1", ManagementServer.pair(certificates, "second"))
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(try ask(served.listener, name: "second.test") == "first")
        #expect(try ask(other) == "other")
        #expect(served.stat("control_plane.connected_state", becomes: 1) == 1)
        // One that is none is refused in the name of all; what serves goes on.
        manager.give("first", "2", "\"tls_certificate\": {\"certificate_chain\": {\"inline_string\": \"nonsense\"}, \"private_key\": {\"inline_string\": \"no\"}}")
        #expect(served.stat("sds.first.update_rejected", becomes: 1) == 1)
        #expect(served.stat("sds.other.update_rejected", becomes: 1) == 1)
        #expect(manager.lines("request", 4).last?["code"] == .bare("13"))
        #expect(try ask(served.listener, name: "second.test") == "first")
        manager.remove("first", "3")
        #expect(manager.lines("request", 5).last?["error"]?.string == "")
        // A stream that ends is opened again with all that is known.
        manager.endStreams()
        #expect(manager.lines("stream", 2).count == 2)
        let again = try #require(manager.lines("request", 6).dropFirst(5).first)
        #expect(names(again) == ["first", "other"] && again["nonce"]?.string == "")
        #expect(served.stat("sds.other.update_failure", becomes: 1) == 1)
    }

    /// A reload asks for others on the stream that is there, and no more for those that it leaves out.
    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func aReloadAsksForOthersOnTheSameStream(api: String) throws {
        manager.give("first", "1", ManagementServer.pair(certificates, "server"))
        let served = try Served(Binary.martlet()) { yaml(api, [($0, "first")]) }
        #expect(try ask(served.listener) == "first")
        let before = manager.lines("request", 2).count
        let other = Ports.free()
        manager.give("other", "1", ManagementServer.pair(certificates, "second"))
        reload(served, yaml(api, [(served.listener, "first"), (other, "other")]))
        #expect(try becomes("other") { try ask(other, name: "second.test") } == "other")
        let asked = manager.lines("request").dropFirst(before).first
        #expect(names(asked) == (api == "GRPC" ? ["first", "other"] : ["other"]))
        reload(served, yaml(api, [(other, "other")]))
        #expect(wait(upToMs: 10_000, everyMs: 20) {
            let last = manager.lines("request").last
            return api == "GRPC" ? names(last) == ["other"] : names(last, "gone") == ["first"]
        })
        #expect(manager.lines("stream").count == 1)
        #expect(try ask(other, name: "second.test") == "other")
    }

    /// A server that has given a secret says nothing when the same name is asked for with another timeout: what has come serves.
    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func anotherTimeoutIsNoOtherSecret(api: String) throws {
        manager.give("first", "1", ManagementServer.pair(certificates, "server"))
        let served = try Served(Binary.martlet()) { yaml(api, [($0, "first")]) }
        #expect(try ask(served.listener) == "first")
        let asked = manager.lines("request", 2).count
        let changed = yaml(api, [(served.listener, "first")]).replacing(text: "300s", by: "301s")
        reload(served, changed.replacing(text: "inline_string: first", by: "inline_string: again"))
        #expect(try becomes("again") { try ask(served.listener) } == "again")
        #expect(manager.lines("request").count == asked)
    }

    /// However many come at once, the server is asked once.
    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func manySecretsAreOneRequest(api: String) throws {
        let ports = (0..<40).map { _ in Ports.free() }
        let served = try Served(Binary.martlet(), waits: false) { yaml(api, [($0, "first")]) }
        #expect(manager.lines("request", 1).count == 1)
        let all = [(served.listener, "first")] + ports.enumerated().map { ($1, "more\($0)") }
        reload(served, yaml(api, all))
        let asked = manager.lines("request", 2)
        #expect(asked.count == 2 && names(asked.last).count == (api == "GRPC" ? 41 : 40), "\(asked.count)")
        // Whoever is not asked for any more is told once as well.
        reload(served, yaml(api, [(served.listener, "first")]))
        #expect(wait(upToMs: 20_000, everyMs: 20) { manager.lines("request").count == 3 })
        let last = manager.lines("request").last
        #expect(api == "GRPC" ? names(last) == ["first"] : names(last, "gone").count == 40)
        #expect(manager.lines("stream").count == 1)
    }

    /// The stream is opened when somebody asks over it: listeners do when clusters have what they ask for.
    @Test func theStreamOfListenersFollowsTheClusters() throws {
        let source = "api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: ads}}]}"
        let socket = "transport_socket: {name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: localhost, common_tls_context: {validation_context_sds_secret_config: {name: ca, sds_config: {resource_api_version: V3, initial_fetch_timeout: 300s, \(source)}}}}}"
        let served = try Served(Binary.martlet(), waits: false) {
            yaml("GRPC", [($0, "first")]) + "\n" + Served.cluster([Ports.free()], name: "up", more: socket)
        }
        #expect(names(manager.lines("request", 1).first) == ["ca"])
        #expect(manager.lines("stream").count == 1)
        manager.give("ca", "1", ManagementServer.trust(certificates.authority))
        #expect(manager.lines("stream", 2).map { $0["kind"]?.string } == ["world", "aggregated world"])
        manager.give("first", "1", ManagementServer.pair(certificates, "server"))
        #expect(served.process.becomesReady(admin: served.admin.port))
        #expect(try ask(served.listener) == "first")
        #expect(!served.process.output.contains("closed: "))
    }

    /// Another node: told on another stream, with what is asked for.
    @Test func anotherNodeIsToldOnAnotherStream() throws {
        manager.give("first", "1", ManagementServer.pair(certificates, "server"))
        let served = try Served(Binary.martlet()) { yaml("GRPC", [($0, "first")]) }
        #expect(try ask(served.listener) == "first")
        reload(served, yaml("GRPC", [(served.listener, "first")]).replacing(text: "id: the-node", by: "id: another-node"))
        #expect(manager.lines("stream", 2).count == 2)
        let opening = manager.lines("request", 3).dropFirst(2).first
        #expect(opening?["node"]?.string == "another-node" && opening?["version"]?.string == "" && names(opening) == ["first"])
        #expect(wait(upToMs: 10_000, everyMs: 20) { manager.lines("closed").count == 1 })
    }

    /// Whoever still asks over `ads` would be told nothing any more.
    @Test func aReloadWithoutTheSourceIsRefused() throws {
        manager.give("first", "1", ManagementServer.pair(certificates, "server"))
        let served = try Served(Binary.martlet()) { yaml("GRPC", [($0, "first")]) }
        let without = yaml("GRPC", [(served.listener, "first")]).split(separator: "\n").filter { !$0.hasPrefix("dynamic_resources") }.joined(separator: "\n")
        reload(served, without)
        #expect(wait(upToMs: 10_000, everyMs: 20) { served.process.output.contains("refused, the old configuration serves on") })
        // A line of its own, behind the other.
        #expect(wait(upToMs: 10_000, everyMs: 20) { served.process.output.contains("tls_certificate_sds_secret_configs[0].sds_config.ads: ADS must be configured to support an ADS config source") })
        #expect(try ask(served.listener) == "first")
        #expect(manager.lines("closed").isEmpty)
    }

    /// Another server: a stream to it, with what is asked for.
    @Test func anotherServerIsAskedForTheSame() throws {
        manager.give("first", "1", ManagementServer.pair(certificates, "server"))
        let served = try Served(Binary.martlet()) { yaml("GRPC", [($0, "first")]) }
        #expect(try ask(served.listener) == "first")
        let second = try ManagementServer()
        second.give("first", "2", ManagementServer.pair(certificates, "second"))
        reload(served, yaml("DELTA_GRPC", [(served.listener, "first")], server: second.port))
        #expect(names(second.lines("request", 1).first) == ["first"])
        #expect(try becomes("first") { try ask(served.listener, name: "second.test") } == "first")
        #expect(wait(upToMs: 10_000, everyMs: 20) { !manager.lines("closed").isEmpty })
    }

    /// What is wrong with the source is told with its place.
    @Test(arguments: [
        ("api_type: REST, cluster_names: [ads], refresh_delay: 1s", "dynamic_resources.ads_config.api_type: envoy.config.core.v3.ApiConfigSource type must be of non-aggregated gRPC"),
        ("api_type: AGGREGATED_GRPC, grpc_services: [{envoy_grpc: {cluster_name: ads}}]", "dynamic_resources.ads_config.api_type: envoy.config.core.v3.ApiConfigSource type must be of non-aggregated gRPC"),
        ("api_type: GRPC, transport_api_version: V3", "dynamic_resources.ads_config.grpc_services: API configs must have either a gRPC service or a cluster name defined"),
    ])
    func aSourceThatIsWrong(source: String, said: String) throws {
        let directory = TemporaryDirectory()
        let file = directory.write("dynamic_resources: {ads_config: {\(source)}}\n", to: "c.yaml")
        let process = try Binary.martlet().start(["-c", file, "--mode", "validate"])
        #expect(process.waitForExit(upToMs: 10_000) == 1)
        #expect(process.output.contains(said), "\(process.output)")
    }
}
