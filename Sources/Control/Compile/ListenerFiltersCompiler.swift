// The filters that look at a connection before its filter chain is chosen.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import Wire

private typealias TLSInspectorMessage = Envoy_Extensions_Filters_Listener_TlsInspector_V3_TlsInspector
private typealias HTTPInspectorMessage = Envoy_Extensions_Filters_Listener_HttpInspector_V3_HttpInspector
private typealias ProxyProtocolMessage = Envoy_Extensions_Filters_Listener_ProxyProtocol_V3_ProxyProtocol
private typealias OriginalDstMessage = Envoy_Extensions_Filters_Listener_OriginalDst_V3_OriginalDst
private typealias PredicateMessage = Envoy_Config_Listener_V3_ListenerFilterChainMatchPredicate

struct ListenerFiltersCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    private enum Kind: String, CaseIterable {
        case tlsInspector = "envoy.filters.listener.tls_inspector"
        case httpInspector = "envoy.filters.listener.http_inspector"
        case proxyProtocol = "envoy.filters.listener.proxy_protocol"
        case originalDst = "envoy.filters.listener.original_dst"

        /// The `@type` decides; without one the name does.
        init?(_ filter: Envoy_Config_Listener_V3_ListenerFilter) {
            switch filter.typedConfig.messageName {
            case TLSInspectorMessage.protoMessageName: self = .tlsInspector
            case HTTPInspectorMessage.protoMessageName: self = .httpInspector
            case ProxyProtocolMessage.protoMessageName: self = .proxyProtocol
            case OriginalDstMessage.protoMessageName: self = .originalDst
            case "":
                guard let kind = Kind(rawValue: ExtensionNames.canonical(filter.name)) else { return nil }
                self = kind
            default: return nil
            }
        }
    }

    /// Each chain of the message has been compiled.
    func compile(_ message: ListenerMessage, _ place: Place, _ config: inout ListenerConfig) {
        var filters: [ListenerFilterConfig] = []
        var inspectsTLS = false
        for (i, filter) in message.listenerFilters.enumerated() {
            let at = place.at("listener_filters", i)
            guard let kind = Kind(filter) else {
                diagnostics.error(
                    at,
                    "Didn't find a registered implementation for '\(filter.name)' with type URL: '\(filter.typedConfig.messageName)'",
                    expected: "a listener filter: \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
                continue
            }
            let bytes = filter.typedConfig.value
            let compiled: ListenerFilter
            switch kind {
            case .tlsInspector:
                inspectsTLS = true
                compiled = tlsInspector((try? TLSInspectorMessage(serializedBytes: bytes)) ?? TLSInspectorMessage())
            case .httpInspector:
                compiled = .httpInspector(part.scope(compilation.stats, "http_inspector.", HTTPInspectorStat.self).base)
            case .proxyProtocol:
                compiled = proxyProtocol((try? ProxyProtocolMessage(serializedBytes: bytes)) ?? ProxyProtocolMessage(), at.at("typed_config"))
            case .originalDst: compiled = .originalDst
            }
            var config = ListenerFilterConfig(compiled)
            if filter.hasFilterDisabled {
                var steps: [ListenerPredicate] = []
                if predicate(filter.filterDisabled, at.at("filter_disabled"), waiting: 0, &steps) { config.disabled = part.arena.array(steps) }
            }
            filters.append(config)
        }
        // As in Envoy behind the listener's own, even where that is one of them.
        if message.useOriginalDst.value { filters.append(ListenerFilterConfig(.originalDst)) }
        // The old way to ask for the filter; as in Envoy the first chain decides.
        if message.filterChains.first?.useProxyProto.value == true {
            filters.append(ListenerFilterConfig(proxyProtocol(ProxyProtocolMessage(), place)))
        }
        if !inspectsTLS, message.filterChains.contains(where: { asksHello($0.filterChainMatch) }) {
            filters.append(ListenerFilterConfig(tlsInspector(TLSInspectorMessage())))
            diagnostics.warning(
                place.at("listener_filters"),
                "filter chain match rules require TLS Listener filter, but it isn't configured: tls_inspector is added",
                suggestion: "add envoy.filters.listener.tls_inspector to listener_filters")
        }
        config.listenerFilters = part.arena.array(filters)
        if message.hasListenerFiltersTimeout { config.filtersTimeoutMs = message.listenerFiltersTimeout.milliseconds }
        config.continuesOnTimeout = message.continueOnListenerFiltersTimeout
    }

    private func asksHello(_ match: FilterChainMatchMessage) -> Bool {
        match.transportProtocol == "tls"
            || (match.transportProtocol.isEmpty && (!match.serverNames.isEmpty || !match.applicationProtocols.isEmpty))
    }

    // MARK: Each filter

    private func tlsInspector(_ message: TLSInspectorMessage) -> ListenerFilter {
        var config = TLSInspectorConfig()
        config.makesJA3 = message.enableJa3Fingerprinting.value
        config.makesJA4 = message.enableJa4Fingerprinting.value
        config.stats = part.scope(compilation.stats, "tls_inspector.", TLSInspectorStat.self).base
        config.closesOnError = message.closeConnectionOnClientHelloParsingErrors
        if message.hasMaxClientHelloSize { config.helloMax = Int(message.maxClientHelloSize.value) }
        return .tlsInspector(config)
    }

    private func proxyProtocol(_ message: ProxyProtocolMessage, _ place: Place) -> ListenerFilter {
        var config = ProxyProtocolConfig()
        config.options.mayBeAbsent = message.allowRequestsWithoutProxyProtocol
        config.options.allowsVersion1 = !message.disallowedVersions.contains(.v1)
        config.options.allowsVersion2 = !message.disallowedVersions.contains(.v2)
        if !config.options.allowsVersion1, !config.options.allowsVersion2 {
            diagnostics.warning(place.at("disallowed_versions"), "no version of the PROXY protocol is left: no header is accepted")
        }
        let prefix = message.statPrefix.isEmpty ? "proxy_proto." : "proxy_proto.\(message.statPrefix)."
        config.stats = part.scope(compilation.stats, prefix, ProxyProtocolStat.self).base
        config.sharedStats = part.scope(compilation.stats, "", ProxyProtocolSharedStat.self).base
        config.isFilterState = message.tlvLocation == .filterState
        if message.hasPassThroughTlvs { config.passedOn = ProxyProtocolCompiler.types(message.passThroughTlvs) }
        config.kept = config.passedOn
        config.rules = part.arena.array(
            message.rules.filter { $0.hasOnTlvPresent }.map { rule in
                config.kept.insert(UInt8(truncatingIfNeeded: rule.tlvType))
                let named = rule.onTlvPresent.metadataNamespace
                return ProxyProtocolConfig.Rule(
                    type: UInt8(truncatingIfNeeded: rule.tlvType),
                    namespace: part.arena.text(named.isEmpty ? Kind.proxyProtocol.rawValue : named),
                    key: part.arena.text(rule.onTlvPresent.key))
            })
        return unsafe .proxyProtocol(part.arena.store(config))
    }

    // MARK: filter_disabled

    /// `waiting`: answers that are there before this one's. False after an error.
    private func predicate(
        _ message: PredicateMessage, _ place: Place, waiting: Int, _ steps: inout [ListenerPredicate]
    ) -> Bool {
        guard waiting < ListenerPredicate.depthMax else {
            diagnostics.error(place, "more than \(ListenerPredicate.depthMax) conditions wait for each other")
            return false
        }
        switch message.rule {
        case .orMatch(let set): return rules(set, place.at("or_match"), waiting, .or(set.rules.count), &steps)
        case .andMatch(let set): return rules(set, place.at("and_match"), waiting, .and(set.rules.count), &steps)
        case .notMatch(let inner):
            guard predicate(inner, place.at("not_match"), waiting: waiting, &steps) else { return false }
            steps.append(.not)
        case .anyMatch: steps.append(.any)
        case .destinationPortRange(let range): steps.append(.destinationPort(from: range.start, below: range.end))
        case nil: return false
        }
        return true
    }

    private func rules(
        _ set: PredicateMessage.MatchSet, _ place: Place, _ waiting: Int, _ join: ListenerPredicate,
        _ steps: inout [ListenerPredicate]
    ) -> Bool {
        for (i, rule) in set.rules.enumerated() {
            guard predicate(rule, place.at("rules", i), waiting: waiting + i, &steps) else { return false }
        }
        steps.append(join)
        return true
    }
}
