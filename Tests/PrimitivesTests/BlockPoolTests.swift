import CMartlet
import Primitives
import Testing

@Suite struct BlockPoolTests {
    @Test func aBlockIsAtLeastAsLargeAsAsked() throws {
        let pool = BlockPool()
        defer { pool.destroy() }
        for bytes in [0, 1, 511, 512, 513, 1024, 4097, 1 << 20, BlockPool.capacityMax] {
            let block = try #require(pool.allocate(bytes))
            #expect(block.capacity >= bytes && block.capacity >= 512)
            #expect(block.capacity & (block.capacity - 1) == 0, "a power of two")
            // The whole block is ours to write.
            unsafe block.base.initializeMemory(as: UInt8.self, repeating: 0xa5, count: block.capacity)
            pool.free(block)
        }
        #expect(pool.allocatedBytes == 0)
    }

    @Test func tooLargeIsRefused() {
        let pool = BlockPool()
        defer { pool.destroy() }
        #expect(pool.allocate(BlockPool.capacityMax + 1) == nil)
        #expect(pool.allocatedBytes == 0)
    }

    @Test func aFreedBlockIsUsedAgain() throws {
        let pool = BlockPool()
        defer { pool.destroy() }
        let first = try #require(pool.allocate(600))
        pool.free(first)
        #expect(pool.keptBytes == 1024)
        let second = try #require(pool.allocate(1000))
        #expect(unsafe second.base == first.base)
        #expect(pool.keptBytes == 0)
        pool.free(second)
    }

    /// Under the address sanitizer a block on a free list cannot be read, neither its first byte nor its last.
    @Test func aFreedBlockIsPoisoned() throws {
        let pool = BlockPool()
        defer { pool.destroy() }
        let block = try #require(pool.allocate(1000))
        #expect(unsafe martlet_is_poisoned(block.base) == 0)
        pool.free(block)
        #expect(unsafe martlet_is_poisoned(block.base) == martlet_poisons())
        #expect(unsafe martlet_is_poisoned(block.base + block.capacity - 1) == martlet_poisons())
    }

    /// What stays on the free lists is bounded: memory falls again after a peak.
    @Test func keptBytesAreBoundedPerClass() throws {
        let pool = BlockPool()
        defer { pool.destroy() }
        for bytes in [4096, 1 << 16, 1 << 20, 1 << 23] {
            let count = 2 * BlockPool.keptBytesMax / bytes + 2
            let before = pool.keptBytes
            var blocks: [Block] = []
            for _ in 0..<count { blocks.append(try #require(pool.allocate(bytes))) }
            for block in blocks { pool.free(block) }
            #expect(pool.keptBytes - before <= BlockPool.keptBytesMax)
        }
        pool.trim()
        #expect(pool.keptBytes == 0)
    }

    @Test func blocksNeverOverlap() throws {
        let pool = BlockPool()
        defer { pool.destroy() }
        var random = Random(seed: 5)
        var live: [(block: Block, mark: UInt8)] = []
        for step in 0..<5_000 {
            if live.count < 60, random.below(5) < 3 {
                let block = try #require(pool.allocate(Int(random.below(1 << random.below(17)))))
                let mark = UInt8(truncatingIfNeeded: step)
                unsafe block.base.initializeMemory(as: UInt8.self, repeating: mark, count: block.capacity)
                live.append((block, mark))
            } else if !live.isEmpty {
                let (block, mark) = live.swapRemove(Int(random.below(UInt64(live.count))))
                let bytes = unsafe UnsafeRawBufferPointer(start: block.base, count: block.capacity)
                #expect(unsafe bytes.allSatisfy { $0 == mark })
                pool.free(block)
            }
            #expect(pool.allocatedBytes == live.reduce(0) { $0 + $1.block.capacity })
        }
        for (block, _) in live { pool.free(block) }
    }
}

extension Array {
    fileprivate mutating func swapRemove(_ index: Int) -> Element {
        swapAt(index, count - 1)
        return removeLast()
    }
}
