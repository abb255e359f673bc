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
}
