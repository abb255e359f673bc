import TestSupport
import Testing

/// `proxy_protocol` of the running program: what the connection's log, its filter chain and its peers see of a header.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ProxyProtocolTests {
    static let get = "GET / HTTP/1.1\r\nhost: h.test\r\n\r\n"
    private static let direct = "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config"
    static let filter = "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"

    /// Of version 2, IPv4, from 1.2.3.4:1111 to 5.6.7.8:2222; a Latin-1 character for each byte.
    static func header(_ values: [(UInt8, String)] = []) -> String {
        let tlvs = values.map { "\(byte($0.0))\0\(byte(UInt8($0.1.unicodeScalars.count)))\($0.1)" }.joined()
        let length = UInt8(12 + tlvs.unicodeScalars.count)
        return "\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\(byte(length))\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{4}\u{57}\u{8}\u{ae}" + tlvs
    }

    private static func byte(_ value: UInt8) -> String { String(UnicodeScalar(value)) }

    /// Chains of direct responses, by what their match says.
    private func serve(_ chains: [(match: String, text: String)], more: String) throws -> Served {
        try Served(Binary.martlet()) { port in
            let all = chains.map {
                "{filter_chain_match: {\($0.match)}, filters: [{name: d, typed_config: {\"@type\": \(ProxyProtocolTests.direct), response: {inline_string: \($0.text)}}}]}"
            }
            return """
                static_resources:
                  listeners:
                  - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                    stat_prefix: l
                    filter_chains: [\(all.joined(separator: ", "))]
                    \(more)
                """
        }
    }

    private func answer(_ served: Served, _ text: String) throws -> String {
        var client = RawClient(steps: [.send(text), .awaitText("never")], methods: [])
        client.answerLimitMs = 1_000
        return String(wire: try client.run(port: served.listener).received)
    }

    @Test func theHeadersAddressesChooseTheChain() throws {
        let served = try serve(
            [
                ("destination_port: 2222, direct_source_prefix_ranges: [{address_prefix: 127.0.0.1, prefix_len: 32}], source_prefix_ranges: [{address_prefix: 1.2.0.0, prefix_len: 16}]", "named"),
                ("destination_port: 2222, direct_source_prefix_ranges: [{address_prefix: 127.0.0.1, prefix_len: 32}], source_ports: [7]", "seven"),
                ("source_type: SAME_IP_OR_LOOPBACK", "local"), ("prefix_ranges: [{address_prefix: \"2001:db8::\", prefix_len: 32}]", "sixth"),
            ], more: "listener_filters: [{name: p, typed_config: {\"@type\": \(ProxyProtocolTests.filter)}}]")
        #expect(try answer(served, ProxyProtocolTests.header()) == "named")
        #expect(try answer(served, "PROXY TCP4 9.9.9.9 5.6.7.8 7 2222\r\n") == "seven")
        #expect(try answer(served, "PROXY UNKNOWN\r\n ") == "local")
        #expect(try answer(served, "PROXY TCP6 2001:db8::7 2001:db8::8 7 1\r\n") == "sixth")
        #expect(try answer(served, "PROXY TCP4 9.9.9.9 5.6.7.8 8 1\r\n") == "")
        for (name, count) in [
            ("listener.l.no_filter_chain_match", 1), ("listener.l.downstream_cx_total", 4), ("listener.l.downstream_cx_active", 0),
            ("listener.l.downstream_pre_cx_active", 0), ("proxy_proto.versions.v1.found", 4), ("proxy_proto.versions.v2.found", 1),
        ] { #expect(served.stat(name, becomes: count) == count, "\(name)") }
    }

    @Test func http2AndHTTP1AreToldApart() throws {
        let served = try serve(
            [("application_protocols: [h2c]", "two"), ("application_protocols: [http/1.1]", "one"), ("", "other")],
            more: """
                listener_filters:
                    - {name: p, typed_config: {"@type": \(ProxyProtocolTests.filter), allow_requests_without_proxy_protocol: true}}
                    - {name: envoy.filters.listener.http_inspector}
                """)
        #expect(try answer(served, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == "two")
        #expect(try answer(served, ProxyProtocolTests.get) == "one")
        #expect(try answer(served, ProxyProtocolTests.header() + ProxyProtocolTests.get) == "one")
        #expect(try answer(served, "hello world\r\n") == "other")
        for (name, count) in [
            ("http_inspector.http2_found", 1), ("http_inspector.http11_found", 2), ("http_inspector.http_not_found", 0),
            ("http_inspector.http10_found", 1), ("proxy_proto.not_found_allowed", 3),
        ] { #expect(served.stat(name, becomes: count) == count, "\(name)") }
    }

    @Test func valuesInTheConnectionsLog() throws {
        let format = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)% %DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol:auth)% %METADATA(DYNAMIC:aws:vpce):4% %METADATA(ROUTE:aws:vpce)%"
        let directory = TemporaryDirectory()
        let file = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
        let served = try serve(
            [("", "x")],
            more: """
                listener_filters:
                    - {name: p, typed_config: {"@type": \(ProxyProtocolTests.filter), rules: [{tlv_type: 2, on_tlv_present: {key: auth}}, {tlv_type: 0xEA, on_tlv_present: {key: vpce, metadata_namespace: aws}}]}}
                    access_log:
                    - {name: a, typed_config: {"@type": \(file), path: \(directory.path)/text, log_format: {text_format_source: {inline_string: "\(format)\\n"}}}}
                    - {name: a, typed_config: {"@type": \(file), path: \(directory.path)/json, log_format: {json_format: {all: "%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)%", text: "a %DYNAMIC_METADATA(aws)%", none: "%DYNAMIC_METADATA(none)%"}}}}
                """)
        _ = try answer(served, ProxyProtocolTests.header([(2, "one"), (0xEA, "\u{1}vpce-1"), (2, "two")]))
        _ = try answer(served, ProxyProtocolTests.header([(2, "\u{ff}\u{c3}\u{a4}\"")]))
        var lines: [String] = []
        _ = wait(upToMs: 12_000, everyMs: 20) {
            lines = (Files.text(directory.path + "/text") ?? "").split(separator: "\n").map(String.init)
            return lines.count == 2
        }
        #expect(lines == [
            #"1.2.3.4:1111 5.6.7.8:2222 127.0.0.1 {"auth":"one"} one "# + "\u{1}vpc -",
            #"1.2.3.4:1111 5.6.7.8:2222 127.0.0.1 {"auth":"!ä\""} !ä" - -"#,
        ])
        var json: [String] = []
        _ = wait(upToMs: 12_000, everyMs: 20) {
            json = (Files.text(directory.path + "/json") ?? "").split(separator: "\n").map(String.init)
            return json.count == 2
        }
        #expect(json == [
            #"{"all":{"auth":"one"},"none":null,"text":"a {\"vpce\":\"\\u0001vpce-1\"}"}"#,
            #"{"all":{"auth":"!ä\""},"none":null,"text":"a -"}"#,
        ])
    }

    /// `metadata_filter` and `metadata` of expressions, in logs of the listener and of `tcp_proxy`. Each answer is Envoy 1.40's.
    @Test func filtersAndExpressionsSeeTheValues() throws {
        let own = "envoy.filters.listener.proxy_protocol"
        func of(_ value: String, _ more: String = "", key: String = "auth", namespace: String? = nil) -> String {
            "{matcher: {filter: \(namespace ?? own), path: [\(key.split(separator: "/").map { "{key: \($0)}" }.joined(separator: ", "))], value: {\(value)}\(more)}}"
        }
        func otherwiseNot(_ filter: String) -> String { filter.dropLast() + ", match_if_key_not_found: false}" }
        let filters: [(name: String, filter: String, isWritten: Bool)] = [
            ("exact", of("string_match: {exact: one}"), true), ("other", of("string_match: {exact: two}"), false),
            ("case", of("string_match: {exact: ONE, ignore_case: true}"), true), ("regex", of("string_match: {safe_regex: {regex: o.e}}"), true),
            ("present", of("present_match: true"), true), ("absent", of("present_match: false"), false),
            ("null", of("null_match: {}"), false), ("bool", of("bool_match: true"), false), ("double", of("double_match: {exact: 1}"), false),
            ("list", of("list_match: {one_of: {string_match: {exact: one}}}"), false),
            ("either", of("or_match: {value_matchers: [{bool_match: true}, {string_match: {prefix: o}}]}"), true),
            ("neither", of("or_match: {value_matchers: [{bool_match: true}, {string_match: {prefix: x}}]}"), false),
            ("inverted", of("string_match: {exact: one}", ", invert: true"), true), ("inverted_other", of("string_match: {exact: two}", ", invert: true"), false),
            ("nothing", of("string_match: {exact: one}", key: "nope"), true), ("nothing_not", otherwiseNot(of("string_match: {exact: one}", key: "nope")), false),
            ("deep", of("string_match: {exact: one}", key: "auth/x"), true), ("deep_not", otherwiseNot(of("string_match: {exact: one}", key: "auth/x")), false),
            ("empty", otherwiseNot(of("string_match: {exact: ''}", key: "empty", namespace: "aws")), true),
            ("not_utf8", otherwiseNot(of("string_match: {exact: a!b}", key: "bad", namespace: "aws")), true),
            ("other_namespace", otherwiseNot(of("string_match: {exact: one}", namespace: "aws")), false), ("unasked", "{}", true),
        ]
        let expressions: [(expression: String, text: String)] = [
            ("metadata.filter_metadata['\(own)'].auth", "one"), ("metadata.filter_metadata.aws.empty", ""), ("metadata.filter_metadata.aws.bad", "a!b"),
            ("metadata.filter_metadata.aws.nope", "-"), ("size(metadata.filter_metadata)", "2"), ("has(metadata.filter_metadata)", "true"),
            ("metadata.filter_metadata.aws == {'empty': '', 'bad': 'a!b'}", "true"), ("metadata == xds.listener_metadata", "false"),
        ]
        let directory = TemporaryDirectory()
        let file = "\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
        func log(_ name: String, _ text: String, _ filter: String = "") -> String {
            "{name: a, \(filter)typed_config: {\(file), path: \(directory.path)/\(name), log_format: {text_format_source: {inline_string: \"\(text)\\n\"}}}}"
        }
        func logs(_ kind: String) -> String {
            (filters.map { log("\(kind)_\($0.name)", "x", "filter: {metadata_filter: \($0.filter)}, ") }
                + [log("\(kind)_cel", expressions.map { "%CEL(\($0.expression))%" }.joined(separator: "|"))]).joined(separator: ", ")
        }
        let served = try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                listener_filters:
                - {name: p, typed_config: {"@type": \(ProxyProtocolTests.filter), rules: [{tlv_type: 2, on_tlv_present: {key: auth}}, {tlv_type: 225, on_tlv_present: {key: empty, metadata_namespace: aws}}, {tlv_type: 226, on_tlv_present: {key: bad, metadata_namespace: aws}}]}}
                access_log: [\(logs("listener"))]
                filter_chains:
                - filters:
                  - name: t
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: t
                      cluster: gone
                      access_log: [\(logs("tcp"))]
              clusters: [{name: gone, load_assignment: {cluster_name: gone, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}}]
            """
        }
        _ = try? answer(served, ProxyProtocolTests.header([(2, "one"), (2, "two"), (225, ""), (226, "a\u{ff}b")]))
        let told = expressions.map(\.text).joined(separator: "|") + "\n"
        for kind in ["listener", "tcp"] {
            #expect(wait(upToMs: 12_000, everyMs: 20) { Files.text(directory.path + "/\(kind)_cel") == told }, "\(Files.text(directory.path + "/\(kind)_cel") ?? "")")
            for (name, _, isWritten) in filters {
                let text = wait(upToMs: isWritten ? 12_000 : 0, everyMs: 20) { Files.text(directory.path + "/\(kind)_\(name)") == "x\n" }
                #expect(text == isWritten, "\(kind) \(name)")
            }
        }
    }

    /// What listener filters have seen only was never the connection's.
    @Test func aRefusedHeaderCountsNoBytes() throws {
        let directory = TemporaryDirectory()
        let file = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
        let served = try serve(
            [("", "x")],
            more: """
                listener_filters:
                    - {name: p, typed_config: {"@type": \(ProxyProtocolTests.filter)}}
                    access_log:
                    - {name: a, typed_config: {"@type": \(file), path: \(directory.path)/text, log_format: {text_format_source: {inline_string: "%BYTES_RECEIVED% %BYTES_SENT%\\n"}}}}
                """)
        _ = try? answer(served, ProxyProtocolTests.get)
        var text = ""
        _ = wait(upToMs: 20_000, everyMs: 20) {
            text = Files.text(directory.path + "/text") ?? ""
            return !text.isEmpty
        }
        #expect(text == "0 0\n")
    }
}
