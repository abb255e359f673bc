// `filter_chain_match`.

import EnvoyAPI
import Pipeline
import Primitives

struct FilterChainMatchCompiler {
    let diagnostics: Diagnostics
    let part: PlanPart
    let shown: String

    func compile(_ message: FilterChainMatchMessage, _ place: Place) -> FilterChainMatch {
        if !message.addressSuffix.isEmpty || message.hasSuffixLen {
            diagnostics.error(
                place, "error adding listener '\(shown)': filter chain match contains unimplemented fields",
                found: "address_suffix or suffix_len", expected: "prefix_ranges")
        }
        var match = FilterChainMatch()
        match.destinationPort = UInt16(truncatingIfNeeded: message.destinationPort.value)
        match.destinations = ranges(message.prefixRanges, "prefix_ranges", place)
        match.serverNames = names(message.serverNames, place)
        match.transportProtocol = part.arena.text(message.transportProtocol)
        match.applicationProtocols = part.arena.array(message.applicationProtocols.map { part.arena.text($0) })
        match.directSources = ranges(message.directSourcePrefixRanges, "direct_source_prefix_ranges", place)
        switch message.sourceType {
        case .sameIpOrLoopback: match.source = .local
        case .external: match.source = .external
        case .any, .UNRECOGNIZED: match.source = .any
        }
        match.sources = ranges(message.sourcePrefixRanges, "source_prefix_ranges", place)
        match.sourcePorts = part.arena.array(message.sourcePorts.map { UInt16(truncatingIfNeeded: $0) })
        return match
    }

    private func ranges(
        _ messages: [Envoy_Config_Core_V3_CidrRange], _ field: StaticString, _ place: Place
    ) -> FrozenArray<AddressRange> {
        part.arena.array(
            messages.enumerated().compactMap { i, message in
                AddressCompiler.range(message, place.at(field, i), diagnostics).map {
                    AddressRange(address: $0.0, prefixBits: $0.1)
                }
            })
    }

    private func names(_ names: [String], _ place: Place) -> FrozenArray<Bytes> {
        part.arena.array(
            names.enumerated().map { i, name in
                var folded = name.lowercased()
                if folded.hasPrefix("*.") {
                    folded.removeFirst()
                } else if folded.contains("*") {
                    diagnostics.error(
                        place.at("server_names", i),
                        "error adding listener '\(shown)': partial wildcards are not supported in \"server_names\"",
                        found: "'\(name)'", expected: "a name, or *. and the rest of one")
                }
                return part.arena.text(folded)
            })
    }

    /// Rules that a match stands for, as text: what two chains must not share. Bounded: a match of very many values is
    /// compared as a whole.
    static func rules(_ match: FilterChainMatchMessage) -> [String] {
        let ranges = { (list: [Envoy_Config_Core_V3_CidrRange]) in list.map { "\($0.addressPrefix)/\($0.prefixLen.value)" } }
        let lists: [[String]] = [
            [match.hasDestinationPort ? "\(match.destinationPort.value)" : ""], ranges(match.prefixRanges),
            match.serverNames.map { $0.lowercased() }, [match.transportProtocol], match.applicationProtocols,
            ranges(match.directSourcePrefixRanges), ["\(match.sourceType.rawValue)"], ranges(match.sourcePrefixRanges),
            match.sourcePorts.map { "\($0)" },
        ]
        let count = lists.reduce(1) { min($0 * max($1.count, 1), 10_001) }
        if count > 10_000 { return [lists.map { $0.sorted().joined(separator: ",") }.joined(separator: "|")] }
        return lists.reduce([""]) { rules, list in
            rules.flatMap { rule in (list.isEmpty ? [""] : list).map { rule + "|" + $0 } }
        }
    }
}
