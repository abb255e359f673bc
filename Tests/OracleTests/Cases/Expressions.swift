import TestSupport

extension Groups {
    /// Expressions (`%CEL(…)%`, `%TYPED_CEL(…)%`, the access log's filter): attributes of every kind over requests of many sorts.
    /// What operators and functions give is in PipelineTests, out of the same Envoy.
    static let cel = Group(
        name: "cel",
        listeners: celListeners + [
            celFilter("filter_code", "response.code >= 400"), celFilter("filter_header", "request.headers['x-log'] == 'yes'"),
            celFilter("filter_number", "response.code"), celFilter("filter_error", "request.nope || request.path == '/up/logged'"),
            celFilter("filter_joined", "'/' + string(response.code) == '/200'", "enable_string_conversion: true, enable_string_concat: true"),
            celTLS,
            .init(name: "tcp", fields: "traffic_direction: INBOUND\nmetadata: {filter_metadata: {lm: {k: of-the-listener}}}", networkFilter: celConnection("up")),
            .init(name: "tcp_refused", networkFilter: celConnection("refused")),
        ],
        clusters: [
            .init("up", [.scripted("a")], "metadata: {filter_metadata: {cm: {k: of-the-cluster}}}\n" + http1Options("enable_trailers: true")),
            .init("refused", [.refused]), .init("none", []),
        ],
        bootstrap: "node: {id: the-node, cluster: the-fleet, locality: {region: r, zone: z}, metadata: {mk: mv, n: 1.5, o: {l: [1, a]}}}",
        cases: celRequests + celFilters + celOthers)

    // MARK: Listeners

    private static func celText(_ expressions: [String]) -> String {
        "{text_format_source: {inline_string: \"\(expressions.map { "%CEL(\($0))%" }.joined(separator: " | "))\\n\"}}"
    }

    private static func celLine(_ name: String, _ format: String, _ manager: String = "") -> Group.Listener {
        .init(
            name: name, fields: "traffic_direction: OUTBOUND\nmetadata: {filter_metadata: {lm: {k: of-the-listener, \"q'\": \"a\\\"b\"}}}",
            manager: "http_protocol_options: {enable_trailers: true, accept_http_10: true, default_host_for_http_10: ten.test}\n\(manager)", virtualHosts: celHosts,
            logFormat: format, chain: "name: the-chain")
    }

    private static let celHosts = """
        - name: all
          domains: ["*"]
          metadata: {filter_metadata: {hm: {k: of-the-host}}}
          routes:
          - name: the-route
            match: {prefix: /up}
            metadata: {filter_metadata: {ns: {k: v, n: 1.5, i: 3, b: true, z: null, l: [1, a, {d: e}], o: {x: y}}, other: {}}}
            route: {cluster: up}
          - match: {prefix: /rewritten}
            route: {cluster: up, prefix_rewrite: /new, host_rewrite_literal: other.test}
          - match: {prefix: /refused}
            route: {cluster: refused}
          - match: {prefix: /none}
            route: {cluster: none}
          - match: {prefix: /direct}
            direct_response: {status: 404, body: {inline_string: nothing here}}
        """

    private static let celListeners: [Group.Listener] = [
        celLine("request", celText([
            "request.path", "request.url_path", "request.query", "request.host", "request.scheme", "request.method", "request.protocol", "request.referer",
            "request.useragent", "request.id", "request.size", "request.total_size", "request.headers['x-a']", "request.headers['X-M']", "request.headers[':path']",
            "request.headers['host']", "'x-a' in request.headers", "size(request.headers)", "request.headers.all", "has(request.referer)", "has(request.headers.x)",
            "has(request.path)", "has(request.url_path)", "has(request.query)", "request.nope", "request", "request.headers", "request['path']", "request.time > timestamp(0)", "request.duration >= duration('0s')", "nope",
        ])),
        celLine("response", celText([
            "response.code", "response.code_details", "response.flags", "response.grpc_status", "response.size", "response.headers['x-up']",
            "response.headers[':status']", "response.trailers['x-t']", "response.trailers", "has(response.backend_latency)", "response.code in [200, 404]",
            "response.code == 200u", "has(response.code_details)", "response.nope", "response.total_size > response.size",
        ])),
        celLine("connection", celText([
            "connection.mtls", "connection.requested_server_name", "connection.tls_version", "connection.id > 0", "connection.termination_details",
            "connection.transport_failure_reason", "connection.subject_local_certificate", "has(connection.sha256_peer_certificate_digest)",
            "source.address.startsWith('127.0.0.1:')", "source.port > 0", "destination.address", "source", "destination.port > 0 && destination.port < 65536",
        ])),
        celLine("upstream", celText([
            "upstream.address", "upstream.port > 0", "upstream.local_address.startsWith('127.0.0.1:')", "upstream.transport_failure_reason",
            "upstream.request_attempt_count", "has(upstream.cx_pool_ready_duration)", "upstream.tls_version", "upstream.uri_san_peer_certificate", "upstream.nope",
            "upstream_filter_state", "has(upstream_filter_state.x)",
        ])),
        celLine("config", celText([
            "xds.node.id", "xds.node.cluster", "xds.node.metadata.mk", "xds.node.metadata.o.l[1]", "xds.node.locality", "xds.node.locality.region", "xds.cluster_name",
            "xds.cluster_metadata.filter_metadata.cm.k", "xds.route_name", "xds.route_metadata.filter_metadata.ns.k", "xds.route_metadata.filter_metadata['ns']['n'] + 1.0",
            "xds.route_metadata.filter_metadata.ns.l[2].d", "has(xds.route_metadata.filter_metadata.ns.b)", "xds.route_metadata.filter_metadata.ns.z == null",
            "size(xds.route_metadata.filter_metadata)", "xds.route_metadata", "xds.virtual_host_name", "xds.virtual_host_metadata.filter_metadata.hm.k",
            "xds.upstream_host_metadata", "xds.filter_chain_name", "xds.listener_metadata", "xds.listener_direction", "metadata", "metadata.filter_metadata",
            "has(metadata.filter_metadata)", "filter_state", "filter_state['x']", "'a' in xds.route_metadata.filter_metadata.ns.l",
        ])),
        celLine("typed", """
            {json_format: {int: "%TYPED_CEL(response.code)%", bool: "%TYPED_CEL(connection.mtls)%", double: "%TYPED_CEL(double(response.code) / 3.0)%",
             text: "%TYPED_CEL(request.path)%", cut: "%CEL(request.path):4%", plain: "%CEL(response.code)%", none: "%TYPED_CEL(request.nope)%", nothing: "%TYPED_CEL(null)%",
             shown: "%CEL(null)%", list: "%TYPED_CEL([1, 'a', 2.5, [true], null])%", map: "%TYPED_CEL({'b': 1, 'a': {'c': request.method}})%", whole: "%TYPED_CEL(1000000)%",
             bytes: "%TYPED_CEL(b'abc')%", length: "%TYPED_CEL(duration('90m'))%", moment: "%TYPED_CEL(timestamp('2020-01-01T00:00:00.120Z'))%",
             route: "%TYPED_CEL(xds.route_metadata)%", namespace: "%TYPED_CEL(xds.route_metadata.filter_metadata.ns)%", type: "%TYPED_CEL(int)%",
             around: "a %TYPED_CEL(1.5)% %TYPED_CEL([1])% %TYPED_CEL(request.nope)% b", headers: "%TYPED_CEL(request.headers)%", node: "%TYPED_CEL(xds.node.locality)%",
             cut_text: "%TYPED_CEL(request.path):3%", cut_bytes: "%TYPED_CEL(b'abcdef'):2%", cut_length: "%TYPED_CEL(duration('90m')):2%", cut_moment: "%TYPED_CEL(timestamp(0)):4%",
             cut_number: "%TYPED_CEL(12345):2%", cut_list: "%TYPED_CEL(['abcdef']):3%", late: "%TYPED_CEL(timestamp(253402300800))%", twice: "%TYPED_CEL({1: 2, '1': 3})%",
             host: "%TYPED_CEL(xds.upstream_host_metadata)%", choice: '%COALESCE({"operators": [{"command": "TYPED_CEL", "param": "null"}, "PROTOCOL"]})%',
             chosen: '%COALESCE({"operators": [{"command": "TYPED_CEL", "param": "duration(''90m'')"}]})%'}}
            """, "generate_request_id: false"),
        celLine("allowed", """
            {text_format_source: {inline_string: "%CEL('<' + request.path + '>')% | %CEL(string(response.code))% | %CEL(request.path.replace('/', '.').upperAscii())%\\n"},
             formatters: [{name: envoy.formatter.cel, typed_config: {"@type": type.googleapis.com/envoy.extensions.formatter.cel.v3.Cel,
              cel_config: {enable_string_conversion: true, enable_string_concat: true, enable_string_functions: true}}}]}
            """),
        .init(
            name: "tries", virtualHosts: celHosts, router: """
                upstream_log:
                - name: envoy.access_loggers.file
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                    path: {{dir}}/access.log
                    log_format: \(celText([
                        "has(request.duration)", "request.path", "response.code", "xds.virtual_host_name", "xds.virtual_host_metadata", "xds.route_name", "upstream_filter_state",
                    ]))
                """,
            logFormat: celText(["has(request.duration)", "response.code"])),
        .init(
            name: "fields", routeTable: """
                request_headers_to_add:
                - {header: {key: x-path, value: "%CEL(request.path)%"}}
                - {header: {key: x-none, value: "%CEL(request.nope)%"}}
                - {header: {key: x-yes, value: "%CEL(request.method == 'GET')%"}}
                response_headers_to_add:
                - {header: {key: x-code, value: "[%CEL(response.code)%]"}}
                - {header: {key: x-up, value: "%TYPED_CEL(upstream.address)%"}}
                """),
    ]

    private static func celFilter(_ name: String, _ expression: String, _ config: String = "") -> Group.Listener {
        .init(
            name: name, virtualHosts: celHosts, logFormat: "{text_format_source: {inline_string: \"\(name) %REQ(:PATH)%\\n\"}}",
            log: """
                filter:
                  extension_filter:
                    name: envoy.access_loggers.extension_filters.cel
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter
                      expression: "\(expression)"
                      cel_config: {\(config)}
                """)
    }

    private static let celTLS = Group.Listener(
        name: "tls", virtualHosts: """
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: "hello"}}
            """,
        logFormat: celText([
            "connection.mtls", "connection.tls_version", "connection.subject_local_certificate", "connection.uri_san_local_certificate",
            "connection.dns_san_local_certificate", "connection.subject_peer_certificate", "connection.uri_san_peer_certificate",
            "connection.dns_san_peer_certificate", "size(connection.sha256_peer_certificate_digest)", "connection.requested_server_name",
        ]),
        chain: """
            transport_socket:
              name: envoy.transport_sockets.tls
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                common_tls_context: {tls_certificates: [{certificate_chain: {filename: "{{certs}}/server.pem"}, private_key: {filename: "{{certs}}/server.key"}}], validation_context: {trusted_ca: {filename: "{{certs}}/ca.pem"}}}
            """)

    private static func celConnection(_ cluster: String) -> String {
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
                log_format: \(celText([
                    "request.path", "request.headers", "request.size", "request.total_size", "request.protocol", "request.duration > duration('0s')", "response.code",
                    "response.flags", "response.size", "response.total_size", "response.grpc_status", "connection.mtls", "connection.id > 0", "upstream.address",
                    "upstream.request_attempt_count", "upstream.transport_failure_reason", "xds.cluster_name", "xds.cluster_metadata.filter_metadata.cm.k", "xds.route_name",
                    "xds.route_metadata", "xds.virtual_host_name", "xds.listener_direction", "xds.listener_metadata", "xds.filter_chain_name", "source.port > 0", "request.time > timestamp(0)",
                ]))
        """
    }

    // MARK: Cases

    /// Each request to each of these listeners.
    private static let celRequests: [Case] = ["request", "response", "connection", "upstream", "config", "allowed"].flatMap { listener in
        func test(_ name: String, _ text: String) -> Case { Case("cel.\(listener)_\(name)", text, on: listener) }
        let fields = "referer: ref\r\nuser-agent: ua\r\nx-a: va\r\nx-m: 1\r\nx-m: 2\r\nx-empty:\r\nx-request-id: rid1\r\n"
        let get = test("get", request("GET /up/b?x=1&y=2", fields))
        var cases = [
            get.replying(reply("200 OK", "x-up: 1\r\ngrpc-status: 3\r\n")), test("direct", request("GET /direct")), test("refused", request("GET /refused?")),
            test("no_host", request("GET /none")), test("no_route", request("GET /nowhere")),
        ]
        switch listener {
        case "request":
            cases += [
                test("post", request("POST /up", "content-length: 5\r\n") + "hello"), test("http10", "GET /up HTTP/1.0\r\n\r\n"), test("broken", "GET /\r\n\r\n"),
                test("chunked", request("POST /up", "transfer-encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n"), test("rewritten", request("GET /rewritten/x?q")),
                test("connect", "CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\n\r\n"),
            ]
        case "response":
            cases += [
                test("trailers", request("GET /up")).replying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: trail\r\ngrpc-status: 5\r\n\r\n"),
                test("status", request("GET /up")).replying(reply("503 No")),
                test("reset", request("GET /up")).upstream(.steps(.readRequest, .reset)).with { $0.resetIsClose = true },
            ]
        default: break
        }
        return cases
    }

    private static let celFilters: [Case] = [
        Case("cel.filter_code_taken", request("GET /direct"), on: "filter_code"), Case("cel.filter_code_left", request("GET /up"), on: "filter_code"),
        Case("cel.filter_header_taken", request("GET /up", "x-log: yes\r\n"), on: "filter_header"), Case("cel.filter_header_left", request("GET /up"), on: "filter_header"),
        Case("cel.filter_no_boolean", request("GET /up"), on: "filter_number"), Case("cel.filter_error_absorbed", request("GET /up/logged"), on: "filter_error"),
        Case("cel.filter_error", request("GET /up"), on: "filter_error"), Case("cel.filter_joined", request("GET /up"), on: "filter_joined"),
    ]

    private static let celOthers: [Case] = [
        Case("cel.fields", request("GET /x?q"), on: "fields"),
        Case("cel.tries", request("GET /up"), on: "tries"), Case("cel.tries_refused", request("GET /refused"), on: "tries"),
        Case("cel.tls", tls: TLSTalk("-servername server.test"), on: "tls"),
        Case("cel.tls_client", tls: TLSTalk("-servername server.test -cert {{certs}}/client.pem -key {{certs}}/client.key"), on: "tls"),
        Case("cel.tcp", steps: [.send("ping"), .awaitText("pong!")], on: "tcp", methods: []).upstream(UpstreamScript([[.readText("ping"), .send("pong!"), .close]])),
        Case("cel.tcp_refused", steps: [.send("x"), .awaitText("never")], on: "tcp_refused", methods: []).with { $0.resetIsClose = true },
    ]
}
