// One value against one condition: Envoy's `StringMatcher`, presence and `range_match`.

import Primitives

struct ValueMatchRecord {
    enum Kind: UInt8 {
        case absent, present, exact, prefix, suffix, contains, regex, range
    }
    var kind: Kind
    var ignoreCase: Bool
    var text: TextRef
    /// For `regex`.
    var program: UInt32
    /// For `range`: `low` ≤ value < `high`.
    var low: Int64
    var high: Int64
}

extension RouteTable {
    // HOT: per message.
    /// Whether a value that is there satisfies the condition. (`absent` and `present` are about its being there.)
    func holds(_ record: ValueMatchRecord, _ value: Bytes) -> Bool {
        switch record.kind {
        case .absent: return false
        case .present: return true
        case .exact:
            let wanted = text(record.text)
            return record.ignoreCase ? value.equalsIgnoringCase(wanted) : value.equals(wanted)
        case .prefix:
            let wanted = text(record.text)
            return record.ignoreCase ? value.hasPrefixIgnoringCase(wanted) : value.hasPrefix(wanted)
        case .suffix:
            let wanted = text(record.text)
            return record.ignoreCase ? value.hasSuffixIgnoringCase(wanted) : value.hasSuffix(wanted)
        case .contains:
            let wanted = text(record.text)
            return record.ignoreCase
                ? ValueMatch.containsIgnoringCase(value, wanted) : value.firstIndex(of: wanted) != nil
        case .regex:
            return program(record.program).matches(value)
        case .range:
            guard let number = ValueMatch.integer(value) else { return false }
            return number >= record.low && number < record.high
        }
    }
}

enum ValueMatch {
    static func containsIgnoringCase(_ value: Bytes, _ wanted: Bytes) -> Bool {
        var start = 0
        while start <= value.count &- wanted.count {
            if value.from(start).hasPrefixIgnoringCase(wanted) { return true }
            start &+= 1
        }
        return false
    }

    /// A decimal 64-bit number as `absl::SimpleAtoi` reads it: white space around it and a sign are allowed.
    static func integer(_ value: Bytes) -> Int64? {
        var start = 0
        var end = value.count
        while start < end, isSpace(value[start]) { start &+= 1 }
        while end > start, isSpace(value[end &- 1]) { end &-= 1 }
        var negative = false
        if start < end, value[start] == UInt8(ascii: "-") || value[start] == UInt8(ascii: "+") {
            negative = value[start] == UInt8(ascii: "-")
            start &+= 1
        }
        guard start < end else { return nil }
        var number: Int64 = 0
        while start < end {
            let digit = value[start] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (product, overflowed) = number.multipliedReportingOverflow(by: 10)
            // Counted on the negative side, which reaches one further.
            let (sum, carried) = product.subtractingReportingOverflow(Int64(digit))
            if overflowed || carried { return nil }
            number = sum
            start &+= 1
        }
        if negative { return number }
        return number == Int64.min ? nil : 0 &- number
    }

    @inline(__always)
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte &- 0x09 < 5 }
}
