import TestSupport
import Testing

/// What a listener's log tells of connections that did not come to speak: protocols that were broken, handshakes that failed.
/// The values are Envoy 1.40's for the same bytes.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ListenerLogTests {
    private static let operators = [
        "reason": "DOWNSTREAM_LOCAL_CLOSE_REASON", "flags": "RESPONSE_FLAGS", "protocol": "PROTOCOL", "failure": "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
        "peer": "DOWNSTREAM_PEER_SUBJECT", "issuer": "DOWNSTREAM_PEER_ISSUER", "uri": "DOWNSTREAM_PEER_URI_SAN", "print": "DOWNSTREAM_PEER_FINGERPRINT_256",
        "serials": "DOWNSTREAM_PEER_CHAIN_SERIALS", "own": "DOWNSTREAM_LOCAL_SUBJECT", "dns": "DOWNSTREAM_LOCAL_DNS_SAN", "cipher": "DOWNSTREAM_TLS_CIPHER",
        "version": "DOWNSTREAM_TLS_VERSION", "handshake": "DOWNSTREAM_HANDSHAKE_DURATION",
    ]

    private static func log(_ path: String) -> String {
        let format = operators.map { "\($0.key): \"%\($0.value)%\"" }.joined(separator: ", ")
        return "[{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(path), log_format: {json_format: {\(format)}}}}]"
    }

    private static func line(_ path: String, _ number: Int) throws -> JSON {
        var lines: [Substring] = []
        _ = wait(upToMs: 20_000) {
            lines = (Files.text(path) ?? "").split(separator: "\n")
            return lines.count > number
        }
        return try JSON(parsing: String(try #require(lines.dropFirst(number).first, "\(lines.count) lines")))
    }

    private static let soon = ["--file-flush-interval-msec", "20"]

    private static func served(_ path: String, codec: String, upstream: UInt16 = 1, delayedClose: String = "1s") throws -> Served {
        try Served(try Binary.martlet(), arguments: soon) { port in
            let address = "  - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}"
            return Served.http(port, clusters: [Served.cluster([upstream])])
                .replacing(text: address, by: address + "\n    access_log: \(log(path))")
                .replacing(text: "stat_prefix: h", by: "stat_prefix: h\n          delayed_close_timeout: \(delayedClose)\n          codec_type: \(codec)")
        }
    }

    private static let h1 = "codec_error:http/1.1_protocol_error:_"
    private static let breaches: [(bytes: String, reason: String?, flags: String, known: String?)] = [
        ("GET / FOO/1.1\r\n\r\n", h1 + "HPE_INVALID_VERSION", "DPE", nil), ("GET /\r\n\r\n", "codec_error:Upgrade_required_for_HTTP/1.0_or_HTTP/0.9", "DPE", nil),
        ("GET / HTTP/1.1\r\nhost: a\r\nx y: b\r\n\r\n", h1 + "INVALID_HEADER_NAME_CHARACTER", "DPE", nil),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", h1 + "UNPARSABLE_CONTENT_LENGTH", "DPE", nil),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", h1 + "HPE_UNEXPECTED_CONTENT_LENGTH", "DPE", nil),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", h1 + "HPE_INVALID_CHUNK_SIZE", "DPE", nil),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\n", h1 + "CHUNK_LENGTH_OVERFLOW", "DPE", nil),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", h1 + "both_'Content-Length'_and_'Transfer-Encoding'_are_set.", "DPE", nil),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", h1 + "unsupported_transfer_encoding", "DPE", nil),
        ("GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n", h1 + "invalid_scheme", "DPE", nil), ("GET foo HTTP/1.1\r\nhost: a\r\n\r\n", h1 + "HPE_INVALID_URL", "DPE", nil),
        ("GET http:///x HTTP/1.1\r\nhost: a\r\n\r\n", h1 + "invalid_url_in_request_line", "DPE", nil),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", h1 + "request_headers_failed_spec_compliance_checks", "DPE", nil),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\u{1}b\r\n\r\n", h1 + "header_value_contains_invalid_chars", "DPE", nil),
        ("FOO BAR BAZ\r\n\r\n", h1 + "HPE_INVALID_METHOD", "DPE", nil), ("GET / HTT", nil, "-", "HTTP/1.1"), ("", nil, "-", nil),
    ]

    @Test func brokenHTTP1() throws {
        let directory = TemporaryDirectory()
        let upstream = try LoadUpstream("up")
        defer { upstream.stop() }
        let served = try ListenerLogTests.served(directory.path + "/log", codec: "AUTO", upstream: upstream.port)
        for (i, test) in ListenerLogTests.breaches.enumerated() {
            let socket = try Sockets.connect(port: served.listener)
            _ = Sockets.send(test.bytes.wire, from: 0, on: socket)
            if test.reason == nil, !test.bytes.isEmpty { #expect(served.stat("http.h.downstream_cx_http1_active", becomes: 1) == 1) }
            socket.shutDown(1)
            _ = SlowSocket.drain(socket, bytesPerStep: 4_096, pauseMs: 0, limitMs: 10_000)
            socket.close()
            let line = try ListenerLogTests.line(directory.path + "/log", i)
            #expect(line["reason"]?.string == test.reason && line["flags"]?.string == test.flags && line["protocol"]?.string == test.known, "\(test.bytes): \(line)")
        }
        // Something was understood before.
        let socket = try Sockets.connect(port: served.listener)
        _ = Sockets.send("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / FOO/1.1\r\n\r\n".wire, from: 0, on: socket)
        _ = SlowSocket.drain(socket, bytesPerStep: 4_096, pauseMs: 0, limitMs: 10_000)
        socket.close()
        let line = try ListenerLogTests.line(directory.path + "/log", ListenerLogTests.breaches.count)
        #expect(line["flags"]?.string == "DPE" && line["protocol"]?.string == "HTTP/1.1", "\(line)")
    }

    @Test func brokenHTTP2() throws {
        let directory = TemporaryDirectory()
        let served = try ListenerLogTests.served(directory.path + "/log", codec: "HTTP2", delayedClose: "600s")
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        // Another preface; DATA of a stream that is idle; a field that cannot be decoded; RST_STREAM of the connection.
        let tests: [(bytes: [UInt8], reason: String)] = [
            (Array("GET / HTTP/1.1\r\n\r\n".utf8), "codec_error:Received_bad_client_magic_byte_string"),
            (preface + [0, 0, 3, 0, 0, 0, 0, 0, 1, 97, 98, 99], "codec_error:The_user_callback_function_failed"),
            (preface + [0, 0, 3, 1, 5, 0, 0, 0, 1, 255, 255, 255], "codec_error:The_user_callback_function_failed"),
            (preface + [0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0], "codec_error:The_user_callback_function_failed"),
        ]
        for (i, test) in tests.enumerated() {
            let socket = try Sockets.connect(port: served.listener)
            _ = Sockets.send(test.bytes, from: 0, on: socket)
            #expect(served.stat("http.h.downstream_cx_protocol_error", becomes: i + 1) == i + 1)
            socket.close()
            let line = try ListenerLogTests.line(directory.path + "/log", i)
            #expect(line["reason"]?.string == test.reason && line["flags"]?.string == "DPE" && line["protocol"]?.string == nil, "\(i): \(line)")
        }
    }

    /// Connections that end with their last request: the client leaves, or is waited for until `delayed_close_timeout`.
    @Test func endsBehindTheLastRequest() throws {
        let directory = TemporaryDirectory()
        let served = try ListenerLogTests.served(directory.path + "/log", codec: "AUTO")
        func last(_ number: Int) throws -> String? { try ListenerLogTests.line(directory.path + "/log", number)["reason"]?.string }
        let closing = "connection: close\r\ncontent-length: 10\r\n\r\nab"
        // Nobody listens upstream: the answer comes ahead of the request's end.
        let leaves = RawClient(steps: [.send("POST / HTTP/1.1\r\nhost: a\r\n" + closing), .awaitResponse, .close], methods: ["POST"])
        #expect(try leaves.run(port: served.listener).responses.first?.status == 503)
        #expect(try last(0) == "deferred_close_on_drained_connection")
        var stays = RawClient(steps: [.send("POST / HTTP/1.1\r\nhost: a\r\n" + closing)], methods: ["POST"])
        stays.closeLimitMs = 20_000
        #expect(try stays.run(port: served.listener).end == .closed)
        #expect(try last(1) == "triggered_delayed_close_timeout")
        #expect(served.stat("http.h.downstream_cx_delayed_close_timeout", becomes: 1) == 1)
        let whole = RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"), .awaitResponse, .close], methods: ["GET"])
        #expect(try whole.run(port: served.listener).responses.first?.status == 503)
        #expect(try last(2) == "deferred_close_on_drained_connection")
        let own = RawClient(steps: [.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), .awaitResponse, .close], methods: ["GET"])
        #expect(try own.run(port: served.listener).responses.first?.status == 503)
        #expect(try last(3) == nil)
    }

    /// A breach of HTTP/2 whose client stays ends by the time as well.
    @Test func breachesOfWhoStays() throws {
        let directory = TemporaryDirectory()
        let served = try ListenerLogTests.served(directory.path + "/log", codec: "HTTP2")
        let socket = try Sockets.connect(port: served.listener)
        _ = Sockets.send(Array("GET / HTTP/1.1\r\n\r\n".utf8), from: 0, on: socket)
        _ = SlowSocket.drain(socket, bytesPerStep: 4_096, pauseMs: 0, limitMs: 20_000)
        socket.close()
        let line = try ListenerLogTests.line(directory.path + "/log", 0)
        #expect(line["reason"]?.string == "triggered_delayed_close_timeout" && line["flags"]?.string == "DPE", "\(line)")
    }

    /// The client's end comes with the bytes that break the protocol: counted and told like any other breach.
    @Test func brokenHTTP2WithTheEnd() throws {
        let directory = TemporaryDirectory()
        let served = try ListenerLogTests.served(directory.path + "/log", codec: "HTTP2")
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let tests: [[UInt8]] = [[0, 0, 3, 0, 0, 0, 0, 0, 1, 97, 98, 99], [0, 0, 3, 1, 5, 0, 0, 0, 1, 255, 255, 255], [0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        for (i, bytes) in tests.enumerated() {
            let socket = try Sockets.connect(port: served.listener)
            // Nothing leaves before the end does.
            Sockets.cork(socket)
            _ = Sockets.send(preface + bytes, from: 0, on: socket)
            socket.shutDown(1)
            _ = SlowSocket.drain(socket, bytesPerStep: 4_096, pauseMs: 0, limitMs: 10_000)
            socket.close()
            let line = try ListenerLogTests.line(directory.path + "/log", i)
            #expect(line["reason"]?.string == "codec_error:The_user_callback_function_failed" && line["flags"]?.string == "DPE", "\(i): \(line)")
            #expect(served.stat("http.h.downstream_cx_protocol_error", becomes: i + 1) == i + 1)
        }
        // Who only leaves has broken nothing.
        let socket = try Sockets.connect(port: served.listener)
        Sockets.cork(socket)
        _ = Sockets.send(preface, from: 0, on: socket)
        socket.shutDown(1)
        _ = SlowSocket.drain(socket, bytesPerStep: 4_096, pauseMs: 0, limitMs: 10_000)
        socket.close()
        #expect(served.stat("http.h.downstream_cx_destroy_remote", becomes: tests.count + 1) == tests.count + 1)
        #expect(served.stat("http.h.downstream_cx_protocol_error", becomes: tests.count) == tests.count)
        #expect(served.stat("http.h.downstream_cx_destroy_local", becomes: 0) == 0)
    }

    /// Whose certificate was refused is what one looks for in such a line.
    @Test(arguments: ["-tls1_3", "-tls1_2"])
    func refusedHandshakes(_ version: String) throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:server.test")
        try certificates.run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 3 -subj /CN=stranger -addext subjectAltName=URI:spiffe://x/y")
        let directory = TemporaryDirectory()
        let path = directory.path + "/log"
        let certs = certificates
        let served = try Served(try Binary.martlet(), arguments: ListenerLogTests.soon) { port in
            TLSServed.yaml(
                certs, port: port, context: "validation_context: {trusted_ca: {filename: \(certs.authority)}}",
                more: "require_client_certificate: true"
            ).replacing(text: "    stat_prefix: tls", by: "    stat_prefix: tls\n    access_log: \(ListenerLogTests.log(path))")
        }
        func shake(_ options: String) throws {
            _ = try Shell.run("(printf 'GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n'; sleep 0.2) | openssl s_client -connect 127.0.0.1:\(served.listener) \(version) \(options) 2>&1")
        }
        let name = version == "-tls1_3" ? "TLSv1.3" : "TLSv1.2"
        let cipher = version == "-tls1_3" ? "TLS_" : "ECDHE-ECDSA-"
        try shake("-cert \(certificates.chain("other")) -key \(certificates.key("other"))")
        let refused = try ListenerLogTests.line(path, 0)
        #expect(refused["failure"]?.string?.contains("CERTIFICATE_VERIFY_FAILED") == true, "\(refused)")
        #expect(refused["peer"]?.string == "CN=stranger" && refused["issuer"]?.string == "CN=stranger" && refused["uri"]?.string == "spiffe://x/y", "\(refused)")
        #expect(refused["print"]?.string?.utf8.count == 64 && refused["serials"]?.string?.contains(",") == false, "\(refused)")
        #expect(refused["own"]?.string == "CN=server,O=Acme" && refused["dns"]?.string == "server.test", "\(refused)")
        #expect(refused["version"]?.string == name && refused["cipher"]?.string?.hasPrefix(cipher) == true, "\(refused)")
        #expect(refused["protocol"]?.string == nil && refused["handshake"]?.string == nil, "\(refused)")
        try shake("")
        let anonymous = try ListenerLogTests.line(path, 1)
        #expect(anonymous["peer"]?.string == nil && anonymous["own"]?.string == "CN=server,O=Acme", "\(anonymous)")
        #expect(anonymous["version"]?.string == name && anonymous["cipher"]?.string?.hasPrefix(cipher) == true, "\(anonymous)")
        // No hello at all.
        let socket = try Sockets.connect(port: served.listener)
        _ = Sockets.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n".wire, from: 0, on: socket)
        _ = SlowSocket.drain(socket, bytesPerStep: 4_096, pauseMs: 0, limitMs: 10_000)
        socket.close()
        let plain = try ListenerLogTests.line(path, 2)
        #expect(plain["version"]?.string == "TLSv1.2" && plain["cipher"]?.string == nil && plain["own"]?.string == "CN=server,O=Acme", "\(plain)")
    }
}
