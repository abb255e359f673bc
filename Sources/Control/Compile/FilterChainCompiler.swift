// The network filters of one chain. What is at its end decides what the chain is.

import EnvoyAPI
import Pipeline
import Primitives

struct FilterChainCompiler {
    let compilation: Compilation
    let part: PlanPart
    /// What the listener's statistics are called by.
    let statName: String
    let bufferLimit: Int
    /// `traffic_direction` of the listener is OUTBOUND.
    let isEgress: Bool
    let metadata: ChainMetadata
    private var diagnostics: Diagnostics { compilation.diagnostics }

    private enum Filter: String {
        case connectionManager = "envoy.filters.network.http_connection_manager"
        case tcpProxy = "envoy.filters.network.tcp_proxy"
        case echo = "envoy.filters.network.echo"
        case directResponse = "envoy.filters.network.direct_response"

        init?(message: String) {
            switch message {
            case ConnectionManager.protoMessageName: self = .connectionManager
            case TCPProxyMessage.protoMessageName: self = .tcpProxy
            case Envoy_Extensions_Filters_Network_Echo_V3_Echo.protoMessageName: self = .echo
            case DirectResponseFilter.protoMessageName: self = .directResponse
            default: return nil
            }
        }
    }

    func compile(_ chain: FilterChainMessage, _ place: Place) -> NetworkChain {
        guard !chain.filters.isEmpty else {
            diagnostics.error(
                place.at("filters"), "the filter chain has no filters: every connection would be closed at once",
                expected: "a filter that ends the chain, such as envoy.filters.network.http_connection_manager")
            return .none
        }
        var result = NetworkChain.none
        for (i, message) in chain.filters.enumerated() {
            let at = place.at("filters", i)
            guard let filter = filter(message, at) else { continue }
            // Every network filter that there is so far ends its chain.
            if i < chain.filters.count - 1 {
                diagnostics.error(
                    at,
                    "Error: terminal filter named \(message.name) of type \(filter.rawValue) must be the last filter in a network filter chain."
                )
            }
            result = compile(filter, message, at)
        }
        return result
    }

    private func filter(_ message: Envoy_Config_Listener_V3_Filter, _ place: Place) -> Filter? {
        if case .typedConfig(let any) = message.configType {
            if let filter = Filter(message: any.messageName) { return filter }
            unknown(message.name, any.messageName, place)
            return nil
        }
        if let filter = Filter(rawValue: ExtensionNames.canonical(message.name)) { return filter }
        unknown(message.name, "", place)
        return nil
    }

    private func unknown(_ name: String, _ type: String, _ place: Place) {
        diagnostics.error(
            place, "Didn't find a registered implementation for '\(name)' with type URL: '\(type)'",
            expected: "a network filter: http_connection_manager, tcp_proxy, echo or direct_response")
    }

    private func compile(
        _ filter: Filter, _ message: Envoy_Config_Listener_V3_Filter, _ place: Place
    ) -> NetworkChain {
        let bytes = message.typedConfig.bytes
        let at = place.at("typed_config")
        switch filter {
        case .connectionManager:
            guard let manager: ConnectionManager = decode(bytes, at) else { return .none }
            guard message.configType != nil else {
                missingConfig(filter.rawValue, "stat_prefix, route_config and http_filters", at)
                return .none
            }
            let compiler = ConnectionManagerCompiler(
                compilation: compilation, part: part, statName: statName, bufferLimit: bufferLimit, isEgress: isEgress,
                metadata: metadata)
            return unsafe compiler.compile(manager, at).map { unsafe .http($0) } ?? .none
        case .tcpProxy:
            guard let proxy: TCPProxyMessage = decode(bytes, at) else { return .none }
            guard message.configType != nil else {
                missingConfig(filter.rawValue, "stat_prefix and a cluster", at)
                return .none
            }
            let compiler = TCPProxyCompiler(compilation: compilation, part: part, bufferLimit: bufferLimit, metadata: metadata)
            return unsafe compiler.compile(proxy, at).map { unsafe .tcpProxy($0) } ?? .none
        case .echo: return .echo
        case .directResponse:
            guard let response: DirectResponseFilter = decode(bytes, at) else { return .none }
            let body = DataSources.read(response.response, at.at("response"), part, diagnostics)
            return .directResponse(part.arena.text(body ?? []))
        }
    }

    private func decode<M: Message>(_ bytes: [UInt8], _ place: Place) -> M? {
        if let message = try? M(serializedBytes: bytes) { return message }
        diagnostics.error(place, "not a \(M.protoMessageName)")
        return nil
    }

    private func missingConfig(_ name: String, _ fields: String, _ place: Place) {
        diagnostics.error(
            place, "the typed_config of \(name) is missing", expected: "a typed_config with \(fields)")
    }
}
