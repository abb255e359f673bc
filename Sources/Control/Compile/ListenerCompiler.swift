// One listener: its addresses and its filter chains.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import StatsStore

/// A listener that is compiled but has no sockets and no number yet.
struct ListenerDraft {
    /// By which a listener is known from one configuration to the next.
    var key: String
    /// What the operator called it; empty: a name is made up.
    var name: String
    var part: PlanPart
    var config: ListenerConfig
    var addresses: [SocketAddress]
    /// How each of them is listened on.
    var options: [ListenOptions]
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
        let matcher = StatNameMatcher.compile(message.statsMatcher, place.at("stats_matcher"), diagnostics)
        let part = compilation.part(.listener, key, hash, matcher: matcher)
        refuseUnsupported(message, place)
        let places = places(message, part, place)
        let addresses = places.map(\.address)
        var config = ListenerConfig()
        config.name = part.arena.text(key)
        config.handsOff = message.useOriginalDst.value
        if message.hasPerConnectionBufferLimitBytes {
            config.bufferLimit = BufferLimit.bytes(message.perConnectionBufferLimitBytes.value)
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
        config.direction = UInt8(exactly: message.trafficDirection.rawValue) ?? 0
        let tls = ListenerChainsCompiler(
            compilation: compilation, part: part, key: key, statName: statName, shown: shown,
            isEgress: message.trafficDirection == .outbound, direction: config.direction, listenerMetadata: config.metadata
        ).compile(message, place, &config)
        config.accessLogs = AccessLogCompiler(compilation: compilation, part: part).compile(message.accessLog, place)
        guard diagnostics.errors.count == before else { return nil }
        return ListenerDraft(
            key: key, name: message.name, part: part, config: config, addresses: addresses, options: places.map(\.options),
            binds: binds(message), tls: tls, place: place)
    }

    private func binds(_ message: ListenerMessage) -> Bool {
        (!message.hasBindToPort || message.bindToPort.value)
            && (!message.deprecatedV1.hasBindToPort || message.deprecatedV1.bindToPort.value)
    }

    private func places(
        _ message: ListenerMessage, _ part: PlanPart, _ place: Place
    ) -> [(address: SocketAddress, options: ListenOptions)] {
        guard message.hasAddress else {
            diagnostics.error(
                place.at("address"), "error adding listener named '\(message.name)': address is necessary",
                expected: "the address to listen on")
            return []
        }
        var places: [(address: SocketAddress, options: ListenOptions)] = []
        if let first = AddressCompiler.listener(message.address, place.at("address"), diagnostics) {
            places.append((first, options(message, message.socketOptions, message.hasTcpKeepalive ? message.tcpKeepalive : nil, first, part)))
        }
        for (i, additional) in message.additionalAddresses.enumerated() {
            let at = place.at("additional_addresses", i)
            if let address = AddressCompiler.listener(additional.address, at.at("address"), diagnostics) {
                // What an address says of its own stands instead of the listener's.
                let own = additional.hasSocketOptions ? additional.socketOptions.socketOptions : message.socketOptions
                let keepalive =
                    additional.hasTcpKeepalive ? additional.tcpKeepalive : message.hasTcpKeepalive ? message.tcpKeepalive : nil
                places.append((address, options(message, own, keepalive, address, part)))
            }
        }
        if message.enableMptcp, places.contains(where: { $0.address.family == .unix }) {
            diagnostics.error(place.at("enable_mptcp"), "enable_mptcp can only be used with IP addresses", expected: "no UNIX socket")
        }
        return places
    }

    private func options(
        _ message: ListenerMessage, _ own: [Envoy_Config_Core_V3_SocketOption], _ keepalive: Envoy_Config_Core_V3_TcpKeepalive?,
        _ address: SocketAddress, _ part: PlanPart
    ) -> ListenOptions {
        let compiler = SocketSettingCompiler(arena: part.arena, family: address.family)
        var settings: [SocketSetting] = []
        if message.freebind.value { settings += compiler.freebind() }
        if message.transparent.value { settings += compiler.transparent() }
        if message.hasTcpFastOpenQueueLength { settings += compiler.fastOpen(message.tcpFastOpenQueueLength.value) }
        if let keepalive { settings += compiler.keepalive(keepalive) }
        settings += compiler.compile(own)
        return ListenOptions(
            backlog: message.hasTcpBacklogSize ? Int32(clamping: message.tcpBacklogSize.value) : 4096,
            settings: part.arena.array(settings), sharesOneSocket: message.hasEnableReusePort && !message.enableReusePort.value,
            speaksMultipath: message.enableMptcp)
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
            ["internal_listener": message.listenerSpecifier != nil])
    }
}
