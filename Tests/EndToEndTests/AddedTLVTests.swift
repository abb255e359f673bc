import Glibc
import TestSupport
import Testing

/// TLVs of PROXY headers towards upstreams: the cluster's own, a host's, those of `tcp_proxy`, fixed and formatted. What is
/// expected here was read off Envoy 1.40 with the same configuration.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct AddedTLVTests {
    private struct TLV: Equatable, CustomStringConvertible {
        var type: UInt8
        var value: String
        init(_ type: UInt8, _ value: String) {
            self.type = type
            self.value = value
        }
        var wire: [UInt8] {
            var bytes: [UInt8] = [type, 0, UInt8(value.utf8.count)]
            bytes += Array(value.utf8)
            return bytes
        }
        var description: String { "\(type):\(value)" }
    }

    private static let types = "type.googleapis.com/envoy.extensions."

    /// A TCP proxy whose upstream is the test. `proxy` continues `tcp_proxy`, `config` the header's configuration.
    private func serve(_ upstream: UInt16, proxy: String = "", config: String, metadata: String = "") throws -> Served {
        try Served(Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                listener_filters: [{name: p, typed_config: {"@type": \(ProxyProtocolTests.filter), allow_requests_without_proxy_protocol: true, pass_through_tlvs: {match_type: INCLUDE_ALL}, rules: [{tlv_type: 238, on_tlv_present: {metadata_namespace: ns, key: k}}]}}]
                filter_chains: [{filters: [{name: t, typed_config: {"@type": \(Self.types)filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c\(proxy)}}]}]
              clusters:
              - name: c
                load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(upstream)}}}\(metadata)}]}]}
                transport_socket: {name: p, typed_config: {"@type": \(Self.types)transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: {version: V2, \(config)}, transport_socket: {name: r, typed_config: {"@type": \(Self.types)transport_sockets.raw_buffer.v3.RawBuffer}}}}
            """
        }
    }

    /// The TLVs of the header that one connection brings; nil: it brought none that is right.
    private func tlvs(_ served: Served, _ listener: Descriptor, _ own: [TLV]?) throws -> [TLV]? {
        let client = try Sockets.connect(port: served.listener)
        defer { client.close() }
        var header: [UInt8] = []
        if let own {
            let list = own.flatMap(\.wire)
            header = Array("\r\n\r\n\0\r\nQUIT\n".utf8)
            header += [0x21, 0x11, 0, UInt8(12 + list.count), 9, 9, 9, 9, 10, 1, 1, 1, 0, 7, 0, 70]
            header += list
        }
        _ = Sockets.send(header + Array("hello".utf8), from: 0, on: client)
        var accepted: Descriptor?
        #expect(wait(upToMs: 10_000) {
            accepted = Sockets.accept(listener)
            return accepted != nil
        })
        let upstream = try #require(accepted)
        defer { upstream.close() }
        var got: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 8192)
        let isWhole = wait(upToMs: 10_000) {
            let n = unsafe recv(upstream.raw, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if n > 0 { got += buffer[0..<n] }
            guard got.count >= 16 else { return false }
            return got.count >= 16 + Int(got[14]) << 8 + Int(got[15]) + 5
        }
        guard isWhole, got[12] == 0x21, got[13] == 0x11 else { return nil }
        let end = 16 + Int(got[14]) << 8 + Int(got[15])
        #expect(Array(got[end...]) == Array("hello".utf8))
        var list: [TLV] = []
        var at = 28
        while at + 3 <= end {
            let length = Int(got[at + 1]) << 8 + Int(got[at + 2])
            guard at + 3 + length <= end else { return nil }
            list.append(TLV(got[at], String(wire: Array(got[(at + 3)..<(at + 3 + length)]))))
            at += 3 + length
        }
        return at == end ? list : nil
    }

    /// Formats are about the connection to the upstream; a host's TLVs go before the cluster's, both before the client's.
    @Test func ofTheClusterAndTheHost() throws {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        defer { listener.close() }
        let config = """
            pass_through_tlvs: {match_type: INCLUDE_ALL}, added_tlvs: [{type: 225, value: YWJj}, {type: 226, format_string: {text_format_source: {inline_string: "r=%DOWNSTREAM_REMOTE_ADDRESS% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %DYNAMIC_METADATA(ns:k)%"}}}, {type: 226, value: YWJj}, {type: 229, format_string: {text_format_source: {inline_string: never}}}, {type: 227, format_string: {omit_empty_values: true, text_format_source: {inline_string: "%PROTOCOL%"}}}, {type: 228, format_string: {json_format: {a: "%PROTOCOL%"}}}]
            """
        let host = """
            , metadata: {typed_filter_metadata: {envoy.transport_sockets.proxy_protocol: {"@type": type.googleapis.com/envoy.config.core.v3.PerHostConfig, added_tlvs: [{type: 225, value: aG9zdA==}, {type: 229, value: aG9zdA==}, {type: 230, format_string: {text_format_source: {inline_string: "x"}}}]}}}
            """
        let served = try serve(port, config: config, metadata: host)
        let upstream = "127.0.0.1:\(port)"
        let fixed = [
            TLV(225, "host"), TLV(229, "host"), TLV(230, ""), TLV(226, "abc"), TLV(226, "r=\(upstream) \(upstream) - -"), TLV(227, ""),
            TLV(228, "{\"a\":null}\n"),
        ]
        #expect(try tlvs(served, listener, nil) == fixed)
        #expect(try tlvs(served, listener, [TLV(238, "A")]) == fixed + [TLV(238, "A")])
        #expect(try tlvs(served, listener, [TLV(225, "X"), TLV(226, "Y"), TLV(241, "Z"), TLV(230, "W")]) == fixed + [TLV(241, "Z")])
    }

    @Test(arguments: ["ADD_IF_ABSENT", "OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD", "APPEND_IF_EXISTS_OR_ADD"])
    func ofTheTCPProxy(policy: String) throws {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        defer { listener.close() }
        let served = try serve(
            port,
            proxy: """
                , proxy_protocol_tlv_merge_policy: \(policy), proxy_protocol_tlvs: [{type: 226, format_string: {text_format_source: {inline_string: "%DYNAMIC_METADATA(ns:k)% %UPSTREAM_HOST% %UPSTREAM_CLUSTER%"}}}, {type: 241, value: YWJj}]
                """,
            config: "pass_through_tlvs: {match_type: INCLUDE_ALL}, added_tlvs: [{type: 225, value: YWJj}]")
        let first = TLV(225, "abc")
        #expect(try tlvs(served, listener, nil) == [first, TLV(241, "abc"), TLV(226, "- - c")])
        let short = try tlvs(served, listener, [TLV(238, "A")])
        let long = try tlvs(served, listener, [TLV(225, "X"), TLV(226, "Y"), TLV(241, "Z"), TLV(238, "A")])
        switch policy {
        case "ADD_IF_ABSENT":
            #expect(short == [first, TLV(238, "A")])
            #expect(long == [first, TLV(226, "Y"), TLV(241, "Z"), TLV(238, "A")])
        case "OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD":
            #expect(short == [first, TLV(241, "abc"), TLV(226, "A - c"), TLV(238, "A")])
            #expect(long == short)
        default:
            #expect(short == [first, TLV(238, "A"), TLV(241, "abc"), TLV(226, "A - c")])
            #expect(long == [first, TLV(226, "Y"), TLV(241, "Z"), TLV(238, "A"), TLV(241, "abc"), TLV(226, "A - c")])
        }
    }

    /// A value that has no room in the header is left out and counted; the others stay.
    @Test func tooLong() throws {
        let port = Ports.free()
        let listener = try Sockets.listen(port: port)
        defer { listener.close() }
        let long = String(repeating: "x", count: 40_000)
        let format = { (type: Int, text: String) in "{type: \(type), format_string: {text_format_source: {inline_string: \"\(text)\"}}}" }
        let served = try serve(port, config: "added_tlvs: [\(format(1, long)), \(format(2, long)), \(format(3, "end"))]")
        #expect(try tlvs(served, listener, nil) == [TLV(1, long), TLV(3, "end")])
        #expect(served.stat("cluster.c.upstream.proxyprotocol.v2_tlvs_exceed_max_length", becomes: 1) == 1)
    }

    @Test func mistakes() throws {
        let directory = TemporaryDirectory()
        let served = try serve(1, config: "added_tlvs: [{type: 1, value: YQ==}]")
        let text = try #require(Files.text(served.file))
        for (entry, message) in [
            ("{type: 1}", "Invalid TLV configuration: one of 'value' or 'format_string' must be set."),
            ("{type: 1, value: YQ==, format_string: {text_format_source: {inline_string: x}}}", "Invalid TLV configuration: only one of 'value' or 'format_string' may be set."),
            ("{type: 256, value: YQ==}", "less than 256"), ("{type: 1, format_string: {text_format_source: {inline_string: \"%NO%\"}}}", "NO"),
        ] {
            let file = directory.write(text.replacing(text: "{type: 1, value: YQ==}", by: entry), to: "bad.yaml")
            let finished = try Binary.martlet().run(["-c", file, "--mode", "validate"])
            #expect(finished.status != 0 && finished.output.contains(message), "\(finished.output)")
        }
    }
}
