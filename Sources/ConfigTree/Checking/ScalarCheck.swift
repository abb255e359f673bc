/// The constraints of numbers, strings and bytes. The phrases are those of Envoy's validator.
extension TreeCheck {
    mutating func number(_ value: Double, _ rules: Rules, _ mark: Mark, unit: String = "", isMissing: Bool = false) {
        let isTooLow = rules.lower.map { $0.isInclusive ? value < $0.value : value <= $0.value } ?? false
        let isTooHigh = rules.upper.map { $0.isInclusive ? value > $0.value : value >= $0.value } ?? false
        guard isTooLow || isTooHigh || value.isNaN && (rules.lower ?? rules.upper) != nil else { return }
        let found = isMissing ? "nothing" : isHidden ? MessageJSON.redacted : JSONText.number(value) + unit
        let phrase = TreeCheck.phrase(rules.lower, rules.upper, unit)
        refuse(mark, "value must be " + phrase, found: found, expected: "a value " + phrase)
    }

    private static func phrase(_ lower: Rules.Bound?, _ upper: Rules.Bound?, _ unit: String) -> String {
        func text(_ bound: Rules.Bound) -> String { JSONText.number(bound.value) + unit }
        switch (lower, upper) {
        case (let lower?, let upper?):
            let open = lower.isInclusive ? "[" : "("
            let close = upper.isInclusive ? "]" : ")"
            return "inside range \(open)\(text(lower)), \(text(upper))\(close)"
        case (let lower?, nil): return "greater than \(lower.isInclusive ? "or equal to " : "")\(text(lower))"
        case (nil, let upper?): return "less than \(upper.isInclusive ? "or equal to " : "")\(text(upper))"
        case (nil, nil): return "a number"
        }
    }

    mutating func text(_ value: String, _ rules: Rules, _ mark: Mark, isMissing: Bool) {
        if rules.ignoresEmpty, value.isEmpty { return }
        let found = isMissing ? "nothing" : value.isEmpty ? "an empty string" : isHidden ? MessageJSON.redacted : "'\(value.prefix(60))'"
        if value.unicodeScalars.count < rules.lengthMin {
            refuse(
                mark, "value length must be at least \(rules.lengthMin) characters", found: found,
                expected: rules.lengthMin == 1 ? "a string that is not empty" : nil)
            return
        }
        if value.unicodeScalars.count > rules.lengthMax {
            refuse(
                mark, "value length must be at most \(rules.lengthMax) characters",
                found: "\(value.unicodeScalars.count) characters", expected: "\(rules.lengthMax) characters or fewer")
        }
        if value.utf8.count > rules.bytesMax {
            refuse(
                mark, "value length must be at most \(rules.bytesMax) bytes", found: "\(value.utf8.count) bytes",
                expected: "\(rules.bytesMax) bytes or fewer")
        }
        if !value.hasPrefix(rules.prefix) {
            refuse(mark, "value does not have prefix \"\(rules.prefix)\"", found: found)
        }
        if !value.hasSuffix(rules.suffix) {
            refuse(mark, "value does not have suffix \"\(rules.suffix)\"", found: found)
        }
        if !rules.oneOf.isEmpty, !rules.oneOf.contains(value) {
            let near = isHidden ? nil : Spelling.nearest(value, rules.oneOf)
            refuse(
                mark, "value must be in list [\(rules.oneOf.joined(separator: ", "))]", found: found,
                suggestion: near.map { "did you mean '\($0)'?" })
        }
        if let pattern = rules.pattern, !KnownPattern.matches(value, pattern) {
            refuse(
                mark, "value does not match regex pattern \"\(pattern)\"", found: found,
                expected: KnownPattern.meaning[pattern])
        }
        if let rule = rules.header, !rule.allows(value) {
            refuse(mark, "value does not match regex pattern \"\(rule.pattern)\"", found: found, expected: rule.meaning)
        }
    }

    mutating func bytes(_ value: [UInt8], _ rules: Rules, _ mark: Mark) {
        if value.count < rules.bytesMin {
            refuse(mark, "value length must be at least \(rules.bytesMin) bytes", found: "\(value.count) bytes")
        }
        if value.count > rules.bytesMax {
            refuse(mark, "value length must be at most \(rules.bytesMax) bytes", found: "\(value.count) bytes")
        }
    }
}

/// The regular expressions that occur in `Protos/`, written out: they are not worth an engine. Descriptors with one that is
/// missing here do not load.
enum KnownPattern {
    static let meaning = ["^[^?#]+[^?#/]$": "a path of two characters or more without '?' and '#', not ending in '/'"]

    static func matches(_ text: String, _ pattern: String) -> Bool {
        guard pattern == "^[^?#]+[^?#/]$" else { return true }
        return text.unicodeScalars.count >= 2 && !text.contains("?") && !text.contains("#") && !text.hasSuffix("/")
    }
}

extension Rules.HeaderRule {
    func allows(_ text: String) -> Bool {
        switch self {
        case .name(isStrict: true):
            let name = text.hasPrefix(":") ? text.dropFirst() : Substring(text)
            return !name.isEmpty && name.utf8.allSatisfy(Rules.HeaderRule.isToken)
        case .value(isStrict: true): return text.utf8.allSatisfy { $0 == 9 || $0 >= 32 && $0 != 127 }
        case .name(isStrict: false), .value(isStrict: false): return text.utf8.allSatisfy { $0 != 0 && $0 != 10 && $0 != 13 }
        }
    }

    var pattern: String {
        switch self {
        case .name(isStrict: true): "^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$"
        case .value(isStrict: true): "^[^\\x00-\\x08\\x0A-\\x1F\\x7F]*$"
        default: "^[^\\x00\\x0A\\x0D]*$"
        }
    }

    var meaning: String {
        switch self {
        case .name(isStrict: true): "the name of a header"
        case .value(isStrict: true): "no control characters"
        default: "no NUL, CR or LF"
        }
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "+")...UInt8(ascii: "."):
            true
        default: "!#$%&'*^_|~`".utf8.contains(byte)
        }
    }
}
