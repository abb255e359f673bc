/// YAML nodes → message tree, driven by the schema. Collects every mistake of shape (unknown fields, wrong types, bad
/// numbers, oneofs set twice); what the values must satisfy is `TreeCheck`'s.
///
/// Accepts what Envoy accepts: names in snake_case and camelCase, enum names in any case and as numbers, numbers in quotes,
/// one value where a list is expected, `null` for "not set".
struct TreeReader {
    /// One message that is being read: for hints where a misplaced block belongs.
    struct Level {
        let type: Int
        let pairs: [YAMLNode.Pair]
        let depth: Int
        /// A field of this message was found elsewhere: it is not missing as well.
        var isIncomplete = false
        /// The same for the messages in these fields.
        var incompleteFields: Set<Int> = []
    }

    let schema: Schema
    let document: YAMLDocument
    let files: [String]
    let isJSON: Bool
    var unknownFields = ConfigError.Severity.error
    var problems: [ConfigError] = []
    var path = ConfigPath()
    var levels: [Level] = []
    /// Below a field that is a secret: no error quotes what stands there.
    var isHidden = false

    init(_ schema: Schema, _ document: YAMLDocument, files: [String], isJSON: Bool) {
        self.schema = schema
        self.document = document
        self.files = files
        self.isJSON = isJSON
    }

    // MARK: Messages

    mutating func message(_ node: Int, _ type: Int) -> TreeMessage? {
        switch schema.messages[type].form {
        case .plain, .typedStruct: return plain(node, type)
        case .duration: return duration(node, type)
        case .wrapper: return wrapper(node, type)
        case .structure: return structure(node, type)
        case .value: return value(node, type)
        case .listValue: return listValue(node, type)
        case .any, .mapEntry: return nil  // read where their field is
        }
    }

    private mutating func plain(_ node: Int, _ type: Int) -> TreeMessage? {
        guard case .mapping(let pairs) = document[node].content else {
            // A secret may have been written where the message around it belongs.
            let wasHidden = isHidden
            isHidden = wasHidden || schema.messages[type].isAboutSecrets
            refuseKind(node, "{", "the fields of " + schema.messages[type].name)
            isHidden = wasHidden
            return nil
        }
        return fields(pairs, type, document[node].mark)
    }

    mutating func fields(_ pairs: [YAMLNode.Pair], _ type: Int, _ mark: Mark) -> TreeMessage {
        levels.append(Level(type: type, pairs: pairs, depth: path.components.count))
        var message = TreeMessage(type: type, mark: mark)
        var isSet = Set<Int>()
        for pair in pairs {
            guard let index = schema.messages[type].byName[pair.key] else {
                refuseUnknown(pair, type)
                // What is only warned of is left out, and then what it should have been may be missing.
                if unknownFields == .error { message.isIncomplete = true }
                continue
            }
            let field = schema.messages[type].fields[index]
            path.components.append(.field(field.name))
            defer { path.components.removeLast() }
            if document[pair.value].isNull, !isValue(field) {
                noteNothing(pair, field)
                continue
            }
            if let other = conflict(index, field, type, isSet) {
                refuseSecond(pair, field, other)
                continue
            }
            isSet.insert(index)
            noteDeprecated(pair, field)
            let wasHidden = isHidden
            isHidden = wasHidden || field.isSecret
            let value = self.field(pair.value, field)
            isHidden = wasHidden
            if let value {
                let mark = markOfValue(pair)
                message.fields.append(TreeField(field: index, keyMark: pair.keyMark, mark: mark, value: value))
            } else if !isEmptyAny(pair.value, field) {
                message.isIncomplete = true
            }
        }
        if let level = levels.popLast() { note(level, &message) }
        return message
    }

    private func note(_ level: Level, _ message: inout TreeMessage) {
        guard unknownFields == .error else { return }
        if level.isIncomplete { message.isIncomplete = true }
        for index in message.fields.indices where level.incompleteFields.contains(message.fields[index].field) {
            switch message.fields[index].value {
            case .message(var inner):
                inner.isIncomplete = true
                message.fields[index].value = .message(inner)
            case .any(var any):
                guard case .message(var inner) = any.content else { continue }
                inner.isIncomplete = true
                any.content = .message(inner)
                message.fields[index].value = .any(any)
            default: break
            }
        }
    }

    /// A scalar's own place; a block's is its key, which is where one looks for it.
    private func markOfValue(_ pair: YAMLNode.Pair) -> Mark {
        if case .scalar = document[pair.value].content { document[pair.value].mark } else { pair.keyMark }
    }

    /// The field that already takes the place of `field`: itself under its other spelling, or another of its oneof.
    private func conflict(_ index: Int, _ field: FieldSchema, _ type: Int, _ isSet: Set<Int>) -> Int? {
        if isSet.contains(index) { return index }
        guard let oneof = field.oneof else { return nil }
        return schema.messages[type].oneofs[oneof].fields.first { isSet.contains($0) }
    }

    private func isValue(_ field: FieldSchema) -> Bool {
        field.messageIndex.map { schema.messages[$0].form == .value } ?? false
    }

    // MARK: Fields

    mutating func field(_ node: Int, _ field: FieldSchema) -> TreeValue? {
        if field.isMap { return map(node, field) }
        if field.isRepeated { return list(node, field) }
        return single(node, field.kind)
    }

    private mutating func single(_ node: Int, _ kind: FieldKind) -> TreeValue? {
        guard case .message(let type) = kind else { return scalar(node, kind) }
        if schema.messages[type].form == .any { return any(node).map { .any($0) } }
        return message(node, type).map { .message($0) }
    }

    private mutating func list(_ node: Int, _ field: FieldSchema) -> TreeValue? {
        guard case .sequence(let items) = document[node].content else {
            warn(
                document[node].mark, "one value where a list is expected is taken as a list of one",
                suggestion: "write a list: begin each element with '- '")
            path.components.append(.index(0))
            defer { path.components.removeLast() }
            return single(node, field.kind).map { .list([TreeElement(mark: document[node].mark, value: $0)]) }
        }
        var elements: [TreeElement] = []
        var isWhole = true
        for (index, item) in items.enumerated() {
            path.components.append(.index(index))
            defer { path.components.removeLast() }
            if document[item].isNull, !isValue(field) {
                refuse(document[item].mark, "a list element has no value", found: "null", expected: "a value", quotesNothing: true)
                isWhole = false
            } else if let value = single(item, field.kind) {
                elements.append(TreeElement(mark: document[item].mark, value: value))
            } else {
                isWhole = false
                // Keeps the place, so that the paths of the elements behind it stay true.
                elements.append(TreeElement(mark: document[item].mark, value: placeholder(item, field.kind)))
            }
        }
        return isWhole || !elements.isEmpty ? .list(elements) : nil
    }

    /// Stands for an element that could not be read; incomplete, so that nothing is said to be missing in it.
    private func placeholder(_ node: Int, _ kind: FieldKind) -> TreeValue {
        guard case .message(var message) = schema.empty(kind) else { return schema.empty(kind) }
        message.mark = document[node].mark
        message.isIncomplete = true
        return .message(message)
    }

    private mutating func map(_ node: Int, _ field: FieldSchema) -> TreeValue? {
        guard case .mapping(let pairs) = document[node].content else {
            refuseKind(node, "{", "a map of names to values")
            return nil
        }
        guard let type = field.messageIndex, let value = schema.messages[type].field("value") else { return nil }
        var entries: [TreeEntry] = []
        for pair in pairs {
            path.components.append(.key(isHidden ? MessageJSON.redacted : pair.key))
            defer { path.components.removeLast() }
            if let value = single(pair.value, value.kind) {
                entries.append(
                    TreeEntry(keyMark: pair.keyMark, key: pair.key, mark: markOfValue(pair), value: value))
            }
        }
        return .map(entries)
    }

    // MARK: Problems

    /// `quotesNothing`: there are no words of the file in it, and a secret's may be told.
    func error(
        _ mark: Mark, _ severity: ConfigError.Severity, _ message: String, found: String? = nil, expected: String? = nil,
        suggestion: String? = nil, kind: ConfigError.Kind = .other, quotesNothing: Bool = false
    ) -> ConfigError {
        let file = files.indices.contains(Int(mark.file)) ? files[Int(mark.file)] : ""
        let hides = isHidden && !quotesNothing
        return ConfigError(
            file: file, line: Int(mark.line), column: Int(mark.column), path: path.description, severity: severity,
            message: hides ? "what is written of this secret cannot be read" : message, found: hides ? MessageJSON.redacted : found,
            expected: expected, suggestion: hides ? nil : suggestion, kind: kind)
    }

    mutating func refuse(
        _ mark: Mark, _ message: String, found: String? = nil, expected: String? = nil, suggestion: String? = nil,
        quotesNothing: Bool = false
    ) {
        note(error(mark, .error, message, found: found, expected: expected, suggestion: suggestion, quotesNothing: quotesNothing))
    }

    /// Of names in the schema alone.
    mutating func warn(_ mark: Mark, _ message: String, suggestion: String? = nil) {
        note(error(mark, .warning, message, suggestion: suggestion, quotesNothing: true))
    }

    mutating func note(_ problem: ConfigError) {
        if problems.count < ProblemLimits.problemsMax { problems.append(problem) }
    }

    /// A list, a map or a scalar where another of the three belongs.
    mutating func refuseKind(_ node: Int, _ wanted: Character, _ what: String) {
        let (character, found): (Character, String)
        switch document[node].content {
        case .sequence: (character, found) = ("[", "a list")
        case .mapping: (character, found) = ("{", "a map")
        case .scalar(let text, let isPlain):
            (character, found) = (isPlain ? text.first ?? " " : "\"", quoted(text))
        }
        refuse(
            document[node].mark, "unexpected character: '\(character)'; expected '\(wanted)'", found: found,
            expected: what)
    }

    private mutating func refuseSecond(_ pair: YAMLNode.Pair, _ field: FieldSchema, _ other: Int) {
        let siblings = levels.last.map { schema.messages[$0.type].fields } ?? []
        let first = siblings.indices.contains(other) ? siblings[other].name : field.name
        refuse(
            pair.keyMark, "'\(field.name)' has already been set (either directly or as part of a oneof)",
            found: first == field.name ? "'\(field.name)' twice" : "'\(first)' and '\(field.name)'",
            expected: "one of them", suggestion: "remove one of the two", quotesNothing: true)
    }

    private mutating func noteNothing(_ pair: YAMLNode.Pair, _ field: FieldSchema) {
        guard case .scalar(let text, _) = document[pair.value].content, text.isEmpty else { return }
        warn(
            pair.keyMark, "'\(field.name)' has no value and is ignored",
            suggestion: field.messageIndex != nil && !field.isRepeated
                ? "write \(field.name): {} for a block without fields" : "remove the line or write a value")
    }

    private mutating func noteDeprecated(_ pair: YAMLNode.Pair, _ field: FieldSchema) {
        if field.isDeprecated { note(error(pair.keyMark, .warning, "'\(field.name)' is deprecated in Envoy's API", kind: .deprecatedField)) }
    }

    func quoted(_ text: String, max: Int = 60) -> String {
        let short = text.prefix(max)
        return "'" + short + (short.endIndex == text.endIndex ? "'" : "…'")
    }
}
