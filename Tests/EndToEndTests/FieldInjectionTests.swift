import Glibc
import TestSupport
import Testing

/// What a client says outside of HTTP, in its hello or in TLVs, begins no header field of its own.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct FieldInjectionTests {
    private static let types = "type.googleapis.com/envoy.extensions.filters."
    private static let tlv = "%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol:k)%"
    private static let inspector = "{name: t, typed_config: {\"@type\": \(types)listener.tls_inspector.v3.TlsInspector}}"
    private static let header = "{name: p, typed_config: {\"@type\": \(types)listener.proxy_protocol.v3.ProxyProtocol, rules: [{tlv_type: 234, on_tlv_present: {key: k}}]}}"

    private func vector(_ width: Int, _ body: [UInt8]) -> [UInt8] {
        (0..<width).reversed().map { UInt8(truncatingIfNeeded: body.count >> (8 * $0)) } + body
    }

    /// RFC 6066 §3: a hello with this server name.
    private func hello(_ name: String) -> [UInt8] {
        let extensions = [0, 0] + vector(2, vector(2, [0] + vector(2, Array(name.utf8))))
        let body = [3, 3] + [UInt8](repeating: 7, count: 32) + vector(1, []) + vector(2, [0x13, 0x01]) + vector(1, [0]) + vector(2, extensions)
        return [22, 3, 1] + vector(2, [1] + vector(3, body))
    }

    /// What the proxy behind a tunnel is asked; "": nothing.
    private func asked(_ first: [UInt8], filter: String, hostname: String = "h:1", value: String) throws -> String {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.steps(.readText("\r\n\r\n"), .send("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"), .close))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            TCPTunnelTests.tunnel(
                port, .connect, to: Served.cluster([upstream.port]),
                fields: ", headers_to_add: [{header: {key: x-value, value: \"\(value)\"}}, {header: {key: x-after, value: \"y\"}}]"
            ).replacing(text: "inner.test:443", by: hostname)
                .replacing(text: "per_connection_buffer_limit_bytes: 65536", by: "listener_filters: [\(filter)]")
        }
        _ = try RawClient(steps: [.send(String(wire: first)), .awaitText("never")], methods: []).run(port: served.listener)
        #expect(served.stat("cluster.c.upstream_cx_connect_attempts_exceeded", becomes: 1) == 1)
        return upstream.records.first.map { String(wire: $0.received) } ?? ""
    }

    private func request(_ value: String) -> String { "CONNECT h:1 HTTP/1.1\r\nhost: h:1\r\nx-value: \(value)\r\nx-after: y\r\n\r\n" }

    /// As Envoy 1.40 writes it.
    @Test(arguments: [("a\r\nX-Evil: 1", "invalid:a__x-evil__1"), ("a b_c", "invalid:a_b_c"), ("b_c.d-1", "b_c.d-1")])
    func aServerNameIsAName(name: String, written: String) throws {
        #expect(try asked(hello(name), filter: FieldInjectionTests.inspector, value: "%REQUESTED_SERVER_NAME%") == request(written))
    }

    /// As by Envoy 1.40 nothing is asked.
    @Test(arguments: ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"])
    func aTLVThatIsNoValueIsNotSent(value: String) throws {
        let first = Array(ProxyProtocolTests.header([(234, value)]).unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
        #expect(try asked(first, filter: FieldInjectionTests.header, value: FieldInjectionTests.tlv) == "")
    }

    @Test func aTLVThatIsAValueIsSent() throws {
        let first = Array(ProxyProtocolTests.header([(234, "v")]).unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
        #expect(try asked(first, filter: FieldInjectionTests.header, value: FieldInjectionTests.tlv) == request("v"))
    }

    /// An empty name is none, and one with an end of a line in it is two.
    @Test(arguments: ["", "h:1 HTTP/1.1\r\nx-evil: 1"])
    func aTLVThatIsNoNameIsNotAsked(value: String) throws {
        let first = Array(ProxyProtocolTests.header([(234, value)]).unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
        #expect(try asked(first, filter: FieldInjectionTests.header, hostname: FieldInjectionTests.tlv, value: "v") == "")
    }

    // MARK: Through a route

    /// What a route has added to a request and to its answer, and the answer, of a client that begins with `first`.
    private func added(_ filter: String, _ value: String, tls: String = "", _ exchange: (Served) throws -> String) throws -> (request: [String], response: [String], answer: String) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        upstream.start()
        defer { upstream.stop() }
        let fields = "[{header: {key: x-value, value: \"\(value)\"}}, {header: {key: x-after, value: \"y\"}}]"
        let log = "access_log: [{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, "
            + "log_format: {text_format_source: {inline_string: \"ENDED %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n\"}}}}]"
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, host: "request_headers_to_add: \(fields)", clusters: [Served.cluster([upstream.port])])
                .replacing(text: "stat_prefix: h", by: "stat_prefix: h\n          \(log)")
                .replacing(text: "route_config:", by: "route_config:\n            response_headers_to_add: \(fields)")
                .replacing(text: "filter_chains:", by: "listener_filters: [\(filter)]\n    filter_chains:")
                .replacing(text: "- filters:", by: tls.isEmpty ? "- filters:" : "- \(tls)\n      filters:")
        }
        let answer = try exchange(served)
        let request = upstream.records.first.map { String(wire: $0.received) } ?? ""
        func split(_ text: String) -> [String] { text.split(whereSeparator: \.isNewline).map(String.init) }
        func lines(_ text: String) -> [String] {
            split(text).map { $0.lowercased() }.filter { line in ["x-value", "x-after", "x-evil"].contains { line.hasPrefix($0) } }
        }
        served.process.signal(SIGTERM)  // writes what is left of the log
        #expect(wait(upToMs: 10_000) { served.process.output.contains("ENDED ") }, "\(served.process.output)")
        let line = served.process.output.textLines.first { $0.hasPrefix("ENDED ") } ?? ""
        return (lines(request), lines(answer), [split(answer).first ?? "", split(answer).last ?? "", line].joined(separator: " "))
    }

    private func added(_ tlv: String) throws -> (request: [String], response: [String], answer: String) {
        let filter = FieldInjectionTests.header.replacing(text: "rules:", by: "tlv_location: FILTER_STATE, rules:")
        return try added(filter, "%FILTER_STATE(envoy.network.proxy_protocol.tlv:FIELD:k)%") { served in
            let first = ProxyProtocolTests.header([(234, tlv)])
            let client = RawClient(steps: [.send(first + "GET / HTTP/1.1\r\nhost: h\r\n\r\n"), .awaitResponse, .close], methods: ["GET"])
            return String(wire: try client.run(port: served.listener).received)
        }
    }

    /// As by Envoy 1.40 the request is not sent. A response's field is left out, and no other one; Envoy writes the bytes as
    /// they are (docs/differences.md).
    @Test(arguments: ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\rb", "a\0b"])
    func aTLVThatIsNoValueIsInNoHead(value: String) throws {
        let lines = try added(value)
        #expect(lines.request == [])
        #expect(lines.response == ["x-after: y"])
        #expect(lines.answer == "HTTP/1.1 503 Service Unavailable invalid header value for: x-value ENDED DPE filter_removed_required_request_headers{invalid_header_value_for:_x-value}")
    }

    @Test func aTLVThatIsAValueIsInBothHeads() throws {
        let lines = try added("v")
        #expect(lines.request == ["x-value: v", "x-after: y"])
        #expect(lines.response == ["x-value: v", "x-after: y"])
    }

    /// As Envoy 1.40 writes it; a name that nobody has looked at is none.
    @Test(arguments: [("a\r\nX-Evil: 1", "invalid:a__x-evil__1", true), ("b_c.d-1", "b_c.d-1", true), ("a\r\nX-Evil: 1", "", false)])
    func aServerNameIsAFieldsValue(name: String, written: String, isInspected: Bool) throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:server.test")
        let types = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
        let pair = "{certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}"
        let tls = "transport_socket: {name: tls, typed_config: {\"@type\": \(types), common_tls_context: {tls_certificates: [\(pair)]}}}"
        let lines = try added(isInspected ? FieldInjectionTests.inspector : "", "%REQUESTED_SERVER_NAME%", tls: tls) { served in
            let named = name.replacing(text: "\r", by: "\\r").replacing(text: "\n", by: "\\n")
            return try Shell.run(
                "printf 'GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n' | timeout 14 openssl s_client "
                    + "-connect 127.0.0.1:\(served.listener) -servername \"$(printf '\(named)')\" -quiet -ign_eof 2>/dev/null"
            ).output
        }
        let wanted = (written.isEmpty ? [] : ["x-value: \(written)"]) + ["x-after: y"]
        #expect(lines.request == wanted)
        #expect(lines.response == wanted)
    }
}
