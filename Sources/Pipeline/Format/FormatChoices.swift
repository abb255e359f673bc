// `%COALESCE({"operators": ["UPSTREAM_HOST", {"command": "REQ", "param": "x-a", "max_length": 8}]})%`: the first of several
// operators that has a value. Grammar and errors are Envoy 1.40's.

import Primitives

extension FormatWriter {
    // HOT: per field.
    /// `asText`: in a line of text, or not alone in a value of JSON. There an expression's value is another one.
    @inline(__always)
    mutating func evaluate(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource, asText: Bool) -> FormatValue {
        switch unsafe piece.pointee.op {
        case .expression: unsafe expression(piece, source, asText: asText)
        case .coalesce: unsafe coalesce(piece, source, asText: asText).cut(piece.pointee.length)
        default: unsafe evaluate(piece, source)
        }
    }

    // HOT: per field.
    mutating func coalesce(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource, asText: Bool) -> FormatValue {
        guard let choices = unsafe piece.pointee.choices else { return .missing }
        for i in unsafe 0..<piece.pointee.choiceCount {
            let isExpression = unsafe choices[i].op == .expression
            let value = unsafe evaluate(choices + i, source, asText: asText)
            switch value {
            case .missing: continue
            // An expression's empty text is a value (Envoy).
            case .text where isExpression: return value
            case .text(let bytes) where bytes.isEmpty: continue
            default: return value
            }
        }
        return .missing
    }
}

extension FormatOperatorCompiler {
    func choices(_ piece: inout FormatPiece) throws(FormatError) {
        var reader = ChoiceReader(Array((token.argument ?? "").utf8))
        guard let json = reader.whole() else {
            throw FormatError("COALESCE: failed to parse JSON configuration: JSON supplied is not valid.")
        }
        guard case .object(let members) = json, let operators = members.last(where: { $0.name == "operators" })?.value else {
            throw FormatError("COALESCE: JSON configuration must contain 'operators' array")
        }
        guard case .list(let entries) = operators else { throw FormatError("COALESCE: 'operators' must be an array") }
        if entries.isEmpty { throw FormatError("COALESCE: 'operators' array must not be empty") }
        var pieces: [FormatPiece] = []
        for (i, entry) in entries.enumerated() {
            do {
                pieces.append(try FormatOperatorCompiler(arena: arena, token: try choice(entry), compiler: compiler.plain).compile())
            } catch {
                throw FormatError("COALESCE: failed to parse operator at index \(i): \(error.description)")
            }
        }
        let frozen = arena.array(pieces)
        unsafe piece.choices = unsafe frozen.pointer(0)
        piece.choiceCount = frozen.count
    }

    private func choice(_ entry: ChoiceReader.Value) throws(FormatError) -> FormatToken {
        var token = FormatToken()
        switch entry {
        case .string(let name): token.name = name
        case .object(let members):
            func member(_ name: String) -> ChoiceReader.Value? { members.last { $0.name == name }?.value }
            guard case .string(let name) = member("command") else {
                throw FormatError("operator object must have 'command' field")
            }
            token.name = name
            switch member("param") {
            case nil: break
            case .string(let text): token.argument = text
            default: throw FormatError("'param' field must be a string")
            }
            switch member("max_length") {
            case nil: break
            case .integer(let length):
                guard length > 0 else { throw FormatError("'max_length' must be a positive integer") }
                token.length = length
            default: throw FormatError("'max_length' field must be an integer")
            }
        default:
            throw FormatError("operator entry must be either a string (command name) or an object with 'command' field")
        }
        guard FormatOperator.rule(token.name) != nil, FormatOperator.extended[token.name] == nil else {
            throw FormatError("unknown command: '\(token.name)'")
        }
        return token
    }
}

/// As much of JSON (RFC 8259) as a list of operators needs; main thread, at most `depthMax` deep.
struct ChoiceReader {
    indirect enum Value {
        case string(String), integer(Int), object([(name: String, value: Value)]), list([Value]), other
    }

    private static let depthMax = 16
    private let text: [UInt8]
    private var at = 0

    init(_ text: [UInt8]) { self.text = text }

    /// Nil: it is none, or something follows.
    mutating func whole() -> Value? {
        guard let value = value(0) else { return nil }
        skip()
        return at == text.count ? value : nil
    }

    private mutating func skip() {
        while at < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[at]) { at += 1 }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skip()
        guard at < text.count, text[at] == UInt8(ascii: byte) else { return false }
        at += 1
        return true
    }

    private mutating func value(_ depth: Int) -> Value? {
        guard depth < ChoiceReader.depthMax else { return nil }
        skip()
        guard at < text.count else { return nil }
        switch text[at] {
        case UInt8(ascii: "\""): return string().map { .string($0) }
        case UInt8(ascii: "{"): return object(depth)
        case UInt8(ascii: "["): return list(depth)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return number()
        default:
            for word in ["true", "false", "null"] where text[at...].starts(with: word.utf8) {
                at += word.utf8.count
                return .other
            }
            return nil
        }
    }

    private mutating func object(_ depth: Int) -> Value? {
        guard take("{") else { return nil }
        var members: [(name: String, value: Value)] = []
        if take("}") { return .object(members) }
        repeat {
            skip()
            guard let name = string(), take(":"), let value = value(depth + 1) else { return nil }
            members.append((name, value))
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func list(_ depth: Int) -> Value? {
        guard take("[") else { return nil }
        var values: [Value] = []
        if take("]") { return .list(values) }
        repeat {
            guard let value = value(depth + 1) else { return nil }
            values.append(value)
        } while take(",")
        return take("]") ? .list(values) : nil
    }

    private mutating func number() -> Value? {
        let start = at
        while at < text.count, "-+.eE0123456789".utf8.contains(text[at]) { at += 1 }
        let digits = String(decoding: text[start..<at], as: UTF8.self)
        if let integer = Int(digits) { return .integer(integer) }
        return Double(digits) == nil ? nil : .other
    }

    private mutating func string() -> String? {
        guard at < text.count, text[at] == UInt8(ascii: "\"") else { return nil }
        at += 1
        var bytes: [UInt8] = []
        while at < text.count {
            let byte = text[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard at < text.count else { return nil }
                let escaped = text[at]
                at += 1
                guard let i = "\"\\/bfnrt".utf8.firstIndex(of: escaped) else { return nil }
                let plain: [UInt8] = [0x22, 0x5c, 0x2f, 8, 12, 10, 13, 9]
                bytes.append(plain["\"\\/bfnrt".utf8.distance(from: "\"\\/bfnrt".utf8.startIndex, to: i)])
            case 0..<0x20: return nil
            default: bytes.append(byte)
            }
        }
        return nil
    }
}
