import Pipeline
import Primitives
import Testing

/// The order of `FilterChainMatch`, as Envoy documents it and does it.
@Suite struct FilterChainSearchTests {
    private let arena = FrozenArena()

    private func chain(_ fill: (inout FilterChainMatch) -> Void) -> FilterChainConfig {
        var config = FilterChainConfig()
        fill(&config.match)
        return config
    }

    private func names(_ list: String...) -> FrozenArray<Bytes> { arena.array(list.map { arena.text($0) }) }

    private func range(_ text: String, _ bits: UInt8) -> FrozenArray<AddressRange> {
        arena.array([AddressRange(address: SocketAddress(ip: text, port: 0) ?? SocketAddress(), prefixBits: bits)])
    }

    private func facts(
        _ name: String = "", protocols: [UInt8] = [], local: String = "10.1.2.3", remote: String = "192.0.2.7", tls: Bool = true
    ) -> ConnectionFacts {
        var facts = ConnectionFacts()
        facts.serverName = arena.text(name)
        facts.protocols = arena.text(protocols)
        facts.local = SocketAddress(ip: local, port: 443) ?? SocketAddress()
        facts.remote = SocketAddress(ip: remote, port: 5555) ?? SocketAddress()
        facts.directRemote = facts.remote
        if tls { facts.transportProtocol = arena.text("tls") }
        return facts
    }

    @Test func theNameThatIsMostExactGoesFirst() {
        let chains = arena.array([
            chain { _ in }, chain { $0.serverNames = names(".test") }, chain { $0.serverNames = names(".b.test", "c.d") },
            chain { $0.serverNames = names("a.b.test") },
        ])
        #expect(FilterChainSearch.find(chains, facts("a.b.test")) == 3)
        #expect(FilterChainSearch.find(chains, facts("x.b.test")) == 2)
        #expect(FilterChainSearch.find(chains, facts("c.d")) == 2)
        #expect(FilterChainSearch.find(chains, facts("b.test")) == 1)
        #expect(FilterChainSearch.find(chains, facts("elsewhere")) == 0)
        #expect(FilterChainSearch.find(chains, facts()) == 0)
    }

    /// Destination before name: the chain whose address fits better takes it, and there is no way back.
    @Test func anEarlierStepDecides() {
        let chains = arena.array([
            chain { $0.destinations = range("10.0.0.0", 8); $0.serverNames = names("a.test") },
            chain { $0.destinations = range("10.1.0.0", 16); $0.serverNames = names("b.test") },
            chain { $0.serverNames = names("a.test") },
        ])
        #expect(FilterChainSearch.find(chains, facts("b.test")) == 1)
        #expect(FilterChainSearch.find(chains, facts("a.test")) == nil)
        #expect(FilterChainSearch.find(chains, facts("a.test", local: "10.9.0.1")) == 0)
        #expect(FilterChainSearch.find(chains, facts("a.test", local: "172.16.0.1")) == 2)
    }

    @Test func theClientsFirstProtocolGoesFirst() {
        let chains = arena.array([
            chain { $0.applicationProtocols = names("http/1.1") }, chain { $0.applicationProtocols = names("h2", "x") }, chain { _ in },
        ])
        #expect(FilterChainSearch.find(chains, facts(protocols: [2, 0x68, 0x32, 8] + Array("http/1.1".utf8))) == 1)
        #expect(FilterChainSearch.find(chains, facts(protocols: [8] + Array("http/1.1".utf8) + [2, 0x68, 0x32])) == 0)
        #expect(FilterChainSearch.find(chains, facts(protocols: [1, 0x79])) == 2)
        #expect(FilterChainSearch.find(chains, facts()) == 2)
        // A list that does not add up.
        #expect(FilterChainSearch.find(chains, facts(protocols: [9, 0x68])) == 2)
    }

    @Test func portsTransportsAndSources() {
        let chains = arena.array([
            chain { $0.destinationPort = 8443 }, chain { $0.transportProtocol = arena.text("raw_buffer") },
            chain { $0.transportProtocol = arena.text("tls"); $0.source = .local },
            chain { $0.transportProtocol = arena.text("tls"); $0.source = .external; $0.sources = range("192.0.2.0", 24) },
            chain { $0.transportProtocol = arena.text("tls"); $0.source = .external; $0.sources = range("192.0.2.0", 24); $0.sourcePorts = arena.array([5555]) },
        ])
        #expect(FilterChainSearch.find(chains, facts(tls: false)) == 1)
        #expect(FilterChainSearch.find(chains, facts(remote: "127.0.0.1")) == 2)
        #expect(FilterChainSearch.find(chains, facts(remote: "10.1.2.3")) == 2)
        #expect(FilterChainSearch.find(chains, facts()) == 4)
        #expect(FilterChainSearch.find(chains, facts(remote: "198.51.100.1")) == nil)
        var other = facts()
        other.remote.port = 1
        #expect(FilterChainSearch.find(chains, other) == 3)
        other.local.port = 8443
        #expect(FilterChainSearch.find(chains, other) == 0)
        #expect(FilterChainSearch.find(FrozenArray(), other) == nil)
    }
}
