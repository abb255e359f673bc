import Glibc
import Stats

/// Doubles as Envoy's formatters print them. All but `percentG` print the shortest digits that read back as the same
/// number; they differ in when they change to scientific notation.
package enum DoubleText {
    /// fmt's `{}`: fixed for exponents -4 … 15 (text output).
    static func general(_ value: Double) -> String {
        guard value.isFinite else { return special(value) }
        let decimal = Decimal(value)
        return (-4..<16).contains(decimal.exponent) ? decimal.fixed : decimal.scientific
    }

    /// `std::to_chars`: whichever notation is shorter, fixed if equal (JSON numbers).
    static func shortest(_ value: Double) -> String {
        guard value.isFinite else { return special(value) }
        let decimal = Decimal(value)
        let fixed = decimal.fixed
        let scientific = decimal.scientific
        return scientific.utf8.count < fixed.utf8.count ? scientific : fixed
    }

    /// C's `%.<precision>g`: 6 for bounds in the text output, 32 for Prometheus.
    package static func percentG(_ value: Double, precision: Int32) -> String {
        guard value.isFinite else { return special(value) }
        var digits = [CChar](repeating: 0, count: 64)
        let count = unsafe digits.withUnsafeMutableBufferPointer { buffer in
            unsafe withVaList([precision, value]) { unsafe vsnprintf(buffer.baseAddress, buffer.count, "%.*g", $0) }
        }
        return String(decoding: digits.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func special(_ value: Double) -> String {
        value.isNaN ? "nan" : value < 0 ? "-inf" : "inf"
    }

    /// The shortest digits and the exponent of the first of them.
    private struct Decimal {
        var isNegative = false
        var digits: [UInt8] = []
        var exponent = 0

        /// Swift's description has the shortest digits; only its notation differs: "123.45", "1.5e-05", "100.0".
        init(_ value: Double) {
            var pointAt: Int?
            var written = 0
            var isExponent = false
            var exponentSign = 1
            for byte in value.description.utf8 {
                switch byte {
                case UInt8(ascii: "-"):
                    if isExponent { exponentSign = -1 } else { isNegative = true }
                case UInt8(ascii: "."): pointAt = digits.count
                case UInt8(ascii: "e"): isExponent = true
                case UInt8(ascii: "0")...UInt8(ascii: "9"):
                    if isExponent {
                        written = written * 10 + Int(byte - UInt8(ascii: "0"))
                    } else {
                        digits.append(byte)
                    }
                default: break
                }
            }
            exponent = (pointAt ?? digits.count) - 1 + exponentSign * written
            while digits.count > 1, digits.first == UInt8(ascii: "0") {
                digits.removeFirst()
                exponent -= 1
            }
            while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }
            if digits == [UInt8(ascii: "0")] { exponent = 0 }
        }

        var fixed: String {
            var out: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
            let zero = UInt8(ascii: "0")
            if exponent < 0 {
                out += [zero, UInt8(ascii: ".")] + [UInt8](repeating: zero, count: -exponent - 1) + digits
            } else if digits.count <= exponent + 1 {
                out += digits + [UInt8](repeating: zero, count: exponent + 1 - digits.count)
            } else {
                out += digits[...exponent] + [UInt8(ascii: ".")] + digits[(exponent + 1)...]
            }
            return String(decoding: out, as: UTF8.self)
        }

        var scientific: String {
            var out: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
            out.append(digits[0])
            if digits.count > 1 { out += [UInt8(ascii: ".")] + digits[1...] }
            let size = abs(exponent)
            return String(decoding: out, as: UTF8.self) + (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0" : "")
                + "\(size)"
        }
    }
}
