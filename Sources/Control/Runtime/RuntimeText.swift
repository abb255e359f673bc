// What the text of a runtime value means where a number or a fraction is asked for.

import Primitives

enum RuntimeText {
    static func value(_ text: String) -> RuntimeValue {
        if let fraction = fraction(text) { return fraction }
        let trimmed = text.split(separator: " ", omittingEmptySubsequences: true)
        guard trimmed.count == 1, let word = trimmed.first else { return .none }
        if let integer = UInt64(word) { return .integer(integer) }
        guard let number = Double(word), number.isFinite else { return .none }
        return number >= 0 && number < 1e18 && number.rounded(.towardZero) == number ? .integer(UInt64(number)) : .number(number)
    }

    /// `{numerator: 5, denominator: TEN_THOUSAND}`, or the same on two lines.
    private static func fraction(_ text: String) -> RuntimeValue? {
        var numerator: UInt32 = 0
        var denominator: UInt32 = 100
        var isFraction = false
        for part in text.split(whereSeparator: { $0 == "\n" || $0 == "," || $0 == "{" || $0 == "}" }) {
            let words = part.split(separator: ":", maxSplits: 1).map { word in
                word.filter { $0 != " " && $0 != "\"" && $0 != "'" }
            }
            if words.allSatisfy(\.isEmpty) { continue }
            guard words.count == 2 else { return nil }
            switch words[0] {
            case "numerator":
                guard let value = UInt32(words[1]) else { return nil }
                numerator = value
            case "denominator":
                switch words[1] {
                case "HUNDRED", "0": denominator = 100
                case "TEN_THOUSAND", "1": denominator = 10_000
                case "MILLION", "2": denominator = 1_000_000
                default: return nil
                }
            default: return nil
            }
            isFraction = true
        }
        return isFraction ? .fraction(numerator: numerator, denominator: denominator) : nil
    }
}
