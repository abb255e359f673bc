// What is asked of texts, and what is made of them: the latter in scratch memory.

import CMartlet
import Glibc
import Primitives

enum CELTexts {
    /// Characters. A byte that belongs to none counts as one.
    static func length(_ text: Bytes) -> Int {
        var count = 0
        var place = 0
        while place < text.count {
            place &+= max(JSONString.lengthOfScalar(text, at: place), 1)
            count &+= 1
        }
        return count
    }

    /// Where the character of this number begins; the text's end behind the last one, and nil beyond that.
    static func offset(_ text: Bytes, _ character: Int64) -> Int? {
        guard character >= 0 else { return nil }
        var left = character
        var place = 0
        while left > 0 {
            guard place < text.count else { return nil }
            place &+= max(JSONString.lengthOfScalar(text, at: place), 1)
            left &-= 1
        }
        return place
    }

    static func order(_ a: Bytes, _ b: Bytes) -> CELOrder {
        let difference = unsafe memcmp(a.base, b.base, min(a.count, b.count))
        if difference != 0 { return difference < 0 ? .less : .greater }
        return a.count == b.count ? .equal : a.count < b.count ? .less : .greater
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte &- 0x09 < 5 }

    static func withoutSpace(_ text: Bytes) -> Bytes {
        var start = 0
        var end = text.count
        while start < end, isSpace(text[start]) { start &+= 1 }
        while end > start, isSpace(text[end &- 1]) { end &-= 1 }
        return text.part(start, end)
    }

    static func double(_ text: Bytes) -> Double? {
        let digits = withoutSpace(text)
        var value = 0.0
        return unsafe martlet_get_double(digits.base, digits.count, &value) != 0 ? value : nil
    }

    /// The last place at or before `limit` where `needle` stands.
    static func lastIndex(of needle: Bytes, in text: Bytes, from limit: Int) -> Int? {
        var place = min(limit, text.count &- needle.count)
        while place >= 0 {
            if text.from(place).hasPrefix(needle) { return place }
            place &-= 1
        }
        return nil
    }
}

extension FormatWriter {
    /// A text in scratch memory, out of what `value` holds.
    private mutating func kept() -> CELValue { value.isTruncated ? .error : scratch.copy(value.bytes).map { .string($0) } ?? .error }

    /// `+` where texts may be joined.
    mutating func join(_ a: CELValue, _ b: CELValue) -> CELValue {
        switch (a, b) {
        case (.string(let a), .string(let b)): joined(a, b).map { .string($0) } ?? .error
        case (.bytes(let a), .bytes(let b)): joined(a, b).map { .bytes($0) } ?? .error
        default: CELNumbers.add(a, b)
        }
    }

    private mutating func joined(_ a: Bytes, _ b: Bytes) -> Bytes? {
        guard let room = unsafe scratch.room(a.count &+ b.count) else { return nil }
        unsafe room.copyMemory(from: a.base, byteCount: a.count)
        unsafe (room + a.count).copyMemory(from: b.base, byteCount: b.count)
        return unsafe Bytes(UnsafeRawPointer(room), a.count &+ b.count)
    }

    /// `string()`
    mutating func string(_ value: CELValue) -> CELValue {
        self.value.reset()
        switch value {
        case .string: return value
        case .bytes(let bytes): return JSONString.isUTF8(bytes) ? .string(bytes) : .error
        case .bool(let bool): return .string(Bytes(bool ? "true" : "false" as StaticString))
        case .int(let number): self.value.put(signed: number)
        case .uint(let number): self.value.put(decimal: number)
        case .double(let number): self.value.put(general: number)
        case .duration(let time):
            guard time.isDurationOfProtobuf else { return .error }
            self.value.put(seconds: time)
        case .timestamp(let time):
            guard time.isTimestampOfProtobuf else { return .error }
            self.value.put(timestamp: time)
        default: return .error
        }
        return kept()
    }

    /// `enable_string_functions`: characters are counted, not bytes.
    mutating func textFunction(_ op: CELOperation, _ first: CELValue, _ second: CELValue?, _ third: CELValue?, _ fourth: CELValue?) -> CELValue {
        if op == .join { return joinList(first, second) }
        guard case .string(let text) = first else { return .error }
        switch (op, second, third, fourth) {
        case (.lowerASCII, nil, nil, nil): return mapped(text) { Bytes.lower($0) }
        case (.upperASCII, nil, nil, nil): return mapped(text) { $0 &- 0x61 < 26 ? $0 & 0xdf : $0 }
        case (.trim, nil, nil, nil): return .string(CELTexts.withoutSpace(text))
        case (.reverse, nil, nil, nil): return reversed(text)
        case (.characterAt, .int(let place), nil, nil):
            guard let start = CELTexts.offset(text, place) else { return .error }
            return .string(text.from(start).prefix(start < text.count ? max(JSONString.lengthOfScalar(text, at: start), 1) : 0))
        case (.indexOf, .string(let needle), let start, nil), (.lastIndexOf, .string(let needle), let start, nil):
            return index(op, of: needle, in: text, start)
        case (.substring, .int(let from), nil, nil):
            return CELTexts.offset(text, from).map { .string(text.from($0)) } ?? .error
        case (.substring, .int(let from), .int(let to), nil):
            guard from <= to, let start = CELTexts.offset(text, from), let end = CELTexts.offset(text, to) else { return .error }
            return .string(text.part(start, end))
        case (.replace, .string(let old), .string(let new), nil): return replaced(text, old, new, Int64.max)
        case (.replace, .string(let old), .string(let new), .int(let limit)): return replaced(text, old, new, limit < 0 ? Int64.max : limit)
        case (.split, .string(let separator), nil, nil): return split(text, separator, Int64.max)
        case (.split, .string(let separator), .int(let limit), nil): return split(text, separator, limit < 0 ? Int64.max : limit)
        default: return .error
        }
    }

    private mutating func mapped(_ text: Bytes, _ change: (UInt8) -> UInt8) -> CELValue {
        value.reset()
        for i in 0..<text.count { value.put(change(text[i])) }
        return kept()
    }

    private mutating func reversed(_ text: Bytes) -> CELValue {
        guard let room = unsafe scratch.room(text.count) else { return .error }
        let end = unsafe room + text.count
        var place = 0
        while place < text.count {
            let length = max(JSONString.lengthOfScalar(text, at: place), 1)
            unsafe (end - place - length).copyMemory(from: text.base + place, byteCount: length)
            place &+= length
        }
        return unsafe .string(Bytes(UnsafeRawPointer(room), text.count))
    }

    private func index(_ op: CELOperation, of needle: Bytes, in text: Bytes, _ start: CELValue?) -> CELValue {
        var limit = op == .indexOf ? 0 : text.count
        if let start {
            guard case .int(let character) = start, let offset = CELTexts.offset(text, character) else { return .error }
            limit = offset
        }
        let place = op == .indexOf
            ? text.from(limit).firstIndex(of: needle).map { $0 &+ limit } : CELTexts.lastIndex(of: needle, in: text, from: limit)
        return .int(place.map { Int64(truncatingIfNeeded: CELTexts.length(text.prefix($0))) } ?? -1)
    }

    private mutating func replaced(_ text: Bytes, _ old: Bytes, _ new: Bytes, _ limit: Int64) -> CELValue {
        value.reset()
        var left = limit
        var rest = text
        while left > 0, let place = rest.firstIndex(of: old) {
            value.put(rest.prefix(place))
            value.put(new)
            rest = rest.from(place &+ old.count)
            left &-= 1
            guard old.isEmpty else { continue }
            // Between all characters.
            guard !rest.isEmpty else { break }
            let length = max(JSONString.lengthOfScalar(rest, at: 0), 1)
            value.put(rest.prefix(length))
            rest = rest.from(length)
        }
        value.put(rest)
        return kept()
    }

    private mutating func split(_ text: Bytes, _ separator: Bytes, _ limit: Int64) -> CELValue {
        var parts = 0
        var elements: UnsafeMutablePointer<CELValue>?
        // Counted first, then told.
        for _ in 0..<2 {
            var rest = text
            var number = 0
            while limit > 0 {
                let isLast = Int64(truncatingIfNeeded: number) &+ 1 >= limit
                var place = isLast ? nil : rest.firstIndex(of: separator)
                if separator.isEmpty, !isLast { place = rest.isEmpty ? nil : max(JSONString.lengthOfScalar(rest, at: 0), 1) }
                if separator.isEmpty, let end = place, end == rest.count { place = nil }
                if let elements = unsafe elements { unsafe (elements + number).initialize(to: .string(place.map { rest.prefix($0) } ?? rest)) }
                number &+= 1
                guard let place else { break }
                rest = rest.from(place &+ separator.count)
            }
            parts = number
            if unsafe elements == nil {
                guard let room = unsafe scratch.values(parts) else { return .error }
                unsafe elements = unsafe room
            }
        }
        guard let elements = unsafe elements else { return .error }
        return unsafe .list(UnsafePointer(elements), count: parts)
    }

    private mutating func joinList(_ list: CELValue, _ separator: CELValue?) -> CELValue {
        guard case .list(let elements, let count) = list else { return .error }
        var between = Bytes.empty
        if let separator {
            guard case .string(let text) = separator else { return .error }
            between = text
        }
        value.reset()
        for i in 0..<count {
            guard case .string(let text) = unsafe elements[i] else { return .error }
            if i > 0 { value.put(between) }
            value.put(text)
        }
        return kept()
    }
}
