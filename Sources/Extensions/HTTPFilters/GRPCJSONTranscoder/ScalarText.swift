// Numbers and bytes between protobuf and JSON, as protobuf's own JSON mapping writes and reads them.

import Glibc

enum ScalarText {
    /// The shortest of 15 or 17 digits that reads back as the same number.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "\"NaN\"" }
        if value.isInfinite { return value > 0 ? "\"Infinity\"" : "\"-Infinity\"" }
        let short = print("%.15g", value)
        return Double(short) == value ? short : print("%.17g", value)
    }

    static func text(_ value: Float) -> String {
        if value.isNaN { return "\"NaN\"" }
        if value.isInfinite { return value > 0 ? "\"Infinity\"" : "\"-Infinity\"" }
        let short = print("%.6g", Double(value))
        return Float(short) == value ? short : print("%.9g", Double(value))
    }

    private static func print(_ format: String, _ value: Double) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { buffer in
            let count = unsafe withVaList([value]) { unsafe vsnprintf(buffer.baseAddress, buffer.count, format, $0) }
            let text = unsafe buffer.prefix(max(0, min(Int(count), 39)))
            return unsafe String(decoding: text.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    // MARK: Reading

    /// Digits, or a float without a fraction (`1e3`, `2.0`); of a string digits only.
    static func signed(_ text: String, isString: Bool) -> Int64? {
        if let value = Int64(text) { return text.hasPrefix("+") ? nil : value }
        guard !isString, let value = number(text), value == value.rounded(.towardZero) else { return nil }
        return Int64(exactly: value)
    }

    static func unsigned(_ text: String, isString: Bool) -> UInt64? {
        if let value = UInt64(text) { return text.hasPrefix("+") ? nil : value }
        guard !isString, let value = number(text), value == value.rounded(.towardZero) else { return nil }
        return UInt64(exactly: value)
    }

    static func double(_ text: String) -> Double? {
        switch text {
        case "NaN": return .nan
        case "Infinity": return .infinity
        case "-Infinity": return -.infinity
        default: return number(text)
        }
    }

    /// What JSON calls a number; Swift's own reading knows more forms.
    private static func number(_ text: String) -> Double? {
        guard let first = text.utf8.first, first == UInt8(ascii: "-") || first &- 0x30 < 10,
            text.utf8.allSatisfy({ $0 &- 0x30 < 10 || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") || $0 | 0x20 == UInt8(ascii: "e") }),
            let value = Double(text), value.isFinite
        else { return nil }
        return value
    }
}
