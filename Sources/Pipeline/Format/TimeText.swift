// Writes a moment by a compiled time format. One per worker, because it remembers the local zone's offset.

import Glibc
import Primitives
import Wire

@safe
struct TimeText {
    /// Offsets change at quarter hours at the soonest: libc (which takes a lock) is asked once for each.
    private static let zoneSeconds: Int64 = 900
    private static let libcBytesMax = 64

    private var zoneQuarter = Int64.min
    private var zoneOffset: Int64 = 0
    private var zone = unsafe tm()
    private var day = Int64.min
    private var date = (year: 0, month: 0, day: 0)
    /// `2026-01-31T23:59:59` of the second written last: bytes 0 to 7, 8 to 15 and 11 to 18.
    private var dateAndTime: (UInt64, UInt64, UInt64) = (0, 0, 0)
    private var dateAndTimeOf = Int64.min
    private static let dateAndTimeBytes = 19

    // HOT: per message.
    /// `wallNs`: nanoseconds since 1970, UTC.
    mutating func write(_ wallNs: UInt64, _ pieces: FrozenArray<TimePiece>, local: Bool, into output: inout TextBuffer) {
        let epoch = Int64(truncatingIfNeeded: wallNs / 1_000_000_000)
        let ns = wallNs % 1_000_000_000
        if local { findZone(epoch) }
        let shifted = epoch &+ (local ? zoneOffset : 0)
        let days = shifted >= 0 ? shifted / 86400 : (shifted &- 86399) / 86400
        let seconds = Int(truncatingIfNeeded: shifted &- days &* 86400)
        if days != day {
            day = days
            date = HTTPDate.civil(days)
        }
        for i in 0..<pieces.count {
            let piece = unsafe pieces.pointer(i)
            switch unsafe piece.pointee.kind {
            case .literal: unsafe output.put(piece.pointee.text)
            case .dateAndTime: dateAndTime(shifted, seconds, into: &output)
            case .year: output.put(decimal: UInt64(truncatingIfNeeded: max(date.year, 0)), width: date.year > 9999 ? 5 : 4)
            case .month: output.put(decimal: UInt64(truncatingIfNeeded: date.month), width: 2)
            case .day: output.put(decimal: UInt64(truncatingIfNeeded: date.day), width: 2)
            case .hour: output.put(decimal: UInt64(truncatingIfNeeded: seconds / 3600), width: 2)
            case .minute: output.put(decimal: UInt64(truncatingIfNeeded: seconds / 60 % 60), width: 2)
            case .second: output.put(decimal: UInt64(truncatingIfNeeded: seconds % 60), width: 2)
            case .fraction: unsafe fraction(ns, piece.pointee.digits, into: &output)
            case .secondFraction:
                output.put(decimal: UInt64(truncatingIfNeeded: seconds % 60), width: 2)
                if unsafe piece.pointee.digits != TimePiece.allDigits || ns != 0 {
                    output.put(UInt8(ascii: "."))
                    unsafe fraction(ns, piece.pointee.digits, into: &output)
                }
            case .epochSeconds: output.put(decimal: wallNs / 1_000_000_000)
            case .zone, .zoneColon, .zoneSeconds: unsafe offset(local ? zoneOffset : 0, piece.pointee.kind, into: &output)
            case .zoneName, .libc: unsafe libc(piece, date, seconds, days, local: local, into: &output)
            }
        }
    }

    @inline(__always)
    private mutating func dateAndTime(_ shifted: Int64, _ seconds: Int, into output: inout TextBuffer) {
        guard let room = unsafe output.room(TimeText.dateAndTimeBytes) else { return }
        let bytes = UnsafeMutableRawPointer(room)
        guard shifted == dateAndTimeOf else {
            compose(seconds, into: &output)
            // The room was there, so the text has not moved.
            unsafe dateAndTime = (
                bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: 11, as: UInt64.self)
            )
            dateAndTimeOf = shifted
            return
        }
        unsafe bytes.storeBytes(of: dateAndTime.0, as: UInt64.self)
        unsafe bytes.storeBytes(of: dateAndTime.1, toByteOffset: 8, as: UInt64.self)
        unsafe bytes.storeBytes(of: dateAndTime.2, toByteOffset: 11, as: UInt64.self)
        output.wrote(TimeText.dateAndTimeBytes)
    }

    /// Once a second. What nanoseconds since 1970 can say lies between 1969 (west of Greenwich) and 2554.
    @inline(never)
    private func compose(_ seconds: Int, into output: inout TextBuffer) {
        func two(_ mark: UInt8, _ value: Int) {
            output.put(mark)
            output.put(decimal: UInt64(truncatingIfNeeded: value), width: 2)
        }
        output.put(decimal: UInt64(truncatingIfNeeded: date.year), width: 4)
        two(UInt8(ascii: "-"), date.month)
        two(UInt8(ascii: "-"), date.day)
        two(UInt8(ascii: "T"), seconds / 3600)
        two(UInt8(ascii: ":"), seconds / 60 % 60)
        two(UInt8(ascii: ":"), seconds % 60)
    }

    private func fraction(_ ns: UInt64, _ digits: UInt8, into output: inout TextBuffer) {
        if digits == TimePiece.allDigits {
            var rest = ns
            var width = 9
            while width > 1, rest % 10 == 0 {
                rest /= 10
                width &-= 1
            }
            output.put(decimal: rest, width: width)
            return
        }
        var value = ns
        var left = Int(digits)
        if left > 9 {
            output.put(decimal: value, width: 9)
            output.put(decimal: 0, width: left &- 9)
            return
        }
        let width = left
        if left == 3 {
            value /= 1_000_000
            left = 9
        }
        while left < 9 {
            value /= 10
            left &+= 1
        }
        output.put(decimal: value, width: width)
    }

    /// `+0100`, `+01:00`, `+01:00:00`
    private func offset(_ seconds: Int64, _ kind: TimePiece.Kind, into output: inout TextBuffer) {
        output.put(seconds < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
        let size = seconds.magnitude
        output.put(decimal: size / 3600, width: 2)
        if kind != .zone { output.put(UInt8(ascii: ":")) }
        output.put(decimal: size / 60 % 60, width: 2)
        guard kind == .zoneSeconds else { return }
        output.put(UInt8(ascii: ":"))
        output.put(decimal: size % 60, width: 2)
    }

    private mutating func findZone(_ epoch: Int64) {
        let quarter = epoch / TimeText.zoneSeconds
        guard quarter != zoneQuarter else { return }
        zoneQuarter = quarter
        var time = time_t(epoch)
        unsafe localtime_r(&time, &zone)
        zoneOffset = unsafe Int64(zone.tm_gmtoff)
    }

    private func libc(
        _ piece: UnsafePointer<TimePiece>, _ date: (year: Int, month: Int, day: Int), _ seconds: Int, _ days: Int64,
        local: Bool, into output: inout TextBuffer
    ) {
        if unsafe piece.pointee.kind == .zoneName, !local { return output.put("UTC") }
        var time = unsafe zone
        unsafe time.tm_isdst = unsafe local ? zone.tm_isdst : 0
        unsafe time.tm_year = Int32(truncatingIfNeeded: date.year &- 1900)
        unsafe time.tm_mon = Int32(truncatingIfNeeded: date.month &- 1)
        unsafe time.tm_mday = Int32(truncatingIfNeeded: date.day)
        unsafe time.tm_hour = Int32(truncatingIfNeeded: seconds / 3600)
        unsafe time.tm_min = Int32(truncatingIfNeeded: seconds / 60 % 60)
        unsafe time.tm_sec = Int32(truncatingIfNeeded: seconds % 60)
        // 1 January 1970 was a Thursday.
        unsafe time.tm_wday = Int32(truncatingIfNeeded: ((days &+ 4) % 7 &+ 7) % 7)
        unsafe time.tm_yday = Int32(truncatingIfNeeded: TimeText.dayOfYear(date))
        let specification = unsafe piece.pointee.kind == .zoneName ? Bytes("%Z\0") : piece.pointee.text
        guard let room = unsafe output.room(TimeText.libcBytesMax) else { return }
        let written = unsafe UnsafeRawPointer(specification.base).withMemoryRebound(to: CChar.self, capacity: specification.count) {
            format in
            unsafe room.withMemoryRebound(to: CChar.self, capacity: TimeText.libcBytesMax) {
                unsafe strftime($0, TimeText.libcBytesMax, format, &time)
            }
        }
        output.wrote(min(written, TimeText.libcBytesMax))
    }

    private static func dayOfYear(_ date: (year: Int, month: Int, day: Int)) -> Int {
        let isLeap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0)
        var days = date.day &- 1
        for month in 1..<max(date.month, 1) {
            days &+= month == 2 ? (isLeap ? 29 : 28) : (month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31)
        }
        return days
    }
}
