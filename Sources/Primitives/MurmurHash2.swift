// MurmurHash2 with 64 bits, the variant and the seed of the C++ standard library's `std::hash`: Envoy's `MURMUR_HASH_2`.

package enum MurmurHash2 {
    private static let factor: UInt64 = 0xc6a4_a793_5bd1_e995
    private static let seed: UInt64 = 0xc70f_6907

    package static func hash(_ bytes: Bytes) -> UInt64 {
        let base = unsafe UnsafeRawPointer(bytes.base)
        let count = bytes.count
        var hash = seed ^ (UInt64(truncatingIfNeeded: count) &* factor)
        var at = 0
        while at &+ 8 <= count {
            let word = unsafe UInt64(littleEndian: (base + at).loadUnaligned(as: UInt64.self))
            hash = (hash ^ (mix(word &* factor) &* factor)) &* factor
            at &+= 8
        }
        if at < count {
            var rest: UInt64 = 0
            var i = count
            while i > at {
                i &-= 1
                rest = rest << 8 | UInt64(bytes[i])
            }
            hash = (hash ^ rest) &* factor
        }
        return mix(mix(hash) &* factor)
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 { value ^ (value >> 47) }
}
