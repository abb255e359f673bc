import TestSupport
import Testing

/// `per_endpoint_stats`: how Envoy 1.40 and Martlet write the same endpoints, in every format.
@Suite(.serialized)
struct EndpointOracleTests {
    private static let tracked = "track_cluster_stats: {per_endpoint_stats: true}"

    private func host(_ address: String, _ more: String = "", hostname: String = "") -> String {
        "{endpoint: {\(hostname.isEmpty ? "" : "hostname: \"\(hostname)\", ")address: {\(address)}}\(more.isEmpty ? "" : ", health_status: " + more)}"
    }

    private func socket(_ address: String, _ port: UInt16) -> String { "socket_address: {address: \"\(address)\", port_value: \(port)}" }

    private func yaml(_ front: UInt16, _ admin: UInt16, _ up: UInt16, _ refused: UInt16, _ site: String) -> String {
        func cluster(_ name: String, _ fields: String, _ levels: [[String]]) -> String {
            let endpoints = levels.enumerated().map { "{priority: \($0.offset), lb_endpoints: [\($0.element.joined(separator: ", "))]}" }
            return "  - {name: \(name), connect_timeout: 10s, \(fields), load_assignment: {cluster_name: \(name), endpoints: [\(endpoints.joined(separator: ", "))]}}\n"
        }
        let tracked = EndpointOracleTests.tracked
        let local = host(socket("127.0.0.1", up))
        let states = ["UNKNOWN", "HEALTHY", "UNHEALTHY", "DEGRADED", "DRAINING", "TIMEOUT"].enumerated().map { host(socket("127.0.0.\($0.offset + 2)", up), $0.element) }
        let kinds = [
            host(socket("::1", up)), host("pipe: {path: \"/tmp/not:there/c.sock\"}"), host("pipe: {path: \"@not-there\"}"),
            host(socket("10.0.0.1", 80), hostname: "host.test."),
        ]
        return """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
            stats_config:
              stats_tags: [{tag_name: site, fixed_value: "\(site)"}, {tag_name: other, fixed_value: o}, {tag_name: mine, regex: "^cluster\\\\.((.+?)\\\\.)"}]
              stats_matcher: {exclusion_list: {patterns: [{suffix: rq_success}]}}
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(front)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - {match: {prefix: /refused}, route: {cluster: refused}}
                          - {match: {prefix: /found}, route: {cluster: found}}
                          - {match: {prefix: /}, route: {cluster: up}}
              clusters:

            """ + cluster("up", "alt_stat_name: \"a.b://c:d.\", " + tracked, [[local]]) + cluster("refused", tracked, [[host(socket("127.0.0.1", refused))]])
            + cluster("states", tracked, [states]) + cluster("kinds", tracked, [kinds]) + cluster("levels", tracked, [[local], [host(socket("127.0.0.9", up))]])
            + cluster("logical", "type: LOGICAL_DNS, " + tracked, [[host(socket("127.0.0.1", up))]]) + cluster("empty", tracked, [])
            + cluster("quiet", "alt_stat_name: silent", [[local]])
            + "  - {name: found, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, original_dst_lb_config: {use_http_header: true}, \(tracked)}\n"
    }

    /// Lines about endpoints by their clusters: which comes first is the order of a hash table in Envoy.
    private static func byCluster(_ names: [String]) -> [String: [String]] {
        var found: [String: [String]] = [:]
        for name in names {
            let cluster = name.replacing(text: ".endpoint.", by: "|").split(separator: "|").first.map(String.init) ?? ""
            found[cluster, default: []].append(name)
        }
        return found
    }

    private struct Outcome {
        var texts: [String: [String: [String]]] = [:]
        /// What stands before and behind the endpoints' lines: the kinds of the lines next to them.
        var place: [String] = []
        var families: [String] = []
        var prometheus: [String] = []
        /// Of the messages, whose order within a family is its own.
        var messages: [UInt8] = []
    }

    private static let queries = [
        "filter=%5C.endpoint%5C.", "filter=%5C.endpoint%5C.&usedonly", "filter=%5C.endpoint%5C.&type=Counters",
        "filter=%5C.endpoint%5C.&type=Gauges", "filter=%5C.endpoint%5C.&type=Histograms", "filter=%5C.endpoint%5C.&type=TextReadouts",
        "filter=rq_total$", "filter=rq_success$", "filter=healthy$&usedonly", "filter=upstream%7Cserver%7Clistener%7Chttp%7Cmanager&invert_filter&type=Gauges",
    ]

    private func outcome(_ binary: String, _ options: [String], _ up: UInt16, _ refused: UInt16, _ site: String) throws -> Outcome {
        let (front, admin) = (Ports.free(), Admin(port: Ports.free()))
        let directory = TemporaryDirectory()
        let file = directory.write(yaml(front, admin.port, up, refused, site), to: "endpoints.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1", "--stats-tag", "first:one"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port, upToMs: 20_000), "\(process.output)")
        for (path, more) in [("/", ""), ("/status/404", ""), ("/refused", ""), ("/found", "x-envoy-original-dst-host: 127.0.0.1:\(up)\r\n"), ("/", "")] {
            var client = RawClient(steps: [.send(request("GET " + path, more))], methods: ["GET"])
            client.closeLimitMs = 0
            #expect(try client.run(port: front).responses.count == 1)
        }
        func text(_ path: String) -> String { admin.request("GET", path).map { String(wire: $0.body) } ?? "" }
        _ = wait(upToMs: 10_000) { admin.stats(matching: "^cluster.*rq_active$").values.allSatisfy { $0 == 0 } }
        try #require(admin.request("POST", "/reset_counters")?.status == 200)
        var result = Outcome()
        for query in EndpointOracleTests.queries {
            let lines = text("/stats?" + query).textLines.filter { $0.contains(".endpoint.") }
            result.texts[query] = EndpointOracleTests.byCluster(lines)
        }
        let json = try JSON(parsing: text("/stats?format=json&filter=%5C.endpoint%5C."))
        let entries = (json["stats"]?.array ?? []).map { "\($0["name"]?.string ?? "?"): \($0["value"]?.text() ?? "?")" }
        result.texts["json"] = EndpointOracleTests.byCluster(entries)
        let all = text("/stats").textLines
        var last = ""
        for line in all {
            let isScalar = Int(line.split(separator: " ").last ?? "") != nil
            let kind = line.contains(".endpoint.") ? "endpoint" : isScalar ? "scalar" : line.hasSuffix("\"") ? "text" : "histogram"
            if kind != last { result.place.append(kind) }
            last = kind
        }
        let scrape = text("/stats/prometheus").textLines
        result.families = scrape.filter { $0.hasPrefix("# TYPE envoy_cluster_endpoint") }
        result.place.append(scrape.last.map { $0.hasPrefix("envoy_cluster_endpoint") } == true ? "last" : "not last")
        result.prometheus = scrape.filter { $0.hasPrefix("envoy_cluster_endpoint") }.sorted()
        var client = RawClient(
            steps: [.send("GET /stats/prometheus?filter=%5C.endpoint%5C. HTTP/1.1\r\nhost: a\r\naccept: application/vnd.google.protobuf\r\nconnection: close\r\n\r\n")], methods: ["GET"])
        client.closeLimitMs = 0
        result.messages = (try client.run(port: admin.port).responses.first?.body ?? []).sorted()
        return result
    }

    /// Messages are compared where no value of a tag has a quotation mark: Envoy escapes it as in the text (docs/statistics.md).
    @Test(arguments: ["a \\\"b", "a b"]) func endpointsAreWrittenAlike(site: String) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let upstream = try LoadUpstream("up")
        defer { upstream.stop() }
        let refused = Ports.free()
        let held = try Sockets.reserve(port: refused)
        defer { held.close() }
        let expected = try outcome(envoy, ["--disable-hot-restart", "-l", "off"], upstream.port, refused, site)
        let found = try outcome(martlet, [], upstream.port, refused, site)
        #expect(expected.prometheus.count > 150, "Envoy has written them")
        for (query, clusters) in expected.texts {
            #expect(clusters.keys.sorted() == found.texts[query]?.keys.sorted(), "\(query)")
            for (name, lines) in clusters { #expect(found.texts[query]?[name] == lines, "\(query)") }
        }
        #expect(expected.place == found.place)
        #expect(expected.families == found.families)
        #expect(expected.prometheus == found.prometheus)
        #expect(expected.messages.count > 10_000)
        if !site.contains("\"") { #expect(expected.messages == found.messages) }
    }
}
