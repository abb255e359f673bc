// JSON (RFC 8259) of a request's body, as a tree. Bounded in depth; its size is bounded by what the filter gathers.

indirect enum JSONValue {
    case null
    case bool(Bool)
    /// As it is written.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([(key: String, value: JSONValue)])
}

struct JSONParseError: Error { let message: String }

struct JSONParser {
    static let depthMax = 100
    private let bytes: ArraySlice<UInt8>
    private var at: Int

    /// One value, and nothing but space around it.
    static func parse(_ bytes: ArraySlice<UInt8>) throws(JSONParseError) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value(0)
        parser.skipSpace()
        guard parser.at == bytes.endIndex else { throw JSONParseError(message: "Parsing terminated before end of input.") }
        return value
    }

    private init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    private var next: UInt8? { at < bytes.endIndex ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { at += 1 }
    }

    private func failed(_ message: String) -> JSONParseError { JSONParseError(message: message) }

    private mutating func value(_ depth: Int) throws(JSONParseError) -> JSONValue {
        guard depth < JSONParser.depthMax else { throw failed("Message too deep. Max recursion depth reached.") }
        skipSpace()
        switch next {
        case nil: throw failed("Unexpected end of string. Expected a value.")
        case UInt8(ascii: "{"): return try object(depth)
        case UInt8(ascii: "["): return try array(depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case let byte?:
            guard byte == UInt8(ascii: "-") || byte &- 0x30 < 10 else { throw failed("Expected a value.") }
            return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(JSONParseError) -> JSONValue {
        for byte in text.utf8 {
            guard next == byte else { throw failed("Expected a value.") }
            at += 1
        }
        return value
    }

    private mutating func number() throws(JSONParseError) -> JSONValue {
        let start = at
        if next == UInt8(ascii: "-") { at += 1 }
        let first = at
        digits()
        guard at > first else { throw failed("Unable to parse number.") }
        if at - first > 1, bytes[first] == UInt8(ascii: "0") { throw failed("Octal/hex numbers are not valid JSON values.") }
        if next == UInt8(ascii: ".") {
            at += 1
            let fraction = at
            digits()
            guard at > fraction else { throw failed("Unable to parse number.") }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            at += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
            let exponent = at
            digits()
            guard at > exponent else { throw failed("Unable to parse number.") }
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        guard ScalarText.double(text) != nil else { throw failed("Number exceeds the range of double.") }
        return .number(text)
    }

    private mutating func digits() { while let byte = next, byte &- 0x30 < 10 { at += 1 } }

    private mutating func array(_ depth: Int) throws(JSONParseError) -> JSONValue {
        at += 1
        var items: [JSONValue] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            at += 1
            return .array(items)
        }
        while true {
            skipSpace()
            // Envoy's parser lets a comma stand in front of the bracket.
            if next == UInt8(ascii: "]"), !items.isEmpty {
                at += 1
                return .array(items)
            }
            items.append(try value(depth + 1))
            skipSpace()
            switch next {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "]"):
                at += 1
                return .array(items)
            default: throw failed("Expected , or ] after array value.")
            }
        }
    }

    private mutating func object(_ depth: Int) throws(JSONParseError) -> JSONValue {
        at += 1
        var entries: [(key: String, value: JSONValue)] = []
        skipSpace()
        if next == UInt8(ascii: "}") {
            at += 1
            return .object(entries)
        }
        while true {
            skipSpace()
            if next == UInt8(ascii: "}"), !entries.isEmpty {
                at += 1
                return .object(entries)
            }
            guard next == UInt8(ascii: "\"") else { throw failed("Expected an object key or }.") }
            let key = try string()
            skipSpace()
            guard next == UInt8(ascii: ":") else { throw failed("Expected : between key:value pair.") }
            at += 1
            entries.append((key, try value(depth + 1)))
            skipSpace()
            switch next {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "}"):
                at += 1
                return .object(entries)
            default: throw failed("Expected , or } after key:value pair.")
            }
        }
    }

    // MARK: Strings

    private mutating func string() throws(JSONParseError) -> String {
        at += 1
        var text: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self) else { throw failed("Encountered non UTF-8 code points.") }
                return valid
            case UInt8(ascii: "\\"): try escape(&text)
            case 0..<0x20: throw failed("Invalid control character in string.")
            default: text.append(byte)
            }
        }
        throw failed("Closing quote expected in string.")
    }

    private mutating func escape(_ text: inout [UInt8]) throws(JSONParseError) {
        guard let byte = next else { throw failed("Closing quote expected in string.") }
        at += 1
        switch byte {
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "u"):
            var code = try hex()
            if code >= 0xd800, code < 0xdc00 {
                guard next == UInt8(ascii: "\\") else { throw failed("Invalid unicode code point.") }
                at += 1
                guard next == UInt8(ascii: "u") else { throw failed("Invalid unicode code point.") }
                at += 1
                let low = try hex()
                guard low >= 0xdc00, low < 0xe000 else { throw failed("Invalid unicode code point.") }
                code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw failed("Invalid unicode code point.") }
            text += Array(String(Character(scalar)).utf8)
        default: throw failed("Invalid escape sequence.")
        }
    }

    private mutating func hex() throws(JSONParseError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = JSONParser.hexValue(byte) else { throw failed("Invalid escape sequence.") }
            code = code << 4 | UInt32(digit)
            at += 1
        }
        return code
    }

    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- 0x30
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- 87
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- 55
        default: nil
        }
    }
}
