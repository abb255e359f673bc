// XXH64, as its specification (xxHash fast digest algorithm, version 0.1.1) says: what a consistent hash shares with
// every other proxy that uses it.

package enum XXHash64 {
    private static let prime1: UInt64 = 0x9e37_79b1_85eb_ca87
    private static let prime2: UInt64 = 0xc2b2_ae3d_27d4_eb4f
    private static let prime3: UInt64 = 0x1656_67b1_9e37_79f9
    private static let prime4: UInt64 = 0x85eb_ca77_c2b2_ae63
    private static let prime5: UInt64 = 0x27d4_eb2f_1656_67c5

    // HOT: per message.
    package static func hash(_ bytes: Bytes, seed: UInt64 = 0) -> UInt64 {
        let base = unsafe UnsafeRawPointer(bytes.base)
        let count = bytes.count
        var at = 0
        var hash: UInt64
        if count >= 32 {
            var lane1 = seed &+ prime1 &+ prime2
            var lane2 = seed &+ prime2
            var lane3 = seed
            var lane4 = seed &- prime1
            while at &+ 32 <= count {
                lane1 = unsafe round(lane1, word(base, at))
                lane2 = unsafe round(lane2, word(base, at &+ 8))
                lane3 = unsafe round(lane3, word(base, at &+ 16))
                lane4 = unsafe round(lane4, word(base, at &+ 24))
                at &+= 32
            }
            hash = rotate(lane1, 1) &+ rotate(lane2, 7) &+ rotate(lane3, 12) &+ rotate(lane4, 18)
            hash = merge(merge(merge(merge(hash, lane1), lane2), lane3), lane4)
        } else {
            hash = seed &+ prime5
        }
        hash = hash &+ UInt64(truncatingIfNeeded: count)
        while at &+ 8 <= count {
            hash = unsafe rotate(hash ^ round(0, word(base, at)), 27) &* prime1 &+ prime4
            at &+= 8
        }
        if at &+ 4 <= count {
            let half = unsafe UInt64(UInt32(littleEndian: (base + at).loadUnaligned(as: UInt32.self)))
            hash = rotate(hash ^ (half &* prime1), 23) &* prime2 &+ prime3
            at &+= 4
        }
        while at < count {
            hash = rotate(hash ^ (UInt64(bytes[at]) &* prime5), 11) &* prime1
            at &+= 1
        }
        hash = (hash ^ (hash >> 33)) &* prime2
        hash = (hash ^ (hash >> 29)) &* prime3
        return hash ^ (hash >> 32)
    }

    @inline(__always)
    private static func word(_ base: UnsafeRawPointer, _ at: Int) -> UInt64 {
        unsafe UInt64(littleEndian: (base + at).loadUnaligned(as: UInt64.self))
    }

    @inline(__always)
    private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
        rotate(lane &+ input &* prime2, 31) &* prime1
    }

    @inline(__always)
    private static func merge(_ hash: UInt64, _ lane: UInt64) -> UInt64 { (hash ^ round(0, lane)) &* prime1 &+ prime4 }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 { value << bits | value >> (64 &- bits) }
}
