// Numbers and times as expressions write them.

import CMartlet
import Primitives

extension TextBuffer {
    mutating func put(signed value: Int64) {
        if value < 0 { put(UInt8(ascii: "-")) }
        put(decimal: value.magnitude)
    }

    /// Six digits.
    mutating func put(short value: Double) { unsafe put { unsafe martlet_put_double_short($0, value) } }
    /// All digits, in the shorter notation.
    mutating func put(exact value: Double) { unsafe put { unsafe martlet_put_double_exact($0, value) } }
    /// All digits; from a million on in the scientific notation.
    mutating func put(general value: Double) { unsafe put { unsafe martlet_put_double_general($0, value) } }

    private mutating func put(_ write: (UnsafeMutablePointer<CChar>) -> Int) {
        let count = Int(martlet_double_bytes_max)
        guard let room = unsafe room(count) else { return }
        wrote(unsafe room.withMemoryRebound(to: CChar.self, capacity: count) { unsafe write($0) })
    }

    // MARK: Times

    /// `1h30m`, `43.204873ms`, `0`
    mutating func put(duration time: CELTime) {
        let (isNegative, seconds, nanoseconds) = time.magnitude
        if isNegative { put(UInt8(ascii: "-")) }
        guard seconds > 0 else {
            switch nanoseconds {
            case 0: return put(UInt8(ascii: "0"))
            case ..<1000: return part(nanoseconds, 0, digits: 0, "ns")
            case ..<1_000_000: return part(nanoseconds / 1000, nanoseconds % 1000, digits: 3, "us")
            default: return part(nanoseconds / 1_000_000, nanoseconds % 1_000_000, digits: 6, "ms")
            }
        }
        if seconds >= 3600 { part(seconds / 3600, 0, digits: 0, "h") }
        if seconds / 60 % 60 > 0 { part(seconds / 60 % 60, 0, digits: 0, "m") }
        if seconds % 60 > 0 || nanoseconds > 0 { part(seconds % 60, nanoseconds, digits: 9, "s") }
    }

    private mutating func part(_ whole: UInt64, _ fraction: UInt64, digits: Int, _ unit: StaticString) {
        put(decimal: whole)
        put(fraction: fraction, digits: digits)
        put(unit)
    }

    /// A point and digits up to the last one that is not zero; nothing for zero.
    private mutating func put(fraction: UInt64, digits: Int) {
        guard fraction > 0 else { return }
        var rest = fraction
        var width = digits
        while rest % 10 == 0 {
            rest /= 10
            width &-= 1
        }
        put(UInt8(ascii: "."))
        put(decimal: rest, width: width)
    }

    /// `-1.500s`: protobuf's JSON of a length of time, with no, three, six or nine digits.
    mutating func put(seconds time: CELTime) {
        let (isNegative, seconds, nanoseconds) = time.magnitude
        if isNegative { put(UInt8(ascii: "-")) }
        put(decimal: seconds)
        put(thousands: nanoseconds)
        put(UInt8(ascii: "s"))
    }

    /// `2026-11-27T02:24:18.995455Z`
    mutating func put(timestamp time: CELTime) {
        put(date: time, yearWidth: 4)
        put(thousands: UInt64(truncatingIfNeeded: time.nanoseconds))
        put(UInt8(ascii: "Z"))
    }

    /// `2026-11-27T02:24:18.995455+00:00`, and the year 1 as `1`.
    mutating func put(moment time: CELTime) {
        put(date: time, yearWidth: 1)
        put(fraction: UInt64(truncatingIfNeeded: time.nanoseconds), digits: 9)
        put("+00:00")
    }

    private mutating func put(thousands nanoseconds: UInt64) {
        guard nanoseconds > 0 else { return }
        put(UInt8(ascii: "."))
        if nanoseconds % 1_000_000 == 0 { return put(decimal: nanoseconds / 1_000_000, width: 3) }
        if nanoseconds % 1000 == 0 { return put(decimal: nanoseconds / 1000, width: 6) }
        put(decimal: nanoseconds, width: 9)
    }

    private mutating func put(date time: CELTime, yearWidth: Int) {
        let (days, second) = CELCalendar.split(time.seconds)
        let date = CELCalendar.date(days)
        if date.year < 0 { put(UInt8(ascii: "-")) }
        let year = date.year.magnitude
        if year < 1000, yearWidth == 4 { put(decimal: year, width: 4) } else { put(decimal: year) }
        put(UInt8(ascii: "-"))
        put(decimal: date.month.magnitude, width: 2)
        put(UInt8(ascii: "-"))
        put(decimal: date.day.magnitude, width: 2)
        put(UInt8(ascii: "T"))
        put(decimal: (second / 3600).magnitude, width: 2)
        put(UInt8(ascii: ":"))
        put(decimal: (second / 60 % 60).magnitude, width: 2)
        put(UInt8(ascii: ":"))
        put(decimal: (second % 60).magnitude, width: 2)
    }
}
