// Which listener, filter chain, virtual host, route, cluster and hosts a request would take, and why the others did not
// match. Asks the compiled configuration, with the engine's own searches: what it says is what the workers do. Main
// thread only, no request is sent.

import EnvoyAPI
import Pipeline
import Primitives
import Routing
import Wire

package typealias DescribedRequest = Martlet_Route_V1_DescribedRequest

@safe
package struct RouteExplainer {
    /// Routes, domains and hosts that are listed at the most; the rest is a number.
    package static let listedMax = 100

    let listeners: [LiveListener]
    let clusters: [LiveCluster]

    /// What is served now.
    package init(_ configurator: Configurator) {
        listeners = configurator.listeners
        clusters = configurator.clusters
    }

    init(listeners: [LiveListener], clusters: [LiveCluster]) {
        self.listeners = listeners
        self.clusters = clusters
    }

    package func explain(_ request: DescribedRequest) -> Explained {
        var steps = Steps(request)
        let candidates = self.candidates(request)
        guard candidates.count == 1, let listener = candidates.first else {
            steps.add(
                "listeners", .list(listeners.map { .text("\($0.name)  \($0.shownAddresses)") }))
            steps.end("no_listener", candidates.isEmpty ? "no listener is meant by that" : "several listeners: name one, or a port")
            return steps.result
        }
        steps.add("listener", .object([.init("name", .text(listener.name)), .init("address", .text(listener.shownAddresses))]))
        guard let source = SocketAddress(ip: request.source.isEmpty ? "127.0.0.1" : request.source, port: UInt16(clamping: request.sourcePort))
        else {
            steps.end("invalid_request", "'\(request.source)' is no IP address")
            return steps.result
        }
        var local = listener.draft.addresses.first ?? SocketAddress()
        if request.port != 0 { local.port = UInt16(clamping: request.port) }
        let facts = ChainFacts(request, local: local, source: source)
        guard let chain = chain(of: listener, facts, &steps) else { return steps.result }
        switch chain.config.chain {
        case .http(let http):
            guard let manager = chain.message.connectionManager else { break }
            unsafe HTTPExplanation(clusters: clusters, http: http, manager: manager, request: request, localPort: local.port)
                .explain(&steps)
        case .tcpProxy:
            guard let proxy = chain.message.tcpProxy else { break }
            let names = proxy.cluster.isEmpty ? proxy.weightedClusters.clusters.map(\.name) : [proxy.cluster]
            for name in names { steps.add("cluster", ClusterExplanation.describe(name, clusters)) }
            steps.end("tcp_proxy", "connections are relayed, whatever they carry")
        case .echo: steps.end("echo", "what comes is sent back")
        case .directResponse: steps.end("direct_response", "the connection is answered with a fixed text")
        case .none: steps.end("none", "the chain does nothing")
        }
        return steps.result
    }

    // MARK: Listener and chain

    private func candidates(_ request: DescribedRequest) -> [LiveListener] {
        if !request.listener.isEmpty {
            return listeners.filter { live in
                live.name == request.listener || live.draft.addresses.contains { "\($0)" == request.listener }
            }
        }
        if request.port != 0 {
            let port = UInt16(clamping: request.port)
            let own = listeners.filter { live in (live.addresses + live.draft.addresses).contains { $0.port == port } }
            if !own.isEmpty || listeners.count > 1 { return own }
        }
        return listeners
    }

    private struct Chain {
        var config: FilterChainConfig
        var message: FilterChainMessage
    }

    private func chain(of listener: LiveListener, _ facts: ChainFacts, _ steps: inout Steps) -> Chain? {
        let config = listener.draft.config
        let message = listener.message
        var losses: [(index: Int, loss: FilterChainSearch.Loss)] = []
        let found = facts.withFacts { facts in
            FilterChainSearch.find(config.chains, facts) { losses.append(($0, $1)) }
        }
        let others = losses.prefix(RouteExplainer.listedMax).map { index, loss in
            Explained.object([
                .init("name", .text(message.filterChains[index].shownName(index))),
                .init("why", .text(loss.sentence)),
            ])
        }
        let chosen: Chain
        if let found {
            chosen = Chain(config: config.chains[found], message: message.filterChains[found])
            steps.add("filter_chain", .object(chosen.message.described(found, others)))
        } else if config.hasDefaultChain, message.hasDefaultFilterChain || message.filterChains.count == 1 {
            let isDefault = message.hasDefaultFilterChain
            chosen = Chain(config: config.only, message: isDefault ? message.defaultFilterChain : message.filterChains[0])
            steps.add("filter_chain", .object(chosen.message.described(isDefault ? nil : 0, others)))
        } else {
            steps.add("filter_chains", .list(others))
            steps.end("no_filter_chain", "no filter chain takes this connection: it is closed, no_filter_chain_match counts it, flag NR")
            return nil
        }
        let hasTLS = chosen.message.hasTransportSocket
        if hasTLS != facts.isTLS {
            steps.end(
                "wrong_transport",
                hasTLS ? "the chain speaks TLS, the request is described without" : "the chain speaks cleartext, the request is described with TLS")
            return nil
        }
        return chosen
    }
}

extension Martlet_Route_V1_DescribedRequest {
    /// Said, or meant: nobody else has a server name or protocols to offer.
    var isByTLS: Bool { tls || !serverName.isEmpty || !applicationProtocols.isEmpty }

    /// `name: value`; nil: it is not.
    package static func header(_ text: String) -> Martlet_Route_V1_DescribedHeader? {
        // A pseudo-header begins with a colon of its own.
        guard let colon = text.dropFirst().firstIndex(of: ":") else { return nil }
        var header = Martlet_Route_V1_DescribedHeader()
        header.name = text[..<colon].lowercased()
        header.value = String(text[text.index(after: colon)...].drop(while: \.isWhitespace))
        return header
    }
}

extension LiveListener {
    var shownAddresses: String {
        (addresses.isEmpty ? draft.addresses : addresses).map { "\($0)" }.joined(separator: ", ")
    }
}

extension FilterChainMessage {
    func shownName(_ index: Int?) -> String {
        if !name.isEmpty { return name }
        return index.map { "filter_chains[\($0)]" } ?? "default_filter_chain"
    }

    func described(_ index: Int?, _ others: [Explained]) -> Explained.Members {
        var members: Explained.Members = [
            .init("name", .text(shownName(index))), .init("transport", .text(hasTransportSocket ? "tls" : "cleartext")),
        ]
        if !others.isEmpty { members.append(.init("not_taken", .list(others))) }
        return members
    }

    var connectionManager: ConnectionManager? { last(ConnectionManager.self) }
    var tcpProxy: TCPProxyMessage? { last(TCPProxyMessage.self) }

    private func last<M: Message>(_ type: M.Type) -> M? {
        guard let filter = filters.last, case .typedConfig(let any) = filter.configType else { return nil }
        return try? M(serializedBytes: any.value)
    }
}

extension FilterChainSearch.Loss {
    var sentence: String {
        let what =
            switch step {
            case .destinationPort: "destination_port"
            case .destination: "prefix_ranges (the destination)"
            case .serverName: "server_names"
            case .transportProtocol: "transport_protocol"
            case .applicationProtocol: "application_protocols"
            case .directSource: "direct_source_prefix_ranges"
            case .sourceType: "source_type"
            case .source: "source_prefix_ranges"
            case .sourcePort: "source_ports"
            }
        return isMismatch ? "\(what) does not match" : "another chain's \(what) is more specific"
    }
}

/// What filter chains are chosen by, in memory of its own.
struct ChainFacts {
    let isTLS: Bool
    private let local: SocketAddress
    private let source: SocketAddress
    private let serverName: String
    private let protocols: [UInt8]

    init(_ request: DescribedRequest, local: SocketAddress, source: SocketAddress) {
        isTLS = request.isByTLS
        self.local = local
        self.source = source
        serverName = request.serverName.lowercased()
        protocols = request.applicationProtocols.flatMap { name in
            let bytes = Array(name.utf8.prefix(255))
            return [UInt8(bytes.count)] + bytes
        }
    }

    func withFacts<R>(_ body: (ConnectionFacts) -> R) -> R {
        serverName.withBytes { name in
            protocols.withBytes { protocols in
                var facts = ConnectionFacts()
                facts.local = local
                facts.remote = source
                facts.directRemote = source
                facts.serverName = name
                facts.protocols = protocols
                if isTLS { facts.transportProtocol = Bytes("tls" as StaticString) }
                return body(facts)
            }
        }
    }
}

/// The explanation as it grows: the request, the steps, what comes of it.
struct Steps {
    private var members: Explained.Members

    init(_ request: DescribedRequest) {
        let method = request.method.isEmpty ? "GET" : request.method
        members = [.init("request", .text("\(method) \(request.authority)\(request.path.isEmpty ? "/" : request.path)"))]
    }

    mutating func add(_ name: String, _ value: Explained) { members.append(.init(name, value)) }

    mutating func end(_ outcome: String, _ why: String, status: Int? = nil, flags: String? = nil) {
        members.append(.init("outcome", .text(outcome)))
        if let status { members.append(.init("status", .number(status))) }
        if let flags { members.append(.init("response_flags", .text(flags))) }
        members.append(.init("because", .text(why)))
    }

    var result: Explained { .object(members) }
}
