import TestSupport

extension Groups {
    /// `original_ip_detection_extensions`: the log tells whom they have found, the upstream what is passed on.
    static let originDetection = Group(
        name: "originDetection",
        listeners: [
            detecting("plain", xff("")),
            detecting("hops", xff("xff_num_trusted_hops: 1")),
            detecting("appends", xff("skip_xff_append: false")),
            detecting("ranges", xff(ranges)),
            detecting("ranges_append", xff(ranges + ", skip_xff_append: false")),
            detecting("strangers", xff("xff_trusted_cidrs: {cidrs: [{address_prefix: 11.0.0.0, prefix_len: 8}]}")),
            detecting("no_ranges", xff("xff_trusted_cidrs: {}")),
            detecting("field", field("")),
            detecting("trusted_field", field("allow_extension_to_set_address_as_trusted: true")),
            detecting("required_field", field("reject_with_status: {code: 401}")),
            detecting("required_field_ok", field("reject_with_status: {code: 200}")),
            detecting("field_then_forwarded", field("") + ", " + xff("")),
            detecting("required_then_forwarded", field("reject_with_status: {code: 403}") + ", " + xff("")),
            detecting("strangers_then_field", xff("xff_trusted_cidrs: {cidrs: [{address_prefix: 11.0.0.0, prefix_len: 8}]}") + ", " + field("allow_extension_to_set_address_as_trusted: true")),
            detecting("appends_then_plain", xff("skip_xff_append: false, xff_num_trusted_hops: 3") + ", " + xff("")),
        ],
        clusters: [Group.up], cases: forwarded + fields + several)

    private static let ranges = "xff_trusted_cidrs: {cidrs: [{address_prefix: 127.0.0.0, prefix_len: 8}, {address_prefix: 10.0.0.0, prefix_len: 8}, {address_prefix: \"fe80::\", prefix_len: 16}]}"

    private static func xff(_ fields: String) -> String {
        "{name: x, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig\(fields.isEmpty ? "" : ", " + fields)}}"
    }

    private static func field(_ fields: String) -> String {
        "{name: c, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig, header_name: X-Real\(fields.isEmpty ? "" : ", " + fields)}}"
    }

    private static func detecting(_ name: String, _ extensions: String) -> Group.Listener {
        .init(
            name: name, manager: """
                internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}, {address_prefix: 127.0.0.0, prefix_len: 8}]}
                original_ip_detection_extensions: [\(extensions)]
                """)
    }

    private static let said = [
        ("nothing", ""), ("one", "x-forwarded-for: 1.2.3.4\r\n"), ("two", "x-forwarded-for: 1.2.3.4, 5.6.7.8\r\n"),
        ("behind_ours", "x-forwarded-for: 1.2.3.4, 10.1.1.1\r\n"), ("ours", "x-forwarded-for: 10.0.0.1\r\n"),
        ("all_ours", "x-forwarded-for: 10.0.0.1, 10.0.0.2\r\n"), ("no_address", "x-forwarded-for: bad\r\n"),
        ("no_address_last", "x-forwarded-for: 1.2.3.4,bad\r\n"), ("no_address_between", "x-forwarded-for: 1.2.3.4,bad,10.0.0.1\r\n"),
        ("empty", "x-forwarded-for: \r\n"), ("empty_last", "x-forwarded-for: 1.2.3.4,\r\n"),
        ("two_fields", "x-forwarded-for: 1.2.3.4\r\nx-forwarded-for: 5.6.7.8\r\n"), ("ipv6", "x-forwarded-for: ::1, fe80::1\r\n"),
        ("many_of_ours", "x-forwarded-for: 1.2.3.4" + String(repeating: ",10.0.0.1", count: 30) + "\r\n"),
        ("told", "x-forwarded-for: 1.2.3.4\r\nx-envoy-internal: true\r\nx-envoy-external-address: 7.7.7.7\r\nx-envoy-retry-on: 5xx\r\n"),
        ("told_inside", "x-forwarded-for: 10.0.0.1\r\nx-envoy-retry-on: 5xx\r\n"),
        ("scheme", "x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\n"),
    ]

    private static let forwarded: [Case] = ["plain", "hops", "appends", "ranges", "ranges_append", "strangers", "no_ranges"].flatMap { listener in
        said.map { name, fields in Case("originDetection.\(listener)_\(name)", request("GET /", fields), on: listener) }
    }

    private static let fields: [Case] = ["field", "trusted_field", "required_field", "required_field_ok"].flatMap { listener in
        [
            ("nothing", ""), ("one", "x-real: 1.2.3.4\r\n"), ("ours", "x-real: 10.0.0.1\r\n"), ("no_address", "x-real: bad\r\n"),
            ("ipv6", "x-real: ::1\r\n"), ("brackets", "x-real: [::1]\r\n"), ("port", "x-real: 1.2.3.4:80\r\n"), ("empty", "x-real: \r\n"),
            ("two_fields", "x-real: 1.2.3.4\r\nx-real: 5.6.7.8\r\n"), ("forwarded_too", "x-real: 1.2.3.4\r\nx-forwarded-for: 5.6.7.8\r\n"),
            ("list", "x-real: 1.2.3.4, 5.6.7.8\r\n"),
        ].map { name, fields in Case("originDetection.\(listener)_\(name)", request("GET /", fields), on: listener) }
    }

    private static let several: [Case] = ["field_then_forwarded", "required_then_forwarded", "strangers_then_field", "appends_then_plain"].flatMap { listener in
        [
            ("nothing", ""), ("field", "x-real: 1.2.3.4\r\n"), ("forwarded", "x-forwarded-for: 9.9.9.9\r\n"),
            ("both", "x-real: 10.2.3.4\r\nx-forwarded-for: 9.9.9.9\r\n"), ("bad_field", "x-real: bad\r\nx-forwarded-for: 9.9.9.9\r\n"),
        ].map { name, fields in Case("originDetection.\(listener)_\(name)", request("GET /", fields), on: listener) }
    }
}
