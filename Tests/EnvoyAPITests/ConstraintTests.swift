import EnvoyAPI
import Testing

/// Every kind of constraint, at its bounds.
@Suite struct ConstraintTests {
    private func said<M: Message>(_ type: M.Type, _ yaml: String) -> [String] {
        lines(type, yaml).filter { !$0.contains("warning") }.map {
            $0.split(separator: ";", maxSplits: 1).first.map(String.init) ?? ""
        }
    }

    @Test func required() {
        #expect(said(Envoy_Config_Core_V3_HeaderValueOption.self, "{}") == ["1:1: error: header: value is required"])
        #expect(
            said(Envoy_Type_V3_TokenBucket.self, "{max_tokens: 1}") == ["1:1: error: fill_interval: value is required"])
        #expect(
            said(Envoy_Config_Core_V3_TypedExtensionConfig.self, "{name: a}") == [
                "1:1: error: typed_config: value is required"
            ])
        #expect(
            said(Envoy_Extensions_Filters_Http_Buffer_V3_Buffer.self, "{}") == [
                "1:1: error: max_request_bytes: value is required"
            ])
    }

    @Test(arguments: [256, 257]) func charactersAtMost(count: Int) {
        let template = "/" + String(repeating: "a", count: count - 1)
        let found = said(Envoy_Extensions_Path_Match_UriTemplate_V3_UriTemplateMatchConfig.self, "{path_template: \(template)}")
        #expect(found == (count == 256 ? [] : ["1:17: error: path_template: value length must be at most 256 characters"]))
    }

    @Test func requiredOneof() {
        #expect(said(Envoy_Config_Core_V3_Address.self, "{}") == [
            "1:1: error: field: \"address\", reason: is required"
        ])
        #expect(said(Envoy_Config_Core_V3_Address.self, "{pipe: {path: /a}}") == [])
    }

    @Test(arguments: [("0", true), ("65535", true), ("65536", false)])
    func atMost(port: String, isRight: Bool) {
        #expect(
            said(Envoy_Config_Core_V3_SocketAddress.self, "{address: a, port_value: \(port)}")
                == (isRight ? [] : ["1:26: error: port_value: value must be less than or equal to 65535"]))
    }

    @Test(arguments: [("0", false), ("1", true), ("8192", true), ("8193", false)])
    func insideRangeOfAWrapper(value: String, isRight: Bool) {
        #expect(
            said(Envoy_Config_Core_V3_HttpProtocolOptions.self, "max_response_headers_kb: \(value)")
                == (isRight ? [] : ["1:26: error: max_response_headers_kb: value must be inside range (0, 8192]"]))
    }

    @Test(arguments: [("199", false), ("200", true), ("599", true), ("600", false)])
    func insideRange(value: String, isRight: Bool) {
        #expect(
            said(Envoy_Config_Route_V3_DirectResponseAction.self, "status: \(value)")
                == (isRight ? [] : ["1:9: error: status: value must be inside range [200, 600)"]))
    }

    /// proto3 cannot tell a missing number from 0.
    @Test func aMissingNumberIsZero() {
        #expect(
            said(Envoy_Config_Route_V3_DirectResponseAction.self, "{}") == [
                "1:1: error: status: value must be inside range [200, 600)"
            ])
    }

    @Test(arguments: [("-0.1", false), ("0", true), ("12.5", true), ("100", true), ("100.1", false)])
    func doubles(value: String, isRight: Bool) {
        #expect(
            said(Envoy_Type_V3_Percent.self, "value: \(value)")
                == (isRight ? [] : ["1:8: error: value: value must be inside range [0, 100]"]))
    }

    @Test(arguments: [("0s", false), ("0.001s", true), ("299.999s", true), ("300s", false)])
    func durations(value: String, isRight: Bool) {
        #expect(
            said(Envoy_Config_Bootstrap_V3_Bootstrap.self, "stats_flush_interval: \(value)")
                == (isRight ? [] : ["1:23: error: stats_flush_interval: value must be inside range [0.001s, 300s)"]))
    }

    @Test func durationsAboveZero() {
        #expect(
            said(Envoy_Config_Cluster_V3_Cluster.self, "{name: a, connect_timeout: 0s}") == [
                "1:28: error: connect_timeout: value must be greater than 0s"
            ])
    }

    @Test func lengths() {
        #expect(
            said(Envoy_Config_Core_V3_Pipe.self, "path: ''") == [
                "1:7: error: path: value length must be at least 1 characters"
            ])
        let long = String(repeating: "a", count: 1025)
        #expect(
            said(Envoy_Config_Metrics_V3_TagSpecifier.self, "regex: \(long)") == [
                "1:8: error: regex: value length must be at most 1024 bytes"
            ])
        #expect(said(Envoy_Config_Metrics_V3_TagSpecifier.self, "regex: \(long.dropLast())") == [])
        let bytes = String(repeating: "AAAA", count: 5462)
        #expect(
            said(Envoy_Config_Core_V3_HeaderValue.self, "{key: a, raw_value: \(bytes)}") == [
                "1:21: error: raw_value: value length must be at most 16384 bytes"
            ])
    }

    @Test func listsOfValues() {
        #expect(
            said(Envoy_Config_Core_V3_SchemeHeaderTransformation.self, "scheme_to_overwrite: htp") == [
                "1:22: error: scheme_to_overwrite: value must be in list [http, https]"
            ])
        #expect(
            said(Envoy_Extensions_Filters_Http_Router_V3_Router.self, "strict_check_headers: [x-envoy-retry-on, x-b]") == [
                "1:42: error: strict_check_headers[1]: value must be in list [x-envoy-upstream-rq-timeout-ms, "
                    + "x-envoy-upstream-rq-per-try-timeout-ms, x-envoy-max-retries, x-envoy-retry-grpc-on, x-envoy-retry-on]"
            ])
    }

    @Test func enums() {
        #expect(
            said(Envoy_Type_V3_FractionalPercent.self, "denominator: 9") == [
                "1:14: error: denominator: value must be one of the defined enum values"
            ])
        // Without `defined_only` a number from a newer API stays.
        #expect(said(Envoy_Config_Core_V3_HttpProtocolOptions.self, "headers_with_underscores_action: 9") == [])
        #expect(
            said(Envoy_Config_Core_V3_HealthCheck.HttpHealthCheck.self, "{path: /, method: connect}") == [
                "1:19: error: method: value must not be in list [CONNECT]"
            ])
        #expect(
            said(Envoy_Config_Core_V3_HealthStatusSet.self, "statuses: [healthy, 77]") == [
                "1:21: error: statuses[1]: value must be one of the defined enum values"
            ])
    }

    @Test func lists() {
        #expect(
            said(Envoy_Config_Accesslog_V3_AndFilter.self, "filters: [{traceable_filter: {}}]") == [
                "1:1: error: filters: value must contain at least 2 item(s)"
            ])
        #expect(
            said(Envoy_Config_Route_V3_InternalRedirectPolicy.self, "redirect_response_codes: [1, 2, 3, 4, 5, 6]") == [
                "1:1: error: redirect_response_codes: value must contain no more than 5 item(s)"
            ])
        #expect(
            said(Envoy_Config_Route_V3_InternalRedirectPolicy.self, "response_headers_to_copy: [a, b, a]") == [
                "1:34: error: response_headers_to_copy[2]: repeated value must contain unique items"
            ])
        #expect(
            said(Envoy_Config_Listener_V3_FilterChainMatch.self, "source_ports: [1, 0]") == [
                "1:19: error: source_ports[1]: value must be inside range [1, 65535]"
            ])
    }

    @Test func maps() {
        #expect(
            said(Envoy_Config_Core_V3_Metadata.self, "filter_metadata: {\"\": {}}") == [
                "1:19: error: filter_metadata[\"\"]: value length must be at least 1 characters"
            ])
    }

    @Test func headers() {
        #expect(
            said(Envoy_Config_Core_V3_HeaderValue.self, "{key: \"a\\nb\", value: \"x\\ty\"}") == [
                "1:7: error: key: value does not match regex pattern \"^[^\\x00\\x0A\\x0D]*$\""
            ])
        let header = Envoy_Extensions_Http_OriginalIpDetection_CustomHeader_V3_CustomHeaderConfig.self
        #expect(
            said(header, "header_name: x y") == [
                "1:14: error: header_name: value does not match regex pattern \"^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$\""
            ])
        #expect(said(header, "header_name: x-real-ip") == [])
        #expect(said(Envoy_Config_Core_V3_UpstreamHttpProtocolOptions.self, "override_auto_sni_header: ''") == [])
        #expect(
            said(Envoy_Config_Core_V3_HealthCheck.HttpHealthCheck.self, "path: \"/\\x01\"") == [
                "1:7: error: path: value does not match regex pattern \"^[^\\x00-\\x08\\x0A-\\x1F\\x7F]*$\""
            ])
    }

    @Test(arguments: [("/a", true), ("/a/b", true), ("/a/", false), ("/", false), ("/a?b", false), ("/a#b", false)])
    func pattern(value: String, isRight: Bool) {
        #expect(
            said(Envoy_Config_Route_V3_RouteMatch.self, "path_separated_prefix: '\(value)'")
                == (isRight
                    ? [] : ["1:24: error: path_separated_prefix: value does not match regex pattern \"^[^?#]+[^?#/]$\""]))
    }

    @Test func constants() {
        #expect(
            said(Envoy_Extensions_Filters_Http_Buffer_V3_BufferPerRoute.self, "disabled: false") == [
                "1:11: error: disabled: value must equal true"
            ])
    }

    /// `(validate.rules).message.skip`
    @Test func skipped() {
        #expect(said(Envoy_Config_Core_V3_KeyValueAppend.self, "entry: {key: ''}") == [])
    }
}
