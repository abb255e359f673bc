// Brings a head into a MessageHead's text and finds its lines there.
//
// The bytes of a head are copied once, in steps, so that a head in pieces needs no receive buffer to be kept; what was
// copied beyond the head's last line is given back by `finish`. Every byte is scanned once, whatever the pieces, and a
// bare CR, a bare LF or a control is refused the moment it is seen.

import CMartlet
import Glibc
import Primitives

struct H1LineReader {
    /// One step of copying: a usual head whole, a body behind it hardly.
    private static let stepBytes = 1024

    /// Offsets into the head's text.
    private var headStart: UInt32 = 0
    private(set) var lineStart: UInt32 = 0
    /// Everything before it is known; after a failure, where it was.
    private(set) var scanned: UInt32 = 0

    enum Line {
        /// `lineStart ..< end`, without its CRLF.
        case complete(end: Int)
        case incomplete
        case failed(H1Error)
    }

    mutating func begin(at offset: Int) {
        headStart = UInt32(truncatingIfNeeded: offset)
        lineStart = headStart
        scanned = headStart
    }

    // HOT: per header field.
    /// The next line. `lineMax` bounds this line, `headMax` the head with all its line ends.
    @inline(__always)
    mutating func next(
        _ input: Bytes, _ cursor: inout Int, _ head: inout MessageHead, lineMax: UInt32, headMax: UInt32
    ) -> Line {
        lineStart = scanned
        return resume(input, &cursor, &head, lineMax: lineMax, headMax: headMax)
    }

    // HOT: per header field.
    /// The line that `next` left incomplete.
    @inline(__always)
    mutating func resume(
        _ input: Bytes, _ cursor: inout Int, _ head: inout MessageHead, lineMax: UInt32, headMax: UInt32
    ) -> Line {
        while true {
            let base = unsafe head.textBase
            let end = head.textBytes
            let from = Int(scanned)
            let hit = unsafe from &+ martlet_scan_control(base + from, base + end, head.textLimit)
            if hit &- Int(lineStart) > Int(lineMax) { return .failed(.headersTooLarge) }
            scanned = UInt32(truncatingIfNeeded: hit)
            if hit < end {
                // RFC 9112 §2.2: a line ends with CRLF; a bare CR is invalid, a bare LF could be a line end to another
                // parser only. RFC 9110 §5.5: no other control may stand in a field.
                guard unsafe base[hit] == 0x0d else {
                    return unsafe .failed(base[hit] == 0x0a ? .bareLineFeed : .controlCharacter)
                }
                if hit &+ 1 < end {
                    guard unsafe base[hit &+ 1] == 0x0a else { return .failed(.bareCarriageReturn) }
                    scanned = UInt32(truncatingIfNeeded: hit &+ 2)
                    return .complete(end: hit)
                }
            }
            let available = input.count &- cursor
            if available == 0 { return .incomplete }
            let room = Int(headMax) &- (end &- Int(headStart))
            guard room > 0 else { return .failed(.headersTooLarge) }
            let step = min(available, room, H1LineReader.stepBytes)
            guard let copy = unsafe head.extend(step) else { return .failed(.headersTooLarge) }
            unsafe memcpy(copy.base, input.base + cursor, step)
            cursor &+= step
        }
    }

    // HOT: per message.
    /// After the last line: what was copied beyond it goes back to the input.
    @inline(__always)
    mutating func finish(_ cursor: inout Int, _ head: inout MessageHead) {
        cursor &-= head.textBytes &- Int(scanned)
        head.truncateText(to: Int(scanned))
    }
}
