/// One scalar → the value of a field.
extension TreeReader {
    /// What yaml-cpp, and so Envoy, takes for a boolean in a plain scalar.
    private static let booleans: [String: Bool] = {
        var words: [String: Bool] = [:]
        for (word, value) in [
            ("true", true), ("yes", true), ("on", true), ("y", true), ("false", false), ("no", false), ("off", false),
            ("n", false),
        ] {
            words[word] = value
            words[word.uppercased()] = value
            words[word.prefix(1).uppercased() + word.dropFirst()] = value
        }
        return words
    }()

    mutating func scalar(_ node: Int, _ kind: FieldKind) -> TreeValue? {
        guard case .scalar(let text, let isPlain) = document[node].content else {
            refuseKind(node, kind == .string || kind == .bytes ? "\"" : "0", TreeReader.describe(kind, schema))
            return nil
        }
        switch kind {
        case .bool: return bool(node, text, isPlain)
        case .int32: return integer(node, text, isPlain, Int64(Int32.min)...Int64(Int32.max), kind)
        case .uint32: return integer(node, text, isPlain, 0...Int64(UInt32.max), kind)
        case .int64: return integer(node, text, isPlain, Int64.min...Int64.max, kind)
        case .uint64: return integer(node, text, isPlain, 0...Int64.max, kind)
        case .float, .double: return number(node, text, isPlain, kind)
        case .string: return string(node, text, isPlain)
        case .bytes: return bytes(node, text, isPlain)
        case .enumeration(let index): return enumeration(node, text, isPlain, schema.enums[index])
        case .message: return nil
        }
    }

    static func describe(_ kind: FieldKind, _ schema: Schema) -> String {
        switch kind {
        case .bool: "true or false"
        case .int32, .int64: "a whole number"
        case .uint32, .uint64: "a whole number, 0 or more"
        case .float, .double: "a number"
        case .string: "a string"
        case .bytes: "bytes in base64"
        case .message(let index): "the fields of " + schema.messages[index].name
        case .enumeration(let index): describe(schema.enums[index])
        }
    }

    static func describe(_ known: EnumSchema) -> String {
        let names = known.values.map(\.name)
        return names.count > 20 ? "a value of \(known.name)" : "one of " + names.joined(separator: ", ")
    }

    func boolean(_ text: String, _ isPlain: Bool) -> Bool? {
        guard isPlain else { return nil }
        return isJSON ? Bool(text) : TreeReader.booleans[text]
    }

    private mutating func bool(_ node: Int, _ text: String, _ isPlain: Bool) -> TreeValue? {
        if let value = boolean(text, isPlain) { return .bits(value ? 1 : 0) }
        let meant = TreeReader.booleans[text]
        refuse(
            document[node].mark, "expected 'true' or 'false'",
            found: isPlain || meant == nil ? quoted(text) : "the string \"\(text)\"",
            suggestion: meant.map { "write \($0) without quotes" })
        return nil
    }

    private mutating func integer(
        _ node: Int, _ text: String, _ isPlain: Bool, _ range: ClosedRange<Int64>, _ kind: FieldKind
    ) -> TreeValue? {
        let expected = TreeReader.describe(kind, schema)
        switch NumberText.integer(text, isPlain: isPlain && !isJSON) {
        case .signed(let value) where range.contains(value): return .bits(UInt64(bitPattern: value))
        case .large(let value) where kind == .uint64: return .bits(value)
        case nil:
            refuse(document[node].mark, "invalid number: \(quoted(text))", found: quoted(text), expected: expected)
        default:
            let limits = kind == .uint64 ? "0 to \(UInt64.max)" : "\(range.lowerBound) to \(range.upperBound)"
            refuse(
                document[node].mark, "integer out of range: \(text.prefix(60))", found: String(text.prefix(60)),
                expected: "a whole number from \(limits)")
        }
        return nil
    }

    private mutating func number(_ node: Int, _ text: String, _ isPlain: Bool, _ kind: FieldKind) -> TreeValue? {
        if ["NaN", "Infinity", "-Infinity"].contains(text), let value = Double(text) { return .number(value) }
        var value: Double?
        if NumberText.isJSON(text) {
            value = Double(text)
        } else if case .signed(let whole)? = NumberText.integer(text, isPlain: isPlain) {
            value = Double(whole)
        }
        guard let value, value.isFinite, kind == .double || Float(value).isFinite else {
            refuse(
                document[node].mark, "invalid number: \(quoted(text))", found: quoted(text), expected: "a number")
            return nil
        }
        return .number(value)
    }

    private mutating func string(_ node: Int, _ text: String, _ isPlain: Bool) -> TreeValue? {
        guard isPlain else { return .text(text) }
        // Envoy's YAML reader makes numbers and booleans of these before it knows that a string is wanted, and then refuses
        // them; a fraction or a date stays a string.
        let isOther = isJSON ? true : boolean(text, true) != nil || isWhole(text)
        if !isOther { return .text(text) }
        refuse(
            document[node].mark, "unexpected character: '\(text.first ?? " ")'; expected '\"'", found: text,
            expected: "a string", suggestion: "put it in quotes: \"\(text)\"")
        return nil
    }

    private func isWhole(_ text: String) -> Bool {
        if text.contains("e") || text.contains("E") || text.contains("."), !text.hasPrefix("0x") { return false }
        if case .signed? = NumberText.integer(text, isPlain: true) { return true }
        return false
    }

    private mutating func bytes(_ node: Int, _ text: String, _ isPlain: Bool) -> TreeValue? {
        if let bytes = Base64.decode(text) { return .bytes(bytes) }
        refuse(document[node].mark, "invalid base64", found: quoted(text), expected: "bytes in base64")
        return nil
    }

    private mutating func enumeration(
        _ node: Int, _ text: String, _ isPlain: Bool, _ schema: EnumSchema
    ) -> TreeValue? {
        if let number = schema.number(text) { return .bits(UInt64(bitPattern: Int64(number))) }
        if case .signed(let number)? = NumberText.integer(text, isPlain: isPlain), let number = Int32(exactly: number) {
            return .bits(UInt64(bitPattern: Int64(number)))
        }
        let names = schema.values.map(\.name)
        let near = Spelling.nearest(text.uppercased(), names) { $0.uppercased() }
        refuse(
            document[node].mark, "unknown enum value: \(quoted(text))", found: quoted(text),
            expected: TreeReader.describe(schema),
            suggestion: near.map { "did you mean \($0)?" })
        return nil
    }
}
