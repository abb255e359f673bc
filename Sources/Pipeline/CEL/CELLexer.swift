// Text → tokens of the Common Expression Language.

struct CELToken {
    enum Kind: Equatable {
        case identifier(String)
        /// `name` in backquotes: a field's name only.
        case quoted(String)
        case int(Int64)
        /// An integer's magnitude that only fits with a minus in front.
        case intMin
        case uint(UInt64)
        case double(Double)
        case string([UInt8])
        case bytes([UInt8])
        /// Operators, brackets, and the words `in`, `true`, `false`, `null`.
        case symbol(String)
        case end
    }
    var kind: Kind
    /// Offset of its first byte.
    var start: Int
}

struct CELLexer {
    private let text: [UInt8]
    private var place = 0

    init(_ text: [UInt8]) { self.text = text }

    /// `3:7` of line and column, counted from 1 in characters.
    static func position(_ offset: Int, in text: [UInt8]) -> String {
        let before = text[..<min(offset, text.count)]
        let line = before.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let column = (line.last ?? []).count { $0 & 0xc0 != 0x80 }
        return "\(max(line.count, 1)):\(column + 1)"
    }

    private func problem(_ message: String, at offset: Int) -> CELError {
        CELError("\(CELLexer.position(offset, in: text)): \(message)")
    }

    mutating func next() throws(CELError) -> CELToken {
        skipSpace()
        let start = place
        guard place < text.count else { return CELToken(kind: .end, start: start) }
        let byte = text[place]
        if CELLexer.isDigit(byte) || (byte == UInt8(ascii: ".") && CELLexer.isDigit(at(1))) { return try number() }
        if let kind = try literal() { return CELToken(kind: kind, start: start) }
        if CELLexer.beginsName(byte) {
            while place < text.count, CELLexer.isName(text[place]) { place += 1 }
            let name = String(decoding: text[start..<place], as: UTF8.self)
            let isWord = ["in", "true", "false", "null"].contains(name)
            return CELToken(kind: isWord ? .symbol(name) : .identifier(name), start: start)
        }
        if byte == UInt8(ascii: "`") { return try quoted() }
        for symbol in CELLexer.symbols where text[place...].starts(with: symbol.utf8) {
            place += symbol.utf8.count
            return CELToken(kind: .symbol(symbol), start: start)
        }
        throw problem("what stands here begins no token", at: start)
    }

    /// Longer ones first.
    private static let symbols = [
        "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}",
    ]

    private mutating func skipSpace() {
        while place < text.count {
            switch text[place] {
            case 0x09, 0x0a, 0x0c, 0x0d, 0x20: place += 1
            case UInt8(ascii: "/") where at(1) == UInt8(ascii: "/"):
                while place < text.count, text[place] != 0x0a { place += 1 }
            default: return
            }
        }
    }

    private func at(_ distance: Int) -> UInt8 { place + distance < text.count ? text[place + distance] : 0 }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    private static func beginsName(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "_") || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a) }
    private static func isName(_ byte: UInt8) -> Bool { beginsName(byte) || isDigit(byte) }

    private static func hex(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte) - 0x30
        case 0x41...0x46: UInt32(byte) - 0x37
        case 0x61...0x66: UInt32(byte) - 0x57
        default: nil
        }
    }

    private mutating func quoted() throws(CELError) -> CELToken {
        let start = place
        place += 1
        while place < text.count, CELLexer.isName(text[place]) || [0x2e, 0x2d, 0x2f, 0x20].contains(text[place]) { place += 1 }
        guard place < text.count, text[place] == UInt8(ascii: "`"), place > start + 1 else {
            throw problem("a name in backquotes has no end", at: start)
        }
        place += 1
        return CELToken(kind: .quoted(String(decoding: text[(start + 1)..<(place - 1)], as: UTF8.self)), start: start)
    }

    // MARK: Numbers

    private mutating func number() throws(CELError) -> CELToken {
        let start = place
        if text[place] == UInt8(ascii: "0"), at(1) == UInt8(ascii: "x"), CELLexer.hex(at(2)) != nil {
            place += 2
            while CELLexer.hex(at(0)) != nil { place += 1 }
            return try whole(String(decoding: text[(start + 2)..<place], as: UTF8.self), radix: 16, start)
        }
        while CELLexer.isDigit(at(0)) { place += 1 }
        var isWhole = true
        if at(0) == UInt8(ascii: "."), CELLexer.isDigit(at(1)) {
            isWhole = false
            place += 1
            while CELLexer.isDigit(at(0)) { place += 1 }
        }
        if at(0) | 0x20 == UInt8(ascii: "e") {
            let digits = at(1) == UInt8(ascii: "+") || at(1) == UInt8(ascii: "-") ? 2 : 1
            if CELLexer.isDigit(at(digits)) {
                isWhole = false
                place += digits
                while CELLexer.isDigit(at(0)) { place += 1 }
            }
        }
        let digits = String(decoding: text[start..<place], as: UTF8.self)
        if isWhole { return try whole(digits, radix: 10, start) }
        guard let value = Double(digits) else { throw problem("no number", at: start) }
        return CELToken(kind: .double(value), start: start)
    }

    private mutating func whole(_ digits: String, radix: Int, _ start: Int) throws(CELError) -> CELToken {
        if at(0) | 0x20 == UInt8(ascii: "u") {
            place += 1
            guard let value = UInt64(digits, radix: radix) else { throw problem("an unsigned number is larger than 64 bits", at: start) }
            return CELToken(kind: .uint(value), start: start)
        }
        if let value = Int64(digits, radix: radix) { return CELToken(kind: .int(value), start: start) }
        guard UInt64(digits, radix: radix) == Int64.min.magnitude else { throw problem("a number is larger than 64 bits", at: start) }
        return CELToken(kind: .intMin, start: start)
    }

    // MARK: Texts

    /// A text or bytes with their prefixes; nil: none begins here.
    private mutating func literal() throws(CELError) -> CELToken.Kind? {
        let start = place
        var isBytes = false
        var isRaw = false
        var open = place
        if text[open] | 0x20 == UInt8(ascii: "b") {
            isBytes = true
            open += 1
        }
        if open < text.count, text[open] | 0x20 == UInt8(ascii: "r") {
            isRaw = true
            open += 1
        }
        guard open < text.count, text[open] == UInt8(ascii: "'") || text[open] == UInt8(ascii: "\"") else { return nil }
        let quote = text[open]
        let isTriple = open + 2 < text.count && text[open + 1] == quote && text[open + 2] == quote
        place = open + (isTriple ? 3 : 1)
        var value: [UInt8] = []
        while place < text.count {
            let byte = text[place]
            if byte == quote, !isTriple || (at(1) == quote && at(2) == quote) {
                // The end of it would be escaped anywhere else: Envoy takes pairs only.
                guard !isRaw || value.reversed().prefix(while: { $0 == UInt8(ascii: "\\") }).count % 2 == 0 else {
                    throw problem("a raw text does not end in a backslash", at: start)
                }
                place += isTriple ? 3 : 1
                return isBytes ? .bytes(value) : .string(value)
            }
            if !isTriple, byte == 0x0a || byte == 0x0d { break }
            if byte == UInt8(ascii: "\\"), !isRaw {
                try escape(isBytes: isBytes, into: &value)
            } else {
                value.append(byte)
                place += 1
            }
        }
        place = start
        throw problem("a text has no end", at: start)
    }

    private mutating func escape(isBytes: Bool, into value: inout [UInt8]) throws(CELError) {
        let start = place
        let kind = at(1)
        place += 2
        switch kind {
        case UInt8(ascii: "a"): value.append(0x07)
        case UInt8(ascii: "b"): value.append(0x08)
        case UInt8(ascii: "f"): value.append(0x0c)
        case UInt8(ascii: "n"): value.append(0x0a)
        case UInt8(ascii: "r"): value.append(0x0d)
        case UInt8(ascii: "t"): value.append(0x09)
        case UInt8(ascii: "v"): value.append(0x0b)
        case UInt8(ascii: "\\"), UInt8(ascii: "?"), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "`"): value.append(kind)
        case UInt8(ascii: "x"), UInt8(ascii: "X"): try code(digits: 2, isBytes: isBytes, start, into: &value)
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            if isBytes { throw problem("bytes have no Unicode escapes", at: start) }
            try code(digits: kind == UInt8(ascii: "u") ? 4 : 8, isBytes: false, start, into: &value)
        case UInt8(ascii: "0")...UInt8(ascii: "3"):
            guard at(0) & 0xf8 == 0x30, at(1) & 0xf8 == 0x30 else { throw problem("an octal escape has three digits", at: start) }
            let number = UInt32(kind & 7) << 6 | UInt32(at(0) & 7) << 3 | UInt32(at(1) & 7)
            place += 2
            try put(number, isBytes: isBytes, start, into: &value)
        default: throw problem("no escape of a text", at: start)
        }
    }

    private mutating func code(digits: Int, isBytes: Bool, _ start: Int, into value: inout [UInt8]) throws(CELError) {
        var number: UInt32 = 0
        for _ in 0..<digits {
            guard let digit = CELLexer.hex(at(0)) else { throw problem("an escape has \(digits) hexadecimal digits", at: start) }
            number = number << 4 | digit
            place += 1
        }
        try put(number, isBytes: isBytes, start, into: &value)
    }

    private func put(_ number: UInt32, isBytes: Bool, _ start: Int, into value: inout [UInt8]) throws(CELError) {
        if isBytes { return value.append(UInt8(truncatingIfNeeded: number)) }
        guard let scalar = Unicode.Scalar(number) else { throw problem("an escape names no Unicode character", at: start) }
        value += Array(String(Character(scalar)).utf8)
    }
}
