import CLiburing
import Glibc
import Pipeline
import Primitives
import Ring
import Stats
import StatsStore
import TestSupport
import Testing
import Transport
import Upstream

/// A worker with a TCP proxy in front of one host that may have one connection, run by hand on this thread: what happens
/// between two turns comes to it in one.
@safe
final class TCPBench {
    let worker: Worker
    let port: UInt16
    private let server: Descriptor
    private let socket: Int32
    private let stats = StatRegistry(workers: 1)
    private let cluster: StatScope<ClusterStat>
    private let listener: StatScope<ListenerStat>
    private let mailbox = Mailbox()
    private let arena = FrozenArena()
    private let open = HostConnectionsOwner()
    private var plan = Plan()

    /// `tunnels`: each connection goes to the host in the content of a POST. `ahead`: there are so many for each that is
    /// needed, and the host may have as many as it likes. `idleMs`: how long they wait.
    init(tunnels: Bool = false, ahead: Double = 1, idleMs: UInt64? = nil) throws {
        server = try Sockets.listen(port: 0)
        let address = try #require(SocketAddress(ip: "127.0.0.1", port: 0))
        socket = try ListenSocket.open(address, workers: 1, backlog: 64)[0]
        port = SocketAddress(localOf: socket).port
        cluster = stats.scope("cluster.c.")
        listener = stats.scope("listener.test.")
        let ofWorker = stats.scope("listener.test.worker_0.", ListenerWorkerStat.self)
        var options = WorkerOptions()
        unsafe options.callConfig = unsafe CallConfig.make(routerStats: stats.scope("http.async-client.", RouterStat.self).base)
        worker = try Worker(options: options, mailbox: mailbox, cells: stats.cells(worker: 0))

        var host = HostConfig()
        host.address = SocketAddress(localOf: server.raw)
        host.stats = stats.scope("cluster.c.host.", HostStat.self).base
        host.connections = open.connections
        var config = ClusterConfig()
        config.name = arena.text("c")
        config.stats = cluster.base
        config.defaultLimits.connectionsPerHost = ahead > 1 ? nil : 1
        config.preconnectRatio = ahead
        if let idleMs { config.tcpIdleTimeoutMs = idleMs }
        let hosts = HostSet.build([host], version: 1, in: arena)

        var proxy = TCPProxyConfig()
        proxy.stats = stats.scope("tcp.t.", TCPProxyStat.self).base
        proxy.clusters = arena.array([WeightedCluster(slot: 0, cumulativeWeight: 1)])
        if tunnels {
            var name = FormatPiece()
            name.text = arena.text("inner.test:443")
            var tunnel = TunnelConfig(hostname: Format(pieces: arena.array([name])))
            tunnel.usesPost = true
            tunnel.postPath = arena.text("/")
            unsafe proxy.tunnel = unsafe arena.store(tunnel)
        }

        var part = ListenerConfig()
        part.part = 1
        part.stats = listener.base
        part.workerStats = arena.array([ofWorker.base])
        part.chain = unsafe .tcpProxy(arena.store(proxy))
        var place = ListenAddress()
        place.address = address
        place.sockets = arena.array([socket])
        part.addresses = arena.array([place])

        plan.version = 1
        plan.listeners = unsafe arena.array([ListenerSlot(part: 1, config: arena.store(part))])
        plan.clusters = unsafe arena.array([ClusterSlot(part: 2, config: arena.store(config), hosts: arena.store(hosts))])
        plan.clusterPresent = arena.array([true])
        plan.clusterNames = arena.array([ClusterName(name: arena.text("c"), slot: 0)])
        unsafe mailbox.publish(arena.store(plan))
    }

    deinit {
        worker.destroy()
        server.close()
        Glibc.close(socket)
    }

    func count(_ leaf: ClusterStat) -> Int { Int(stats.counter(cluster[leaf])) }
    func gauge(_ leaf: ClusterStat) -> Int { Int(stats.gauge(cluster[leaf], .gauge).value) }
    var clients: Int { Int(stats.gauge(listener[.downstreamCxActive], .gauge).value) }

    /// The listener is gone, and the time of its connections over.
    func removeListener() {
        plan.version += 1
        plan.draining = arena.array([DrainingPart(part: 1, startMs: 0, endMs: 0, isGradual: false, isOver: true)])
        unsafe mailbox.publish(arena.store(plan))
    }

    /// Turns until `done`; a timer keeps the kernel from waiting for ever.
    func turns(until done: () -> Bool) -> Bool {
        let deadline = Deadline(afterMs: 10_000)
        while !done() {
            if deadline.passed { return false }
            turn()
        }
        return true
    }

    /// One turn, with all that has come since the one before.
    func turn() {
        let node = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
        unsafe node.initialize(to: TimerNode(token: 0))
        unsafe worker.timers.arm(node, at: worker.nowMs + 2)
        worker.turn()
        unsafe worker.timers.cancel(node)
        unsafe node.deallocate()
    }

    /// Another one, so much later.
    func turn(afterMs ms: UInt64) {
        worker.prepareTurn()
        worker.ring.turn(timeoutNs: 0)
        worker.beginTurn(atNs: worker.nowNs + ms * 1_000_000)
        worker.concludeTurn()
    }

    /// The host's next connection.
    func accepted() -> Descriptor? {
        var accepted: Descriptor?
        _ = turns {
            accepted = Sockets.accept(server)
            return accepted != nil
        }
        return accepted
    }

    /// Whether a connection waits to be accepted.
    var hasMore: Bool { Sockets.ready(server, for: Sockets.readable, until: Deadline(afterMs: 0)) != 0 }

    /// Whether this comes on a connection, at the end of what came.
    func receives(_ text: String, on socket: Descriptor) -> Bool {
        var got: [UInt8] = []
        return turns {
            if case .bytes(let bytes) = Sockets.receive(socket) { got += bytes }
            return got.suffix(text.utf8.count).elementsEqual(text.utf8)
        }
    }

    func ended(_ socket: Descriptor) -> Bool {
        turns {
            switch Sockets.receive(socket) {
            case .end, .reset: true
            default: false
            }
        }
    }
}
