// Timestamps (RFC 3339) and durations as protobuf's JSON mapping writes them.

enum TranscodedTime {
    private static let secondsMin: Int64 = -62_135_596_800
    private static let secondsMax: Int64 = 253_402_300_799
    private static let durationMax: Int64 = 315_576_000_000

    /// Nil: outside the years 1 to 9999.
    static func timestamp(_ seconds: Int64, _ nanos: Int32) -> String? {
        guard seconds >= secondsMin, seconds <= secondsMax, nanos >= 0, nanos < 1_000_000_000 else { return nil }
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let rest = seconds - days * 86_400
        let (year, month, day) = civil(days)
        return pad(year, 4) + "-" + pad(month, 2) + "-" + pad(day, 2) + "T" + pad(rest / 3600, 2) + ":" + pad(rest / 60 % 60, 2)
            + ":" + pad(rest % 60, 2) + fraction(nanos) + "Z"
    }

    static func duration(_ seconds: Int64, _ nanos: Int32) -> String? {
        guard seconds >= -durationMax, seconds <= durationMax, nanos > -1_000_000_000, nanos < 1_000_000_000,
            seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0)
        else { return nil }
        let sign = seconds < 0 || nanos < 0 ? "-" : ""
        return sign + "\(seconds.magnitude)" + fraction(Int32(nanos.magnitude)) + "s"
    }

    /// None, or three, six or nine digits.
    private static func fraction(_ nanos: Int32) -> String {
        if nanos == 0 { return "" }
        if nanos % 1_000_000 == 0 { return "." + pad(Int64(nanos / 1_000_000), 3) }
        if nanos % 1_000 == 0 { return "." + pad(Int64(nanos / 1_000), 6) }
        return "." + pad(Int64(nanos), 9)
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let text = "\(value)"
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    /// Days since 1970 as a date of the Gregorian calendar, by eras of 400 years that begin in March.
    private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    // MARK: Reading

    static func readTimestamp(_ text: String) -> (seconds: Int64, nanos: Int32)? {
        var scan = Scan(text)
        guard let year = scan.number(4), scan.take("-"), let month = scan.number(2), scan.take("-"), let day = scan.number(2),
            scan.take("T") || scan.take("t"), let hour = scan.number(2), scan.take(":"), let minute = scan.number(2), scan.take(":"),
            let second = scan.number(2), let nanos = scan.fraction(), year >= 1, (1...12).contains(month), day >= 1, hour < 24, minute < 60,
            // RFC 3339 §5.7: a leap second; protobuf's seconds are those of POSIX, and it is the next one.
            second < 61
        else { return nil }
        let lengths: [Int64] = [31, year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day <= lengths[Int(month) - 1] else { return nil }
        var offset: Int64 = 0
        if !scan.take("Z") {
            let isBehind = scan.take("-")
            guard isBehind || scan.take("+"), let hours = scan.number(2), scan.take(":"), let minutes = scan.number(2), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * 60 * (isBehind ? 1 : -1)
        }
        guard scan.isAtEnd else { return nil }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second + offset
        return seconds >= secondsMin && seconds <= secondsMax ? (seconds, nanos) : nil
    }

    static func readDuration(_ text: String) -> (seconds: Int64, nanos: Int32)? {
        var scan = Scan(text)
        let isNegative = scan.take("-")
        guard let seconds = scan.number(nil), let nanos = scan.fraction(), scan.take("s"), scan.isAtEnd, seconds <= durationMax else {
            return nil
        }
        return isNegative ? (-seconds, -nanos) : (seconds, nanos)
    }

    private struct Scan {
        private let bytes: [UInt8]
        private var at = 0
        init(_ text: String) { bytes = Array(text.utf8) }
        var isAtEnd: Bool { at == bytes.count }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
            at += 1
            return true
        }

        mutating func number(_ width: Int?) -> Int64? {
            let start = at
            var value: Int64 = 0
            while at < bytes.count, bytes[at] &- 0x30 < 10, at - start < width ?? 12 {
                value = value * 10 + Int64(bytes[at] &- 0x30)
                at += 1
            }
            return at == start || (width != nil && at - start != width) ? nil : value
        }

        mutating func fraction() -> Int32? {
            guard take(".") else { return 0 }
            let start = at
            var value: Int32 = 0
            while at < bytes.count, bytes[at] &- 0x30 < 10 {
                guard at - start < 9 else { return nil }
                value = value * 10 + Int32(bytes[at] &- 0x30)
                at += 1
            }
            guard at > start else { return nil }
            for _ in (at - start)..<9 { value *= 10 }
            return value
        }
    }
}
