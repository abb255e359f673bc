import TestSupport

extension Groups {
    /// Listeners without HTTP: bytes in, bytes out, and who closes when.
    static let network = Group(
        name: "network",
        listeners: [
            .init(name: "tcp", networkFilter: tcpProxy("cluster: up")),
            .init(name: "tcp_refused", networkFilter: tcpProxy("cluster: refused")),
            .init(name: "tcp_none", networkFilter: tcpProxy("cluster: none")),
            .init(name: "tcp_silent", networkFilter: tcpProxy("cluster: silent\nmax_connect_attempts: 1")),
            .init(name: "tcp_idle", networkFilter: tcpProxy("cluster: up\nidle_timeout: 0.2s")),
            .init(name: "tcp_two_attempts", networkFilter: tcpProxy("cluster: refused\nmax_connect_attempts: 2")),
            .init(name: "tcp_one", networkFilter: tcpProxy("cluster: one")),
            .init(name: "tcp_one_pending", networkFilter: tcpProxy("cluster: one_pending\nmax_connect_attempts: 2")),
            .init(name: "tcp_one_early", networkFilter: tcpProxy("cluster: one\nmax_early_data_bytes: 1024")),
            .init(name: "tcp_one_refused", networkFilter: tcpProxy("cluster: one_silent")),
            .init(name: "tcp_silent_early", networkFilter: tcpProxy("cluster: one_silent\nmax_early_data_bytes: 1024")),
            .init(name: "tcp_three_attempts", networkFilter: tcpProxy("cluster: refused\nmax_connect_attempts: 3")),
            .init(name: "tcp_silent_three", networkFilter: tcpProxy("cluster: silent\nmax_connect_attempts: 3")),
            .init(name: "tls_silent", networkFilter: tcpProxy("cluster: silent\nmax_connect_attempts: 1") + withTLS),
            .init(name: "tls_silent_three", networkFilter: tcpProxy("cluster: silent\nmax_connect_attempts: 3") + withTLS),
            .init(name: "echo", networkFilter: """
                - name: envoy.filters.network.echo
                  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}
                """),
            .init(name: "direct", networkFilter: """
                - name: envoy.filters.network.direct_response
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config
                    response: {inline_string: "go away\\n"}
                """),
        ],
        clusters: [
            Group.up, .init("refused", [.refused]), .init("none", []), .init("silent", [.silent], "connect_timeout: 0.2s"),
            .init("one", [.scripted("a")], "circuit_breakers: {per_host_thresholds: [{max_connections: 1}]}"),
            .init("one_pending", [.scripted("a")], "circuit_breakers: {thresholds: [{max_pending_requests: 1}], per_host_thresholds: [{max_connections: 1}]}"),
            .init("one_silent", [.silent], "connect_timeout: 2.5s\ncircuit_breakers: {per_host_thresholds: [{max_connections: 1}]}"),
        ],
        cases: [
            bytes("request_and_answer", [.send("ping"), .awaitText("pong")], on: "tcp", [.readText("ping"), .send("pong")]),
            bytes("upstream_speaks_first", [.awaitText("hello"), .send("hi"), .awaitText("bye")], on: "tcp",
                  [.send("hello"), .readText("hi"), .send("bye"), .close]),
            bytes("upstream_closes", [.send("x"), .awaitText("never")], on: "tcp", [.readText("x"), .close]),
            bytes("upstream_closes_after_answer", [.send("x"), .awaitText("never")], on: "tcp", [.readText("x"), .send("y"), .close]),
            bytes("upstream_resets", [.send("x"), .awaitText("never")], on: "tcp", [.readText("x"), .reset]),
            bytes("client_closes", [.send("x"), .pause(ms: 60), .close], on: "tcp", [.readText("x")]),
            bytes("client_resets", [.send("x"), .pause(ms: 60), .reset], on: "tcp", [.readText("x")]),
            bytes("client_half_closes", [.send("x"), .pause(ms: 60), .shutdownWrite, .awaitText("after")], on: "tcp",
                  [.readText("x"), .delay(ms: 200), .send("after"), .close]),
            bytes("upstream_half_closes", [.send("x"), .awaitText("y"), .pause(ms: 80), .send("after"), .pause(ms: 80), .close], on: "tcp",
                  [.readText("x"), .send("y"), .shutdownWrite, .readText("after")]),
            bytes("large_up", [.send(many("0123456789abcdef", 32_768) + "end"), .awaitText("got")], on: "tcp", [.readText("end"), .send("got"), .close]),
            bytes("large_down", [.send("x"), .awaitText("end")], on: "tcp", [.readText("x"), .send(many("0123456789abcdef", 32_768) + "end"), .close]),
            bytes("all_bytes", [.send(everyByte), .awaitText("got")], on: "tcp", [.readText("\u{fe}\u{ff}"), .send(everyByte + "got"), .close]),
            bytes("client_silent", [.pause(ms: 100), .close], on: "tcp", []),
            bytes("refused", [.send("x"), .awaitText("never")], on: "tcp_refused", []),
            bytes("refused_twice", [.send("x"), .awaitText("never")], on: "tcp_two_attempts", []),
            bytes("none", [.send("x"), .awaitText("never")], on: "tcp_none", []),
            bytes("connect_timeout", [.send("x"), .awaitText("never")], on: "tcp_silent", []),
            bytes("idle", [.send("x"), .awaitText("never")], on: "tcp_idle", [.readText("x"), .send("y")]),
            bytes("idle_kept_by_bytes", [.send("x"), .pause(ms: 120), .send("x"), .pause(ms: 120), .send("x"), .awaitText("done")], on: "tcp_idle",
                  [.readText("xxx"), .send("done"), .close]),
            bytes("echo", [.send("one"), .awaitText("one"), .send("two"), .awaitText("onetwo"), .close], on: "echo", []),
            bytes("echo_half_close", [.send("one"), .awaitText("one"), .shutdownWrite, .pause(ms: 100)], on: "echo", []),
            bytes("direct_response", [.awaitText("away")], on: "direct", []),
            bytes("direct_response_after_bytes", [.send("hello"), .awaitText("away")], on: "direct", []),
            bytes("client_leaves_while_connecting", [.send("x"), .pause(ms: 300), .reset], on: "tcp_silent_early", []),
            // Without a host the client gets a FIN, in the middle of a handshake too.
            failing("refused", on: "tcp_refused"), failing("refused_three_times", on: "tcp_three_attempts"),
            failing("connect_timeout", on: "tcp_silent"), failing("connect_timeout_three_times", on: "tcp_silent_three"),
            failing("none", on: "tcp_none"),
            failing("connect_timeout_in_a_handshake", on: "tls_silent", sending: "\u{16}"),
            failing("connect_timeout_three_times_in_a_handshake", on: "tls_silent_three", sending: "\u{16}"),
            // Who finds no connection of the host free waits for one to end.
            several("one_connection_for_two", 2, on: "tcp_one"),
            several("one_connection_for_four", 4, on: "tcp_one"),
            several("one_connection_and_one_who_may_wait", 3, on: "tcp_one_pending", holdMs: 2_500),
            several("one_connection_that_fails", 3, on: "tcp_one_refused"),
            several("one_connection_and_one_who_leaves", 2, on: "tcp_one_early", holdMs: 2_500).with {
                $0.clients[1].steps = [.send("x"), .pause(ms: 300), .reset]
                // The first client's data may find its upstream connected already.
                $0.ignoringCounters.append("early_data_received_count_total")
            },
        ])

    private static func tcpProxy(_ fields: String) -> String {
        """
        - name: envoy.filters.network.tcp_proxy
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
            stat_prefix: tcp
            access_log:
            - name: envoy.access_loggers.file
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                path: {{dir}}/access.log
                log_format: {text_format_source: {inline_string: "\(Group.connectionLogFormat)\\n"}}

        """ + fields.indented(4)
    }

    private static let withTLS = """

        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
            common_tls_context: {tls_certificates: [\(tlsPair("server"))]}
        """

    private static let everyByte = String(wire: (0...255).map { UInt8($0) })

    /// Clients one after the other, each of whom goes when it has had its answer for a while.
    private static func several(_ name: String, _ count: Int, on listener: String, holdMs: Int = 500) -> Case {
        var test = bytes(name, [], on: listener, [.readText("x"), .send("y")])
        test.clients = (0..<count).map {
            .init(steps: [.send("x"), .awaitText("y"), .pause(ms: holdMs), .close], methods: [], startAfterMs: $0 * 120)
        }
        test.answerLimitMs = 20_000
        // How many wait when another one ends depends on timing.
        test.ignoringCounters = ["upstream_cx_overflow"]
        return test
    }

    private static func failing(_ name: String, on listener: String, sending text: String = "") -> Case {
        bytes("client_waits_for_" + name, (text.isEmpty ? [] : [.send(text)]) + [.awaitText("never")], on: listener, [])
            .with { $0.resetIsClose = false; $0.answerLimitMs = 8_000 }
    }

    private static func bytes(_ name: String, _ steps: [RawClient.Step], on listener: String, _ upstream: [UpstreamStep]) -> Case {
        Case("network." + name, steps: steps, on: listener, methods: []).upstream(UpstreamScript([upstream]))
            .with { $0.resetIsClose = true; $0.answerLimitMs = 1_000 }
    }
}
