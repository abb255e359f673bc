import CEnvoyAPI

extension Schema {
    /// Parsed at first use: about a millisecond.
    static let shared: Schema = {
        let count = martlet_descriptors_count
        let bytes = unsafe [UInt8](UnsafeBufferPointer(start: martlet_descriptors, count: count))
        do {
            return try SchemaLoader.load(bytes)
        } catch {
            preconditionFailure("the embedded descriptors are not what generate.sh writes")
        }
    }()
}

/// FileDescriptorSet → Schema. Field numbers are those of google/protobuf/descriptor.proto.
struct SchemaLoader {
    /// These files describe descriptors, not configuration.
    private static let skippedFiles: Set<String> = [
        "google/protobuf/descriptor.proto", "validate.proto", "martlet.proto",
    ]

    private let bytes: [UInt8]
    private var messages: [(name: String, range: Range<Int>)] = []
    private var enums: [EnumSchema] = []
    private var messageIndex: [String: Int] = [:]
    private var enumIndex: [String: Int] = [:]

    static func load(_ bytes: [UInt8]) throws(WireError) -> Schema {
        var loader = SchemaLoader(bytes: bytes)
        var reader = WireReader(bytes)
        while let (number, value) = try reader.next() {
            if number == 1, case .bytes(let range) = value { try loader.collectFile(range) }
        }
        var resolved: [MessageSchema] = []
        for message in loader.messages { resolved.append(try loader.resolve(message.name, message.range)) }
        // A map's field is known as one only when its entry message is: a second look at the finished list.
        let isEntry = resolved.map { $0.form == .mapEntry }
        resolved = resolved.map { $0.markingMaps { isEntry[$0] } }
        return Schema(messages: resolved + FieldlessMessages.schemas, enums: loader.enums)
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    // MARK: First pass: names

    private mutating func collectFile(_ range: Range<Int>) throws(WireError) {
        var reader = WireReader(bytes, range)
        var package = ""
        var found: [(isMessage: Bool, range: Range<Int>)] = []
        while let (number, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch number {
            case 1: if SchemaLoader.skippedFiles.contains(reader.text(range)) { return }
            case 2: package = reader.text(range)
            case 4: found.append((true, range))
            case 5: found.append((false, range))
            default: break
            }
        }
        for (isMessage, range) in found {
            if isMessage { try collectMessage(package, range) } else { try collectEnum(package, range) }
        }
    }

    private mutating func collectMessage(_ scope: String, _ range: Range<Int>) throws(WireError) {
        let name = scope + "." + (try text(1, in: range))
        messageIndex[name] = messages.count
        messages.append((name, range))
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            if number == 3 { try collectMessage(name, range) }
            if number == 4 { try collectEnum(name, range) }
        }
    }

    private mutating func collectEnum(_ scope: String, _ range: Range<Int>) throws(WireError) {
        let name = scope + "." + (try text(1, in: range))
        var values: [(name: String, number: Int32)] = []
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            guard number == 2, case .bytes(let range) = value else { continue }
            values.append((try text(1, in: range), Int32(truncatingIfNeeded: try varint(2, in: range) ?? 0)))
        }
        enumIndex[name] = enums.count
        enums.append(EnumSchema(name: name, values: values))
    }

    // MARK: Second pass: fields

    private func resolve(_ name: String, _ range: Range<Int>) throws(WireError) -> MessageSchema {
        var fields: [FieldSchema] = []
        var oneofs: [OneofSchema] = []
        var isMapEntry = false
        var notYet: [String: NotYet] = [:]
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch number {
            case 2: fields.append(try field(range))
            case 8: oneofs.append(try oneof(range))
            case 7:
                isMapEntry = try varint(7, in: range) == 1
                notYet = SchemaLoader.notYet(try text(50071, in: range))
            default: break
            }
        }
        for (index, field) in fields.enumerated() {
            if let oneof = field.oneof, oneofs.indices.contains(oneof) { oneofs[oneof].fields.append(index) }
        }
        var byName: [String: Int] = [:]
        var byNumber: [Int: Int] = [:]
        for (index, field) in fields.enumerated() {
            byName[field.jsonName] = index
            byNumber[field.number] = index
        }
        for (index, field) in fields.enumerated() { byName[field.name] = index }
        return MessageSchema(
            name: name, form: isMapEntry ? .mapEntry : SchemaLoader.form(name), fields: fields, oneofs: oneofs,
            notYet: notYet, byName: byName, byNumber: byNumber)
    }

    private func field(_ range: Range<Int>) throws(WireError) -> FieldSchema {
        let options = try self.range(8, in: range) ?? range.lowerBound..<range.lowerBound
        return FieldSchema(
            name: try text(1, in: range), jsonName: try text(10, in: range), number: Int(try varint(3, in: range) ?? 0),
            kind: try kind(try varint(5, in: range) ?? 0, try text(6, in: range)),
            isRepeated: try varint(4, in: range) == 3, isMap: false,
            isDeprecated: try varint(3, in: options) == 1, isSecret: try varint(50071, in: options) == 1,
            oneof: try varint(9, in: range).map { Int(clamping: $0) },
            rules: try rules(options))
    }

    /// protoc writes one occurrence for each option statement of a field.
    private func rules(_ options: Range<Int>) throws(WireError) -> Rules {
        var rules = Rules()
        var reader = WireReader(bytes, options)
        while let (number, value) = try reader.next() {
            if number == 1071, case .bytes(let range) = value { try rules.read(bytes, range) }
        }
        return rules
    }

    private func kind(_ type: UInt64, _ typeName: String) throws(WireError) -> FieldKind {
        switch type {
        case 1: return .double
        case 2: return .float
        case 3: return .int64
        case 4: return .uint64
        case 5: return .int32
        case 8: return .bool
        case 9: return .string
        case 12: return .bytes
        case 13: return .uint32
        case 11:
            guard let index = messageIndex[String(typeName.dropFirst())] else { throw .malformed }
            return .message(index)
        case 14:
            guard let index = enumIndex[String(typeName.dropFirst())] else { throw .malformed }
            return .enumeration(index)
        default: throw .malformed  // Envoy's API has no groups, fixed or zig-zag numbers
        }
    }

    private func oneof(_ range: Range<Int>) throws(WireError) -> OneofSchema {
        let options = try self.range(2, in: range)
        let isRequired = try options.map { range throws(WireError) in try varint(1071, in: range) == 1 } ?? false
        return OneofSchema(name: try text(1, in: range), isRequired: isRequired, fields: [])
    }

    private static func notYet(_ text: String) -> [String: NotYet] {
        var fields: [String: NotYet] = [:]
        for entry in text.split(separator: " ") {
            let parts = entry.split(separator: "=")
            guard let name = parts.first else { continue }
            let number = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
            let kind: NotYet.Kind = name.hasSuffix("?") ? .bool : name.hasSuffix("[]") ? .list : .other
            fields[String(name.prefix { $0 != "?" && $0 != "[" })] = NotYet(number: number, kind: kind)
        }
        return fields
    }

    private static func form(_ name: String) -> MessageForm {
        switch name {
        case "google.protobuf.Any": .any
        case "google.protobuf.Duration": .duration
        case "google.protobuf.Struct": .structure
        case "google.protobuf.Value": .value
        case "google.protobuf.ListValue": .listValue
        case "xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct": .typedStruct
        case let name where name.hasPrefix("google.protobuf.") && name.hasSuffix("Value"): .wrapper
        default: .plain
        }
    }

    // MARK: Single fields of a descriptor

    private func range(_ wanted: Int, in range: Range<Int>) throws(WireError) -> Range<Int>? {
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            if number == wanted, case .bytes(let range) = value { return range }
        }
        return nil
    }

    private func text(_ wanted: Int, in range: Range<Int>) throws(WireError) -> String {
        try self.range(wanted, in: range).map { String(decoding: bytes[$0], as: UTF8.self) } ?? ""
    }

    private func varint(_ wanted: Int, in range: Range<Int>) throws(WireError) -> UInt64? {
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            if number == wanted, case .varint(let bits) = value { return bits }
        }
        return nil
    }
}

extension MessageSchema {
    fileprivate func markingMaps(_ isEntry: (Int) -> Bool) -> MessageSchema {
        let fields = fields.map { field in
            guard field.isRepeated, let index = field.messageIndex, isEntry(index) else { return field }
            return FieldSchema(
                name: field.name, jsonName: field.jsonName, number: field.number, kind: field.kind, isRepeated: true,
                isMap: true, isDeprecated: field.isDeprecated, isSecret: field.isSecret, oneof: field.oneof,
                rules: field.rules)
        }
        return MessageSchema(
            name: name, form: form, fields: fields, oneofs: oneofs, notYet: notYet, byName: byName, byNumber: byNumber)
    }
}
