// What configuration says of a listener, frozen.

import Primitives

@safe
package struct ListenAddress: BitwiseCopyable {
    package var address = SocketAddress()
    /// One listening socket per worker, opened by main and kept across updates. A UNIX socket is the same for all.
    package var sockets = FrozenArray<Int32>()
    package init() {}
    /// An address that nothing listens on.
    package init(without socketOf: SocketAddress) { address = socketOf }
}

/// No TLS context.
package let noTLS = UInt32.max

@safe
package struct ListenerConfig: BitwiseCopyable {
    package var part: PartID = 0
    /// Stable number of the listener.
    package var slot: UInt32 = 0
    package var name = Bytes.empty
    package var addresses = FrozenArray<ListenAddress>()
    /// First statistic of `listener.<address>.`.
    package var stats: UInt32 = 0
    /// First statistic of `listener.<address>.worker_N.`, by worker.
    package var workerStats = FrozenArray<UInt32>()
    package var bufferLimit = 1 << 20
    /// Its connections close behind their responses while the process fails health checks; not with `MODIFY_ONLY`.
    package var drainsWithHealth = true
    package var accessLogs = FrozenArray<AccessLogConfig>()
    package var metadata: FrozenMetadata?
    /// `traffic_direction`: 1 inbound, 2 outbound, 0 neither.
    package var direction: UInt8 = 0
    /// Chains with a match; empty: `only` takes every connection.
    package var chains = FrozenArray<FilterChainConfig>()
    /// The chain without a match: the one chain, or the default chain of several.
    package var only = FilterChainConfig()
    package var hasDefaultChain = true
    /// What looks at a connection before a chain is chosen.
    package var listenerFilters = FrozenArray<ListenerFilterConfig>()
    /// `listener_filters_timeout`, in milliseconds; 0: none.
    package var filtersTimeoutMs: UInt64 = 15_000
    package var continuesOnTimeout = false
    /// Connections at each worker, where the listener has or has had `exact_balance`.
    package var balance: BalanceCells?
    /// `exact_balance`: a connection goes to the worker with the fewest.
    package var isBalanced = false
    /// `use_original_dst`: a connection whose address a listener filter has restored goes to that address's listener.
    package var handsOff = false
    package init() {}

    /// Of a listener with one chain.
    package var chain: NetworkChain {
        get { only.chain }
        set { only.chain = newValue }
    }
}

extension UnsafePointer where Pointee == ListenerConfig {
    /// `only` in place.
    var onlyChain: UnsafePointer<FilterChainConfig> {
        unsafe (UnsafeRawPointer(self) + MemoryLayout<ListenerConfig>.offset(of: \.only).unsafelyUnwrapped)
            .assumingMemoryBound(to: FilterChainConfig.self)
    }

    /// Every chain, in place.
    func eachChain(_ body: (UnsafePointer<FilterChainConfig>) -> Void) {
        for i in unsafe 0..<pointee.chains.count { unsafe body(pointee.chains.pointer(i)) }
        if unsafe pointee.hasDefaultChain { unsafe body(onlyChain) }
    }

    func identity(of http: UnsafePointer<HTTPConfig>) -> UInt64? {
        var found: UInt64?
        unsafe eachChain { chain in
            if case .http(let own) = unsafe chain.pointee.chain, unsafe own == http { found = unsafe chain.pointee.identity }
        }
        return found
    }

    func manager(_ identity: UInt64) -> UnsafePointer<HTTPConfig>? {
        var found: UnsafePointer<HTTPConfig>?
        unsafe eachChain { chain in
            if case .http(let own) = unsafe chain.pointee.chain, unsafe chain.pointee.identity == identity { unsafe found = unsafe own }
        }
        return unsafe found
    }
}

/// The network filters of a chain, by what its terminal filter is.
@safe
package enum NetworkChain: BitwiseCopyable {
    case none
    case tcpProxy(UnsafePointer<TCPProxyConfig>)
    case http(UnsafePointer<HTTPConfig>)
    case echo
    case directResponse(Bytes)
}
