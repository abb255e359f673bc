// IMF-fixdate (RFC 9110 §5.6.7), `Sun, 06 Nov 1994 08:49:37 GMT`, from seconds since 1970. No libc, no locale.

import Primitives

package enum HTTPDate {
    package static let byteCount = 29

    /// Years 0 to 9999; what lies beyond is clamped.
    package static func write(_ unixSeconds: Int64, into output: inout OutputCursor) {
        let seconds = min(max(unixSeconds, -62_167_219_200), 253_402_300_799)
        let days = seconds >= 0 ? seconds / 86400 : (seconds &- 86399) / 86400
        let ofDay = Int(truncatingIfNeeded: seconds &- days &* 86400)
        // 1 January 1970 was a Thursday.
        let weekday = Int(truncatingIfNeeded: ((days &+ 4) % 7 &+ 7) % 7)
        let date = civil(days)
        output.put(Bytes("SunMonTueWedThuFriSat").part(weekday &* 3, weekday &* 3 &+ 3))
        output.put(", ")
        output.putTwoDigits(date.day)
        output.put(0x20)
        let month = (date.month &- 1) &* 3
        output.put(Bytes("JanFebMarAprMayJunJulAugSepOctNovDec").part(month, month &+ 3))
        output.put(0x20)
        output.putTwoDigits(date.year / 100)
        output.putTwoDigits(date.year % 100)
        output.put(0x20)
        output.putTwoDigits(ofDay / 3600)
        output.put(0x3a)
        output.putTwoDigits(ofDay / 60 % 60)
        output.put(0x3a)
        output.putTwoDigits(ofDay % 60)
        output.put(" GMT")
    }

    /// Days since 1970 → proleptic Gregorian date. Years begin in March here, so that the leap day is a year's last.
    package static func civil(_ days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = days &+ 719_468  // 1 March of year 0
        let era = (shifted >= 0 ? shifted : shifted &- 146_096) / 146_097
        let dayOfEra = shifted &- era &* 146_097
        let yearOfEra = (dayOfEra &- dayOfEra / 1460 &+ dayOfEra / 36524 &- dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra &- (365 &* yearOfEra &+ yearOfEra / 4 &- yearOfEra / 100)
        let month = (5 &* dayOfYear &+ 2) / 153
        let day = dayOfYear &- (153 &* month &+ 2) / 5 &+ 1
        let year = yearOfEra &+ era &* 400 &+ (month >= 10 ? 1 : 0)
        return (
            Int(truncatingIfNeeded: year), Int(truncatingIfNeeded: month < 10 ? month &+ 3 : month &- 9),
            Int(truncatingIfNeeded: day)
        )
    }
}

/// The date of the current second, formatted once per second. One per worker.
@safe
package struct DateCache {
    private static let capacity = HTTPDate.byteCount + OutputCursor.spareBytes
    private var seconds: Int64 = 0
    /// Invariant: there from `init` to `destroy`, and holds the text of `seconds`.
    private let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: DateCache.capacity)

    package init() { write(0) }

    package func destroy() { unsafe memory.deallocate() }

    // HOT: per message.
    /// Stays as it is until the next call.
    package mutating func text(_ unixSeconds: Int64) -> Bytes {
        if unixSeconds != seconds { write(unixSeconds) }
        return unsafe Bytes(UnsafeRawPointer(memory), HTTPDate.byteCount)
    }

    @inline(never)
    private mutating func write(_ unixSeconds: Int64) {
        seconds = unixSeconds
        var output = unsafe OutputCursor(UnsafeMutableRawPointer(memory), capacity: DateCache.capacity)
        HTTPDate.write(unixSeconds, into: &output)
    }
}
