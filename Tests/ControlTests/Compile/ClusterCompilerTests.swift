@testable import Control
import EnvoyAPI
import Extensions
import Pipeline
import Primitives
import Testing
import Upstream

/// What becomes of a cluster's fields.
@Suite struct ClusterCompilerTests {
    private func compiled(_ fields: String, _ more: String = "") throws -> (config: ClusterConfig, hosts: [HostConfig], live: Configurator) {
        let yaml = "static_resources: {clusters: [{name: up, \(fields)}]}\n\(more)\n"
        let configurator = Server.validator(filters: FilterRegistry(HTTPFilters.all))
        try configurator.apply(try ConfigReader.read(yaml: yaml, file: "c.yaml"))
        let cluster = try #require(configurator.clusters.first)
        return (cluster.draft.config, cluster.hostConfigs, configurator)
    }

    private func policy(_ type: String, _ fields: String = "") throws -> ClusterConfig {
        try compiled(
            "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies.\(type)\(fields)}}}]}"
        ).config
    }

    @Test func balancingByTheOldFieldAndItsOptions() throws {
        #expect(try compiled("lb_policy: RANDOM").config.policy == .random)
        let least = try compiled(
            "lb_policy: LEAST_REQUEST, least_request_lb_config: {choice_count: 7, active_request_bias: {default_value: 0.5, runtime_key: k}}").config
        #expect(least.policy == .leastRequest && least.choiceCount == 7 && least.activeRequestBias == 0.5 && !least.scansAllHosts)
        #expect(try compiled("connect_timeout: 1s").config.policy == .roundRobin)
    }

    @Test func balancingByPolicy() throws {
        #expect(try policy("round_robin.v3.RoundRobin").policy == .roundRobin)
        #expect(try policy("random.v3.Random").policy == .random)
        let least = try policy("least_request.v3.LeastRequest", ", choice_count: 4, active_request_bias: {default_value: 2, runtime_key: k}, selection_method: FULL_SCAN")
        #expect(least.policy == .leastRequest && least.choiceCount == 4 && least.activeRequestBias == 2 && least.scansAllHosts)
        #expect(try policy("least_request.v3.LeastRequest", ", enable_full_scan: true").scansAllHosts)
    }

    @Test func protocolOptions() throws {
        func options(_ type: String, _ fields: String) throws -> ClusterConfig {
            let name = "envoy.extensions.upstreams.\(type)"
            return try compiled("typed_extension_protocol_options: {\(name): {\"@type\": type.googleapis.com/\(name)\(fields)}}").config
        }
        #expect(try compiled("connect_timeout: 1s").config.tcpIdleTimeoutMs == 600_000)
        #expect(try options("tcp.v3.TcpProtocolOptions", "").tcpIdleTimeoutMs == 600_000)
        #expect(try options("tcp.v3.TcpProtocolOptions", ", idle_timeout: 1.5s").tcpIdleTimeoutMs == 1_500)
        #expect(try options("tcp.v3.TcpProtocolOptions", ", idle_timeout: 0s").tcpIdleTimeoutMs == 0)
        #expect(try options("http.v3.HttpProtocolOptions", ", explicit_http_config: {http2_protocol_options: {}}").upstreamProtocol == .http2)
    }

    @Test func slowStart() throws {
        let slow = "slow_start_config: {slow_start_window: 30s, aggression: {default_value: 2, runtime_key: k}, min_weight_percent: {value: 5}}"
        for config in [
            try compiled("round_robin_lb_config: {\(slow)}").config, try compiled("lb_policy: LEAST_REQUEST, least_request_lb_config: {\(slow)}").config,
            try policy("round_robin.v3.RoundRobin", ", \(slow)"), try policy("least_request.v3.LeastRequest", ", \(slow)"),
        ] {
            let slow = try #require(config.slowStart)
            #expect(slow.windowMs == 30_000 && slow.aggression == 2 && slow.aggressionCell != nil && slow.weightMin == 0.05)
        }
        let plain = try #require(try policy("round_robin.v3.RoundRobin", ", slow_start_config: {slow_start_window: 1s}").slowStart)
        #expect(plain.aggression == 1 && plain.aggressionCell == nil && plain.weightMin == 0.1)
        #expect(try policy("round_robin.v3.RoundRobin", ", slow_start_config: {}").slowStart == nil)
    }

    /// Localities in the order of their names, with the weights of their priority.
    @Test func localities() throws {
        func hosts(_ fields: String) throws -> [HostConfig] {
            let place = "endpoint: {address: {socket_address: {address: 10.0.0."
            return try compiled(
                "\(fields), load_assignment: {cluster_name: up, endpoints: [{locality: {zone: b}, load_balancing_weight: 3, lb_endpoints: [{\(place)1, port_value: 1}}}}]}, {locality: {zone: a}, load_balancing_weight: 2, lb_endpoints: [{\(place)2, port_value: 1}}}}]}, {load_balancing_weight: 9, lb_endpoints: [{\(place)3, port_value: 1}}}}]}, {locality: {zone: a}, priority: 1, lb_endpoints: [{\(place)4, port_value: 1}}}}]}]}"
            ).hosts
        }
        let made = try hosts("common_lb_config: {locality_weighted_lb_config: {}}")
        #expect(made.map(\.locality) == [2, 1, 0, 1])
        #expect(made.map(\.localityWeight) == [3, 2, 0, 0], "without a name there is no weight")
        let weighted = "common_lb_config: {locality_weighted_lb_config: {}}"
        #expect(try compiled(weighted).live.clusters[0].draft.balancing.weighsLocalities)
        #expect(try !compiled("connect_timeout: 1s").live.clusters[0].draft.balancing.weighsLocalities)
    }

    @Test func hostLimits() throws {
        let config = try compiled("circuit_breakers: {per_host_thresholds: [{max_connections: 3}, {max_connections: 4}, {priority: HIGH}]}").config
        #expect(config.defaultLimits.connectionsPerHost == 3 && config.highLimits.connectionsPerHost == .max)
        #expect(config.defaultLimits.connections == 1024)
    }

    @Test func upstreamConnections() throws {
        let config = try compiled(
            "upstream_connection_options: {tcp_keepalive: {keepalive_probes: 3, keepalive_time: 20, keepalive_interval: 5}}, upstream_bind_config: {source_address: {address: 127.0.0.2, port_value: 0}}"
        ).config
        #expect(config.hasTCPKeepalive && config.tcpKeepaliveProbes == 3 && config.tcpKeepaliveTimeS == 20 && config.tcpKeepaliveIntervalS == 5)
        #expect(config.bindAddress == SocketAddress(ip: "127.0.0.2", port: 0))
        let manager = "cluster_manager: {upstream_bind_config: {source_address: {address: 127.0.0.3, port_value: 0}}}"
        #expect(try compiled("connect_timeout: 1s", manager).config.bindAddress == SocketAddress(ip: "127.0.0.3", port: 0))
        #expect(
            try compiled("upstream_bind_config: {source_address: {address: 127.0.0.2, port_value: 0}}", manager).config.bindAddress
                == SocketAddress(ip: "127.0.0.2", port: 0), "the cluster's own wins")
    }

    @Test func optionsOfItsSockets() throws {
        func settings(_ fields: String, _ common: String = "") throws -> [String] {
            // What is compiled lies in memory of the configurator's parts.
            let made = try compiled(fields, common)
            return withExtendedLifetime(made.live) {
                [made.config.socketSettings4, made.config.socketSettings6].map { list in
                    (0..<list.count).map { i in
                        let value = list[i].value
                        return "\(list[i].level).\(list[i].name)=" + (0..<value.count).map { "\(value[$0])" }.joined()
                    }.joined(separator: " ")
                }
            }
        }
        let own = "upstream_bind_config: {freebind: true, socket_options: [{level: 1, name: 12, int_value: 6}, {level: 1, name: 13, int_value: 6, state: STATE_BOUND}, {level: 1, name: 14, int_value: 1, type: {datagram: {}}}, {level: 1, name: 15, buf_value: AQI=, type: {stream: {}}}, {level: 41, name: 1, int_value: 1, ip_version: SOCKET_IP_VERSION_IPV6}]}"
        #expect(try settings(own) == ["0.15=1000 1.12=6000 1.15=12", "41.78=1000 1.12=6000 1.15=12 41.1=1000"])
        let manager = "cluster_manager: {upstream_bind_config: {freebind: true, socket_options: [{level: 1, name: 12, int_value: 7}]}}"
        #expect(try settings("connect_timeout: 1s", manager) == ["0.15=1000 1.12=7000", "41.78=1000 1.12=7000"])
        #expect(try settings("upstream_bind_config: {freebind: false}", manager) == ["1.12=7000", "1.12=7000"])
        #expect(try settings("connect_timeout: 1s") == ["", ""])
    }

    @Test func aKeepaliveOfZeroIsNone() throws {
        #expect(try !compiled("upstream_connection_options: {tcp_keepalive: {keepalive_time: 0}}").config.hasTCPKeepalive)
        #expect(try compiled("upstream_connection_options: {tcp_keepalive: {}}").config.hasTCPKeepalive)
    }

    @Test func http1Options() throws {
        func options(_ fields: String) throws -> ClusterConfig {
            try compiled(
                "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, \(fields)}}"
            ).config
        }
        let explicit = try options("explicit_http_config: {http_protocol_options: {enable_trailers: true, header_key_format: {proper_case_words: {}}, send_fully_qualified_url: true}}, common_http_protocol_options: {idle_timeout: 3s, max_requests_per_connection: 9, max_connection_duration: 7s, max_connection_duration_jitter: {value: 100}, max_headers_count: 50}")
        #expect(explicit.enableTrailers && explicit.properCaseHeaders && explicit.sendFullyQualifiedURL)
        #expect(explicit.idleTimeoutMs == 3000 && explicit.requestsPerConnectionMax == 9 && explicit.connectionDurationMaxMs == 7000 && explicit.connectionDurationJitterMs == 7000 && explicit.headersMax == 50)
        #expect(try options("use_downstream_protocol_config: {http_protocol_options: {enable_trailers: true}}").enableTrailers)
    }

    @Test func endpointsAreHosts() throws {
        // The hosts' names lie in memory of the configurator's parts.
        let (_, hosts, configurator) = try compiled(
            """
            load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 1}}}, load_balancing_weight: 3},
              {health_status: DRAINING, endpoint: {hostname: h.test, address: {pipe: {path: /tmp/p}}}}]}, {priority: 1, lb_endpoints: [{health_status: DEGRADED, endpoint: {address: {socket_address: {address: "::1", port_value: 2}}}}]}]}
            """
        )
        defer { withExtendedLifetime(configurator) {} }
        #expect(hosts.count == 3)
        #expect(hosts[0].address == SocketAddress(ip: "10.0.0.1", port: 1) && hosts[0].weight == 3 && hosts[0].isHealthy)
        #expect(hosts[1].isExcluded && !hosts[0].isExcluded)
        #expect(!hosts[1].isHealthy && String(hosts[1].hostname) == "h.test" && hosts[1].address.family == .unix)
        #expect(hosts[2].priority == 1 && hosts[2].isDegraded)
    }
}
