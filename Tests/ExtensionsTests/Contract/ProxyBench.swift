// A whole worker between real sockets, run by hand: one HTTP listener, one filter, one cluster of one host.

import Glibc
import Pipeline
import Primitives
import Routing
import Stats
import StatsStore
import TestSupport
import Transport
import Upstream

@safe
final class ProxyBench {
    let worker: Worker
    let port: UInt16
    private let stats = StatRegistry(workers: 1)
    private let http: StatScope<HTTPConnectionManagerStat>
    private let cluster: StatScope<ClusterStat>
    private let mailbox = Mailbox()
    private let arena = FrozenArena()
    private let spec: FilterChainSpec
    private let socket: Int32
    private let wake = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)

    /// `connects`: CONNECT ends here, in a connection of its own to the host. `metersWire`: somebody asks for bytes.
    init(
        _ filter: HTTPFilter, upstream: UInt16, delayedCloseMs: UInt64 = 50, connects: Bool = false, metersWire: Bool = false
    ) throws {
        let listenAddress = SocketAddress(ip: "127.0.0.1", port: 0) ?? SocketAddress()
        socket = try ListenSocket.open(listenAddress, workers: 1, backlog: 128)[0]
        port = SocketAddress(localOf: socket).port
        worker = try Worker(options: WorkerOptions(), mailbox: mailbox, cells: stats.cells(worker: 0))
        http = stats.scope("http.test.", HTTPConnectionManagerStat.self)
        cluster = stats.scope("cluster.up.", ClusterStat.self)
        spec = FilterChainSpec(factories: [Given(filter)])

        var route = RouteConfig()
        route.action = .forward
        route.clusters = arena.array([RouteCluster(slot: 0, name: arena.text("up"))])
        var connect = route
        connect.terminatesConnect = true
        let paths: [RouteMatchSpec.Path] = connects ? [.connect, .prefix("/")] : [.prefix("/")]
        let host = VirtualHostSpec(name: "all", domains: ["*"], routes: paths.map { RouteMatchSpec($0) })
        var table = RouteTableConfig(table: try RouteTable(RouteTableSpec(name: "r", virtualHosts: [host]), seed: 1))
        table.routes = arena.array(connects ? [connect, route] : [route])
        table.virtualHosts = arena.array([VirtualHostConfig()])
        var config = unsafe HTTPConfig(routes: arena.store(table))
        config.delayedCloseTimeoutMs = delayedCloseMs
        config.metersWire = metersWire
        config.upgrades = arena.array([arena.text("websocket"), arena.text("connect")])
        config.filterChain = CallConfig.filterChain + 1
        config.stats = http.base
        config.routerStats = stats.scope("http.test.", RouterStat.self).base
        config.codecStats = stats.scope("http1.", HTTP1CodecStat.self).base
        config.listenerStats = stats.scope("listener.test.http.test.", ListenerHTTPStat.self).base
        unsafe config.filterChainSpec = unsafe UnsafeRawPointer(Unmanaged.passUnretained(spec).toOpaque())

        var listener = ListenerConfig()
        listener.part = 1
        listener.stats = stats.scope("listener.test.", ListenerStat.self).base
        listener.workerStats = arena.array([stats.scope("listener.test.worker_0.", ListenerWorkerStat.self).base])
        listener.chain = unsafe .http(arena.store(config))
        var place = ListenAddress()
        place.address = listenAddress
        place.sockets = arena.array([socket])
        listener.addresses = arena.array([place])

        var clusterConfig = ClusterConfig()
        clusterConfig.name = arena.text("up")
        clusterConfig.stats = cluster.base
        clusterConfig.enableTrailers = true
        var hostConfig = HostConfig()
        hostConfig.address = SocketAddress(ip: "127.0.0.1", port: upstream) ?? SocketAddress()
        hostConfig.stats = stats.scope("cluster.up.host.", HostStat.self).base
        var plan = Plan()
        plan.version = 1
        plan.listeners = unsafe arena.array([ListenerSlot(part: 1, config: arena.store(listener))])
        plan.clusters = unsafe arena.array([
            ClusterSlot(
                part: 0, config: arena.store(clusterConfig),
                hosts: arena.store(HostSet.build([hostConfig], version: 1, in: arena)))
        ])
        plan.clusterPresent = arena.array([true])
        plan.clusterNames = arena.array([ClusterName(name: arena.text("up"), slot: 0)])
        unsafe mailbox.publish(arena.store(plan))
        turn()
    }

    deinit {
        worker.destroy()
        Glibc.close(socket)
        unsafe wake.deallocate()
    }

    func count(_ leaf: HTTPConnectionManagerStat) -> UInt64 { stats.counter(http[leaf]) }
    func count(_ leaf: ClusterStat) -> UInt64 { stats.counter(cluster[leaf]) }

    /// One turn that does not sleep long.
    func turn() {
        unsafe wake.initialize(to: TimerNode(token: 0))
        unsafe worker.timers.arm(wake, at: worker.nowMs + 2)
        worker.turn()
        unsafe worker.timers.cancel(wake)
    }

    @discardableResult
    func turns(upToMs limitMs: Int = 5_000, until done: () -> Bool) -> Bool {
        let deadline = Deadline(afterMs: limitMs)
        while !done() {
            if deadline.passed { return false }
            turn()
        }
        return true
    }

    func send(_ text: String) throws -> Descriptor {
        let client = try Sockets.connect(port: port)
        _ = Sockets.send(Array(text.utf8), from: 0, on: client)
        return client
    }

    /// What a client gets until `enough`, or until its connection ends.
    func receive(_ client: Descriptor, upToMs limitMs: Int = 5_000, until enough: (String) -> Bool = { _ in false })
        -> (text: String, ended: Bool)
    {
        var text = ""
        var ended = false
        turns(upToMs: limitMs) {
            switch Sockets.receive(client) {
            case .bytes(let bytes): text += String(decoding: bytes, as: UTF8.self)
            case .end, .reset: ended = true
            case .nothing: break
            }
            return ended || enough(text)
        }
        return (text, ended)
    }
}

/// A filter of closures. What is not given lets everything pass.
@safe
final class ClosureFilter: HTTPFilter {
    typealias Head = (HTTPFilter, Worker, StreamPointer, Bool) -> HeadVerdict
    typealias Data = (HTTPFilter, Worker, StreamPointer, inout ByteQueue, Bool) -> DataVerdict
    private let onRequestHead: Head
    private let onRequestData: Data
    private let onResponseHead: Head
    private let onResponseData: Data
    /// Of the stream that went last.
    private(set) var flags: ResponseFlags = []
    private(set) var details = ""

    init(
        requestHead: @escaping Head = { _, _, _, _ in .proceed }, requestData: @escaping Data = { _, _, _, _, _ in .proceed },
        responseHead: @escaping Head = { _, _, _, _ in .proceed }, responseData: @escaping Data = { _, _, _, _, _ in .proceed }
    ) {
        unsafe onRequestHead = unsafe requestHead
        unsafe onRequestData = unsafe requestData
        unsafe onResponseHead = unsafe responseHead
        unsafe onResponseData = unsafe responseData
        super.init(name: "closures", interest: [.requestHead, .requestBody, .responseHead, .responseBody])
    }

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe onRequestHead(self, worker, stream, endStream)
    }
    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict { unsafe onRequestData(self, worker, stream, &data, endStream) }
    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe onResponseHead(self, worker, stream, endStream)
    }
    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict { unsafe onResponseData(self, worker, stream, &data, endStream) }
    override func destroyed(_ worker: Worker, _ stream: StreamPointer) {
        flags = unsafe stream.pointee.flags
        details = unsafe stream.pointee.details.string
    }
}
