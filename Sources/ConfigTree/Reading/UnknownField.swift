/// A field that its message does not have: what was meant? In this order: a field that Martlet lacks; a block that stands at
/// the wrong depth; a misspelling; a field of some other message.
extension TreeReader {
    mutating func refuseUnknown(_ pair: YAMLNode.Pair, _ type: Int) {
        let message = schema.messages[type]
        let waiting = message.notYet[TreeReader.snakeCase(pair.key)]
        if isHidden, waiting == nil {
            // Perhaps the secret itself, written as a block.
            note(error(pair.keyMark, unknownFields, "", expected: TreeReader.describe(.message(type), schema), kind: .unknownField))
            return
        }
        path.components.append(.field(pair.key))
        defer { path.components.removeLast() }
        if let waiting {
            if asksForNothing(pair.value, waiting) { return }
            refuse(pair.keyMark, "'\(pair.key)' of \(message.name) is not supported by Martlet yet", quotesNothing: true)
            return
        }
        var suggestion: String?
        if problems.count < ProblemLimits.suggestionsMax {
            suggestion =
                misplacedOutside(pair) ?? misplacedInside(pair)
                ?? Spelling.nearest(pair.key, message.fields.map(\.name)).map { "did you mean '\($0)'?" }
                ?? elsewhere(pair.key)
        }
        let phrase = "no such field: '\(pair.key)' in \(message.name)"
        note(error(pair.keyMark, unknownFields, phrase, suggestion: suggestion, kind: .unknownField))
    }

    /// A field that is null, false or an empty list is as one that is not there.
    private func asksForNothing(_ node: Int, _ field: NotYet) -> Bool {
        if document[node].isNull { return true }
        switch (field.kind, document[node].content) {
        case (.list, .sequence(let elements)): return elements.isEmpty
        case (.bool, .scalar(let text, let isPlain)): return isPlain && text == "false"
        default: return false
        }
    }

    private func has(_ type: Int, _ name: String) -> Bool {
        schema.messages[type].byName[name] != nil || schema.messages[type].notYet[name] != nil
    }

    /// Indented too deep: a message around this one has the field, and it is not set there.
    private mutating func misplacedOutside(_ pair: YAMLNode.Pair) -> String? {
        for index in levels.indices.dropLast().reversed() {
            let level = levels[index]
            guard has(level.type, pair.key), !level.pairs.contains(where: { $0.key == pair.key }) else { continue }
            levels[index].isIncomplete = true
            let name = schema.messages[level.type].shortName
            let path = ConfigPath(Array(path.components.prefix(level.depth)))
            let place = path.components.isEmpty ? "the top level (\(name))" : "\(path) (\(name))"
            return "it belongs to \(place)" + indentation(pair, level.pairs)
        }
        return nil
    }

    /// Not deep enough: a block beside it has the field.
    private mutating func misplacedInside(_ pair: YAMLNode.Pair) -> String? {
        guard let level = levels.last else { return nil }
        for sibling in level.pairs {
            guard let index = schema.messages[level.type].byName[sibling.key],
                case let field = schema.messages[level.type].fields[index], !field.isRepeated,
                let declared = field.messageIndex, case .mapping(let pairs) = document[sibling.value].content,
                let type = schema.messages[declared].form == .any ? typeOfAny(pairs) : declared, has(type, pair.key),
                !pairs.contains(where: { $0.key == pair.key })
            else { continue }
            levels[levels.count - 1].incompleteFields.insert(index)
            return "it belongs into '\(field.name)' (\(schema.messages[type].shortName))" + indentation(pair, pairs)
        }
        return nil
    }

    private func typeOfAny(_ pairs: [YAMLNode.Pair]) -> Int? {
        guard let pair = pairs.first(where: { $0.key == "@type" }),
            case .scalar(let url, _) = document[pair.value].content
        else { return nil }
        return schema.index(url.split(separator: "/").last ?? "")
    }

    /// Empty when the two blocks are not written one key a line.
    private func indentation(_ pair: YAMLNode.Pair, _ others: [YAMLNode.Pair]) -> String {
        guard !isJSON, let first = others.first, first.keyMark.line != pair.keyMark.line else { return "" }
        let wanted = Int(first.keyMark.column) - 1
        let found = Int(pair.keyMark.column) - 1
        if wanted == found { return "" }
        if wanted == 0 { return ": remove its indentation of \(found) spaces" }
        return ": indent it by \(wanted) spaces instead of \(found)"
    }

    private func elsewhere(_ name: String) -> String? {
        let owners = schema.messages.filter { $0.byName[name] != nil && $0.form == .plain }.map(\.shortName)
        guard !owners.isEmpty, owners.count <= 3 else { return nil }
        return "it is a field of " + owners.joined(separator: " and of ")
    }

    private static func snakeCase(_ name: String) -> String {
        var result = ""
        for character in name {
            if character.isASCII, character.isUppercase {
                result += "_" + character.lowercased()
            } else {
                result.append(character)
            }
        }
        return result
    }
}
