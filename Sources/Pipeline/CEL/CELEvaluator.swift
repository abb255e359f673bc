// A compiled expression over one source. Each node is visited once at the most: without loops an evaluation is as long as what was
// written, and as deep as `CELLimits.depthMax`.
//
// An operand of the wrong type, a number that does not fit, a name that nothing stands under: `CELValue.error`, which everything
// but `&&`, `||` and `?:` passes on.

import Primitives
import Routing

extension FormatWriter {
    // HOT: per message.
    /// What it gives; good until the next evaluation.
    mutating func evaluate(_ program: CELProgram, _ source: FormatSource) -> CELValue {
        scratch.reset()
        return unsafe evaluate(program.root, source)
    }

    // HOT: per message.
    /// What filters ask: true and nothing else.
    mutating func holds(_ program: CELProgram, _ source: FormatSource) -> Bool {
        if case .bool(true) = evaluate(program, source) { true } else { false }
    }

    private mutating func evaluate(_ node: UnsafePointer<CELNode>, _ source: FormatSource) -> CELValue {
        let operands = unsafe node.pointee.operands
        switch unsafe node.pointee.op {
        case .constant: return unsafe node.pointee.value
        case .attribute: return unsafe attribute(node.pointee.attribute, source) ?? .error
        case .hasAttribute: return unsafe .bool(attribute(node.pointee.attribute, source) != nil)
        case .and, .or: return unsafe chain(operands, stops: node.pointee.op == .or, source)
        case .choose:
            guard case .bool(let isTrue) = unsafe evaluate(operands.pointer(0), source) else { return .error }
            return unsafe evaluate(operands.pointer(isTrue ? 1 : 2), source)
        case .list, .map: return unsafe collection(operands, isList: node.pointee.op == .list, source)
        default: break
        }
        let first = unsafe evaluate(operands.pointer(0), source)
        if first.isError { return .error }
        switch unsafe node.pointee.op {
        case .select: return unsafe select(first, node.pointee.text, source)
        case .has: return unsafe has(first, node.pointee.text, source)
        case .matches:
            guard case .string(let text) = first, let regex = unsafe node.pointee.regex else { return .error }
            return .bool(regex.finds(in: text))
        default: break
        }
        if operands.count == 1 { return unsafe apply(node.pointee.op, first, source) }
        let second = unsafe evaluate(operands.pointer(1), source)
        if second.isError { return .error }
        if operands.count == 2, let value = unsafe apply(node.pointee.op, first, second, source) { return value }
        var third: CELValue?
        var fourth: CELValue?
        if operands.count > 2 { third = unsafe evaluate(operands.pointer(2), source) }
        if operands.count > 3 { fourth = unsafe evaluate(operands.pointer(3), source) }
        if third?.isError == true || fourth?.isError == true { return .error }
        return unsafe textFunction(node.pointee.op, first, second, third, fourth)
    }

    /// Whatever the others are: one operand that decides is enough, and only where none does an error counts.
    private mutating func chain(_ operands: FrozenArray<CELNode>, stops: Bool, _ source: FormatSource) -> CELValue {
        var hasError = false
        for i in 0..<operands.count {
            guard case .bool(let value) = unsafe evaluate(operands.pointer(i), source) else {
                hasError = true
                continue
            }
            if value == stops { return .bool(stops) }
        }
        return hasError ? .error : .bool(!stops)
    }

    private mutating func collection(_ operands: FrozenArray<CELNode>, isList: Bool, _ source: FormatSource) -> CELValue {
        guard let values = unsafe scratch.values(operands.count) else { return .error }
        for i in 0..<operands.count {
            let value = unsafe evaluate(operands.pointer(i), source)
            if value.isError { return .error }
            unsafe (values + i).initialize(to: value)
        }
        if isList { return unsafe .list(UnsafePointer(values), count: operands.count) }
        var i = 0
        while i < operands.count {
            switch unsafe values[i] {
            case .bool, .int, .uint, .string: break
            default: return .error
            }
            // A key stands once.
            var j = 0
            while j < i {
                if unsafe isSameKey(values[j], values[i]) { return .error }
                j &+= 2
            }
            i &+= 2
        }
        return unsafe .map(UnsafePointer(values), count: operands.count / 2)
    }

    /// Not as `==`: `1` and `1u` are two keys of one map.
    private func isSameKey(_ a: CELValue, _ b: CELValue) -> Bool {
        switch (a, b) {
        case (.int(let a), .int(let b)): a == b
        case (.uint(let a), .uint(let b)): a == b
        case (.bool(let a), .bool(let b)): a == b
        case (.string(let a), .string(let b)): a.equals(b)
        default: false
        }
    }

    // MARK: Fields and elements

    private mutating func select(_ value: CELValue, _ field: Bytes, _ source: FormatSource) -> CELValue {
        if case .message(let message, let content) = value { return unsafe CELMessages.field(field, of: message, content) ?? .error }
        return member(of: value, .string(field), source) ?? .error
    }

    private mutating func has(_ value: CELValue, _ field: Bytes, _ source: FormatSource) -> CELValue {
        switch value {
        case .message(let message, let content): return unsafe CELMessages.has(field, in: message, content)
        case .map, .headers, .group: return .bool(member(of: value, .string(field), source) != nil)
        case .frozen(let content) where unsafe content.pointee.kind == .object: return unsafe .bool(content.pointee.member(field) != nil)
        default: return .error
        }
    }

    /// What a list or a map has there; nil: nothing, or no such thing can be had of it.
    mutating func member(of value: CELValue, _ key: CELValue, _ source: FormatSource) -> CELValue? {
        switch value {
        case .list(let elements, let count):
            guard let index = CELNumbers.index(key, below: count) else { return nil }
            return unsafe elements[index]
        case .map(let pairs, let count):
            for i in 0..<count where unsafe equals(pairs[2 &* i], key, source) { return unsafe pairs[2 &* i &+ 1] }
            return nil
        case .frozen(let content):
            if unsafe content.pointee.kind == .list {
                guard let index = unsafe CELNumbers.index(key, below: content.pointee.members.count) else { return nil }
                return unsafe CELValue.of(content.pointee.members.pointer(index))
            }
            guard case .string(let name) = key else { return nil }
            return unsafe content.pointee.member(name).map { unsafe CELValue.of($0) }
        case .headers(let headers):
            guard case .string(let name) = key else { return nil }
            return header(headers, name, source)
        case .group(let group):
            guard case .string(let name) = key, let attribute = CELAttribute.find(group, name) else { return nil }
            return self.attribute(attribute, source)
        default: return nil
        }
    }

    private mutating func contains(_ value: CELValue, in collection: CELValue, _ source: FormatSource) -> CELValue {
        switch collection {
        case .list(let elements, let count):
            for i in 0..<count where unsafe equals(elements[i], value, source) { return .bool(true) }
            return .bool(false)
        case .frozen(let content) where unsafe content.pointee.kind == .list:
            let members = unsafe content.pointee.members
            for i in 0..<members.count where unsafe equals(CELValue.of(members.pointer(i)), value, source) { return .bool(true) }
            return .bool(false)
        case .map, .frozen, .headers, .group:
            switch value {
            case .bool, .int, .uint, .double, .string: return .bool(member(of: collection, value, source) != nil)
            default: return .error
            }
        default: return .error
        }
    }

    // MARK: Operators

    private mutating func apply(_ op: CELOperation, _ value: CELValue, _ source: FormatSource) -> CELValue {
        switch op {
        case .not:
            if case .bool(let value) = value { return .bool(!value) }
            return .error
        case .negate: return CELNumbers.negated(value)
        case .size: return size(value, source)
        case .toInt: return CELConversions.int(value)
        case .toUint: return CELConversions.uint(value)
        case .toDouble: return CELConversions.double(value)
        case .toBool: return CELConversions.bool(value)
        case .toBytes:
            switch value {
            case .string(let text), .bytes(let text): return .bytes(text)
            default: return .error
            }
        case .toString: return string(value)
        case .toDuration:
            switch value {
            case .duration: return value
            case .string(let text): return CELCalendar.duration(text).map { .duration($0) } ?? .error
            default: return .error
            }
        case .toTimestamp:
            switch value {
            case .timestamp: return value
            case .int(let seconds): return CELTime(seconds: seconds).isTold ? .timestamp(CELTime(seconds: seconds)) : .error
            case .string(let text): return CELCalendar.timestamp(text).map { .timestamp($0) } ?? .error
            default: return .error
            }
        case .typeOf: return CELType(of: value).map { .type($0) } ?? .error
        case .same: return value
        case .fullYear, .month, .date, .dayOfMonth, .dayOfWeek, .dayOfYear, .hours, .minutes, .seconds, .milliseconds:
            return CELTimes.part(op, of: value, offset: 0)
        default: return textFunction(op, value, nil, nil, nil)
        }
    }

    /// Nil: no operator of two operands.
    private mutating func apply(_ op: CELOperation, _ a: CELValue, _ b: CELValue, _ source: FormatSource) -> CELValue? {
        switch op {
        case .equal: return .bool(equals(a, b, source))
        case .unequal: return .bool(!equals(a, b, source))
        case .less: return CELNumbers.order(a, b).map { .bool($0 == .less) } ?? .error
        case .lessOrEqual: return CELNumbers.order(a, b).map { .bool($0 == .less || $0 == .equal) } ?? .error
        case .greater: return CELNumbers.order(a, b).map { .bool($0 == .greater) } ?? .error
        case .greaterOrEqual: return CELNumbers.order(a, b).map { .bool($0 == .greater || $0 == .equal) } ?? .error
        case .contained: return contains(a, in: b, source)
        case .index: return member(of: a, b, source) ?? .error
        case .add: return CELNumbers.add(a, b)
        case .addOrJoin: return join(a, b)
        case .subtract: return CELNumbers.subtract(a, b)
        case .multiply: return CELNumbers.multiply(a, b)
        case .divide: return CELNumbers.divide(a, b)
        case .remainder: return CELNumbers.remainder(a, b)
        case .contains, .startsWith, .endsWith:
            guard case .string(let text) = a, case .string(let part) = b else { return .error }
            if op == .contains { return .bool(text.firstIndex(of: part) != nil) }
            return .bool(op == .startsWith ? text.hasPrefix(part) : text.hasSuffix(part))
        case .fullYear, .month, .date, .dayOfMonth, .dayOfWeek, .dayOfYear, .hours, .minutes, .seconds, .milliseconds:
            guard case .timestamp = a, case .string(let zone) = b, let offset = CELCalendar.offset(zone) else { return .error }
            return CELTimes.part(op, of: a, offset: offset)
        default: return nil
        }
    }

    private mutating func size(_ value: CELValue, _ source: FormatSource) -> CELValue {
        switch value {
        case .string(let text): .int(Int64(truncatingIfNeeded: CELTexts.length(text)))
        case .bytes(let bytes): .int(Int64(truncatingIfNeeded: bytes.count))
        case .list, .map, .frozen, .headers, .group: count(value, source).map { .int(Int64(truncatingIfNeeded: $0)) } ?? .error
        default: .error
        }
    }

    /// Elements or entries. Attributes of one sort are not counted (Envoy).
    mutating func count(_ value: CELValue, _ source: FormatSource) -> Int? {
        switch value {
        case .list(_, let count), .map(_, let count): count
        case .frozen(let content): unsafe content.pointee.members.count
        case .headers(let headers): sorted(headers, source)?.count
        case .group: 0
        default: nil
        }
    }

    // MARK: Equality

    /// Over types: numbers by their value, and otherwise false.
    mutating func equals(_ a: CELValue, _ b: CELValue, _ source: FormatSource) -> Bool {
        switch (a, b) {
        case (.null, .null): return true
        case (.bool(let a), .bool(let b)): return a == b
        case (.string(let a), .string(let b)), (.bytes(let a), .bytes(let b)): return a.equals(b)
        case (.duration(let a), .duration(let b)), (.timestamp(let a), .timestamp(let b)): return CELTime.order(a, b) == .equal
        case (.type(let a), .type(let b)): return a == b
        case (.message(let a, let x), .message(let b, let y)):
            guard a == b else { return false }
            if unsafe x == y { return true }
            guard let x = unsafe x, let y = unsafe y else { return false }
            return unsafe equals(.frozen(x), .frozen(y), source)
        case (.int, _), (.uint, _), (.double, _): return CELNumbers.order(a, b) == .equal
        default: break
        }
        guard let type = CELType(of: a), type == CELType(of: b), let count = count(a, source), count == self.count(b, source) else { return false }
        if type == .list { return isEqualList(a, b, count, source) }
        return type == .map && isEqualMap(a, b, count, source)
    }

    private mutating func isEqualList(_ a: CELValue, _ b: CELValue, _ count: Int, _ source: FormatSource) -> Bool {
        for i in 0..<count {
            let key = CELValue.int(Int64(truncatingIfNeeded: i))
            guard let x = member(of: a, key, source), let y = member(of: b, key, source), equals(x, y, source) else { return false }
        }
        return true
    }

    private mutating func isEqualMap(_ a: CELValue, _ b: CELValue, _ count: Int, _ source: FormatSource) -> Bool {
        let names: CELNames? = if case .headers(let headers) = a { sorted(headers, source) } else { nil }
        for i in 0..<count {
            guard let entry = entry(i, of: a, names, source), let other = member(of: b, entry.key, source), equals(entry.value, other, source)
            else { return false }
        }
        return true
    }

    /// One entry of a map. `names`: of heads.
    mutating func entry(_ index: Int, of value: CELValue, _ names: CELNames?, _ source: FormatSource) -> (key: CELValue, value: CELValue)? {
        switch value {
        case .map(let pairs, _): return unsafe (pairs[2 &* index], pairs[2 &* index &+ 1])
        case .frozen(let content):
            let member = unsafe content.pointee.members.pointer(index)
            return unsafe (.string(member.pointee.key), CELValue.of(member))
        case .headers(let headers):
            guard let name = names?[index], let text = header(headers, name, source) else { return nil }
            return (.string(name), text)
        default: return nil
        }
    }
}
