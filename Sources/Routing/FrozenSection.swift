// A run of trivial records inside a route table's one block.
//
// Invariant: `base` stays valid and unchanged until `RouteTable.destroy`; every index stored in the table was made by
// the builder and is in range (debug builds check).

import Primitives

@safe
struct FrozenSection<Element> {
    let base: UnsafePointer<Element>
    let count: Int

    @inline(__always)
    subscript(_ index: UInt32) -> Element {
        assert(Int(index) < count, "FrozenSection index out of bounds")
        return unsafe base[Int(index)]
    }
}

/// Bytes in the table's text section.
struct TextRef {
    var offset: UInt32
    var count: UInt32
    static let empty = TextRef(offset: 0, count: 0)
}

/// Consecutive records of some section.
struct RecordRange {
    var start: UInt32
    var count: UInt32
    static let empty = RecordRange(start: 0, count: 0)
    @inline(__always) var end: UInt32 { start &+ count }
}

/// "There is none", wherever an index may be absent.
let noIndex = UInt32.max

/// A string's bytes with ASCII letters in lower case.
func lowercased(_ string: String) -> [UInt8] {
    var bytes = Array(string.utf8)
    for i in bytes.indices { bytes[i] = Bytes.lower(bytes[i]) }
    return bytes
}
