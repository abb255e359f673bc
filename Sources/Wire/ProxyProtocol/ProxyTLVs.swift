// The type-length-value triples behind the addresses of a PROXY header (proxy-protocol.txt §2.2).

import Primitives

@safe
package struct ProxyTLVs {
    package struct Entry {
        package let type: UInt8
        package let value: Bytes
        /// With type and length.
        package let whole: Bytes
    }

    private var rest: Bytes

    package init(_ bytes: Bytes) { rest = bytes }

    /// Nil at the end, and where the rest is not whole.
    package mutating func next() -> Entry? {
        guard rest.count >= 3 else { return nil }
        let length = Int(rest[1]) &<< 8 | Int(rest[2])
        guard rest.count &- 3 >= length else { return nil }
        let entry = Entry(type: rest[0], value: rest.part(3, 3 &+ length), whole: rest.prefix(3 &+ length))
        rest = rest.from(3 &+ length)
        return entry
    }

    /// Every length stays inside.
    package static func areWhole(_ bytes: Bytes) -> Bool {
        var list = ProxyTLVs(bytes)
        while list.next() != nil {}
        return list.rest.isEmpty
    }

    /// The first one, or the last one, of a type.
    package static func find(_ type: UInt8, in bytes: Bytes, last: Bool) -> Bytes? {
        var list = ProxyTLVs(bytes)
        var found: Bytes?
        while let entry = list.next() {
            guard entry.type == type else { continue }
            found = entry.value
            if !last { break }
        }
        return found
    }
}

/// The types that are kept or passed on, a bit for each.
package struct ProxyTLVSet: BitwiseCopyable, Equatable, Sendable {
    private var bits: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    package init() {}

    package static var all: ProxyTLVSet {
        var set = ProxyTLVSet()
        set.bits = (.max, .max, .max, .max)
        return set
    }

    package var isEmpty: Bool { bits.0 | bits.1 | bits.2 | bits.3 == 0 }

    package mutating func insert(_ type: UInt8) {
        let bit = UInt64(1) &<< UInt64(type & 63)
        switch type &>> 6 {
        case 0: bits.0 |= bit
        case 1: bits.1 |= bit
        case 2: bits.2 |= bit
        default: bits.3 |= bit
        }
    }

    package func contains(_ type: UInt8) -> Bool {
        let bit = UInt64(1) &<< UInt64(type & 63)
        switch type &>> 6 {
        case 0: return bits.0 & bit != 0
        case 1: return bits.1 & bit != 0
        case 2: return bits.2 & bit != 0
        default: return bits.3 & bit != 0
        }
    }

    package static func == (a: ProxyTLVSet, b: ProxyTLVSet) -> Bool { a.bits == b.bits }
}
