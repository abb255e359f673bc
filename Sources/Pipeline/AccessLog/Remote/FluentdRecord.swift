// A record of fluentd's, in MessagePack: what `json_format` would write, value by value.

import Primitives

extension FormatWriter {
    // HOT: per message.
    mutating func write(_ record: FrozenArray<RecordToken>, _ source: FormatSource, _ out: inout TextBuffer) {
        for i in 0..<record.count {
            let token = unsafe record.pointer(i)
            unsafe out.put(token.pointee.key)
            switch unsafe token.pointee.kind {
            case .map: out.put(mapOf: unsafe token.pointee.count)
            case .list: out.put(arrayOf: unsafe token.pointee.count)
            case .constant: unsafe out.put(token.pointee.constant)
            case .text: unsafe out.put(packed: write(token.pointee.format, source))
            case .value: unsafe put(token.pointee.format.pieces.pointer(0), source, &out)
            }
        }
    }

    // HOT: per field.
    private mutating func put(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource, _ out: inout TextBuffer) {
        switch unsafe evaluate(piece, source) {
        case .missing: out.put(UInt8(0xc0))
        // `:status` is a header, and headers are strings.
        case .number(let number) where unsafe piece.pointee.op == .responseHeader:
            var digits = DecimalText(number)
            out.put(string: digits.bytes())
        case .number(let number): out.put(integer: number)
        case .negative(let magnitude): out.put(negative: magnitude)
        case .text(let bytes): out.put(packed: bytes)
        case .json(let bytes): MessagePackJSON.convert(bytes, into: &out)
        }
    }
}

extension TextBuffer {
    /// A string; what is not UTF-8 is taken for Latin-1, as in JSON.
    mutating func put(packed bytes: Bytes) {
        if JSONString.isUTF8(bytes) { return put(string: bytes) }
        var length = bytes.count
        for i in 0..<bytes.count where bytes[i] >= 0x80 { length &+= 1 }
        put(stringOf: length)
        for i in 0..<bytes.count {
            let byte = bytes[i]
            if byte < 0x80 {
                put(byte)
            } else {
                put(0xc0 | byte >> 6)
                put(0x80 | byte & 0x3f)
            }
        }
    }
}
