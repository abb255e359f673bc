/// `typed_config`: a message of the type that `@type` names, read with its positions; `TypedStruct` is unwrapped.
extension TreeReader {
    /// `typed_config: {}` sets nothing, as if it were not there.
    func isEmptyAny(_ node: Int, _ field: FieldSchema) -> Bool {
        guard let type = field.messageIndex, !field.isRepeated, schema.messages[type].form == .any else { return false }
        if case .mapping(let pairs) = document[node].content { return pairs.isEmpty }
        return false
    }

    mutating func any(_ node: Int) -> TreeAny? {
        guard case .mapping(let pairs) = document[node].content else {
            refuseKind(node, "{", "a map with \"@type\" and the fields of that type")
            return nil
        }
        if pairs.isEmpty { return nil }
        guard let typePair = pairs.first(where: { $0.key == "@type" }) else {
            refuse(
                document[node].mark, "the \"@type\" of this block is missing",
                expected: "\"@type\": type.googleapis.com/ and the name of a message")
            return nil
        }
        let rest = pairs.filter { $0.key != "@type" }
        guard let (url, type) = resolve(typePair.value), isRightKind(type, document[typePair.value].mark) else { return nil }
        if schema.messages[type].name == FieldlessMessages.leftOut { return leftOut(node, url, type) }
        switch schema.messages[type].form {
        case .plain:
            return TreeAny(
                mark: document[node].mark, url: url, content: .message(fields(rest, type, document[node].mark)))
        case .typedStruct: return typedStruct(node, rest)
        default: return wellKnown(node, rest, url, type)
        }
    }

    /// The type behind the URL, or an error that says why there is none.
    private mutating func resolve(_ node: Int, isWrapped: Bool = false) -> (url: String, type: Int)? {
        guard case .scalar(let url, _) = document[node].content else {
            refuseKind(node, "\"", "a type URL")
            return nil
        }
        let mark = document[node].mark
        guard let slash = url.lastIndex(of: "/"), slash != url.startIndex else {
            let isName = schema.index(url) != nil || EnvoyTypes.names.contains(url)
            refuse(
                mark, "@type must contain at least one / and a nonempty host; got: \(url.prefix(200))",
                expected: "type.googleapis.com/ and the name of a message",
                suggestion: isName ? "write type.googleapis.com/\(url)" : nil)
            return nil
        }
        let name = url[url.index(after: slash)...]
        if let type = schema.index(name), schema.messages[type].form != .mapEntry { return (url, type) }
        if mayBeMissing(String(name), isWrapped: isWrapped), let type = schema.index(FieldlessMessages.leftOut) {
            return (url, type)
        }
        refuseType(mark, url)
        return nil
    }

    /// `type_url` and `value`, as control planes wrap what they do not know: read as if the type stood there itself.
    private mutating func typedStruct(_ node: Int, _ pairs: [YAMLNode.Pair]) -> TreeAny? {
        for pair in pairs where !["type_url", "typeUrl", "value"].contains(pair.key) {
            path.components.append(.field(isHidden ? MessageJSON.redacted : pair.key))
            refuse(
                pair.keyMark, "no such field: '\(pair.key)' in TypedStruct", expected: "type_url and value",
                suggestion: "write the fields of the message below 'value'")
            path.components.removeLast()
        }
        guard let urlPair = pairs.first(where: { $0.key == "type_url" || $0.key == "typeUrl" }) else {
            refuse(document[node].mark, "the type_url of this TypedStruct is missing")
            return nil
        }
        guard let (url, type) = resolve(urlPair.value, isWrapped: true), isRightKind(type, document[urlPair.value].mark) else {
            return nil
        }
        if schema.messages[type].name == FieldlessMessages.leftOut { return leftOut(node, url, type) }
        guard let value = pairs.first(where: { $0.key == "value" }) else {
            let isIncomplete = pairs.count > 1
            let message = TreeMessage(type: type, mark: document[node].mark, isIncomplete: isIncomplete)
            return TreeAny(mark: document[node].mark, url: url, content: .message(message))
        }
        path.components.append(.field("value"))
        defer { path.components.removeLast() }
        guard let message = message(value.value, type) else { return nil }
        return TreeAny(mark: document[node].mark, url: url, content: .message(message))
    }

    /// A message with a JSON form of its own stands below `value`.
    private mutating func wellKnown(_ node: Int, _ pairs: [YAMLNode.Pair], _ url: String, _ type: Int) -> TreeAny? {
        guard let value = pairs.first(where: { $0.key == "value" }), schema.messages[type].form != .any else {
            refuse(document[node].mark, "the 'value' of this \(schema.messages[type].name) is missing")
            return nil
        }
        path.components.append(.field("value"))
        defer { path.components.removeLast() }
        guard let message = message(value.value, type) else { return nil }
        return TreeAny(mark: document[node].mark, url: url, content: .message(message))
    }

    private mutating func refuseType(_ mark: Mark, _ url: String) {
        path.components.append(.field("@type"))
        let explanation = schema.missingType(url, withSuggestion: problems.count < ProblemLimits.suggestionsMax)
        refuse(
            mark, explanation.message, found: explanation.found, expected: explanation.expected,
            suggestion: explanation.suggestion)
        path.components.removeLast()
    }
}
