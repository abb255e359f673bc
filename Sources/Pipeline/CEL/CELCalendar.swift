// Days, months and texts of times as expressions know them.

import Primitives

enum CELCalendar {
    /// Days since 1970 of a date of the proleptic Gregorian calendar.
    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        // Years that begin in March: the odd day comes last.
        let shifted = month <= 2 ? year &- 1 : year
        let era = (shifted >= 0 ? shifted : shifted &- 399) / 400
        let yearOfEra = shifted &- era &* 400
        let dayOfYear = (153 &* (month &+ (month > 2 ? -3 : 9)) &+ 2) / 5 &+ day &- 1
        let dayOfEra = yearOfEra &* 365 &+ yearOfEra / 4 &- yearOfEra / 100 &+ dayOfYear
        return era &* 146_097 &+ dayOfEra &- 719_468
    }

    static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days &+ 719_468
        let era = (shifted >= 0 ? shifted : shifted &- 146_096) / 146_097
        let dayOfEra = shifted &- era &* 146_097
        let yearOfEra = (dayOfEra &- dayOfEra / 1460 &+ dayOfEra / 36_524 &- dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra &- (365 &* yearOfEra &+ yearOfEra / 4 &- yearOfEra / 100)
        let month = (5 &* dayOfYear &+ 2) / 153
        let day = dayOfYear &- (153 &* month &+ 2) / 5 &+ 1
        return (yearOfEra &+ era &* 400 &+ (month >= 10 ? 1 : 0), month < 10 ? month &+ 3 : month &- 9, day)
    }

    /// The day since 1970, and the second of it.
    static func split(_ seconds: Int64) -> (days: Int64, second: Int64) {
        let days = (seconds >= 0 ? seconds : seconds &- 86_399) / 86_400
        return (days, seconds &- days &* 86_400)
    }

    /// Seconds east of Greenwich: `UTC`, nothing, `-08:00`, `5:30`. Nil: of no such form.
    static func offset(_ zone: Bytes) -> Int64? {
        if zone.isEmpty || zone.equals(Bytes("UTC" as StaticString)) { return 0 }
        let isNegative = zone[0] == UInt8(ascii: "-")
        let digits = isNegative || zone[0] == UInt8(ascii: "+") ? zone.from(1) : zone
        guard let colon = digits.firstIndex(of: UInt8(ascii: ":")), colon >= 1, colon <= 2, digits.count == colon &+ 3,
            let hours = digits.prefix(colon).decimal, let minutes = digits.from(colon &+ 1).decimal
        else { return nil }
        let seconds = Int64(hours) &* 3600 &+ Int64(minutes) &* 60
        return isNegative ? 0 &- seconds : seconds
    }

    // MARK: Reading

    /// RFC 3339. Nil: it is none.
    static func timestamp(_ text: Bytes) -> CELTime? {
        func number(_ start: Int, _ count: Int) -> Int64? {
            guard start &+ count <= text.count else { return nil }
            return text.part(start, start &+ count).decimal.flatMap { Int64(exactly: $0) }
        }
        func has(_ place: Int, _ byte: UInt8) -> Bool { place < text.count && Bytes.lower(text[place]) == byte }
        guard let year = number(0, 4), has(4, UInt8(ascii: "-")), let month = number(5, 2), has(7, UInt8(ascii: "-")),
            let day = number(8, 2), has(10, UInt8(ascii: "t")), let hour = number(11, 2), has(13, UInt8(ascii: ":")),
            let minute = number(14, 2), has(16, UInt8(ascii: ":")), let second = number(17, 2)
        else { return nil }
        guard month >= 1, month <= 12, day >= 1, hour <= 23, minute <= 59, second <= 60 else { return nil }
        let days = days(year: year, month: month, day: day)
        // A day that the month does not have is one of the next.
        guard date(days).month == month else { return nil }
        var place = 19
        var nanoseconds: Int32 = 0
        if has(place, UInt8(ascii: ".")) {
            place += 1
            var scale: Int32 = 100_000_000
            let first = place
            while place < text.count, text[place] >= 0x30, text[place] <= 0x39 {
                nanoseconds &+= Int32(text[place] &- 0x30) &* scale
                scale /= 10
                place += 1
            }
            guard place > first else { return nil }
        }
        var seconds = days &* 86_400 &+ hour &* 3600 &+ minute &* 60 &+ second
        if second == 60 { nanoseconds = 0 }
        if has(place, UInt8(ascii: "z")) {
            guard place &+ 1 == text.count else { return nil }
        } else {
            guard place < text.count, text[place] == UInt8(ascii: "+") || text[place] == UInt8(ascii: "-"), text.count &- place == 6,
                let hours = number(place &+ 1, 2), hours <= 23, let minutes = number(place &+ 4, 2), minutes <= 59,
                let offset = offset(text.from(place))
            else { return nil }
            seconds &-= offset
        }
        return CELTime(seconds: seconds, nanoseconds: nanoseconds)
    }

    /// `1h30m`, `-1.5s`, `0`. Nil: it is none, or longer than ten thousand years.
    static func duration(_ text: Bytes) -> CELTime? {
        var place = 0
        var isNegative = false
        if !text.isEmpty, text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "+") {
            isNegative = text[0] == UInt8(ascii: "-")
            place = 1
        }
        if text.count == place &+ 1, text[place] == UInt8(ascii: "0") { return CELTime(seconds: 0) }
        var seconds: UInt64 = 0
        var nanoseconds: UInt64 = 0
        guard place < text.count else { return nil }
        while place < text.count {
            guard let part = durationPart(text, &place), part.seconds <= CELTime.protobufSecondsMax else { return nil }
            seconds &+= part.seconds
            nanoseconds &+= part.nanoseconds
            seconds &+= nanoseconds / 1_000_000_000
            nanoseconds %= 1_000_000_000
            guard seconds <= CELTime.protobufSecondsMax else { return nil }
        }
        guard seconds < CELTime.protobufSecondsMax || nanoseconds == 0 else { return nil }
        let time = CELTime(seconds: Int64(seconds), nanoseconds: Int32(nanoseconds))
        return isNegative ? time.negated : time
    }

    /// `1.5s`
    private static func durationPart(_ text: Bytes, _ place: inout Int) -> (seconds: UInt64, nanoseconds: UInt64)? {
        var whole: UInt64 = 0
        var fraction: UInt64 = 0
        var scale: UInt64 = 1
        let start = place
        while place < text.count, text[place] >= 0x30, text[place] <= 0x39 {
            let (product, overflows) = whole.multipliedReportingOverflow(by: 10)
            let (sum, carries) = product.addingReportingOverflow(UInt64(text[place] &- 0x30))
            if overflows || carries { return nil }
            whole = sum
            place += 1
        }
        var digits = place &- start
        if place < text.count, text[place] == UInt8(ascii: ".") {
            place += 1
            while place < text.count, text[place] >= 0x30, text[place] <= 0x39 {
                if scale < 1_000_000_000_000_000_000 {
                    fraction = fraction &* 10 &+ UInt64(text[place] &- 0x30)
                    scale &*= 10
                }
                digits += 1
                place += 1
            }
        }
        guard digits > 0, let unit = unit(text, &place) else { return nil }
        // Both quotients are below the unit.
        let product = fraction.multipliedFullWidth(by: unit)
        let behind = scale.dividingFullWidth(product).quotient
        let (high, low) = whole.multipliedFullWidth(by: unit)
        guard high < 1_000_000_000 else { return nil }
        let parts = UInt64(1_000_000_000).dividingFullWidth((high, low))
        return (parts.quotient, parts.remainder &+ behind)
    }

    /// Nanoseconds of a unit.
    private static func unit(_ text: Bytes, _ place: inout Int) -> UInt64? {
        guard place < text.count else { return nil }
        let isShort = place &+ 1 < text.count && text[place &+ 1] == UInt8(ascii: "s")
        let value: UInt64
        switch text[place] {
        case UInt8(ascii: "n") where isShort: value = 1
        case UInt8(ascii: "u") where isShort: value = 1000
        case UInt8(ascii: "m") where isShort: value = 1_000_000
        case UInt8(ascii: "s"):
            place += 1
            return 1_000_000_000
        case UInt8(ascii: "m"):
            place += 1
            return 60_000_000_000
        case UInt8(ascii: "h"):
            place += 1
            return 3_600_000_000_000
        default: return nil
        }
        place += 2
        return value
    }
}
