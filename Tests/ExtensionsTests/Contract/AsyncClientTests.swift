// Calls of filters, over a cluster of the plan and real sockets.

import Pipeline
import Primitives
import Stats
import StatsStore
import TestSupport
import Testing
import Transport
import Upstream
import Wire

@Suite(.serialized) struct AsyncClientTests {
    /// A bench whose worker knows one cluster, with one host on a port of ours.
    @safe
    private final class Service {
        let upstream: ScriptedUpstream
        let bench: ChainBench
        let filter: AskingFilter
        private let arena = FrozenArena()

        init(_ script: UpstreamScript, neighbour: Neighbour = .none, timeoutMs: UInt64 = 1000) throws {
            upstream = try ScriptedUpstream(name: "service")
            upstream.begin(script)
            upstream.start()
            let stats = StatRegistry(workers: 1)
            let target = unsafe CallTarget.make(cluster: 0, name: "service", timeoutMs: timeoutMs, in: arena)
            filter = unsafe AskingFilter(target: target)
            bench = try ChainBench(Given(filter), neighbour: neighbour, stats: stats)
            var cluster = ClusterConfig()
            cluster.name = arena.text("service")
            cluster.stats = stats.scope("cluster.service.", ClusterStat.self).base
            var host = HostConfig()
            host.address = SocketAddress(ip: "127.0.0.1", port: upstream.port) ?? SocketAddress()
            host.stats = stats.scope("cluster.service.host.", HostStat.self).base
            var plan = Plan()
            plan.version = 1
            plan.clusters = unsafe arena.array([
                ClusterSlot(
                    part: 0, config: arena.store(cluster), hosts: arena.store(HostSet.build([host], version: 1, in: arena)))
            ])
            plan.clusterPresent = arena.array([true])
            plan.clusterNames = arena.array([ClusterName(name: arena.text("service"), slot: 0)])
            unsafe bench.mailbox.publish(arena.store(plan))
            turn()
        }

        /// One turn that does not sleep long.
        func turn() {
            unsafe wake.pointee = TimerNode(token: 0)
            unsafe bench.worker.timers.arm(wake, at: bench.worker.nowMs + 5)
            bench.worker.turn()
            unsafe bench.worker.timers.cancel(wake)
        }
        private let wake = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)

        func turns(until condition: () -> Bool) -> Bool {
            let deadline = Deadline(afterMs: 5000)
            while !condition() {
                if deadline.passed { return false }
                turn()
            }
            return true
        }

        deinit {
            upstream.stop()
            unsafe wake.deallocate()
        }
    }

    private static let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    private func script() -> Script {
        var script = Script()
        script.method = "POST"
        script.request = [Array("hel".utf8), Array("lo".utf8)]
        return script
    }

    @Test(arguments: [Neighbour.none, .buffers, .gathers])
    func requestWaitsForTheServiceAndGoesOnWhole(neighbour: Neighbour) throws {
        let service = try Service(.always(AsyncClientTests.ok), neighbour: neighbour)
        let bench = service.bench
        for round in 1...3 {
            bench.record.upstream = Seen()
            bench.record.client = Seen()
            try bench.open(script())
            for step in script().steps.prefix(4) {
                bench.play(step, of: script())
                bench.resumeNeighbours()
            }
            #expect(service.turns { bench.record.upstream.ends > 0 || service.filter.finishedCount == round })
            bench.resumeNeighbours()
            #expect(bench.record.upstream.isComplete)
            #expect(bench.record.upstream.fields["x-checked"] == "yes")
            #expect(String(decoding: bench.record.upstream.body, as: UTF8.self) == "hello")
            bench.end()
        }
        let asked = HTTPParser.requests(service.upstream.records.flatMap(\.received))
        #expect(asked.count == 3)
        #expect(asked.allSatisfy { $0.startLine == "POST /check HTTP/1.1" && String(decoding: $0.body, as: UTF8.self) == "hello" })
        #expect(asked.first?.header("x-envoy-internal") == "true")
        #expect(service.upstream.records.count == 1, "one kept-alive connection serves all calls")
        #expect(bench.heldBytes == 0)
    }

    @Test func serviceThatSaysNo() throws {
        let service = try Service(.always("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"))
        let bench = service.bench
        try bench.open(script())
        for step in script().steps.prefix(4) { bench.play(step, of: script()) }
        #expect(service.turns { bench.record.client.ends > 0 })
        #expect(bench.record.client.status == 403 && bench.record.upstream.heads == 0)
        bench.end()
        #expect(bench.heldBytes == 0)
    }

    @Test(arguments: [
        UpstreamScript.steps(.readRequest, .close), .steps(.readRequest, .send("nonsense\r\n\r\n")),
        .steps(.readRequest, .send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"), .close),
        .steps(.readRequest, .delay(ms: 3000)),
    ])
    func serviceThatFailsIsTold(script upstream: UpstreamScript) throws {
        let service = try Service(upstream, timeoutMs: 200)
        let bench = service.bench
        try bench.open(script())
        for step in script().steps.prefix(4) { bench.play(step, of: script()) }
        #expect(service.turns { service.filter.finishedCount == 1 })
        #expect(bench.record.client.status == 403)
        bench.end()
        #expect(bench.heldBytes == 0)
    }

    /// The response never comes to rest in memory: beyond the limit the call is over.
    @Test func responseBeyondTheLimitIsGivenUp() throws {
        let large = "HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + String(repeating: "x", count: 1_200_000)
        let service = try Service(.steps(.readRequest, .send(large), .delay(ms: 2000)))
        let bench = service.bench
        try bench.open(script())
        for step in script().steps.prefix(4) { bench.play(step, of: script()) }
        #expect(service.turns { service.filter.finishedCount == 1 })
        #expect(bench.record.client.status == 403)
        bench.end()
        #expect(bench.heldBytes < 1 << 16, "only the closing connection may still hold something")
    }

    @Test func streamThatEndsCancelsItsCall() throws {
        let service = try Service(.steps(.readRequest, .delay(ms: 300), .send(AsyncClientTests.ok)))
        let bench = service.bench
        try bench.open(script())
        for step in script().steps.prefix(4) { bench.play(step, of: script()) }
        for _ in 0..<5 { service.turn() }
        bench.end()
        #expect(service.turns { service.upstream.records.first?.end == .closed || service.upstream.records.first?.end == .reset })
        #expect(service.filter.finishedCount == 0)
        #expect(bench.heldBytes == 0)
    }
}
