import Glibc
import TestSupport
import Testing

/// `use_original_dst`: a connection goes to the listener of the address that it was meant for. The address is restored by a
/// PROXY header here, by the kernel in `OriginalDestinationTests`.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct UseOriginalDstTests {
    private static let direct = "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config"

    private static func says(_ text: String, match: String = "") -> String {
        "{\(match)filters: [{name: d, typed_config: {\"@type\": \(direct), response: {inline_string: \"\(text)\"}}}]}"
    }

    static func http(_ name: String) -> String {
        """
        {filters: [{name: h, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
              stat_prefix: h, use_remote_address: true, route_config: {virtual_hosts: [{name: v, domains: ["*"],
              response_headers_to_add: [{header: {key: local, value: "%DOWNSTREAM_LOCAL_ADDRESS%"}}, {header: {key: direct, value: "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%"}}],
              routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: \(name)}}}]}]},
              http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}]}
        """
    }

    static func yaml(_ port: UInt16, http name: String = "http", balance: String = "") -> String {
        """
        static_resources:
          listeners:
          - name: outer
            stat_prefix: outer
            use_original_dst: true
            \(balance)
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            listener_filters: [{name: p, typed_config: {"@type": \(ProxyProtocolTests.filter), allow_requests_without_proxy_protocol: true}}]
            filter_chains: [\(says("outer"))]
          - name: exact
            stat_prefix: exact
            bind_to_port: false
            \(balance)
            address: {socket_address: {address: 10.1.1.1, port_value: 70}}
            filter_chains: [\(says("exact"))]
          - name: wildcard
            stat_prefix: wildcard
            deprecated_v1: {bind_to_port: false}
            address: {socket_address: {address: 0.0.0.0, port_value: 70}}
            filter_chains: [\(says("wildcard"))]
          - name: six
            bind_to_port: false
            address: {socket_address: {address: "::", port_value: 70}}
            filter_chains: [\(says("six"))]
          - name: matching
            stat_prefix: matching
            bind_to_port: false
            address: {socket_address: {address: 0.0.0.0, port_value: 71}}
            filter_chains: [\(says("source", match: "filter_chain_match: {source_prefix_ranges: [{address_prefix: 9.9.9.9, prefix_len: 32}]}, "))]
          - name: http
            stat_prefix: http
            bind_to_port: false
            address: {socket_address: {address: 0.0.0.0, port_value: 80}}
            listener_filters: [{name: envoy.filters.listener.http_inspector, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}]
            filter_chains: [\(Self.http(name))]
          - name: chained
            bind_to_port: false
            use_original_dst: true
            address: {socket_address: {address: 0.0.0.0, port_value: 81}}
            filter_chains: [\(says("chained"))]
        """
    }

    private func ask(_ port: UInt16, _ header: String) throws -> String {
        let socket = try Sockets.connect(port: port)
        defer { socket.close() }
        return RawText.all(socket, sending: header)
    }

    @Test func theListenerOfTheAddress() throws {
        let served = try Served(try Binary.martlet()) { Self.yaml($0) }
        let cases = [
            ("PROXY TCP4 9.9.9.9 10.1.1.1 7 70\r\n", "exact"), ("PROXY TCP4 9.9.9.9 10.1.1.2 7 70\r\n", "wildcard"),
            ("PROXY TCP6 ::9 ::8 7 70\r\n", "six"), ("PROXY TCP4 9.9.9.9 10.1.1.1 7 72\r\n", "outer"),
            ("PROXY TCP4 9.9.9.9 10.1.1.1 7 71\r\n", "source"), ("PROXY TCP4 9.9.9.8 10.1.1.1 7 71\r\n", ""),
            ("PROXY UNKNOWN\r\n", "outer"), ("PROXY TCP4 9.9.9.9 1.1.1.1 7 81\r\n", "chained"),
        ]
        for (header, answer) in cases { #expect(try ask(served.listener, header) == answer, "\(header)") }
        #expect(served.stat("listener.outer.downstream_cx_total", becomes: 2) == 2)
        #expect(served.stat("listener.exact.downstream_cx_total", becomes: 1) == 1)
        #expect(served.stat("listener.wildcard.downstream_cx_total", becomes: 1) == 1)
        #expect(served.stat("listener.matching.no_filter_chain_match", becomes: 1) == 1)
        #expect(served.stat("listener.matching.downstream_cx_total", becomes: 1) == 1)
        for name in ["outer", "exact", "matching", "http"] {
            #expect(served.stat("listener.\(name).downstream_pre_cx_active", becomes: 0) == 0)
        }
        let listed = String(wire: served.admin.request("GET", "/listeners")?.body ?? [])
        #expect(listed.contains("exact::10.1.1.1:70\n") && listed.contains("six::[::]:70\n"), "\(listed)")
    }

    /// Filters of the second listener see what was read for the first one; requests of a kept connection follow a new
    /// configuration, and the connection goes on where the listener goes.
    @Test func httpThroughItAndReloads() throws {
        let served = try Served(try Binary.martlet(), workers: 2) { Self.yaml($0, balance: "connection_balance_config: {exact_balance: {}}") }
        let socket = try Sockets.connect(port: served.listener)
        defer { socket.close() }
        let first = Exchange.run(Array("PROXY TCP4 9.9.9.9 10.5.5.5 7 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n".utf8), on: socket, limitMs: 10_000)
        #expect(String(wire: first.body) == "http")
        #expect(served.stat("http_inspector.http11_found", becomes: 1) == 1)
        #expect(served.stat("listener.http.downstream_cx_active", becomes: 1) == 1)
        #expect(served.stat("listener.outer.downstream_cx_active", becomes: 0) == 0)
        let text = try #require(Files.text(served.file))
        Files.write(Array(text.replacing(text: "inline_string: http}", by: "inline_string: newer}").utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 10_000) { String(wire: Exchange.get("/", on: socket, keepsOpen: true).body) == "newer" })
        // The listener is gone: the connection stays, and the next one for its address finds none.
        let start = try #require(text.range(ofFirst: "  - name: http"))
        let end = try #require(text.range(ofFirst: "  - name: chained"))
        Files.write(Array((String(text[..<start]) + String(text[end...])).utf8), to: served.file)
        served.process.signal(SIGHUP)
        let last = "PROXY TCP4 9.9.9.9 10.5.5.5 7 80\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        #expect(wait(upToMs: 10_000) { (try? ask(served.listener, last)) == "outer" }, "\(served.process.output)")
        #expect(Exchange.get("/", on: socket, keepsOpen: true).status == 200)
        served.process.signal(SIGTERM)
        socket.close()
        #expect(served.process.waitForExit(upToMs: 10_000) == 0)
    }
}

extension String {
    func range(ofFirst text: String) -> String.Index? {
        var at = startIndex
        while at < endIndex {
            if self[at...].hasPrefix(text) { return at }
            at = index(after: at)
        }
        return nil
    }
}

enum RawText {
    /// Everything that comes until the end.
    static func all(_ socket: Descriptor, sending text: String) -> String {
        let request = Array(text.utf8)
        _ = unsafe request.withUnsafeBytes { unsafe send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        var got: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        _ = wait(upToMs: 10_000) {
            let n = unsafe recv(socket.raw, &buffer, 4096, Int32(MSG_DONTWAIT))
            if n > 0 { got += buffer[0..<n] }
            return n == 0 || (n < 0 && errno != EAGAIN)
        }
        return String(wire: got)
    }
}
