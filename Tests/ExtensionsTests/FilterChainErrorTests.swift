// What is wrong with a list of filters, in Envoy's words.

import Control
import EnvoyAPI
import Extensions
import Testing

@Suite struct FilterChainErrorTests {
    private static let router =
        "{name: envoy.filters.http.router, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}"
    private static let buffer =
        "{name: envoy.filters.http.buffer, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 10}}"

    private func errors(_ filters: [String], route: String = "") -> [String] {
        let yaml = """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: x
                      http_filters: [\(filters.joined(separator: ", "))]
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - match: {prefix: /}
                            direct_response: {status: 200}
                            typed_per_filter_config: {\(route)}
            """
        do throws(ConfigErrors) {
            let document = try ConfigReader.read(yaml: yaml)
            try Server.validator(filters: FilterRegistry(HTTPFilters.all)).validate(document)
            return []
        } catch {
            return error.errors.map(\.message)
        }
    }

    @Test func goodChain() { #expect(errors([FilterChainErrorTests.buffer, FilterChainErrorTests.router]) == []) }

    @Test func routerThatIsNotLast() {
        #expect(
            errors([FilterChainErrorTests.router, FilterChainErrorTests.buffer, FilterChainErrorTests.router]) == [
                "Error: terminal filter named envoy.filters.http.router of type envoy.filters.http.router must be the last filter in a http filter chain."
            ])
    }

    @Test func chainWithoutATerminalFilter() {
        #expect(
            errors([FilterChainErrorTests.buffer]) == [
                "Error: non-terminal filter named envoy.filters.http.buffer of type envoy.filters.http.buffer is the last filter in a http filter chain."
            ])
    }

    @Test func emptyChain() {
        #expect(errors([]).contains { $0.contains("http_filters is empty") })
    }

    @Test func routeConfigurationOfAFilterThatHasNone() {
        let check =
            "{name: envoy.filters.http.health_check, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck, pass_through_mode: false}}"
        let route =
            "envoy.filters.http.health_check: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck, pass_through_mode: false}"
        #expect(
            errors([check, FilterChainErrorTests.router], route: route) == [
                "The filter envoy.filters.http.health_check doesn't support virtual host or route specific configurations"
            ])
    }

    @Test(arguments: [
        ("pass_through_mode: false, cache_time: 1s", "cache_time_ms must not be set when path_through_mode is disabled")
    ])
    func healthCheckOptionsThatExclude(options: String, message: String) {
        let check =
            "{name: envoy.filters.http.health_check, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck, \(options)}}"
        #expect(errors([check, FilterChainErrorTests.router]) == [message])
    }

    @Test func bucketThatFillsTooFast() {
        let limit =
            "{name: envoy.filters.http.local_ratelimit, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: s, token_bucket: {max_tokens: 1, fill_interval: 0.01s}}}"
        #expect(
            errors([limit, FilterChainErrorTests.router]) == ["local rate limit token bucket fill timer must be >= 50ms"])
    }
}
