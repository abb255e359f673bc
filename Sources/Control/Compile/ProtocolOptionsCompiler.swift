// `typed_extension_protocol_options` of a cluster: how HTTP is spoken to it, and how long connections without it wait.

import EnvoyAPI
import Primitives
import Upstream

struct ProtocolOptionsCompiler {
    let http: HTTPUpstreamCompiler
    private var diagnostics: Diagnostics { http.diagnostics }

    /// By their names, as in Envoy; the type has to be the name's.
    func compile(_ message: ClusterMessage, _ place: Place, _ config: inout ClusterConfig) {
        for (name, any) in message.typedExtensionProtocolOptions.sorted(by: { $0.key < $1.key }) {
            let at = place.at("typed_extension_protocol_options", key: name)
            if name == any.messageName, name == ClusterHTTPOptions.protoMessageName,
                let options = try? ClusterHTTPOptions(serializedBytes: any.value)
            {
                http.compile(options, at, &config)
            } else if name == any.messageName, name == ClusterTCPOptions.protoMessageName,
                let options = try? ClusterTCPOptions(serializedBytes: any.value)
            {
                if options.hasIdleTimeout { config.tcpIdleTimeoutMs = options.idleTimeout.milliseconds }
            } else {
                diagnostics.error(
                    at,
                    "Didn't find a registered network or http filter or protocol options implementation for name: '\(name)'",
                    found: any.messageName,
                    expected: "\(ClusterHTTPOptions.protoMessageName) or \(ClusterTCPOptions.protoMessageName), under its own name")
            }
        }
    }
}
