import TestSupport
import Testing

/// `stat_prefix` of a route: `vhost.<virtual host>.route.<stat_prefix>.`. The numbers are Envoy 1.40's for the same
/// configuration and requests.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct RouteStatisticsTests {
    @Test func routesCount() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
        upstream.start()
        let silent = try ScriptedUpstream(name: "silent")
        silent.begin(.steps(.delay(ms: 20_000)))
        silent.start()
        defer { upstream.stop(); silent.stop() }
        let served = try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - {match: {prefix: /up}, stat_prefix: rup, route: {cluster: c}}
                          - {match: {prefix: /slow}, stat_prefix: rslow, route: {cluster: slow, timeout: 0.2s}}
                          - {match: {prefix: /ref}, stat_prefix: rref, route: {cluster: ref, retry_policy: {retry_on: 5xx, num_retries: 2}}}
                          - {match: {prefix: /plain}, route: {cluster: c}}
                          - {match: {prefix: /}, stat_prefix: rd, direct_response: {status: 200, body: {inline_string: hello}}}
                      http_filters: [{name: envoy.filters.http.router}]
              clusters:
            \([Served.cluster([upstream.port]), Served.cluster([silent.port], name: "slow"), Served.cluster([1], name: "ref")].joined(separator: "\n"))
            """
        }
        for (path, status) in [("/up", 200), ("/up", 200), ("/slow", 504), ("/ref", 503), ("/plain", 200), ("/x", 200)] {
            #expect(try served.get(path).status == status)
        }
        let stats = served.admin.stats(matching: "^vhost").filter { $0.value != 0 }
        #expect(stats == [
            "vhost.v.route.rref.upstream_rq_503": 1, "vhost.v.route.rref.upstream_rq_5xx": 1,
            "vhost.v.route.rref.upstream_rq_completed": 1, "vhost.v.route.rref.upstream_rq_retry": 2,
            "vhost.v.route.rref.upstream_rq_retry_limit_exceeded": 1, "vhost.v.route.rslow.upstream_rq_504": 1,
            "vhost.v.route.rslow.upstream_rq_5xx": 1, "vhost.v.route.rslow.upstream_rq_completed": 1,
            "vhost.v.route.rslow.upstream_rq_timeout": 1, "vhost.v.route.rslow.upstream_rq_total": 1,
            "vhost.v.route.rup.upstream_rq_200": 2, "vhost.v.route.rup.upstream_rq_2xx": 2,
            "vhost.v.route.rup.upstream_rq_completed": 2, "vhost.v.route.rup.upstream_rq_total": 2,
        ])
    }
}
