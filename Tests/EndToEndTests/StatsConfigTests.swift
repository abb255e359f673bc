import Glibc
import TestSupport
import Testing

/// `stats_config` and its like: the same bootstrap in both, and the same answers.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct StatsConfigTests {
    private static let istio = #"""
        stats_config:
          use_all_default_tags: false
          stats_tags:
          - {tag_name: cluster_name, regex: '^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)'}
          - {tag_name: tcp_prefix, regex: '^tcp\.((.*?)\.)\w+?$'}
          - {tag_name: response_code, regex: '(response_code=\.=(.+?);\.;)|_rq(_(\.d{3}))$'}
          - {tag_name: response_code_class, regex: '_rq(_(\dxx))$'}
          - {tag_name: http_conn_manager_listener_prefix, regex: '^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)'}
          - {tag_name: http_conn_manager_prefix, regex: '^http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)'}
          - {tag_name: listener_address, regex: '^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)'}
          - {tag_name: reporter, regex: '(reporter=\.=(.*?);\.;)'}
          stats_matcher:
            inclusion_list:
              patterns:
              - {prefix: reporter=}
              - {prefix: cluster_manager}
              - {prefix: listener_manager}
              - {prefix: server}
              - {prefix: cluster.xds-grpc}
              - {suffix: rq_timeout}
              - {safe_regex: {regex: 'vhost.default.*|listener\..*|http\..*_rq.*'}}
          histogram_bucket_settings:
          - {match: {prefix: istiocustom}, buckets: [0.5, 1]}
          - {match: {suffix: rq_time}, buckets: [50, 5, 0.5]}
        """#

    private static let blocks = [
        istio,
        "stats_config: {use_all_default_tags: false}",
        "stats_config: {use_all_default_tags: false, stats_tags: [{tag_name: envoy.cluster_name}, {tag_name: envoy.response_code}]}",
        #"stats_config: {stats_tags: [{tag_name: envoy.cluster_name, regex: '^cluster\.((.+)\.)upst'}]}"#,
        #"stats_config: {allow_default_tag_overrides: true, stats_tags: [{tag_name: u, regex: '^cluster\.(u)'}, {tag_name: envoy.cluster_name, regex: '^cluster\.((.+)\.)upst'}, {tag_name: envoy.worker_id, fixed_value: Q}, {tag_name: envoy.worker_id, regex: '(upstream)'}]}"#,
        #"stats_config: {stats_tags: [{tag_name: z1, regex: '(stream)_'}, {tag_name: a1, fixed_value: v}, {tag_name: z2, regex: '^cluster\.(up)'}, {tag_name: z3, regex: '^cluster(.)up'}, {tag_name: z4, regex: '^server(?=\.)\.(live)'}, {tag_name: a1, fixed_value: w}, {tag_name: 'b c.d', fixed_value: ''}, {tag_name: q, fixed_value: 'a"b\'}]}"#,
        "stats_config: {stats_matcher: {reject_all: true}}",
        "stats_config: {stats_matcher: {reject_all: false}}",
        "stats_config: {stats_matcher: {exclusion_list: {patterns: [{suffix: _TOTAL, ignore_case: true}, {contains: rq_2}, {exact: server.live}, {prefix: runtime.}]}}}",
        "stats_config: {histogram_bucket_settings: [{match: {prefix: 'cluster.'}, bins: 5}, {match: {contains: connect}, buckets: [300, 5, 0.1]}, {match: {prefix: cluster}, buckets: [1]}]}",
    ]

    private func peer(
        _ binary: String, _ block: String, _ arguments: [String], listener: [String] = [], cluster: [String] = []
    ) throws -> AdminPeer {
        var fixture = AdminFixture()
        fixture.blocks = [block]
        fixture.listenerFields = listener
        fixture.clusterFields = cluster
        return try AdminPeer(binary, fixture, arguments: ["--concurrency", "1"] + arguments)
    }

    /// Lines of both without values: what is there, under which name, with which tags, in which order of tags.
    private static func shape(_ answer: AdminAnswer?) -> Set<String> {
        Set((answer?.body.textLines ?? []).map { line in
            guard !line.hasPrefix("#") else { return line }
            let mark = line.hasPrefix("envoy_") ? "} " : ": "
            return line.range(ofLast: mark).map { String(line[..<$0.lowerBound]) } ?? line
        }).filter { !AdminQuestions.isOurs($0) && !$0.isEmpty && !isWithoutTagsInEnvoy($0) }
    }

    /// Envoy makes these before it knows of any tags.
    private static func isWithoutTagsInEnvoy(_ name: String) -> Bool { name.hasPrefix("envoy_filesystem_") }

    @Test(.enabled(if: (try? ProxyBinary.envoy().get()) != nil, "no Envoy here"), arguments: blocks.indices)
    func namesAndTagsAreEnvoys(_ index: Int) throws {
        let block = StatsConfigTests.blocks[index]
        try compare(
            try peer(try ProxyBinary.envoy().get(), block, ["--disable-hot-restart", "--stats-tag", "cli:c"]),
            with: try peer(try Binary.martlet().binary, block, ["--stats-tag", "cli:c"]))
    }

    /// `stats_matcher` of a listener or a cluster takes the place of the bootstrap's in what it counts.
    @Test(
        .enabled(if: (try? ProxyBinary.envoy().get()) != nil, "no Envoy here"),
        arguments: [
            ("", "reject_all: true", "reject_all: true"),
            ("", "inclusion_list: {patterns: [{suffix: cx_total}, {contains: rq_2}]}", "exclusion_list: {patterns: [{prefix: cluster.up.upstream_rq}]}"),
            ("reject_all: true", "exclusion_list: {patterns: [{contains: cx_}]}", "inclusion_list: {patterns: [{suffix: rq_200}, {safe_regex: {regex: 'cluster\\.up\\.upstream_rq_t.*'}}]}"),
            ("inclusion_list: {patterns: [{suffix: rq_total}]}", "reject_all: false", ""),
        ])
    func ofListenersAndClusters(_ all: String, _ listener: String, _ cluster: String) throws {
        func peer(_ binary: String, _ arguments: [String]) throws -> AdminPeer {
            func fields(_ matcher: String) -> [String] { matcher.isEmpty ? [] : ["stats_matcher: {\(matcher)}"] }
            return try self.peer(
                binary, all.isEmpty ? "stats_config: {}" : "stats_config: {stats_matcher: {\(all)}}", arguments,
                listener: fields(listener), cluster: fields(cluster))
        }
        try compare(try peer(try ProxyBinary.envoy().get(), ["--disable-hot-restart"]), with: try peer(try Binary.martlet().binary, []))
    }

    private func compare(_ envoy: AdminPeer, with own: AdminPeer) throws {
        envoy.sendTraffic()
        own.sendTraffic()
        for target in [
            "/stats", "/stats/prometheus", "/stats/prometheus?text_readouts", "/stats?type=Histograms",
            "/stats/prometheus?histogram_buckets=summary",
        ] {
            let expected = StatsConfigTests.shape(envoy.ask("GET", target))
            var answer: Set<String> = []
            // What is there once a request has ended may come a moment later.
            _ = wait(upToMs: 3_000) {
                answer = StatsConfigTests.shape(own.ask("GET", target))
                return answer == expected
            }
            #expect(expected.subtracting(answer).sorted() == [], "\(target): missing")
            #expect(answer.subtracting(expected).sorted() == [], "\(target): more than Envoy has")
        }
    }

    /// `stats_flush_on_admin`: no timer; what was recorded is in the next answer.
    @Test func histogramsAreFlushedForTheAdmin() throws {
        let own = try peer(try Binary.martlet().binary, "stats_flush_on_admin: true", [])
        own.sendTraffic()
        let filter = "/stats?filter=cluster.up.upstream_rq_time&histogram_buckets=cumulative"
        #expect(
            wait(upToMs: 10_000) { own.ask("GET", filter)?.body.contains("B3.6e+06(0,\(AdminPeer.requests))") == true },
            "\(own.ask("GET", filter)?.body ?? "")")
    }

    /// `stats_flush_interval` is the length of an interval: it ends a tenth of a second later.
    @Test func theIntervalIsTheConfigured() throws {
        let own = try peer(try Binary.martlet().binary, "stats_flush_interval: 0.1s", [])
        own.sendTraffic()
        let filter = "/stats?filter=cluster.up.upstream_rq_time&histogram_buckets=cumulative"
        #expect(
            wait(upToMs: 10_000) { own.ask("GET", filter)?.body.contains("B3.6e+06(0,\(AdminPeer.requests))") == true },
            "\(own.ask("GET", filter)?.body ?? "")")
    }

    /// It is read when the process starts: a reload says so.
    @Test func aReloadDoesNotChangeIt() throws {
        let directory = TemporaryDirectory()
        let admin = Ports.free()
        func write(_ block: String) -> String {
            directory.write(
                "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}\n\(block)\n", to: "c.yaml")
        }
        let file = write("stats_config: {stats_matcher: {exclusion_list: {patterns: [{exact: server.live}]}}}")
        let process = try Binary.martlet().start(["-c", file, "--concurrency", "1"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin), "\(process.output)")
        _ = write("stats_config: {stats_matcher: {reject_all: true}}")
        process.signal(SIGHUP)
        #expect(wait(upToMs: 10_000) { process.output.contains("is read when the process starts") }, "\(process.output)")
        #expect(Admin(port: admin).stats(matching: "^server\\.(live|state)$") == ["server.state": 0])
    }
}
