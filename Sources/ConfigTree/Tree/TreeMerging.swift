/// Protobuf's MergeFrom, as Envoy lays `--config-yaml` over the file: messages merge, lists append, map entries and single
/// values replace, a member of a oneof drops the others.
extension Schema {
    func merged(_ base: TreeMessage, _ over: TreeMessage) -> TreeMessage {
        var result = base
        let known = messages[base.type]
        result.isIncomplete = base.isIncomplete || over.isIncomplete
        for field in over.fields {
            let fieldSchema = known.fields[field.field]
            if let position = result.index(field.field) {
                if field.value.isDefault(of: fieldSchema) { continue }
                result.fields[position].value = merged(result.fields[position].value, field.value)
                if case .list = field.value { continue }
                if case .message = field.value { continue }
                result.fields[position].mark = field.mark
                result.fields[position].keyMark = field.keyMark
                continue
            }
            if let oneof = fieldSchema.oneof {
                let others = known.oneofs[oneof].fields
                result.fields.removeAll { others.contains($0.field) }
            }
            result.fields.append(field)
        }
        return result
    }

    private func merged(_ base: TreeValue, _ over: TreeValue) -> TreeValue {
        switch (base, over) {
        case (.message(let base), .message(let over)): .message(merged(base, over))
        case (.list(let base), .list(let over)): .list(base + over)
        case (.map(let base), .map(let over)): .map(merged(base, over))
        default: over
        }
    }

    private func merged(_ base: [TreeEntry], _ over: [TreeEntry]) -> [TreeEntry] {
        let replaced = Set(over.map(\.key))
        return base.filter { !replaced.contains($0.key) } + over
    }
}
