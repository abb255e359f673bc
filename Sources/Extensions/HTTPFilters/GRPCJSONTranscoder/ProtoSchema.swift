// The messages of a descriptor set, as the transcoder walks them: fields by number and by name, types by place.
//
// Built from parsed descriptors, once per worker, so that workers share no reference counts. Immutable afterwards.

import EnvoyAPI

/// How a field's values lie on the wire, and how they look in JSON.
enum ProtoKind {
    case double, float, int32, int64, uint32, uint64, sint32, sint64, fixed32, fixed64, sfixed32, sfixed64
    case bool, string, bytes
    case enumeration(Int)
    case message(Int)
    /// Groups of proto2: skipped.
    case group

    /// The wire type of one value.
    var wireType: UInt8 {
        switch self {
        case .double, .fixed64, .sfixed64: 1
        case .string, .bytes, .message: 2
        case .group: 3
        case .float, .fixed32, .sfixed32: 5
        default: 0
        }
    }

    /// As `google.protobuf.Field.Kind` counts.
    var number: Int {
        switch self {
        case .double: 1
        case .float: 2
        case .int64: 3
        case .uint64: 4
        case .int32: 5
        case .fixed64: 6
        case .fixed32: 7
        case .bool: 8
        case .string: 9
        case .group: 10
        case .message: 11
        case .bytes: 12
        case .uint32: 13
        case .enumeration: 14
        case .sfixed32: 15
        case .sfixed64: 16
        case .sint32: 17
        case .sint64: 18
        }
    }

    var isPackable: Bool { wireType != 2 && wireType != 3 }

    /// As messages about values call it.
    func name(in schema: ProtoSchema) -> String {
        switch self {
        case .double: "TYPE_DOUBLE"
        case .float: "TYPE_FLOAT"
        case .int32: "TYPE_INT32"
        case .int64: "TYPE_INT64"
        case .uint32: "TYPE_UINT32"
        case .uint64: "TYPE_UINT64"
        case .sint32: "TYPE_SINT32"
        case .sint64: "TYPE_SINT64"
        case .fixed32: "TYPE_FIXED32"
        case .fixed64: "TYPE_FIXED64"
        case .sfixed32: "TYPE_SFIXED32"
        case .sfixed64: "TYPE_SFIXED64"
        case .bool: "TYPE_BOOL"
        case .string: "TYPE_STRING"
        case .bytes: "TYPE_BYTES"
        case .enumeration(let type): "type.googleapis.com/" + schema.enums[type].name
        case .message(let type): "type.googleapis.com/" + schema.messages[type].name
        case .group: "TYPE_GROUP"
        }
    }
}

struct ProtoField {
    let number: UInt32
    let name: String
    let jsonName: String
    let kind: ProtoKind
    let isRepeated: Bool
    let isMap: Bool
    /// An absent value is told from a default one.
    let hasPresence: Bool
    /// The oneof it belongs to, a real one.
    let oneof: String?
}

/// Messages whose JSON is not an object of their fields.
enum WellKnownMessage {
    case none, timestamp, duration, fieldMask, structure, value, listValue, any, wrapper

    /// An object is no form of it, so one is its fields.
    var mayBeSpelledOut: Bool {
        switch self {
        case .timestamp, .duration, .fieldMask, .listValue, .wrapper: true
        case .none, .structure, .value, .any: false
        }
    }
}

struct ProtoMessage {
    let name: String
    var fields: [ProtoField]
    var byNumber: [UInt32: Int]
    var byName: [String: Int]
    let isMapEntry: Bool
    let wellKnown: WellKnownMessage

    func field(_ number: UInt32) -> ProtoField? { byNumber[number].map { fields[$0] } }
    func field(named name: String) -> ProtoField? { byName[name].map { fields[$0] } }
}

struct ProtoEnum {
    let name: String
    var names: [Int32: String] = [:]
    var numbers: [String: Int32] = [:]
    var lowercased: [String: Int32] = [:]
    /// `google.protobuf.NullValue`
    var isNull: Bool { name == "google.protobuf.NullValue" }
}

struct ProtoSchema {
    private(set) var messages: [ProtoMessage] = []
    private(set) var enums: [ProtoEnum] = []
    private(set) var messagePlaces: [String: Int] = [:]
    private var enumPlaces: [String: Int] = [:]

    init(_ files: [Google_Protobuf_FileDescriptorProto]) {
        for file in files { collect(file.package, file.messageType, file.enumType) }
        for file in files {
            let isProto3 = file.syntax == "proto3"
            for message in file.messageType { link(file.package, message, isProto3) }
        }
    }

    /// The place of a message by its full name, with or without the leading dot.
    func message(named name: String) -> Int? { messagePlaces[name.hasPrefix(".") ? String(name.dropFirst()) : name] }

    // MARK: Building

    private mutating func collect(
        _ scope: String, _ nested: [Google_Protobuf_DescriptorProto], _ enums: [Google_Protobuf_EnumDescriptorProto]
    ) {
        for descriptor in enums {
            let name = ProtoSchema.join(scope, descriptor.name)
            guard enumPlaces[name] == nil else { continue }
            var made = ProtoEnum(name: name)
            for value in descriptor.value {
                // The first of several names for one number is its name.
                if made.names[value.number] == nil { made.names[value.number] = value.name }
                made.numbers[value.name] = value.number
                made.lowercased[value.name.lowercased()] = value.number
            }
            enumPlaces[name] = self.enums.count
            self.enums.append(made)
        }
        for descriptor in nested {
            let name = ProtoSchema.join(scope, descriptor.name)
            guard messagePlaces[name] == nil else { continue }
            messagePlaces[name] = messages.count
            messages.append(
                ProtoMessage(
                    name: name, fields: [], byNumber: [:], byName: [:], isMapEntry: descriptor.options.mapEntry,
                    wellKnown: ProtoSchema.wellKnown(name)))
            collect(name, descriptor.nestedType, descriptor.enumType)
        }
    }

    private mutating func link(_ scope: String, _ descriptor: Google_Protobuf_DescriptorProto, _ isProto3: Bool) {
        let name = ProtoSchema.join(scope, descriptor.name)
        guard let place = messagePlaces[name], messages[place].fields.isEmpty else { return }
        for field in descriptor.field {
            let kind = kind(field)
            let isRepeated = field.label == .repeated
            let isMap = if case .message(let type) = kind { isRepeated && messages[type].isMapEntry } else { false }
            let isMessage = if case .message = kind { true } else { false }
            let isInOneof = field.hasOneofIndex && !field.proto3Optional
            let made = ProtoField(
                number: UInt32(truncatingIfNeeded: field.number), name: field.name,
                jsonName: field.hasJsonName ? field.jsonName : ProtoSchema.camel(field.name), kind: kind,
                isRepeated: isRepeated, isMap: isMap,
                hasPresence: !isRepeated && (isMessage || field.hasOneofIndex || !isProto3),
                oneof: isInOneof ? descriptor.oneofName(field.oneofIndex) : nil)
            messages[place].fields.append(made)
        }
        // JSON has them in the order of their numbers.
        messages[place].fields.sort { $0.number < $1.number }
        for (index, field) in messages[place].fields.enumerated() {
            messages[place].byNumber[field.number] = index
            messages[place].byName[field.name] = index
            messages[place].byName[field.jsonName] = index
        }
        for nested in descriptor.nestedType { link(name, nested, isProto3) }
    }

    private func kind(_ field: Google_Protobuf_FieldDescriptorProto) -> ProtoKind {
        let type = field.typeName.hasPrefix(".") ? String(field.typeName.dropFirst()) : field.typeName
        switch field.type {
        case .double: return .double
        case .float: return .float
        case .int64: return .int64
        case .uint64: return .uint64
        case .int32: return .int32
        case .fixed64: return .fixed64
        case .fixed32: return .fixed32
        case .bool: return .bool
        case .string: return .string
        case .group: return .group
        case .message: return messagePlaces[type].map { .message($0) } ?? .bytes
        case .bytes: return .bytes
        case .uint32: return .uint32
        case .enum: return enumPlaces[type].map { .enumeration($0) } ?? .int32
        case .sfixed32: return .sfixed32
        case .sfixed64: return .sfixed64
        case .sint32: return .sint32
        case .sint64: return .sint64
        }
    }

    static func join(_ scope: String, _ name: String) -> String { scope.isEmpty ? name : scope + "." + name }

    /// protobuf's JSON name where the descriptor has none.
    static func camel(_ name: String) -> String {
        var result = ""
        var isUpper = false
        for character in name {
            if character == "_" {
                isUpper = true
            } else {
                result += isUpper ? character.uppercased() : String(character)
                isUpper = false
            }
        }
        return result
    }

    private static func wellKnown(_ name: String) -> WellKnownMessage {
        switch name {
        case "google.protobuf.Timestamp": .timestamp
        case "google.protobuf.Duration": .duration
        case "google.protobuf.FieldMask": .fieldMask
        case "google.protobuf.Struct": .structure
        case "google.protobuf.Value": .value
        case "google.protobuf.ListValue": .listValue
        case "google.protobuf.Any": .any
        case "google.protobuf.DoubleValue", "google.protobuf.FloatValue", "google.protobuf.Int64Value", "google.protobuf.UInt64Value",
            "google.protobuf.Int32Value", "google.protobuf.UInt32Value", "google.protobuf.BoolValue", "google.protobuf.StringValue",
            "google.protobuf.BytesValue": .wrapper
        default: .none
        }
    }
}

extension Google_Protobuf_DescriptorProto {
    fileprivate func oneofName(_ index: Int32) -> String? {
        Int(index) < oneofDecl.count && index >= 0 ? oneofDecl[Int(index)].name : nil
    }
}
