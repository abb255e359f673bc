/// A small JSON value with a stable, readable text: golden files are read by people and by `git diff`.
package indirect enum JSON: Sendable, Equatable {
    case string(String)
    /// A number, `true`, `false` or `null`, as it is written.
    case bare(String)
    case array([JSON])
    /// In order.
    case object([(name: String, value: JSON)])

    package static func == (left: JSON, right: JSON) -> Bool { left.text() == right.text() }

    package subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The same with the members of all objects in order of their names.
    package var sorted: JSON {
        switch self {
        case .string, .bare: self
        case .array(let items): .array(items.map(\.sorted))
        case .object(let members):
            .object(members.map { ($0.name, $0.value.sorted) }.sorted { $0.0 < $1.0 })
        }
    }

    package var string: String? { if case .string(let text) = self { text } else { nil } }
    package var array: [JSON]? { if case .array(let items) = self { items } else { nil } }
    package var members: [(name: String, value: JSON)]? {
        if case .object(let members) = self { members } else { nil }
    }

    package func text(indent: String = "") -> String {
        let inner = indent + "  "
        switch self {
        case .string(let text): return JSON.quoted(text)
        case .bare(let text): return text
        case .array(let items):
            if items.isEmpty { return "[]" }
            return "[\n" + items.map { inner + $0.text(indent: inner) }.joined(separator: ",\n") + "\n\(indent)]"
        case .object(let members):
            if members.isEmpty { return "{}" }
            let lines = members.map { inner + JSON.quoted($0.name) + ": " + $0.value.text(indent: inner) }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{20}"..."\u{7e}": result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            }
        }
        return result + "\""
    }

    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }

    package init(parsing text: String) throws {
        var reader = Reader(scalars: Array(text.unicodeScalars))
        self = try reader.value()
        reader.skipSpace()
        if reader.index < reader.scalars.count { throw reader.failure("the end") }
    }

    private struct Reader {
        let scalars: [Unicode.Scalar]
        var index = 0

        func failure(_ expected: String) -> Unreadable {
            Unreadable(description: "JSON, scalar \(index): expected \(expected)")
        }

        mutating func skipSpace() {
            while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
        }

        mutating func take(_ scalar: Unicode.Scalar) -> Bool {
            skipSpace()
            guard index < scalars.count, scalars[index] == scalar else { return false }
            index += 1
            return true
        }

        mutating func value() throws -> JSON {
            if take("{") {
                var members: [(name: String, value: JSON)] = []
                if take("}") { return .object(members) }
                repeat {
                    let name = try quoted()
                    guard take(":") else { throw failure("a colon") }
                    members.append((name, try value()))
                } while take(",")
                guard take("}") else { throw failure("}") }
                return .object(members)
            }
            if take("[") {
                var items: [JSON] = []
                if take("]") { return .array(items) }
                repeat { items.append(try value()) } while take(",")
                guard take("]") else { throw failure("]") }
                return .array(items)
            }
            skipSpace()
            if index < scalars.count, scalars[index] != "\"" { return .bare(try bareWord()) }
            return .string(try quoted())
        }

        mutating func bareWord() throws -> String {
            var text = String.UnicodeScalarView()
            while index < scalars.count, scalars[index].properties.isAlphabetic || "+-.0123456789".unicodeScalars.contains(scalars[index]) {
                text.append(scalars[index])
                index += 1
            }
            if text.isEmpty { throw failure("a value") }
            return String(text)
        }

        mutating func quoted() throws -> String {
            guard take("\"") else { throw failure("a string") }
            var text = String.UnicodeScalarView()
            while index < scalars.count {
                let scalar = scalars[index]
                index += 1
                if scalar == "\"" { return String(text) }
                guard scalar == "\\" else {
                    text.append(scalar)
                    continue
                }
                guard index < scalars.count else { break }
                let escape = scalars[index]
                index += 1
                switch escape {
                case "n": text.append("\n")
                case "r": text.append("\r")
                case "t": text.append("\t")
                case "u":
                    guard index + 4 <= scalars.count,
                        let code = UInt32(String(String.UnicodeScalarView(scalars[index..<index + 4])), radix: 16),
                        let decoded = Unicode.Scalar(code)
                    else { throw failure("four hexadecimal digits") }
                    text.append(decoded)
                    index += 4
                default: text.append(escape)
                }
            }
            throw failure("the end of a string")
        }
    }
}
