// protobuf → JSON, by protobuf's JSON mapping.

struct ProtoPrintOptions {
    var addsWhitespace = false
    var printsDefaults = false
    var printsEnumsAsNumbers = false
    var keepsProtoNames = false
}

struct ProtoToJSON {
    let schema: ProtoSchema
    let options: ProtoPrintOptions

    /// A field's value as it lies on the wire.
    private enum Raw {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    /// A message of this type.
    func text(_ bytes: ArraySlice<UInt8>, _ type: Int) throws(TranscodeError) -> [UInt8] {
        var out = JSONOutput(isPretty: options.addsWhitespace)
        guard message(bytes, type, 0, &out) else { throw TranscodeError(out.failure, out.isUnknownType ? .notFound : .invalidArgument) }
        if options.addsWhitespace { out.bytes.append(0x0a) }
        return out.bytes
    }

    // MARK: Messages

    private func message(_ bytes: ArraySlice<UInt8>, _ type: Int, _ depth: Int, _ out: inout JSONOutput) -> Bool {
        guard depth < JSONParser.depthMax else { return false }
        let descriptor = schema.messages[type]
        if descriptor.wellKnown == .any { return any(bytes, depth, &out) }
        guard let values = values(bytes, type, &out) else { return false }
        switch descriptor.wellKnown {
        case .none: break
        case .wrapper:
            return descriptor.byNumber[1].map { scalar(descriptor.fields[$0], values[$0].last ?? .number(0), depth, &out) } ?? false
        case .timestamp, .duration:
            let (seconds, nanos) = ProtoToJSON.time(descriptor, values)
            let text = descriptor.wellKnown == .timestamp ? TranscodedTime.timestamp(seconds, nanos) : TranscodedTime.duration(seconds, nanos)
            guard let text else { return out.fail(ProtoToJSON.timeFault(descriptor, seconds)) }
            out.string(Array(text.utf8)[...])
            return true
        case .fieldMask:
            var paths: [String] = []
            for case .bytes(let path) in descriptor.byNumber[1].map({ values[$0] }) ?? [] {
                paths.append(ProtoSchema.camel(String(decoding: path, as: UTF8.self)))
            }
            out.string(Array(paths.joined(separator: ",").utf8)[...])
            return true
        case .structure:
            guard let place = descriptor.byNumber[1] else { return false }
            return map(descriptor.fields[place], values[place], depth, &out)
        case .listValue:
            guard let place = descriptor.byNumber[1] else { return false }
            return list(descriptor.fields[place], values[place], depth, &out)
        case .value: return value(descriptor, values, depth, &out)
        case .any: return false
        }
        return object(descriptor, values, depth, &out)
    }

    private func object(_ descriptor: ProtoMessage, _ values: [[Raw]], _ depth: Int, _ out: inout JSONOutput) -> Bool {
        out.open("{")
        guard members(descriptor, values, depth, &out) else { return false }
        out.close("}")
        return true
    }

    private func members(_ descriptor: ProtoMessage, _ values: [[Raw]], _ depth: Int, _ out: inout JSONOutput) -> Bool {
        for (place, field) in descriptor.fields.enumerated() {
            if values[place].isEmpty {
                guard options.printsDefaults, !field.hasPresence else { continue }
            }
            out.key(Array((options.keepsProtoNames ? field.name : field.jsonName).utf8)[...])
            guard member(field, values[place], depth, &out) else { return false }
        }
        return true
    }

    private func member(_ field: ProtoField, _ values: [Raw], _ depth: Int, _ out: inout JSONOutput) -> Bool {
        if field.isMap { return map(field, values, depth, &out) }
        if field.isRepeated { return list(field, values, depth, &out) }
        // Messages are not put together, as protobuf would do it.
        if values.count > 1 { return out.fail("repeated entries for singular field number \(field.number)") }
        return scalar(field, values.last ?? .number(0), depth, &out)
    }

    private func list(_ field: ProtoField, _ values: [Raw], _ depth: Int, _ out: inout JSONOutput) -> Bool {
        out.open("[")
        for value in values {
            out.item()
            guard scalar(field, value, depth, &out) else { return false }
        }
        out.close("]")
        return true
    }

    private func map(_ field: ProtoField, _ entries: [Raw], _ depth: Int, _ out: inout JSONOutput) -> Bool {
        guard case .message(let type) = field.kind, let key = schema.messages[type].byNumber[1], let item = schema.messages[type].byNumber[2]
        else { return false }
        let descriptor = schema.messages[type]
        out.open("{")
        for case .bytes(let entry) in entries {
            guard let values = values(entry, type, &out) else { return false }
            var name = JSONOutput(isPretty: false)
            guard scalar(descriptor.fields[key], values[key].last ?? .number(0), depth, &name) else { return false }
            out.rawKey(name.bytes.first == UInt8(ascii: "\"") ? name.bytes : [UInt8(ascii: "\"")] + name.bytes + [UInt8(ascii: "\"")])
            guard member(descriptor.fields[item], values[item], depth, &out) else { return false }
        }
        out.close("}")
        return true
    }

    private func value(_ descriptor: ProtoMessage, _ values: [[Raw]], _ depth: Int, _ out: inout JSONOutput) -> Bool {
        for (place, field) in descriptor.fields.enumerated() {
            guard let last = values[place].last else { continue }
            if case .enumeration = field.kind {
                out.bytes += Array("null".utf8)
                return true
            }
            return scalar(field, last, depth, &out)
        }
        out.bytes += Array("null".utf8)
        return true
    }

    private func any(_ bytes: ArraySlice<UInt8>, _ depth: Int, _ out: inout JSONOutput) -> Bool {
        var reader = ProtoWireReader(bytes)
        var url: ArraySlice<UInt8> = []
        var content: ArraySlice<UInt8> = []
        while !reader.isAtEnd {
            guard let (number, wireType) = reader.tag() else { return false }
            if wireType == 2, number < 3 {
                guard let part = reader.delimited() else { return false }
                if number == 1 { url = part } else { content = part }
            } else if !reader.skip(wireType) {
                return false
            }
        }
        if url.isEmpty {
            out.bytes += Array("{}".utf8)
            return true
        }
        let name = url.lastIndex(of: UInt8(ascii: "/")).map { url[($0 + 1)...] } ?? url
        guard let type = schema.message(named: String(decoding: name, as: UTF8.self)) else {
            out.isUnknownType = true
            return out.fail("Invalid type URL, unknown type: " + String(decoding: name, as: UTF8.self))
        }
        out.open("{")
        out.key(Array("@type".utf8)[...])
        out.string(url)
        let descriptor = schema.messages[type]
        if descriptor.wellKnown == .none {
            guard let values = values(content, type, &out), members(descriptor, values, depth + 1, &out) else { return false }
        } else {
            out.key(Array("value".utf8)[...])
            guard message(content, type, depth + 1, &out) else { return false }
        }
        out.close("}")
        return true
    }

    // MARK: Values

    private func scalar(_ field: ProtoField, _ raw: Raw, _ depth: Int, _ out: inout JSONOutput) -> Bool {
        if case .bytes(let bytes) = raw {
            switch field.kind {
            case .string:
                guard String(validating: bytes, as: UTF8.self) != nil else { return out.fail("proto3 strings must be UTF-8") }
                out.string(bytes)
            case .bytes: out.base64(bytes)
            case .message(let type): return message(bytes, type, depth + 1, &out)
            default: return false
            }
            return true
        }
        guard case .number(let bits) = raw else { return false }
        let text: String
        switch field.kind {
        case .double: text = ScalarText.text(Double(bitPattern: bits))
        case .float: text = ScalarText.text(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case .int32, .sfixed32: text = "\(Int32(truncatingIfNeeded: bits))"
        case .uint32, .fixed32: text = "\(UInt32(truncatingIfNeeded: bits))"
        case .sint32:
            let value = UInt32(truncatingIfNeeded: bits)
            text = "\(Int32(bitPattern: value >> 1) ^ -Int32(bitPattern: value & 1))"
        case .int64, .sfixed64: text = "\"\(Int64(bitPattern: bits))\""
        case .uint64, .fixed64: text = "\"\(bits)\""
        case .sint64: text = "\"\(Int64(bitPattern: bits >> 1) ^ -Int64(bitPattern: bits & 1))\""
        case .bool: text = bits != 0 ? "true" : "false"
        case .enumeration(let type): text = name(Int32(truncatingIfNeeded: bits), schema.enums[type])
        case .string, .bytes: text = "\"\""
        case .message(let type): return message([], type, depth + 1, &out)
        case .group: return false
        }
        out.bytes += Array(text.utf8)
        return true
    }

    private func name(_ number: Int32, _ descriptor: ProtoEnum) -> String {
        if descriptor.isNull { return "null" }
        if !options.printsEnumsAsNumbers, let name = descriptor.names[number] { return "\"\(name)\"" }
        return "\(number)"
    }

    /// The values of each field, in the order of the message's fields. Nil: malformed.
    private func values(_ bytes: ArraySlice<UInt8>, _ type: Int, _ out: inout JSONOutput) -> [[Raw]]? {
        let descriptor = schema.messages[type]
        var values = [[Raw]](repeating: [], count: descriptor.fields.count)
        var reader = ProtoWireReader(bytes)
        func failed(_ why: String = "unexpected EOF") -> [[Raw]]? {
            _ = out.fail(why)
            return nil
        }
        // A tag that is cut off ends the message, as in Envoy.
        while !reader.isAtEnd, let (number, wireType) = reader.tag() {
            if wireType == 4 { return failed("attempted to close group \(number) before SGROUP tag") }
            if wireType > 5 { return failed("unknown wire type: \(wireType)") }
            guard let place = descriptor.byNumber[number] else {
                guard reader.skip(wireType) else { return failed() }
                continue
            }
            let kind = descriptor.fields[place].kind
            let wanted = kind.wireType
            if wireType == wanted, wanted != 3 {
                guard let raw = ProtoToJSON.raw(&reader, wanted) else { return failed() }
                if let fault = ProtoToJSON.fault(raw, kind) { return failed(fault) }
                values[place].append(raw)
            } else if wireType == 2, descriptor.fields[place].kind.isPackable {
                guard let packed = reader.delimited() else { return failed() }
                var inner = ProtoWireReader(packed)
                while !inner.isAtEnd {
                    guard let raw = ProtoToJSON.raw(&inner, wanted) else { return failed() }
                    if let fault = ProtoToJSON.fault(raw, kind) { return failed(fault) }
                    values[place].append(raw)
                }
            } else if wanted == 3 {
                guard reader.skip(wireType) else { return failed() }
            } else {
                return failed(ProtoToJSON.mismatch(wireType, kind, number))
            }
        }
        return values
    }

    /// What the bytes are cannot be known: to pass them over would be to lose what the server said.
    private static func mismatch(_ wireType: UInt8, _ kind: ProtoKind, _ number: UInt32) -> String {
        let what: String
        switch wireType {
        case 0: what = "varint fields"
        case 1: what = "type 64-bit fields"
        case 5: what = "32-bit fields"
        default: return "field number \(number) is not a group"
        }
        return "field type \(kind.number) (number \(number)) does not support \(what)"
    }

    private static func fault(_ raw: Raw, _ kind: ProtoKind) -> String? {
        guard case .bool = kind, case .number(let bits) = raw, bits > 1 else { return nil }
        let first = UInt8(truncatingIfNeeded: bits & 0x7f) | (bits > 0x7f ? 0x80 : 0)
        let hex = String(first, radix: 16)
        return "bad value for bool: \\x" + (hex.utf8.count < 2 ? "0" : "") + hex
    }

    private static func timeFault(_ descriptor: ProtoMessage, _ seconds: Int64) -> String {
        let what = descriptor.wellKnown == .timestamp ? "time" : "duration"
        let isLate = seconds > 0
        if what == "time" {
            return isLate ? "maximum acceptable time value is 9999-12-31T23:59:59Z" : "minimum acceptable time value is 0001-01-01T00:00:00Z"
        }
        return "\(isLate ? "maximum" : "minimum") acceptable duration value is \(isLate ? "" : "-")315576000000"
    }

    private static func raw(_ reader: inout ProtoWireReader, _ wireType: UInt8) -> Raw? {
        switch wireType {
        case 0: reader.varint().map { .number($0) }
        case 1: reader.fixed(8).map { .number($0) }
        case 2: reader.delimited().map { .bytes($0) }
        case 5: reader.fixed(4).map { .number($0) }
        default: nil
        }
    }

    private static func time(_ descriptor: ProtoMessage, _ values: [[Raw]]) -> (Int64, Int32) {
        func number(_ field: UInt32) -> UInt64 {
            guard let place = descriptor.byNumber[field], case .number(let bits)? = values[place].last else { return 0 }
            return bits
        }
        return (Int64(bitPattern: number(1)), Int32(truncatingIfNeeded: number(2)))
    }
}
