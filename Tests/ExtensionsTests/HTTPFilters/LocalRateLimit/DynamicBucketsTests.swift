import Extensions
import Testing

@Suite struct DynamicBucketsTests {
    private let second: UInt64 = 1_000_000_000

    /// One token each, that does not come back while a test runs.
    private func with(_ most: Int, _ body: (DynamicBuckets) -> Void) {
        let shape = DynamicShape(most)
        let words = UnsafeMutablePointer<UInt64>.allocate(capacity: shape.words)
        defer { unsafe words.deallocate() }
        unsafe words.initialize(repeating: 0, count: shape.words)
        unsafe body(DynamicBuckets(words, shape, BucketSpec(tokensMax: 1, tokensPerSecond: 1e-6)))
    }

    private func takes(_ table: DynamicBuckets, _ hash: UInt64, _ at: UInt64) -> Bool {
        guard let place = table.place(of: hash, nowNs: at) else { return false }
        return table.bucket(at: place).take(nowNs: at)
    }

    @Test func eachValueHasABucketOfItsOwn() {
        with(20) { table in
            for hash in [0, 1, 7, .max - 1] as [UInt64] where hash != 0 {
                #expect(takes(table, hash, second))
                #expect(!takes(table, hash, second))
            }
        }
    }

    /// 0 and all ones mean something else in a slot.
    @Test(arguments: [0, UInt64.max]) func namesThatSlotsUse(hash: UInt64) {
        with(20) { table in
            #expect(takes(table, hash, second))
            #expect(!takes(table, hash, second))
            let place = table.place(of: hash, nowNs: second)
            #expect(place.flatMap { table.bucket(at: $0, of: hash) } != nil)
        }
    }

    @Test func theLongestUnusedGoes() {
        with(2) { table in
            #expect(takes(table, 10, 1 * second) && takes(table, 20, 2 * second))
            #expect(!takes(table, 10, 3 * second))
            let place = table.place(of: 20, nowNs: 3 * second) ?? -1
            #expect(!takes(table, 10, 4 * second))
            #expect(takes(table, 30, 5 * second))
            // 20 went: it was used before 10. Its place tells nothing of it any more.
            #expect(table.bucket(at: place, of: 20) == nil)
            #expect(!takes(table, 10, 6 * second))
            #expect(takes(table, 20, 7 * second))
            #expect(takes(table, 30, 8 * second))
        }
    }

    /// A large table forgets none of as many values as were asked for, if they lie evenly.
    @Test func largeTablesAreOfSets() {
        // Four words a slot: 128 sets of 16.
        #expect(DynamicShape(1000).words == 128 * 16 * 4)
        #expect(DynamicShape(64).words == 64 * 4 && DynamicShape(1).words == 4 && DynamicShape(65).words == 16 * 16 * 4)
        #expect(DynamicShape(.max).words == 2 * DynamicShape.slotsMax * 4)
        with(1000) { table in
            let hashes = (1...1000).map { UInt64($0) << 32 | 5 }
            for hash in hashes { #expect(takes(table, hash, second)) }
            for hash in hashes { #expect(!takes(table, hash, 2 * second)) }
        }
    }

    @Test func slotsOfOneSetGoInTheirOrder() {
        with(1000) { table in
            // 17 values of one set.
            let hashes = (0..<17).map { UInt64($0 * 128) << 32 | 9 }
            for (i, hash) in hashes.enumerated() { #expect(takes(table, hash, UInt64(i + 1) * second)) }
            #expect(!takes(table, hashes[16], 20 * second) && !takes(table, hashes[1], 21 * second))
            #expect(takes(table, hashes[0], 22 * second))
        }
    }
}
