import Glibc
import TestSupport
import Testing

/// Runtime keys while the program runs: `/runtime_modify` is seen by every worker with the next request.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct RuntimeTests {
    private static let layers = "layered_runtime: {layers: [{name: base, static_layer: {r: {first: 100}}}, {name: admin, admin_layer: {}}]}\n"

    private static func yaml(_ port: UInt16, routes: String, filters: String = "", log: String = "", clusters: [String] = []) -> String {
        layers + """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      access_log: [\(log)]
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [\(routes)]}]}
                      http_filters:
                      \(filters)
                      - name: envoy.filters.http.router
              clusters:
            \(clusters.joined(separator: "\n"))
            """
    }

    private func modify(_ served: Served, _ change: String) {
        #expect(served.admin.request("POST", "/runtime_modify?" + change)?.status == 200)
    }

    /// The link is replaced, as `mv -T` does it: all values change at once, and workers see them.
    @Test func layersOnDiskFollowTheirLink() throws {
        let directory = TemporaryDirectory()
        for (version, value) in [("v1", "0"), ("v2", "100")] {
            for path in ["\(directory.path)/\(version)", "\(directory.path)/\(version)/sub", "\(directory.path)/\(version)/sub/r"] {
                unsafe _ = mkdir(path, 0o755)
            }
            Files.write(Array(value.utf8), to: "\(directory.path)/\(version)/sub/r/first")
        }
        let link = directory.path + "/current"
        unsafe _ = symlink("v1", link)
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            RuntimeTests.yaml(port, routes: """
                {match: {prefix: /, runtime_fraction: {default_value: {numerator: 50}, runtime_key: r.first}}, direct_response: {status: 201}},
                {match: {prefix: /}, direct_response: {status: 202}}
                """).replacing(text: "{name: admin", by: "{name: disk, disk_layer: {symlink_root: \(link), subdirectory: sub}}, {name: admin")
        }
        #expect(try served.get().status == 202)
        #expect(served.stat("runtime.num_layers", becomes: 3) == 3)
        unsafe _ = symlink("v2", link + ".new")
        unsafe _ = rename(link + ".new", link)
        #expect(wait(upToMs: 10_000, everyMs: 20) { (try? served.get().status) == 201 })
        let shown = String(decoding: served.admin.request("GET", "/runtime")?.body ?? [], as: UTF8.self)
        #expect(shown.contains("\"100\""))
        // What cannot be read leaves everything as it was.
        Files.write([UInt8](repeating: 0x78, count: 1 << 20 + 1), to: directory.path + "/v1/sub/large")
        unsafe _ = symlink("v1", link + ".new")
        unsafe _ = rename(link + ".new", link)
        #expect(served.stat("runtime.load_error", becomes: 1) == 1)
        #expect(try served.get().status == 201)
    }

    @Test func fractionsOfRoutes() throws {
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            RuntimeTests.yaml(port, routes: """
                {match: {prefix: /, runtime_fraction: {default_value: {numerator: 0}, runtime_key: r.first}}, direct_response: {status: 201}},
                {match: {prefix: /}, direct_response: {status: 202}}
                """)
        }
        // Eight connections: both workers are asked.
        func statuses() throws -> Set<Int> { Set(try (0..<8).compactMap { _ in try served.get().status }) }
        #expect(try statuses() == [201])
        modify(served, "r.first=0")
        #expect(try statuses() == [202])
        modify(served, "r.first=numerator:%201000000%0Adenominator:%20MILLION")
        #expect(try statuses() == [201])
        modify(served, "r.first=")
        #expect(try statuses() == [201])
        // What the admin layer says survives a reload.
        modify(served, "r.first=0")
        served.process.signal(SIGHUP)
        #expect(served.stat("runtime.load_success", becomes: 7) == 7)
        #expect(try statuses() == [202])
    }

    @Test func weightsOfClusters() throws {
        let upstreams = try ["a", "b"].map { try ScriptedUpstream(name: $0) }
        for upstream in upstreams {
            upstream.begin(.always("HTTP/1.1 200 OK\r\nx-upstream: \(upstream.name)\r\ncontent-length: 0\r\n\r\n"))
            upstream.start()
        }
        defer { for upstream in upstreams { upstream.stop() } }
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            RuntimeTests.yaml(
                port, routes: "{match: {prefix: /}, route: {weighted_clusters: {runtime_key_prefix: w, clusters: [{name: a, weight: 1}, {name: b, weight: 0}]}}}",
                clusters: upstreams.map { Served.cluster([$0.port], name: $0.name) })
        }
        func answers() throws -> Set<String> { Set(try (0..<8).map { _ in try served.get().header("x-upstream") ?? "none" }) }
        #expect(try answers() == ["a"])
        modify(served, "w.a=0&w.b=3")
        #expect(try answers() == ["b"])
        modify(served, "w.a=&w.b=")
        #expect(try answers() == ["a"])
        // Weights that add up to nothing: there is no route, and no crash.
        modify(served, "w.a=0&w.b=0")
        #expect(try served.get().status == 404)
    }

    @Test func localRateLimits() throws {
        let filter = """
            - name: l
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                          stat_prefix: l
                          token_bucket: {max_tokens: 1, fill_interval: 3600s}
                          filter_enabled: {default_value: {numerator: 0}, runtime_key: l.enabled}
                          filter_enforced: {default_value: {numerator: 0}, runtime_key: l.enforced}
            """
        let served = try Served(try Binary.martlet()) { port in
            RuntimeTests.yaml(port, routes: "{match: {prefix: /}, direct_response: {status: 200}}", filters: filter)
        }
        for _ in 0..<3 { #expect(try served.get().status == 200) }
        modify(served, "l.enabled=100&l.enforced=100")
        #expect(try served.get().status == 200)
        #expect(try served.get().status == 429)
        modify(served, "l.enforced=0")
        #expect(try served.get().status == 200)
        #expect(served.stat("l.http_local_rate_limit.enabled", becomes: 3) == 3)
    }

    @Test func accessLogFilters() throws {
        let directory = TemporaryDirectory()
        let logger = """
            {name: f, filter: {and_filter: {filters: [
              {runtime_filter: {runtime_key: log.share, percent_sampled: {numerator: 0, denominator: TEN_THOUSAND}, use_independent_randomness: true}},
              {status_code_filter: {comparison: {op: GE, value: {default_value: 400, runtime_key: log.status}}}}]}},
             typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log,
              log_format: {text_format_source: {inline_string: "%REQ(:PATH)%\\n"}}}}
            """
        let served = try Served(try Binary.martlet()) { port in
            RuntimeTests.yaml(port, routes: "{match: {prefix: /}, direct_response: {status: 200}}", log: logger)
        }
        _ = try served.get("/1")
        modify(served, "log.share=10000")
        _ = try served.get("/2")
        modify(served, "log.status=200")
        _ = try served.get("/3")
        // The integer is a numerator above the configured denominator.
        modify(served, "log.share=0")
        _ = try served.get("/4")
        served.process.signal(SIGTERM)
        #expect(served.process.waitForExit(upToMs: 5_000) == 0)
        #expect(Files.text(directory.path + "/log") == "/3\n")
    }
}
