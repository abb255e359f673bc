/// Which fields of a message to print: paths of field names, each down to a field that is shown whole.
package struct FieldMask: Sendable {
    private let paths: [[String]]

    /// Relative to the message; an empty path means all of it.
    package init(_ paths: [[String]]) { self.paths = paths }

    private var showsAll: Bool { paths.contains { $0.isEmpty } }

    /// Every path names fields that there are, and passes through single messages only.
    package func isValid(for typeName: String) -> Bool {
        let schema = Schema.shared
        guard let start = schema.index(typeName) else { return false }
        return paths.allSatisfy { path in
            var type: Int? = start
            for (place, name) in path.enumerated() {
                guard let current = type, let field = schema.messages[current].field(name), field.name == name else {
                    return false
                }
                let isLast = place == path.count - 1
                if !isLast && (field.isRepeated || field.isMap) { return false }
                type = field.messageIndex
            }
            return true
        }
    }

    func trimmed(_ message: TreeMessage, _ schema: Schema) -> TreeMessage {
        if showsAll { return message }
        var trimmed = message
        trimmed.fields = message.fields.compactMap { field in
            let name = schema.messages[message.type].fields[field.field].name
            let below = FieldMask(paths.filter { $0.first == name }.map { Array($0.dropFirst()) })
            if below.paths.isEmpty { return nil }
            guard case .message(let inner) = field.value else { return field }
            var field = field
            field.value = .message(below.trimmed(inner, schema))
            return field
        }
        return trimmed
    }
}
