// What an expression gave, as a format shows it: `%CEL(…)%` as a text and `%TYPED_CEL(…)%` as JSON, both as Envoy 1.40 does.

import Primitives

extension FormatWriter {
    // HOT: per field.
    mutating func expression(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource, asText: Bool) -> FormatValue {
        guard let program = unsafe piece.pointee.program else { return .missing }
        let result = evaluate(program, source)
        let length = unsafe piece.pointee.length
        if unsafe asText || piece.pointee.option == 0 { return text(result).cut(length) }
        value.reset()
        // What is a text in JSON is cut, numbers and lists are not.
        switch result {
        case .error, .null: return .missing
        case .string(let text): return FormatValue.text(text).cut(length)
        case .bytes, .duration, .timestamp:
            guard putBare(result), !value.isTruncated else { return .missing }
            return FormatValue.text(value.bytes).cut(length)
        default: return putJSON(result, source) && !value.isTruncated ? .json(value.bytes) : .missing
        }
    }

    // HOT: per message.
    /// As `%CEL(…)%` shows it; nil: an error. Good until the next evaluation.
    mutating func shown(_ program: CELProgram, _ source: FormatSource) -> Bytes? {
        guard case .text(let shown) = text(evaluate(program, source)) else { return nil }
        return shown
    }

    // MARK: Text

    private mutating func text(_ result: CELValue) -> FormatValue {
        value.reset()
        switch result {
        case .error: return .missing
        case .null: return .text(Bytes("NULL" as StaticString))
        case .bool(let bool): return .text(Bytes(bool ? "true" : "false" as StaticString))
        case .string(let text), .bytes(let text): return .text(text)
        case .list: return .text(Bytes("CelList value" as StaticString))
        case .map, .headers, .group: return .text(Bytes("CelMap value" as StaticString))
        case .type: return .text(Bytes("CelType value" as StaticString))
        case .frozen(let content):
            return unsafe .text(Bytes(content.pointee.kind == .list ? "CelList value" : "CelMap value" as StaticString))
        case .int(let number): value.put(signed: number)
        case .uint(let number): value.put(decimal: number)
        case .double(let number): value.put(short: number)
        case .duration(let time): value.put(duration: time)
        case .timestamp(let time): value.put(moment: time)
        case .message(let message, let content): if let content = unsafe content { unsafe put(message, content) }
        }
        return .text(value.bytes)
    }

    /// protobuf's text format on one line, with a space behind each part.
    private mutating func put(_ message: CELMessage, _ content: UnsafePointer<FrozenValue>) {
        let members = unsafe content.pointee.members
        guard message != .metadata else {
            for i in 0..<members.count { unsafe putEntry("filter_metadata", members.pointer(i), isStruct: true) }
            return
        }
        // Fields in the order of their numbers.
        for name in message == .node ? ["id", "cluster", "metadata", "locality"] : ["region", "zone", "sub_zone"] as [StaticString] {
            guard let member = unsafe content.pointee.member(Bytes(name)) else { continue }
            if unsafe member.pointee.kind == .text {
                if unsafe !member.pointee.text.isEmpty { unsafe putString(name, member.pointee.text) }
                continue
            }
            if unsafe message == .node && member.pointee.key.equals(Bytes("metadata" as StaticString)) {
                unsafe putStruct("metadata", member)
                continue
            }
            value.put(name)
            value.put(" { ")
            unsafe put(.locality, member)
            value.put("} ")
        }
    }

    private mutating func putStruct(_ name: StaticString, _ object: UnsafePointer<FrozenValue>) {
        value.put(name)
        value.put(" { ")
        for i in unsafe 0..<object.pointee.members.count { unsafe putEntry("fields", object.pointee.members.pointer(i), isStruct: false) }
        value.put("} ")
    }

    /// One entry of a map.
    private mutating func putEntry(_ name: StaticString, _ member: UnsafePointer<FrozenValue>, isStruct: Bool) {
        value.put(name)
        value.put(" { ")
        unsafe putString("key", member.pointee.key)
        if isStruct {
            unsafe putStruct("value", member)
        } else {
            value.put("value { ")
            unsafe putProtoValue(member)
            value.put("} ")
        }
        value.put("} ")
    }

    private mutating func putProtoValue(_ member: UnsafePointer<FrozenValue>) {
        switch unsafe member.pointee.kind {
        case .null: value.put("null_value: NULL_VALUE ")
        case .bool:
            value.put("bool_value: ")
            unsafe value.put(member.pointee.number != 0 ? "true " : "false ")
        case .number:
            value.put("number_value: ")
            unsafe value.put(exact: member.pointee.number)
            value.put(" ")
        case .text: unsafe putString("string_value", member.pointee.text)
        case .object: unsafe putStruct("struct_value", member)
        case .list:
            value.put("list_value { ")
            for i in unsafe 0..<member.pointee.members.count {
                value.put("values { ")
                unsafe putProtoValue(member.pointee.members.pointer(i))
                value.put("} ")
            }
            value.put("} ")
        }
    }

    private mutating func putString(_ name: StaticString, _ text: Bytes) {
        value.put(name)
        value.put(": \"")
        for i in 0..<text.count {
            switch text[i] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "'"):
                value.put(UInt8(ascii: "\\"))
                value.put(text[i])
            case 0x0a: value.put("\\n")
            case 0x0d: value.put("\\r")
            case 0x09: value.put("\\t")
            case 0..<0x20, 0x7f:
                value.put(UInt8(ascii: "\\"))
                value.put(0x30 &+ text[i] >> 6)
                value.put(0x30 &+ text[i] >> 3 & 7)
                value.put(0x30 &+ text[i] & 7)
            default: value.put(text[i])
            }
        }
        value.put("\" ")
    }

    // MARK: JSON

    /// False: it, or something in it, is no JSON. What was written then is of no use.
    private mutating func putJSON(_ result: CELValue, _ source: FormatSource) -> Bool {
        switch result {
        case .error, .group, .type: return false
        case .null: value.put("null")
        case .bool(let bool): value.put(bool ? "true" : "false")
        case .int(let number): value.put(exact: Double(number))
        case .uint(let number): value.put(exact: Double(number))
        case .double(let number):
            if number.isNaN { value.put("null") } else { value.put(exact: number) }
        case .string(let text): putJSON(string: text)
        case .bytes, .duration, .timestamp:
            value.put(UInt8(ascii: "\""))
            guard putBare(result) else { return false }
            value.put(UInt8(ascii: "\""))
        case .list(let elements, let count):
            value.put(UInt8(ascii: "["))
            for i in 0..<count {
                if i > 0 { value.put(UInt8(ascii: ",")) }
                guard unsafe putJSON(elements[i], source) else { return false }
            }
            value.put(UInt8(ascii: "]"))
        case .map(let pairs, let count): return unsafe putJSON(pairs, count, source)
        case .headers(let headers): return putJSON(headers, source)
        case .frozen(let content): unsafe putJSON(content)
        case .message(let message, let content):
            if message == .metadata {
                value.put("{")
                if let content = unsafe content {
                    value.put("\"filter_metadata\":")
                    unsafe putJSON(content)
                }
                value.put("}")
            } else if let content = unsafe content {
                unsafe putJSON(content, leavesOutEmpty: true)
            }
        }
        return true
    }

    /// Bytes in base 64 and times, without quotes: nothing in them has to be escaped. False: a time that protobuf does not tell.
    private mutating func putBare(_ result: CELValue) -> Bool {
        switch result {
        case .bytes(let bytes): SW8Context.encode(bytes, into: &value)
        case .duration(let time):
            guard time.isDurationOfProtobuf else { return false }
            value.put(seconds: time)
        case .timestamp(let time):
            guard time.isTimestampOfProtobuf else { return false }
            value.put(timestamp: time)
        default: return false
        }
        return true
    }

    private mutating func putJSON(string text: Bytes) {
        value.put(UInt8(ascii: "\""))
        JSONString.write(text, into: &value)
        value.put(UInt8(ascii: "\""))
    }

    private mutating func putJSON(_ content: UnsafePointer<FrozenValue>, leavesOutEmpty: Bool = false) {
        let members = unsafe content.pointee.members
        switch unsafe content.pointee.kind {
        case .null: value.put("null")
        case .bool: unsafe value.put(content.pointee.number != 0 ? "true" : "false")
        case .number: unsafe value.put(exact: content.pointee.number)
        case .text: unsafe putJSON(string: content.pointee.text)
        case .list:
            value.put(UInt8(ascii: "["))
            for i in 0..<members.count {
                if i > 0 { value.put(UInt8(ascii: ",")) }
                unsafe putJSON(members.pointer(i))
            }
            value.put(UInt8(ascii: "]"))
        case .object:
            value.put(UInt8(ascii: "{"))
            var isFirst = true
            for i in 0..<members.count {
                let member = unsafe members.pointer(i)
                if leavesOutEmpty, unsafe member.pointee.kind == .text ? member.pointee.text.isEmpty : member.pointee.members.isEmpty { continue }
                if !isFirst { value.put(UInt8(ascii: ",")) }
                isFirst = false
                unsafe putJSON(string: member.pointee.key)
                value.put(UInt8(ascii: ":"))
                unsafe putJSON(member, leavesOutEmpty: leavesOutEmpty && member.pointee.key.equals(Bytes("locality" as StaticString)))
            }
            value.put(UInt8(ascii: "}"))
        }
    }

    /// In the order of the names.
    private mutating func putJSON(_ headers: CELHeaders, _ source: FormatSource) -> Bool {
        guard let names = sorted(headers, source) else { return false }
        value.put(UInt8(ascii: "{"))
        for i in 0..<names.count {
            guard let name = names[i], case .string(let text) = header(headers, name, source) else { return false }
            if i > 0 { value.put(UInt8(ascii: ",")) }
            putJSON(string: name)
            value.put(UInt8(ascii: ":"))
            putJSON(string: text)
        }
        value.put(UInt8(ascii: "}"))
        return true
    }

    private mutating func putJSON(_ pairs: UnsafePointer<CELValue>, _ count: Int, _ source: FormatSource) -> Bool {
        guard let room = unsafe scratch.room(count &* MemoryLayout<CELEntry>.stride) else { return false }
        let entries = unsafe room.bindMemory(to: CELEntry.self, capacity: max(count, 1))
        var names = 0
        for i in 0..<count {
            guard let name = unsafe name(of: pairs[2 &* i]) else { return false }
            let entry = unsafe CELEntry(name: name, value: pairs[2 &* i &+ 1])
            // A map is as long as it was written: each entry goes to its place among those before it.
            var place = names
            while place > 0, unsafe CELTexts.order(name, entries[place &- 1].name) == .less { place &-= 1 }
            // `1` and `'1'` have one name, and the later one counts.
            if place > 0, unsafe entries[place &- 1].name.equals(name) {
                unsafe entries[place &- 1] = entry
                continue
            }
            var end = names
            while end > place {
                unsafe entries[end] = entries[end &- 1]
                end &-= 1
            }
            unsafe entries[place] = entry
            names &+= 1
        }
        value.put(UInt8(ascii: "{"))
        for i in 0..<names {
            if i > 0 { value.put(UInt8(ascii: ",")) }
            unsafe putJSON(string: entries[i].name)
            value.put(UInt8(ascii: ":"))
            guard unsafe putJSON(entries[i].value, source) else { return false }
        }
        value.put(UInt8(ascii: "}"))
        return true
    }

    /// What a key is called; a boolean is none of JSON's (Envoy).
    private mutating func name(of key: CELValue) -> Bytes? {
        switch key {
        case .string(let text): return text
        case .int, .uint:
            let start = value.count
            if case .int(let number) = key { value.put(signed: number) }
            if case .uint(let number) = key { value.put(decimal: number) }
            defer { value.truncate(to: start) }
            return scratch.copy(value.bytes(from: start))
        default: return nil
        }
    }
}

@safe
private struct CELEntry: BitwiseCopyable {
    var name: Bytes
    var value: CELValue
}
