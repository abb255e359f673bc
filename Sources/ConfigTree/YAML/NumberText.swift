/// Numbers as YAML and JSON write them, read as Envoy reads them.
enum NumberText {
    /// A whole number: decimal, `0x` hexadecimal or `0` octal as yaml-cpp takes them when the scalar is plain, or a decimal
    /// fraction or exponent whose value is whole (`5.0`, `1e3`), as protobuf's JSON takes them.
    static func integer(_ text: String, isPlain: Bool) -> Integer? {
        if let value = decimal(text) { return isPlain ? octal(text) ?? value : value }
        if isPlain, let value = hexadecimal(text) { return value }
        guard isJSON(text), let value = Double(text), value.rounded(.towardZero) == value else { return nil }
        return value.magnitude < 9e15 ? Int64(exactly: value).map(Integer.init) : .outOfRange
    }

    enum Integer: Equatable {
        case signed(Int64)
        /// Above Int64.max.
        case large(UInt64)
        case outOfRange

        init(_ value: Int64) { self = .signed(value) }
    }

    static func isJSON(_ text: String) -> Bool {
        var rest = Substring(text)
        if rest.first == "-" { rest = rest.dropFirst() }
        guard takeDigits(&rest) else { return false }
        if rest.first == "." {
            rest = rest.dropFirst()
            guard takeDigits(&rest) else { return false }
        }
        if rest.first == "e" || rest.first == "E" {
            rest = rest.dropFirst()
            if rest.first == "+" || rest.first == "-" { rest = rest.dropFirst() }
            guard takeDigits(&rest) else { return false }
        }
        return rest.isEmpty
    }

    private static func takeDigits(_ rest: inout Substring) -> Bool {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest[digits.endIndex...]
        return !digits.isEmpty
    }

    private static func decimal(_ text: String) -> Integer? {
        let digits = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : Substring(text)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        if let value = Int64(text) { return .signed(value) }
        return UInt64(text).map { .large($0) } ?? .outOfRange
    }

    private static func octal(_ text: String) -> Integer? {
        guard text.utf8.count > 1, text.hasPrefix("0") else { return nil }
        return Int64(text, radix: 8).map(Integer.init)
    }

    private static func hexadecimal(_ text: String) -> Integer? {
        guard text.hasPrefix("0x") || text.hasPrefix("0X") else { return nil }
        let digits = text.dropFirst(2)
        guard !digits.isEmpty, digits.allSatisfy(\.isHexDigit) else { return nil }
        return Int64(digits, radix: 16).map(Integer.init) ?? .outOfRange
    }
}
