/// Tree → protobuf's wire format. Defaults are left out, fields come in the order of their numbers, map entries in the order of
/// their keys: equal configurations have equal bytes.
extension Schema {
    func encoded(_ message: TreeMessage) -> [UInt8] {
        var writer = WireWriter()
        let fields = messages[message.type].fields
        for field in message.fields.sorted(by: { fields[$0.field].number < fields[$1.field].number }) {
            let schema = fields[field.field]
            if field.value.isDefault(of: schema) { continue }
            switch field.value {
            case .list(let elements):
                // Unpacked also where proto3 packs by default: every parser must take both.
                for element in elements { write(element.value, schema.kind, schema.number, &writer) }
            case .map(let entries):
                for entry in entries.sorted(by: { $0.key < $1.key }) { write(entry, schema, &writer) }
            default: write(field.value, schema.kind, schema.number, &writer)
            }
        }
        return writer.bytes
    }

    private func write(_ value: TreeValue, _ kind: FieldKind, _ number: Int, _ writer: inout WireWriter) {
        switch value {
        case .bits(let bits): writer.varint(number, bits)
        case .number(let value):
            if kind == .float {
                writer.fixed32(number, Float(value).bitPattern)
            } else {
                writer.fixed64(number, value.bitPattern)
            }
        case .text(let text): writer.bytes(number, text.utf8)
        case .bytes(let bytes): writer.bytes(number, bytes)
        case .message(let message): writer.bytes(number, encoded(message))
        case .any(let any): writer.bytes(number, encoded(any))
        case .list, .map: break  // never inside a list or a map
        }
    }

    private func write(_ entry: TreeEntry, _ schema: FieldSchema, _ writer: inout WireWriter) {
        guard let index = schema.messageIndex, let value = messages[index].byNumber[2] else { return }
        var inner = WireWriter()
        inner.bytes(1, entry.key.utf8)
        write(entry.value, messages[index].fields[value].kind, 2, &inner)
        writer.bytes(schema.number, inner.bytes)
    }

    private func encoded(_ any: TreeAny) -> [UInt8] {
        var writer = WireWriter()
        writer.bytes(1, any.url.utf8)
        switch any.content {
        case .message(let message): writer.bytes(2, encoded(message))
        case .opaque(let bytes): writer.bytes(2, bytes)
        }
        return writer.bytes
    }
}
