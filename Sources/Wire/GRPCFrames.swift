// The messages in a gRPC body: a flag byte, four bytes of length, and as many bytes (gRPC over HTTP/2,
// "Length-Prefixed-Message"). Pure machine: bytes come in any pieces; nothing is kept but where the body stands.

import Primitives

package struct GRPCFrames: BitwiseCopyable {
    package static let prefixBytes = 5
    /// Bytes of the prefix that have come, and the length as far as it has.
    private var prefixCount: UInt8 = 0
    private var length: UInt32 = 0
    /// Bytes of the message that are still to come.
    private var left: UInt32 = 0

    package init() {}

    /// Nothing of a message has come that is not complete.
    package var isBetweenMessages: Bool { prefixCount == 0 }

    // HOT: per frame.
    /// How many messages begin in these bytes.
    package mutating func count(_ bytes: Bytes) -> UInt64 {
        var begun: UInt64 = 0
        var at = 0
        while at < bytes.count {
            if prefixCount == 0 { begun &+= 1 }
            at &+= take(bytes.from(at)).count
        }
        return begun
    }

    // HOT: per frame.
    /// Goes on to the message's end, or to the end of the bytes: how many of them, and whether the message is complete.
    package mutating func take(_ bytes: Bytes) -> (count: Int, isComplete: Bool) {
        var at = 0
        while prefixCount < 5 {
            guard at < bytes.count else { return (at, false) }
            if prefixCount > 0 { length = length << 8 | UInt32(bytes[at]) }
            prefixCount &+= 1
            at &+= 1
            if prefixCount == 5 { left = length }
        }
        let n = min(Int(left), bytes.count &- at)
        left &-= UInt32(truncatingIfNeeded: n)
        at &+= n
        guard left == 0 else { return (at, false) }
        prefixCount = 0
        length = 0
        return (at, true)
    }

    /// What a whole prefix says.
    package static func parse(prefix: Bytes) -> (flags: UInt8, length: UInt32) {
        (prefix[0], (1..<5).reduce(0) { $0 << 8 | UInt32(prefix[$1]) })
    }

    /// The prefix of a message that is not compressed.
    package static func prefix(_ length: UInt32, flags: UInt8 = 0) -> (UInt8, UInt8, UInt8, UInt8, UInt8) {
        (
            flags, UInt8(truncatingIfNeeded: length >> 24), UInt8(truncatingIfNeeded: length >> 16),
            UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)
        )
    }
}
