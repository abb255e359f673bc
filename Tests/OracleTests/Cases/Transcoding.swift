import TestSupport

extension Groups {
    /// `grpc_json_transcoder`, with the services of TestSupport/Protos/shop.proto.
    static let transcoding = Group(
        name: "transcoding",
        listeners: [
            listener("plain"), listener("status", "convert_grpc_status: true"), listener("auto", "auto_mapping: true"),
            listener("route", "match_incoming_request_route: true"),
            listener("strict", "request_validation_options: {reject_unknown_method: true, reject_unknown_query_parameters: true, reject_binding_body_field_collisions: true}"),
            listener("loose", "ignore_unknown_query_parameters: true\ncase_insensitive_enum_parsing: true\nquery_param_unescape_plus: true\nmatch_unregistered_custom_verb: true"),
            listener("ignored", "ignored_query_parameters: [key, item.id]"),
            listener("captured", "capture_unknown_query_parameters: true"),
            listener("pretty", "print_options: {add_whitespace: true, always_print_primitive_fields: true}"),
            listener("names", "print_options: {always_print_enums_as_ints: true, preserve_proto_field_names: true}"),
            listener("lines", "print_options: {stream_newline_delimited: true}"), listener("events", "print_options: {stream_sse_style_delimited: true}"),
            listener("slash", "url_unescape_spec: ALL_CHARACTERS_EXCEPT_SLASH"), listener("everything", "url_unescape_spec: ALL_CHARACTERS"),
            listener("small", "max_request_body_size: 20\nmax_response_body_size: 20"),
            listener("unlimited", connection: "per_connection_buffer_limit_bytes: 0"), listener("without", services: "[]"),
        ],
        clusters: [.init("up", [.scripted("a")], upstreamTrailers), .init("none", [])],
        cases: pathCases + bodyCases + valueCases + responseCases + streamCases + errorCases)

    private static let upstreamTrailers = """
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {http_protocol_options: {enable_trailers: true}}
        """

    private static func message(_ fields: String, services: String) -> String {
        """
        "@type": type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder
        proto_descriptor_bin: \(ShopDescriptors.base64)
        services: \(services)
        \(fields)
        """
    }

    private static func listener(_ name: String, _ fields: String = "", services: String = "[shop.v1.Shop]", connection: String = "") -> Group.Listener {
        .init(
            name: name, fields: connection, manager: "http_protocol_options: {enable_trailers: true}\n",
            virtualHosts: """
                - name: all
                  domains: ["*"]
                  routes:
                  - {name: grpc, match: {prefix: /shop.v1.Shop}, route: {cluster: up, timeout: 0s}}
                  - {name: dead, match: {path: /v1/items/503}, route: {cluster: none}}
                  - name: own
                    match: {prefix: /v1/look}
                    route: {cluster: up, timeout: 0s}
                    typed_per_filter_config:
                      envoy.filters.http.grpc_json_transcoder:
                \(message("", services: "[]").indented(8))
                  - {name: rest, match: {prefix: /}, route: {cluster: up, timeout: 0s}}
                """,
            filters: """
                - name: envoy.filters.http.grpc_json_transcoder
                  typed_config:
                \(message(fields, services: services).indented(4))
                """)
    }

    // MARK: Wire

    private static func varint(_ value: UInt64) -> [UInt8] { value < 128 ? [UInt8(value)] : [UInt8(value & 127) | 128] + varint(value >> 7) }
    private static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] { varint(field << 3) + varint(value) }
    private static func number(_ field: UInt64, _ value: Int64) -> [UInt8] { number(field, UInt64(bitPattern: value)) }
    private static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] { varint(field << 3 | 2) + varint(UInt64(value.count)) + value }
    private static func text(_ field: UInt64, _ value: String) -> [UInt8] { bytes(field, Array(value.utf8)) }
    private static func fixed(_ field: UInt64, _ value: UInt64, _ size: Int) -> [UInt8] {
        varint(field << 3 | (size == 8 ? 1 : 5)) + (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    private static func frame(_ message: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        [flags, 0, 0, UInt8(message.count >> 8), UInt8(message.count & 255)] + message
    }

    private static func answer(_ frames: [[UInt8]], status: String = "0", _ more: String = "") -> String {
        var text = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n"
        for frame in frames { text += String(frame.count, radix: 16) + "\r\n" + String(wire: frame) + "\r\n" }
        return text + "0\r\ngrpc-status: \(status)\r\n\(more)\r\n"
    }

    private static let item = text(1, "hammer") + number(2, UInt64(7))

    /// What the method behind a path answers with.
    private static func content(_ path: String) -> [UInt8] {
        ["/v1/all", "/v1/nested", "/v1/numbers"].contains { path.hasPrefix($0) } ? number(1, UInt64(3)) : item
    }

    /// Envoy connects before it looks at the body; Martlet asks nothing of an upstream for a request that it refuses.
    private static func refused(_ test: inout Case) { test.ignoring = [.upstream, .counters, .log]; test.resetIsClose = true }

    /// And what is said of text that is no JSON differs in words.
    private static func notJSON(_ test: inout Case) {
        refused(&test)
        test.ignoring.formUnion([.body, .headers])
    }

    private static func get(_ name: String, _ path: String, on listener: String = "plain", method: String = "GET", _ more: String = "") -> Case {
        Case("transcoding." + name, request("\(method) " + path, more), on: listener).replying(answer([frame(content(path))])).with { $0.answerLimitMs = 2_500 }
    }

    private static func post(_ name: String, _ path: String, _ body: String, on listener: String = "plain", method: String = "POST", type: String = "application/json") -> Case {
        Case(
            "transcoding." + name, request("\(method) " + path, "content-type: \(type)\r\ncontent-length: \(body.wire.count)\r\n") + body, on: listener
        ).replying(answer([frame(content(path))])).with { $0.answerLimitMs = 2_500 }
    }

    /// A body whose parts come one by one.
    private static func parts(_ name: String, _ path: String, _ parts: [String]) -> Case {
        var steps: [RawClient.Step] = [
            .send(request("PUT " + path, "content-type: image/png\r\ncontent-length: \(parts.reduce(0) { $0 + $1.wire.count })\r\n"))
        ]
        for part in parts { steps += [.pause(ms: 150), .send(part)] }
        return Case("transcoding." + name, steps: steps, methods: ["PUT"]).replying(answer([frame(content(path))])).with {
            $0.listener = "plain"
            $0.answerLimitMs = 2_500
        }
    }

    // MARK: Paths and queries

    private static let pathCases: [Case] = [
        get("path_variable", "/v1/items/7"), get("path_segments", "/v1/shelves/a/items/b"), get("path_segments_escaped", "/v1/shelves/a%20b/items/c%2Fd%25"),
        get("path_escaped_except_slash", "/v1/shelves/a%3Ab/items/c%2Fd", on: "slash"), get("path_escaped_all", "/v1/shelves/a%3Ab/items/c%2Fd", on: "everything"),
        get("path_no_number", "/v1/items/seven").with(refused), get("path_negative", "/v1/items/-7"), get("path_too_large", "/v1/items/99999999999999999999").with(refused),
        get("path_unknown", "/v2/items"), get("path_unknown_strict", "/v2/items?x=1", on: "strict"), get("path_other_method", "/v1/chat", method: "DELETE"),
        get("path_other_method_strict", "/v1/chat", on: "strict", method: "DELETE"), get("path_trailing_slash", "/v1/items/7/"), get("path_empty_segment", "/v1//items"),
        get("path_verb_unknown", "/v1/items/7:burn").with(refused), get("path_verb_unknown_split", "/v1/items/7:burn", on: "loose"), post("path_verb", "/v1/all:replace", "{}", method: "PUT"),
        get("path_custom_method", "/v1/look/7", method: "LOOK"), get("path_delete", "/v1/items/7", method: "DELETE").replying(answer([frame([])])),
        get("path_double_wildcard", "/v1/items"), post("path_rest", "/v1/files/a/b%20c/d", "{\"id\": 5}", method: "PATCH"), post("path_rest_empty", "/v1/files", "{}", method: "PATCH"),
        get("path_route_kept", "/v1/items/503", on: "route"), get("path_route_new", "/v1/items/503"), get("path_off", "/v1/items/7", on: "without"),
        get("path_grpc_passes", "/shop.v1.Shop/GetItem", method: "POST", "content-type: application/grpc\r\ncontent-length: 0\r\n"),
        post("path_auto", "/shop.v1.Shop/Unmapped", "{\"name\": \"n\"}", on: "auto"), post("path_auto_off", "/shop.v1.Shop/Unmapped", "{\"name\": \"n\"}"),
        post("path_auto_of_mapped", "/shop.v1.Shop/GetItem", "{\"id\": 3}", on: "auto"),
        get("query", "/v1/items?name=n&id=5&tags=a&tags=b"), get("query_nested", "/v1/items?item.name=x&item.part.id=3"), get("query_json_name", "/v1/all?snakeCaseName=a&renamed=b"),
        get("query_escaped", "/v1/items?name=a%20b%26c%2f+d"), get("query_plus", "/v1/items?name=a+b", on: "loose"), get("query_unknown", "/v1/items?nothing=1"),
        get("query_unknown_strict", "/v1/items?nothing.more=1", on: "strict"), get("query_unknown_ignored", "/v1/items?nothing=1&name=n", on: "loose"),
        get("query_ignored", "/v1/items?key=1&item.id=4&name=n", on: "ignored"), get("query_no_value", "/v1/items?name&id=&shelf=s").with(refused), get("query_empty_name", "/v1/items?=1&name=n"),
        get("query_of_message", "/v1/items?item=x").with(refused), get("query_scalars", "/v1/all?i32=-5&u64=18446744073709551615&flt=1.5&dbl=-2e3&yes=true&raw=aGk%3D&color=RED&color=2"),
        get("query_enum_case", "/v1/all?color=red", on: "loose"), get("query_enum_case_not", "/v1/all?color=red").with(refused), get("query_bad_bool", "/v1/all?yes=1"), get("query_enum_unknown", "/v1/all?color=BLUE").with(refused),
        get("query_well_known", "/v1/all?at=2024-02-29T12:00:00.5Z&lasts=-1.5s&mask=a.b,cD&wrapped=5&wrappedText=w"), get("query_packed", "/v1/all?numbers=1&numbers=2"),
        get("query_twice", "/v1/items?name=a&name=b"), get("query_and_path", "/v1/items/7?id=8"),
    ]

    // MARK: Bodies

    private static let bodyCases: [Case] = [
        post("body_field", "/v1/shelves/s1/items", "{\"name\": \"saw\", \"price\": 2.5}"), post("body_field_and_query", "/v1/shelves/s1/items?name=q&item.id=4", "{\"name\": \"saw\"}"),
        post("body_all", "/v1/all", "{\"i32\": 1, \"text\": \"t\"}"), post("body_all_and_query", "/v1/all?i64=9", "{\"i32\": 1}"), post("body_collision", "/v1/all?i32=9", "{\"i32\": 1}"),
        post("body_collision_strict", "/v1/all?i32=9", "{\"i32\": 1}", on: "strict").with(refused), post("body_unknown_field", "/v1/all", "{\"nothing\": {\"a\": [1]}, \"i32\": 1}"),
        post("body_empty", "/v1/all", ""), post("body_empty_object", "/v1/all", "{}"), post("body_of_get_is_dropped", "/v1/items/7", "{\"name\": \"x\"}", method: "GET"),
        post("body_list_field", "/v1/numbers", "[1, 2, 300]"), post("body_nested", "/v1/nested", "{\"nested\": {\"i32\": 5}}"), post("body_space", "/v1/all", " \n{ \"i32\" : 1 }\t "),
        post("body_cut", "/v1/all", "{\"i32\": 1").with(notJSON), post("body_array", "/v1/all", "[1]").with(refused), post("body_text", "/v1/all", "hello").with(notJSON), post("body_scalar", "/v1/all", "5").with(refused), post("body_null", "/v1/all", "null").with(refused),
        post("body_two", "/v1/all", "{} {}").with(notJSON), post("body_trailing_comma", "/v1/all", "{\"i32\": 1,}"), post("body_duplicate_key", "/v1/all", "{\"i32\": 1, \"i32\": 2}"),
        post("body_other_type", "/v1/all", "{\"i32\": 1}", type: "text/plain"),
        Case("transcoding.body_chunked", request("POST /v1/all", "content-type: application/json\r\ntransfer-encoding: chunked\r\n") + "5\r\n{\"i32\r\n5\r\n\": 1}\r\n0\r\n\r\n", on: "plain")
            .replying(answer([frame(number(1, UInt64(3)))])),
        post("body_without_a_limit", "/v1/all", "{\"text\": \"a\"}", on: "unlimited"),
        post("body_too_large", "/v1/all", "{\"text\": \"0123456789012345678901234567890\"}", on: "small").with(refused), post("body_raw", "/v1/store/n", "\0\u{1}raw", method: "PUT", type: "image/png"),
        post("body_raw_empty", "/v1/store/n", "", method: "PUT", type: "image/png"),
        post("body_raw_captured", "/v1/store/n?x=1&x=a%20b", "raw", on: "captured", method: "PUT", type: "image/png"),
        post("body_raw_captured_deep", "/v1/store/n?y.z=1", "raw", on: "captured", method: "PUT", type: "image/png"),
        post("body_raw_captured_none", "/v1/store/n", "raw", on: "captured", method: "PUT", type: "image/png"),
        post("body_captured", "/v1/all?nothing=1&i32=4", "{\"text\": \"a\"}", on: "captured"),
    ]

    private static func value(_ name: String, _ json: String) -> Case { post("value_" + name, "/v1/all", json) }

    private static let valueCases: [Case] = [
        value("numbers", "{\"i32\": -2147483648, \"i64\": \"-9223372036854775808\", \"u32\": 4294967295, \"u64\": \"18446744073709551615\", \"s32\": -1, \"s64\": -2, \"f32\": 3, \"f64\": 4, \"sf32\": -5, \"sf64\": -6}"),
        value("floats", "{\"flt\": 1.5, \"dbl\": -2.25e10}"), value("float_words", "{\"flt\": \"NaN\", \"dbl\": \"-Infinity\"}"), value("float_text", "{\"dbl\": \"1.5\"}"),
        value("integral_float", "{\"i32\": 1.0, \"i64\": 1e3}"), value("fraction", "{\"i32\": 1.5}").with(refused), value("too_large", "{\"i32\": 2147483648}").with(refused), value("negative_unsigned", "{\"u32\": -1}").with(refused),
        value("number_text", "{\"i32\": \"12\"}"), value("number_bad_text", "{\"i32\": \"12x\"}").with(refused), value("bool", "{\"yes\": true}"), value("bool_text", "{\"yes\": \"true\"}"), value("bool_number", "{\"yes\": 1}").with(refused),
        value("string_number", "{\"text\": 5}").with(refused), value("string_escapes", "{\"text\": \"a\\u00e9\\ud83d\\ude00\\n\\/\"}"), value("string_lone_surrogate", "{\"text\": \"\\ud83d\"}").with(notJSON),
        value("bytes", "{\"raw\": \"aGk=\"}"), value("bytes_url", "{\"raw\": \"_-8\"}"), value("bytes_bad", "{\"raw\": \"a*\"}").with(refused), value("enum", "{\"color\": \"RED\"}"), value("enum_number", "{\"color\": 2}"),
        value("enum_unknown", "{\"color\": \"BLUE\"}").with(refused), value("enum_unknown_number", "{\"color\": 9}"), value("null_field", "{\"i32\": null, \"nested\": null, \"text\": \"x\"}"),
        value("nested", "{\"nested\": {\"nested\": {\"i32\": 5}}}"), value("nested_scalar", "{\"nested\": 5}").with(refused), value("list", "{\"numbers\": [1, 2], \"words\": [\"a\", \"\"], \"colors\": [\"RED\", 2]}"),
        value("list_scalar", "{\"numbers\": 1}"), value("list_null", "{\"words\": [null]}"), value("list_empty", "{\"numbers\": []}"), value("map", "{\"counts\": {\"a\": 1, \"b\": 0}}"),
        value("map_number_keys", "{\"items\": {\"5\": {\"id\": 1}}}"), value("map_bool_keys", "{\"flags\": {\"true\": \"x\"}}"), value("map_bad_key", "{\"items\": {\"x\": {}}}").with(refused),
        value("oneof", "{\"left\": \"l\"}"), value("oneof_both", "{\"left\": \"l\", \"right\": 1}").with(refused), value("optional_default", "{\"maybe\": 0, \"i32\": 0, \"text\": \"\"}"),
        value("timestamp", "{\"at\": \"2024-02-29T12:00:00.123456Z\"}"), value("timestamp_offset", "{\"at\": \"2024-02-29T12:00:00+01:30\"}"), value("timestamp_bad", "{\"at\": \"yesterday\"}").with(refused),
        value("duration", "{\"lasts\": \"-1.000000001s\"}"), value("duration_bad", "{\"lasts\": \"5\"}").with(refused), value("field_mask", "{\"mask\": \"a.bC,d\"}"),
        value("struct", "{\"structure\": {\"a\": [1, \"x\", null, {\"b\": true}]}}"), value("any_value", "{\"value\": {\"a\": 1}}"), value("null_value", "{\"value\": null}"), value("list_value", "{\"list\": [1, []]}"),
        value("wrappers", "{\"wrapped\": \"5\", \"wrappedText\": \"w\"}"), value("wrapper_of_default", "{\"wrapped\": 0}"), value("any", "{\"any\": {\"@type\": \"type.googleapis.com/shop.v1.Item\", \"name\": \"n\"}}"),
        value("any_well_known", "{\"any\": {\"@type\": \"type.googleapis.com/google.protobuf.Duration\", \"value\": \"1s\"}}"), value("any_unknown", "{\"any\": {\"@type\": \"type.googleapis.com/no.Such\"}}").with(refused),
        value("names", "{\"snakeCaseName\": \"a\", \"renamed\": \"b\"}"), value("proto_names", "{\"snake_case_name\": \"a\", \"other\": \"b\"}"),
        value("deep", String(repeating: "{\"nested\":", count: 40) + "{}" + String(repeating: "}", count: 40)),
    ]

    // MARK: Responses

    private static func printed(_ name: String, _ message: [UInt8], on listener: String = "plain") -> Case {
        get("print_" + name, "/v1/all", on: listener).replying(answer([frame(message)]))
    }

    private static func entry(_ field: UInt64, _ key: [UInt8], _ value: [UInt8]) -> [UInt8] { bytes(field, key + value) }

    private static let every: [UInt8] =
        number(1, Int64(-5)) + number(2, Int64(-6)) + number(3, UInt64(7)) + number(4, UInt64.max) + number(5, UInt64(3)) + number(6, UInt64(4))
        + fixed(7, 8, 4) + fixed(8, 9, 8) + text(9, "t") + fixed(10, UInt64(UInt32(bitPattern: -10)), 4) + fixed(11, UInt64(bitPattern: -11), 8)
        + fixed(12, UInt64(Float(0.1).bitPattern), 4) + fixed(13, (0.1).bitPattern, 8) + number(14, UInt64(1)) + bytes(15, [0xff, 0, 1]) + number(16, UInt64(2))
        + bytes(17, number(1, UInt64(1))) + bytes(18, [1, 2, 0x80, 1]) + text(19, "a") + text(19, "") + number(34, UInt64(1)) + number(34, UInt64(7)) + text(35, "s") + text(36, "r")

    private static let responseCases: [Case] = [
        printed("every", every), printed("every_with_names", every, on: "names"), printed("every_pretty", every, on: "pretty"), printed("nothing", []), printed("nothing_pretty", [], on: "pretty"),
        printed("map_strings", entry(20, text(1, "a"), number(2, UInt64(1)))), 
        printed("map_numbers", entry(21, number(1, UInt64(5)), bytes(2, item))), printed("map_bools", entry(37, number(1, UInt64(1)), text(2, "x"))),
        printed("maps_pretty", entry(20, text(1, "a"), number(2, UInt64(1))), on: "pretty"), printed("oneof", text(22, "l")), printed("oneof_default", number(23, UInt64(0))), printed("oneof_twice", text(22, "l") + number(23, UInt64(4))),
        printed("optional_default", number(24, UInt64(0))), printed("default_on_the_wire", number(1, UInt64(0)) + text(9, "")), printed("wire_order", text(35, "z") + number(1, UInt64(3)) + text(9, "y")),
        printed("unknown_field", number(99, UInt64(5)) + number(1, UInt64(3))), printed("unknown_enum", number(16, UInt64(9))), printed("merged", bytes(17, number(1, UInt64(1))) + bytes(17, number(2, UInt64(2)))),
        printed("timestamp", bytes(25, number(1, UInt64(1_709_208_000)) + number(2, UInt64(500_000_000)))), printed("timestamp_old", bytes(25, number(1, Int64(-1)))), printed("timestamp_bad", bytes(25, number(1, Int64.max))),
        printed("duration", bytes(26, number(1, Int64(-1)) + number(2, Int64(-1000)))), printed("duration_none", bytes(26, [])), printed("field_mask", bytes(27, text(1, "a.b_c") + text(1, "d"))),
        printed("struct", bytes(28, bytes(1, text(1, "k") + bytes(2, fixed(2, (1.5).bitPattern, 8))) + bytes(1, text(1, "n") + bytes(2, number(1, UInt64(0)))) + bytes(1, text(1, "s") + bytes(2, text(3, "x"))))),
        printed("value", bytes(29, bytes(6, bytes(1, number(4, UInt64(1))) + bytes(1, bytes(5, []))))), printed("list_value", bytes(30, bytes(1, fixed(2, (3.0).bitPattern, 8)))),
        printed("wrappers", bytes(31, number(1, UInt64(5))) + bytes(32, [])), printed("any", bytes(33, text(1, "type.googleapis.com/shop.v1.Item") + bytes(2, item))),
        printed("any_well_known", bytes(33, text(1, "type.googleapis.com/google.protobuf.Duration") + bytes(2, number(1, UInt64(1))))), printed("any_empty", bytes(33, [])), printed("any_unknown", bytes(33, text(1, "type.googleapis.com/no.Such"))),
        printed("escapes", text(9, "\"\\/\u{8}\n\t\u{1}<>&'\u{7f}\u{80}\u{ad}é\u{2028}\u{1F600}")), printed("not_utf8", bytes(9, [0xff, 0x61])),
        printed("floats", fixed(12, UInt64(Float(1e20).bitPattern), 4) + fixed(13, (1e-7).bitPattern, 8)), printed("floats_large", fixed(12, UInt64(Float(123456.78).bitPattern), 4) + fixed(13, (123456789012345680.0).bitPattern, 8)),
        printed("floats_whole", fixed(12, UInt64(Float(100).bitPattern), 4) + fixed(13, (-3.0).bitPattern, 8)), printed("floats_words", fixed(12, UInt64(Float.nan.bitPattern), 4) + fixed(13, (-Double.infinity).bitPattern, 8)),
        printed("malformed", [0x0a, 5, 1]), printed("malformed_tag", [0xff]),
        get("raw_field", "/v1/wrapped/7").replying(answer([frame(text(1, "n") + bytes(2, text(1, "text/x") + text(2, "ab")))])),
        get("raw_field_none", "/v1/wrapped/7").replying(answer([frame(text(1, "n"))])),
        get("raw", "/v1/download/7").replying(answer([frame(text(1, "image/png") + bytes(2, [0, 1, 2, 0xff]))])), get("raw_no_type", "/v1/download/7").replying(answer([frame(bytes(2, [1]))])),
        get("raw_failure", "/v1/download/7").replying(answer([], status: "5")), get("raw_stream", "/v1/stream/7").replying(answer([frame(text(1, "text/x") + text(2, "ab")), frame(text(1, "text/y") + text(2, "cd"))])),
        get("raw_stream_none", "/v1/stream/7").replying(answer([])),
        get("no_trailers", "/v1/items/7").replying("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: \(frame(item).count)\r\n\r\n" + String(wire: frame(item))),
        get("two_messages", "/v1/items/7").replying(answer([frame(item), frame(item)])), get("no_message", "/v1/items/7").replying(answer([])),
        get("cut_message", "/v1/items/7").replying(answer([Array(frame(item).dropLast(2))])), get("compressed", "/v1/items/7").replying(answer([frame(item, flags: 1)])),
        get("too_large", "/v1/items/7", on: "small").replying(answer([frame(text(1, many("x", 60)))])), get("head_request", "/v1/items/7", method: "HEAD"),
        Case("transcoding.in_pieces", request("GET /v1/items/7"), on: "plain").upstream(
            .steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n3\r\n\0\0\0\r\n"), .delay(ms: 30), .send(String(frame(item).count - 3, radix: 16) + "\r\n" + String(wire: Array(frame(item).dropFirst(3))) + "\r\n0\r\ngrpc-status: 0\r\n\r\n"))),
    ]

    // MARK: Streams

    private static let streamCases: [Case] = [
        get("stream", "/v1/items").replying(answer([frame(item), frame([])])), get("stream_none", "/v1/items").replying(answer([])), get("stream_failure", "/v1/items").replying(answer([frame(item)], status: "13", "grpc-message: bad\r\n")),
        get("stream_trailers_only", "/v1/items").replying(trailersOnly("5")), get("stream_lines", "/v1/items", on: "lines").replying(answer([frame(item), frame([])])), get("stream_lines_none", "/v1/items", on: "lines").replying(answer([])),
        get("stream_events", "/v1/items", on: "events").replying(answer([frame(item), frame([])])), get("stream_pretty", "/v1/items", on: "pretty").replying(answer([frame(item), frame(item)])),
        get("stream_status", "/v1/items", on: "status").replying(answer([], status: "5", "grpc-message: gone\r\n")),
        post("upload", "/v1/upload", "[{\"name\": \"a\"}, {\"id\": 2}]"), post("upload_none", "/v1/upload", "[]"), post("upload_empty", "/v1/upload", "").with(refused), post("upload_object", "/v1/upload", "{\"name\": \"a\"}").with(refused),
        post("upload_cut", "/v1/upload", "[{\"name\": \"a\"}, {\"id\"").with(notJSON), post("upload_brackets", "/v1/upload", " [ {\"name\": \"],{\\\"\", \"tags\": [\"[\"]} , {} ] "), post("upload_bad_element", "/v1/upload", "[{\"name\": \"a\"}, {\"id\": \"x\"}]").with(refused),
        post("raw_upload", "/v1/storestream/n", "raw bytes", method: "PUT", type: "image/png"), post("raw_upload_empty", "/v1/storestream/n", "", method: "PUT", type: "image/png"),
        parts("raw_upload_parts", "/v1/storestream/n", ["one", "two", "three"]),
        post("raw_chat", "/v1/rawstream", "raw", type: "text/x").replying(answer([frame(text(1, "text/a") + text(2, "one")), frame(text(1, "text/b") + text(2, "two")), frame(text(2, "three"))])),
        post("chat", "/v1/chat", "[{\"name\": \"a\"}]").replying(answer([frame(item), frame(item)])),
    ]

    // MARK: Errors

    private static func failed(_ name: String, _ answer: String, on listener: String = "plain") -> Case { get("error_" + name, "/v1/items/7", on: listener).replying(answer) }

    private static let errorCases: [Case] =
        (1...16).map { failed("code_\($0)", answer([], status: "\($0)", "grpc-message: why%20not\r\n")) } + [
            failed("trailers_only", trailersOnly("5", "grpc-message: gone\r\n")), failed("unknown_code", answer([], status: "17")), failed("no_code", answer([], status: "x")),
            failed("with_message", answer([frame(item)], status: "5")), failed("http", reply("503 Unavailable", "content-type: text/plain\r\n", body: "no")), failed("http_ok", reply("200 OK", "content-type: text/plain\r\n", body: "hm")),
            failed("converted", answer([], status: "5", "grpc-message: why%20not\r\n"), on: "status"), failed("converted_trailers_only", trailersOnly("5", "grpc-message: gone\r\nx-more: 1\r\n"), on: "status"),
            // code 9, message "det", one detail: Duration 1s
            failed("converted_details", answer([], status: "9", "grpc-status-details-bin: CAkSA2RldBo0Cix0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5wcm90b2J1Zi5EdXJhdGlvbhIECAEQAA==\r\n"), on: "status"),
            failed("converted_bad_details", answer([], status: "9", "grpc-status-details-bin: ***\r\n"), on: "status"), failed("converted_with_message", answer([frame(item)], status: "5"), on: "status"),
            failed("converted_ok", answer([frame(item)]), on: "status"), failed("converted_no_message", answer([], status: "5"), on: "status"), get("error_no_host", "/v1/items/503", on: "route"),
            Case("transcoding.error_reset", request("GET /v1/items/7"), on: "plain").upstream(.steps(.readRequest, .close)),
        ]
}
