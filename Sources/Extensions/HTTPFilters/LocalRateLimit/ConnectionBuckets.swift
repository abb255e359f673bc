// Buckets of downstream connections (`local_rate_limit_per_downstream_connection`): a row per connection slot, one
// worker's alone. A row belongs to the generation that is written in it; a newer connection in the slot begins full. So
// nothing has to be told when a connection goes. Bounded by the worker's connections.

import Primitives

@safe
struct ConnectionBuckets {
    private var rows: UnsafeMutablePointer<UInt64>?
    private var rowCount = 0
    /// A generation and the buckets' words.
    private let rowWords: Int
    private let specs: FrozenArray<BucketSpec>

    init(_ specs: FrozenArray<BucketSpec>) {
        self.specs = specs
        rowWords = 1 + specs.count
    }

    func destroy() { unsafe rows?.deallocate() }

    /// A bucket of a connection; nil when there is none with this index.
    mutating func bucket(_ index: Int, of connection: Handle, nowNs: UInt64) -> TokenBucket? {
        guard index < specs.count else { return nil }
        let row = Int(connection.slot)
        if row >= rowCount { grow(to: row + 1) }
        guard let rows = unsafe rows else { return nil }
        let start = unsafe rows + row &* rowWords
        if unsafe start.pointee != connection.raw {
            unsafe start.pointee = connection.raw
            for i in 0..<specs.count { unsafe TokenBucket(start + 1 + i, specs[i]).fill(nowNs: nowNs) }
        }
        return unsafe TokenBucket(start + 1 + index, specs[index])
    }

    private mutating func grow(to count: Int) {
        let larger = max(count, rowCount * 2, 64)
        let fresh = UnsafeMutablePointer<UInt64>.allocate(capacity: larger * rowWords)
        unsafe fresh.initialize(repeating: 0, count: larger * rowWords)
        if let rows = unsafe rows {
            unsafe fresh.update(from: rows, count: rowCount * rowWords)
            unsafe rows.deallocate()
        }
        unsafe rows = unsafe fresh
        rowCount = larger
    }
}
