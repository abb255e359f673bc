// Options of `http_connection_manager` that nothing acts on yet.

import EnvoyAPI

extension ConnectionManagerCompiler {
    func refuseUnsupported(_ message: ConnectionManager, _ place: Place) {
        let diagnostics = compilation.diagnostics
        if message.codecType == .http3 {
            diagnostics.error(
                place.at("codec_type"), "codec_type HTTP3 is not supported by Martlet yet", expected: "AUTO, HTTP1 or HTTP2")
        }
        if message.stripMatchingHostPort, message.stripAnyHostPort {
            diagnostics.error(
                place.at("strip_any_host_port"),
                "Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set.")
        }
        diagnostics.unsupported(
            place,
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            [
                "early_header_mutation_extensions": !message.earlyHeaderMutationExtensions.isEmpty,
                "represent_ipv4_remote_address_as_ipv4_mapped_ipv6":
                    message.representIpv4RemoteAddressAsIpv4MappedIpv6,
                "typed_header_validation_config": message.hasTypedHeaderValidationConfig,
                "append_local_overload": message.appendLocalOverload,
            ])
        diagnostics.unsupported(
            place.at("http_protocol_options"), "envoy.config.core.v3.Http1ProtocolOptions",
            ["ignore_http_11_upgrade": !message.httpProtocolOptions.ignoreHTTP11Upgrade.isEmpty])
        if case .statefulFormatter = message.httpProtocolOptions.headerKeyFormat.headerFormat {
            diagnostics.error(
                place.at("http_protocol_options").at("header_key_format").at("stateful_formatter"),
                "'stateful_formatter' of envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat is not supported by Martlet yet"
            )
        }
        diagnostics.unsupported(
            place.at("scheme_header_transformation"), "envoy.config.core.v3.SchemeHeaderTransformation",
            ["match_upstream": message.schemeHeaderTransformation.matchUpstream])
        if message.hasRequestIDExtension {
            let type = message.requestIDExtension.typedConfig.messageName
            if type != Envoy_Extensions_RequestId_Uuid_V3_UuidRequestIdConfig.protoMessageName {
                diagnostics.error(
                    place.at("request_id_extension"),
                    "Didn't find a registered implementation for type: '\(type)'", expected: "the UUID extension")
            }
        }
    }
}
