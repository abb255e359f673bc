import TestSupport

extension Groups {
    /// `per_endpoint_stats`: what each host has counted when a request or a connection has ended in this way or that one. The
    /// counters of a case name the hosts.
    static let endpoints = Group(
        name: "endpoints",
        listeners: [
            .init(name: "main", manager: "upgrade_configs: [{upgrade_type: websocket}]", virtualHosts: endpointRoutes, router: "suppress_envoy_headers: true"),
            .init(name: "tcp", networkFilter: endpointTCP("up")), .init(name: "tcp_refused", networkFilter: endpointTCP("refused")),
        ],
        clusters: [
            tracked("up", [.scripted("a")]), tracked("two", [.scripted("a"), .scripted("b")]), tracked("refused", [.refused]),
            tracked("silent", [.silent], "connect_timeout: 0.2s"), tracked("half", [.scripted("a"), .refused]),
            tracked("none_waits", [.scripted("a")], "circuit_breakers: {thresholds: [{max_pending_requests: 0}]}"),
            tracked("none_runs", [.scripted("a")], "circuit_breakers: {thresholds: [{max_requests: 0}]}"),
            tracked("mirror", [.scripted("b")]),
            tracked(
                "h2", [.scripted("a")], """
                    typed_extension_protocol_options:
                      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                        explicit_http_config: {http2_protocol_options: {}}
                    """),
        ],
        cases: (endpointAnswers + endpointFaults + endpointTimes + endpointTries + endpointHTTP2 + endpointBytes)
            .map { test in test.with { $0.resetIsClose = true } })

    private static func tracked(_ name: String, _ endpoints: [Group.Cluster.Endpoint], _ fields: String = "") -> Group.Cluster {
        .init(name, endpoints, "track_cluster_stats: {per_endpoint_stats: true}\n" + fields)
    }

    private static func endpointTCP(_ cluster: String) -> String {
        """
        - name: envoy.filters.network.tcp_proxy
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
            stat_prefix: tcp
            cluster: \(cluster)
            access_log:
            - name: envoy.access_loggers.file
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                path: {{dir}}/access.log
                log_format: {text_format_source: {inline_string: "\(Group.connectionLogFormat)\\n"}}
        """
    }

    private static let endpointRoutes = """
        - name: all
          domains: ["*"]
          routes:
          - {match: {prefix: /short}, route: {cluster: up, timeout: 0.3s}}
          - {match: {prefix: /idle}, route: {cluster: up, timeout: 0s, idle_timeout: 0.3s}}
          - {match: {prefix: /long}, route: {cluster: up, timeout: 0s, max_stream_duration: {max_stream_duration: 0.3s}}}
          - {match: {prefix: /again}, route: {cluster: up, retry_policy: {retry_on: "5xx", num_retries: 2, retry_back_off: {base_interval: 0.001s}}}}
          - {match: {prefix: /tries}, route: {cluster: up, timeout: 5s, retry_policy: {retry_on: "5xx", num_retries: 1, per_try_timeout: 0.3s, retry_back_off: {base_interval: 0.001s}}}}
          - {match: {prefix: /patient}, route: {cluster: up, timeout: 5s, retry_policy: {retry_on: "5xx", num_retries: 1, per_try_idle_timeout: 0.3s, retry_back_off: {base_interval: 0.001s}}}}
          - {match: {prefix: /hedged}, route: {cluster: up, timeout: 5s, retry_policy: {retry_on: "5xx", num_retries: 1, per_try_timeout: 0.3s, retry_back_off: {base_interval: 0.001s}}, hedge_policy: {hedge_on_per_try_timeout: true}}}
          - {match: {prefix: /turn}, route: {cluster: two, retry_policy: {retry_on: "5xx", num_retries: 1, retry_back_off: {base_interval: 0.001s}}}}
          - {match: {prefix: /half}, route: {cluster: half, retry_policy: {retry_on: "connect-failure", num_retries: 3, retry_back_off: {base_interval: 0.001s}}}}
          - {match: {prefix: /mirrored}, route: {cluster: up, request_mirror_policies: [{cluster: mirror}]}}
          - {match: {prefix: /refused}, route: {cluster: refused}}
          - {match: {prefix: /silent}, route: {cluster: silent}}
          - {match: {prefix: /none_waits}, route: {cluster: none_waits}}
          - {match: {prefix: /none_runs}, route: {cluster: none_runs}}
          - {match: {prefix: /h2}, route: {cluster: h2}}
          - {match: {prefix: /short_h2}, route: {cluster: h2, timeout: 0.3s}}
          - {match: {prefix: /}, route: {cluster: up}}
        """

    private static func endpoint(_ name: String, _ request: String, _ script: UpstreamScript? = nil, on listener: String = "main") -> Case {
        let test = Case("endpoints." + name, request, on: listener)
        return script.map { test.upstream($0) } ?? test
    }

    private static func answered(_ name: String, _ answer: String) -> Case { endpoint(name, request("GET /"), .always(answer)) }

    private static let endpointAnswers: [Case] = [
        endpoint("plain", request("GET /")), answered("redirected", reply("302 Found", "location: /x\r\n")),
        answered("not_found", reply("404 Not Found")), answered("failed", reply("500 Internal Server Error")),
        answered("unavailable", reply("503 Service Unavailable")),
        answered("hints", "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + reply("200 OK")),
        answered("grpc_failed", reply("200 OK", "content-type: application/grpc\r\ngrpc-status: 13\r\n")),
        endpoint(
            "grpc_call_failed", request("POST /", "content-type: application/grpc\r\nte: trailers\r\ncontent-length: 0\r\n"),
            .always(reply("200 OK", "content-type: application/grpc\r\ngrpc-status: 14\r\n"))),
        endpoint("post", request("POST /", "content-length: 3\r\n") + "abc"), endpoint("head", request("HEAD /")),
        endpoint("two_requests", request("GET /") + request("GET /")).with { $0.clients[0].methods = ["GET", "GET"] },
    ]

    private static let part = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab"

    private static let endpointFaults: [Case] = [
        endpoint("closed", request("GET /"), .steps(.readRequest, .close)), endpoint("reset", request("GET /"), .steps(.readRequest, .reset)),
        endpoint("closed_within", request("GET /"), .steps(.readRequest, .send(part), .delay(ms: 60), .close)),
        endpoint("failed_and_closed_within", request("GET /"), .steps(.readRequest, .send("HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\nab"), .delay(ms: 60), .close)),
        endpoint("nonsense", request("GET /"), .steps(.readRequest, .send("nonsense\r\n\r\n"))),
        endpoint("refused", request("GET /refused")), endpoint("silent", request("GET /silent")),
        Case("endpoints.client_leaves", steps: [.send(request("GET /")), .pause(ms: 150), .close])
            .upstream(.steps(.readRequest, .delay(ms: 900))),
        Case("endpoints.client_leaves_within", steps: [.send(request("GET /")), .awaitText("ab"), .close])
            .upstream(.steps(.readRequest, .send(part), .delay(ms: 900))),
        Case("endpoints.client_leaves_while_connecting", steps: [.send(request("GET /silent")), .pause(ms: 60), .close])
            .with { $0.ignoringCounters = ["upstream_cx_connect_timeout", "cx_connect_fail", "upstream_cx_connect_fail", "upstream_cx_destroy_local", "upstream_cx_destroy"] },
    ]

    private static func late(_ name: String, _ path: String, _ steps: UpstreamStep...) -> Case {
        endpoint(name, request("GET " + path), UpstreamScript([steps])).with { $0.answerLimitMs = 4_000 }
    }

    private static let endpointTimes: [Case] = [
        late("too_late", "/short", .readRequest, .delay(ms: 900)), late("too_late_within", "/short", .readRequest, .send(part), .delay(ms: 900)),
        late("idle", "/idle", .readRequest, .delay(ms: 900)), late("idle_within", "/idle", .readRequest, .send(part), .delay(ms: 900)),
        late("too_long", "/long", .readRequest, .delay(ms: 900)),
    ]

    private static let failed = reply("503 No")
    private static let well = reply("200 OK")

    private static let endpointTries: [Case] = [
        endpoint("second_try", request("GET /again"), UpstreamScript([[.readRequest, .answer(failed), .readRequest, .answer(well)]])),
        endpoint("three_in_vain", request("GET /again"), .always(failed)),
        endpoint("closed_then_well", request("GET /again"), UpstreamScript([[.readRequest, .close], [.readRequest, .answer(well)]])),
        endpoint("another_host", request("GET /turn"), .always(failed)).with { $0.ignoring = [.counters, .upstream, .log, .headers] },
        endpoint("half_refused", request("GET /half") + request("GET /half")).with {
            $0.clients[0].methods = ["GET", "GET"]
            $0.ignoring = [.counters, .log]
        },
        late("tries_too_late", "/tries", .readRequest, .delay(ms: 900)), late("try_silent", "/patient", .readRequest, .delay(ms: 900)),
        endpoint("hedged", request("GET /hedged"), UpstreamScript([[.readRequest, .delay(ms: 1_500)], [.readRequest, .answer(well)]]))
            .with { $0.answerLimitMs = 4_000 },
    ]

    private static func endpoint(_ name: String, _ path: String = "/h2", h2 steps: [H2Step]) -> Case {
        var test = Case("endpoints.h2_" + name, request("GET " + path))
        test.upstreams["a"] = UpstreamScript([[.http2(steps)]])
        test.answerLimitMs = 4_000
        return test
    }

    private static let endpointHTTP2: [Case] = [
        endpoint("plain", h2: [.awaitEnd(1), .answer(1)]), endpoint("reset", h2: [.awaitEnd(1), .send([resets(2)])]),
        endpoint("refused_stream", h2: [.awaitEnd(1), .send([resets(7)])]),
        endpoint("reset_within", h2: [.awaitEnd(1), .send([.head(1, [(":status", "200")], flags: 4), data("some")]), .pause(ms: 60), .send([resets(2)])]),
        endpoint("failed", h2: [.awaitEnd(1), .send([.head(1, [(":status", "503")], flags: 5)])]),
        endpoint("too_late", "/short_h2", h2: [.awaitEnd(1), .pause(ms: 900)]),
    ]

    private static func bytes(_ name: String, _ steps: [RawClient.Step], _ script: UpstreamScript, on listener: String = "tcp") -> Case {
        Case("endpoints." + name, steps: steps, on: listener, methods: []).upstream(script)
    }

    private static let endpointBytes: [Case] = [
        bytes("tcp", [.send("hello"), .awaitText("there"), .close], .steps(.readText("hello"), .send("there"), .delay(ms: 300))),
        bytes("tcp_host_closes", [.send("hello"), .awaitText("there")], .steps(.readText("hello"), .send("there"), .delay(ms: 60), .close)),
        Case("endpoints.tcp_refused", steps: [.send("hello")], on: "tcp_refused", methods: []),
        Case("endpoints.websocket", steps: [
            .send(request("GET /", "connection: upgrade\r\nupgrade: websocket\r\n")), .awaitText("101"), .send("hello"), .awaitText("there"), .close,
        ]).upstream(.steps(.readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), .readText("hello"), .send("there"), .delay(ms: 200))),
    ]
}
