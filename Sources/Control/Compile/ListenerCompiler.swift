// One listener: its addresses and its filter chains.

import EnvoyAPI
import Pipeline
import Primitives
import Stats

/// A listener that is compiled but has no sockets and no number yet.
struct ListenerDraft {
    /// By which a listener is known from one configuration to the next.
    var key: String
    /// What the operator called it; empty: a name is made up.
    var name: String
    var part: PlanPart
    var config: ListenerConfig
    var addresses: [SocketAddress]
    var backlog: Int32
    /// `bind_to_port`; without, it has no sockets, and gets what other listeners hand over (`use_original_dst`).
    var binds: Bool
    var tls: [TLSDraft]
    var place: Place
}

struct ListenerCompiler {
    let compilation: Compilation
    private var diagnostics: Diagnostics { compilation.diagnostics }

    /// What the listener is known by: its name, or else its first address.
    static func key(_ message: ListenerMessage) -> String {
        if !message.name.isEmpty { return message.name }
        switch message.address.address {
        case .socketAddress(let socket): return "\(socket.address):\(socket.portValue)"
        case .pipe(let pipe): return pipe.path
        default: return ""
        }
    }

    /// Nil after an error.
    func compile(_ message: ListenerMessage, _ place: Place, _ hash: ContentHash) -> ListenerDraft? {
        let before = diagnostics.errors.count
        let key = ListenerCompiler.key(message)
        let part = compilation.part(.listener, key, hash)
        refuseUnsupported(message, place)
        let addresses = addresses(message, place)
        var config = ListenerConfig()
        config.name = part.arena.text(key)
        config.handsOff = message.useOriginalDst.value
        if message.hasPerConnectionBufferLimitBytes {
            config.bufferLimit = Int(message.perConnectionBufferLimitBytes.value)
        }
        config.drainsWithHealth = message.drainType != .modifyOnly
        balance(message, key, part, place, &config)
        let statName = message.statPrefix.isEmpty ? addresses.first.map { "\($0)" } ?? key : message.statPrefix
        config.stats = part.scope(compilation.stats, StatPrefix.listener(statName), ListenerStat.self).base
        config.workerStats = part.arena.array(
            (0..<compilation.environment.workers).map {
                part.scope(
                    compilation.stats, StatPrefix.listenerWorker(statName, worker: $0), ListenerWorkerStat.self
                ).base
            })
        let shown = addresses.first.map { "\($0)" } ?? message.name
        config.metadata = ShownMetadata(message.metadata).frozen(part.arena)
        let tls = ListenerChainsCompiler(
            compilation: compilation, part: part, key: key, statName: statName, shown: shown,
            isEgress: message.trafficDirection == .outbound, listenerMetadata: config.metadata
        ).compile(message, place, &config)
        config.accessLogs = AccessLogCompiler(compilation: compilation, part: part).compile(message.accessLog, place)
        guard diagnostics.errors.count == before else { return nil }
        let backlog = message.hasTcpBacklogSize ? Int32(clamping: message.tcpBacklogSize.value) : 4096
        return ListenerDraft(
            key: key, name: message.name, part: part, config: config, addresses: addresses, backlog: backlog,
            binds: binds(message), tls: tls, place: place)
    }

    private func binds(_ message: ListenerMessage) -> Bool {
        (!message.hasBindToPort || message.bindToPort.value)
            && (!message.deprecatedV1.hasBindToPort || message.deprecatedV1.bindToPort.value)
    }

    private func addresses(_ message: ListenerMessage, _ place: Place) -> [SocketAddress] {
        guard message.hasAddress else {
            diagnostics.error(
                place.at("address"), "error adding listener named '\(message.name)': address is necessary",
                expected: "the address to listen on")
            return []
        }
        var addresses: [SocketAddress] = []
        if let first = AddressCompiler.listener(message.address, place.at("address"), diagnostics) {
            addresses.append(first)
        }
        for (i, additional) in message.additionalAddresses.enumerated() {
            let at = place.at("additional_addresses", i)
            diagnostics.unsupported(
                at, "envoy.config.listener.v3.AdditionalAddress", ["socket_options": additional.hasSocketOptions])
            if let address = AddressCompiler.listener(additional.address, at.at("address"), diagnostics) {
                addresses.append(address)
            }
        }
        return addresses
    }

    /// Connections keep their place in the count when the listener changes, `exact_balance` going or coming included: a
    /// worker may run the older configuration still when another hands it a connection.
    private func balance(
        _ message: ListenerMessage, _ key: String, _ part: PlanPart, _ place: Place, _ config: inout ListenerConfig
    ) {
        enum Balance { case none, exact, extend }
        let balance: Balance =
            switch message.connectionBalanceConfig.balanceType {
            case .exactBalance: .exact
            case .extendBalance: .extend
            case nil: .none
            }
        diagnostics.unsupported(
            place.at("connection_balance_config"), "envoy.config.listener.v3.Listener.ConnectionBalanceConfig",
            ["extend_balance": balance == .extend])
        config.isBalanced = balance == .exact
        guard let owner = compilation.environment.balances.owner(key, makes: config.isBalanced) else { return }
        part.own(owner)
        config.balance = owner.cells
    }

    private func refuseUnsupported(_ message: ListenerMessage, _ place: Place) {
        diagnostics.unsupported(
            place, "envoy.config.listener.v3.Listener",
            [
                "transparent": message.transparent.value,
                "freebind": message.freebind.value,
                "socket_options": !message.socketOptions.isEmpty,
                "tcp_fast_open_queue_length": message.tcpFastOpenQueueLength.value > 0,
                "enable_reuse_port": message.hasEnableReusePort && !message.enableReusePort.value,
                "internal_listener": message.listenerSpecifier != nil,
                "enable_mptcp": message.enableMptcp,
            ])
    }
}
