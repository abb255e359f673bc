import TestSupport
import Testing

/// How a connection ends whose first bytes a listener filter has looked at and nobody has taken: by a reset, as in Envoy, which
/// leaves them in the socket.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct InspectedEndTests {
    private static func serve(_ filter: String, _ more: String = "", timeout: String = "60s", match: String = "server_names: [a.test]") throws -> Served {
        try Served(try Binary.martlet()) { port in
            let address = "  - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}"
            let type = "type.googleapis.com/envoy.extensions.filters.listener.\(filter)"
            return Served.http(port, clusters: [Served.cluster([1])])
                .replacing(text: address, by: address + "\n    stat_prefix: l\n    listener_filters_timeout: \(timeout)\n    listener_filters: [{name: i, typed_config: {\"@type\": \(type)\(more)}}]")
                .replacing(text: "    - filters:", by: "    - filter_chain_match: {\(match)}\n      filters:")
        }
    }

    private static func end(_ served: Served, _ bytes: String, _ more: [RawClient.Step] = []) throws -> RawClient.End {
        let steps: [RawClient.Step] = (bytes.isEmpty ? [] : [.send(bytes)]) + more + [.awaitText("never")]
        let outcome = try RawClient(steps: steps, methods: []).run(port: served.listener)
        #expect(outcome.received.isEmpty)
        return outcome.end
    }

    private static let inspector = "tls_inspector.v3.TlsInspector"
    private static let proxy = "proxy_protocol.v3.ProxyProtocol"

    @Test func withNoChain() throws {
        let served = try InspectedEndTests.serve(InspectedEndTests.inspector)
        #expect(try InspectedEndTests.end(served, "GET / HTTP/1.1\r\n\r\n") == .reset)
        #expect(served.stat("listener.l.no_filter_chain_match", becomes: 1) == 1)
    }

    @Test func refusedByTheInspector() throws {
        let served = try InspectedEndTests.serve(InspectedEndTests.inspector, ", close_connection_on_client_hello_parsing_errors: true")
        #expect(try InspectedEndTests.end(served, "\u{16}\u{3}\u{1}\u{0}\u{5}hello") == .reset)
        #expect(served.stat("listener.l.no_filter_chain_match", becomes: 0) == 0)
    }

    @Test func whoSaysTooLittle() throws {
        let served = try InspectedEndTests.serve(InspectedEndTests.inspector, timeout: "0.2s")
        #expect(try InspectedEndTests.end(served, "\u{16}\u{3}\u{1}") == .reset)
        // Nothing was left unread.
        #expect(try InspectedEndTests.end(served, "") == .closed)
        #expect(served.stat("listener.l.downstream_pre_cx_timeout", becomes: 2) == 2)
    }

    @Test func whoLeavesInTheMiddle() throws {
        let served = try InspectedEndTests.serve(InspectedEndTests.inspector)
        #expect(try InspectedEndTests.end(served, "\u{16}\u{3}\u{1}", [.pause(ms: 50), .shutdownWrite]) == .reset)
        #expect(try InspectedEndTests.end(served, "", [.shutdownWrite]) == .closed)
        #expect(served.stat("listener.l.downstream_listener_filter_remote_close", becomes: 2) == 2)
    }

    @Test func refusedForItsProxyHeader() throws {
        let served = try InspectedEndTests.serve(InspectedEndTests.proxy, match: "destination_port: 9")
        #expect(try InspectedEndTests.end(served, "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n") == .reset)
        // Its header has been taken, and nothing is behind it.
        #expect(try InspectedEndTests.end(served, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n") == .closed)
        #expect(served.stat("listener.l.no_filter_chain_match", becomes: 1) == 1)
    }
}
