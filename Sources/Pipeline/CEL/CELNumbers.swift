// Arithmetic and order. What does not fit, what is divided by zero, and what is of two types is an error.

import Primitives

enum CELNumbers {
    private static func checked<T>(_ result: (partialValue: T, overflow: Bool), _ make: (T) -> CELValue) -> CELValue {
        result.overflow ? .error : make(result.partialValue)
    }

    private static func told(_ time: CELTime?, _ make: (CELTime) -> CELValue) -> CELValue { time.map(make) ?? .error }

    static func negated(_ value: CELValue) -> CELValue {
        switch value {
        case .int(let value): checked(Int64(0).subtractingReportingOverflow(value)) { .int($0) }
        case .double(let value): .double(-value)
        default: .error
        }
    }

    static func add(_ a: CELValue, _ b: CELValue) -> CELValue {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.addingReportingOverflow(b)) { .int($0) }
        case (.uint(let a), .uint(let b)): checked(a.addingReportingOverflow(b)) { .uint($0) }
        case (.double(let a), .double(let b)): .double(a + b)
        case (.duration(let a), .duration(let b)): told(a.plus(b)) { .duration($0) }
        case (.timestamp(let a), .duration(let b)), (.duration(let a), .timestamp(let b)): told(a.plus(b)) { .timestamp($0) }
        default: .error
        }
    }

    static func subtract(_ a: CELValue, _ b: CELValue) -> CELValue {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.subtractingReportingOverflow(b)) { .int($0) }
        case (.uint(let a), .uint(let b)): checked(a.subtractingReportingOverflow(b)) { .uint($0) }
        case (.double(let a), .double(let b)): .double(a - b)
        case (.duration(let a), .duration(let b)), (.timestamp(let a), .timestamp(let b)): told(a.plus(b.negated)) { .duration($0) }
        case (.timestamp(let a), .duration(let b)): told(a.plus(b.negated)) { .timestamp($0) }
        default: .error
        }
    }

    static func multiply(_ a: CELValue, _ b: CELValue) -> CELValue {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.multipliedReportingOverflow(by: b)) { .int($0) }
        case (.uint(let a), .uint(let b)): checked(a.multipliedReportingOverflow(by: b)) { .uint($0) }
        case (.double(let a), .double(let b)): .double(a * b)
        default: .error
        }
    }

    static func divide(_ a: CELValue, _ b: CELValue) -> CELValue {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.dividedReportingOverflow(by: b)) { .int($0) }
        case (.uint(let a), .uint(let b)): checked(a.dividedReportingOverflow(by: b)) { .uint($0) }
        case (.double(let a), .double(let b)): .double(a / b)
        default: .error
        }
    }

    static func remainder(_ a: CELValue, _ b: CELValue) -> CELValue {
        switch (a, b) {
        case (.int(let a), .int(let b)): checked(a.remainderReportingOverflow(dividingBy: b)) { .int($0) }
        case (.uint(let a), .uint(let b)): checked(a.remainderReportingOverflow(dividingBy: b)) { .uint($0) }
        default: .error
        }
    }

    // MARK: Order

    /// Nil: they have no order. Numbers of all types have one; whole ones are compared with fractions as fractions (Envoy).
    static func order(_ a: CELValue, _ b: CELValue) -> CELOrder? {
        switch (a, b) {
        case (.bool(let a), .bool(let b)): order(a ? 1 : 0, b ? 1 : 0)
        case (.int(let a), .int(let b)): order(a, b)
        case (.uint(let a), .uint(let b)): order(a, b)
        case (.double(let a), .double(let b)): order(a, b)
        case (.int(let a), .uint(let b)): a < 0 ? .less : order(a.magnitude, b)
        case (.uint(let a), .int(let b)): b < 0 ? .greater : order(a, b.magnitude)
        case (.int(let a), .double(let b)): order(Double(a), b)
        case (.double(let a), .int(let b)): order(a, Double(b))
        case (.uint(let a), .double(let b)): order(Double(a), b)
        case (.double(let a), .uint(let b)): order(a, Double(b))
        case (.string(let a), .string(let b)), (.bytes(let a), .bytes(let b)): CELTexts.order(a, b)
        case (.duration(let a), .duration(let b)), (.timestamp(let a), .timestamp(let b)): CELTime.order(a, b)
        default: nil
        }
    }

    private static func order<T: Comparable>(_ a: T, _ b: T) -> CELOrder { a < b ? .less : a > b ? .greater : a == b ? .equal : .none }

    /// Nil: no place in a list of so many.
    static func index(_ key: CELValue, below count: Int) -> Int? {
        let place: Int?
        switch key {
        case .int(let value): place = Int(exactly: value)
        case .uint(let value): place = Int(exactly: value)
        case .double(let value): place = Int(exactly: value)
        default: place = nil
        }
        guard let place, place >= 0, place < count else { return nil }
        return place
    }
}

enum CELConversions {
    static func int(_ value: CELValue) -> CELValue {
        switch value {
        case .int: return value
        case .bool(let bool): return .int(bool ? 1 : 0)
        case .uint(let number): return Int64(exactly: number).map { .int($0) } ?? .error
        case .double(let number):
            // Both ends are refused, as in Envoy: near them a fraction is not exact.
            guard number > -9_223_372_036_854_775_808.0, number < 9_223_372_036_854_775_808.0 else { return .error }
            return .int(Int64(number))
        case .timestamp(let time): return .int(time.seconds)
        case .string(let text):
            let digits = CELTexts.withoutSpace(text)
            let isNegative = digits.count > 1 && digits[0] == UInt8(ascii: "-")
            let hasSign = isNegative || digits.count > 1 && digits[0] == UInt8(ascii: "+")
            guard let magnitude = decimal(digits.from(hasSign ? 1 : 0)) else { return .error }
            if !isNegative { return Int64(exactly: magnitude).map { .int($0) } ?? .error }
            return magnitude <= Int64.min.magnitude ? .int(Int64(truncatingIfNeeded: 0 &- magnitude)) : .error
        default: return .error
        }
    }

    static func uint(_ value: CELValue) -> CELValue {
        switch value {
        case .uint: return value
        case .int(let number): return UInt64(exactly: number).map { .uint($0) } ?? .error
        case .double(let number):
            guard number >= 0, number < 18_446_744_073_709_551_616.0 else { return .error }
            return .uint(UInt64(number))
        case .string(let text):
            let digits = CELTexts.withoutSpace(text)
            return decimal(digits.from(digits.count > 1 && digits[0] == UInt8(ascii: "+") ? 1 : 0)).map { .uint($0) } ?? .error
        default: return .error
        }
    }

    /// With any number of leading zeros.
    private static func decimal(_ digits: Bytes) -> UInt64? {
        var start = 0
        while start &+ 1 < digits.count, digits[start] == UInt8(ascii: "0") { start &+= 1 }
        return digits.from(start).decimal
    }

    static func double(_ value: CELValue) -> CELValue {
        switch value {
        case .double: return value
        case .int(let number): return .double(Double(number))
        case .uint(let number): return .double(Double(number))
        case .string(let text): return CELTexts.double(text).map { .double($0) } ?? .error
        default: return .error
        }
    }

    static func bool(_ value: CELValue) -> CELValue {
        guard case .string(let text) = value else {
            if case .bool = value { return value }
            return .error
        }
        for word in ["1", "t", "true", "True", "TRUE"] as [StaticString] where text.equals(Bytes(word)) { return .bool(true) }
        for word in ["0", "f", "false", "False", "FALSE"] as [StaticString] where text.equals(Bytes(word)) { return .bool(false) }
        return .error
    }
}

enum CELTimes {
    /// `offset`: seconds east of Greenwich.
    static func part(_ op: CELOperation, of value: CELValue, offset: Int64) -> CELValue {
        switch value {
        case .timestamp(let time): .int(part(op, time, offset))
        case .duration(let time): part(op, time).map { .int($0) } ?? .error
        default: .error
        }
    }

    private static func part(_ op: CELOperation, _ time: CELTime, _ offset: Int64) -> Int64 {
        let (days, second) = CELCalendar.split(time.seconds &+ offset)
        let date = CELCalendar.date(days)
        switch op {
        case .fullYear: return date.year
        case .month: return date.month &- 1
        case .date: return date.day
        case .dayOfMonth: return date.day &- 1
        // 1 January 1970 was a Thursday.
        case .dayOfWeek: return ((days &+ 4) % 7 &+ 7) % 7
        case .dayOfYear: return days &- CELCalendar.days(year: date.year, month: 1, day: 1)
        case .hours: return second / 3600
        case .minutes: return second / 60 % 60
        case .seconds: return second % 60
        default: return Int64(time.nanoseconds) / 1_000_000
        }
    }

    /// The whole length in that unit, but for milliseconds, which are those of the last second.
    private static func part(_ op: CELOperation, _ time: CELTime) -> Int64? {
        let magnitude = time.magnitude
        let value: UInt64
        switch op {
        case .hours: value = magnitude.seconds / 3600
        case .minutes: value = magnitude.seconds / 60
        case .seconds: value = magnitude.seconds
        case .milliseconds: value = magnitude.nanoseconds / 1_000_000
        default: return nil
        }
        let positive = Int64(truncatingIfNeeded: value)
        return magnitude.isNegative ? 0 &- positive : positive
    }
}
