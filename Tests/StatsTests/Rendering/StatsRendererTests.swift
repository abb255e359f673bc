import Stats
import StatsStore
import Testing

@Suite struct StatsRendererTests {
    @Test func textReadoutsComeFirstAndAreNotEscapedInText() {
        let registry = StatRegistry(workers: 1)
        let lds = registry.scope("listener_manager.lds.", SubscriptionStat.self)
        registry.setText(lds[.versionText], "v<1>\"&'x")
        let text = rendered(registry)
        #expect(
            text.hasPrefix(
                "listener_manager.lds.version_text: \"v<1>\"&'x\"\nlistener_manager.lds.init_fetch_timeout: 0\n"))
        #expect(
            rendered(registry) { ($0.format, $0.types) = (.json, .textReadouts) }
                == #"{"stats":[{"name":"listener_manager.lds.version_text","value":"v<1>\"&'x"}]}"#)
        #expect(
            rendered(registry) {
                ($0.format, $0.textReadouts) = (.prometheus, true)
                $0.filter = named(["listener_manager.lds.version_text"])
            } == """
                # TYPE envoy_listener_manager_lds_version_text gauge
                envoy_listener_manager_lds_version_text{text_value="v<1>\\"&'x"} 0

                """)
    }

    @Test func emptyAnswers() {
        let registry = StatRegistry(workers: 1)
        _ = registry.scope("server.", ServerStat.self)
        for types in [StatsQuery.Types.counters, .histograms] {
            let json = rendered(registry) {
                ($0.format, $0.types) = (.json, types)
                $0.filter = { _ in false }
            }
            #expect(json == #"{"stats":[]}"#)
        }
        #expect(rendered(registry) { $0.usedOnly = true } == "")
        #expect(rendered(registry) { $0.filter = { _ in false } } == "")
        #expect(rendered(registry) { ($0.format, $0.usedOnly) = (.prometheus, true) } == "")
    }

    @Test func typesChooseTheirKinds() {
        let registry = StatRegistry(workers: 1)
        let scope = registry.scope("cluster.up.", ClusterStat.self)
        registry.cells(worker: 0).count(scope[.responseCodes], responseCode: 200)
        let counters = rendered(registry) { $0.types = .counters }
        let gauges = rendered(registry) { $0.types = .gauges }
        let histograms = rendered(registry) { $0.types = .histograms }
        #expect(counters.contains("cluster.up.upstream_rq_200: 1\n") && !counters.contains("upstream_rq_active: "))
        #expect(gauges.contains("upstream_rq_active: 0\n") && !gauges.contains("upstream_rq_total"))
        #expect(histograms.contains("upstream_cx_connect_ms: No recorded values\n") && !histograms.contains("_total"))
        let lines = [counters, gauges, histograms].joined().split(separator: "\n").count
        #expect(lines == rendered(registry).split(separator: "\n").count)
    }

    @Test func jsonEscapesNames() {
        let registry = StatRegistry(workers: 1)
        _ = registry.scope(StatPrefix.cluster("we\"ird\\n\nname é\u{1}"), CircuitBreakerRemainingStat.self)
        let json = rendered(registry) { $0.format = .json }
        #expect(json.hasPrefix(#"{"stats":[{"name":"cluster.we\"ird\\n\nname é\u0001.remaining_cx","value":0}"#))
    }

    /// Recorded: a custom tag, two fixed ones and `histogram_bucket_settings`.
    @Test func customTagsAndBuckets() {
        let registry = StatRegistry(workers: 1)
        registry.tags.custom = [
            .init("fixed", .fixed("f\"x")), .init("aaa", .fixed("1")),
            .init(
                "my.tag-x", firstWord: "cluster",
                .match { name in
                    // ^cluster\.((\w+)-\w+)\.
                    guard string(name).hasPrefix("cluster.foo-bar.") else { return nil }
                    return .init(removed: 8..<15, value: 8..<11)
                }),
        ]
        registry.buckets.settings = [({ string($0).hasSuffix("rq_time") }, [1, 2.5, 1_000_000, 12_345_678])]
        let cluster = registry.scope("cluster.foo-bar.", ClusterStat.self)
        let admin = registry.scope("http.admin.", HTTPConnectionManagerStat.self)
        registry.cells(worker: 0).increment(cluster[.bindErrors])
        registry.cells(worker: 0).increment(admin[.downstreamRq2xx])
        registry.cells(worker: 0).record(admin[.downstreamRqTime], 1)
        registry.flushHistograms()
        let prometheus = rendered(registry) { ($0.format, $0.usedOnly) = (.prometheus, true) }
        #expect(
            prometheus == #"""
                # TYPE envoy_cluster_bind_errors counter
                envoy_cluster_bind_errors{fixed="f\"x",aaa="1",envoy_cluster_name="foo-bar",my_tag_x="foo"} 1
                # TYPE envoy_http_downstream_rq_xx counter
                envoy_http_downstream_rq_xx{envoy_response_code_class="2",fixed="f\"x",aaa="1",envoy_http_conn_manager_prefix="admin"} 1
                # TYPE envoy_http_downstream_rq_time histogram
                envoy_http_downstream_rq_time_bucket{fixed="f\"x",aaa="1",envoy_http_conn_manager_prefix="admin",le="1"} 1
                envoy_http_downstream_rq_time_bucket{fixed="f\"x",aaa="1",envoy_http_conn_manager_prefix="admin",le="2.5"} 1
                envoy_http_downstream_rq_time_bucket{fixed="f\"x",aaa="1",envoy_http_conn_manager_prefix="admin",le="1000000"} 1
                envoy_http_downstream_rq_time_bucket{fixed="f\"x",aaa="1",envoy_http_conn_manager_prefix="admin",le="12345678"} 1
                envoy_http_downstream_rq_time_bucket{fixed="f\"x",aaa="1",envoy_http_conn_manager_prefix="admin",le="+Inf"} 1
                envoy_http_downstream_rq_time_sum{fixed="f\"x",aaa="1",envoy_http_conn_manager_prefix="admin"} 1.0476190476190476719153821250075
                envoy_http_downstream_rq_time_count{fixed="f\"x",aaa="1",envoy_http_conn_manager_prefix="admin"} 1

                """#)
        let text = rendered(registry) {
            ($0.types, $0.buckets, $0.usedOnly) = (.histograms, .cumulative, true)
        }
        #expect(text == "http.admin.downstream_rq_time: B1(1,1) B2.5(1,1) B1e+06(1,1) B1.23457e+07(1,1)\n")
        let json = rendered(registry) {
            ($0.types, $0.buckets, $0.usedOnly, $0.format) = (.histograms, .cumulative, true, .json)
        }
        #expect(json.contains(#"{"upper_bound":1e+06,"interval":1,"cumulative":1},{"upper_bound":12345678,"#))
    }

    /// Recorded order: Prometheus sorts by words, the text by bytes.
    @Test func orders() {
        let registry = StatRegistry(workers: 1)
        for name in ["a", "a-b", "a.b", "a b", ".lead.", "a.b-c", "with\\back"] {
            _ = registry.scope(StatPrefix.cluster(name), ClusterStat.self)
        }
        let filter: (Span<UInt8>) -> Bool = { string($0).hasSuffix("bind_errors") }
        #expect(
            rendered(registry) { $0.filter = filter } == """
                cluster..lead.bind_errors: 0
                cluster.a b.bind_errors: 0
                cluster.a-b.bind_errors: 0
                cluster.a.b-c.bind_errors: 0
                cluster.a.b.bind_errors: 0
                cluster.a.bind_errors: 0
                cluster.with\\back.bind_errors: 0

                """)
        #expect(
            rendered(registry) { ($0.filter, $0.format) = (filter, .prometheus) } == #"""
                # TYPE envoy_cluster_b_bind_errors counter
                envoy_cluster_b_bind_errors{envoy_cluster_name="a"} 0
                # TYPE envoy_cluster_b_c_bind_errors counter
                envoy_cluster_b_c_bind_errors{envoy_cluster_name="a"} 0
                # TYPE envoy_cluster_bind_errors counter
                envoy_cluster_bind_errors{envoy_cluster_name="a"} 0
                envoy_cluster_bind_errors{envoy_cluster_name="a b"} 0
                envoy_cluster_bind_errors{envoy_cluster_name="a-b"} 0
                envoy_cluster_bind_errors{envoy_cluster_name="with\\back"} 0
                # TYPE envoy_cluster_lead_bind_errors counter
                envoy_cluster_lead_bind_errors{envoy_cluster_name=""} 0

                """#)
    }

    @Test func scopesThatGoBetweenSlicesAreSkipped() {
        for format in [StatsQuery.Format.text, .json, .prometheus] {
            let registry = StatRegistry(workers: 1)
            let first = registry.scope("cluster.a.", ClusterStat.self)
            let second = registry.scope("cluster.a.b.", ClusterStat.self)
            let third = registry.scope("cluster.c.", ClusterStat.self)
            _ = registry.scope("cluster.d.", ClusterStat.self)
            var query = StatsQuery()
            query.format = format
            var renderer = StatsRenderer(registry, query)
            _ = renderer.next(maxBytes: 200) { _ in }
            for scope in [first, second, third] { registry.retire(scope.ref) }
            registry.recycle(registry.retiredScopes())
            // The slots and ids now belong to another.
            _ = registry.scope("cluster.z.", ClusterStat.self)
            var rest = ""
            while renderer.next(maxBytes: 200, { rest += string($0) }) {}
            #expect(!rest.contains("cluster.c.") && !rest.contains("cluster.z."))
            #expect(format == .prometheus || rest.contains("cluster.d.upstream_rq_total"))
        }
    }
}
