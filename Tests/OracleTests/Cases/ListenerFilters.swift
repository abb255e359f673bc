import TestSupport

extension Groups {
    /// What looks at a connection before its filter chain is chosen.
    static let listenerFilters = Group(
        name: "listener_filters",
        listeners: [
            .init(name: "proxy", fields: proxyProtocol("rules: [\(auth), \(vpce)]"), manager: "use_remote_address: true", logFormat: addresses),
            .init(
                name: "optional",
                fields: proxyProtocol(
                    "rules: [\(auth), \(vpce)], tlv_location: FILTER_STATE, stat_prefix: pre, disallowed_versions: [V1], allow_requests_without_proxy_protocol: true"),
                logFormat: addresses),
            .init(name: "second_only", fields: proxyProtocol("disallowed_versions: [V1]"), logFormat: addresses),
            .init(
                name: "metadata", fields: proxyProtocol("rules: [\(auth), \(vpce)]"),
                networkFilter: """
                    - name: envoy.filters.network.tcp_proxy
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                        stat_prefix: metadata
                        cluster: up
                        access_log:
                        - name: envoy.access_loggers.file
                          typed_config:
                            "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                            path: {{dir}}/access.log
                            log_format: {text_format_source: {inline_string: "\(metadataFormat)\\n"}}
                    """),
            .init(
                name: "disabled",
                fields: """
                    listener_filters:
                    - name: p
                      typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}
                      filter_disabled: {and_match: {rules: [{destination_port_range: {start: 1024, end: 65536}}, {not_match: {destination_port_range: {start: 1, end: 1024}}}]}}
                    """),
        ],
        clusters: [Group.up],
        cases: served + refused + others)

    private static let auth = "{tlv_type: 2, on_tlv_present: {key: auth}}"
    private static let vpce = "{tlv_type: 0xEA, on_tlv_present: {key: vpce, metadata_namespace: aws}}"

    private static func proxyProtocol(_ options: String) -> String {
        """
        listener_filters_timeout: 0.3s
        listener_filters:
        - name: p
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol, \(options)}
        """
    }

    private static let addresses = "{text_format_source: {inline_string: \"" + [
        "remote=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "direct=%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "local=%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
        "direct_local=%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT%", "dynamic=%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)%",
        "state=%FILTER_STATE(envoy.network.proxy_protocol.tlv:FIELD:auth)%", "vpce=%FILTER_STATE(envoy.network.proxy_protocol.tlv:FIELD:vpce:8)%",
    ].joined(separator: " | ") + "\\n\"}}"

    private static let metadataFormat = [
        "remote=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "all=%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)%",
        "auth=%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol:auth)%", "aws=%METADATA(DYNAMIC:aws)%",
        "vpce=%METADATA(DYNAMIC:aws:vpce):6%", "none=%DYNAMIC_METADATA(none:auth)%",
    ].joined(separator: " | ")

    // MARK: Headers, a Latin-1 character for each byte

    private static let get = "GET / HTTP/1.1\r\nhost: h.test\r\n\r\n"
    private static let v4 = "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{4}\u{57}\u{8}\u{ae}"
    private static let v6 = "\u{20}\u{1}\u{d}\u{b8}" + zeros(11) + "\u{1}\u{20}\u{1}\u{d}\u{b8}" + zeros(11) + "\u{2}\u{4}\u{57}\u{8}\u{ae}"

    private static func zeros(_ count: Int) -> String { String(repeating: "\0", count: count) }
    private static func byte(_ value: Int) -> String { String(UnicodeScalar(UInt8(value & 255))) }

    private static func binary(_ command: Int = 0x21, _ family: Int = 0x11, _ body: String = v4, length: Int? = nil) -> String {
        let count = length ?? body.unicodeScalars.count
        return "\r\n\r\n\0\r\nQUIT\n" + byte(command) + byte(family) + byte(count >> 8) + byte(count) + body
    }

    private static func tlv(_ type: Int, _ value: String) -> String {
        byte(type) + byte(value.unicodeScalars.count >> 8) + byte(value.unicodeScalars.count) + value
    }

    private static let served: [Case] = [
        answered("v1_ipv4", "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n"),
        answered("v1_ipv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1111 2222\r\n"),
        answered("v1_unknown", "PROXY UNKNOWN and so on\r\n"),
        answered("v1_port_with_zeros", "PROXY TCP4 1.2.3.4 5.6.7.8 01111 +2222\r\n"),
        answered("v1_space_at_the_end", "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222 \r\n"),
        answered("v1_of_108_bytes", "PROXY UNKNOWN " + String(repeating: "x", count: 92) + "\r\n"),
        answered("v2_ipv4", binary()), answered("v2_ipv6", binary(0x21, 0x21, v6)), answered("v2_udp", binary(0x21, 0x12)),
        answered("v2_local", binary(0x20, 0, "")), answered("v2_local_with_noise", binary(0x20, 0x31, "\u{2}\u{0}\u{9}a")),
        answered("v2_values", binary(0x21, 0x11, v4 + tlv(2, "host.test") + tlv(4, "padding") + tlv(0xEA, "\u{1}vpce-1"))),
        answered("v2_large", binary(0x21, 0x11, v4 + tlv(4, String(repeating: "x", count: 60_000)))),
        Case("listener_filters.v2_byte_by_byte", steps: binary().unicodeScalars.map { .send(String($0)) } + [.send(get)], on: "proxy", methods: ["GET"]),
    ]

    private static let refused: [Case] = [
        closed("v1_two_spaces", "PROXY  TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n"), closed("v1_large_port", "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n"),
        closed("v1_other_family", "PROXY TCP4 ::1 ::2 1 2\r\n"), closed("v1_multicast", "PROXY TCP4 224.0.0.1 5.6.7.8 1 2\r\n"),
        closed("v1_missing_word", "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"), closed("v1_lower_case", "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n"),
        closed("v1_of_109_bytes", "PROXY UNKNOWN " + String(repeating: "x", count: 93) + "\r\n"),
        closed("v1_tab", "PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n"), closed("none", ""),
        closed("v2_version", binary(0x31)), closed("v2_command", binary(0x22)), closed("v2_unix", binary(0x21, 0x31, zeros(216))),
        closed("v2_unspecified", binary(0x21, 0, "")), closed("v2_short", binary(length: 11)),
        closed("v2_half_a_value", binary(0x21, 0x11, v4 + "\u{2}\u{0}\u{9}a")), closed("v2_any_address", binary(0x21, 0x11, zeros(4) + v4.dropFirst(4))),
        closed("v1_not_allowed", "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", on: "second_only"),
        Case("listener_filters.says_too_little", steps: [.send("PROXY TC"), .awaitText("never")], on: "proxy", methods: [])
            .with { $0.resetIsClose = true; $0.answerLimitMs = 1_000 },
        Case("listener_filters.goes_away", steps: [.send("PROXY TC"), .shutdownWrite, .awaitText("never")], on: "proxy", methods: [])
            .with { $0.resetIsClose = true; $0.answerLimitMs = 1_000 },
    ]

    private static let others: [Case] = [
        answered("optional_missing", "", on: "optional"), answered("optional_v2", binary(0x21, 0x11, v4 + tlv(2, "one") + tlv(2, "two")), on: "optional"),
        answered("optional_not_text", binary(0x21, 0x11, v4 + tlv(2, "\u{ff}\u{fe}a") + tlv(0xEA, "0123456789")), on: "optional"),
        answered("optional_v1_not_allowed", "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", on: "optional"),
        answered("allowed_v2", binary(), on: "second_only"), answered("filter_disabled", "", on: "disabled"),
        tcp("metadata_both", tlv(2, "host.test") + tlv(0xEA, "\u{1}vpce-1")), tcp("metadata_first", tlv(2, "one") + tlv(2, "two")),
        tcp("metadata_not_text", tlv(2, "\u{ff}\u{c3}\u{a4}\u{80}")), tcp("metadata_empty", tlv(2, "")), tcp("metadata_none", tlv(4, "a")),
    ]

    private static func answered(_ name: String, _ header: String, on listener: String = "proxy") -> Case {
        Case("listener_filters." + name, steps: [.send(header + get)], on: listener, methods: ["GET"])
    }

    private static func closed(_ name: String, _ header: String, on listener: String = "proxy") -> Case {
        Case("listener_filters." + name, steps: [.send(header + get), .awaitText("never")], on: listener, methods: [])
            .with { $0.resetIsClose = true; $0.answerLimitMs = 1_000 }
    }

    /// What is logged at the connection's end is in `ProxyProtocolTests`: when that is, differs here.
    private static func tcp(_ name: String, _ tlvs: String) -> Case {
        Case(
            "listener_filters." + name, steps: [.send(binary(0x21, 0x11, v4 + tlvs) + get), .awaitResponse, .close], on: "metadata",
            methods: ["GET"]
        ).with { $0.ignoring = [.log] }
    }
}
