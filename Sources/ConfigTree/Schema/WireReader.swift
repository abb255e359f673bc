/// Reads protobuf's wire format, one field at a time, without knowing what the fields mean.
///
/// Both the embedded descriptors and binary configuration come through here, so any byte sequence must end in a value or in
/// `WireError`, never in a trap.
struct WireReader {
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        case bytes(Range<Int>)
    }

    let bytes: [UInt8]
    private var position: Int
    private let end: Int

    init(_ bytes: [UInt8], _ range: Range<Int>? = nil) {
        self.bytes = bytes
        let whole = bytes.indices
        let range = range?.clamped(to: whole) ?? whole
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next field, or nil at the end.
    mutating func next() throws(WireError) -> (number: Int, value: Value)? {
        if position == end { return nil }
        let tag = try varint()
        let number = Int(truncatingIfNeeded: tag >> 3)
        guard number > 0, number < 1 << 29 else { throw .malformed }
        switch tag & 7 {
        case 0: return (number, .varint(try varint()))
        case 1: return (number, .fixed64(try fixed(8)))
        case 2:
            guard let count = Int(exactly: try varint()), count <= end - position else { throw .malformed }
            let range = position..<position + count
            position += count
            return (number, .bytes(range))
        case 5: return (number, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
        default: throw .malformed  // groups: nothing of ours or Envoy's uses them
        }
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// All numbers of a packed repeated field.
    static func packed(_ bytes: [UInt8], _ range: Range<Int>, width: Int?) throws(WireError) -> [UInt64] {
        var reader = WireReader(bytes, range)
        var values: [UInt64] = []
        while reader.position < reader.end {
            if let width { values.append(try reader.fixed(width)) } else { values.append(try reader.varint()) }
        }
        return values
    }

    private mutating func varint() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard position < end else { throw .malformed }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .malformed
    }

    private mutating func fixed(_ width: Int) throws(WireError) -> UInt64 {
        guard end - position >= width else { throw .malformed }
        var value: UInt64 = 0
        for index in 0..<width { value |= UInt64(bytes[position + index]) << UInt64(8 * index) }
        position += width
        return value
    }
}

enum WireError: Error {
    case malformed
}
