/// Control planes wrap what they do not know in a `TypedStruct`. In YAML the reader sees through it; binary input carries it as
/// a `Struct`, which becomes a document without marks and is then read like any other.
struct TypedStructUnwrapping {
    private let schema: Schema
    private let file: String
    private let unknownFields: ConfigError.Severity
    private(set) var problems: [ConfigError] = []
    private var path = ConfigPath()
    /// Below a field that holds a secret.
    private var isHidden = false

    init(_ schema: Schema, file: String, unknownFields: ConfigError.Severity) {
        self.schema = schema
        self.file = file
        self.unknownFields = unknownFields
    }

    mutating func message(_ message: TreeMessage) -> TreeMessage {
        switch schema.messages[message.type].form {
        case .plain, .typedStruct: break
        default: return message
        }
        var result = message
        for index in result.fields.indices {
            let known = schema.messages[message.type].fields[result.fields[index].field]
            let wasHidden = isHidden
            isHidden = wasHidden || known.isSecret
            path.components.append(.field(known.name))
            result.fields[index].value = value(result.fields[index].value)
            path.components.removeLast()
            isHidden = wasHidden
        }
        return result
    }

    private mutating func value(_ value: TreeValue) -> TreeValue {
        switch value {
        case .message(let inner): return .message(message(inner))
        case .any(let any): return .any(self.any(any))
        case .list(var elements):
            for index in elements.indices {
                path.components.append(.index(index))
                elements[index].value = self.value(elements[index].value)
                path.components.removeLast()
            }
            return .list(elements)
        case .map(var entries):
            for index in entries.indices {
                path.components.append(.key(isHidden ? MessageJSON.redacted : entries[index].key))
                entries[index].value = self.value(entries[index].value)
                path.components.removeLast()
            }
            return .map(entries)
        default: return value
        }
    }

    private mutating func any(_ any: TreeAny) -> TreeAny {
        guard case .message(let content) = any.content else { return any }
        guard schema.messages[content.type].form == .typedStruct else {
            return TreeAny(mark: any.mark, url: any.url, content: .message(message(content)))
        }
        let known = schema.messages[content.type]
        var url = ""
        if let index = known.byName["type_url"], case .text(let text)? = content.value(index) { url = text }
        guard let type = schema.index(url.split(separator: "/").last ?? "") else {
            // Left to the check, which names the type.
            return TreeAny(mark: any.mark, url: url, content: .opaque([]))
        }
        var document = YAMLDocument()
        var root = document.add(.mapping([]))
        if let index = known.byName["value"], case .message(let value)? = content.value(index) {
            root = node(value, &document)
        }
        path.components.append(.field("value"))
        defer { path.components.removeLast() }
        var reader = TreeReader(schema, document, files: [file], isJSON: true)
        reader.path = path
        reader.isHidden = isHidden
        reader.unknownFields = unknownFields
        let read = reader.message(root, type)
        problems += reader.problems
        return TreeAny(
            mark: any.mark, url: url, content: .message(read ?? TreeMessage(type: type, mark: .nowhere, isIncomplete: true)))
    }

    /// Struct, Value or ListValue → a node as JSON would have it.
    private func node(_ message: TreeMessage, _ document: inout YAMLDocument) -> Int {
        let known = schema.messages[message.type]
        guard let field = message.fields.first else {
            switch known.form {
            case .listValue: return document.add(.sequence([]))
            case .structure: return document.add(.mapping([]))
            default: return document.add(.scalar("null", isPlain: true))
            }
        }
        switch field.value {
        case .map(let entries):
            var pairs: [YAMLNode.Pair] = []
            for entry in entries {
                guard case .message(let value) = entry.value else { continue }
                pairs.append(YAMLNode.Pair(key: entry.key, keyMark: .nowhere, value: node(value, &document)))
            }
            return document.add(.mapping(pairs))
        case .list(let elements):
            var items: [Int] = []
            for element in elements {
                guard case .message(let value) = element.value else { continue }
                items.append(node(value, &document))
            }
            return document.add(.sequence(items))
        case .message(let inner): return node(inner, &document)
        case .text(let text): return document.add(.scalar(text, isPlain: false))
        case .number(let number): return document.add(.scalar(JSONText.number(number), isPlain: true))
        case .bits(let bits):
            let isNull = known.fields[field.field].name == "null_value"
            return document.add(.scalar(isNull ? "null" : bits == 0 ? "false" : "true", isPlain: true))
        case .bytes, .any: return document.add(.scalar("null", isPlain: true))
        }
    }
}

extension YAMLDocument {
    fileprivate mutating func add(_ content: YAMLNode.Content) -> Int {
        nodes.append(YAMLNode(mark: .nowhere, content: content))
        return nodes.count - 1
    }
}
