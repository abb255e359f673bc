// `traceparent` (W3C Trace Context §3.2): reading and writing. Pure.

import Primitives

package enum W3CTraceContext {
    package static let length = 55
    /// Of `traceparent` and `tracestate`, one behind the other.
    static let names: StaticString = "traceparenttracestate"

    /// Nil: not well formed. As Envoy reads it: of any version, but no longer than version 00.
    package static func parse(_ text: Bytes) -> SpanContext? {
        guard text.count == length, text[2] == UInt8(ascii: "-"), text[35] == UInt8(ascii: "-"), text[52] == UInt8(ascii: "-"),
            HexDigits.value(text.prefix(2)) != nil, let high = HexDigits.value(text.part(3, 19)),
            let low = HexDigits.value(text.part(19, 35)), let span = HexDigits.value(text.part(36, 52)),
            let flags = HexDigits.value(text.part(53, 55)), high | low != 0, span != 0
        else { return nil }
        var context = SpanContext()
        context.traceHigh = high
        context.traceLow = low
        context.span = span
        context.isSampled = flags & 1 != 0
        return context
    }

    /// Writes `length` bytes.
    package static func write(_ context: SpanContext, _ out: UnsafeMutablePointer<UInt8>) {
        unsafe out[0] = UInt8(ascii: "0")
        unsafe out[1] = UInt8(ascii: "0")
        unsafe out[2] = UInt8(ascii: "-")
        unsafe HexDigits.write(context.traceHigh, out + 3)
        unsafe HexDigits.write(context.traceLow, out + 19)
        unsafe out[35] = UInt8(ascii: "-")
        unsafe HexDigits.write(context.span, out + 36)
        unsafe out[52] = UInt8(ascii: "-")
        unsafe out[53] = UInt8(ascii: "0")
        unsafe out[54] = context.isSampled ? UInt8(ascii: "1") : UInt8(ascii: "0")
    }
}

/// 64-bit numbers as hexadecimal digits.
package enum HexDigits {
    /// Sixteen lower-case digits.
    package static func write(_ value: UInt64, _ out: UnsafeMutablePointer<UInt8>) {
        let text = UnsafeMutableRawPointer(out)
        unsafe text.storeBytes(of: UUIDText.digits(UInt32(truncatingIfNeeded: value >> 32)), as: UInt64.self)
        unsafe text.storeBytes(of: UUIDText.digits(UInt32(truncatingIfNeeded: value)), toByteOffset: 8, as: UInt64.self)
    }

    // HOT: per message.
    /// One to sixteen digits of either case.
    package static func value(_ digits: Bytes) -> UInt64? {
        switch digits.count {
        case 8: return unsafe eight(digits.base).map { UInt64($0) }
        case 16:
            guard let high = unsafe eight(digits.base), let low = unsafe eight(digits.base + 8) else { return nil }
            return UInt64(high) << 32 | UInt64(low)
        case 1..<16:
            var value: UInt64 = 0
            for i in 0..<digits.count {
                let byte = Bytes.lower(digits[i])
                switch byte {
                case 0x30...0x39: value = value << 4 | UInt64(byte &- 0x30)
                case 0x61...0x66: value = value << 4 | UInt64(byte &- 0x57)
                default: return nil
                }
            }
            return value
        default: return nil
        }
    }

    /// Eight digits at once; what they give, written out again, must be what was read.
    @inline(__always)
    private static func eight(_ digits: UnsafePointer<UInt8>) -> UInt32? {
        let text = unsafe UnsafeRawPointer(digits).loadUnaligned(as: UInt64.self)
        // Letters have a bit that digits have not; they stand 9 before their values.
        let letters = text >> 6 & 0x0101_0101_0101_0101
        // Each byte's nibble, the first one highest.
        let bytes = ((text & 0x0f0f_0f0f_0f0f_0f0f) &+ letters &* 9).byteSwapped
        let pairs = (bytes | bytes >> 4) & 0x00ff_00ff_00ff_00ff
        let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff
        let value = UInt32(truncatingIfNeeded: fours | fours >> 16)
        return UUIDText.digits(value) == text | letters << 5 ? value : nil
    }
}
