// `START_TIME(%Y-%m-%dT%H:%M:%E3SZ)`: the text behind the operator, compiled into pieces.
//
// Envoy's language: strftime, `%f` and `%1f`…`%9f` for the fraction of the second, and what absl::FormatTime adds
// (`%E3S`, `%E*S`, `%E6f`, `%E4Y`, `%Ez`, `%ET`). Envoy 1.40 was asked for each.

import Primitives

@safe
package struct TimePiece: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        case literal, year, month, day, hour, minute, second
        /// `2026-01-31T23:59:59`: what most formats begin with, the same for all of a second.
        case dateAndTime
        /// Digits of the fraction; `allDigits`: as many as there are.
        case fraction
        /// Seconds, point, fraction.
        case secondFraction
        case epochSeconds
        /// `+0100`, `+01:00`, `+01:00:00`, `CET`
        case zone, zoneColon, zoneSeconds, zoneName
        /// Anything else is libc's: the text is its specification, ended by a zero byte.
        case libc
    }
    static let allDigits: UInt8 = 255

    var kind = Kind.literal
    var digits: UInt8 = 0
    var text = Bytes.empty
}

enum TimeFormat {
    static let utcDefault = "%Y-%m-%dT%H:%M:%E3SZ"
    static let localDefault = "%Y-%m-%dT%H:%M:%E3S%z"

    static func compile(_ text: String, in arena: FrozenArena) -> FrozenArray<TimePiece> {
        var compiler = TimeFormatCompiler(text: Array(text.utf8), arena: arena)
        return compiler.compile()
    }

    /// A `%n`, with strftime's flags, width and modifier before the `n`; as in Envoy also behind `%%`.
    static func breaksLine(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        for start in bytes.indices where bytes[start] == UInt8(ascii: "%") {
            var rest = bytes[(start + 1)...].drop { "-_0^#".utf8.contains($0) }.drop { (0x31...0x39).contains($0) }
            if rest.first == UInt8(ascii: "E") || rest.first == UInt8(ascii: "O") { rest = rest.dropFirst() }
            if rest.first == UInt8(ascii: "n") { return true }
        }
        return false
    }
}

private struct TimeFormatCompiler {
    let text: [UInt8]
    let arena: FrozenArena
    private var pieces: [TimePiece] = []
    private var literal: [UInt8] = []
    private var i = 0

    init(text: [UInt8], arena: FrozenArena) {
        self.text = text
        self.arena = arena
    }

    mutating func compile() -> FrozenArray<TimePiece> {
        while i < text.count {
            if text[i] == UInt8(ascii: "%"), i + 1 < text.count { specifier() } else { copy(1) }
        }
        endLiteral()
        joinDateAndTime()
        return arena.array(pieces)
    }

    /// `%Y-%m-%dT%H:%M:%S` at the start becomes one piece.
    private mutating func joinDateAndTime() {
        let kinds: [TimePiece.Kind] = [.year, .literal, .month, .literal, .day, .literal, .hour, .literal, .minute, .literal]
        guard pieces.count > kinds.count, pieces.prefix(kinds.count).map(\.kind) == kinds else { return }
        guard pieces.prefix(kinds.count).filter({ $0.kind == .literal }).map({ String($0.text) }) == ["-", "-", "T", ":", ":"] else { return }
        var joined = [TimePiece()]
        joined[0].kind = .dateAndTime
        let second = pieces[kinds.count]
        switch second.kind {
        case .second: break
        case .secondFraction where second.digits != TimePiece.allDigits:
            var point = TimePiece()
            point.text = arena.text(".")
            var fraction = TimePiece()
            fraction.kind = .fraction
            fraction.digits = second.digits
            joined += [point, fraction]
        default: return
        }
        pieces.replaceSubrange(...kinds.count, with: joined)
    }

    private mutating func specifier() {
        switch text[i + 1] {
        case UInt8(ascii: "%"):
            literal.append(UInt8(ascii: "%"))
            i += 2
        case UInt8(ascii: "Y"): put(.year, length: 2)
        case UInt8(ascii: "m"): put(.month, length: 2)
        case UInt8(ascii: "d"): put(.day, length: 2)
        case UInt8(ascii: "H"): put(.hour, length: 2)
        case UInt8(ascii: "M"): put(.minute, length: 2)
        case UInt8(ascii: "S"): put(.second, length: 2)
        case UInt8(ascii: "T"):
            put(.hour, length: 0)
            literal.append(UInt8(ascii: ":"))
            put(.minute, length: 0)
            literal.append(UInt8(ascii: ":"))
            put(.second, length: 2)
        case UInt8(ascii: "F"):
            put(.year, length: 0)
            literal.append(UInt8(ascii: "-"))
            put(.month, length: 0)
            literal.append(UInt8(ascii: "-"))
            put(.day, length: 2)
        case UInt8(ascii: "s"): put(.epochSeconds, length: 2)
        case UInt8(ascii: "f"): put(.fraction, digits: 9, length: 2)
        case UInt8(ascii: "z"): put(.zone, length: 2)
        case UInt8(ascii: "Z"): put(.zoneName, length: 2)
        case UInt8(ascii: ":"): colons()
        case UInt8(ascii: "E"): extended()
        case UInt8(ascii: "1")...UInt8(ascii: "9"): numbered()
        default: libc()
        }
    }

    /// `%3f`; `%3s` is `%s`.
    private mutating func numbered() {
        guard i + 2 < text.count else { return copy(2) }
        switch text[i + 2] {
        case UInt8(ascii: "f"): put(.fraction, digits: text[i + 1] - 0x30, length: 3)
        case UInt8(ascii: "s"): put(.epochSeconds, length: 3)
        default: libc()
        }
    }

    private mutating func colons() {
        if matches(":z") { return put(.zoneColon, length: 3) }
        if matches("::z") { return put(.zoneSeconds, length: 4) }
        copy(1)
    }

    /// `%E…`
    private mutating func extended() {
        if matches("Ez") { return put(.zoneColon, length: 3) }
        if matches("E*z") { return put(.zoneSeconds, length: 4) }
        if matches("E*S") { return put(.secondFraction, digits: TimePiece.allDigits, length: 4) }
        if matches("E*f") { return put(.fraction, digits: TimePiece.allDigits, length: 4) }
        if matches("ET") {
            literal.append(UInt8(ascii: "T"))
            i += 3
            return
        }
        if matches("E4Y") { return put(.year, length: 4) }
        var end = i + 2
        var digits = 0
        while end < text.count, text[end] >= 0x30, text[end] <= 0x39, digits < 100 {
            digits = digits * 10 + Int(text[end] - 0x30)
            end += 1
        }
        guard end > i + 2, end < text.count else { return libc() }
        let clamped = UInt8(min(digits, 18))
        switch text[end] {
        case UInt8(ascii: "S"): put(clamped == 0 ? .second : .secondFraction, digits: clamped, length: end + 1 - i)
        case UInt8(ascii: "f"): put(.fraction, digits: clamped, length: end + 1 - i)
        default: copy(end + 1 - i)
        }
    }

    /// The specifier goes to strftime: flags, width, `E` or `O`, and one letter.
    private mutating func libc() {
        var end = i + 1
        let modifiers = Array("_-0^#EO123456789".utf8)
        while end < text.count, modifiers.contains(text[end]) { end += 1 }
        guard end < text.count, text[end] >= 0x21, text[end] < 0x7f else { return copy(1) }
        endLiteral()
        var piece = TimePiece()
        piece.kind = .libc
        piece.text = arena.text(Array(text[i...end]) + [0])
        pieces.append(piece)
        i = end + 1
    }

    private func matches(_ specifier: String) -> Bool {
        let wanted = Array(specifier.utf8)
        return i + 1 + wanted.count <= text.count && Array(text[(i + 1)..<(i + 1 + wanted.count)]) == wanted
    }

    private mutating func copy(_ count: Int) {
        literal += text[i..<min(i + count, text.count)]
        i += count
    }

    private mutating func put(_ kind: TimePiece.Kind, digits: UInt8 = 0, length: Int) {
        endLiteral()
        var piece = TimePiece()
        piece.kind = kind
        piece.digits = digits
        pieces.append(piece)
        i += length
    }

    private mutating func endLiteral() {
        guard !literal.isEmpty else { return }
        var piece = TimePiece()
        piece.text = arena.text(literal)
        pieces.append(piece)
        literal.removeAll()
    }
}
