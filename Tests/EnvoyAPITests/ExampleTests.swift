import EnvoyAPI
import Testing

/// The two files that people copy from the web: the article's own text, and the same configuration corrected.
@Suite struct ExampleTests {
    @Test func simpleIsRead() throws {
        let document = try ConfigReader.read(yaml: Examples.simple, file: "simple.yaml")
        let listener = try #require(document.bootstrap.staticResources.listeners.first)
        #expect(listener.address.socketAddress.portValue == 10000)
        let filter = try #require(listener.filterChains.first?.filters.first)
        let manager = try Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager(
            unpackingAny: filter.typedConfig)
        #expect(manager.codecType == .auto)
        #expect(manager.statPrefix == "ingress_http")
        #expect(manager.routeConfig.virtualHosts.first?.routes.first?.route.cluster == "greetingservice")
        #expect(manager.httpFilters.map(\.name) == ["envoy.filters.http.router"])
        #expect(manager.httpFilters.first?.configType == nil)
        let cluster = try #require(document.bootstrap.staticResources.clusters.first)
        #expect(cluster.connectTimeout.nanos == 250_000_000)
        #expect(cluster.type == .strictDns)
        #expect(document.bootstrap.admin.accessLogPath == "/dev/null")
        #expect(document.warnings.map(\.path) == ["admin.access_log_path"])
    }

    @Test func misplacedBlocksOfTheArticle() {
        #expect(
            lines(Examples.asPrinted, "simple-as-printed.yaml") == [
                "simple-as-printed.yaml:36:21: error: static_resources.listeners[0].filter_chains[0].filters[0]"
                    + ".typed_config.route_config.virtual_hosts[0].http_filters: no such field: 'http_filters' in "
                    + "envoy.config.route.v3.VirtualHost; it belongs to static_resources.listeners[0].filter_chains[0]"
                    + ".filters[0].typed_config (HttpConnectionManager): indent it by 14 spaces instead of 20",
                "simple-as-printed.yaml:38:15: error: static_resources.listeners[0].filter_chains[0].filters[0]"
                    + ".typed_config.admin: no such field: 'admin' in envoy.extensions.filters.network"
                    + ".http_connection_manager.v3.HttpConnectionManager; it belongs to the top level (Bootstrap): "
                    + "remove its indentation of 14 spaces",
            ])
    }
}
