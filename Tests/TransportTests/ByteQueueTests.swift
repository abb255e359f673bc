import CLiburing
import Glibc
import Primitives
import Ring
import Testing
import Transport

/// A ring, its receive buffers and a block pool, on the calling thread; a socket pair feeds the buffers.
@safe
final class Bench {
    let ring: Ring
    let memory: Memory
    private let completions = UnsafeMutablePointer<Completion>.allocate(capacity: 4096)
    private let feed: (near: Int32, far: Int32)

    init(buffers: Int = 32, size: Int = 4096) throws {
        ring = try Ring.create(submissions: 64, completions: 1024)
        memory = Memory(blocks: BlockPool(), buffers: try ProvidedBuffers(ring: ring, count: buffers, size: size))
        feed = socketPair()
    }

    deinit {
        close(feed.near)
        close(feed.far)
        ring.destroy()
        memory.buffers.destroy()
        unsafe completions.deallocate()
    }

    func turn(timeoutNs: Int64 = 100_000_000) -> [Completion] {
        memory.buffers.publish()
        ring.turn(timeoutNs: timeoutNs)
        let count = unsafe ring.take(completions, max: 4096)
        return (0..<count).map { unsafe completions[$0] }
    }

    /// `bytes` in one receive buffer, held once.
    func received(_ bytes: [UInt8]) -> (id: UInt16, bytes: Bytes)? {
        guard bytes.count <= memory.buffers.size, unsafe write(feed.far, bytes, bytes.count) == bytes.count else { return nil }
        unsafe martlet_prep_recv_once(ring.entry(), feed.near, ProvidedBuffers.group, 1)
        for _ in 0..<10 {
            for done in turn() where done.result == bytes.count {
                let claimed = memory.buffers.claim(first: done.bufferID, bytes: bytes.count)
                let id = memory.buffers.identifier(at: claimed.position)
                return unsafe (id, Bytes(UnsafeRawPointer(memory.buffers.base(id)), bytes.count))
            }
        }
        return nil
    }
}

func socketPair() -> (near: Int32, far: Int32) {
    var ends: [Int32] = [-1, -1]
    unsafe ends.withUnsafeMutableBufferPointer { buffer in
        _ = unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, buffer.baseAddress)
    }
    return (ends[0], ends[1])
}

extension ByteQueue {
    var content: [UInt8] {
        var all: [UInt8] = []
        forEach { all += [UInt8]($0) }
        return all
    }
}

private struct NoMemory: Error {}

@Suite(.serialized) struct ByteQueueTests {
    @Test func copiesArePackedIntoBlocks() throws {
        let bench = try Bench()
        var queue = ByteQueue()
        for i in 0..<100 {
            let queued = [UInt8(i)].withBytes { queue.append(copying: $0, bench.memory) }
            #expect(queued)
        }
        #expect(queue.content == (0..<100).map { UInt8($0) })
        #expect(queue.first?.count == 100, "one run, so one send")
        queue.removeAll(bench.memory)
        #expect(queue.isEmpty && queue.first == nil && bench.memory.blocks.allocatedBytes == 0)
    }

    @Test func consumeAcrossSegments() throws {
        let bench = try Bench()
        var queue = ByteQueue()
        queue.append(borrowing: Bytes("hello " as StaticString), bench.memory)
        let (id, bytes) = try #require(bench.received(Array("brave ".utf8)))
        queue.append(buffer: id, bytes, bench.memory)
        queue.append(borrowing: Bytes("world" as StaticString), bench.memory)
        queue.append(borrowing: .empty, bench.memory)
        queue.consume(8, bench.memory)
        #expect(String(decoding: queue.content, as: UTF8.self) == "ave world")
        #expect(queue.bufferCount == 1 && bench.memory.buffers.held == 1)
        queue.consume(4, bench.memory)
        #expect(queue.bufferCount == 0 && bench.memory.buffers.held == 0, "the buffer went back with its last byte")
        queue.consume(5, bench.memory)
        #expect(queue.isEmpty)
    }

    @Test func detachGivesTheBuffersBack() throws {
        let bench = try Bench()
        var queue = ByteQueue()
        for i in 0..<10 {
            let (id, bytes) = try #require(bench.received([UInt8](repeating: UInt8(i), count: 3000)))
            queue.append(buffer: id, bytes, bench.memory)
        }
        let before = queue.content
        #expect(bench.memory.buffers.held == 10)
        let detached = queue.detach(bench.memory)
        #expect(detached)
        #expect(bench.memory.buffers.held == 0 && queue.bufferCount == 0)
        #expect(queue.content == before)
        let again = queue.detach(bench.memory)
        #expect(again, "nothing to do")
        queue.removeAll(bench.memory)
        #expect(bench.memory.blocks.allocatedBytes == 0)
    }

    @Test func roomIsContiguousWhenAsked() throws {
        let bench = try Bench()
        var queue = ByteQueue()
        guard let small = unsafe queue.room(bench.memory, wanted: 10) else { throw NoMemory() }
        unsafe small.start.storeBytes(of: 0x41, as: UInt8.self)
        queue.wrote(1)
        guard let large = unsafe queue.contiguousRoom(bench.memory, bytes: 100_000) else { throw NoMemory() }
        #expect(unsafe large.count >= 100_000)
        unsafe large.start.initializeMemory(as: UInt8.self, repeating: 0x42, count: 100_000)
        queue.wrote(100_000)
        #expect(queue.count == 100_001 && queue.content == [0x41] + [UInt8](repeating: 0x42, count: 100_000))
        let tooMuch = unsafe queue.contiguousRoom(bench.memory, bytes: BlockPool.capacityMax + 1) == nil
        #expect(tooMuch)
        queue.removeAll(bench.memory)
    }

    /// Room that was asked for and not used leaves an empty block behind, which must not hide what follows.
    @Test func unusedRoomIsNoByte() throws {
        let bench = try Bench()
        var queue = ByteQueue()
        _ = unsafe queue.contiguousRoom(bench.memory, bytes: 100)
        queue.append(borrowing: Bytes("after" as StaticString), bench.memory)
        #expect(queue.content == Array("after".utf8))
        queue.consume(5, bench.memory)
        #expect(queue.isEmpty)
        queue.removeAll(bench.memory)
        #expect(bench.memory.blocks.allocatedBytes == 0)
    }

    @Test func gatherStopsAtItsBound() throws {
        let bench = try Bench()
        var queue = ByteQueue()
        for _ in 0..<40 { queue.append(borrowing: Bytes("0123456789" as StaticString), bench.memory) }
        let vectors = UnsafeMutablePointer<iovec>.allocate(capacity: 32)
        defer { unsafe vectors.deallocate() }
        let gathered = unsafe queue.gather(vectors, max: 32)
        #expect(gathered.vectors == 32 && gathered.bytes == 320)
        queue.removeAll(bench.memory)
    }

    /// Random operations on several queues against arrays: the same bytes, each buffer given back exactly once.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func randomUseEqualsAReference(seed: UInt64) throws {
        let bench = try Bench(buffers: 64, size: 2048)
        var random = Random(seed: seed)
        var queues = [ByteQueue](repeating: ByteQueue(), count: 4)
        var references = [[UInt8]](repeating: [], count: 4)
        func bytes(_ count: UInt64) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
        for _ in 0..<3_000 {
            let i = Int(random.below(4))
            switch random.below(8) {
            case 0:
                let part = bytes(random.below(6_000))
                let queued = part.withBytes { queues[i].append(copying: $0, bench.memory) }
                #expect(queued)
                references[i] += part
            case 1, 2:
                guard bench.memory.buffers.free > 2 else { continue }
                let part = bytes(random.below(2_047) + 1)
                let (id, received) = try #require(bench.received(part))
                if random.below(2) == 0 || part.count < 2 {
                    queues[i].append(buffer: id, received, bench.memory)
                    references[i] += part
                } else {
                    // Two parts of one buffer on two queues.
                    let j = Int(random.below(4))
                    let cut = Int(random.below(UInt64(part.count - 1))) + 1
                    bench.memory.buffers.retain(id)
                    queues[i].append(buffer: id, received.prefix(cut), bench.memory)
                    queues[j].append(buffer: id, received.from(cut), bench.memory)
                    references[i] += part[..<cut]
                    references[j] += part[cut...]
                }
            case 3:
                queues[i].append(borrowing: Bytes("a literal" as StaticString), bench.memory)
                references[i] += Array("a literal".utf8)
            case 4:
                let j = Int(random.below(4))
                guard i != j else { continue }
                var moved = queues[j]
                queues[j] = ByteQueue()
                queues[i].append(moving: &moved)
                references[i] += references[j]
                references[j] = []
            case 5:
                let detached = queues[i].detach(bench.memory)
                #expect(detached && queues[i].bufferCount == 0)
            default:
                let n = Int(random.below(UInt64(references[i].count + 1)))
                queues[i].consume(n, bench.memory)
                references[i].removeFirst(n)
            }
            #expect(queues[i].count == references[i].count)
            if references[i].count > 100_000 {
                queues[i].consume(references[i].count, bench.memory)
                references[i] = []
            }
        }
        for i in 0..<4 {
            #expect(queues[i].content == references[i])
            queues[i].removeAll(bench.memory)
        }
        #expect(bench.memory.buffers.held == 0 && bench.memory.blocks.allocatedBytes == 0)
    }
}

/// `append(moving:of:)`: the first bytes of one queue go to another, in the memory that they lie in.
@Suite struct ByteQueueMovingTests {
    private func text(_ queue: ByteQueue) -> String {
        var text = ""
        queue.forEach { text += String($0) }
        return text
    }

    @Test func anyNumberOfBytesInAnyPieces() throws {
        let bench = try Bench()
        for total in [1, 100, 2_048, 2_049, 5_000, 9_000] {
            for step in [1, 7, 2_048, 2_049, 4_096, 10_000] where total / step < 300 {
                var from = ByteQueue()
                let bytes = (0..<total).map { UInt8(97 + $0 % 26) }
                for start in stride(from: 0, to: total, by: 3_000) {
                    let end = min(total, start + 3_000)
                    let appended = Array(bytes[start..<end]).withBytes { from.append(copying: $0, bench.memory) }
                    #expect(appended)
                }
                var to = ByteQueue()
                var moved = 0
                while !from.isEmpty {
                    let count = min(step, from.count)
                    let fits = to.append(moving: count, of: &from, bench.memory)
                    #expect(fits)
                    moved += count
                    #expect(to.count == moved)
                    #expect(from.count == total - moved)
                }
                #expect(text(to) == String(decoding: bytes, as: UTF8.self))
                #expect(to.bufferCount == 0)
                to.removeAll(bench.memory)
                from.removeAll(bench.memory)
            }
        }
    }

    /// Who counts on bytes that are not there learns it.
    @Test func fewerBytesThanAskedForAreAFailure() throws {
        let bench = try Bench()
        var from = ByteQueue()
        #expect([UInt8](repeating: 0x61, count: 5).withBytes { from.append(copying: $0, bench.memory) })
        var to = ByteQueue()
        let fits = to.append(moving: 6, of: &from, bench.memory)
        #expect(!fits)
        #expect(from.isEmpty && to.count == 5)
        let nothing = to.append(moving: 0, of: &from, bench.memory)
        #expect(nothing)
        to.removeAll(bench.memory)
    }

    @Test func receiveBuffersAreSharedAndGivenBack() throws {
        let bench = try Bench()
        let free = bench.memory.buffers.free
        let bytes = [UInt8](repeating: 0x61, count: 4_000)
        let buffer = try #require(bench.received(bytes))
        var from = ByteQueue()
        from.append(buffer: buffer.id, buffer.bytes, bench.memory)
        var to = ByteQueue()
        // More than is copied: both queues refer to the buffer.
        let first = to.append(moving: 2_500, of: &from, bench.memory)
        #expect(first)
        #expect(to.bufferCount == 1)
        #expect(from.bufferCount == 1)
        let second = to.append(moving: 1_500, of: &from, bench.memory)
        #expect(second)
        #expect(from.isEmpty)
        #expect(from.bufferCount == 0)
        #expect(text(to).utf8.count == 4_000)
        to.removeAll(bench.memory)
        from.removeAll(bench.memory)
        bench.memory.buffers.publish()
        #expect(bench.memory.buffers.free == free)
    }
}
