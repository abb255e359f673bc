// Memory of one evaluation: what it puts together stays where it is until the next one begins. Owner: one worker; blocks come from
// its pool, and one of them is kept, so that in steady state nothing is allocated.

import Primitives

@safe
struct CELScratch {
    private static let blockBytes = 4096
    private static let blocksMax = 16

    private let pool: BlockPool
    private var blocks: PlainArray<Block>
    /// Of the last block.
    private var used = 0
    private var total = 0

    init(pool: BlockPool) {
        self.pool = pool
        blocks = PlainArray(capacity: CELScratch.blocksMax)
    }

    func destroy() {
        for i in 0..<blocks.count { pool.free(blocks[i]) }
        blocks.destroy()
    }

    // HOT: per message.
    mutating func reset() {
        used = 0
        total = 0
        // The first one is small, whatever came behind it.
        while blocks.count > 1, let block = blocks.popLast() { pool.free(block) }
    }

    // HOT: per field.
    /// Nil: more than one evaluation may take, or than there is.
    mutating func room(_ bytes: Int) -> UnsafeMutableRawPointer? {
        guard bytes >= 0, bytes <= CELLimits.scratchBytesMax &- total else { return nil }
        let aligned = (bytes &+ 15) & ~15
        if blocks.isEmpty || aligned > blocks[blocks.count &- 1].capacity &- used, !grow(aligned) { return nil }
        let place = unsafe blocks[blocks.count &- 1].base + used
        used &+= aligned
        total &+= aligned
        return unsafe place
    }

    /// The first block is of the usual size, so that a large one is not kept.
    private mutating func grow(_ bytes: Int) -> Bool {
        if blocks.isEmpty {
            guard let first = pool.allocate(CELScratch.blockBytes) else { return false }
            blocks.append(first)
            used = 0
            if bytes <= first.capacity { return true }
        }
        guard let block = pool.allocate(max(bytes, blocks[blocks.count &- 1].capacity &* 2)) else { return false }
        blocks.append(block)
        used = 0
        return true
    }

    mutating func values(_ count: Int) -> UnsafeMutablePointer<CELValue>? {
        unsafe room(count &* MemoryLayout<CELValue>.stride)?.bindMemory(to: CELValue.self, capacity: max(count, 1))
    }

    // HOT: per field.
    /// A copy. An empty one is no memory's.
    mutating func copy(_ bytes: Bytes) -> Bytes? {
        guard !bytes.isEmpty else { return .empty }
        guard let place = unsafe room(bytes.count) else { return nil }
        unsafe place.copyMemory(from: bytes.base, byteCount: bytes.count)
        return unsafe Bytes(UnsafeRawPointer(place), bytes.count)
    }
}
