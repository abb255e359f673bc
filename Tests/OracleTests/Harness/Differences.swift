/// Where Martlet means to differ from Envoy. Every entry stands in `docs/differences.md` (`DifferencesTests`).
enum Differences {
    struct Entry: Sendable {
        let test: String
        let reason: String
        /// Martlet's outcome is that of Envoy for this other case of the same group and listener.
        var like: String?
        /// What Martlet does otherwise, by aspect. Aspects in neither place must be as Envoy's.
        var martlet: Outcome = [:]
        /// Aspects that are not compared: they depend on when the fault is found.
        var unchecked: Set<Aspect> = []
    }

    static let all: [Entry] =
        refusedHeads + refusedChunks + refusedResponses + removedParts + redirectsNotFollowed + connections + saidWithGOAWAY + http2 + tls + refusedUpgrades + hedgedBytes + refusedRewrites + interim + others

    static func applied(to envoy: [String: Outcome], siblings: [String: Outcome]) -> [String: Outcome] {
        var result = envoy
        for entry in all where envoy[entry.test] != nil {
            if let like = entry.like { result[entry.test] = envoy[like] ?? siblings[like] }
            for (aspect, lines) in entry.martlet { result[entry.test]?[aspect] = lines }
            for aspect in entry.unchecked { result[entry.test]?[aspect] = nil }
        }
        return result
    }

    // MARK: heads that Envoy accepts and that two parsers could read differently

    private static func refused(_ test: String, _ reason: String) -> Entry {
        Entry(test: "smuggling." + test, reason: reason, like: "smuggling.no_colon")
    }

    private static func refusedHost(_ test: String, _ reason: String) -> Entry {
        Entry(test: "smuggling." + test, reason: reason, like: "smuggling.host_with_comma")
    }

    private static let port = "RFC 3986 §3.2.3: a port is a number, in five digits at most; one parser stops where another goes on"
    private static let noHost = "RFC 9110 §4.2.1: a port without a host names nobody"
    private static let zone = "RFC 6874 §1: a zone means something on its sender's machine only, and never leaves it"
    private static let literal = "RFC 3986 §3.2.2: an IPv6 address stands in brackets; one parser takes its last part for a port"
    private static let besideTarget =
        "RFC 9112 §3.2: an invalid Host is refused with 400, beside an absolute target too: the next hop may go by it; Envoy does not look at it"

    private static let bareLF = "RFC 9112 §2.2: a line ends with CRLF; a bare LF that one parser takes for an end is data to another"
    private static let bareCR = "RFC 9112 §2.2: a bare CR is invalid or becomes a space; Envoy removes it, which joins two words"
    private static let folding = "RFC 9112 §5.2: obsolete line folding is refused with 400"
    private static let requestLine = "RFC 9112 §3: single spaces separate the request line's three parts"

    private static let refusedHeads: [Entry] = [
        refused("fold_space", folding), refused("fold_tab", folding), refused("fold_coding", folding),
        refused("bare_lf_header", bareLF), refused("bare_lf_everywhere", bareLF), refused("bare_lf_end_of_head", bareLF),
        refused("leading_lf", bareLF),
        refused("bare_cr_in_value", bareCR), refused("bare_cr_end", bareCR), refused("cr_cr_lf", bareCR), refused("leading_cr", bareCR),
        refused("two_hosts", "RFC 9112 §3.2: more than one Host is refused with 400; Envoy forwards the first"),
        refused("two_hosts_equal", "RFC 9112 §3.2: more than one Host is refused with 400, equal ones too"),
        refused("target_two_spaces_before", requestLine), refused("target_two_spaces_after", requestLine),
        refused("target_tab_separator", requestLine), refused("version_trailing_space", requestLine),
        refused("target_bare_lf", "RFC 9112 §3: Envoy reads the part before the bare LF as an HTTP/0.9 request and answers 426"),
        Entry(
            test: "smuggling.host_with_user", reason: "RFC 9112 §3.2: a Host value with user information is invalid and refused with 400",
            like: "smuggling.host_with_comma"),
        refused("absolute_two_hosts", "RFC 9112 §3.2: more than one Host is refused with 400, beside an absolute target too; Envoy looks at none of them"),
        refused("length_max_u64", "RFC 9110 §8.6: a length that a signed 64-bit integer cannot hold is refused"),
        Entry(
            test: "smuggling.host_bad_port",
            reason: "RFC 3986 §3.2.3, RFC 9110 §4.2.1: no TCP port is 99999; one parser wraps it to 34463, another drops it",
            like: "smuggling.host_with_comma"),
        refusedHost("host_port_word", port), refusedHost("host_port_many_zeros", port),
        refusedHost("host_port_alone", noHost), refusedHost("host_colon_alone", noHost),
        refusedHost("host_ipv6_zone", zone), refusedHost("host_ipv6_zone_plain", zone),
        refusedHost("host_ip_future", "RFC 3986 §3.2.2: no version of addresses behind IPv6 is known: nobody can say what it names"),
        refusedHost("host_ipv6_bare", literal), refusedHost("host_ipv6_open", literal),
        refusedHost("host_bad_escape", "RFC 3986 §2.1: % and two hex digits; one parser keeps what another decodes"),
        refusedHost("absolute_host_with_user", besideTarget), refusedHost("absolute_host_with_space", besideTarget),
        refusedHost("absolute_host_with_comma", besideTarget), refusedHost("absolute_host_bad_port", besideTarget),
        refusedHost("absolute_host_port_alone", besideTarget), refusedHost("absolute_host_with_slash", besideTarget),
        refused("target_absolute_user", "RFC 9110 §4.2.4: user information in a target is an error; it can make one host look like another; Envoy removes it"),
        Entry(
            test: "smuggling.length_leading_zeros",
            reason: "RFC 9110 §8.6: the length leaves as a plain decimal number; with zeros in front some parser reads it as octal",
            martlet: [
                .upstream: [
                    "a connection 1: POST /a HTTP/1.1", "a connection 1: host: h.test", "a connection 1: content-length: 2",
                    "a connection 1: x-forwarded-proto: http", "a connection 1: x-request-id: <uuid>",
                    "a connection 1: x-envoy-expected-rq-timeout-ms: 15000", "a connection 1 body (length): 2 bytes: hi",
                    "a connection 1: open",
                ]
            ]),
    ]

    // MARK: chunked bodies

    private static func refusedChunk(_ test: String, _ reason: String) -> Entry {
        Entry(test: "smuggling.chunk_" + test, reason: reason, like: "smuggling.chunk_size_not_hex", unchecked: [.upstream, .counters, .log])
    }

    private static let partsGo =
        "A body's parts go on as they are decoded; Envoy gathers what one read brought, and drops it when a fault is in it"

    private static let extensionControl = "RFC 9112 §7.1.1: a chunk extension is of tokens and quoted strings: no controls, that one parser takes for a line's end"

    private static func cutResponse(_ test: String, _ reason: String) -> Entry {
        Entry(test: "smuggling.response_chunk_" + test, reason: reason, like: "smuggling.response_chunk_bad_size", unchecked: [.body, .log])
    }

    private static let refusedChunks: [Entry] = [
        refusedChunk("extension_nul", "RFC 9112 §7.1.1: NUL is no character of a chunk extension"),
        refusedChunk("extension_control", extensionControl), refusedChunk("extension_control_behind_size", extensionControl),
        refusedChunk("extension_delete", extensionControl), refusedChunk("extension_control_quoted", extensionControl),
        refusedChunk("extension_without_semicolon", "RFC 9112 §7.1.1: an extension begins with a semicolon; Envoy skips what stands behind a blank"),
        refusedChunk("size_max", "RFC 9112 §7.1: overflow is prevented: a size that a signed 64-bit integer cannot hold is refused"),
        refusedChunk("lf_only_after_data", "RFC 9112 §7.1: chunk data ends with CRLF"),
        refusedChunk("data_too_long", "RFC 9112 §7.1: chunk data ends where its size says; Envoy skips the rest of the line"),
        refusedChunk("trailer_fold", folding),
        cutResponse("extension_control", extensionControl), cutResponse("lf_only_after_data", "RFC 9112 §7.1: chunk data ends with CRLF"),
        Entry(
            test: "smuggling.chunk_no_end_after_data", reason: "\(partsGo): the log says how many bytes that were", unchecked: [.log]),
        Entry(
            test: "smuggling.response_chunk_bad_size", reason: "\(partsGo): the client has the 2 bytes before it",
            unchecked: [.body, .log]),
    ]

    // MARK: responses

    private static func refusedResponse(_ test: String, _ reason: String) -> Entry {
        Entry(test: "smuggling.response_" + test, reason: reason, like: "smuggling.response_no_colon")
    }

    private static let refusedResponses: [Entry] = [
        refusedResponse("fold", "RFC 9112 §5.2: a folded response is answered with 502"),
        refusedResponse("bare_lf", bareLF), refusedResponse("bare_cr_in_value", bareCR),
        refusedResponse("version_bad", "RFC 9112 §2.3: HTTP/9.9 is not a version whose framing is known"),
        refusedResponse("status_four_digits", "RFC 9112 §4: a status code has three digits; Envoy forwards 2000"),
        refusedResponse("two_spaces_before_status", statusLine), refusedResponse("tab_before_status", statusLine),
        refusedResponse("length_max_u64", "RFC 9110 §8.6: a length that a signed 64-bit integer cannot hold is refused"),
        Entry(
            test: "smuggling.response_length_leading_zeros",
            reason: "RFC 9110 §8.6: the length leaves as a plain decimal number; with zeros in front some parser reads it as octal",
            martlet: [.headers: ["1: content-length: 2", "1: x-envoy-upstream-service-time: <ms>", "1: date: <date>", "1: server: envoy"]]),
        oldResponse("http10_chunked", "RFC 9112 §6.1: Transfer-Encoding in an HTTP/1.0 message is faulty framing: an HTTP/1.0 hop ignores it"),
        oldResponse("http20", "RFC 9112 §2.3: of HTTP/2.0 in a status line no framing is known"),
        oldResponse("http09", "RFC 9112 §2.3: HTTP/0.9 has no status line"),
        Entry(
            test: "framing.response_http10_keep_alive_and_close",
            reason: "RFC 9112 §9.3: close counts, whatever stands beside it; Envoy asks on by a connection that its server may be closing",
            unchecked: [.upstream, .counters]),
    ]

    private static let statusLine = "RFC 9112 §4: single spaces separate the status line's parts"

    private static func oldResponse(_ test: String, _ reason: String) -> Entry {
        Entry(test: "framing.response_" + test, reason: reason, like: "framing.response_no_colon")
    }

    // MARK: filters

    private static let removedParts: [Entry] = ["path_removed", "method_removed", "path_removed_by_match", "method_removed_by_match"].map {
        Entry(
            test: "filters.\($0)", reason: "Nothing is to be asked of an upstream: Envoy has chosen a host and connected before it answers 503",
            unchecked: [.upstream, .log, .counters])
    }

    private static func refusedRewrite(_ test: String, _ field: String, _ path: String, _ reason: String) -> Entry {
        let body = "invalid header value for: \(field)"
        return Entry(
            test: "rewrites." + test, reason: reason,
            martlet: [
                .status: ["1: HTTP/1.1 503 Service Unavailable"],
                .headers: ["1: content-length: \(body.count)", "1: content-type: text/plain", "1: date: <date>", "1: server: envoy"],
                .body: ["1 (length): \(body.count) bytes: \(body)"], .upstream: [],
                .log: ["\(path) code=503 details=filter_removed_required_request_headers{invalid_header_value_for:_\(field)} flags=DPE host=-"],
            ], unchecked: [.counters])
    }

    private static let refusedRewrites: [Entry] =
        ["format_lines", "format_host_lines"].map {
            Entry(
                test: "rewrites.\($0)", reason: "Nothing is to be asked of an upstream: Envoy has chosen a host and connected before it answers 503",
                unchecked: [.upstream, .log, .counters])
        } + [
            refusedRewrite("format_blank", ":path", "/blank", "RFC 9112 §3: single spaces separate the request line's three parts; Envoy writes the blank into it"),
            refusedRewrite("redirect_lines", "location", "/r/lines", "RFC 9110 §5.5: no field has line ends; Envoy writes them"),
        ]

    // MARK: interim responses

    private static let interim: [Entry] = [
        Entry(
            test: "interim.http10", reason: "RFC 9110 §15.2: a client of HTTP/1.0 is sent no interim response",
            martlet: [
                .status: ["1: HTTP/1.0 200 OK"],
                .headers: [
                    "1: Content-Length: 2", "1: X-Envoy-Upstream-Service-Time: <ms>", "1: X-Added: 200", "1: Date: <date>", "1: Server: envoy",
                    "1: X-Request-Id: <uuid>", "1: Via: v-test", "1: Connection: close",
                ],
                .body: ["1 (length): 2 bytes: ok"],
            ], unchecked: [.counters]),
        Entry(
            test: "interim.continue_behind_hints", reason: "A client waits for its 100, whatever came before it; Envoy passes the first interim response of a request on, and no other",
            martlet: [
                .status: ["1: HTTP/1.1 103 Unknown", "2: HTTP/1.1 100 Continue", "3: HTTP/1.1 200 OK"],
                .headers: [
                    "1: link: </s.css>", "1: x-own: 1", "3: content-length: 2", "3: x-envoy-upstream-service-time: <ms>", "3: x-added: 200",
                    "3: date: <date>", "3: server: envoy",
                ],
                .body: ["1 (none): 0 bytes: ", "2 (none): 0 bytes: ", "3 (length): 2 bytes: ok"],
            ], unchecked: [.counters]),
    ]

    // MARK: redirects that are not followed after all

    private static func notFollowed(_ test: String, _ route: String) -> Entry {
        Entry(
            test: "internal_redirects." + test,
            reason: "The log names the route and the cluster that served the request; Envoy's names the one that the redirect would have taken, or none",
            martlet: [
                .log: [
                    "code=302 | flags=- | details=via_upstream | protocol=HTTP/1.1 | method=GET | path=/\(route) | authority=h.test | received=0 | sent=0 | route=\(route) | cluster=up | host=127.0.0.1:<up.a> | attempts=1 | remote=127.0.0.1 | failure=- | termination=-"
                ]
            ])
    }

    private static let redirectsNotFollowed: [Entry] = [
        notFollowed("with_a_query_only", "plain"), notFollowed("no_such_host", "plain"), notFollowed("no_such_route", "plain"),
        notFollowed("cross_scheme_unsafe", "safe"), notFollowed("not_listed", "listed"),
    ]

    // MARK: clusters

    private static let connections: [Entry] = [
        Entry(
            test: "clusters.unbound", reason: "An address that cannot be bound to ends the attempt: Envoy connects all the same, and closes what it got",
            unchecked: [.upstream, .log, .counters]),
        Entry(
            test: "clusters.tcp_unbound", reason: "An address that cannot be bound to ends the attempt: Envoy connects all the same, and closes what it got",
            unchecked: [.upstream, .log, .counters]),
    ]

    // MARK: HTTP/2

    private static func goaway(_ test: String, _ last: Int, _ code: Int) -> Entry {
        Entry(
            test: "http2." + test, reason: "RFC 9113 §5.4.1: GOAWAY says why the connection ends; Envoy closes without a word",
            martlet: [.status: ["GOAWAY(\(last),\(code))"]])
    }

    private static let saidWithGOAWAY: [Entry] = [
        goaway("wrong_preface", 0, 1), goaway("bad_field", 1, 1), goaway("no_path", 1, 1), goaway("window_beyond_its_bound", 1, 3),
        goaway("window_update_of_nothing", 1, 1), goaway("flood_of_empty_data", 1, 11), goaway("flood_of_priority", 1, 11),
        goaway("flood_of_window_updates", 1, 11), goaway("flood_of_empty_continuation", 1, 11),
        goaway("flood_of_pings", 1, 11), goaway("flood_of_settings", 1, 11),
        Entry(
            test: "http2.flood_of_answers",
            reason: "Envoy frames all that one turn answers, and ends a connection whose client asked for more than max_outbound_frames at once; Martlet frames what there is room for: a flood is what a client makes and does not take",
            martlet: [.end: ["open"]], unchecked: [.counters]),
    ] + [
        "http2_upstream.push", "http2_upstream.answer_to_an_idle_stream", "http2_upstream.bad_field", "http2_upstream.no_status",
        "http2_upstream.upper_case", "http2_upstream.status_101", "http2_upstream.flood_of_empty_data",
        "http2_upstream.flood_of_empty_continuation", "http2_upstream.flood_of_priority", "http2_upstream.flood_of_window_updates",
        "metadata.too_large_of_the_response",
    ].map {
        Entry(
            test: $0, reason: "RFC 9113 §5.4.1: GOAWAY says why the connection ends; Envoy closes without a word",
            unchecked: [.upstream])
    }

    private static let ofOneRead = "What comes in one read is decoded before any of it is acted on"

    private static let http2: [Entry] = [
        Entry(
            test: "http2.stream_window_beyond_its_bound",
            reason: "RFC 9113 §6.9.1: a stream whose window overflows is reset, not its connection",
            martlet: [.status: ["RST1(3)"], .end: ["open"]], unchecked: [.counters]),
        Entry(
            test: "http2.websocket",
            reason: "RFC 9113 §8.5: a tunnel whose other side has ended ends with END_STREAM, so that what came is known to be whole; Envoy resets it",
            martlet: [.status: ["HEAD1(200)", "DATA1+(4)"]], unchecked: [.counters]),
        Entry(
            test: "http2.websocket_whose_upstream_closes",
            reason: "RFC 9113 §8.5: a tunnel whose other side has ended ends with END_STREAM, so that what came is known to be whole; Envoy resets it",
            martlet: [.status: ["HEAD1(200)", "DATA1+(4)", "RST1(0)"]], unchecked: [.counters]),
        Entry(
            test: "http2_upstream.retry_of_a_whole_answer",
            reason: "\(ofOneRead): an answer that is over when it is given up needs no RST_STREAM",
            unchecked: [.upstream, .counters]),
        Entry(
            test: "http2_upstream.trailers_with_a_status",
            reason: "\(ofOneRead): a response whose trailers break it is reset before it has begun for the client. GOAWAY says why (RFC 9113 §5.4.1)",
            martlet: [.status: ["RST1(2)"], .headers: [], .body: []], unchecked: [.upstream]),
    ]
    + ["bad_length", "lenient_to_a_bad_length"].map {
        Entry(
            test: "http2_upstream.\($0)",
            reason: "\(partsGo): the client has the head and the 2 bytes before it, unless the reset overtakes them in the same turn",
            unchecked: [.status, .headers, .body, .log])
    }

    // MARK: TLS

    private static let tls: [Entry] = ["hash_that_does_not_match", "key_that_does_not_match"].map {
        Entry(
            test: "tls.\($0)",
            reason: "OpenSSL says certificate_unknown for every verdict of ours; Envoy's bad_certificate_hash_value is of client_certificate_url (RFC 6066 §5)",
            martlet: [.end: ["alert 46"]])
    } + ["no_common_group_12", "weak_cipher"].map {
        Entry(
            test: "tls.\($0)", reason: "OpenSSL looks for a cipher before it looks at groups: the log has its error for the same alert",
            unchecked: [.log])
    } + [
        Entry(
            test: "tls.record_too_large",
            reason: "The version in the record of an alert that comes before any version was agreed on has no meaning (RFC 8446 §5.1)",
            unchecked: [.body]),
    ] + ["inspected_not_tls", "inspected_strictly"].map {
        Entry(
            test: "tls.\($0)", reason: "Our tls_inspector reads a hello by itself, and has no library's error to tell of bytes that are none",
            unchecked: [.log])
    }

    // MARK: others

    private static let refusedUpgrades: [Entry] = ["framing.websocket_refused_with_other_protocols", "framing.websocket_refused_with_other_protocols_in_chunks"].map {
        Entry(
            test: $0,
            reason: "RFC 9110 §7.8: an upgrade that is refused with an offer of others leaves an ordinary request, and the next one is served; Envoy's never ends, and what the client asks on is not answered",
            unchecked: [.upstream, .log, .counters])
    }

    private static func bytes(_ test: String, _ lines: [String]) -> Entry {
        Entry(
            test: "hedging.bytes_" + test,
            reason: "the bytes of all attempts: Envoy's request has those that were counted when its newest attempt began, and that attempt's; what an older one gets later, the answer among it, is in none",
            martlet: [.log: lines])
    }

    private static let hedgedBytes: [Entry] = [
        bytes("first_answers_later", ["try 0 278 0 234 0", "try 200 139 43 117 18", "all 200 278 43 234 18"]),
        bytes("first_bad_second_good", ["try 503 139 40 117 18", "try 200 278 44 234 18", "all 200 278 84 234 36"]),
    ]

    private static let oldUpgrade = "RFC 9110 §7.8: Upgrade is ignored in an HTTP/1.0 request; Envoy refuses it, or switches and answers HTTP/1.0 101"
    private static let closeCounts = "RFC 9112 §9.3: close counts, whatever stands beside it; Envoy keeps the connection"

    private static func emptyLine(_ timeout: String) -> Entry {
        Entry(
            test: "timeouts.\(timeout)_empty_line",
            reason: "RFC 9112 §2.2: an empty line ahead of a request is no request: request_headers_timeout and idle_timeout count from it, and no other; Envoy has a request that is late",
            martlet: [.status: [], .headers: [], .body: [], .end: ["open"], .log: []], unchecked: [.counters])
    }

    private static let others: [Entry] = [
        Entry(
            test: "transcoding.no_trailers",
            reason: "RFC 9112 §6.2: the length is that of the JSON; Envoy leaves that of the gRPC message, and what is more begins the next response",
            unchecked: [.status, .headers, .body, .log, .end]),
        Entry(
            test: "transcoding.stream_trailers_only",
            reason: "RFC 9112 §6.2: an empty list is two bytes; Envoy says 0 and sends them",
            unchecked: [.status, .headers, .body, .log, .end]),
        Entry(
            test: "grpc_filters.bridge_upgrade_http_error",
            reason: "Only a gRPC response has a message's prefix to take off: Envoy takes the first five bytes off any body, and leaves its length",
            martlet: [.body: ["1 (length): 14 bytes: no room at all"]], unchecked: [.log]),
        Entry(
            test: "smuggling.http2_preface", reason: "RFC 9113 §5.4.1: what follows is no preface, and GOAWAY says so; Envoy closes without a word",
            unchecked: [.status, .headers, .body, .log, .counters]),
        Entry(
            test: "framing.http10_chunked_request",
            reason: "RFC 9112 §6.1: Transfer-Encoding in an HTTP/1.0 message is faulty framing: an HTTP/1.0 hop ignores it",
            like: "framing.http10_no_colon"),
        Entry(test: "framing.http10_upgrade", reason: oldUpgrade, like: "framing.http10"),
        Entry(test: "framing.http10_upgrade_enabled", reason: oldUpgrade, like: "framing.http10_no_upgrade"),
        Entry(test: "framing.http10_keep_alive_and_close", reason: closeCounts, like: "framing.http10"),
        Entry(test: "framing.http10_close_and_keep_alive", reason: closeCounts, like: "framing.http10"),
        Entry(
            test: "framing.http10_expect",
            reason: "RFC 9110 §10.1.1: an expectation in an HTTP/1.0 request is ignored, and HTTP/1.0 knows no 100; Envoy sends one",
            martlet: [.status: ["1: HTTP/1.0 200 OK"]], unchecked: [.headers, .body, .counters]),
        Entry(
            test: "timeouts.empty_lines_are_idle",
            reason: "RFC 9112 §2.2: an empty line ahead of a request is no request: who sends nothing else is idle; Envoy has a request from the first byte on, which idle_timeout does not end",
            martlet: [.end: ["closed by the proxy"], .log: []], unchecked: [.counters]),
        emptyLine("stream_idle"), emptyLine("request"),
        Entry(
            test: "transcoding.body_without_a_limit",
            reason: "per_connection_buffer_limit_bytes 0 is no limit for this filter either; Envoy's takes it for a limit of no bytes and refuses each body",
            martlet: [.status: ["1: HTTP/1.1 200 OK"], .body: ["1 (length): 9 bytes: {\"i32\":3}"], .end: ["open"]],
            unchecked: [.headers, .upstream, .log, .counters]),
        Entry(
            test: "framing.websocket_with_chunks",
            reason: "RFC 9110 §7.8: the request comes first, whole; Envoy drops the coding's name and passes the chunks on behind the 101, where the server reads them as the other protocol",
            martlet: [
                .status: ["1: HTTP/1.1 400 Bad Request"],
                .headers: ["1: date: <date>", "1: server: envoy", "1: connection: close", "1: content-length: 0"],
                .body: ["1 (length): 0 bytes: "],
                .upstream: [],
            ],
            unchecked: [.log, .counters]),
        Entry(
            test: "framing.upstream_101_unasked",
            reason: "RFC 9110 §15.2.2: a 101 that nobody asked for would turn the connection into a tunnel for one side only; it is a protocol error",
            like: "framing.response_no_colon"),
        Entry(
            test: "upstream_faults.until_close_reset",
            reason: "RFC 9112 §8: a body that ends with the connection is complete unless an error was indicated; Envoy takes a reset for the end, and a cut body for a whole one",
            like: "upstream_faults.chunked_reset"),
        Entry(
            test: "headers.envoy_headers_internal_client",
            reason: "x-envoy-upstream-alt-stat-name makes a request's value the name of statistics, without bound; Martlet takes it away and counts nothing under it",
            unchecked: [.counters]),
        Entry(
            test: "local_replies.pipelined_three",
            reason: "Envoy kills a connection when three local replies to pipelined requests are queued (response flood); Martlet's queue is bounded by back-pressure and each request is answered",
            martlet: [
                .status: (1...3).map { "\($0): HTTP/1.1 404 Not Found" },
                .headers: (1...3).flatMap { ["\($0): date: <date>", "\($0): server: envoy", "\($0): content-length: 0"] },
                .body: (1...3).map { "\($0) (length): 0 bytes: " },
                .end: ["open"],
            ],
            unchecked: [.log, .counters]),
    ]
}
