// `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP2, "Timeout").

import Primitives

package enum GRPCTimeout {
    /// Rounded up, so that a short time does not become none; nil: not a timeout.
    package static func milliseconds(_ text: Bytes) -> UInt64? {
        guard text.count >= 2, text.count <= 9, let value = text.prefix(text.count &- 1).decimal else { return nil }
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
