import EnvoyAPI
import Testing

/// Hints for fields that stand where they do not belong.
@Suite struct MisplacedFieldTests {
    private typealias Filter = Envoy_Config_Listener_V3_Filter

    @Test func besideTypedConfigInsteadOfInside() {
        let text = """
            name: tcp
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
              stat_prefix: s
            cluster: up
            """
        #expect(
            lines(Filter.self, text).first
                == "5:1: error: cluster: no such field: 'cluster' in envoy.config.listener.v3.Filter; "
                + "it belongs into 'typed_config' (TcpProxy): indent it by 2 spaces instead of 0")
    }

    @Test func aFieldOfAnotherMessage() {
        #expect(
            lines(Filter.self, "{name: a, max_ejection_percent: 3}") == [
                "1:11: error: max_ejection_percent: no such field: 'max_ejection_percent' in envoy.config.listener.v3.Filter; "
                    + "it is a field of OutlierDetection"
            ])
    }

    @Test func aFieldThatMartletLacks() {
        #expect(
            lines("dynamic_resources: {cds_config: {}}\noverload_manager: {}\nhdsConfig: {}\n") == [
                "c.yaml:1:21: error: dynamic_resources.cds_config: 'cds_config' of envoy.config.bootstrap.v3.Bootstrap.DynamicResources "
                    + "is not supported by Martlet yet",
                "c.yaml:2:1: error: overload_manager: 'overload_manager' of envoy.config.bootstrap.v3.Bootstrap is not supported by "
                    + "Martlet yet",
                "c.yaml:3:1: error: hdsConfig: 'hdsConfig' of envoy.config.bootstrap.v3.Bootstrap is not supported by "
                    + "Martlet yet",
            ])
    }

    /// What is null, false or an empty list is as if it were not written, whatever field it is of.
    @Test func aFieldThatMartletLacksAndThatAsksForNothing() {
        #expect(lines("dynamic_resources: {}\nfatal_actions: []\nhds_config: null\noverload_manager: ~\n").isEmpty)
        #expect(lines("dynamic_resources: {cds_config: ~}\nenable_worker_cpu_affinity: false\n").isEmpty)
        let manager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager.self
        let asked = "'record_route_resolution_stats' of envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager is not supported by Martlet yet"
        #expect(!lines(manager, "{stat_prefix: s, record_route_resolution_stats: false}").contains { $0.contains(asked) })
        #expect(lines(manager, "{stat_prefix: s, record_route_resolution_stats: true}").contains { $0.contains(asked) })
        // A list is none of false.
        #expect(lines("fatal_actions: false\n").count == 1)
        #expect(lines("hds_config: []\n").count == 1)
    }

    /// What was refused does not also count as missing.
    @Test func aRequiredOneofWithAnUnsupportedMember() {
        let manager = Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager.self
        #expect(lines(manager, "{stat_prefix: s, rds: {}}").count == 1)
    }

    @Test func allMistakesAtOnce() {
        let text = """
            static_resources:
              clusters:
              - name: a
                connect_timeout: 5
                lb_policy: nope
                typ: static
              - connect_timeout: 0s
            admin: 7
            """
        #expect(lines(text).map { $0.split(separator: " ").prefix(3).joined(separator: " ") } == [
            "c.yaml:4:22: error: static_resources.clusters[0].connect_timeout:",
            "c.yaml:5:16: error: static_resources.clusters[0].lb_policy:",
            "c.yaml:6:5: error: static_resources.clusters[0].typ:",
            "c.yaml:7:5: error: static_resources.clusters[1].name:",
            "c.yaml:7:22: error: static_resources.clusters[1].connect_timeout:",
            "c.yaml:8:8: error: admin:",
        ])
    }
}
