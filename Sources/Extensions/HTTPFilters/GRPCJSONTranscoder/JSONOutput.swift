// JSON text as it is put together: commas, and line ends where they are wanted.

struct JSONOutput {
    var bytes: [UInt8] = []
    /// Why it could not be put together.
    private(set) var failure = "unexpected EOF"
    var isUnknownType = false
    private let isPretty: Bool
    private var depth = 0
    /// Something stands in the object or list that is open.
    private var hasItems = false
    private var followsKey = false

    init(isPretty: Bool) { self.isPretty = isPretty }

    /// Always false.
    mutating func fail(_ why: String) -> Bool {
        failure = why
        return false
    }

    mutating func open(_ bracket: Unicode.Scalar) {
        followsKey = false
        bytes.append(UInt8(ascii: bracket))
        depth += 1
        hasItems = false
    }

    mutating func close(_ bracket: Unicode.Scalar) {
        depth -= 1
        if hasItems { newLine() }
        bytes.append(UInt8(ascii: bracket))
        hasItems = true
    }

    /// Before each item of a list, and each key.
    mutating func item() {
        if hasItems { bytes.append(UInt8(ascii: ",")) }
        hasItems = true
        newLine()
    }

    mutating func key(_ name: ArraySlice<UInt8>) {
        item()
        string(name)
        colon()
    }

    /// A key with its quotes.
    mutating func rawKey(_ text: [UInt8]) {
        item()
        bytes += text
        colon()
    }

    private mutating func colon() {
        bytes.append(UInt8(ascii: ":"))
        if isPretty { bytes.append(0x20) }
    }

    private mutating func newLine() {
        guard isPretty else { return }
        bytes.append(0x0a)
        for _ in 0..<depth { bytes.append(0x20) }
    }

    /// Escaped as protobuf does: also what a browser could take for markup, and line ends of JavaScript.
    mutating func string(_ text: ArraySlice<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            switch scalar.value {
            case 0x22: bytes += Array("\\\"".utf8)
            case 0x5c: bytes += Array("\\\\".utf8)
            case 8: bytes += Array("\\b".utf8)
            case 9: bytes += Array("\\t".utf8)
            case 10: bytes += Array("\\n".utf8)
            case 12: bytes += Array("\\f".utf8)
            case 13: bytes += Array("\\r".utf8)
            case 0..<0x20, 0x3c, 0x3e, 0x7f..<0xa0, 0xad, 0x2028, 0x2029, 0xfeff:
                let hex = String(scalar.value, radix: 16)
                bytes += Array("\\u".utf8) + Array(String(repeating: "0", count: max(0, 4 - hex.utf8.count)).utf8) + Array(hex.utf8)
            default: bytes += Array(String(Character(scalar)).utf8)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func base64(_ content: ArraySlice<UInt8>) {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        bytes.append(UInt8(ascii: "\""))
        var at = content.startIndex
        while at < content.endIndex {
            let count = min(3, content.endIndex - at)
            var group = UInt32(content[at]) << 16
            if count > 1 { group |= UInt32(content[at + 1]) << 8 }
            if count > 2 { group |= UInt32(content[at + 2]) }
            for i in 0..<4 {
                bytes.append(i <= count ? letters[Int(group >> UInt32(18 - 6 * i) & 63)] : UInt8(ascii: "="))
            }
            at += 3
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
