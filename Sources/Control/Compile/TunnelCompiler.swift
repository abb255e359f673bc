// `tunneling_config` of `tcp_proxy`.

import EnvoyAPI
import Pipeline
import Primitives
import Wire

typealias TunnelMessage = TCPProxyMessage.TunnelingConfig

struct TunnelCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    func compile(_ message: TunnelMessage, _ place: Place) -> UnsafePointer<TunnelConfig>? {
        guard let hostname = Formats.compile(message.hostname, place.at("hostname"), part, diagnostics) else { return nil }
        var config = TunnelConfig(hostname: hostname)
        config.usesPost = message.usePost
        if !message.postPath.isEmpty, !message.usePost {
            diagnostics.error(
                place.at("post_path"), "Can't set a post path when POST method isn't used", found: "'\(message.postPath)'",
                suggestion: "set use_post: true")
        }
        config.postPath = part.arena.text(message.postPath.isEmpty ? "/" : message.postPath)
        if holdsSpace(message.postPath) {
            diagnostics.error(place.at("post_path"), "a path with a space or a control character", found: "'\(message.postPath)'")
        }
        config.headers = HeaderMutationCompiler(compilation: compilation, part: part)
            .additions(message.headersToAdd, place, field: "headers_to_add")
        config.keepsHeaders = message.propagateResponseHeaders
        config.keepsTrailers = message.propagateResponseTrailers
        requestID(message, place, &config)
        return unsafe part.arena.store(config)
    }

    /// Envoy writes what is configured into the request, whatever it is; a space or a line's end would change where its
    /// parts begin.
    private func holdsSpace(_ text: String) -> Bool { text.utf8.contains { $0 <= 0x20 || $0 == 0x7f } }

    private func requestID(_ message: TunnelMessage, _ place: Place, _ config: inout TunnelConfig) {
        let header = message.requestIDHeader.isEmpty ? "x-request-id" : message.requestIDHeader
        if holdsSpace(header) || header.contains(":") {
            diagnostics.error(place.at("request_id_header"), "no header name", found: "'\(header)'")
        }
        guard message.hasRequestIDExtension, message.requestIDExtension.hasTypedConfig else { return }
        let type = message.requestIDExtension.typedConfig.messageName
        guard type == Envoy_Extensions_RequestId_Uuid_V3_UuidRequestIdConfig.protoMessageName else {
            diagnostics.error(
                place.at("request_id_extension"), "Didn't find a registered implementation for type: '\(type)'",
                expected: "the UUID extension")
            return
        }
        config.requestIDHeader = part.arena.text(header.lowercased())
        config.requestIDKey = part.arena.text(message.requestIDMetadataKey.isEmpty ? "tunnel_request_id" : message.requestIDMetadataKey)
    }
}
