// JSON → protobuf, by protobuf's JSON mapping: names in either spelling, numbers as numbers or strings, well-known types in
// their own forms. A field that the message does not have is passed over, as Envoy does.

struct TranscodeError: Error {
    /// As the log names it.
    enum Code { case invalidArgument, notFound, internalError }

    let message: String
    let code: Code

    init(_ message: String, _ code: Code = .invalidArgument) {
        self.message = message
        self.code = code
    }

    /// `%RESPONSE_CODE_DETAILS%`
    var details: StaticString {
        switch code {
        case .invalidArgument: "grpc_json_transcode_failure{INVALID_ARGUMENT}"
        case .notFound: "grpc_json_transcode_failure{NOT_FOUND}"
        case .internalError: "grpc_json_transcode_failure{INTERNAL}"
        }
    }
}

struct JSONToProto {
    let schema: ProtoSchema
    let ignoresEnumCase: Bool

    // MARK: Messages

    /// `path`: where the message stands, for what is said of a wrong value; empty for the request's own.
    func message(_ value: JSONValue, _ type: Int, _ path: String, depth: Int = 0) throws(TranscodeError) -> [UInt8] {
        guard depth < JSONParser.depthMax else { throw TranscodeError("Message too deep. Max recursion depth reached.") }
        let descriptor = schema.messages[type]
        var out: [UInt8] = []
        func wrong(_ why: String? = nil) -> TranscodeError {
            if path.isEmpty { return TranscodeError(": Root element must be a message.") }
            return TranscodeError("\(path): invalid value \(why ?? JSONToProto.text(value)) for type type.googleapis.com/\(descriptor.name)")
        }
        var form = descriptor.wellKnown
        // As Envoy does it these may also be written field by field.
        if case .object = value, form.mayBeSpelledOut { form = .none }
        switch form {
        case .none:
            guard case .object(let entries) = value else { throw wrong() }
            var oneofs: Set<String> = []
            for (key, item) in entries {
                if key.isEmpty { throw TranscodeError("\(path): Proto fields must have a name.") }
                guard let field = descriptor.field(named: key) else { continue }
                // Who writes every member of a oneof, the unset ones as null, has set one.
                if case .null = item, !takesNull(field) { continue }
                if let oneof = field.oneof, !oneofs.insert(oneof).inserted {
                    throw TranscodeError(
                        "\(path): invalid value oneof field '\(oneof)' is already set. Cannot set '\(field.name)' for type oneof")
                }
                try self.field(field, item, path.isEmpty ? field.name : path + "." + field.name, depth, &out)
            }
        case .wrapper: if let field = descriptor.field(1) { try single(field, value, path, depth, &out) }
        case .timestamp:
            guard case .string(let text) = value, let time = TranscodedTime.readTimestamp(text) else {
                throw wrong("Field '\(path)', Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset.")
            }
            JSONToProto.time(time, &out)
        case .duration:
            guard case .string(let text) = value, let time = TranscodedTime.readDuration(text) else {
                throw wrong("Field '\(path)', Illegal duration format; duration must end with 's'")
            }
            JSONToProto.time(time, &out)
        case .fieldMask:
            guard case .string(let text) = value else { throw wrong() }
            for path in text.split(separator: ",") { ProtoWireWriter.delimited(1, Array(JSONToProto.snake(path).utf8), &out) }
        case .structure:
            guard case .object(let entries) = value else { throw wrong() }
            out = try JSONToProto.structure(entries, path)
        case .value: out = try JSONToProto.value(value, path)
        case .listValue:
            guard case .array(let items) = value else { throw wrong() }
            for item in items { ProtoWireWriter.delimited(1, try JSONToProto.value(item, path), &out) }
        case .any: out = try any(value, path, depth)
        }
        return out
    }

    private func any(_ value: JSONValue, _ path: String, _ depth: Int) throws(TranscodeError) -> [UInt8] {
        func wrong(_ why: String) -> TranscodeError { TranscodeError("\(path): invalid value \(why) for type Any") }
        guard case .object(let entries) = value else { throw wrong(JSONToProto.text(value)) }
        guard let entry = entries.first(where: { $0.key == "@type" }) else {
            if entries.isEmpty { return [] }
            throw wrong("Missing @type for any field in \(path)")
        }
        guard case .string(let url) = entry.value else { throw wrong("Invalid type URL") }
        guard url.utf8.contains(UInt8(ascii: "/")) else {
            throw wrong("Invalid type URL, type URLs must be of the form 'type.googleapis.com/<typename>', got: \(url)")
        }
        let name = String(url.split(separator: "/").last ?? "")
        guard let type = schema.message(named: name) else { throw wrong("Invalid type URL, unknown type: \(name)") }
        let rest = entries.filter { $0.key != "@type" }
        let body: JSONValue = schema.messages[type].wellKnown == .none
            ? .object(rest) : rest.first { $0.key == "value" }?.value ?? .object([])
        var out: [UInt8] = []
        ProtoWireWriter.delimited(1, Array(url.utf8), &out)
        let message = try message(body, type, path, depth: depth + 1)
        if !message.isEmpty { ProtoWireWriter.delimited(2, message, &out) }
        return out
    }

    // MARK: Fields

    /// A field's JSON behind what is in `out`.
    func field(_ field: ProtoField, _ value: JSONValue, _ path: String, _ depth: Int, _ out: inout [UInt8]) throws(TranscodeError) {
        if case .null = value, !takesNull(field) { return }
        guard field.isRepeated else { return try single(field, value, path, depth, &out) }
        if field.isMap {
            guard case .object(let entries) = value, case .message(let type) = field.kind, let key = schema.messages[type].field(1),
                let item = schema.messages[type].field(2)
            else { throw wrong(field, value, path) }
            var names: Set<String> = []
            for (number, (name, value)) in entries.enumerated() {
                guard names.insert(name).inserted else { throw JSONToProto.repeated(name, number, path) }
                var entry: [UInt8] = []
                try single(key, .string(name), "\(path)[\(number)].key", depth, &entry)
                if case .null = value, !takesNull(item) {} else { try single(item, value, "\(path)[\(number)].value", depth, &entry) }
                ProtoWireWriter.delimited(field.number, entry, &out)
            }
            return
        }
        // A value by itself is a list of one.
        guard case .array(let items) = value else { return try single(field, value, path, depth, &out) }
        for (number, item) in items.enumerated() {
            if case .null = item, !takesNull(field) { continue }
            try single(field, item, "\(path)[\(number)]", depth, &out)
        }
    }

    private func takesNull(_ field: ProtoField) -> Bool {
        switch field.kind {
        case .message(let type): schema.messages[type].wellKnown == .value
        case .enumeration(let type): schema.enums[type].isNull
        default: false
        }
    }

    private func single(_ field: ProtoField, _ value: JSONValue, _ path: String, _ depth: Int, _ out: inout [UInt8]) throws(TranscodeError) {
        if case .message(let type) = field.kind {
            return ProtoWireWriter.delimited(field.number, try message(value, type, path, depth: depth + 1), &out)
        }
        ProtoWireWriter.tag(field.number, field.kind.wireType, &out)
        guard scalar(field.kind, value, &out) else { throw wrong(field, value, path) }
    }

    private func wrong(_ field: ProtoField, _ value: JSONValue, _ path: String) -> TranscodeError {
        TranscodeError("\(path): invalid value \(JSONToProto.text(value)) for type \(field.kind.name(in: schema))")
    }

    /// One value, without its tag. False: it is none of this kind.
    private func scalar(_ kind: ProtoKind, _ value: JSONValue, _ out: inout [UInt8]) -> Bool {
        var isString = false
        let text: String
        switch value {
        case .string(let string):
            text = string
            isString = true
        case .number(let number): text = number
        case .bool(let isTrue):
            guard case .bool = kind else { return false }
            out.append(isTrue ? 1 : 0)
            return true
        case .null:
            guard case .enumeration(let type) = kind, schema.enums[type].isNull else { return false }
            out.append(0)
            return true
        case .array, .object: return false
        }
        switch kind {
        case .string:
            guard isString else { return false }
            ProtoWireWriter.varint(UInt64(text.utf8.count), &out)
            out += Array(text.utf8)
        case .bytes:
            guard isString, let bytes = TranscodedBytes.decode(text) else { return false }
            ProtoWireWriter.varint(UInt64(bytes.count), &out)
            out += bytes
        case .bool:
            guard isString, let isTrue = JSONToProto.truth(text) else { return false }
            out.append(isTrue ? 1 : 0)
        case .enumeration(let type):
            guard let number = number(text, isString, schema.enums[type]) else { return false }
            ProtoWireWriter.varint(UInt64(bitPattern: Int64(number)), &out)
        default: return JSONToProto.number(kind, text, isString, &out)
        }
        return true
    }

    private static func truth(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "t", "yes", "y", "1": true
        case "false", "f", "no", "n", "0": false
        default: nil
        }
    }

    /// A number that no value has is kept, but not where it is written as text.
    private func number(_ text: String, _ isString: Bool, _ descriptor: ProtoEnum) -> Int32? {
        if let number = descriptor.numbers[text] { return number }
        if ignoresEnumCase, let number = descriptor.lowercased[text.lowercased()] { return number }
        let number = ScalarText.signed(text, isString: isString).flatMap { Int32(exactly: $0) }
        return number.flatMap { isString && descriptor.names[$0] == nil ? nil : $0 }
    }

    /// False: no such number.
    private static func number(_ kind: ProtoKind, _ text: String, _ isString: Bool, _ out: inout [UInt8]) -> Bool {
        switch kind {
        case .double:
            guard let value = ScalarText.double(text) else { return false }
            ProtoWireWriter.fixed(value.bitPattern, 8, &out)
        case .float:
            guard let value = ScalarText.double(text), value.isNaN || value.isInfinite || Float(value).isFinite else { return false }
            ProtoWireWriter.fixed(UInt64(Float(value).bitPattern), 4, &out)
        case .int32, .sint32, .sfixed32:
            guard let value = ScalarText.signed(text, isString: isString).flatMap({ Int32(exactly: $0) }) else { return false }
            switch kind {
            case .sfixed32: ProtoWireWriter.fixed(UInt64(UInt32(bitPattern: value)), 4, &out)
            case .sint32: ProtoWireWriter.varint(UInt64(UInt32(bitPattern: value << 1 ^ value >> 31)), &out)
            default: ProtoWireWriter.varint(UInt64(bitPattern: Int64(value)), &out)
            }
        case .int64, .sint64, .sfixed64:
            guard let value = ScalarText.signed(text, isString: isString) else { return false }
            switch kind {
            case .sfixed64: ProtoWireWriter.fixed(UInt64(bitPattern: value), 8, &out)
            case .sint64: ProtoWireWriter.varint(UInt64(bitPattern: value << 1 ^ value >> 63), &out)
            default: ProtoWireWriter.varint(UInt64(bitPattern: value), &out)
            }
        case .uint32, .fixed32:
            guard let value = ScalarText.unsigned(text, isString: isString).flatMap({ UInt32(exactly: $0) }) else { return false }
            if case .fixed32 = kind { ProtoWireWriter.fixed(UInt64(value), 4, &out) } else { ProtoWireWriter.varint(UInt64(value), &out) }
        case .uint64, .fixed64:
            guard let value = ScalarText.unsigned(text, isString: isString) else { return false }
            if case .fixed64 = kind { ProtoWireWriter.fixed(value, 8, &out) } else { ProtoWireWriter.varint(value, &out) }
        case .bool, .string, .bytes, .enumeration, .message, .group: return false
        }
        return true
    }

    // MARK: Pieces

    /// `google.protobuf.Value`
    private static func value(_ value: JSONValue, _ path: String) throws(TranscodeError) -> [UInt8] {
        var out: [UInt8] = []
        switch value {
        case .null:
            ProtoWireWriter.tag(1, 0, &out)
            out.append(0)
        case .number(let text):
            ProtoWireWriter.tag(2, 1, &out)
            ProtoWireWriter.fixed((ScalarText.double(text) ?? 0).bitPattern, 8, &out)
        case .string(let text): ProtoWireWriter.delimited(3, Array(text.utf8), &out)
        case .bool(let isTrue):
            ProtoWireWriter.tag(4, 0, &out)
            out.append(isTrue ? 1 : 0)
        case .object(let entries): ProtoWireWriter.delimited(5, try structure(entries, path + ".struct_value"), &out)
        case .array(let items):
            var list: [UInt8] = []
            for item in items { ProtoWireWriter.delimited(1, try JSONToProto.value(item, path + ".list_value.values"), &list) }
            ProtoWireWriter.delimited(6, list, &out)
        }
        return out
    }

    /// `google.protobuf.Struct`
    private static func structure(_ entries: [(key: String, value: JSONValue)], _ path: String) throws(TranscodeError) -> [UInt8] {
        var out: [UInt8] = []
        var names: Set<String> = []
        for (number, (key, item)) in entries.enumerated() {
            guard names.insert(key).inserted else { throw repeated(key, number, path + ".fields") }
            var entry: [UInt8] = []
            ProtoWireWriter.delimited(1, Array(key.utf8), &entry)
            ProtoWireWriter.delimited(2, try value(item, "\(path).fields[\(number)].value"), &entry)
            ProtoWireWriter.delimited(1, entry, &out)
        }
        return out
    }

    /// Two parsers may each take another of the two.
    private static func repeated(_ key: String, _ number: Int, _ path: String) -> TranscodeError {
        TranscodeError("\(path)[\(number - 1)]: Repeated map key: '\(key.prefix(200))' is already set.")
    }

    private static func time(_ time: (seconds: Int64, nanos: Int32), _ out: inout [UInt8]) {
        ProtoWireWriter.tag(1, 0, &out)
        ProtoWireWriter.varint(UInt64(bitPattern: time.seconds), &out)
        ProtoWireWriter.tag(2, 0, &out)
        ProtoWireWriter.varint(UInt64(bitPattern: Int64(time.nanos)), &out)
    }

    private static func snake(_ path: Substring) -> String {
        var result = ""
        for character in path {
            guard character.isASCII, character.isUppercase else {
                result.append(character)
                continue
            }
            if let last = result.last, last != "." { result += "_" }
            result += character.lowercased()
        }
        return result
    }

    /// A value as messages about it show it.
    static func text(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): "\"\(text.prefix(200))\""
        case .number(let text): String(text.prefix(200))
        case .bool(let isTrue): isTrue ? "true" : "false"
        case .null: "null"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

/// `bytes` in JSON: base64 of either alphabet, padded or not; written in the standard one.
enum TranscodedBytes {
    static func decode(_ text: String) -> [UInt8]? {
        var out: [UInt8] = []
        var group: UInt32 = 0
        var bits = 0
        var padding = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte &- 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte &- 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte &+ 4
            case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
            default: return nil
            }
            guard padding == 0 else { return nil }
            group = group << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                out.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
            }
        }
        // One letter alone is no byte.
        return bits == 6 || padding > 2 ? nil : out
    }
}
