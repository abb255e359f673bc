// The buckets of one descriptor for any value: one for each value that requests bring, at most as many as `max_dynamic_descriptors`
// says. A table of plain words without a lock: of all workers, or of one connection.
//
// A slot is a number that stands for the values (`RateLimitDescriptor.hash`), the time of its last use and a bucket's word. What
// is not there takes the place of what was used the longest ago: in a table of at most `exactMax` slots of all, in a larger one
// of the `ways` slots that the number may lie in; such a table has twice as many slots as were asked for.
//
// Two workers that bring the same value at the same time may make two slots of it. The first is found from then on: each
// of the others has let through one request at most.

import CMartlet

package struct DynamicShape: BitwiseCopyable {
    /// `docs/limits.md`; more than that counts as that.
    package static let slotsMax = 1 << 20
    /// A connection's table is at most as large.
    package static let exactMax = 64
    private static let ways = 16
    /// Words of one slot.
    static let slotWords = 4

    let sets: Int
    let ways: Int

    package init(_ descriptorsMax: Int) {
        let most = max(1, min(descriptorsMax, DynamicShape.slotsMax))
        if most <= DynamicShape.exactMax {
            sets = 1
            ways = most
        } else {
            ways = DynamicShape.ways
            var sets = 1
            while sets * ways < 2 * most { sets *= 2 }
            self.sets = sets
        }
    }

    package var words: Int { sets * ways * DynamicShape.slotWords }
}

@safe
package struct DynamicBuckets {
    /// No value's number: the slot is being filled.
    private static let filling = UInt64.max
    private let words: UnsafeMutablePointer<UInt64>
    private let shape: DynamicShape
    private let spec: BucketSpec

    /// `words`: `shape.words` of them, zero at the beginning.
    package init(_ words: UnsafeMutablePointer<UInt64>, _ shape: DynamicShape, _ spec: BucketSpec) {
        unsafe self.words = unsafe words
        self.shape = shape
        self.spec = spec
    }

    private func slot(_ index: Int) -> UnsafeMutablePointer<UInt64> { unsafe words + index &* DynamicShape.slotWords }

    /// A number as it stands in a slot: 0 is an empty one's.
    private static func name(_ hash: UInt64) -> UInt64 { hash == 0 || hash == filling ? 1 : hash }

    // HOT: per message.
    /// Where the bucket of these values lies, a new one full; nil: all places are being filled by others this very moment.
    package func place(of hash: UInt64, nowNs: UInt64) -> Int? {
        let name = DynamicBuckets.name(hash)
        let first = Int(truncatingIfNeeded: hash >> 32) & (shape.sets &- 1) &* shape.ways
        for _ in 0..<4 {
            var oldest: (place: Int, name: UInt64, used: UInt64)?
            for place in first..<first &+ shape.ways {
                let slot = unsafe slot(place)
                let found = unsafe cmartlet_load_acquire(slot)
                if found == name {
                    unsafe cmartlet_store_relaxed(slot + 1, nowNs)
                    return place
                }
                if found == DynamicBuckets.filling { continue }
                let used = unsafe found == 0 ? 0 : cmartlet_load_relaxed(slot + 1)
                if oldest == nil || used < oldest?.used ?? 0 { oldest = (place, found, used) }
            }
            guard let oldest else { continue }
            let slot = unsafe slot(oldest.place)
            guard unsafe cmartlet_compare_exchange(slot, oldest.name, DynamicBuckets.filling) == oldest.name else { continue }
            unsafe TokenBucket(slot + 2, spec).fill(nowNs: nowNs)
            unsafe cmartlet_store_relaxed(slot + 1, nowNs)
            unsafe cmartlet_store_release(slot, name)
            for place in first..<oldest.place where unsafe cmartlet_load_acquire(self.slot(place)) == name { return place }
            return oldest.place
        }
        return nil
    }

    package func bucket(at place: Int) -> TokenBucket { unsafe TokenBucket(slot(place) + 2, spec) }

    /// Nil: the place is another's by now.
    package func bucket(at place: Int, of hash: UInt64) -> TokenBucket? {
        guard unsafe cmartlet_load_acquire(slot(place)) == DynamicBuckets.name(hash) else { return nil }
        return bucket(at: place)
    }
}
