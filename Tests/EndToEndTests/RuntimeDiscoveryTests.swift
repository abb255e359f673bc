import TestSupport
import Testing

/// Layers of the runtime that a management server gives (RTDS), on a stream of their own, over ADS and REST, and out of a file.
/// What is counted, said and refused is Envoy 1.40's.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: ManagementServer.isInstalled, "needs PyPI's grpcio and xds-protos"))
struct RuntimeDiscoveryTests {
    private let manager: ManagementServer

    init() throws { manager = try ManagementServer() }

    private static let http2 =
        "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}"

    private static func own(_ api: String) -> String {
        "api_config_source: {api_type: \(api), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: m}}]}"
    }

    private static let rest = "api_config_source: {api_type: REST, transport_api_version: V3, cluster_names: [r], refresh_delay: 0.1s}"

    /// Requests are 201 as often as `r.first` says, which the static layer says is never.
    private func yaml(_ port: UInt16, _ source: String, ads: String = "", timeout: String = "300s", layer: String = "layer") -> String {
        """
        node: {id: the-node, cluster: the-cluster}
        \(ads.isEmpty ? "" : "dynamic_resources: {ads_config: {api_type: \(ads), transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: m}}]}}")
        layered_runtime:
          layers:
          - {name: base, static_layer: {r: {first: 0}}}
          - {name: given, rtds_layer: {name: \(layer), rtds_config: {resource_api_version: V3, initial_fetch_timeout: \(timeout), \(source)}}}
          - {name: admin, admin_layer: {}}
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  route_config:
                    virtual_hosts:
                    - name: v
                      domains: ["*"]
                      routes:
                      - {match: {prefix: /, runtime_fraction: {default_value: {numerator: 50}, runtime_key: r.first}}, direct_response: {status: 201}}
                      - {match: {prefix: /}, direct_response: {status: 202}}
                  http_filters: [{name: envoy.filters.http.router}]
          clusters:
        \(Served.cluster([manager.port], name: "m", more: RuntimeDiscoveryTests.http2))
        \(Served.cluster([manager.restPort], name: "r"))
        """
    }

    private func text(_ served: Served, _ path: String) -> String { String(wire: served.admin.request("GET", path)?.body ?? []) }

    /// The first member's values by layer, and what counts.
    private func values(_ served: Served, _ key: String = "r.first") throws -> [String] {
        let entry = try JSON(parsing: text(served, "/runtime"))["entries"]?[key]
        return (entry?["layer_values"]?.array?.compactMap(\.string) ?? []) + [entry?["final_value"]?.string ?? "none"]
    }

    private func answers(_ served: Served, _ status: Int) -> Bool { wait(upToMs: 10_000, everyMs: 20) { (try? served.get().status) == status } }

    private func requests(_ count: Int) -> [JSON] { manager.lines("request", count) }

    @Test(arguments: [("GRPC", false), ("DELTA_GRPC", false), ("GRPC", true), ("DELTA_GRPC", true)])
    func nothingIsServedBeforeTheLayerIsThere(api: String, isAggregated: Bool) throws {
        let served = try Served(Binary.martlet(), workers: 2, waits: false) {
            isAggregated ? yaml($0, "ads: {}", ads: api) : yaml($0, RuntimeDiscoveryTests.own(api))
        }
        let opening = try #require(requests(1).first)
        #expect(opening["type"]?.string == "type.googleapis.com/envoy.service.runtime.v3.Runtime" && opening["node"]?.string == "the-node")
        #expect(opening["names"]?.array?.compactMap(\.string) == ["layer"])
        #expect(served.stat("runtime.update_attempt", becomes: 1) == 1)
        #expect(text(served, "/ready") == "PRE_INITIALIZING\n")
        #expect(try values(served) == ["0", "", "", "0"])
        #expect(served.stat("runtime.num_layers", becomes: 3) == 3)

        let loads = served.stat("runtime.load_success", becomes: 2) ?? 0
        manager.give(runtime: "layer", "1", "\"r\": {\"first\": 100}, \"text\": \"x\"")
        #expect(served.process.becomesReady(admin: served.admin.port))
        // Every worker has it with its first request.
        for _ in 0..<8 { #expect(try served.get().status == 201) }
        #expect(try values(served) == ["0", "100", "", "100"])
        #expect(try values(served, "text") == ["", "x", "", "x"])
        #expect(served.stat("runtime.update_success", becomes: 1) == 1)
        #expect(served.stat("runtime.load_success", becomes: loads + 1) == loads + 1)
        #expect(served.stat("runtime.num_keys", becomes: 2) == 2)
        let prefix = isAggregated ? "" : "runtime."
        #expect(served.stat(prefix + "control_plane.connected_state", becomes: 1) == 1)
        let version = text(served, "/stats?filter=^runtime.version_text$")
        #expect(version == "runtime.version_text: \"\(api == "GRPC" ? "1" : "system-1")\"\n")

        // The admin's layer stands above it.
        #expect(served.admin.request("POST", "/runtime_modify?r.first=0")?.status == 200)
        #expect(answers(served, 202))
        #expect(served.admin.request("POST", "/runtime_modify?r.first=")?.status == 200)
        #expect(answers(served, 201))
    }

    @Test(arguments: ["GRPC", "DELTA_GRPC"]) func whatIsNoLayerIsRefused(api: String) throws {
        manager.give(runtime: "layer", "1", "\"r\": {\"first\": 100}")
        let served = try Served(Binary.martlet()) { yaml($0, RuntimeDiscoveryTests.own(api)) }
        #expect(answers(served, 201))
        var asked = requests(2).count
        for (value, key) in [("\"a\": 1, \"b\": {\"c\": [1]}", "b.c"), ("\"z\": null", "z")] {
            manager.give(runtime: "layer", "bad " + key, value)
            asked += 1
            let answer = requests(asked).last
            #expect(answer?["code"] == .bare("13") && answer?["error"]?.string == "Invalid runtime entry value for \(key)", "\(String(describing: answer))")
        }
        #expect(served.stat("runtime.update_rejected", becomes: 2) == 2)
        #expect(try values(served) == ["0", "100", "", "100"])
        // Another's name: of a state of the world it is not looked at, and an increment says that it is this one's.
        manager.give(runtime: "layer", "3", "\"r\": {\"first\": 0}", called: "other")
        asked += 1
        let other = requests(asked).last
        #expect(other?["error"]?.string == (api == "GRPC" ? "" : "Unexpected RTDS runtime (expecting layer): other"))
        #expect(served.stat("runtime.update_rejected", becomes: api == "GRPC" ? 2 : 3) == (api == "GRPC" ? 2 : 3))
        #expect(try served.get().status == 201)
        // One without a name breaks the API's rules.
        manager.giveOther("layer", "4", type: "type.googleapis.com/envoy.service.runtime.v3.Runtime")
        asked += 1
        #expect(requests(asked).last?["code"] == .bare("13"))
        // A state of the world that has none says nothing; an increment takes it away.
        manager.remove("layer", "5")
        asked += 1
        #expect(requests(asked).last?["error"]?.string == "")
        #expect(answers(served, api == "GRPC" ? 201 : 202))
        #expect(try values(served) == (api == "GRPC" ? ["0", "100", "", "100"] : ["0", "", "", "0"]))
        manager.give(runtime: "layer", "6", "\"r\": {\"first\": 100}")
        #expect(answers(served, 201))
    }

    @Test func aStreamThatEndsIsOpenedAgain() throws {
        manager.give(runtime: "layer", "1", "\"r\": {\"first\": 100}")
        let served = try Served(Binary.martlet()) { yaml($0, RuntimeDiscoveryTests.own("GRPC")) }
        #expect(answers(served, 201))
        let before = requests(2).count
        manager.endStreams()
        let again = try #require(requests(before + 1).dropFirst(before).first)
        #expect(again["version"]?.string == "1" && again["nonce"]?.string == "")
        #expect(served.stat("runtime.update_failure", becomes: 1) == 1)
        #expect(try served.get().status == 201)
    }

    @Test func nobodyWaitsForever() throws {
        let served = try Served(Binary.martlet()) { yaml($0, RuntimeDiscoveryTests.own("GRPC"), timeout: "0.5s") }
        #expect(try served.get().status == 202)
        #expect(served.stat("runtime.init_fetch_timeout", becomes: 1) == 1)
        manager.give(runtime: "layer", "1", "\"r\": {\"first\": 100}")
        #expect(answers(served, 201))
    }

    @Test func overREST() throws {
        manager.give(runtime: "layer", "1", "\"r\": {\"first\": 100}")
        let served = try Served(Binary.martlet()) { yaml($0, RuntimeDiscoveryTests.rest) }
        #expect(answers(served, 201))
        let fetch = try #require(manager.lines("fetch", 1).first)
        #expect(fetch["path"]?.string == "/v3/discovery:runtime" && fetch["names"]?.array?.compactMap(\.string) == ["layer"])
        manager.give(runtime: "layer", "2", "\"r\": {\"first\": 0}", called: "other")
        #expect(wait(upToMs: 10_000, everyMs: 20) { served.process.output.contains("Unexpected RTDS runtime (expecting layer): other") })
        manager.giveNothing("layer", "3")
        #expect(wait(upToMs: 10_000, everyMs: 20) {
            served.process.output.contains("Unexpected RTDS resource length, number of added resources 0, number of removed resources 0")
        })
        #expect(try served.get().status == 201)
        manager.give(runtime: "layer", "4", "\"r\": {\"first\": 0}")
        #expect(answers(served, 202))
    }

    @Test func outOfAFile() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/layer.yaml"
        func write(_ version: String, _ resources: String) {
            let file = directory.write("{version_info: \(version), resources: [\(resources)]}", to: "layer.new")
            _ = Files.move(file, path)
        }
        func layer(_ first: Int, _ name: String = "layer") -> String {
            "{\"@type\": type.googleapis.com/envoy.service.runtime.v3.Runtime, name: \(name), layer: {r: {first: \(first)}}}"
        }
        write("one", layer(100))
        let served = try Served(Binary.martlet()) { yaml($0, "path_config_source: {path: \(path)}") }
        #expect(try served.get().status == 201)
        #expect(served.stat("runtime.update_attempt", becomes: 1) == 1 && served.stat("runtime.update_success", becomes: 1) == 1)
        for (i, bad) in [layer(0, "other"), layer(0) + ", " + layer(0), ""].enumerated() {
            write("bad", bad)
            #expect(served.stat("runtime.update_rejected", becomes: i + 1) == i + 1)
        }
        _ = Files.move(directory.write("nonsense", to: "layer.new"), path)
        #expect(served.stat("runtime.update_failure", becomes: 1) == 1)
        #expect(try served.get().status == 201)
        write("two", layer(0))
        #expect(answers(served, 202))
        #expect(text(served, "/stats?filter=^runtime.version_text$") == "runtime.version_text: \"two\"\n")
        #expect(served.stat("runtime.update_attempt", becomes: 6) == 6)
    }

    /// Another layer is asked for, what the admin has set stays, and what nobody names any more is not asked for.
    @Test(arguments: [false, true]) func aReloadAsksForOthers(isAggregated: Bool) throws {
        manager.give(runtime: "layer", "1", "\"r\": {\"first\": 100}, \"one\": 1")
        manager.give(runtime: "second", "1", "\"r\": {\"first\": 0}")
        func configured(_ port: UInt16, _ layer: String) -> String {
            isAggregated ? yaml(port, "ads: {}", ads: "GRPC", layer: layer) : yaml(port, RuntimeDiscoveryTests.own("GRPC"), layer: layer)
        }
        let served = try Served(Binary.martlet()) { configured($0, "layer") }
        #expect(answers(served, 201))
        #expect(served.admin.request("POST", "/runtime_modify?mine=5")?.status == 200)
        func reload(_ yaml: String) {
            let admin = "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n"
            Files.write(Array((yaml + admin).utf8), to: served.file)
            served.process.signal(1)
        }
        reload(configured(served.listener, "second"))
        #expect(answers(served, 202))
        #expect(try values(served, "mine") == ["", "", "5", "5"] && values(served, "one") == ["none"])
        let last = requests(4).last
        #expect(last?["names"]?.array?.compactMap(\.string) == ["second"])
        // Without a layer nobody asks any more.
        reload(configured(served.listener, "second").textLines.filter { !$0.contains("rtds_layer") }.joined(separator: "\n"))
        #expect(served.stat("runtime.num_layers", becomes: 2) == 2)
        #expect(wait(upToMs: 10_000, everyMs: 20) { manager.lines("closed").count == manager.lines("stream").count })
        #expect(try values(served) == ["0", "", "0"])
    }

    /// Its values are kept by its name, and a server does not answer again on a stream where the resource is asked for already.
    @Test(arguments: [false, true]) func aRenamedLayerIsAskedForAgain(isAggregated: Bool) throws {
        manager.give(runtime: "layer", "1", "\"one\": 1")
        func configured(_ port: UInt16) -> String {
            isAggregated ? yaml(port, "ads: {}", ads: "GRPC") : yaml(port, RuntimeDiscoveryTests.own("GRPC"))
        }
        let served = try Served(Binary.martlet()) { configured($0) }
        #expect(wait(upToMs: 10_000, everyMs: 20) { (try? values(served, "one")) == ["", "1", "", "1"] })
        let admin = "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n"
        let renamed = configured(served.listener).replacing(text: "{name: given", by: "{name: other")
        Files.write(Array((renamed + admin).utf8), to: served.file)
        served.process.signal(1)
        #expect(
            wait(upToMs: 10_000, everyMs: 20) {
                guard let runtime = try? JSON(parsing: text(served, "/runtime")) else { return false }
                return runtime["layers"]?.array?.compactMap(\.string) == ["base", "other", "admin"]
                    && runtime["entries"]?["one"]?["final_value"]?.string == "1"
            })
    }

    @Test(arguments: [
        ("ads: {}", "ADS must be configured to support an ADS config source"), ("initial_fetch_timeout: 1s", "field: \"config_source_specifier\", reason: is required"), ("", "Missing config source specifier in envoy::config::core::v3::ConfigSource"),
        ("path_config_source: {path: /no/such/file.yaml}", "paths must refer to an existing path in the system: '/no/such/file.yaml' does not exist"),
        ("api_config_source: {api_type: GRPC, transport_api_version: V3}", "API configs must have either a gRPC service or a cluster name defined"),
    ])
    func mistakes(source: String, message: String) throws {
        let directory = TemporaryDirectory()
        let whole = ", rtds_config: {resource_api_version: V3, initial_fetch_timeout: 300s, }"
        let configured = yaml(Ports.free(), source).replacing(text: "initial_fetch_timeout: 300s, initial", by: "initial").replacing(text: whole, by: "")
        let file = directory.write(configured, to: "m.yaml")
        let process = try Binary.martlet().start(["-c", file, "--mode", "validate"])
        #expect(process.waitForExit(upToMs: 20_000) == 1)
        #expect(process.output.contains(message) && process.output.contains("rtds_config"), "\(process.output)")
    }
}
