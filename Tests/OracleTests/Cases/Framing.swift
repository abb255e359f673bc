import TestSupport

extension Groups {
    /// Where messages begin and end, on both sides, and what stays of a connection afterwards.
    static let framing = Group(
        name: "framing",
        listeners: [
            .init(name: "main"),
            .init(
                name: "http10", manager: "http_protocol_options: {accept_http_10: true, default_host_for_http_10: old.test}"),
            .init(name: "http10_nohost", manager: "http_protocol_options: {accept_http_10: true}"),
            .init(name: "http10_websocket", manager: "http_protocol_options: {accept_http_10: true}\nupgrade_configs: [{upgrade_type: websocket}]"),
            .init(
                name: "trailers", manager: "http_protocol_options: {enable_trailers: true}",
                virtualHosts: everythingTo("up_trailers")),
            .init(name: "websocket", manager: "upgrade_configs: [{upgrade_type: websocket}]"),
            .init(
                name: "connect", manager: "upgrade_configs: [{upgrade_type: CONNECT}]",
                virtualHosts: """
                    - name: all
                      domains: ["*"]
                      routes:
                      - match: {connect_matcher: {}}
                        route: {cluster: up, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}
                      - match: {prefix: /}
                        route: {cluster: up}
                    """),
            .init(
                name: "connect_passed", manager: "upgrade_configs: [{upgrade_type: CONNECT}]",
                virtualHosts: """
                    - name: all
                      domains: ["*"]
                      routes:
                      - match: {connect_matcher: {}, headers: [{name: x-off, present_match: true}]}
                        route: {cluster: up, upgrade_configs: [{upgrade_type: CONNECT, enabled: false}]}
                      - match: {connect_matcher: {}, headers: [{name: x-refused, present_match: true}]}
                        route: {cluster: refused, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}
                      - match: {connect_matcher: {}}
                        route: {cluster: up}
                      - match: {prefix: /}
                        route: {cluster: up}
                    """),
            .init(
                name: "post", manager: "upgrade_configs: [{upgrade_type: CONNECT}]",
                virtualHosts: """
                    - name: all
                      domains: ["*"]
                      routes:
                      - match: {connect_matcher: {}}
                        route: {cluster: up, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {allow_post: true}}]}
                      - match: {prefix: /refused}
                        route: {cluster: refused, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {allow_post: true}}]}
                      - match: {prefix: /}
                        route: {cluster: up, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {allow_post: true}}]}
                    """),
            .init(name: "relative_only", manager: "http_protocol_options: {allow_absolute_url: false}"),
            .init(name: "hundred", manager: "proxy_100_continue: true"),
            .init(name: "custom_methods", manager: "http_protocol_options: {allow_custom_methods: true}"),
            .init(name: "proper_case", manager: "http_protocol_options: {header_key_format: {proper_case_words: {}}}"),
            .init(name: "two_requests", manager: "common_http_protocol_options: {max_requests_per_connection: 2}"),
        ],
        clusters: [
            Group.up, .init("refused", [.refused]),
            .init("up_trailers", [.scripted("a")], http1Options("enable_trailers: true")),
        ],
        cases: framingRequests + framingResponses + framingUpgrades + framingTunnels + framingOldVersions)

    static func everythingTo(_ cluster: String) -> String {
        """
        - name: all
          domains: ["*"]
          routes:
          - match: {prefix: /}
            route: {cluster: \(cluster)}
        """
    }

    private static let framingRequests: [Case] = [
        Case("framing.get", "GET /a HTTP/1.1\r\nHost: h.test\r\nUser-Agent: Test\r\n\r\n"),
        Case("framing.get_for_lies", request("GET /a", "user-agent: t\r\n")),
        Case("framing.get_with_query", request("GET /a/b?x=1&y=%20")),
        Case(
            "framing.keep_alive_two_requests",
            steps: [.send(request("GET /1")), .awaitResponse, .send(request("GET /2"))], methods: ["GET", "GET"]),
        Case("framing.pipelined_two", request("GET /1") + request("GET /2"), methods: ["GET", "GET"]),
        Case(
            "framing.pipelined_three_mixed",
            request("GET /1") + request("POST /2", "content-length: 3\r\n") + "abc" + request("HEAD /3"),
            methods: ["GET", "POST", "HEAD"]),
        Case(
            "framing.pipelined_after_close", request("GET /1", "connection: close\r\n") + request("GET /2")
        ).with { $0.resetIsClose = true },
        Case("framing.post_length", request("POST /a", "content-length: 5\r\n") + "hello"),
        Case(
            "framing.post_length_in_pieces",
            steps: [
                .send("POST /a HT"), .pause(ms: 20), .send("TP/1.1\r\nhost: h.t"), .pause(ms: 20),
                .send("est\r\ncontent-length: 5\r"), .pause(ms: 20), .send("\n\r\nhe"), .pause(ms: 20), .send("llo"),
            ], methods: ["POST"]),
        Case("framing.post_length_zero", request("POST /a", "content-length: 0\r\n")),
        Case("framing.post_no_length", request("POST /a")),
        Case("framing.get_with_body", request("GET /a", "content-length: 5\r\n") + "hello"),
        Case("framing.post_chunked", request("POST /a", "transfer-encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n"),
        Case(
            "framing.post_chunked_many",
            request("POST /a", "Transfer-Encoding: chunked\r\n") + "1\r\na\r\n2\r\nbc\r\n0a\r\n0123456789\r\n0\r\n\r\n"),
        Case(
            "framing.post_chunked_then_get",
            request("POST /a", "transfer-encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n" + request("GET /b"),
            methods: ["POST", "GET"]),
        Case(
            "framing.post_chunked_trailers_off",
            request("POST /a", "transfer-encoding: chunked\r\n") + "5\r\nhello\r\n0\r\nx-t: 1\r\nX-U: 2\r\n\r\n"),
        Case(
            "framing.post_chunked_trailers_on",
            request("POST /a", "transfer-encoding: chunked\r\n") + "5\r\nhello\r\n0\r\nx-t: 1\r\nX-U: 2\r\n\r\n",
            on: "trailers"),
        Case("framing.chunked_uppercase_coding", request("POST /a", "transfer-encoding: Chunked\r\n") + "2\r\nok\r\n0\r\n\r\n"),
        Case("framing.head", request("HEAD /a")).replying("HTTP/1.1 200 OK\r\ncontent-length: 123\r\n\r\n"),
        Case("framing.options_star", "OPTIONS * HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form", "GET http://other.test/p?q HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form_with_port", "GET http://other.test:81/p HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form_empty_port", "GET http://other.test:/p HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form_empty_port_no_path", "GET http://other.test: HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form_without_path", "GET http://other.test HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form_options_without_path", "OPTIONS http://other.test HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form_https", "GET https://other.test/p HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form_query_only", "GET http://other.test?q=1 HTTP/1.1\r\nhost: h.test\r\n\r\n"),
        Case("framing.absolute_form_refused", "GET http://other.test/p HTTP/1.1\r\nhost: h.test\r\n\r\n", on: "relative_only"),
        Case("framing.asterisk_where_targets_are_relative", "GET * HTTP/1.1\r\nhost: h.test\r\n\r\n", on: "relative_only"),
        Case("framing.asterisk_and_more_where_targets_are_relative", "GET *a HTTP/1.1\r\nhost: h.test\r\n\r\n", on: "relative_only"),
        Case("framing.no_slash_where_targets_are_relative", "GET a HTTP/1.1\r\nhost: h.test\r\n\r\n", on: "relative_only"),
        Case("framing.options_asterisk_where_targets_are_relative", "OPTIONS * HTTP/1.1\r\nhost: h.test\r\n\r\n", on: "relative_only"),
        Case("framing.absolute_form_user_refused", "GET http://u@other.test/p HTTP/1.1\r\nhost: h.test\r\n\r\n", on: "relative_only"),
        Case("framing.absolute_form_no_host", "GET http://other.test/p HTTP/1.1\r\n\r\n"),
        Case("framing.close_lower", request("GET /a", "connection: close\r\n")),
        Case("framing.close_upper", request("GET /a", "Connection: CLOSE\r\n")),
        Case("framing.close_in_list", request("GET /a", "connection: keep-alive, close\r\n")),
        Case("framing.connection_keep_alive", request("GET /a", "connection: keep-alive\r\n")),
        Case("framing.connection_names_header", request("GET /a", "connection: x-hop\r\nx-hop: 1\r\nx-stay: 2\r\n")),
        Case("framing.connection_names_forwarded_for", request("GET /a", "connection: x-forwarded-for\r\nx-forwarded-for: 1.1.1.1\r\n")),
        Case("framing.connection_names_forwarded_host", request("GET /a", "connection: x-forwarded-host\r\n")),
        Case("framing.connection_names_forwarded_proto", request("GET /a", "connection: te, X-Forwarded-Proto\r\nte: trailers\r\n")),
        Case("framing.connection_names_a_pseudo_field", request("GET /a", "connection: close, :path\r\n")),
        Case("framing.connection_names_host", request("GET /a", "connection: host\r\n")),
        Case("framing.connection_names_many", request("GET /a", "connection: a, b, c, d, e, f, g, h, i, j\r\n")),
        Case("framing.hop_by_hop", request("GET /a", "keep-alive: timeout=5\r\nte: trailers\r\nproxy-connection: keep-alive\r\n")),
        Case("framing.te_other", request("GET /a", "te: gzip\r\n")),
        Case("framing.te_case", request("GET /a", "te: Trailers\r\n")),
        Case("framing.te_empty", request("GET /a", "te:\r\n")),
        Case("framing.te_empty_nominated", request("GET /a", "connection: te\r\nte:\r\n")),
        Case("framing.te_comma", request("GET /a", "te: ,\r\n")),
        Case("framing.te_weight", request("GET /a", "te: trailers;q=1\r\n")),
        Case("framing.te_weight_zero", request("GET /a", "te: trailers;q=0\r\n")),
        Case("framing.te_list", request("GET /a", "te: gzip, trailers\r\n")),
        Case("framing.te_two_lines", request("GET /a", "te: gzip\r\nte: trailers\r\n")),
        Case("framing.te_two_lines_case", request("GET /a", "te: deflate\r\nte: TRAILERS\r\n")),
        Case("framing.te_trailers_and_connection", request("GET /a", "connection: te\r\nte: trailers, gzip\r\n")),
        Case("framing.proxy_connection_close", request("GET /a", "proxy-connection: close\r\n")),
        Case(
            "framing.expect_continue",
            steps: [
                .send(request("POST /a", "content-length: 5\r\nexpect: 100-continue\r\n")), .awaitText("100 "),
                .send("hello"),
            ], methods: ["POST"]),
        Case(
            "framing.expect_continue_body_sent_at_once",
            request("POST /a", "content-length: 5\r\nexpect: 100-continue\r\n") + "hello"),
        Case(
            "framing.expect_continue_upper",
            request("POST /a", "content-length: 5\r\nExpect: 100-Continue\r\n") + "hello"),
        Case("framing.expect_other", request("POST /a", "content-length: 5\r\nexpect: magic\r\n") + "hello"),
        Case("framing.expect_two_lines", request("POST /a", "content-length: 5\r\nexpect: 100-continue\r\nexpect: 100-continue\r\n") + "hello"),
        Case("framing.expect_list", request("POST /a", "content-length: 5\r\nexpect: 100-continue, magic\r\n") + "hello"),
        Case("framing.expect_empty", request("POST /a", "content-length: 5\r\nexpect:\r\n") + "hello"),
        Case("framing.expect_continue_without_body", request("GET /a", "expect: 100-continue\r\n")),
        Case("framing.expect_continue_no_host", "POST /a HTTP/1.1\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
            .with { $0.resetIsClose = true },
        Case("framing.expect_continue_fragment", request("POST /a#b", "content-length: 5\r\nexpect: 100-continue\r\n"))
            .with { $0.resetIsClose = true },
        Case("framing.expect_continue_asterisk", request("OPTIONS *", "content-length: 5\r\nexpect: 100-continue\r\n"))
            .with { $0.resetIsClose = true },
        Case("framing.expect_continue_asterisk_proxied", request("OPTIONS *", "content-length: 5\r\nexpect: 100-continue\r\n"), on: "hundred")
            .with { $0.resetIsClose = true },
        Case("framing.expect_continue_asterisk_without_body", request("OPTIONS *", "expect: 100-continue\r\n")),
        Case("framing.expect_continue_host_nominated", request("POST /a", "content-length: 5\r\nexpect: 100-continue\r\nconnection: host\r\n"))
            .with { $0.resetIsClose = true },
        Case("framing.expect_continue_upgrade_refused", request("GET /a", "expect: 100-continue\r\nconnection: upgrade\r\nupgrade: websocket\r\n")),
        Case("framing.expect_continue_websocket", request("GET /a", "expect: 100-continue\r\nconnection: upgrade\r\nupgrade: websocket\r\n"), on: "websocket")
            .replying(reply("426 Upgrade Required", body: "no")),
        Case("framing.expect_continue_nominated", request("POST /a", "content-length: 5\r\nexpect: 100-continue\r\nconnection: expect\r\n") + "hello"),
        Case(
            "framing.expect_continue_proxied",
            steps: [
                .send(request("POST /a", "content-length: 5\r\nexpect: 100-continue\r\n")), .awaitText("100 "),
                .send("hello"),
            ], on: "hundred", methods: ["POST"]
        ).upstream(.steps(.readHead, .send("HTTP/1.1 100 Continue\r\n\r\n"), .readText("hello"), .send(reply("200 OK")))),
        Case(
            "framing.expect_continue_proxied_refused",
            request("POST /a", "content-length: 5\r\nexpect: 100-continue\r\n"), on: "hundred"
        ).upstream(.steps(.readHead, .send(reply("417 Expectation Failed", body: "")))),
        Case("framing.leading_crlf", "\r\n" + request("GET /a")),
        Case("framing.leading_two_crlf", "\r\n\r\n" + request("GET /a")),
        Case("framing.crlf_between_requests", request("GET /1") + "\r\n" + request("GET /2"), methods: ["GET", "GET"]),
        Case("framing.client_half_closes", steps: [.send(request("GET /a")), .pause(ms: 60), .shutdownWrite])
            .upstream(.steps(.readRequest, .delay(ms: 200), .send(reply("200 OK")))),
        Case("framing.client_half_closes_in_body", steps: [.send(request("POST /a", "content-length: 5\r\n") + "he"), .pause(ms: 60), .shutdownWrite])
            .with { $0.resetIsClose = true },
        Case("framing.client_leaves_in_head", steps: [.send("GET /a HTTP/1.1\r\nho"), .pause(ms: 30), .close]),
        Case("framing.client_leaves_before_response", steps: [.send(request("GET /a")), .pause(ms: 80), .close])
            .upstream(.steps(.readRequest, .delay(ms: 200), .send(reply("200 OK"))))
            .with { $0.resetIsClose = true },
        Case("framing.custom_method_allowed", request("BREW /a"), on: "custom_methods"),
        Case("framing.known_methods", request("PATCH /a") + request("DELETE /a") + request("TRACE /a") + request("PROPFIND /a"), methods: many("GET ", 4).split(separator: " ").map(String.init)),
        Case("framing.max_requests_per_connection", request("GET /1") + request("GET /2") + request("GET /3"), on: "two_requests", methods: ["GET", "GET"])
            .with { $0.resetIsClose = true },
    ]

    private static let framingResponses: [Case] = [
        Case("framing.response_length", request("GET /a")).replying(reply("200 OK", body: "hello")),
        Case("framing.response_length_zero", request("GET /a")).replying(reply("200 OK", body: "")),
        Case("framing.response_chunked", request("GET /a"))
            .replying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        Case("framing.response_chunked_in_pieces", request("GET /a")).upstream(
            .steps(
                .readRequest, .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), .delay(ms: 20), .send("5\r\nhe"),
                .delay(ms: 20), .send("llo\r\n"), .delay(ms: 20), .send("0\r\n\r\n"))),
        Case("framing.response_chunked_trailers_off", request("GET /a"))
            .replying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"),
        Case("framing.response_chunked_trailers_on", request("GET /a", "te: trailers\r\n"), on: "trailers")
            .replying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"),
        Case("framing.response_until_close", request("GET /a"))
            .upstream(.steps(.readRequest, .send("HTTP/1.1 200 OK\r\n\r\nhello"), .close)),
        Case("framing.response_until_close_empty", request("GET /a"))
            .upstream(.steps(.readRequest, .send("HTTP/1.1 200 OK\r\n\r\n"), .close)),
        Case("framing.response_connection_close", request("GET /a"))
            .upstream(.steps(.readRequest, .send(reply("200 OK", "connection: close\r\n")), .close)),
        Case("framing.response_connection_close_left_open", request("GET /a"))
            .replying(reply("200 OK", "connection: close\r\n")),
        Case("framing.response_connection_header_named", request("GET /a"))
            .replying(reply("200 OK", "connection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=4\r\n")),
        Case("framing.response_proxy_connection", request("GET /a")).replying(reply("200 OK", "proxy-connection: keep-alive\r\n")),
        Case("framing.response_http10_length", request("GET /a"))
            .upstream(.steps(.readRequest, .send("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"))),
        Case("framing.response_http10_until_close", request("GET /a"))
            .upstream(.steps(.readRequest, .send("HTTP/1.0 200 OK\r\n\r\nhello"), .close)),
        Case("framing.response_http10_keep_alive", request("GET /1") + request("GET /2"), methods: ["GET", "GET"])
            .replying("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"),
        Case("framing.response_http10_keep_alive_and_close", request("GET /1") + request("GET /2"), methods: ["GET", "GET"])
            .replying("HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\ncontent-length: 2\r\n\r\nok"),
        Case("framing.response_http10_chunked", request("GET /a"))
            .replying("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        Case("framing.response_http12", request("GET /1") + request("GET /2"), methods: ["GET", "GET"])
            .replying("HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        Case("framing.response_http12_keep_alive", request("GET /1") + request("GET /2"), methods: ["GET", "GET"])
            .replying("HTTP/1.2 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"),
        Case("framing.response_http12_until_close", request("GET /1"))
            .upstream(.steps(.readRequest, .send("HTTP/1.2 200 OK\r\n\r\nok"), .close)),
        Case("framing.response_http12_chunked", request("GET /1"))
            .replying("HTTP/1.2 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        Case("framing.response_http20", request("GET /a")).replying("HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        Case("framing.response_http09", request("GET /a")).replying("HTTP/0.9 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        Case("framing.response_close_and_keep_alive", request("GET /1") + request("GET /2"), methods: ["GET", "GET"])
            .replying(reply("200 OK", "connection: close, keep-alive\r\n")),
        Case("framing.response_204", request("GET /a")).replying("HTTP/1.1 204 No Content\r\n\r\n"),
        Case("framing.response_204_with_length_zero", request("GET /a"))
            .replying("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"),
        Case("framing.response_204_with_length", request("GET /a")).upstream(
            .steps(.readRequest, .send("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok"))),
        Case("framing.response_304_with_length", request("GET /a"))
            .replying("HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\netag: \"x\"\r\n\r\n"),
        Case("framing.response_205", request("GET /a")).replying("HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
        Case("framing.head_response_chunked", request("HEAD /a"))
            .replying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        Case("framing.head_response_without_length", request("HEAD /a")).replying("HTTP/1.1 200 OK\r\n\r\n"),
        Case("framing.head_response_with_body", request("HEAD /a")).upstream(.steps(.readRequest, .send(reply("200 OK")))),
        Case("framing.head_then_get", request("HEAD /1") + request("GET /2"), methods: ["HEAD", "GET"])
            .upstream(.steps(
                .readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"), .readRequest, .send(reply("200 OK")))),
        Case("framing.response_103", request("GET /a")).replying(
            "HTTP/1.1 103 Early Hints\r\nlink: </s.css>\r\n\r\n" + reply("200 OK")),
        Case("framing.response_102_twice", request("GET /a")).replying(
            many("HTTP/1.1 102 Processing\r\n\r\n", 2) + reply("200 OK")),
        Case("framing.response_100_unasked", request("GET /a")).replying("HTTP/1.1 100 Continue\r\n\r\n" + reply("200 OK")),
        Case("framing.response_no_colon", request("GET /a")).replying("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"),
        Case("framing.response_other_reason", request("GET /a")).replying(reply("200 Fine By Me")),
        Case("framing.response_no_reason", request("GET /a")).replying("HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok"),
        Case("framing.response_status_299", request("GET /a")).replying(reply("299 Strange")),
        Case("framing.response_status_999", request("GET /a")).replying(reply("999 Stranger")),
        Case("framing.response_header_case", request("GET /a")).replying(reply("200 OK", "X-MiXeD: V\r\nServer: theirs\r\nDate: theirs\r\n")),
        Case("framing.proper_case", request("GET /a", "x-some-thing: 1\r\n"), on: "proper_case"),
        Case("framing.response_large", request("GET /a")).replying(reply("200 OK", body: many("0123456789abcdef", 16_384))),
        Case("framing.request_large", request("POST /a", "content-length: 262144\r\n") + many("0123456789abcdef", 16_384)),
        Case("framing.response_pipelined_by_upstream", request("GET /a"))
            .upstream(.steps(.readRequest, .send(reply("200 OK") + reply("201 Created")))),
    ]

    private static let framingUpgrades: [Case] = [
        Case(
            "framing.websocket",
            steps: [
                .send(request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: a2V5\r\n")),
                .awaitText("101 "), .send("ping-1"), .awaitText("pong-1"), .send("ping-2"), .awaitText("pong-2"),
            ], on: "websocket"
        ).upstream(.steps(
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n"),
            .readText("ping-1"), .send("pong-1"), .readText("ping-2"), .send("pong-2"), .close)),
        Case(
            "framing.websocket_client_closes",
            steps: [
                .send(request("GET /chat", "connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n")),
                .awaitText("101 "), .send("bye"), .pause(ms: 50), .close,
            ], on: "websocket"
        ).upstream(.steps(
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"))),
        Case(
            "framing.websocket_refused_by_upstream", request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\n"),
            on: "websocket"
        ).replying(reply("426 Upgrade Required", body: "no")),
        Case(
            "framing.websocket_refused_with_other_protocols", request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\n"),
            on: "websocket"
        ).replying(reply("426 Upgrade Required", "upgrade: foo/2, bar\r\nconnection: Upgrade\r\n", body: "no")),
        Case(
            "framing.websocket_refused_with_other_protocols_in_chunks", request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\n"),
            on: "websocket"
        ).replying("HTTP/1.1 403 No\r\nconnection: keep-alive, upgrade\r\nupgrade: foo\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
        Case(
            "framing.websocket_refused_with_h2c", request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\n"), on: "websocket"
        ).replying(reply("426 Upgrade Required", "upgrade: h2c\r\nconnection: Upgrade\r\n", body: "no")),
        Case(
            "framing.upgrade_offered_unasked", request("GET /chat"), on: "websocket"
        ).replying(reply("426 Upgrade Required", "upgrade: foo\r\nconnection: Upgrade\r\n", body: "no")),
        Case(
            "framing.websocket_early_bytes",
            steps: [.send(request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\n") + "early"), .awaitText("seen")],
            on: "websocket"
        ).upstream(.steps(
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"),
            .readText("early"), .send("seen"), .close)),
        Case(
            "framing.websocket_with_length", request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n") + "hi",
            on: "websocket").with { $0.answerLimitMs = 300 },
        Case(
            "framing.websocket_with_chunks",
            request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\ntransfer-encoding: chunked\r\n") + "2\r\nhi\r\n0\r\n\r\n",
            on: "websocket"
        ).upstream(.steps(
            .readHead, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"),
            .readText("0\r\n\r\n"), .send("seen"), .close)),
        Case("framing.upgrade_not_enabled", request("GET /chat", "connection: Upgrade\r\nupgrade: websocket\r\n")),
        Case("framing.upgrade_other", request("GET /a", "connection: Upgrade\r\nupgrade: foo\r\n"), on: "websocket"),
        Case("framing.upgrade_empty", request("GET /a", "connection: Upgrade\r\nupgrade:\r\n"), on: "websocket"),
        Case("framing.upgrade_empty_not_enabled", request("GET /a", "connection: Upgrade\r\nupgrade:\r\n")),
        Case("framing.upgrade_comma", request("GET /a", "connection: Upgrade\r\nupgrade: ,\r\n"), on: "websocket"),
        Case("framing.upgrade_empty_without_connection", request("GET /a", "upgrade:\r\n"), on: "websocket"),
        Case("framing.upgrade_empty_with_length", request("POST /a", "connection: Upgrade\r\nupgrade:\r\ncontent-length: 2\r\n") + "hi", on: "websocket")
            .with { $0.resetIsClose = true },
        Case("framing.upgrade_empty_with_chunks", request("POST /a", "connection: Upgrade\r\nupgrade:\r\ntransfer-encoding: chunked\r\n") + "2\r\nhi\r\n0\r\n\r\n", on: "websocket")
            .with { $0.resetIsClose = true },
        Case("framing.upgrade_h2c_and_websocket", request("GET /a", "connection: Upgrade\r\nupgrade: h2c, websocket\r\n"), on: "websocket"),
        Case("framing.upgrade_two_lines", request("GET /a", "connection: Upgrade\r\nupgrade: h2c\r\nupgrade: websocket\r\n"), on: "websocket"),
        Case("framing.upgrade_connection_in_two_lines", request("GET /a", "connection: keep-alive\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"), on: "websocket")
            .replying(reply("426 Upgrade Required", body: "no")),
        Case("framing.upgrade_h2c_twice", request("GET /a", "connection: Upgrade\r\nupgrade: h2c, h2c\r\n"), on: "websocket"),
        Case("framing.http10_upgrade", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n", on: "http10"),
        Case("framing.http10_upgrade_enabled", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n", on: "http10_websocket"),
        Case("framing.http10_no_upgrade", "GET /a HTTP/1.0\r\nhost: h.test\r\n\r\n", on: "http10_websocket"),
        Case("framing.http10_upgrade_without_connection", "GET /a HTTP/1.0\r\nhost: h.test\r\nupgrade: websocket\r\n\r\n", on: "http10"),
        Case("framing.upgrade_h2c", request("GET /a", "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n")),
        Case("framing.upgrade_without_connection", request("GET /a", "upgrade: websocket\r\n"), on: "websocket"),
        Case("framing.connection_upgrade_without_upgrade", request("GET /a", "connection: upgrade\r\n"), on: "websocket"),
        Case("framing.upstream_101_unasked", request("GET /a"))
            .upstream(.steps(.readRequest, .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")))
            .with { $0.answerLimitMs = 300 },
        Case("framing.connect_not_routed", "CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\n\r\n"),
        Case(
            "framing.connect_terminated",
            steps: [
                .send("CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\n\r\n"), .awaitText("200 "), .send("ping"),
                .awaitText("pong"),
            ], on: "connect"
        ).upstream(.steps(.readText("ping"), .send("pong"), .close)),
        Case(
            "framing.connect_terminated_early_bytes",
            steps: [.send("CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\n\r\nping"), .awaitText("pong")], on: "connect"
        ).upstream(.steps(.readText("ping"), .send("pong"), .close)),
        Case(
            "framing.connect_terminated_client_leaves",
            steps: [
                .send("CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\n\r\n"), .awaitText("200 "), .send("ping"),
                .awaitText("pong"), .close,
            ], on: "connect"
        ).upstream(.steps(.readText("ping"), .send("pong"), .readText("never"))),
        Case(
            "framing.connect_terminated_refused", "CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\nx-refused: 1\r\n\r\n",
            on: "connect_passed"),
        Case(
            "framing.connect_terminated_after_request",
            steps: [
                .send(request("GET /a")), .awaitResponse, .send("CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\n\r\n"),
                .awaitText("pong"),
            ], on: "connect", methods: ["GET", "CONNECT"]
        ).upstream(UpstreamScript([[.readRequest, .send(reply("200 OK"))], [.send("pong"), .close]])),
        Case(
            "framing.connect_passed_on",
            steps: [
                .send("CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\n\r\n"), .awaitText("200 "), .send("ping"),
                .awaitText("pong"),
            ], on: "connect_passed"
        ).upstream(.steps(.readHead, .send("HTTP/1.1 200 Connected\r\n\r\n"), .readText("ping"), .send("pong"), .close)),
        Case(
            "framing.connect_passed_on_and_refused", "CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\n\r\n",
            on: "connect_passed"
        ).upstream(.steps(.readHead, .send(reply("403 Forbidden", body: "no")))),
        Case(
            "framing.connect_off", "CONNECT h.test:443 HTTP/1.1\r\nhost: h.test:443\r\nx-off: 1\r\n\r\n", on: "connect_passed"),
        Case("framing.connect_with_path", "CONNECT /path HTTP/1.1\r\nhost: h.test\r\n\r\n", on: "connect"),
        Case("framing.connect_without_port", "CONNECT h.test HTTP/1.1\r\nhost: h.test\r\n\r\n", on: "connect")
            .upstream(.steps(.readText("never"))),
    ]

    /// POST that ends here: its content is what a TCP connection carries.
    private static let framingTunnels: [Case] = [
        Case("framing.tunnel_post_length", request("POST /a", "content-length: 4\r\n") + "ping", on: "post")
            .upstream(.steps(.readText("ping"), .send("pong"), .close)),
        Case("framing.tunnel_post_empty", request("POST /a", "content-length: 0\r\n"), on: "post")
            .upstream(.steps(.send("pong"), .close)),
        Case(
            "framing.tunnel_post_chunked",
            steps: [
                .send(request("POST /a", "transfer-encoding: chunked\r\n")), .awaitText("200 "), .send("4\r\nping\r\n"),
                .awaitText("pong"), .send("4\r\nmore\r\n0\r\n\r\n"),
            ], on: "post"
        ).upstream(.steps(.readText("ping"), .send("pong"), .readText("more"), .send("end"), .close)),
        Case(
            "framing.tunnel_post_answered_early",
            steps: [
                .send(request("POST /a", "transfer-encoding: chunked\r\n") + "4\r\nping\r\n"), .awaitText("pong"),
            ], on: "post"
        ).upstream(.steps(.readText("ping"), .send("pong"), .close)),
        Case(
            "framing.tunnel_post_reset",
            steps: [
                .send(request("POST /a", "transfer-encoding: chunked\r\n") + "4\r\nping\r\n"), .awaitText("pong"),
            ], on: "post"
        ).upstream(.steps(.readText("ping"), .send("pong"), .delay(ms: 50), .reset)),
        Case(
            "framing.tunnel_post_client_leaves",
            steps: [
                .send(request("POST /a", "transfer-encoding: chunked\r\n") + "4\r\nping\r\n"), .awaitText("pong"), .close,
            ], on: "post"
        ).upstream(.steps(.readText("ping"), .send("pong"), .readText("never"))),
        Case("framing.tunnel_post_refused", request("POST /refused", "content-length: 4\r\n") + "ping", on: "post"),
        Case(
            "framing.tunnel_post_twice",
            steps: [
                .send(request("POST /a", "content-length: 4\r\n") + "ping"), .awaitText("0\r\n\r\n"),
                .send(request("POST /b", "content-length: 4\r\n") + "ping"),
            ], on: "post", methods: ["POST", "POST"]
        ).upstream(.steps(.readText("ping"), .send("pong"), .close)),
        Case("framing.tunnel_put_is_passed_on", request("PUT /a", "content-length: 4\r\n") + "ping", on: "post"),
    ]

    private static let framingOldVersions: [Case] = [
        Case("framing.http10_refused", "GET /a HTTP/1.0\r\nhost: h.test\r\n\r\n"),
        Case("framing.http10", "GET /a HTTP/1.0\r\nhost: h.test\r\n\r\n", on: "http10"),
        Case("framing.http10_no_host", "GET /a HTTP/1.0\r\n\r\n", on: "http10"),
        Case("framing.http10_no_host_no_default", "GET /a HTTP/1.0\r\n\r\n", on: "http10_nohost"),
        Case("framing.http10_keep_alive", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: keep-alive\r\n\r\n", on: "http10"),
        Case("framing.http10_keep_alive_and_close", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: keep-alive, close\r\n\r\n", on: "http10"),
        Case("framing.http10_close_and_keep_alive", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: close, keep-alive\r\n\r\n", on: "http10"),
        Case("framing.http10_keep_alive_in_two_lines", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: x\r\nconnection: keep-alive\r\n\r\n", on: "http10"),
        Case("framing.http10_proxy_keep_alive", "GET /a HTTP/1.0\r\nhost: h.test\r\nproxy-connection: keep-alive\r\n\r\n", on: "http10"),
        Case("framing.http10_keep_alive_proxy_close", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: keep-alive\r\nproxy-connection: close\r\n\r\n", on: "http10"),
        Case("framing.http10_absolute_form", "GET http://other.test/p HTTP/1.0\r\n\r\n", on: "http10_nohost"),
        Case("framing.http10_host_nominated", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: host\r\n\r\n", on: "http10"),
        Case("framing.connection_names_forwarded_for_no_host", "GET /a HTTP/1.1\r\nconnection: x-forwarded-for\r\n\r\n"),
        Case("framing.expect_continue_connection_refused", request("POST /a", "content-length: 5\r\nexpect: 100-continue\r\nconnection: x-forwarded-for\r\n"))
            .with { $0.resetIsClose = true },
        Case("framing.http10_te", "GET /a HTTP/1.0\r\nhost: h.test\r\nte: trailers\r\n\r\n", on: "http10"),
        Case("framing.http10_connect", "CONNECT h.test:443 HTTP/1.0\r\nhost: h.test:443\r\n\r\n", on: "http10"),
        Case("framing.http10_missing_host_keep_alive", "GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", on: "http10_nohost"),
        Case("framing.http10_response_chunked", "GET /a HTTP/1.0\r\nhost: h.test\r\n\r\n", on: "http10")
            .replying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        Case("framing.http10_keep_alive_response_chunked", "GET /a HTTP/1.0\r\nhost: h.test\r\nconnection: keep-alive\r\n\r\n", on: "http10")
            .replying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        Case("framing.http10_post", "POST /a HTTP/1.0\r\nhost: h.test\r\ncontent-length: 2\r\n\r\nhi", on: "http10"),
        Case("framing.http10_chunked_request", "POST /a HTTP/1.0\r\nhost: h.test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", on: "http10"),
        Case("framing.http10_expect", "POST /a HTTP/1.0\r\nhost: h.test\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi", on: "http10"),
        Case("framing.http10_no_colon", "POST /a HTTP/1.0\r\nhost: h.test\r\nnonsense\r\n\r\n", on: "http10"),
        Case("framing.http09", "GET /a\r\n\r\n", on: "http10"),
        Case("framing.http11_on_http10_listener", request("GET /a"), on: "http10"),
        Case("framing.http12", "GET /a HTTP/1.2\r\nhost: h.test\r\n\r\n"),
        Case("framing.http20_version", "GET /a HTTP/2.0\r\nhost: h.test\r\n\r\n"),
        Case("framing.http30_version", "GET /a HTTP/3.7\r\nhost: h.test\r\n\r\n"),
        Case("framing.missing_host", "GET /a HTTP/1.1\r\n\r\n"),
        Case("framing.missing_host_grpc", "POST /a HTTP/1.1\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n"),
        Case("framing.fragment_grpc", request("POST /a#b", "content-type: application/grpc+proto\r\ncontent-length: 0\r\n")),
        Case("framing.asterisk_grpc", request("OPTIONS *", "content-type: application/grpc\r\ncontent-length: 0\r\n")),
        Case("framing.empty_host", "GET /a HTTP/1.1\r\nhost:\r\n\r\n"),
        Case("framing.garbage", "\u{1}\u{2}garbage\r\n\r\n"),
    ]
}
