/// Protobuf's wire format → tree, without marks: for binary configuration and for printing.
struct TreeDecoder {
    /// Messages inside each other; a configuration that goes deeper is hostile.
    static let depthMax = 400

    let schema: Schema
    /// Fields that the schema lacks, by message: what a newer control plane sent.
    private(set) var unknown: [(message: Int, number: Int)] = []

    init(_ schema: Schema) { self.schema = schema }

    mutating func message(_ type: Int, _ bytes: [UInt8]) throws(WireError) -> TreeMessage {
        try message(type, bytes, bytes.indices, 0)
    }

    private mutating func message(
        _ type: Int, _ bytes: [UInt8], _ range: Range<Int>, _ depth: Int
    ) throws(WireError) -> TreeMessage {
        guard depth < TreeDecoder.depthMax else { throw .malformed }
        let known = schema.messages[type]
        // In the order of first appearance; lists are gathered whole, so that a long one costs no copies.
        var order: [Int] = []
        var gathered: [Int: [TreeValue]] = [:]
        // A message that comes in pieces is its pieces' bytes in a row: decoded once, however many there are.
        var pieces: [Int: [Range<Int>]] = [:]
        var isIncomplete = false
        var reader = WireReader(bytes, range)
        while let (number, wire) = try reader.next() {
            guard let index = known.byNumber[number] else {
                unknown.append((type, number))
                isIncomplete = true
                continue
            }
            let field = known.fields[index]
            var values: [TreeValue] = []
            if case .message = field.kind, !field.isRepeated {
                guard case .bytes(let range) = wire else { throw .malformed }
                pieces[index, default: []].append(range)
            } else {
                values = try self.values(field, wire, bytes, depth)
            }
            if gathered[index] == nil {
                if let oneof = field.oneof {
                    // The last one wins.
                    for other in known.oneofs[oneof].fields where gathered.removeValue(forKey: other) != nil {
                        order.removeAll { $0 == other }
                        pieces[other] = nil
                    }
                }
                order.append(index)
            }
            gathered[index, default: []] += values
        }
        var message = TreeMessage(type: type, mark: .nowhere)
        message.isIncomplete = isIncomplete
        for index in order {
            let value: TreeValue
            if case .message(let type) = known.fields[index].kind, let pieces = pieces[index] {
                value = try whole(type, bytes, pieces, depth)
            } else {
                value = joined(gathered[index] ?? [], known.fields[index])
            }
            message.fields.append(TreeField(field: index, keyMark: .nowhere, mark: .nowhere, value: value))
        }
        return message
    }

    private mutating func whole(
        _ type: Int, _ bytes: [UInt8], _ pieces: [Range<Int>], _ depth: Int
    ) throws(WireError) -> TreeValue {
        if pieces.count == 1 { return try embedded(type, bytes, pieces[0], depth) }
        var row: [UInt8] = []
        for piece in pieces { row += bytes[piece] }
        return try embedded(type, row, row.indices, depth)
    }

    /// What one occurrence of a field brings: more than one value when it is packed.
    private mutating func values(
        _ field: FieldSchema, _ wire: WireReader.Value, _ bytes: [UInt8], _ depth: Int
    ) throws(WireError) -> [TreeValue] {
        switch (field.kind, wire) {
        case (.string, .bytes(let range)):
            guard let text = String(validating: bytes[range], as: UTF8.self) else { throw .malformed }
            return [.text(text)]
        case (.bytes, .bytes(let range)): return [.bytes(Array(bytes[range]))]
        case (.message(let index), .bytes(let range)):
            return [try embedded(index, bytes, range, depth)]
        case (.double, .fixed64(let bits)): return [.number(Double(bitPattern: bits))]
        case (.float, .fixed32(let bits)): return [.number(Double(Float(bitPattern: bits)))]
        case (.double, .bytes(let range)) where field.isRepeated:
            return try WireReader.packed(bytes, range, width: 8).map { .number(Double(bitPattern: $0)) }
        case (.float, .bytes(let range)) where field.isRepeated:
            return try WireReader.packed(bytes, range, width: 4).map {
                .number(Double(Float(bitPattern: UInt32(truncatingIfNeeded: $0))))
            }
        case (.string, _), (.bytes, _), (.message, _), (.double, _), (.float, _): throw .malformed
        case (_, .varint(let bits)): return [.bits(narrowed(bits, field.kind))]
        case (_, .bytes(let range)) where field.isRepeated:
            return try WireReader.packed(bytes, range, width: nil).map { .bits(narrowed($0, field.kind)) }
        default: throw .malformed
        }
    }

    private func narrowed(_ bits: UInt64, _ kind: FieldKind) -> UInt64 {
        switch kind {
        case .bool: bits == 0 ? 0 : 1
        case .uint32: UInt64(UInt32(truncatingIfNeeded: bits))
        case .int32, .enumeration: UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: bits)))
        default: bits
        }
    }

    private mutating func embedded(
        _ index: Int, _ bytes: [UInt8], _ range: Range<Int>, _ depth: Int
    ) throws(WireError) -> TreeValue {
        guard schema.messages[index].form == .any else {
            return .message(try message(index, bytes, range, depth + 1))
        }
        var reader = WireReader(bytes, range)
        var url = ""
        var value = range.upperBound..<range.upperBound
        while let (number, wire) = try reader.next() {
            guard case .bytes(let range) = wire else { continue }
            if number == 1 { url = reader.text(range) }
            if number == 2 { value = range }
        }
        let name = url.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        guard let type = schema.index(name) else {
            return .any(TreeAny(mark: .nowhere, url: url, content: .opaque(Array(bytes[value]))))
        }
        return .any(TreeAny(mark: .nowhere, url: url, content: .message(try message(type, bytes, value, depth + 1))))
    }

    // MARK: Repeated occurrences

    private func joined(_ values: [TreeValue], _ field: FieldSchema) -> TreeValue {
        if field.isMap { return .map(lastOfEachKey(values.compactMap { entry($0) })) }
        if field.isRepeated { return .list(values.map { TreeElement(mark: .nowhere, value: $0) }) }
        return values.last ?? .bits(0)
    }

    private func lastOfEachKey(_ entries: [TreeEntry]) -> [TreeEntry] {
        var positions: [String: Int] = [:]
        var kept: [TreeEntry] = []
        for entry in entries {
            if let position = positions[entry.key] {
                kept[position] = entry
            } else {
                positions[entry.key] = kept.count
                kept.append(entry)
            }
        }
        return kept
    }

    private func entry(_ value: TreeValue) -> TreeEntry? {
        guard case .message(let message) = value else { return nil }
        var key = ""
        if let index = schema.messages[message.type].byNumber[1], case .text(let text)? = message.value(index) { key = text }
        guard let index = schema.messages[message.type].byNumber[2] else { return nil }
        let value = message.value(index) ?? schema.empty(schema.messages[message.type].fields[index].kind)
        return TreeEntry(keyMark: .nowhere, key: key, mark: .nowhere, value: value)
    }
}

extension Schema {
    /// What a field of that kind is when nothing was written.
    func empty(_ kind: FieldKind) -> TreeValue {
        switch kind {
        case .string: .text("")
        case .bytes: .bytes([])
        case .float, .double: .number(0)
        case .message(let index):
            messages[index].form == .any
                ? .any(TreeAny(mark: .nowhere, url: "", content: .opaque([])))
                : .message(TreeMessage(type: index, mark: .nowhere))
        default: .bits(0)
        }
    }
}
