import TestSupport

extension Groups {
    /// The operators of formats and their options, in access logs, header values and bodies. What depends on time or on the
    /// machine is left to PipelineTests.
    static let formats = Group(
        name: "formats",
        listeners: textListeners + jsonListeners + otherListeners,
        clusters: [
            Group.up, .init("trailing", [.scripted("a")], http1Options("enable_trailers: true")), .init("refused", [.refused]),
            .init("named", [.scripted("a")]), .init("none", []),
        ],
        cases: requestCases + responseCases + grpcCases + jsonCases + connectionCases + bodyCases)

    // MARK: Listeners

    private static func text(_ operators: [String]) -> String {
        "{text_format_source: {inline_string: '\(operators.joined(separator: " | "))\n\n'}}"
    }

    private static func line(_ name: String, _ operators: [String], manager: String = "", cluster: String = "up") -> Group.Listener {
        .init(name: name, manager: manager, virtualHosts: hosts(cluster), router: "suppress_envoy_headers: true", logFormat: text(operators))
    }

    private static func hosts(_ cluster: String) -> String {
        """
        - name: all
          domains: ["*"]
          routes:
          - match: {prefix: /rewritten}
            route: {cluster: \(cluster), prefix_rewrite: /new, host_rewrite_literal: other.test}
          - match: {prefix: /direct}
            direct_response: {status: 404, body: {inline_string: nothing here}}
          - match: {prefix: /}
            name: the-route
            route: {cluster: \(cluster)}
        """
    }

    private static let trailers = "http_protocol_options: {enable_trailers: true}"

    private static let textListeners: [Group.Listener] = [
        line("path", [
            "%PATH%", "%PATH(WQ)%", "%PATH(NQ)%", "%PATH(WQ:ORIG)%", "%PATH(NQ:PATH)%", "%PATH(:ORIG_OR_PATH)%", "%PATH(NQ):5%",
            "%QUERY_PARAM(a)%", "%QUERY_PARAM(none)%", "%QUERY_PARAM(a):1%", "%QUERY_PARAMS%", "%QUERY_PARAMS(ORIG)%", "%QUERY_PARAMS(DECODED)%",
        ]),
        line("request", [
            "%REQ(x-a)%", "%REQ(X-A?X-B)%", "%REQ(x-none?x-b):2%", "%REQ(:METHOD)%", "%REQ(:scheme)%", "%REQ(Host)%", "%REQ(:AUTHORITY)%",
            "%REQUEST_HEADER(x-b)%", "%REQ(x-none?:path)%", "%PROTOCOL%", "%ROUTE_NAME%", "%ACCESS_LOG_TYPE%", "%STREAM_ID%", "%CUSTOM_FLAGS%", "100%%",
        ]),
        line("response", [
            "%RESP(x-upstream)%", "%RESP(:status)%", "%RESPONSE_HEADER(x-none?content-type):4%", "%RESPONSE_CODE%", "%RESPONSE_CODE_DETAILS%",
            "%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "%RESPONSE_FLAGS%", "%RESPONSE_FLAGS_LONG%", "%UPSTREAM_PROTOCOL%", "%UPSTREAM_CLUSTER%",
            "%UPSTREAM_CLUSTER_RAW%", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "%TRAILER(x-t)%", "%RESPONSE_TRAILER(x-none?x-t):2%",
            "%CONNECTION_TERMINATION_DETAILS%", "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
        ], manager: trailers, cluster: "trailing"),
        line("refused", [
            "%RESPONSE_FLAGS%", "%RESPONSE_FLAGS_LONG%", "%UPSTREAM_HOST%", "%UPSTREAM_HOSTS_ATTEMPTED%", "%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%",
            "%UPSTREAM_PROTOCOL%", "%UPSTREAM_REMOTE_ADDRESS%", "%UPSTREAM_CONNECTION_ID%", "%UPSTREAM_CONNECTION_IDS_ATTEMPTED%",
            "%UPSTREAM_TRANSPORT_FAILURE_REASON%", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        ], cluster: "refused"),
        line("no_host", ["%RESPONSE_FLAGS_LONG%", "%UPSTREAM_HOST%", "%UPSTREAM_HOST_NAME%", "%UPSTREAM_CLUSTER%", "%UPSTREAM_HOSTS_ATTEMPTED%"], cluster: "none"),
        line("bytes", [
            "%BYTES_RECEIVED%", "%BYTES_SENT%", "%REQUEST_HEADERS_BYTES%", "%RESPONSE_HEADERS_BYTES%", "%RESPONSE_TRAILERS_BYTES%",
            "%DOWNSTREAM_WIRE_BYTES_RECEIVED%", "%DOWNSTREAM_HEADER_BYTES_RECEIVED%", "%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED%",
            "%DOWNSTREAM_WIRE_BYTES_SENT%", "%DOWNSTREAM_HEADER_BYTES_SENT%", "%UPSTREAM_WIRE_BYTES_SENT%", "%UPSTREAM_HEADER_BYTES_SENT%",
            "%UPSTREAM_WIRE_BYTES_RECEIVED%", "%UPSTREAM_HEADER_BYTES_RECEIVED%", "%BYTES_RETRANSMITTED%", "%PACKETS_RETRANSMITTED%",
        ]),
        line("addresses", [
            "%DOWNSTREAM_LOCAL_ADDRESS%", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", ":%DOWNSTREAM_LOCAL_PORT%",
            "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(32)%",
            "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT(16)%", "%UPSTREAM_REMOTE_ADDRESS%",
            "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", ":%UPSTREAM_REMOTE_PORT%", "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "%UPSTREAM_HOST%",
            "%UPSTREAM_HOST_NAME%", "%UPSTREAM_HOST_NAME_WITHOUT_PORT%", "%UPSTREAM_HOSTS_ATTEMPTED%", "%UPSTREAM_HOST_NAMES_ATTEMPTED%",
            "%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%", "%UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%",
        ]),
        line("names", [
            "%REQUESTED_SERVER_NAME%", "%REQUESTED_SERVER_NAME(SNI_ONLY)%", "%REQUESTED_SERVER_NAME(SNI_FIRST)%", "%REQUESTED_SERVER_NAME(HOST_FIRST)%",
            "%REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)%", "%REQUESTED_SERVER_NAME(SNI_FIRST:HOST)%", "%ENVIRONMENT(MARTLET_NO_SUCH_VARIABLE)%", "%DYNAMIC_METADATA(a:b)%", "%METADATA(ROUTE:a:b)%",
            "%FILTER_STATE(a:PLAIN)%", "%DOWNSTREAM_TLS_VERSION%", "%DOWNSTREAM_PEER_SUBJECT%", "%FILTER_CHAIN_NAME%", "%VIRTUAL_CLUSTER_NAME%",
        ]),
        line("times", [
            "%START_TIME(const)%", "%START_TIME(%%%%)%", "%START_TIME(%z %Ez)%", "%EMIT_TIME(%t)%", "%COMMON_DURATION(US_CX_BEG:US_HS_END:ns)%",
            "%COMMON_DURATION(NO_SUCH:DS_TX_END:us)%",
        ]),
        line("grpc", ["%GRPC_STATUS%", "%GRPC_STATUS(CAMEL_STRING)%", "%GRPC_STATUS(SNAKE_STRING)%", "%GRPC_STATUS(NUMBER)%", "%GRPC_STATUS_NUMBER%"], manager: trailers, cluster: "trailing"),
    ]

    private static let jsonListeners: [Group.Listener] = [
        .init(name: "json", virtualHosts: hosts("up"), logFormat: """
            {json_format: {code: "%RESPONSE_CODE%", status: "%RESP(:status)%", text: "%RESPONSE_CODE% of %REQ(x-none)%", none: "%REQ(x-none)%", a: "%REQ(x-a)%",
             number: 12.5, whole: 3, yes: true, nothing: null, list: ["%PROTOCOL%", 1, {deep: "%REQ(x-a)%", empty: {}}, []], "quoted \\"key\\"": plain,
             grpc: "%GRPC_STATUS(NUMBER)%", length: "%REQ(x-a):4%", nested: {x: {y: "%REQ(x-b)%"}}}}
            """),
        .init(name: "json_omits", virtualHosts: hosts("up"), logFormat: """
            {omit_empty_values: true, json_format: {code: "%RESPONSE_CODE%", none: "%REQ(x-none)%", both: "%REQ(x-none)%%REQ(x-a)%", all: {none: "%REQ(x-none)%"}, list: ["%REQ(x-none)%", 1]}}
            """),
        .init(name: "text_omits", virtualHosts: hosts("up"), logFormat: "{omit_empty_values: true, text_format_source: {inline_string: \"[%REQ(x-none)%][%REQ(x-a)%][%UPSTREAM_HOST_NAME%]\\n\"}}"),
    ]

    private static let otherListeners: [Group.Listener] = [
        .init(name: "tcp", networkFilter: connection("up")), .init(name: "tcp_refused", networkFilter: connection("refused")),
        .init(name: "values", routeTable: """
            response_headers_to_add:
            - {header: {key: x-upstream-metadata, value: '%UPSTREAM_METADATA(["a", "b"])%'}}
            - {header: {key: x-dynamic-metadata, value: '[%DYNAMIC_METADATA(["a", "b"])%]'}}
            - {header: {key: x-state, value: '[%PER_REQUEST_STATE(a.b)%]'}}
            - {header: {key: x-old-append, value: second}, append: true}
            - {header: {key: x-empty, value: '%REQ(x-none)%'}, keep_empty_value: true}
            """),
        .init(name: "body", manager: """
            local_reply_config:
              mappers:
              - filter: {status_code_filter: {comparison: {op: EQ, value: {default_value: 404, runtime_key: k}}}}
                body_format_override: {text_format_source: {inline_string: "%RESPONSE_CODE%|%LOCAL_REPLY_BODY%|%REQ(x-a)%|%PATH(NQ)%|%RESPONSE_FLAGS%"}, content_type: text/x-own}
              - filter: {header_filter: {header: {name: x-json, present_match: true}}}
                body_format_override: {json_format: {code: "%RESPONSE_CODE%", body: "%LOCAL_REPLY_BODY%", a: "%REQ(x-a)%", none: "%REQ(x-none)%"}}
            """, virtualHosts: hosts("none")),
    ]

    private static func connection(_ cluster: String) -> String {
        let operators = [
            "%PROTOCOL%", "%RESPONSE_CODE%", "%REQ(x-a)%", "%RESP(x-a)%", "%PATH%", "%RESPONSE_FLAGS_LONG%", "%BYTES_RECEIVED%", "%BYTES_SENT%",
            "%DOWNSTREAM_WIRE_BYTES_RECEIVED%", "%DOWNSTREAM_WIRE_BYTES_SENT%", "%UPSTREAM_WIRE_BYTES_SENT%", "%UPSTREAM_WIRE_BYTES_RECEIVED%",
            "%UPSTREAM_HEADER_BYTES_SENT%", "%DOWNSTREAM_LOCAL_ADDRESS%", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "%UPSTREAM_REMOTE_ADDRESS%",
            "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "%UPSTREAM_CLUSTER%", "%UPSTREAM_HOST_NAME%", "%ROUTE_NAME%", "%GRPC_STATUS%", "%REQUEST_DURATION%",
            "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "%ACCESS_LOG_TYPE%", "%REQUESTED_SERVER_NAME(HOST_FIRST)%", "%QUERY_PARAMS%", "%UPSTREAM_PROTOCOL%",
            "%REQUEST_HEADERS_BYTES%",
        ]
        return """
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
                    log_format: \(text(operators))
            """
    }

    // MARK: Cases

    private static func get(_ name: String, _ path: String, _ more: String = "", on listener: String) -> Case {
        Case("formats." + name, request("GET " + path, more), on: listener)
    }

    private static let requestCases: [Case] = [
        get("path", "/p/q?a=1&b=2", on: "path"), get("path_rewritten", "/rewritten/x?a=%41%zz&a=2", on: "path"),
        get("path_without_query", "/p", on: "path"), get("path_empty_query", "/p?", on: "path"),
        get("path_of_local_reply", "/direct?a=b%20c", on: "path"),
        get("request_headers", "/", "x-a: first\r\nx-b: second\r\n", on: "request"), get("request_alternates", "/", "x-b: second\r\n", on: "request"),
        get("request_none", "/", on: "request"), Case("formats.request_http10", "GET / HTTP/1.0\r\n\r\n", on: "request"),
        Case("formats.request_bad", "GET /\r\n\r\n", on: "request"),
        get("names", "/", on: "names"), get("times", "/", on: "times"), get("addresses", "/", on: "addresses"),
        get("addresses_forwarded", "/", "x-forwarded-for: 10.1.2.3\r\n", on: "addresses"),
        get("addresses_forwarded_v6", "/", "x-forwarded-for: 2001:db8::17\r\n", on: "addresses"),
        get("addresses_of_local_reply", "/direct", on: "addresses"),
        get("bytes", "/", on: "bytes"), get("bytes_of_local_reply", "/direct", on: "bytes"),
        Case("formats.bytes_body", request("POST /p", "content-length: 5\r\nx-a: b\r\n") + "hello", on: "bytes"),
        Case("formats.bytes_second", steps: [.send(request("GET /first")), .awaitResponse, .send(request("GET /second", "x-a: b\r\n"))], on: "bytes", methods: ["GET", "GET"]),
        get("path_decoded", "/p?a=%zz&b=%41%2542&c=%e9%20&d=%", on: "path"),
        get("names_original", "/rewritten/x", on: "names"),
        get("stream_id", "/", "x-request-id: mine\r\n", on: "request"),
        get("bytes_empty_answer", "/", on: "bytes").replying("HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n"),
    ]

    private static let chunks = "2\r\nok\r\n0\r\n"

    private static let responseCases: [Case] = [
        get("response", "/", on: "response"), get("response_local", "/direct", on: "response"),
        get("response_trailers", "/", on: "response").replying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\(chunks)x-t: trail\r\n\r\n"),
        get("response_reset", "/", on: "response").upstream(.steps(.readRequest, .reset)).with { $0.resetIsClose = true },
        get("response_refused", "/", on: "refused"), get("response_no_host", "/", on: "no_host"),
    ]

    private static func grpc(_ name: String, type: String = "application/grpc", _ answer: String) -> Case {
        Case("formats.grpc_" + name, request("POST /s/m", "content-type: \(type)\r\ncontent-length: 0\r\n"), on: "grpc").replying(answer)
    }

    private static func trailing(_ status: String) -> String {
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n\(chunks)grpc-status: \(status)\r\n\r\n"
    }

    private static let grpcCases: [Case] = [
        Case("formats.grpc_local", request("POST /s/m", "content-type: application/grpc\r\ncontent-length: 0\r\n"), on: "no_host"),
        Case("formats.grpc_local_with_parameter", request("POST /s/m", "content-type: application/grpc;a=b\r\ncontent-length: 0\r\n"), on: "no_host"),
        Case("formats.grpc_local_upper_case", request("POST /s/m", "content-type: Application/grpc\r\ncontent-length: 0\r\n"), on: "no_host"),
        grpc("ok", trailing("0")), grpc("not_found", trailing("5")), grpc("unauthenticated", trailing("16")), grpc("unknown_code", trailing("17")),
        grpc("no_number", trailing("x")), grpc("negative", trailing("-3")), grpc("head_only", reply("200 OK", "grpc-status: 8\r\n", body: "")),
        grpc("of_http_status", reply("403 No")), grpc("of_http_ok", reply("200 OK")), grpc("with_suffix", type: "application/grpc+proto", trailing("1")),
        grpc("with_parameter", type: "application/grpc;a=b", trailing("2")), grpc("other_type", type: "application/grpcx", trailing("2")),
    ]

    private static let jsonCases: [Case] = [
        get("json", "/", "x-a: plain\r\nx-b: b\r\n", on: "json"), get("json_missing", "/", on: "json"),
        get("json_escapes", "/", "x-a: a\"b\\c\td\r\n", on: "json"),
        get("json_utf8", "/", "x-a: \u{c3}\u{a9}\u{e2}\u{82}\u{ac}\u{f0}\u{9f}\u{98}\u{80}\u{e0}\u{a0}\u{80}\u{ed}\u{9f}\u{bf}\u{f4}\u{8f}\u{bf}\u{bf}\r\n", on: "json"),
        get("json_not_utf8", "/", "x-a: a\u{e9}\"\\b\r\n", on: "json"), get("json_utf8_cut", "/", "x-a: a\u{e2}\u{82}\r\n", on: "json"),
        get("json_utf8_overlong", "/", "x-a: a\u{e0}\u{80}\u{80}b\r\n", on: "json"), get("json_utf8_surrogate", "/", "x-a: a\u{ed}\u{a0}\u{80}b\r\n", on: "json"),
        get("json_omits", "/", "x-a: v\r\n", on: "json_omits"), get("json_omits_all", "/", on: "json_omits"),
        get("text_omits", "/", on: "text_omits"),
    ]

    private static func bytes(_ name: String, _ steps: [RawClient.Step], on listener: String, _ upstream: [UpstreamStep]) -> Case {
        Case("formats." + name, steps: steps, on: listener, methods: []).upstream(UpstreamScript([upstream]))
    }

    private static let connectionCases: [Case] = [
        bytes("tcp", [.send("ping"), .awaitText("pong!")], on: "tcp", [.readText("ping"), .send("pong!"), .close]),
        bytes("tcp_refused", [.send("x"), .awaitText("never")], on: "tcp_refused", []).with { $0.resetIsClose = true },
    ]

    private static let bodyCases: [Case] = [
        get("values", "/", on: "values").replying(reply("200 OK", "x-old-append: first\r\n")),
        get("body_text", "/direct?q", "x-a: v\r\n", on: "body"), get("body_json", "/", "x-json: 1\r\nx-a: \"v\"\r\n", on: "body"),
        get("body_plain", "/", on: "body"),
    ]
}
