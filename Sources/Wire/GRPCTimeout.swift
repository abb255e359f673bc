// `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP2, "Timeout").

import Primitives

package enum GRPCTimeout {
    /// Eight digits.
    private static let valueMax: UInt64 = 99_999_999

    /// As text: milliseconds, or the finest unit in which it fits.
    package static func text(_ milliseconds: UInt64) -> (value: UInt64, unit: UInt8) {
        if milliseconds <= valueMax { return (milliseconds, UInt8(ascii: "m")) }
        let seconds = milliseconds / 1000
        if seconds <= valueMax { return (seconds, UInt8(ascii: "S")) }
        let minutes = seconds / 60
        if minutes <= valueMax { return (minutes, UInt8(ascii: "M")) }
        return (min(minutes / 60, valueMax), UInt8(ascii: "H"))
    }

    /// Rounded up, so that a short time does not become none; nil: not a timeout.
    package static func milliseconds(_ text: Bytes) -> UInt64? {
        guard text.count >= 2, text.count <= 9, let value = text.prefix(text.count &- 1).trimmed.decimal else { return nil }
        switch text[text.count &- 1] {
        case UInt8(ascii: "H"): return value &* 3_600_000
        case UInt8(ascii: "M"): return value &* 60_000
        case UInt8(ascii: "S"): return value &* 1000
        case UInt8(ascii: "m"): return value
        case UInt8(ascii: "u"): return (value &+ 999) / 1000
        case UInt8(ascii: "n"): return (value &+ 999_999) / 1_000_000
        default: return nil
        }
    }
}
