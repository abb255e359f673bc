import TestSupport

extension Groups {
    /// Bytes that two parsers could read differently. What is forwarded must be unambiguous; the rest is refused.
    static let smuggling = Group(
        name: "smuggling",
        listeners: [
            .init(name: "main"),
            .init(name: "chunked_length", manager: "http_protocol_options: {allow_chunked_length: true}"),
            .init(
                name: "underscores_rejected",
                manager: "common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}"),
            .init(
                name: "underscores_dropped",
                manager: "common_http_protocol_options: {headers_with_underscores_action: DROP_HEADER}"),
            .init(
                name: "keep_open",
                manager: "stream_error_on_invalid_http_message: true"),
        ],
        clusters: [Group.up],
        cases: smugglingLengths + smugglingChunks + smugglingLines + smugglingTargets + smugglingResponses)

    /// A second request hidden in what may be read as the first one's body.
    private static let hidden = "GET /hidden HTTP/1.1\r\nhost: h.test\r\n\r\n"

    private static func post(_ headers: String, _ body: String) -> String { request("POST /a", headers) + body }

    private static func bad(_ name: String, _ bytes: String, on listener: String = "main", methods: [String]? = nil) -> Case {
        Case("smuggling." + name, bytes, on: listener, methods: methods).with { $0.resetIsClose = true }
    }

    private static let smugglingLengths: [Case] = [
        bad("length_and_chunked", post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n" + hidden)),
        bad("chunked_and_length", post("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n")),
        bad("length_and_chunked_allowed", post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"), on: "chunked_length"),
        bad("length_and_identity", post("content-length: 2\r\ntransfer-encoding: identity\r\n", "hi")),
        bad("length_and_gzip", post("content-length: 2\r\ntransfer-encoding: gzip\r\n", "hi")),
        bad("two_lengths_differ", post("content-length: 2\r\ncontent-length: 3\r\n", "hi!")),
        bad("two_lengths_equal", post("content-length: 2\r\ncontent-length: 2\r\n", "hi")),
        bad("length_list_equal", post("content-length: 2, 2\r\n", "hi")),
        bad("length_list_differs", post("content-length: 2, 3\r\n", "hi!")),
        bad("length_negative", post("content-length: -1\r\n", "hi")),
        bad("length_plus", post("content-length: +2\r\n", "hi")),
        bad("length_hex", post("content-length: 0x2\r\n", "hi")),
        bad("length_empty", post("content-length:\r\n", "hi")),
        bad("length_spaces_inside", post("content-length: 1 2\r\n", "hi")),
        bad("length_leading_zeros", post("content-length: 002\r\n", "hi")),
        bad("length_overflow", post("content-length: 18446744073709551616\r\n", "hi")),
        bad("length_max_u64", post("content-length: 18446744073709551615\r\n", "hi")).with { $0.answerLimitMs = 300 },
        bad("length_trailing_space", post("content-length: 2 \r\n", "hi")),
        bad("length_trailing_tab", post("content-length: 2\t\r\n", "hi")),
        bad("length_not_a_number", post("content-length: two\r\n", "hi")),
        bad("length_decimal_point", post("content-length: 2.0\r\n", "hi")),
        bad("length_space_before_colon", post("content-length : 2\r\n", "hi")),
        bad("chunked_space_before_colon", post("transfer-encoding : chunked\r\n", "0\r\n\r\n")),
        bad("coding_unknown", post("transfer-encoding: xchunked\r\n", "0\r\n\r\n")),
        bad("coding_gzip_chunked", post("transfer-encoding: gzip, chunked\r\n", "2\r\nhi\r\n0\r\n\r\n")),
        bad("coding_chunked_gzip", post("transfer-encoding: chunked, gzip\r\n", "2\r\nhi\r\n0\r\n\r\n")),
        bad("coding_chunked_twice", post("transfer-encoding: chunked, chunked\r\n", "0\r\n\r\n")),
        bad("coding_two_lines", post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")),
        bad("coding_two_lines_identity", post("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n")),
        bad("coding_identity", post("transfer-encoding: identity\r\n", "")),
        bad("coding_empty", post("transfer-encoding:\r\n", "")),
        bad("coding_tab_before", post("transfer-encoding:\tchunked\r\n", "0\r\n\r\n")),
        bad("coding_vertical_tab", post("transfer-encoding: \u{b}chunked\r\n", "0\r\n\r\n")),
        bad("coding_trailing_comma", post("transfer-encoding: chunked,\r\n", "0\r\n\r\n")),
        bad("coding_quoted", post("transfer-encoding: \"chunked\"\r\n", "0\r\n\r\n")),
        bad("coding_with_parameter", post("transfer-encoding: chunked;q=1\r\n", "0\r\n\r\n")),
        bad("coding_on_get", request("GET /a", "transfer-encoding: chunked\r\n") + "2\r\nhi\r\n0\r\n\r\n"),
        bad("coding_in_connection", post("connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")),
        bad("length_in_connection", post("connection: content-length\r\ncontent-length: 2\r\n", "hi")),
        bad("host_in_connection", request("GET /a", "connection: host\r\n")),
        bad("length_on_get_hides_request", request("GET /a", "content-length: \(hidden.unicodeScalars.count)\r\n") + hidden),
    ]

    private static func chunks(_ name: String, _ body: String, methods: [String]? = nil) -> Case {
        bad("chunk_" + name, post("transfer-encoding: chunked\r\n", body), methods: methods).with { $0.answerLimitMs = 600 }
    }

    private static let smugglingChunks: [Case] = [
        chunks("extension", "2;a=b\r\nhi\r\n0\r\n\r\n"),
        chunks("extension_quoted", "2;a=\"b;c\"\r\nhi\r\n0\r\n\r\n"),
        chunks("extension_bare_lf", "2;a\nhi\r\n0\r\n\r\n"),
        chunks("extension_bare_cr", "2;a\rb\r\nhi\r\n0\r\n\r\n"),
        chunks("extension_nul", "2;\u{0}\r\nhi\r\n0\r\n\r\n"),
        chunks("extension_long", "2;\(many("x", 20_000))\r\nhi\r\n0\r\n\r\n"),
        chunks("extension_on_last", "2\r\nhi\r\n0;x=1\r\n\r\n"),
        chunks("space_before_size", " 2\r\nhi\r\n0\r\n\r\n"),
        chunks("space_after_size", "2 \r\nhi\r\n0\r\n\r\n"),
        chunks("tab_after_size", "2\t\r\nhi\r\n0\r\n\r\n"),
        chunks("size_plus", "+2\r\nhi\r\n0\r\n\r\n"),
        chunks("size_negative", "-2\r\nhi\r\n0\r\n\r\n"),
        chunks("size_0x", "0x2\r\nhi\r\n0\r\n\r\n"),
        chunks("size_empty", "\r\nhi\r\n0\r\n\r\n"),
        chunks("size_leading_zeros", "0000000002\r\nhi\r\n0\r\n\r\n"),
        chunks("size_many_zeros", "\(many("0", 200))2\r\nhi\r\n0\r\n\r\n"),
        chunks("size_overflow", "10000000000000002\r\nhi\r\n0\r\n\r\n"),
        chunks("size_max", "ffffffffffffffff\r\nhi\r\n"),
        chunks("size_not_hex", "g\r\nhi\r\n0\r\n\r\n"),
        chunks("size_upper_hex", "A\r\n0123456789\r\n0\r\n\r\n"),
        chunks("size_underscore", "1_0\r\nhi\r\n0\r\n\r\n"),
        chunks("lf_only_after_size", "2\nhi\r\n0\r\n\r\n"),
        chunks("cr_only_after_size", "2\rhi\r\n0\r\n\r\n"),
        chunks("lf_only_after_data", "2\r\nhi\n0\r\n\r\n"),
        chunks("no_end_after_data", "2\r\nhi0\r\n\r\n"),
        chunks("data_too_long", "2\r\nhiho\r\n0\r\n\r\n"),
        chunks("lf_only_at_end", "2\r\nhi\r\n0\n\n"),
        chunks("zero_zero", "2\r\nhi\r\n00\r\n\r\n"),
        chunks("trailer_space_before_colon", "2\r\nhi\r\n0\r\nx : 1\r\n\r\n"),
        chunks("trailer_content_length", "2\r\nhi\r\n0\r\ncontent-length: 9\r\n\r\n"),
        chunks("trailer_no_colon", "2\r\nhi\r\n0\r\nnonsense\r\n\r\n"),
        chunks("trailer_fold", "2\r\nhi\r\n0\r\nx: 1\r\n y\r\n\r\n"),
        chunks("then_request", "2\r\nhi\r\n0\r\n\r\n" + hidden, methods: ["POST", "GET"]),
    ]

    private static func head(_ name: String, _ lines: String) -> Case {
        bad(name, "GET /a HTTP/1.1\r\nhost: h.test\r\n\(lines)\r\n").with { $0.answerLimitMs = 600 }
    }

    private static let smugglingLines: [Case] = [
        head("fold_space", "x-a: 1\r\n 2\r\n"),
        head("fold_tab", "x-a: 1\r\n\t2\r\n"),
        head("fold_first_header", "") .with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\n host: h.test\r\n\r\n")] },
        head("fold_coding", "transfer-encoding:\r\n chunked\r\n"),
        head("bare_lf_header", "x-a: 1\nx-b: 2\r\n"),
        head("bare_lf_everywhere", "").with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\nhost: h.test\n\n")] },
        head("bare_lf_end_of_head", "").with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\nhost: h.test\r\n\n")] },
        head("bare_cr_in_value", "x-a: 1\rx-b: 2\r\n"),
        head("bare_cr_end", "x-a: 1\r\rx-b: 2\r\n"),
        head("cr_cr_lf", "x-a: 1\r\r\n"),
        head("nul_in_value", "x-a: 1\u{0}2\r\n"),
        head("nul_in_name", "x\u{0}a: 1\r\n"),
        head("control_in_value", "x-a: 1\u{1}2\r\n"),
        head("delete_in_value", "x-a: 1\u{7f}2\r\n"),
        head("tab_in_value", "x-a: 1\t2\r\n"),
        head("high_bytes_in_value", "x-a: \u{80}\u{e4}\u{ff}\r\n"),
        head("high_byte_in_name", "x-\u{e4}: 1\r\n"),
        head("utf8_in_value", "x-a: \u{c3}\u{a4}\r\n"),
        head("space_before_colon", "x-a : 1\r\n"),
        head("tab_before_colon", "x-a\t: 1\r\n"),
        head("space_in_name", "x a: 1\r\n"),
        head("empty_name", ": 1\r\n"),
        head("no_colon", "nonsense\r\n"),
        head("name_parenthesis", "x(a): 1\r\n"),
        head("name_slash", "x/a: 1\r\n"),
        head("name_quote", "x\"a: 1\r\n"),
        head("name_token_characters", "x!#$%&'*+-.^_`|~1: 1\r\n"),
        head("pseudo_header", ":path: /other\r\n"),
        head("empty_value", "x-a:\r\n"),
        head("spaces_around_value", "x-a:  \t1 2  \t\r\n"),
        head("no_space_after_colon", "x-a:1\r\n"),
        head("repeated_header", "x-a: 1\r\nx-b: 2\r\nx-a: 3\r\n"),
        head("two_hosts", "host: other.test\r\n"),
        head("two_hosts_equal", "host: h.test\r\n"),
        head("underscore_kept", "x_a: 1\r\n"),
        head("underscore_rejected", "x_a: 1\r\n").with { $0.listener = "underscores_rejected" },
        head("underscore_dropped", "x_a: 1\r\nx-b: 2\r\n").with { $0.listener = "underscores_dropped" },
        head("space_then_request_line", "").with { $0.clients[0].steps = [.send(" GET /a HTTP/1.1\r\nhost: h.test\r\n\r\n")] },
        head("leading_lf", "").with { $0.clients[0].steps = [.send("\n" + hidden)] },
        head("leading_cr", "").with { $0.clients[0].steps = [.send("\r" + hidden)] },
        head("leading_nul", "").with { $0.clients[0].steps = [.send("\u{0}" + hidden)] },
        head("error_keeps_connection", "nonsense\r\n").with { $0.listener = "keep_open" },
        head("no_host_keeps_connection", "").with {
            $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\n\r\n" + hidden)]
            $0.clients[0].methods = ["GET", "GET"]
            $0.listener = "keep_open"
        },
        head("host_with_comma", "").with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\nhost: a.test, b.test\r\n\r\n")] },
        head("host_with_path", "").with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\nhost: a.test/x\r\n\r\n")] },
        head("host_with_user", "").with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\nhost: u:p@a.test\r\n\r\n")] },
        head("host_with_space", "").with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\nhost: a b\r\n\r\n")] },
        head("host_ipv6", "").with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\nhost: [::1]:80\r\n\r\n")] },
        head("host_bad_port", "").with { $0.clients[0].steps = [.send("GET /a HTTP/1.1\r\nhost: a.test:99999\r\n\r\n")] },
    ]

    private static func line(_ name: String, _ line: String) -> Case {
        bad(name, line + "\r\nhost: h.test\r\n\r\n", methods: ["GET"]).with { $0.answerLimitMs = 600 }
    }

    private static let smugglingTargets: [Case] = [
        line("target_space", "GET /a b HTTP/1.1"),
        line("target_two_spaces_before", "GET  /a HTTP/1.1"),
        line("target_two_spaces_after", "GET /a  HTTP/1.1"),
        line("target_tab_separator", "GET\t/a\tHTTP/1.1"),
        line("target_nul", "GET /a\u{0}b HTTP/1.1"),
        line("target_control", "GET /a\u{1}b HTTP/1.1"),
        line("target_delete", "GET /a\u{7f}b HTTP/1.1"),
        line("target_bare_cr", "GET /a\rb HTTP/1.1"),
        line("target_bare_lf", "GET /a\nb HTTP/1.1"),
        line("target_high_byte", "GET /\u{e4} HTTP/1.1"),
        line("target_fragment", "GET /a#frag HTTP/1.1"),
        line("target_fragment_in_query", "GET /a?x#frag HTTP/1.1"),
        line("target_quote", "GET /a\"b HTTP/1.1"),
        line("target_angle", "GET /<a> HTTP/1.1"),
        line("target_backslash", "GET /a\\b HTTP/1.1"),
        line("target_braces", "GET /{a}|^` HTTP/1.1"),
        line("target_no_slash", "GET a HTTP/1.1"), line("target_star", "GET * HTTP/1.1"), line("target_star_and_more", "GET *a HTTP/1.1"),
        line("target_empty", "GET  HTTP/1.1"),
        line("target_dots", "GET /a/../b HTTP/1.1"),
        line("target_percent_bad", "GET /%zz HTTP/1.1"),
        line("target_double_slash", "GET //a HTTP/1.1"),
        line("target_absolute_mismatch", "GET http://other.test/a HTTP/1.1"),
        line("target_absolute_user", "GET http://u:p@other.test/a HTTP/1.1"),
        line("target_absolute_scheme", "GET ftp://other.test/a HTTP/1.1"),
        line("target_absolute_upper_scheme", "GET HTTP://other.test/a HTTP/1.1"),
        line("target_absolute_no_authority", "GET http:///a HTTP/1.1"),
        line("target_authority_form", "GET other.test:80 HTTP/1.1"),
        line("method_lower", "get /a HTTP/1.1"),
        line("method_unknown", "BREW /a HTTP/1.1"),
        line("method_bad_character", "GE(T /a HTTP/1.1"),
        line("method_empty", " /a HTTP/1.1"),
        line("version_lower", "GET /a http/1.1"),
        line("version_missing_minor", "GET /a HTTP/1"),
        line("version_two_digits", "GET /a HTTP/1.10"),
        line("version_leading_zero", "GET /a HTTP/01.1"),
        line("version_trailing_space", "GET /a HTTP/1.1 "),
        line("version_other_protocol", "GET /a ICE/1.0"),
        line("http2_preface", "PRI * HTTP/2.0"),
    ]

    private static func answer(_ name: String, _ bytes: String) -> Case {
        Case("smuggling.response_" + name, request("GET /a")).upstream(.steps(.readRequest, .send(bytes)))
            .with { $0.resetIsClose = true; $0.answerLimitMs = 600 }
    }

    private static let smugglingResponses: [Case] = [
        answer("length_and_chunked", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        answer("two_lengths_differ", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!"),
        answer("two_lengths_equal", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi"),
        answer("length_bad", "HTTP/1.1 200 OK\r\ncontent-length: 2x\r\n\r\nhi"),
        answer("coding_unknown", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhi"),
        answer("coding_identity", "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 2\r\n\r\nhi"),
        answer("fold", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\r\n 2\r\n\r\nhi"),
        answer("bare_lf", "HTTP/1.1 200 OK\ncontent-length: 2\n\nhi"),
        answer("bare_cr_in_value", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\r2\r\n\r\nhi"),
        answer("nul_in_value", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\u{0}2\r\n\r\nhi"),
        answer("space_before_colon", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a : 1\r\n\r\nhi"),
        answer("no_colon", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nnonsense\r\n\r\nhi"),
        answer("high_bytes", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: \u{80}\u{ff}\r\n\r\nhi"),
        answer("version_bad", "HTTP/9.9 200 OK\r\ncontent-length: 2\r\n\r\nhi"),
        answer("status_two_digits", "HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nhi"),
        answer("status_four_digits", "HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nhi"),
        answer("status_word", "HTTP/1.1 abc OK\r\ncontent-length: 2\r\n\r\nhi"),
        answer("leading_crlf", "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"),
        answer("chunk_bad_size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n"),
        answer("chunk_extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=1\r\nhi\r\n0\r\n\r\n"),
    ]
}
