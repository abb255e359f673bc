// Buckets of downstream connections (`local_rate_limit_per_downstream_connection`): a row per connection slot, one
// worker's alone. A row belongs to the generation that is written in it; a newer connection in the slot begins full. So
// nothing has to be told when a connection goes. Bounded by the worker's connections.

import Primitives

@safe
struct ConnectionBuckets {
    private var rows: UnsafeMutablePointer<UInt64>?
    private var rowCount = 0
    /// A generation, the buckets' words and the tables of those for any value.
    private let rowWords: Int
    private let specs: FrozenArray<BucketSpec>
    private let tableWords: Int

    /// `tableWords`: of all tables of one connection.
    init(_ specs: FrozenArray<BucketSpec>, tableWords: Int) {
        self.specs = specs
        self.tableWords = tableWords
        rowWords = 1 + specs.count + tableWords
    }

    func destroy() { unsafe rows?.deallocate() }

    /// A connection's words; nil when there is no memory.
    mutating func row(of connection: Handle, nowNs: UInt64) -> ConnectionRow? {
        let row = Int(connection.slot)
        if row >= rowCount { grow(to: row + 1) }
        guard let rows = unsafe rows else { return nil }
        let start = unsafe rows + row &* rowWords
        if unsafe start.pointee != connection.raw {
            unsafe start.pointee = connection.raw
            for i in 0..<specs.count { unsafe TokenBucket(start + 1 + i, specs[i]).fill(nowNs: nowNs) }
            unsafe (start + 1 + specs.count).update(repeating: 0, count: tableWords)
        }
        return unsafe ConnectionRow(buckets: start + 1, tables: start + 1 + specs.count)
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

/// Where buckets lie, of one connection or of the process.
@safe
struct ConnectionRow {
    let buckets: UnsafeMutablePointer<UInt64>
    let tables: UnsafeMutablePointer<UInt64>
    init(buckets: UnsafeMutablePointer<UInt64>, tables: UnsafeMutablePointer<UInt64>) {
        unsafe self.buckets = unsafe buckets
        unsafe self.tables = unsafe tables
    }
}
