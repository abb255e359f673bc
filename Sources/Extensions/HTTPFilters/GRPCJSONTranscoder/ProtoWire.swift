// protobuf's wire format, read and written without generated code (protobuf.dev, "Encoding").

/// Reads fields one by one out of bytes that a peer sent: nothing of it traps.
struct ProtoWireReader {
    let bytes: ArraySlice<UInt8>
    private(set) var at: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    var isAtEnd: Bool { at >= bytes.endIndex }

    mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < bytes.endIndex, shift < 64 {
            let byte = bytes[at]
            at += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        return nil
    }

    mutating func fixed(_ count: Int) -> UInt64? {
        guard bytes.endIndex - at >= count else { return nil }
        var value: UInt64 = 0
        for i in 0..<count { value |= UInt64(bytes[at + i]) << UInt64(8 * i) }
        at += count
        return value
    }

    mutating func delimited() -> ArraySlice<UInt8>? {
        guard let count = varint(), count <= UInt64(bytes.endIndex - at) else { return nil }
        let end = at + Int(count)
        defer { at = end }
        return bytes[at..<end]
    }

    /// The next field's number and wire type. Nil: none, or 0, which ends a message.
    mutating func tag() -> (number: UInt32, wireType: UInt8)? {
        guard let tag = varint(), tag <= UInt64(UInt32.max), tag != 0 else { return nil }
        return (UInt32(tag >> 3), UInt8(tag & 7))
    }

    /// Past a value. False: malformed.
    mutating func skip(_ wireType: UInt8, depth: Int = 0) -> Bool {
        switch wireType {
        case 0: return varint() != nil
        case 1: return fixed(8) != nil
        case 2: return delimited() != nil
        case 3:
            guard depth < 100 else { return false }
            while let (_, type) = tag() {
                if type == 4 { return true }
                if !skip(type, depth: depth + 1) { return false }
            }
            return false
        case 5: return fixed(4) != nil
        default: return false
        }
    }
}

enum ProtoWireWriter {
    static func varint(_ value: UInt64, _ out: inout [UInt8]) {
        var rest = value
        while rest > 0x7f {
            out.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        out.append(UInt8(rest))
    }

    static func tag(_ number: UInt32, _ wireType: UInt8, _ out: inout [UInt8]) {
        varint(UInt64(number) << 3 | UInt64(wireType), &out)
    }

    static func fixed(_ value: UInt64, _ count: Int, _ out: inout [UInt8]) {
        for i in 0..<count { out.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * i))) }
    }

    static func delimited(_ number: UInt32, _ bytes: [UInt8], _ out: inout [UInt8]) {
        tag(number, 2, &out)
        varint(UInt64(bytes.count), &out)
        out += bytes
    }
}
