// A random (version 4) UUID as text, eight digits at a time.

/// The version digit is where Envoy packs the trace reason (none: 4).
package enum UUIDText {
    // HOT: per message.
    /// 36 bytes to `out`, from two random words.
    package static func write(_ a: UInt64, _ b: UInt64, _ out: UnsafeMutablePointer<UInt8>) {
        let high = (a & 0xffff_ffff_ffff_0fff) | 0x4000
        let low = (b & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000
        let text = UnsafeMutableRawPointer(out)
        let second = digits(UInt32(truncatingIfNeeded: high))
        let third = digits(UInt32(truncatingIfNeeded: low >> 32))
        unsafe text.storeBytes(of: digits(UInt32(truncatingIfNeeded: high >> 32)), as: UInt64.self)
        unsafe text.storeBytes(of: UInt32(truncatingIfNeeded: second), toByteOffset: 9, as: UInt32.self)
        unsafe text.storeBytes(of: UInt32(truncatingIfNeeded: second >> 32), toByteOffset: 14, as: UInt32.self)
        unsafe text.storeBytes(of: UInt32(truncatingIfNeeded: third), toByteOffset: 19, as: UInt32.self)
        unsafe text.storeBytes(of: UInt32(truncatingIfNeeded: third >> 32), toByteOffset: 24, as: UInt32.self)
        unsafe text.storeBytes(of: digits(UInt32(truncatingIfNeeded: low)), toByteOffset: 28, as: UInt64.self)
        let dash = UInt8(ascii: "-")
        unsafe out[8] = dash
        unsafe out[13] = dash
        unsafe out[18] = dash
        unsafe out[23] = dash
    }

    /// The eight hexadecimal digits of `value`, the first in the lowest byte.
    @inline(__always)
    package static func digits(_ value: UInt32) -> UInt64 {
        // Each nibble to a byte of its own, the highest nibble lowest.
        var x = UInt64(value.byteSwapped)
        x = (x | x << 16) & 0x0000_ffff_0000_ffff
        x = (x | x << 8) & 0x00ff_00ff_00ff_00ff
        x = (x >> 4 & 0x000f_000f_000f_000f) | (x & 0x000f_000f_000f_000f) << 8
        // 10 and more reach a bit that 9 does not: those are letters, 0x27 further on.
        let letters = (x &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return x &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }
}
