// What configuration says of a listener, frozen.

import Primitives

@safe
package struct ListenAddress: BitwiseCopyable {
    package var address = SocketAddress()
    /// One listening socket per worker, opened by main and kept across updates. A UNIX socket is the same for all.
    package var sockets = FrozenArray<Int32>()
    package init() {}
}

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
    package var chain = NetworkChain.none
    package var accessLogs = FrozenArray<AccessLogConfig>()
    package init() {}
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
