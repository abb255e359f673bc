import TestSupport

extension Groups {
    /// Answers that the proxy gives itself, and how `local_reply_config` reshapes them.
    static let localReplies = Group(
        name: "local_replies",
        listeners: [
            .init(name: "main", virtualHosts: replyHosts),
            .init(
                name: "mapped", manager: """
                    local_reply_config:
                      mappers:
                      - filter:
                          status_code_filter: {comparison: {op: EQ, value: {default_value: 404, runtime_key: k404}}}
                        status_code: 410
                        body: {inline_string: "gone away"}
                        headers_to_add: [{header: {key: x-mapped, value: "%RESPONSE_CODE%"}}]
                      - filter:
                          and_filter:
                            filters:
                            - status_code_filter: {comparison: {op: EQ, value: {default_value: 503, runtime_key: k503}}}
                            - header_filter: {header: {name: x-plain, present_match: true}}
                        body_format_override: {text_format_source: {inline_string: "plain %LOCAL_REPLY_BODY% for %REQ(:PATH)%"}}
                      - filter: {response_flag_filter: {flags: [NC]}}
                        body_format_override:
                          json_format: {code: "%RESPONSE_CODE%", text: "%LOCAL_REPLY_BODY%", flags: "%RESPONSE_FLAGS%"}
                      - filter:
                          status_code_filter: {comparison: {op: GE, value: {default_value: 500, runtime_key: k5xx}}}
                        headers_to_add:
                        - {header: {key: server, value: replaced}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
                        - {header: {key: x-path, value: "%REQ(:PATH)%"}}
                      body_format: {text_format_source: {inline_string: "[%RESPONSE_CODE%] %LOCAL_REPLY_BODY%\\n"}, content_type: "text/html; charset=UTF-8"}
                    """, virtualHosts: replyHosts),
            .init(
                name: "json", manager: """
                    local_reply_config:
                      body_format:
                        json_format: {status: "%RESPONSE_CODE%", message: "%LOCAL_REPLY_BODY%", path: "%REQ(:PATH)%", missing: "%REQ(x-none)%"}
                    """, virtualHosts: replyHosts),
            .init(
                name: "files", manager: """
                    local_reply_config:
                      body_format:
                        text_format_source: {inline_string: "%FILE_CONTENT({{certs}}/ca.pem):27% %FILE_CONTENT({{certs}}/ca.pem:{{certs}}):5%"}
                        formatters: [\(fileContent)]
                    """, virtualHosts: replyHosts,
                logFormat: "{json_format: {begin: \"%FILE_CONTENT({{certs}}/ca.pem):10%\", around: \"<%FILE_CONTENT({{certs}}/ca.pem):1%>\"}, formatters: [\(fileContent)]}"),
            .init(
                name: "health", filters: """
                    - name: envoy.filters.http.health_check
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck
                        pass_through_mode: false
                        headers: [{name: ":path", string_match: {exact: /healthz}}]
                    """),
            .init(
                name: "limited", filters: """
                    - name: envoy.filters.http.local_ratelimit
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                        stat_prefix: limited
                        token_bucket: {max_tokens: 1, tokens_per_fill: 1, fill_interval: 3600s}
                        filter_enabled: {default_value: {numerator: 100, denominator: HUNDRED}}
                        filter_enforced: {default_value: {numerator: 100, denominator: HUNDRED}}
                        response_headers_to_add: [{header: {key: x-limited, value: "yes"}}]
                        status: {code: ServiceUnavailable}
                    """),
            .init(name: "old", manager: "http_protocol_options: {accept_http_10: true}", virtualHosts: replyHosts),
            .init(name: "nothing", virtualHosts: "- {name: none, domains: [nobody.test], routes: [{match: {prefix: /}, route: {cluster: up}}]}"),
        ],
        clusters: [
            Group.up, .init("none", []), .init("refused", [.refused]),
            .init("maintenance", [.scripted("a")]),
        ],
        cases: replyCases + mappedCases + grpcCases)

    private static let fileContent =
        "{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.file_content.v3.FileContent}}"

    private static let replyHosts = """
        - name: all
          domains: ["*"]
          routes:
          - {match: {path: /none}, route: {cluster: none}}
          - {match: {path: /refused}, route: {cluster: refused}}
          - {match: {path: /unknown}, route: {cluster_header: x-cluster}}
          - {match: {path: /slow}, route: {cluster: up, timeout: 0.1s}}
          - {match: {path: /direct}, direct_response: {status: 418, body: {inline_string: "teapot"}}}
          - {match: {path: /direct_empty}, direct_response: {status: 404}}
          - {match: {path: /redirect}, redirect: {path_redirect: /elsewhere}}
          - {match: {prefix: /up}, route: {cluster: up}}
        """

    private static func local(_ name: String, _ path: String, _ more: String = "", on listener: String = "main", method: String = "GET") -> Case {
        Case("local_replies." + name, request("\(method) \(path)", more), on: listener)
    }

    private static let replyCases: [Case] = [
        local("route_not_found", "/nowhere"),
        local("route_not_found_head", "/nowhere", method: "HEAD"),
        local("route_not_found_close", "/nowhere", "connection: close\r\n"),
        local("route_not_found_post", "/nowhere", "content-length: 0\r\n", method: "POST"),
        Case("local_replies.route_not_found_body", request("POST /nowhere", "content-length: 5\r\n") + "hello"),
        Case(
            "local_replies.route_not_found_body_later",
            steps: [.send(request("POST /nowhere", "content-length: 5\r\n")), .awaitResponse, .send("hello")], methods: ["POST"]
        ).with { $0.resetIsClose = true },
        Case("local_replies.then_served", request("GET /nowhere") + request("GET /up"), methods: ["GET", "GET"]),
        local("virtual_host_not_found", "/x", on: "nothing"),
        local("no_healthy_upstream", "/none"),
        local("no_healthy_upstream_head", "/none", method: "HEAD"),
        local("refused", "/refused"),
        local("cluster_not_found", "/unknown", "x-cluster: nope\r\n"),
        local("timeout", "/slow").upstream(.steps(.readRequest, .delay(ms: 400))),
        local("direct", "/direct"),
        local("direct_empty", "/direct_empty"),
        local("redirect", "/redirect"),
        Case("local_replies.old_version", "GET /nowhere HTTP/1.0\r\nhost: h.test\r\n\r\n", on: "old"),
        Case("local_replies.old_version_keep_alive", "GET /none HTTP/1.0\r\nhost: h.test\r\nconnection: keep-alive\r\n\r\n", on: "old"),
        local("health_check", "/healthz", on: "health"),
        local("health_check_head", "/healthz", on: "health", method: "HEAD"),
        local("health_check_other_path", "/healthzz", on: "health"),
        Case(
            "local_replies.rate_limited",
            steps: [
                .send(request("GET /1")), .awaitResponse, .send(request("GET /2")), .awaitResponse, .send(request("HEAD /3")),
            ], on: "limited", methods: ["GET", "GET", "HEAD"]),
        Case("local_replies.pipelined_two", request("GET /nowhere") + request("GET /none"), methods: ["GET", "GET"]),
        Case("local_replies.pipelined_three", many(request("GET /nowhere"), 3), methods: ["GET", "GET", "GET"]),
        local("upgrade_refused", "/up", "connection: upgrade\r\nupgrade: websocket\r\n"),
        Case("local_replies.bad_request", "nonsense\r\n\r\n"),
        Case("local_replies.missing_host", "GET /up HTTP/1.1\r\n\r\n"),
        local("maintenance_header_from_upstream", "/up").replying(reply("503 Service Unavailable", "x-envoy-overloaded: true\r\n", body: "theirs")),
    ]

    private static let mappedCases: [Case] = [
        local("mapped_status_and_body", "/nowhere", on: "mapped"),
        local("mapped_direct_empty", "/direct_empty", on: "mapped"),
        local("mapped_by_header", "/none", "x-plain: 1\r\n", on: "mapped"),
        local("mapped_by_flag_to_json", "/unknown", "x-cluster: nope\r\n", on: "mapped"),
        local("mapped_headers", "/refused", on: "mapped"),
        local("mapped_headers_head", "/refused", on: "mapped", method: "HEAD"),
        local("mapped_default_format", "/direct", on: "mapped"),
        local("mapped_redirect", "/redirect", on: "mapped"),
        Case("local_replies.mapped_bad_request", "nonsense\r\n\r\n", on: "mapped"),
        local("mapped_not_upstream_404", "/up", on: "mapped").replying(reply("404 Not Found", body: "theirs")),
        local("json_route_not_found", "/nowhere?q=1", on: "json"),
        local("json_refused", "/refused", on: "json"),
        local("json_direct", "/direct", on: "json"),
        local("file", "/none", on: "files"),
        Case("local_replies.json_quotes", request("GET /none\"x"), on: "json"),
    ]

    private static func grpc(_ name: String, _ path: String, _ more: String = "", on listener: String = "main") -> Case {
        Case("local_replies.grpc_" + name, request("POST " + path, "content-type: application/grpc\r\ncontent-length: 0\r\n" + more), on: listener)
    }

    private static let grpcCases: [Case] = [
        grpc("route_not_found", "/nowhere"), grpc("no_healthy_upstream", "/none"), grpc("refused", "/refused"),
        grpc("direct", "/direct"), grpc("redirect", "/redirect"), grpc("mapped", "/nowhere", on: "mapped"),
        grpc("timeout", "/slow").upstream(.steps(.readRequest, .delay(ms: 400))),
    ]
}
