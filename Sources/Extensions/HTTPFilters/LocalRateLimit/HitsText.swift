// What `hits_addend.format` gave, as a number: digits, a fraction and an exponent.

import Primitives

package enum HitsText {
    private static let most = 1e9

    // HOT: per message.
    /// A whole number of tokens from 0 to 1,000,000,000, what stands behind the point cut off; nil: the text is no such number.
    package static func number(_ text: Bytes) -> Double? {
        var at = 0
        var isNegative = false
        if at < text.count, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") {
            isNegative = text[at] == UInt8(ascii: "-")
            at &+= 1
        }
        var value = 0.0
        var scale = 1.0
        var digits = 0
        while let digit = HitsText.digit(text, at) {
            value = value * 10 + digit
            (at, digits) = (at &+ 1, digits &+ 1)
        }
        if at < text.count, text[at] == UInt8(ascii: ".") {
            at &+= 1
            while let digit = HitsText.digit(text, at) {
                value = value * 10 + digit
                scale *= 10
                (at, digits) = (at &+ 1, digits &+ 1)
            }
        }
        guard digits > 0 else { return nil }
        value /= scale
        if at < text.count, text[at] | 0x20 == UInt8(ascii: "e") {
            guard let power = power(text, at &+ 1) else { return nil }
            value *= power
        } else if at < text.count {
            return nil
        }
        if isNegative { value = -value }
        // What is no number any more (0 times infinity) is neither.
        guard value >= 0, value <= most else { return nil }
        return value.rounded(.down)
    }

    private static func digit(_ text: Bytes, _ at: Int) -> Double? {
        guard at < text.count, text[at] >= UInt8(ascii: "0"), text[at] <= UInt8(ascii: "9") else { return nil }
        return Double(text[at] &- UInt8(ascii: "0"))
    }

    private static func power(_ text: Bytes, _ start: Int) -> Double? {
        var at = start
        var isNegative = false
        if at < text.count, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") {
            isNegative = text[at] == UInt8(ascii: "-")
            at &+= 1
        }
        var exponent = 0
        guard at < text.count else { return nil }
        while at < text.count {
            guard let digit = digit(text, at) else { return nil }
            exponent = min(exponent &* 10 &+ Int(digit), 400)
            at &+= 1
        }
        var power = 1.0
        for _ in 0..<exponent { power *= 10 }
        return isNegative ? 1 / power : power
    }
}
