// `transport_socket` of a cluster: TLS, a PROXY header ahead of it, or neither.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import Upstream
import Wire

struct ClusterTransportCompiler {
    let compilation: Compilation
    let part: PlanPart
    let name: String
    /// What the cluster's statistics are called by.
    let statName: String
    private var diagnostics: Diagnostics { compilation.diagnostics }

    func compile(_ message: ClusterMessage, _ place: Place, _ config: inout ClusterConfig) -> [TLSDraft] {
        var drafts: [TLSDraft] = []
        if message.hasTransportSocket {
            let at = place.at("transport_socket")
            if let draft = compile(message.transportSocket, at, place.path, isInner: false, &config.transport) { drafts.append(draft) }
        }
        var names: Set<String> = []
        config.transportMatches = part.arena.array(
            message.transportSocketMatches.enumerated().map { i, match in
                let at = place.at("transport_socket_matches", i)
                if !names.insert(match.name).inserted {
                    diagnostics.error(at.at("name"), "duplicated transport socket match name in transport_socket_matches: \(match.name)")
                }
                var transport = ClusterTransport()
                if match.hasTransportSocket,
                    let draft = compile(match.transportSocket, at.at("transport_socket"), at.path, isInner: false, &transport)
                {
                    drafts.append(draft)
                }
                return transport
            })
        config.hasProxyHeaders = unsafe config.transport.proxyHeader != nil
        for i in 0..<config.transportMatches.count where unsafe config.transportMatches[i].proxyHeader != nil { config.hasProxyHeaders = true }
        if config.upstreamProtocol == .auto { checkNegotiation(config, place) }
        return drafts
    }

    /// `auto_config` asks the handshake, so there has to be one wherever a connection may go.
    private func checkNegotiation(_ config: ClusterConfig, _ place: Place) {
        if config.transport.tlsSlot == .max {
            diagnostics.error(
                place.at("transport_socket"), "ALPN configured for cluster \(name) which has a non-ALPN transport socket",
                expected: "envoy.transport_sockets.tls, or explicit_http_config")
        }
        for i in 0..<config.transportMatches.count where config.transportMatches[i].tlsSlot == .max {
            diagnostics.error(
                place.at("transport_socket_matches", i).at("transport_socket"),
                "ALPN configured for cluster \(name) which has a non-ALPN transport socket matcher",
                expected: "envoy.transport_sockets.tls, or explicit_http_config")
        }
    }

    /// Nil: cleartext, or an error.
    private func compile(
        _ socket: Envoy_Config_Core_V3_TransportSocket, _ at: Place, _ key: String, isInner: Bool, _ config: inout ClusterTransport
    ) -> TLSDraft? {
        let inside = at.at("typed_config")
        switch TransportSocket.read(socket, isDownstream: false, at, diagnostics) {
        case .upstreamTLS(let context): return tls(context, inside, key, &config)
        case .upstreamProxy(let message):
            guard !isInner else {
                diagnostics.error(at, "a PROXY header inside a PROXY header", expected: "raw_buffer or tls")
                return nil
            }
            proxy(message, inside, &config)
            return compile(message.transportSocket, inside.at("transport_socket"), key, isInner: true, &config)
        case .cleartext, .downstreamTLS, .none: return nil
        }
    }

    private func tls(
        _ context: UpstreamTLSContext, _ place: Place, _ key: String, _ config: inout ClusterTransport
    ) -> TLSDraft? {
        let slot = part.slot(tls: compilation.environment.tlsSlots, key + " " + name)
        let resolved = compilation.secrets.resolve(context, place)
        let source = TLSSource(
            context: .upstream(KeptMessage(resolved.message)), place: place, statPrefix: StatPrefix.cluster(statName), slot: slot,
            owner: part, certificateNames: resolved.certificateNames, authorityName: resolved.authorityName)
        config.tlsSlot = slot
        config.serverName = part.arena.text(context.sni)
        config.prefersHostName = context.autoHostSni
        return compilation.tls.compile(source)
    }

    // MARK: The PROXY header

    private func proxy(_ message: UpstreamProxyMessage, _ place: Place, _ config: inout ClusterTransport) {
        var proxy = UpstreamProxyConfig()
        proxy.isVersion2 = message.config.version == .v2
        if message.config.hasPassThroughTlvs { proxy.passedOn = ProxyProtocolCompiler.types(message.config.passThroughTlvs) }
        proxy.keyHasTLVs = message.tlvAsPoolKey
        proxy.allowsUnspecified = message.allowUnspecifiedAddress
        let added = ProxyProtocolCompiler.added(message.config.addedTlvs, place.at("config").at("added_tlvs"), part, diagnostics)
        if !proxy.isVersion2, !message.config.addedTlvs.isEmpty || message.config.hasPassThroughTlvs {
            diagnostics.warning(place.at("config").at("version"), "a header of version 1 has no TLVs: those that are configured are left out")
        }
        proxy.added = part.arena.text(added.fixed)
        proxy.formatted = part.arena.array(added.formatted)
        proxy.addedTypes = added.types
        proxy.stats = part.scope(
            compilation.stats, StatPrefix.cluster(statName) + "upstream.proxyprotocol.", UpstreamProxyStat.self).base
        unsafe config.proxyHeader = unsafe part.arena.store(proxy)
    }
}
