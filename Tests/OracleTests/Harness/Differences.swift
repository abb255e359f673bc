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

    static let all: [Entry] = refusedHeads + refusedChunks + refusedResponses + others

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
        refused("length_max_u64", "RFC 9110 §8.6: a length that a signed 64-bit integer cannot hold is refused"),
    ]

    // MARK: chunked bodies

    private static func refusedChunk(_ test: String, _ reason: String) -> Entry {
        Entry(test: "smuggling.chunk_" + test, reason: reason, like: "smuggling.chunk_size_not_hex", unchecked: [.upstream, .counters, .log])
    }

    private static let refusedChunks: [Entry] = [
        refusedChunk("extension_nul", "RFC 9112 §7.1.1: NUL is no character of a chunk extension"),
        refusedChunk("space_after_size", "RFC 9112 §7.1: white space may stand only around a chunk extension"),
        refusedChunk("tab_after_size", "RFC 9112 §7.1: white space may stand only around a chunk extension"),
        refusedChunk("lf_only_after_data", "RFC 9112 §7.1: chunk data ends with CRLF"),
        refusedChunk("data_too_long", "RFC 9112 §7.1: chunk data ends where its size says; Envoy skips the rest of the line"),
        refusedChunk("trailer_fold", folding),
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
    ]

    // MARK: others

    private static let others: [Entry] = [
        Entry(
            test: "smuggling.http2_preface", reason: "HTTP/2 is not served yet: the preface is a bad request",
            unchecked: [.status, .headers, .body, .log, .counters]),
        Entry(
            test: "framing.http10_chunked_request",
            reason: "RFC 9112 §6.1: Transfer-Encoding in an HTTP/1.0 message is faulty framing: an HTTP/1.0 hop ignores it",
            like: "framing.http10_no_colon"),
        Entry(
            test: "framing.upstream_101_unasked",
            reason: "RFC 9110 §15.2.2: a 101 that nobody asked for would turn the connection into a tunnel for one side only; it is a protocol error",
            like: "framing.response_no_colon"),
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
