// How HTTP is spoken to a cluster: `HttpProtocolOptions`, and the deprecated fields that real configurations carry.

import EnvoyAPI
import Primitives
import Upstream
import Wire

struct HTTPUpstreamCompiler {
    let diagnostics: Diagnostics
    let arena: FrozenArena
    let runtime: RuntimeCompiler

    func compile(_ message: ClusterMessage, _ place: Place, _ config: inout ClusterConfig) {
        if message.hasMaxRequestsPerConnection {
            config.requestsPerConnectionMax = UInt64(message.maxRequestsPerConnection.value)
        }
        common(message.commonHTTPProtocolOptions, place.at("common_http_protocol_options"), &config)
        http1(message.httpProtocolOptions, place.at("http_protocol_options"), &config)
        serverNames(message.upstreamHTTPProtocolOptions, place, &config)
        if message.hasHTTPProtocolOptions, message.hasHTTP2ProtocolOptions, message.protocolSelection != .useDownstreamProtocol {
            diagnostics.error(
                place.at("http_protocol_options"),
                "cluster: Both HTTP1 and HTTP2 options may only be configured with non-default 'protocol_selection' values",
                expected: "one of http_protocol_options and http2_protocol_options, or protocol_selection: USE_DOWNSTREAM_PROTOCOL")
        }
        if message.hasHTTP2ProtocolOptions {
            http2(message.http2ProtocolOptions, place.at("http2_protocol_options"), &config)
            config.upstreamProtocol = message.protocolSelection == .useDownstreamProtocol ? .downstream : .http2
            config.tunnelsOverHTTP2 = true
        } else if message.protocolSelection == .useDownstreamProtocol {
            config.upstreamProtocol = .downstream
        }
        ProtocolOptionsCompiler(http: self).compile(message, place, &config)
    }

    func compile(_ options: ClusterHTTPOptions, _ place: Place, _ config: inout ClusterConfig) {
        common(options.commonHTTPProtocolOptions, place.at("common_http_protocol_options"), &config)
        serverNames(options.upstreamHTTPProtocolOptions, place, &config)
        switch options.upstreamProtocolOptions {
        case .explicitHTTPConfig(let explicit):
            let at = place.at("explicit_http_config")
            switch explicit.protocolConfig {
            case .httpProtocolOptions(let options): http1(options, at.at("http_protocol_options"), &config)
            case .http2ProtocolOptions(let options):
                http2(options, at.at("http2_protocol_options"), &config)
                config.upstreamProtocol = .http2
            case .none: break
            }
        case .useDownstreamProtocolConfig(let downstream):
            http1(
                downstream.httpProtocolOptions,
                place.at("use_downstream_protocol_config").at("http_protocol_options"), &config)
            http2(
                downstream.http2ProtocolOptions,
                place.at("use_downstream_protocol_config").at("http2_protocol_options"), &config)
            config.upstreamProtocol = .downstream
            config.tunnelsOverHTTP2 = downstream.hasHTTP2ProtocolOptions
        case .autoConfig(let auto):
            http1(auto.httpProtocolOptions, place.at("auto_config").at("http_protocol_options"), &config)
            http2(auto.http2ProtocolOptions, place.at("auto_config").at("http2_protocol_options"), &config)
            config.upstreamProtocol = .auto
        case .none: break
        }
        diagnostics.unsupported(
            place, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            [
                "http_filters": !options.httpFilters.isEmpty,
                "header_validation_config": options.hasHeaderValidationConfig,
                "request_mirror_policies": !options.requestMirrorPolicies.isEmpty,
                "hash_policy": !options.hashPolicy.isEmpty,
                "retry_policy": options.hasRetryPolicy,
            ])
    }

    /// A server name of each request's own: its connections are for requests with that name.
    private func serverNames(
        _ options: Envoy_Config_Core_V3_UpstreamHttpProtocolOptions, _ place: Place, _ config: inout ClusterConfig
    ) {
        if options.autoSni { config.setsServerName = true }
        if options.autoSanValidation { config.checksServerName = true }
        if !options.overrideAutoSniHeader.isEmpty { config.serverNameHeader = arena.text(options.overrideAutoSniHeader.lowercased()) }
    }

    private func common(
        _ options: Envoy_Config_Core_V3_HttpProtocolOptions, _ place: Place, _ config: inout ClusterConfig
    ) {
        if options.hasIdleTimeout { config.idleTimeoutMs = options.idleTimeout.milliseconds }
        if options.hasMaxConnectionDuration {
            config.connectionDurationMaxMs = options.maxConnectionDuration.milliseconds
            config.connectionDurationJitterMs = options.maxConnectionDurationJitter.part(of: config.connectionDurationMaxMs)
        }
        if options.hasMaxHeadersCount { config.headersMax = options.maxHeadersCount.value }
        if options.hasMaxResponseHeadersKb { config.headBytesMax = Int(options.maxResponseHeadersKb.value) << 10 }
        if options.hasMaxRequestsPerConnection {
            config.requestsPerConnectionMax = UInt64(options.maxRequestsPerConnection.value)
        }
        if options.hasMaxStreamDuration { config.streamDurationMaxMs = options.maxStreamDuration.milliseconds }
    }

    /// Behind `common`: HTTP/2 has the same limits of heads.
    private func http2(_ options: HTTP2Options, _ place: Place, _ config: inout ClusterConfig) {
        config.http2 = HTTP2OptionsCompiler(diagnostics: diagnostics, runtime: runtime).compile(
            options, place, arena, headKilobytes: UInt32(clamping: config.headBytesMax >> 10), headField: "max_response_headers_kb")
        config.http2.headBytesMax = UInt32(clamping: config.headBytesMax)
        config.http2.headersMax = UInt16(clamping: config.headersMax)
    }

    private func http1(_ options: Http1Options, _ place: Place, _ config: inout ClusterConfig) {
        if options.enableTrailers { config.enableTrailers = true }
        if options.sendFullyQualifiedURL { config.sendFullyQualifiedURL = true }
        switch options.headerKeyFormat.headerFormat {
        case .properCaseWords: config.properCaseHeaders = true
        case .statefulFormatter:
            diagnostics.unsupported(
                place.at("header_key_format"), "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat",
                ["stateful_formatter": true])
        case .none: break
        }
    }
}
