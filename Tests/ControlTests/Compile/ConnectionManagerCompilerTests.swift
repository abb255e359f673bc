@testable import Control
import EnvoyAPI
import Extensions
import Pipeline
import Testing

/// What becomes of a connection manager's fields.
@Suite struct ConnectionManagerCompilerTests {
    private func compiled(_ fields: String) throws -> HTTPConfig {
        let yaml = """
            static_resources:
              listeners:
              - name: l
                address: {socket_address: {address: 127.0.0.1, port_value: 0}}
                filter_chains:
                - filters:
                  - name: h
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      \(fields)
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
                      http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
            """
        let configurator = Server.validator(filters: FilterRegistry(HTTPFilters.all))
        try configurator.apply(try ConfigReader.read(yaml: yaml, file: "c.yaml"))
        let config = try #require(configurator.listeners.first).draft.config
        return try withExtendedLifetime(configurator) {
            guard case .http(let http) = config.chain else { throw NoManager() }
            return unsafe http.pointee
        }
    }

    private struct NoManager: Error {}

    @Test func jitterIsAPartOfItsTime() throws {
        let config = try compiled("common_http_protocol_options: {max_connection_duration: 10s, max_connection_duration_jitter: {value: 50}}\n          drain_timeout: 4s\n          drain_timeout_jitter: {value: 12.5}")
        #expect(config.connectionDurationMaxMs == 10_000 && config.connectionDurationJitterMs == 5_000)
        #expect(config.drainTimeoutMs == 4_000 && config.drainTimeoutJitterMs == 500)
        let standard = try compiled("drain_timeout_jitter: {value: 10}")
        #expect(standard.drainTimeoutJitterMs == 500 && standard.connectionDurationJitterMs == 0)
        #expect(try compiled("common_http_protocol_options: {max_connection_duration_jitter: {value: 50}}").connectionDurationJitterMs == 0, "of nothing")
    }

    @Test func pathNormalizationOptionsChangeNothing() throws {
        let config = try compiled("path_normalization_options: {forwarding_transformation: {operations: [{normalize_path_rfc_3986: {}}, {merge_slashes: {}}]}}")
        #expect(!config.normalizePath && !config.mergeSlashes)
    }
}
