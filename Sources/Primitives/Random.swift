// Random numbers of one thread: xoshiro256**, seeded from the system. For balancing, sampling and request ids; not for
// secrets (keys and tickets come from the TLS library).

public struct Random {
    @usableFromInline var a: UInt64, b: UInt64, c: UInt64, d: UInt64

    /// Every seed gives a sequence of its own; tests pass one.
    @inlinable public init(seed: UInt64) {
        var state = seed
        func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
        (a, b, c, d) = (next(), next(), next(), next())
    }

    @inlinable public static func systemSeed() -> UInt64 {
        var system = SystemRandomNumberGenerator()
        return system.next()
    }

    // HOT: per message.
    @inlinable public mutating func next() -> UInt64 {
        let product = b &* 5
        let result = ((product << 7) | (product >> 57)) &* 9
        let t = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= t
        d = (d << 45) | (d >> 19)
        return result
    }

    /// Uniform in `0 ..< bound`; 0 when `bound` is 0.
    @inlinable public mutating func below(_ bound: UInt64) -> UInt64 {
        next().multipliedFullWidth(by: bound).high
    }
}
