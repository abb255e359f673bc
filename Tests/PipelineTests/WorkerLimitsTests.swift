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

/// What a worker runs out of, with limits small enough to reach: each time others are served on, a counter says so, and
/// service is back as soon as the cause has gone.
@Suite(.serialized) struct WorkerLimitsTests {
    /// A worker whose one listener echoes, run by hand on this thread.
    @safe
    private final class Bench {
        let worker: Worker
        let port: UInt16
        let socket: Int32
        private let stats = StatRegistry(workers: 1)
        private let scope: StatScope<ListenerStat>
        private let workers: StatScope<WorkerStat>
        private let mailbox = Mailbox()
        private let arena = FrozenArena()

        init(_ options: WorkerOptions) throws {
            let address = try #require(SocketAddress(ip: "127.0.0.1", port: 0))
            socket = try ListenSocket.open(address, workers: 1, backlog: 1_024)[0]
            port = SocketAddress(localOf: socket).port
            scope = stats.scope("listener.test.", ListenerStat.self)
            let ofWorker = stats.scope("listener.test.worker_0.", ListenerWorkerStat.self)
            workers = stats.scope("martlet.workers.", WorkerStat.self)
            var options = options
            options.stats = workers.base
            worker = try Worker(options: options, mailbox: mailbox, cells: stats.cells(worker: 0))
            var config = ListenerConfig()
            config.part = 1
            config.stats = scope.base
            config.workerStats = arena.array([ofWorker.base])
            config.chain = .echo
            var place = ListenAddress()
            place.address = address
            place.sockets = arena.array([socket])
            config.addresses = arena.array([place])
            var plan = Plan()
            plan.version = 1
            plan.listeners = unsafe arena.array([ListenerSlot(part: 1, config: arena.store(config))])
            unsafe mailbox.publish(arena.store(plan))
        }

        deinit {
            worker.destroy()
            Glibc.close(socket)
        }

        func count(_ leaf: ListenerStat) -> UInt64 { stats.counter(scope[leaf]) }
        func count(_ leaf: WorkerStat) -> UInt64 { stats.counter(workers[leaf]) }

        /// Turns until `done`, at the most for `limitMs`; a timer keeps the kernel from waiting for ever.
        func turns(upToMs limitMs: Int = 3_000, until done: () -> Bool) -> Bool {
            let deadline = Deadline(afterMs: limitMs)
            while !done() {
                if deadline.passed { return false }
                let node = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
                unsafe node.initialize(to: TimerNode(token: 0))
                unsafe worker.timers.arm(node, at: worker.nowMs + 2)
                worker.turn()
                unsafe worker.timers.cancel(node)
                unsafe node.deallocate()
            }
            return true
        }

        /// Sends, and reads the echo; false when it does not come.
        func echoes(_ text: String, on client: Descriptor, upToMs limitMs: Int = 3_000) -> Bool {
            guard Sockets.send(Array(text.utf8), from: 0, on: client) == text.utf8.count else { return false }
            return receives(Array(text.utf8), on: client, upToMs: limitMs)
        }

        func receives(_ expected: [UInt8], on client: Descriptor, upToMs limitMs: Int = 3_000) -> Bool {
            var got: [UInt8] = []
            let came = turns(upToMs: limitMs) {
                if case .bytes(let bytes) = Sockets.receive(client) { got += bytes }
                return got.count >= expected.count
            }
            return came && got == expected
        }

        func ended(_ client: Descriptor) -> Bool {
            turns {
                switch Sockets.receive(client) {
                case .end, .reset: true
                default: false
                }
            }
        }
    }

    @Test func oneConnectionMoreThanTheLimitIsClosedAndCounted() throws {
        var options = WorkerOptions()
        options.connectionsMax = 64
        let bench = try Bench(options)
        var clients: [Descriptor] = []
        for _ in 0..<64 { clients.append(try Sockets.connect(port: bench.port)) }
        #expect(bench.turns { bench.count(.downstreamCxTotal) == 64 })
        let refused = try Sockets.connect(port: bench.port)
        #expect(bench.ended(refused))
        #expect(bench.count(.downstreamCxOverflow) == 1)
        #expect(bench.echoes("still here", on: clients[0]))
        // One goes, one may come.
        clients.removeLast().close()
        let start = Deadline.nowNs()
        #expect(bench.turns { bench.count(.downstreamCxDestroy) == 1 })
        let next = try Sockets.connect(port: bench.port)
        #expect(bench.echoes("come in", on: next))
        #expect(Deadline.nowNs() - start < 1_000_000_000)
        #expect(bench.count(.downstreamCxOverflow) == 1)
    }

    /// No receive buffer left (ENOBUFS): 32 connections send 12 kB each into four buffers of 4 KiB; who finds none waits.
    @Test func withoutReceiveBuffersReceivingWaitsAndResumes() throws {
        var options = WorkerOptions()
        options.receiveBuffers = 4
        options.receiveBufferBytes = 4_096
        let bench = try Bench(options)
        // More at once than there are buffers: the kernel finds none for the rest.
        var clients: [Descriptor] = []
        for _ in 0..<32 { clients.append(try Sockets.connect(port: bench.port)) }
        #expect(bench.turns { bench.count(.downstreamCxTotal) == 32 })
        let messages = clients.indices.map { i in [UInt8](repeating: UInt8(truncatingIfNeeded: 65 + i), count: 12_000) }
        for (client, message) in zip(clients, messages) { #expect(Sockets.send(message, from: 0, on: client) == message.count) }
        let start = Deadline.nowNs()
        for (client, message) in zip(clients, messages) { #expect(bench.receives(message, on: client)) }
        #expect(bench.worker.connections.starvations > 0, "the kernel had no buffer")
        #expect(bench.count(.receivesWithoutBuffer) == bench.worker.connections.starvations)
        let recoveryMs = (Deadline.nowNs() - start) / 1_000_000
        #expect(recoveryMs < 2_000, "\(recoveryMs) ms for everything")
        #expect(bench.worker.memory.buffers.held == 0)
        print("ENOBUFS: \(bench.worker.connections.starvations) times no buffer, all served after \(recoveryMs) ms")
    }

    /// More completions than the queue has places: the kernel keeps the rest, none is lost.
    @Test func aFullCompletionQueueLosesNothing() throws {
        var options = WorkerOptions()
        options.completionEntries = 8
        let bench = try Bench(options)
        var clients: [Descriptor] = []
        for _ in 0..<200 { clients.append(try Sockets.connect(port: bench.port)) }
        let start = Deadline.nowNs()
        #expect(bench.turns { bench.count(.downstreamCxTotal) == 200 })
        for round in 0..<3 {
            let text = Array("round \(round)".utf8)
            for client in clients { #expect(Sockets.send(text, from: 0, on: client) == text.count) }
            for client in clients { #expect(bench.receives(text, on: client)) }
        }
        let elapsedMs = (Deadline.nowNs() - start) / 1_000_000
        #expect(elapsedMs < 3_000)
        #expect(bench.count(.completionQueueFull) > 0)
        for client in clients { client.close() }
        #expect(bench.turns { bench.count(.downstreamCxDestroy) == 200 })
        print("full completion queue: 8 places, 200 connections, 600 echoes in \(elapsedMs) ms")
    }

    /// ENFILE and its kin come from the whole system and cannot be had in a test: the kernel's word is given by hand.
    @Test(arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func acceptingRestsAndResumes(_ error: Int32) throws {
        let bench = try Bench(WorkerOptions())
        let first = try Sockets.connect(port: bench.port)
        #expect(bench.echoes("before", on: first))
        bench.worker.accepted(
            Completion(user_data: bench.worker.acceptToken(bench.socket), result: -error, flags: 0))
        #expect(bench.count(.acceptPaused) == 1)
        #expect(bench.echoes("meanwhile", on: first))
        let start = Deadline.nowNs()
        let second = try Sockets.connect(port: bench.port)
        #expect(bench.echoes("after", on: second))
        #expect((Deadline.nowNs() - start) / 1_000_000 < 1_000)
    }
}
