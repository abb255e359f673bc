import Glibc
import TestSupport
import Testing

/// Lines beside those at a stream's end: at its start, now and then, when a tunnel stands, and those of listeners. Each
/// expectation was read off Envoy 1.40 with the same configuration.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct AccessLogTimesTests {
    private let directory = TemporaryDirectory()

    private func log(_ file: String, _ format: String, _ more: String = "") -> String {
        "{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(directory.path)/\(file), log_format: {text_format_source: {inline_string: \"\(format)\\n\"}\(more)}}}"
    }

    private func lines(_ file: String) -> [String] { (Files.text(directory.path + "/" + file) ?? "").textLines.map { String($0) } }

    private static let http = "%ACCESS_LOG_TYPE% %RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT% %REQ(:PATH)% %ROUTE_NAME% %UPSTREAM_CLUSTER% %RESPONSE_CODE_DETAILS%"
    private static let connection = "%ACCESS_LOG_TYPE% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %PROTOCOL% %UPSTREAM_CLUSTER% %REQ(:PATH)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"

    private func serve(_ options: String, listenerLog: String = "", formatMore: String = "", upstream: UInt16, filter: String? = nil) throws -> Served {
        let routes = "{name: d, match: {prefix: /d}, direct_response: {status: 200, body: {inline_string: hello}}}, {name: up, match: {prefix: /}, route: {cluster: c}}"
        let manager = "{name: h, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: h, access_log: [\(log("http", AccessLogTimesTests.http, formatMore))], \(options.isEmpty ? "" : options + ", ")upgrade_configs: [{upgrade_type: websocket}], route_config: {virtual_hosts: [{name: v, domains: [\"*\"], routes: [\(routes)]}]}, http_filters: [{name: envoy.filters.http.router}]}}"
        return try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                access_log: [\(listenerLog)]
                filter_chains:
                - filters:
                  - \(filter ?? manager)
              clusters:
            \(Served.cluster([upstream]))
            """
        }
    }

    private func end(_ served: Served) {
        served.process.signal(SIGTERM)
        #expect(served.process.waitForExit(upToMs: 5_000) == 0, "\(served.process.output)")
    }

    @Test func startsAndIntervals() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readRequest, .delay(ms: 350), .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), .again))
        upstream.start()
        defer { upstream.stop() }
        let served = try serve("access_log_options: {access_log_flush_interval: 0.15s, flush_access_log_on_new_request: true}", upstream: upstream.port)
        #expect(try served.get("/d").status == 200)
        #expect(try served.send("POST /slow HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc", method: "POST").status == 200)
        end(served)
        #expect(lines("http") == [
            "DownstreamStart 0 0 0 /d d - -", "DownstreamEnd 200 0 5 /d d - direct_response",
            "DownstreamStart 0 0 0 /slow up c -", "DownstreamPeriodic 0 3 0 /slow up c -", "DownstreamPeriodic 0 3 0 /slow up c -",
            "DownstreamEnd 200 3 2 /slow up c via_upstream",
        ])
    }

    @Test func tunnels() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .readText("ping"), .send("pong"), .close))
        upstream.start()
        defer { upstream.stop() }
        let served = try serve("access_log_options: {flush_log_on_tunnel_successfully_established: true}", upstream: upstream.port)
        let client = RawClient(
            steps: [
                .send("GET /ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .awaitText("101"), .send("ping"),
                .awaitText("pong"),
            ], methods: ["GET"])
        _ = try client.run(port: served.listener)
        end(served)
        let types = lines("http").map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
        #expect(types == ["DownstreamTunnelSuccessfullyEstablished 101", "DownstreamEnd 101"])
    }

    /// The deprecated fields mean the same.
    @Test func fieldsOfOld() throws {
        let served = try serve("flush_access_log_on_new_request: true", upstream: 1)
        #expect(try served.get("/d").status == 200)
        end(served)
        #expect(lines("http").map { $0.prefix { $0 != " " } } == ["DownstreamStart", "DownstreamEnd"])
    }

    @Test func listeners() throws {
        let served = try serve("", listenerLog: log("listener", AccessLogTimesTests.connection), upstream: 1)
        #expect(try served.get("/d").status == 200)
        var bad = RawClient(steps: [.send("bad\r\n\r\n")], methods: ["GET"])
        bad.closeLimitMs = 500
        _ = try bad.run(port: served.listener)
        // One line for a connection, however many requests it had.
        let two = RawClient(
            steps: [.send("GET /d HTTP/1.1\r\nhost: h\r\n\r\n"), .awaitResponse, .send("GET /d HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")],
            methods: ["GET", "GET"])
        _ = try two.run(port: served.listener)
        end(served)
        let found = lines("listener").sorted()
        #expect(found.count == 3, "\(found)")
        // Of what was no request no protocol is known, as in Envoy.
        for line in found {
            let version = line.hasPrefix("NotSet 0 DPE ") ? "-" : "HTTP/1.1"
            #expect(line.hasPrefix("NotSet 0 ") && line.hasSuffix(" \(version) - - 127.0.0.1"), "\(line)")
        }
        #expect(found.filter { $0.hasPrefix("NotSet 0 DPE 7 ") }.count == 1, "\(found)")
        #expect(found.filter { $0.hasPrefix("NotSet 0 - ") }.count == 2, "\(found)")
    }

    @Test func proxiedConnections() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readText("hello"), .send("world!"), .delay(ms: 380), .close))
        upstream.start()
        defer { upstream.stop() }
        let format = "%ACCESS_LOG_TYPE% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"
        let served = try serve(
            "", listenerLog: log("listener", format), upstream: upstream.port,
            filter: "{name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c, access_log_options: {access_log_flush_interval: 0.15s, flush_access_log_on_start: true, flush_access_log_on_connected: true}, access_log: [\(log("tcp", format))]}}")
        let client = RawClient(steps: [.send("hello"), .awaitText("world!")], methods: [])
        _ = try client.run(port: served.listener)
        end(served)
        #expect(lines("tcp") == [
            "TcpConnectionStart 0 0 - -", "TcpUpstreamConnected 0 0 c 127.0.0.1", "TcpPeriodic 5 6 c 127.0.0.1", "TcpPeriodic 5 6 c 127.0.0.1",
            "TcpConnectionEnd 5 6 c 127.0.0.1",
        ])
        #expect(lines("listener") == ["NotSet 5 6 c 127.0.0.1"])
    }

    @Test func withoutQuery() throws {
        let more = ", formatters: [{name: envoy.formatter.req_without_query, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery}}]"
        let served = try serve("", listenerLog: log("listener", "%REQ_WITHOUT_QUERY(X?:PATH):3%|", more), upstream: 1)
        #expect(try served.get("/d").status == 200)
        end(served)
        #expect(lines("listener") == ["-|"])
    }
}
