import Testing

@testable import Control

/// What `/server_info` lists can be configured; what is refused by its name is not listed.
@Suite struct BuiltInExtensionsTests {
    private func types(_ name: String) -> [String]? { BuiltInExtensions.others.first { $0.name == name }?.types }

    @Test func whatIsListedCanBeConfigured() {
        for name in ["envoy.retry_host_predicates.omit_canary_hosts", "envoy.retry_host_predicates.omit_host_metadata", "envoy.network.dns_resolver.getaddrinfo"] {
            #expect(types(name) == nil)
        }
        // By `type: ORIGINAL_DST`, and not by `cluster_type`.
        #expect(types("envoy.cluster.original_dst") == [])
        #expect(types("envoy.tls.cert_validator.spiffe") == [] && types("envoy.tls.cert_validator.default") == [])
        let options = "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions"
        #expect(types(options) == [options])
    }
}
