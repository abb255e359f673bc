/// Does a message tree satisfy the constraints of `Protos/`? One pass for YAML, JSON and binary input, after merging.
struct TreeCheck {
    private let schema: Schema
    private let files: [String]
    private(set) var problems: [ConfigError] = []
    private var path = ConfigPath()
    /// Below a field that is a secret: no error quotes what stands there.
    private(set) var isHidden = false

    init(_ schema: Schema, files: [String]) {
        self.schema = schema
        self.files = files
    }

    mutating func message(_ message: TreeMessage) {
        let known = schema.messages[message.type]
        for field in message.fields { present(field, known.fields[field.field]) }
        // What is missing from a message that could not be read in full was perhaps what could not be read.
        if message.isIncomplete { return }
        for index in known.checkedWhenAbsent where !message.fields.contains(where: { $0.field == index }) {
            absent(known.fields[index], message.mark)
        }
        for oneof in known.oneofs where oneof.isRequired && !message.fields.contains(where: { oneof.fields.contains($0.field) }) {
            let names = oneof.fields.map { known.fields[$0].name }
            refuse(
                message.mark, "field: \"\(oneof.name)\", reason: is required", found: "none of them",
                expected: names.count == 1 ? "'\(names[0])'" : "one of " + names.joined(separator: ", "))
        }
    }

    // MARK: Fields

    private mutating func present(_ field: TreeField, _ known: FieldSchema) {
        let wasHidden = isHidden
        isHidden = wasHidden || known.isSecret
        path.components.append(.field(known.name))
        defer {
            path.components.removeLast()
            isHidden = wasHidden
        }
        let rules = known.rules
        switch field.value {
        case .list(let elements):
            items(elements, rules, field.keyMark)
            for (index, element) in elements.enumerated() {
                path.components.append(.index(index))
                value(element.value, rules.element ?? Rules(), known.kind, element.mark)
                path.components.removeLast()
            }
        case .map(let entries):
            pairs(entries.count, rules, field.mark)
            for entry in entries {
                path.components.append(.key(isHidden ? MessageJSON.redacted : entry.key))
                if let rules = rules.element { text(entry.key, rules, entry.keyMark, isMissing: false) }
                value(entry.value, Rules(), known.kind, entry.mark)
                path.components.removeLast()
            }
        default: value(field.value, rules, known.kind, field.mark)
        }
    }

    /// proto3 has no absence for single values: a missing one is checked as its default.
    private mutating func absent(_ field: FieldSchema, _ mark: Mark) {
        let rules = field.rules
        path.components.append(.field(field.name))
        defer { path.components.removeLast() }
        if field.isMap {
            pairs(0, rules, mark)
        } else if field.isRepeated {
            items([], rules, mark)
        } else if case .message = field.kind {
            if rules.isRequired { refuse(mark, "value is required", found: "nothing", expected: describe(field)) }
        } else {
            value(schema.empty(field.kind), rules, field.kind, mark, isMissing: true)
        }
    }

    private func describe(_ field: FieldSchema) -> String {
        guard let type = field.messageIndex else { return "a value" }
        return schema.messages[type].form == .duration
            ? "a duration such as 0.25s" : TreeReader.describe(field.kind, schema)
    }

    // MARK: Values

    private mutating func value(
        _ value: TreeValue, _ rules: Rules, _ kind: FieldKind, _ mark: Mark, isMissing: Bool = false
    ) {
        switch value {
        case .bits(let bits):
            switch kind {
            case .bool: bool(bits != 0, rules, mark)
            case .enumeration(let index):
                enumeration(Int32(truncatingIfNeeded: bits), rules, schema.enums[index], mark, isMissing)
            case .uint64, .uint32: number(Double(bits), rules, mark, isMissing: isMissing)
            default: number(Double(Int64(bitPattern: bits)), rules, mark, isMissing: isMissing)
            }
        case .number(let value): number(value, rules, mark, isMissing: isMissing)
        case .text(let value): text(value, rules, mark, isMissing: isMissing)
        case .bytes(let value): bytes(value, rules, mark)
        case .message(let value): embedded(value, rules, mark)
        case .any(let any):
            switch any.content {
            case .message(let content): message(content)
            case .opaque: if !any.url.isEmpty { refuseType(any.url, mark) }
            }
        case .list, .map: break
        }
    }

    private mutating func embedded(_ value: TreeMessage, _ rules: Rules, _ mark: Mark) {
        if rules.isSkipped { return }
        switch schema.messages[value.type].form {
        case .duration:
            guard let seconds = seconds(value) else { return }
            number(seconds, rules, mark, unit: "s")
        case .wrapper:
            // The rules of the field are those of the wrapped value.
            guard let index = schema.messages[value.type].byName["value"] else { return }
            let kind = schema.messages[value.type].fields[index].kind
            self.value(value.value(index) ?? schema.empty(kind), rules, kind, mark)
        case .structure, .value, .listValue: break
        default: message(value)
        }
    }

    /// Only binary input comes here with a type that the schema lacks.
    private mutating func refuseType(_ url: String, _ mark: Mark) {
        let explanation = schema.missingType(url, withSuggestion: problems.count < ProblemLimits.suggestionsMax)
        refuse(
            mark, explanation.message, found: explanation.found, expected: explanation.expected,
            suggestion: explanation.suggestion)
    }

    private func seconds(_ duration: TreeMessage) -> Double? {
        var parts: [Int64] = []
        for name in ["seconds", "nanos"] {
            guard let index = schema.messages[duration.type].byName[name] else { return nil }
            if case .bits(let bits)? = duration.value(index) { parts.append(Int64(bitPattern: bits)) } else { parts.append(0) }
        }
        return DurationText.seconds(parts[0], parts[1])
    }

    private mutating func bool(_ value: Bool, _ rules: Rules, _ mark: Mark) {
        guard let constant = rules.constant, constant != value else { return }
        refuse(mark, "value must equal \(constant)", found: isHidden ? MessageJSON.redacted : "\(value)", expected: "\(constant)")
    }

    private mutating func enumeration(
        _ value: Int32, _ rules: Rules, _ known: EnumSchema, _ mark: Mark, _ isMissing: Bool
    ) {
        if rules.definedOnly, known.name(value) == nil {
            let expected = TreeReader.describe(known)
            refuse(mark, "value must be one of the defined enum values", found: isHidden ? MessageJSON.redacted : "\(value)", expected: expected)
        }
        if rules.notIn.contains(value) {
            let names = rules.notIn.map { known.name($0) ?? "\($0)" }.joined(separator: ", ")
            refuse(
                mark, "value must not be in list [\(names)]", found: isMissing ? "nothing" : known.name(value) ?? "\(value)")
        }
    }

    private mutating func pairs(_ count: Int, _ rules: Rules, _ mark: Mark) {
        guard count < rules.itemsMin else { return }
        refuse(
            mark, "value must contain at least \(rules.itemsMin) pair(s)", found: count == 0 ? "none" : "\(count)",
            expected: "\(rules.itemsMin) or more")
    }

    private mutating func items(_ elements: [TreeElement], _ rules: Rules, _ mark: Mark) {
        let count = elements.count
        if count < rules.itemsMin {
            refuse(
                mark, "value must contain at least \(rules.itemsMin) item(s)", found: count == 0 ? "none" : "\(count)",
                expected: "\(rules.itemsMin) or more")
        }
        if count > rules.itemsMax {
            refuse(
                mark, "value must contain no more than \(rules.itemsMax) item(s)", found: "\(count)",
                expected: "\(rules.itemsMax) or fewer")
        }
        if rules.isUnique, let double = firstDouble(elements) {
            path.components.append(.index(double))
            refuse(elements[double].mark, "repeated value must contain unique items", found: "the same value twice")
            path.components.removeLast()
        }
    }

    private func firstDouble(_ elements: [TreeElement]) -> Int? {
        var seen = Set<String>()
        return elements.firstIndex { element in
            switch element.value {
            case .text(let text): !seen.insert(text).inserted
            case .number(let number): !seen.insert(number.description).inserted
            default: false
            }
        }
    }

    mutating func refuse(
        _ mark: Mark, _ message: String, found: String? = nil, expected: String? = nil, suggestion: String? = nil
    ) {
        guard problems.count < ProblemLimits.problemsMax else { return }
        let file = files.indices.contains(Int(mark.file)) ? files[Int(mark.file)] : ""
        problems.append(
            ConfigError(
                file: file, line: Int(mark.line), column: Int(mark.column), path: path.description, message: message,
                found: found, expected: expected, suggestion: suggestion))
    }
}
