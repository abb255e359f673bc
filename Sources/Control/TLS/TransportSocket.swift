// `transport_socket`, of a filter chain or of a cluster.

import EnvoyAPI

typealias UpstreamProxyMessage = Envoy_Extensions_TransportSockets_ProxyProtocol_V3_ProxyProtocolUpstreamTransport

enum TransportSocket {
    case cleartext
    case downstreamTLS(DownstreamTLSContext)
    case upstreamTLS(UpstreamTLSContext)
    case upstreamProxy(UpstreamProxyMessage)

    /// Nil after an error.
    static func read(
        _ socket: Envoy_Config_Core_V3_TransportSocket, isDownstream: Bool, _ place: Place, _ diagnostics: Diagnostics
    ) -> TransportSocket? {
        let any = socket.typedConfig
        let name = ExtensionNames.canonical(socket.name)
        switch any.messageName {
        case Envoy_Extensions_TransportSockets_RawBuffer_V3_RawBuffer.protoMessageName: return .cleartext
        case DownstreamTLSContext.protoMessageName where isDownstream:
            return (try? DownstreamTLSContext(serializedBytes: any.value)).map { .downstreamTLS($0) }
        case UpstreamTLSContext.protoMessageName where !isDownstream:
            return (try? UpstreamTLSContext(serializedBytes: any.value)).map { .upstreamTLS($0) }
        case UpstreamProxyMessage.protoMessageName where !isDownstream:
            return (try? UpstreamProxyMessage(serializedBytes: any.value)).map { .upstreamProxy($0) }
        case "" where name == "envoy.transport_sockets.raw_buffer": return .cleartext
        default: break
        }
        let wanted = isDownstream ? DownstreamTLSContext.protoMessageName : UpstreamTLSContext.protoMessageName
        diagnostics.error(
            place, "Didn't find a registered implementation for '\(socket.name)' with type URL: '\(any.messageName)'",
            expected: "envoy.transport_sockets.raw_buffer, or envoy.transport_sockets.tls with a \(wanted)"
                + (isDownstream ? "" : ", or envoy.transport_sockets.upstream_proxy_protocol"))
        return nil
    }
}
