/// Writes one tree. Fields come in the order of their numbers, as protobuf prints them.
struct JSONPrinter {
    private let schema: Schema
    private let isSecret: MessageJSON.IsSecret
    private let redacts: Bool
    private var level: Int
    /// Inside a field that is secret as a whole: strings and bytes at any depth are hidden.
    private var isHidden = false
    private(set) var text = ""

    init(_ schema: Schema, _ isSecret: @escaping MessageJSON.IsSecret, redacts: Bool, level: Int) {
        self.schema = schema
        self.isSecret = isSecret
        self.redacts = redacts
        self.level = level
    }

    mutating func message(_ message: TreeMessage) {
        switch schema.messages[message.type].form {
        case .duration: duration(message)
        case .wrapper: wrapper(message)
        case .structure: inner(message, "{}")
        case .listValue: inner(message, "[]")
        case .value: inner(message, "null")
        case .plain, .typedStruct, .any, .mapEntry: object(nil, message)
        }
    }

    mutating func any(_ any: TreeAny) {
        guard case .message(let content) = any.content else {
            if case .opaque(let bytes) = any.content, !any.url.isEmpty {
                braces("{", "}", [{ $0.member("@type", any.url) }, { $0.member("value", Base64.encode(bytes)) }])
            } else {
                text += "{}"
            }
            return
        }
        switch schema.messages[content.type].form {
        case .plain, .typedStruct: object(any.url, content)
        default:
            braces(
                "{", "}",
                [
                    { $0.member("@type", any.url) },
                    {
                        $0.key("value")
                        $0.message(content)
                    },
                ])
        }
    }

    // MARK: Objects

    private mutating func object(_ typeURL: String?, _ message: TreeMessage) {
        let known = schema.messages[message.type]
        var members: [(inout JSONPrinter) -> Void] = []
        if let typeURL { members.append { $0.member("@type", typeURL) } }
        let fields = message.fields.sorted { known.fields[$0.field].number < known.fields[$1.field].number }
        for field in fields {
            let schema = known.fields[field.field]
            if field.value.isDefault(of: schema) { continue }
            members.append { printer in
                printer.key(schema.name)
                let wasHidden = printer.isHidden
                printer.isHidden = wasHidden || printer.redacts && (schema.isSecret || printer.isSecret(known.name, schema.name))
                printer.value(field.value, schema.kind)
                printer.isHidden = wasHidden
            }
        }
        braces("{", "}", members)
    }

    private mutating func value(_ value: TreeValue, _ kind: FieldKind) {
        switch value {
        case .bits(let bits): integer(bits, kind)
        case .number(let number):
            text += kind == .float ? JSONText.number(Float(number)) : JSONText.number(number)
        case .text(let string): text += JSONText.quoted(hides(string.utf8) ? MessageJSON.redacted : string)
        case .bytes(let bytes): text += JSONText.quoted(hides(bytes) ? MessageJSON.redacted : Base64.encode(bytes))
        case .message(let message): self.message(message)
        case .any(let any): self.any(any)
        case .list(let elements):
            braces("[", "]", elements.map { element in { $0.value(element.value, kind) } })
        case .map(let entries): map(entries, kind)
        }
    }

    /// One text for a certificate and its key is common: it is hidden wherever it stands.
    private func hides(_ bytes: some Collection<UInt8>) -> Bool { isHidden || redacts && PrivateKeys.areIn(bytes) }

    private mutating func map(_ entries: [TreeEntry], _ kind: FieldKind) {
        guard case .message(let entry) = kind, let value = schema.messages[entry].field("value") else { return }
        braces(
            "{", "}",
            entries.sorted { $0.key < $1.key }.map { entry in
                {
                    $0.key(entry.key)
                    $0.value(entry.value, value.kind)
                }
            })
    }

    private mutating func integer(_ bits: UInt64, _ kind: FieldKind) {
        switch kind {
        case .bool: text += bits == 0 ? "false" : "true"
        case .uint64: text += "\"\(bits)\""
        case .int64: text += "\"\(Int64(bitPattern: bits))\""
        case .enumeration(let index):
            let number = Int32(truncatingIfNeeded: bits)
            text += schema.enums[index].name(number).map { JSONText.quoted($0) } ?? "\(number)"
        default: text += "\(Int64(bitPattern: bits))"
        }
    }

    // MARK: Messages with a form of their own

    private mutating func duration(_ message: TreeMessage) {
        let known = schema.messages[message.type]
        func part(_ name: String) -> Int64 {
            guard let index = known.byName[name], case .bits(let bits)? = message.value(index) else { return 0 }
            return Int64(bitPattern: bits)
        }
        text += JSONText.quoted(DurationText.render(part("seconds"), part("nanos")))
    }

    private mutating func wrapper(_ message: TreeMessage) {
        guard let index = schema.messages[message.type].byName["value"] else { return }
        let kind = schema.messages[message.type].fields[index].kind
        value(message.value(index) ?? schema.empty(kind), kind)
    }

    /// Struct, ListValue and Value are what their only field is.
    private mutating func inner(_ message: TreeMessage, _ empty: String) {
        guard let field = message.fields.first else {
            text += empty
            return
        }
        let known = schema.messages[message.type].fields[field.field]
        if known.name == "null_value" { text += "null" } else { value(field.value, known.kind) }
    }

    // MARK: Layout

    private mutating func braces(_ open: String, _ close: String, _ members: [(inout JSONPrinter) -> Void]) {
        text += open
        if members.isEmpty {
            text += close
            return
        }
        level += 1
        for (index, member) in members.enumerated() {
            text += index == 0 ? "\n" : ",\n"
            text += String(repeating: " ", count: level)
            member(&self)
        }
        level -= 1
        text += "\n" + String(repeating: " ", count: level) + close
    }

    private mutating func key(_ name: String) { text += JSONText.quoted(name) + ": " }

    private mutating func member(_ name: String, _ value: String) {
        key(name)
        text += JSONText.quoted(value)
    }
}
