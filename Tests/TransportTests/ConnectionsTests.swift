import CLiburing
import Glibc
import Primitives
import Ring
import Testing
import Transport

/// Connections of one worker over socket pairs: what a worker's turn does, step by step, without a worker.
@safe
private final class Turns {
    let ring: Ring
    let memory: Memory
    var connections: Connections
    private let completions = UnsafeMutablePointer<Completion>.allocate(capacity: 4096)
    /// What came, by connection.
    var received: [UInt64: [UInt8]] = [:]
    var ended: Set<UInt64> = []
    var failed: [UInt64: Int32] = [:]
    var closed = 0
    /// Hold what comes, as a queue would.
    var holds = false
    var held: [UInt16] = []
    var afterReceive: (UnsafeMutablePointer<Connection>) -> Void = { _ in }

    init(buffers: Int = 32, size: Int = 1024, submissions: UInt32 = 64, capacity: Int = 1024) throws {
        ring = try Ring.create(submissions: submissions, completions: 4096)
        memory = Memory(blocks: BlockPool(), buffers: try ProvidedBuffers(ring: ring, count: buffers, size: size))
        connections = Connections(ring: ring, memory: memory, capacity: capacity)
    }

    deinit {
        ring.destroy()
        memory.buffers.destroy()
        connections.destroy()
        unsafe completions.deallocate()
    }

    func turn(timeoutNs: Int64 = 50_000_000) {
        connections.flushAll()
        while let done = unsafe connections.takeFinished() { unsafe connections.close(done) }
        memory.buffers.publish()
        connections.resumeStarved()
        ring.turn(timeoutNs: timeoutNs)
        let count = unsafe ring.take(completions, max: 4096)
        for i in 0..<count { unsafe run(completions[i]) }
    }

    func turns(_ limit: Int = 100, until done: () -> Bool) -> Bool {
        for _ in 0..<limit {
            if done() { return true }
            turn(timeoutNs: 5_000_000)
        }
        return done()
    }

    private func run(_ completion: Completion) {
        switch Operation.of(completion.user_data) {
        case .receive:
            switch connections.received(completion) {
            case .data(let connection, let position, let count, let bytes):
                let name = unsafe connection.pointee.handle.raw
                var left = bytes
                for i in 0..<count {
                    let id = memory.buffers.identifier(at: position &+ UInt16(i))
                    let n = min(left, memory.buffers.size)
                    unsafe received[name, default: []] += [UInt8](Bytes(UnsafeRawPointer(memory.buffers.base(id)), n))
                    left -= n
                    if holds { held.append(id) } else { memory.buffers.release(id) }
                }
                unsafe afterReceive(connection)
            case .ended(let connection): unsafe ended.insert(connection.pointee.handle.raw)
            case .failed(let connection, let error): unsafe failed[connection.pointee.handle.raw] = error
            case .nothing: break
            }
        case .send:
            if case .failed(let connection, let error) = connections.sent(completion) {
                unsafe failed[connection.pointee.handle.raw] = error
            }
        case .connect: _ = connections.connected(completion)
        default: break
        }
    }

    func giveBack() {
        for id in held { memory.buffers.release(id) }
        held = []
    }
}

@Suite(.serialized) struct ConnectionsTests {
    private func fill(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        unsafe send(descriptor, bytes, bytes.count, Int32(truncatingIfNeeded: Int(MSG_DONTWAIT))) == bytes.count
    }

    private func drain(_ descriptor: Int32) -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let n = unsafe recv(descriptor, &buffer, buffer.count, Int32(truncatingIfNeeded: Int(MSG_DONTWAIT)))
            if n <= 0 { return all }
            all += buffer[..<n]
        }
    }

    /// Many connections whose queues take several vectors each. Every one is flushed before the ring has submitted what
    /// came before it, as after an enter that took nothing (the kernel had no memory for a request): what the entries
    /// refer to must still be there when they are submitted. 1,100: more than there are places for messages, so that they
    /// go round once, and the ring's entries with them many times.
    @Test func messagesStayUntilTheyAreSubmitted() throws {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let before = limit
        limit.rlim_cur = min(limit.rlim_max, 8_192)
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var restored = before
        defer { unsafe _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &restored) }

        for (count, flushesEach) in [(40, true), (1_100, true), (1_100, false)] {
            let turns = try Turns(submissions: flushesEach ? 64 : Ring.submissionEntries, capacity: 2_048)
            var ends: [Int32] = []
            for i in 0..<count {
                let (near, far) = socketPair()
                ends.append(far)
                let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
                let text = Bytes("0123456789" as StaticString)
                unsafe connection.pointee.out.append(borrowing: text, turns.memory)
                #expect(unsafe connection.pointee.out.append(copying: Bytes("<" as StaticString), turns.memory))
                unsafe connection.pointee.out.append(borrowing: text.prefix(i % 10), turns.memory)
                #expect(unsafe connection.pointee.out.append(copying: Bytes(">" as StaticString), turns.memory))
                unsafe turns.connections.markDirty(connection)
                if flushesEach { turns.connections.flushAll() }
            }
            var got = [[UInt8]](repeating: [], count: count)
            #expect(turns.turns {
                for i in 0..<count { got[i] += drain(ends[i]) }
                return got.allSatisfy { $0.last == UInt8(ascii: ">") }
            })
            for i in 0..<count {
                #expect(got[i] == Array("0123456789<\("0123456789".prefix(i % 10))>".utf8), "connection \(i) of \(count)")
            }
            unsafe turns.connections.slab.forEach { unsafe turns.connections.close($0) }
            #expect(turns.turns { turns.connections.slab.count == 0 })
            for end in ends { close(end) }
        }
    }

    @Test func bytesArriveUntilTheEnd() throws {
        let turns = try Turns()
        let (near, far) = socketPair()
        let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
        let name = unsafe connection.pointee.handle.raw
        unsafe turns.connections.receive(connection)
        for round in 0..<20 {
            #expect(fill(far, [UInt8](repeating: UInt8(round), count: 300)))
            #expect(turns.turns { turns.received[name]?.count == 300 * (round + 1) })
        }
        #expect(unsafe connection.pointee.bytesReceived == 6_000)
        close(far)
        #expect(turns.turns { turns.ended.contains(name) })
        #expect(unsafe connection.pointee.sawEnd)
        unsafe turns.connections.close(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 })
        #expect(turns.memory.buffers.held == 0)
    }

    /// Back-pressure: a paused connection leaves its bytes in the kernel, and resumes without losing one.
    @Test func pausedIsQuietAndResumesWhole() throws {
        let turns = try Turns()
        let (near, far) = socketPair()
        defer { close(far) }
        let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
        let name = unsafe connection.pointee.handle.raw
        unsafe turns.connections.receive(connection)
        var sent: [UInt8] = []
        for round in 0..<30 {
            let part = (0..<500).map { UInt8(truncatingIfNeeded: $0 &* round) }
            if round % 3 == 0 {
                unsafe turns.connections.pause(connection)
                // Resumed in the same turn as often as not: the cancel may still be on its way.
                if round % 2 == 0 { turns.turn() }
            }
            #expect(fill(far, part))
            sent += part
            if round % 3 == 0, round % 2 == 0 {
                let before = turns.received[name]?.count ?? 0
                turn3(turns)
                #expect(turns.received[name]?.count ?? 0 == before, "paused")
            }
            if round % 3 == 0 { unsafe turns.connections.receive(connection) }
            #expect(turns.turns { turns.received[name]?.count == sent.count })
        }
        #expect(turns.received[name] == sent)
        unsafe turns.connections.close(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 })
    }

    /// Bytes that wait for their turn hold a connection whatever its reader asks for; its flow control is kept apart.
    @Test func aHeldConnectionReceivesNothingWhoeverAsks() throws {
        let turns = try Turns()
        let (near, far) = socketPair()
        defer { close(far) }
        let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
        let name = unsafe connection.pointee.handle.raw
        unsafe turns.connections.receive(connection)
        turns.turn()
        unsafe turns.connections.hold(connection)
        turn3(turns)
        #expect(fill(far, [1, 2, 3]))
        unsafe turns.connections.receive(connection)
        unsafe turns.connections.receiveOnce(connection)
        turn3(turns)
        #expect(turns.received[name] == nil)
        // Its reader pauses it and goes on while it is held: neither ends the hold, nor does its end lift a pause.
        unsafe turns.connections.pause(connection)
        unsafe turns.connections.letGo(connection)
        turn3(turns)
        #expect(unsafe connection.pointee.isPaused)
        #expect(turns.received[name] == nil)
        unsafe turns.connections.hold(connection)
        unsafe turns.connections.receive(connection)
        #expect(unsafe !connection.pointee.isPaused)
        turn3(turns)
        #expect(turns.received[name] == nil)
        unsafe turns.connections.letGo(connection)
        unsafe turns.connections.receive(connection)
        #expect(turns.turns { turns.received[name] == [1, 2, 3] })
        unsafe turns.connections.close(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 })
    }

    /// A receive that took the last buffer is over; what it brought pauses its connection: no turn brings more.
    @Test func aPauseHoldsThoughTheReceiveHadEnded() throws {
        let turns = try Turns(buffers: 16, size: 256)
        let (near, far) = socketPair()
        defer { close(far) }
        let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
        let name = unsafe connection.pointee.handle.raw
        unsafe turns.afterReceive = { unsafe turns.connections.pause($0) }
        unsafe turns.connections.receive(connection)
        let sent = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 / 256) }
        #expect(fill(far, sent))
        #expect(turns.turns { turns.received[name] != nil })
        for _ in 0..<3 { turn3(turns) }
        #expect(turns.received[name]?.count ?? 0 <= 16 * 256, "what one turn brings")
        unsafe turns.afterReceive = { _ in }
        unsafe turns.connections.receive(connection)
        #expect(turns.turns { turns.received[name]?.count == sent.count })
        #expect(turns.received[name] == sent)
        unsafe turns.connections.close(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 })
    }

    private func turn3(_ turns: Turns) { for _ in 0..<3 { turns.turn(timeoutNs: 2_000_000) } }

    /// Without buffers, connections wait, and go on only when a quarter of the buffers is back.
    @Test func starvedConnectionsResumeWithHysteresis() throws {
        let turns = try Turns(buffers: 16, size: 256)
        turns.holds = true
        let (near, far) = socketPair()
        defer { close(far) }
        let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
        let name = unsafe connection.pointee.handle.raw
        unsafe turns.connections.receive(connection)
        let sent = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 / 256) }
        #expect(fill(far, sent))
        #expect(turns.turns { turns.connections.starvations > 0 })
        #expect(turns.memory.buffers.free == 0)
        let before = turns.received[name]?.count ?? 0
        // Three are back: not enough.
        for _ in 0..<3 { turns.memory.buffers.release(turns.held.removeLast()) }
        turn3(turns)
        #expect(turns.received[name]?.count == before)
        // With the fourth it goes on.
        turns.memory.buffers.release(turns.held.removeLast())
        #expect(turns.turns { turns.received[name]?.count ?? 0 > before })
        turns.holds = false
        #expect(
            turns.turns(400) {
                turns.giveBack()
                return turns.received[name]?.count == sent.count
            })
        #expect(turns.received[name] == sent)
        unsafe turns.connections.close(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 })
        #expect(turns.memory.buffers.held == 0)
    }

    @Test func queuedBytesGoOutInOrder() throws {
        let turns = try Turns()
        let (near, far) = socketPair()
        defer { close(far) }
        let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
        var expected: [UInt8] = []
        // More runs than one send carries.
        for i in 0..<100 {
            unsafe connection.pointee.out.append(borrowing: Bytes("0123456789" as StaticString), turns.memory)
            expected += Array("0123456789".utf8)
            if i % 3 == 0 {
                let part = [UInt8](repeating: UInt8(i), count: 100)
                _ = part.withBytes { unsafe connection.pointee.out.append(copying: $0, turns.memory) }
                expected += part
            }
        }
        unsafe turns.connections.markDirty(connection)
        unsafe turns.connections.end(connection)
        var received: [UInt8] = []
        #expect(
            turns.turns {
                received += drain(far)
                return received.count == expected.count
            })
        #expect(received == expected)
        #expect(turns.turns { unsafe connection.pointee.didEnd })
        var byte: UInt8 = 0
        #expect(unsafe recv(far, &byte, 1, 0) == 0, "the end follows the last byte")
        #expect(unsafe connection.pointee.bytesSent == UInt64(expected.count))
        unsafe turns.connections.close(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 })
    }

    /// A peer that does not read: the bytes wait here, the send is in flight, and closing takes both back.
    @Test func closingWhileASendIsInFlight() throws {
        let turns = try Turns()
        let (near, far) = socketPair()
        defer { close(far) }
        let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
        unsafe turns.connections.receive(connection)
        let large = [UInt8](repeating: 1, count: 4 << 20)
        _ = large.withBytes { unsafe connection.pointee.out.append(copying: $0, turns.memory) }
        unsafe turns.connections.markDirty(connection)
        turn3(turns)
        #expect(unsafe connection.pointee.isSending && connection.pointee.inFlight == 2)
        unsafe turns.connections.close(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 }, "the slot goes when the kernel is done with it")
        #expect(turns.memory.blocks.allocatedBytes == 0)
        _ = drain(far)
        var byte: UInt8 = 0
        #expect(unsafe recv(far, &byte, 1, 0) <= 0, "the descriptor is closed")
    }

    /// A completion of a connection that is gone must not touch the one that has its slot now.
    @Test func aStaleCompletionIsDropped() throws {
        let turns = try Turns()
        let (near, far) = socketPair()
        defer { close(near); close(far) }
        let first = try unsafe #require(turns.connections.adopt(descriptor: dup(near), role: .echo, nowNs: 1))
        let stale = unsafe first.pointee.handle
        unsafe turns.connections.close(first)
        let second = try unsafe #require(turns.connections.adopt(descriptor: dup(near), role: .echo, nowNs: 1))
        #expect(unsafe second.pointee.handle.slot == stale.slot)
        for operation in [Operation.receive, .send, .connect] {
            var completion = Completion()
            completion.user_data = operation.token(stale)
            completion.result = 5
            switch operation {
            case .receive: if case .nothing = turns.connections.received(completion) {} else { Issue.record("received") }
            case .send: if case .nothing = turns.connections.sent(completion) {} else { Issue.record("sent") }
            default: if case .nothing = turns.connections.connected(completion) {} else { Issue.record("connected") }
            }
        }
        #expect(unsafe second.pointee.inFlight == 0 && second.pointee.bytesReceived == 0)
        unsafe turns.connections.close(second)
    }

    @Test func aResetIsAFailure() throws {
        let turns = try Turns()
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        #expect(listen(listener, 4) == 0)
        let address = SocketAddress(localOf: listener)
        var loopback = try #require(SocketAddress(ip: "127.0.0.1", port: address.port))
        loopback.port = address.port
        let storage = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
        defer { unsafe storage.deallocate() }
        let length = unsafe loopback.store(storage)
        let connection = try unsafe #require(
            turns.connections.connect(
                UnsafePointer(storage.assumingMemoryBound(to: sockaddr.self)), count: length,
                descriptor: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), role: .tcpUpstream, nowNs: 1))
        let name = unsafe connection.pointee.handle.raw
        #expect(turns.turns { unsafe connection.pointee.isConnected })
        unsafe turns.connections.receive(connection)
        let peer = accept(listener, nil, nil)
        var option = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(peer, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(peer)
        #expect(turns.turns { turns.failed[name] == ECONNRESET })
        unsafe turns.connections.close(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 })
    }

    @Test func closeWhenSentHandsTheConnectionOut() throws {
        let turns = try Turns()
        let (near, far) = socketPair()
        defer { close(far) }
        let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
        unsafe connection.pointee.out.append(borrowing: Bytes("bye" as StaticString), turns.memory)
        unsafe turns.connections.closeWhenSent(connection)
        #expect(turns.turns { turns.connections.slab.count == 0 })
        #expect(drain(far) == Array("bye".utf8))
    }

    /// Random sizes in both directions over many connections at once, with pauses and closes in between.
    @Test func manyConnectionsAtRandom() throws {
        let turns = try Turns(buffers: 32, size: 512)
        var random = Random(seed: 4)
        var live: [(handle: Handle, far: Int32, sent: Int)] = []
        for _ in 0..<3_000 {
            switch random.below(10) {
            case 0 where live.count < 40:
                let (near, far) = socketPair()
                let connection = try unsafe #require(turns.connections.adopt(descriptor: near, role: .echo, nowNs: 1))
                unsafe turns.connections.receive(connection)
                unsafe live.append((connection.pointee.handle, far, 0))
            case 1 where live.count > 20:
                let victim = live.remove(at: Int(random.below(UInt64(live.count))))
                if let connection = unsafe turns.connections.slab[victim.handle] { unsafe turns.connections.close(connection) }
                close(victim.far)
            case 2 where !live.isEmpty:
                let i = Int(random.below(UInt64(live.count)))
                if let connection = unsafe turns.connections.slab[live[i].handle] { unsafe turns.connections.pause(connection) }
            case 3 where !live.isEmpty:
                let i = Int(random.below(UInt64(live.count)))
                if let connection = unsafe turns.connections.slab[live[i].handle] { unsafe turns.connections.receive(connection) }
            case 4, 5: turns.turn(timeoutNs: 100_000)
            default:
                guard !live.isEmpty else { continue }
                let i = Int(random.below(UInt64(live.count)))
                let part = [UInt8](repeating: UInt8(truncatingIfNeeded: live[i].handle.raw), count: Int(random.below(3_000)) + 1)
                let n = unsafe send(live[i].far, part, part.count, Int32(truncatingIfNeeded: Int(MSG_DONTWAIT)))
                if n > 0 { live[i].sent += n }
            }
        }
        for entry in live {
            if let connection = unsafe turns.connections.slab[entry.handle] { unsafe turns.connections.receive(connection) }
        }
        #expect(turns.turns(500) { live.allSatisfy { turns.received[$0.handle.raw]?.count ?? 0 == $0.sent } })
        for entry in live {
            let mark = UInt8(truncatingIfNeeded: entry.handle.raw)
            #expect(turns.received[entry.handle.raw, default: []].allSatisfy { $0 == mark })
            if let connection = unsafe turns.connections.slab[entry.handle] { unsafe turns.connections.close(connection) }
            close(entry.far)
        }
        #expect(turns.turns { turns.connections.slab.count == 0 })
        #expect(turns.memory.buffers.held == 0)
    }
}
