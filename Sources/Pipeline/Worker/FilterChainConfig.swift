// A filter chain of a listener, frozen: what it does, whether with TLS, and which connections are its own.

import Primitives
import Transport

@safe
package struct FilterChainConfig: BitwiseCopyable {
    package var name = Bytes.empty
    package var chain = NetworkChain.none
    /// Its TLS context (`Plan.tls`); `noTLS`: cleartext.
    package var tlsSlot = noTLS
    /// `transport_socket_connect_timeout`, in milliseconds; 0: none.
    package var handshakeTimeoutMs: UInt64 = 0
    package var match = FilterChainMatch()
    /// The same for the same match in another configuration: a connection finds its chain by it when the listener changes.
    package var identity: UInt64 = 0
    package init() {}
}

/// `FilterChainMatch`: each empty field takes everything.
@safe
package struct FilterChainMatch: BitwiseCopyable {
    package enum Source: UInt8, BitwiseCopyable { case any, local, external }
    package var destinationPort: UInt16 = 0
    package var destinations = FrozenArray<AddressRange>()
    /// In lower case; of `*.example.com` what is behind the star.
    package var serverNames = FrozenArray<Bytes>()
    package var transportProtocol = Bytes.empty
    package var applicationProtocols = FrozenArray<Bytes>()
    package var directSources = FrozenArray<AddressRange>()
    package var source = Source.any
    package var sources = FrozenArray<AddressRange>()
    package var sourcePorts = FrozenArray<UInt16>()
    package init() {}
}

/// What is asked of a connection.
@safe
package struct ConnectionFacts {
    package var local = SocketAddress()
    package var remote = SocketAddress()
    package var directRemote = SocketAddress()
    /// In lower case.
    package var serverName = Bytes.empty
    package var transportProtocol = Bytes("raw_buffer" as StaticString)
    /// ALPN's list, as on the wire.
    package var protocols = Bytes.empty
    package init() {}

    /// `SAME_IP_OR_LOOPBACK`.
    var isLocal: Bool {
        remote.isLoopback
            || (remote.family != .none && remote.family == local.family && remote.high == local.high && remote.low == local.low)
    }
}

/// Envoy's order: at each step the chains that name the connection's value most exactly go on, and there is no way back.
@safe
package struct FilterChainSearch {
    package enum Step: CaseIterable {
        case destinationPort, destination, serverName, transportProtocol, applicationProtocol, directSource, sourceType, source
        case sourcePort
    }

    /// Why a chain is not the connection's: at this step it does not take it, or another takes it more exactly.
    package struct Loss {
        package var step: Step
        package var isMismatch: Bool
    }

    /// The chain's place; nil: none is for this connection. `lost` is told of each chain that drops out.
    package static func find(
        _ chains: FrozenArray<FilterChainConfig>, _ facts: ConnectionFacts, lost: (Int, Loss) -> Void = { _, _ in }
    ) -> Int? {
        guard !chains.isEmpty else { return nil }
        return unsafe withUnsafeTemporaryAllocation(of: Int32.self, capacity: chains.count) { scores in
            unsafe scores.initialize(repeating: 0)
            for step in Step.allCases {
                var best: Int32 = -1
                for i in 0..<chains.count where unsafe scores[i] >= 0 {
                    let score = unsafe FilterChainSearch.score(chains.pointer(i).pointee.match, step, facts)
                    unsafe scores[i] = score
                    best = max(best, score)
                    if score < 0 { lost(i, Loss(step: step, isMismatch: true)) }
                }
                if best < 0 { return nil }
                for i in 0..<chains.count where unsafe scores[i] >= 0 && scores[i] < best {
                    unsafe scores[i] = -1
                    lost(i, Loss(step: step, isMismatch: false))
                }
            }
            for i in 0..<chains.count where unsafe scores[i] >= 0 { return i }
            return nil
        }
    }

    /// How exactly: −1: not at all; 0: it takes everything.
    private static func score(_ match: FilterChainMatch, _ step: Step, _ facts: ConnectionFacts) -> Int32 {
        switch step {
        case .destinationPort: return match.destinationPort == 0 ? 0 : match.destinationPort == facts.local.port ? 1 : -1
        case .destination: return prefix(match.destinations, facts.local)
        case .serverName: return name(match.serverNames, facts.serverName)
        case .transportProtocol:
            return match.transportProtocol.isEmpty ? 0 : match.transportProtocol.equals(facts.transportProtocol) ? 1 : -1
        case .applicationProtocol: return proto(match.applicationProtocols, facts.protocols)
        case .directSource: return prefix(match.directSources, facts.directRemote)
        case .sourceType:
            switch match.source {
            case .any: return 0
            case .local: return facts.isLocal ? 1 : -1
            case .external: return facts.isLocal ? -1 : 1
            }
        case .source: return prefix(match.sources, facts.remote)
        case .sourcePort:
            if match.sourcePorts.isEmpty { return 0 }
            for i in 0..<match.sourcePorts.count where match.sourcePorts[i] == facts.remote.port { return 1 }
            return -1
        }
    }

    /// The longest prefix that holds the address.
    private static func prefix(_ ranges: FrozenArray<AddressRange>, _ address: SocketAddress) -> Int32 {
        if ranges.isEmpty { return 0 }
        var best: Int32 = -1
        for i in 0..<ranges.count where ranges[i].contains(address) { best = max(best, Int32(ranges[i].prefixBits) + 1) }
        return best
    }

    /// The name itself, or the longest of its endings.
    private static func name(_ names: FrozenArray<Bytes>, _ name: Bytes) -> Int32 {
        if names.isEmpty { return 0 }
        var best: Int32 = -1
        for i in 0..<names.count {
            let own = names[i]
            if own.equals(name) { return 1 << 16 }
            if own.count < name.count, own.count > 0, own[0] == UInt8(ascii: "."), name.hasSuffix(own) {
                best = max(best, Int32(truncatingIfNeeded: own.count))
            }
        }
        return best
    }

    /// The first of the client's protocols goes before its second.
    private static func proto(_ protocols: FrozenArray<Bytes>, _ offered: Bytes) -> Int32 {
        if protocols.isEmpty { return 0 }
        var place = 0
        var rank: Int32 = 1 << 16
        while place < offered.count {
            let name = offered.part(place &+ 1, min(offered.count, place &+ 1 &+ Int(offered[place])))
            for i in 0..<protocols.count where protocols[i].equals(name) { return rank }
            rank &-= 1
            place &+= 1 &+ name.count
        }
        return -1
    }
}
