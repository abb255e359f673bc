// What a part was made from, as 128 bits: a part whose source did not change is used again as it is.

import EnvoyAPI
import Primitives

struct ContentHash: Equatable {
    private var a: UInt64 = 0x9e37_79b9_7f4a_7c15
    private var b: UInt64 = 0xc2b2_ae3d_27d4_eb4f

    /// Half of it, for who shows a number.
    var number: UInt64 { a }

    mutating func add(_ bytes: [UInt8]) {
        bytes.withBytes { bytes in
            a = bytes.seededHash(a)
            b = bytes.seededHash(b ^ UInt64(bytes.count))
        }
    }

    /// 16 of them.
    var bytes: [UInt8] { [a, b].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } } }

    mutating func add(_ text: String) { add(Array(text.utf8)) }

    mutating func add(_ message: some Message) {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        add((try? message.serializedBytes(options: options)) ?? [])
    }
}
