// The filter chains of a listener: which one is whose, with or without TLS, and whether the first bytes have to be looked
// at before that is known.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

typealias FilterChainMatchMessage = Envoy_Config_Listener_V3_FilterChainMatch

struct ListenerChainsCompiler {
    let compilation: Compilation
    let part: PlanPart
    let key: String
    /// What the listener's statistics are called by.
    let statName: String
    /// What it is called in errors.
    let shown: String
    let isEgress: Bool
    let direction: UInt8
    let listenerMetadata: FrozenMetadata?
    private var diagnostics: Diagnostics { compilation.diagnostics }

    func compile(_ message: ListenerMessage, _ place: Place, _ config: inout ListenerConfig) -> [TLSDraft] {
        var drafts: [TLSDraft] = []
        if message.filterChains.isEmpty, !message.hasDefaultFilterChain {
            diagnostics.error(
                place.at("filter_chains"), "error adding listener '\(shown)': no filter chains specified",
                expected: "at least one filter chain")
            return []
        }
        if message.hasDefaultFilterChain {
            config.only = chain(message.defaultFilterChain, place.at("default_filter_chain"), config.bufferLimit, &drafts)
        }
        config.hasDefaultChain = message.hasDefaultFilterChain
        var chains: [FilterChainConfig] = []
        var seen: [String: String] = [:]
        for (i, chain) in message.filterChains.enumerated() {
            let at = place.at("filter_chains", i)
            refuseRepetition(chain, at, &seen)
            chains.append(self.chain(chain, at, config.bufferLimit, &drafts))
        }
        if chains.count == 1, !message.hasDefaultFilterChain, isEmpty(message.filterChains[0]) {
            config.only = chains[0]
            config.hasDefaultChain = true
        } else {
            config.chains = part.arena.array(chains)
        }
        ListenerFiltersCompiler(compilation: compilation, part: part).compile(message, place, &config)
        return drafts
    }

    private func isEmpty(_ chain: FilterChainMessage) -> Bool { chain.filterChainMatch == FilterChainMatchMessage() }

    // MARK: One chain

    private func chain(
        _ message: FilterChainMessage, _ place: Place, _ bufferLimit: Int, _ drafts: inout [TLSDraft]
    ) -> FilterChainConfig {
        var config = FilterChainConfig()
        config.name = part.arena.text(message.name)
        var metadata = ChainMetadata()
        metadata.listener = listenerMetadata
        metadata.direction = direction
        metadata.chainName = config.name
        metadata.chain = ShownMetadata(message.metadata).frozen(part.arena)
        let compiler = FilterChainCompiler(
            compilation: compilation, part: part, statName: statName, bufferLimit: bufferLimit, isEgress: isEgress, metadata: metadata)
        config.chain = compiler.compile(message, place)
        if let draft = tls(message, place) {
            config.tlsSlot = draft.source.slot
            drafts.append(draft)
        } else if !message.hasTransportSocket {
            SessionTicketCount.refuseWithoutTLS(message.metadata, place.at("metadata"), diagnostics)
        }
        if message.hasTransportSocketConnectTimeout {
            config.handshakeTimeoutMs = message.transportSocketConnectTimeout.milliseconds
        }
        let matches = FilterChainMatchCompiler(diagnostics: diagnostics, part: part, shown: shown)
        config.match = matches.compile(message.filterChainMatch, place.at("filter_chain_match"))
        var identity = ContentHash()
        identity.add(message.filterChainMatch)
        config.identity = identity.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        return config
    }

    /// Nil: cleartext, or an error.
    private func tls(_ chain: FilterChainMessage, _ place: Place) -> TLSDraft? {
        guard chain.hasTransportSocket else { return nil }
        let at = place.at("transport_socket")
        guard
            case .downstreamTLS(let message) = TransportSocket.read(
                chain.transportSocket, isDownstream: true, at, diagnostics)
        else { return nil }
        let config = at.at("typed_config")
        let slot = part.slot(tls: compilation.environment.tlsSlots, "\(key) \(place.path)")
        let resolved = compilation.secrets.resolve(message, config)
        let count = SessionTicketCount.read(
            chain.metadata, place.at("metadata"), resumes: !message.disableStatelessSessionResumption, diagnostics)
        let source = TLSSource(
            context: .downstream(KeptMessage(resolved.message)), place: config, statPrefix: StatPrefix.listener(statName),
            slot: slot, owner: part, ticketCount: count, certificateNames: resolved.certificateNames, authorityName: resolved.authorityName)
        return compilation.tls.compile(source)
    }

    // MARK: All chains

    /// Two chains for the same connection: which one takes it would be chance.
    private func refuseRepetition(_ chain: FilterChainMessage, _ place: Place, _ seen: inout [String: String]) {
        for rule in FilterChainMatchCompiler.rules(chain.filterChainMatch) {
            guard let other = seen[rule] else {
                seen[rule] = chain.name
                continue
            }
            diagnostics.error(
                place,
                "error adding listener '\(shown)': filter chain '\(chain.name)' has the same matching rules defined as '\(other)'",
                expected: "for each chain a filter_chain_match of its own")
            return
        }
    }
}
