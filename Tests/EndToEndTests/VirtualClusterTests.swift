import TestSupport
import Testing

/// `virtual_clusters`: `vhost.<virtual host>.vcluster.<name>.` and `%VIRTUAL_CLUSTER_NAME%`. The numbers are Envoy 1.40's for
/// the same configuration and requests.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct VirtualClusterTests {
    @Test func theFirstThatHoldsCounts() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
        upstream.start()
        defer { upstream.stop() }
        let directory = TemporaryDirectory()
        let log = directory.path + "/log"
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
                      access_log:
                      - name: f
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(log), log_format: {text_format_source: {inline_string: "%REQ(:path)% %VIRTUAL_CLUSTER_NAME%\\n"}}}
                      route_config:
                        validate_clusters: false
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          virtual_clusters:
                          - {name: one, headers: [{name: ":path", string_match: {prefix: /one}}, {name: ":method", string_match: {exact: GET}}]}
                          - {name: re, headers: [{name: ":path", safe_regex_match: {regex: "/re/.*"}}]}
                          - {name: late, headers: [{name: ":path", string_match: {prefix: /one}}]}
                          - {name: refused, headers: [{name: ":path", string_match: {prefix: /ref}}]}
                          routes:
                          - {match: {prefix: /nocluster}, route: {cluster: none}}
                          - {match: {prefix: /direct}, direct_response: {status: 200}}
                          - {match: {prefix: /ref}, route: {cluster: ref, retry_policy: {retry_on: 5xx, num_retries: 2}}}
                          - {match: {prefix: /}, route: {cluster: c}}
                      http_filters: [{name: envoy.filters.http.router}]
              clusters:
            \([Served.cluster([upstream.port]), Served.cluster([1], name: "ref")].joined(separator: "\n"))
            """
        }
        for (path, status) in [("/one/x", 200), ("/re/a", 200), ("/other", 200), ("/nocluster", 503), ("/direct", 200), ("/ref", 503)] {
            #expect(try served.get(path).status == status)
        }
        #expect(try served.send("POST /one/y HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n", method: "POST").status == 200)
        let stats = served.admin.stats(matching: "^vhost").filter { $0.value != 0 && !$0.key.hasSuffix("upstream_rq_time") }
        var wanted: [String: Int] = [
            "vhost.v.vcluster.refused.upstream_rq_503": 1, "vhost.v.vcluster.refused.upstream_rq_5xx": 1,
            "vhost.v.vcluster.refused.upstream_rq_completed": 1, "vhost.v.vcluster.refused.upstream_rq_retry": 2,
            "vhost.v.vcluster.refused.upstream_rq_retry_limit_exceeded": 1,
        ]
        for name in ["one", "re", "late", "other"] {
            for leaf in ["200", "2xx", "completed", "total"] { wanted["vhost.v.vcluster.\(name).upstream_rq_\(leaf)"] = 1 }
        }
        #expect(stats == wanted)
        let lines = ["/one/x one", "/re/a re", "/other -", "/nocluster -", "/direct -", "/ref refused", "/one/y late"]
        let wantedLog = lines.joined(separator: "\n") + "\n"
        _ = wait(upToMs: 10_000) { Files.text(log) == wantedLog }
        #expect(Files.text(log) == wantedLog, "the rest is counted as 'other' and has no name")
    }
}
