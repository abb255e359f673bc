import Glibc
import TestSupport
import Testing

/// `emit_filter_state` of grpc_stats: a call's counts in the access log, as Envoy 1.40 writes them.
@Suite(.enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct GRPCFilterStateTests {
    @Test func countsAreLogged() throws {
        let directory = TemporaryDirectory()
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 14\r\n\r\n\u{0}\u{0}\u{0}\u{0}\u{2}ab\u{0}\u{0}\u{0}\u{0}\u{2}cd"))
        upstream.start()
        defer { upstream.stop() }
        let state = "envoy.filters.http.grpc_stats"
        let format = "%FILTER_STATE(\(state):PLAIN)%|%FILTER_STATE(\(state))%|%FILTER_STATE(\(state):FIELD:x)%|%FILTER_STATE(other)%\\n"
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster([upstream.port])]).replacing(
                text: "http_filters:",
                by: """
                    access_log: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/log, log_format: {text_format_source: {inline_string: "\(format)"}}}}]
                              http_filters:
                              - {name: \(state), typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig, emit_filter_state: true, stats_for_all_methods: true}}
                    """)
        }
        let response = try served.send(
            "POST /s.S/m HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\ncontent-length: 7\r\n\r\n\u{0}\u{0}\u{0}\u{0}\u{2}ab", method: "POST")
        #expect(response.status == 200)
        served.process.signal(SIGTERM)
        #expect(served.process.waitForExit(upToMs: 5_000) == 0)
        let log = Files.text(directory.path + "/log") ?? ""
        #expect(log == "1,2|{\"requestMessageCount\":\"1\",\"responseMessageCount\":\"2\"}|-|-\n")
    }
}
