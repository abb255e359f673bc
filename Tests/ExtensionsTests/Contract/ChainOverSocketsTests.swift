// A chain between a real client and a real upstream, so that what a filter keeps holds their sockets back.

import Pipeline
import Primitives
import Routing
import Stats
import StatsStore
import Synchronization
import TestSupport
import Testing
import Transport
import Upstream
import Wire

@Suite(.serialized) struct ChainOverSocketsTests {
    /// A worker with one listener, one filter and one upstream, run by hand on this thread.
    @safe
    private final class Service {
        let upstream: ScriptedUpstream
        let worker: Worker
        private let stats = StatRegistry(workers: 1)
        private let mailbox = Mailbox()
        private let arena = FrozenArena()
        private let spec: FilterChainSpec
        private let socket: Int32
        private let port: UInt16
        private let wake = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)

        init(_ filter: HTTPFilter, bufferLimit: Int, _ script: UpstreamScript) throws {
            upstream = try ScriptedUpstream(name: "a")
            upstream.begin(script)
            upstream.start()
            var options = WorkerOptions()
            options.receiveBuffers = 64
            unsafe options.callConfig = unsafe CallConfig.make(routerStats: stats.scope("http.async-client.", RouterStat.self).base)
            worker = try Worker(options: options, mailbox: mailbox, cells: stats.cells(worker: 0))
            let address = try #require(SocketAddress(ip: "127.0.0.1", port: 0))
            socket = try ListenSocket.open(address, workers: 1, backlog: 64)[0]
            port = SocketAddress(localOf: socket).port
            spec = FilterChainSpec(factories: [Given(filter)])

            var route = RouteConfig()
            route.action = .forward
            route.clusters = arena.array([RouteCluster(slot: 0, name: arena.text("a"))])
            let hosts = [VirtualHostSpec(name: "v", domains: ["*"], routes: [RouteMatchSpec(.prefix("/"))])]
            var table = RouteTableConfig(table: try RouteTable(RouteTableSpec(name: "", virtualHosts: hosts), seed: 1))
            table.routes = arena.array([route])
            table.virtualHosts = arena.array([VirtualHostConfig()])
            var http = unsafe HTTPConfig(routes: arena.store(table))
            http.bufferLimit = bufferLimit
            http.filterChain = CallConfig.filterChain + 1
            http.stats = stats.scope("http.test.", HTTPConnectionManagerStat.self).base
            http.routerStats = stats.scope("http.test.", RouterStat.self).base
            http.codecStats = stats.scope("http1.", HTTP1CodecStat.self).base
            http.listenerStats = stats.scope("listener.test.http.test.", ListenerHTTPStat.self).base
            unsafe http.filterChainSpec = unsafe UnsafeRawPointer(Unmanaged.passUnretained(spec).toOpaque())

            var listener = ListenerConfig()
            listener.part = 1
            listener.stats = stats.scope("listener.test.", ListenerStat.self).base
            listener.workerStats = arena.array([stats.scope("listener.test.worker_0.", ListenerWorkerStat.self).base])
            listener.bufferLimit = bufferLimit
            let place = unsafe arena.store(http)
            unsafe listener.chain = .http(place)
            var own = ListenAddress()
            own.address = address
            own.sockets = arena.array([socket])
            listener.addresses = arena.array([own])

            var cluster = ClusterConfig()
            cluster.name = arena.text("a")
            cluster.part = 2
            cluster.bufferLimit = bufferLimit
            cluster.stats = stats.scope("cluster.a.", ClusterStat.self).base
            var host = HostConfig()
            host.address = SocketAddress(ip: "127.0.0.1", port: upstream.port) ?? SocketAddress()
            host.stats = stats.scope("cluster.a.host.", HostStat.self).base
            var plan = Plan()
            plan.version = 1
            plan.listeners = unsafe arena.array([ListenerSlot(part: 1, config: arena.store(listener))])
            plan.clusters = unsafe arena.array([
                ClusterSlot(part: 2, config: arena.store(cluster), hosts: arena.store(HostSet.build([host], version: 1, in: arena)))
            ])
            plan.clusterPresent = arena.array([true])
            plan.clusterNames = arena.array([ClusterName(name: arena.text("a"), slot: 0)])
            unsafe mailbox.publish(arena.store(plan))
        }

        deinit {
            upstream.stop()
            worker.destroy()
            unsafe wake.deallocate()
        }

        /// The conversation of one client; `eachTurn` runs between the worker's turns.
        func talk(_ request: String, method: String = "POST", eachTurn: () -> Void = {}) throws -> HTTPMessage? {
            let done = Mutex<Result<RawClient.Outcome, any Error>?>(nil)
            let port = port
            let thread = BackgroundThread {
                var client = RawClient(steps: [.send(request)], methods: [method])
                client.closeLimitMs = 0
                let result = Result { try client.run(port: port) }
                done.withLock { $0 = result }
            }
            let deadline = Deadline(afterMs: 10_000)
            while done.withLock({ $0 == nil }), !deadline.passed {
                unsafe wake.pointee = TimerNode(token: 0)
                unsafe worker.timers.arm(wake, at: worker.nowMs + 2)
                worker.turn()
                unsafe worker.timers.cancel(wake)
                eachTurn()
            }
            thread.join()
            return try done.withLock { try $0?.get().responses.last }
        }

        /// Every stream that lives.
        func resumeAll(_ pauser: Pauser) {
            var handles: [Handle] = []
            unsafe worker.streams.forEach { unsafe handles.append($0.pointee.handle) }
            for handle in handles { pauser.resume(worker, handle) }
        }
        var requests: [HTTPMessage] { HTTPParser.requests(upstream.records.flatMap(\.received)) }
    }

    private func post(_ body: String) -> String { "POST /p HTTP/1.1\r\nhost: h.test\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)" }
    private func answer(_ body: String) -> String { "HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)" }

    @Test func replacedBodiesReachBothPeers() throws {
        let service = try Service(ReplacingFilter(), bufferLimit: 1 << 20, .always(answer("a long answer")))
        let got = try #require(try service.talk(post("hello")))
        #expect(got.status == 200 && got.isComplete && String(wire: got.body) == "13 bytes")
        let asked = try #require(service.requests.first)
        #expect(asked.isComplete && String(wire: asked.body) == "5 bytes")
    }

    /// The filter keeps everything; beyond the limit the peers are not read, and nothing is lost.
    @Test(arguments: [Neighbour.stops, .watermarks, .resumesAtOnce, .gathers])
    func whatAFilterKeepsHoldsItsSourceBack(_ kind: Neighbour) throws {
        let large = String(repeating: "0123456789abcdef", count: 1 << 15)
        let pauser = Pauser(kind)
        let isGatherer = kind == .gathers || kind == .stops
        let service = try Service(pauser, bufferLimit: isGatherer ? 1 << 20 : 1 << 15, .always(answer(large)))
        var turn = 0
        var most = 0
        let before = service.worker.memory.blocks.allocatedBytes
        let got = try #require(
            try service.talk(post(large)) {
                turn += 1
                most = max(most, service.worker.memory.blocks.allocatedBytes - before)
                // Only now and then, so that the limit is met.
                if turn % 5 == 0 { service.resumeAll(pauser) }
            })
        #expect(got.status == 200 && got.isComplete)
        #expect(String(wire: got.body) == large)
        #expect(service.requests.first.map { String(wire: $0.body) } == large)
        if !isGatherer { #expect(most < 3 << 20, "\(most) bytes were kept") }
    }

    @Test func beyondTheLimitTheRequestIsRefused() throws {
        let service = try Service(Pauser(.gathers), bufferLimit: 1000, .always(answer("ok")))
        let got = try #require(try service.talk(post(String(repeating: "x", count: 20_000))))
        #expect(got.status == 413 && String(wire: got.body) == "Payload Too Large")
        #expect(service.requests.isEmpty)
    }

    @Test func beyondTheLimitTheResponseIsReplaced() throws {
        let service = try Service(Pauser(.gathers), bufferLimit: 1000, .always(answer(String(repeating: "x", count: 20_000))))
        let got = try #require(try service.talk(post("small")))
        #expect(got.status == 500 && String(wire: got.body) == "Internal Server Error")
    }
}
