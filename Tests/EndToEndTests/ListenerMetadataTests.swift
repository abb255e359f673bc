import TestSupport
import Testing

/// What access logs print of a listener's and a filter chain's metadata, of a cluster with another name for observers, and of a
/// response that was cut. The lines are Envoy 1.40's for the same configuration and requests.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ListenerMetadataTests {
    private static let operators = [
        "UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW", "METADATA(LISTENER:com.test:k)", "METADATA(LISTENER:com.test)", "METADATA(LISTENER:com.test:o:a)",
        "METADATA(LISTENER:none:k)", "METADATA(LISTENER_FILTER_CHAIN:com.fc:k)", "METADATA(LISTENER_FILTER_CHAIN:com.fc)",
    ]
    private let directory = TemporaryDirectory()

    private var log: String {
        let text = ListenerMetadataTests.operators.map { "%\($0)%" }.joined(separator: " ") + " %RESPONSE_CODE% %RESPONSE_FLAGS%"
        let tail = " tx=%RESPONSE_TX_DURATION%"
        return "[{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, log_format: {text_format_source: {inline_string: \"\(text)\(tail)\\n\"}, formatters: [{name: envoy.formatter.metadata, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.metadata.v3.Metadata}}]}}}]"
    }

    private func lines(_ count: Int) -> [String] {
        var lines: [String] = []
        _ = wait(upToMs: 20_000) {
            lines = (Files.text(directory.path + "/log") ?? "").split(separator: "\n").map(String.init)
            return lines.count >= count
        }
        return lines
    }

    @Test func ofRequestsAndConnections() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(UpstreamScript([
            [.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok"), .delay(ms: 100), .close],
            [.readText("x"), .send("y"), .close],
        ]))
        upstream.start()
        defer { upstream.stop() }
        let raw = Ports.free()
        let cluster = Served.cluster([upstream.port], more: "alt_stat_name: c_alt")
        let served = try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                metadata: {filter_metadata: {com.test: {k: v, o: {a: 1}}}}
                filter_chains:
                - metadata: {filter_metadata: {com.fc: {k: w}}}
                  filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      access_log: \(log)
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /direct}, direct_response: {status: 204}}, {match: {prefix: /}, route: {cluster: c}}]}]}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
              - address: {socket_address: {address: 127.0.0.1, port_value: \(raw)}}
                metadata: {filter_metadata: {com.test: {k: tcp}}}
                access_log: \(log)
                filter_chains:
                - filters:
                  - name: envoy.filters.network.tcp_proxy
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c, access_log: \(log)}
              clusters:
            \(cluster)
            """
        }
        _ = try RawClient(steps: [.send("GET /cut HTTP/1.1\r\nhost: h\r\n\r\n"), .awaitResponse], methods: ["GET"]).run(port: served.listener)
        #expect(try served.get("/direct").status == 204)
        _ = try RawClient(steps: [.send("x"), .awaitText("y")], methods: []).run(port: raw)
        let own = "v {\"k\":\"v\",\"o\":{\"a\":1}} 1 - w {\"k\":\"w\"}"
        let seen = lines(4)
        #expect(seen.prefix(2) == ["c_alt c \(own) 200 UPE tx=-", "- - \(own) 204 - tx=-"])
        // The listener's log and the filter's tell of the same connection.
        let connection = "c_alt c tcp {\"k\":\"tcp\"} - - - - 0 - tx=-"
        #expect(seen.dropFirst(2) == [connection, connection])
    }
}
