/// What libyaml reads in place of a file's bytes, and the way back from its places and texts to the file's.
///
/// - U+0085, U+2028 and U+2029 end a line for libyaml (YAML 1.1), and with it a comment; it refuses control characters, and
///   U+FFFE and U+FFFF. For YAML 1.2 (§5.4), JSON (RFC 8259 §7), editors and Envoy these are characters like any other (for
///   Envoy the C0 controls too; NUL is refused here). Private characters that the file does not use stand in for them, and are
///   put back into the texts.
/// - JSON writes what lies beyond U+FFFF as two `\u` escapes, which YAML refuses. They become the character itself; the
///   columns of what follows in the line are moved back.
struct YAMLInput {
    let bytes: [UInt8]
    /// What stands for what: both ways. Empty: libyaml's texts are the file's.
    private let meanings: [Unicode.Scalar: Unicode.Scalar]
    private let shifts: [Shift]

    /// From this place on, to its line's end, the file's columns are this much larger than libyaml's. All from 0.
    private struct Shift {
        let line: Int
        let column: Int
        let by: Int
    }

    init(_ file: [UInt8], isJSON: Bool) {
        // UTF-16 goes to libyaml as it is.
        if file.starts(with: [0xff, 0xfe]) || file.starts(with: [0xfe, 0xff]) {
            (bytes, meanings, shifts) = (file, [:], [])
            return
        }
        let (joined, shifts) = isJSON ? YAMLInput.joiningSurrogates(file) : (file, [])
        self.shifts = shifts
        let standIns = YAMLInput.standIns(for: joined)
        meanings = Dictionary(uniqueKeysWithValues: standIns.map { ($1, $0) })
        bytes = standIns.isEmpty ? joined : YAMLInput.replacing(standIns, in: joined)
    }

    // MARK: The way back

    func text(_ text: String) -> String {
        guard !meanings.isEmpty, text.unicodeScalars.contains(where: { meanings[$0] != nil }) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(meanings[scalar] ?? scalar) }
        return String(result)
    }

    /// The file's column for a place of libyaml.
    func column(line: Int, column: Int) -> Int {
        // The last shift that does not begin behind the place.
        var low = 0
        var high = shifts.count
        while low < high {
            let middle = (low + high) / 2
            let shift = shifts[middle]
            if (shift.line, shift.column) <= (line, column) { low = middle + 1 } else { high = middle }
        }
        guard low > 0, shifts[low - 1].line == line else { return column }
        return column + shifts[low - 1].by
    }

    /// Line and column, from 0, of a byte that libyaml could not take.
    func place(ofByte offset: Int) -> (line: Int, column: Int) {
        var counter = PlaceCounter()
        for byte in bytes.prefix(offset) { counter.pass(byte) }
        // A byte order mark is no character of the first line.
        let mark = counter.line == 0 && bytes.starts(with: [0xef, 0xbb, 0xbf]) && counter.column > 0 ? 1 : 0
        return (counter.line, column(line: counter.line, column: counter.column - mark))
    }

    // MARK: Surrogates

    private static func joiningSurrogates(_ file: [UInt8]) -> ([UInt8], [Shift]) {
        var result: [UInt8] = []
        var shifts: [Shift] = []
        var counter = PlaceCounter()
        var index = 0
        var copied = 0
        func copy(to end: Int) {
            result += file[copied..<end]
            for byte in file[copied..<end] { counter.pass(byte) }
            copied = end
        }
        while index < file.count {
            guard file[index] == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            guard let high = unit(file, index), high >= 0xd800, high < 0xdc00, let low = unit(file, index + 6), low >= 0xdc00,
                low < 0xe000, let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00))
            else {
                index += 2  // also `\\`: what follows it is no escape
                continue
            }
            copy(to: index)
            result += Array(String(scalar).utf8)
            counter.column += 1
            let before = shifts.last.flatMap { $0.line == counter.line ? $0.by : nil } ?? 0
            shifts.append(Shift(line: counter.line, column: counter.column, by: before + 11))
            index += 12
            copied = index
        }
        if shifts.isEmpty { return (file, []) }
        copy(to: file.count)
        return (result, shifts)
    }

    /// The value of `\uXXXX` at that place.
    private static func unit(_ bytes: [UInt8], _ index: Int) -> UInt32? {
        guard index + 6 <= bytes.count, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u") else {
            return nil
        }
        return UInt32(String(decoding: bytes[index + 2..<index + 6], as: UTF8.self), radix: 16)
    }

    // MARK: Stand-ins

    /// A character at that place that libyaml reads as something else than a character, or refuses.
    private static func strange(_ bytes: [UInt8], _ index: Int) -> (Unicode.Scalar, length: Int)? {
        func at(_ offset: Int) -> UInt8 { index + offset < bytes.count ? bytes[index + offset] : 0 }
        switch bytes[index] {
        case 0, 0x09, 0x0a, 0x0d: return nil
        case 0..<0x20, 0x7f: return (Unicode.Scalar(bytes[index]), 1)
        case 0xc2 where (0x80...0x9f).contains(at(1)): return (Unicode.Scalar(at(1)), 2)
        case 0xe2 where at(1) == 0x80 && at(2) == 0xa8: return ("\u{2028}", 3)
        case 0xe2 where at(1) == 0x80 && at(2) == 0xa9: return ("\u{2029}", 3)
        case 0xef where at(1) == 0xbf && at(2) == 0xbe: return ("\u{fffe}", 3)
        case 0xef where at(1) == 0xbf && at(2) == 0xbf: return ("\u{ffff}", 3)
        default: return nil
        }
    }

    /// A character of the private planes 15 and 16 for each strange one, that stands nowhere in the file, not even as an
    /// escape. None when nothing has to be replaced, or when the file uses too many of them: libyaml then says what it says.
    private static func standIns(for bytes: [UInt8]) -> [Unicode.Scalar: Unicode.Scalar] {
        var found: Set<Unicode.Scalar> = []
        for index in bytes.indices {
            if let (scalar, _) = strange(bytes, index) { found.insert(scalar) }
        }
        if found.isEmpty { return [:] }
        let used = privateCharacters(bytes)
        var standIns: [Unicode.Scalar: Unicode.Scalar] = [:]
        for value in UInt32(0xf0000)...0x10fffd where !used.contains(value) {
            guard let scalar = Unicode.Scalar(value), let strange = found.popFirst() else { break }
            standIns[strange] = scalar
        }
        return found.isEmpty ? standIns : [:]
    }

    private static func privateCharacters(_ bytes: [UInt8]) -> Set<UInt32> {
        var used: Set<UInt32> = []
        for index in bytes.indices {
            if bytes[index] == 0xf3 || bytes[index] == 0xf4, index + 3 < bytes.count {
                used.insert(
                    UInt32(bytes[index] & 7) << 18 | UInt32(bytes[index + 1] & 0x3f) << 12
                        | UInt32(bytes[index + 2] & 0x3f) << 6 | UInt32(bytes[index + 3] & 0x3f))
            } else if bytes[index] == UInt8(ascii: "U"), index + 8 < bytes.count,
                let value = UInt32(String(decoding: bytes[index + 1...index + 8], as: UTF8.self), radix: 16)
            {
                used.insert(value)
            }
        }
        return used
    }

    private static func replacing(_ standIns: [Unicode.Scalar: Unicode.Scalar], in bytes: [UInt8]) -> [UInt8] {
        let replacements = standIns.mapValues { Array(String($0).utf8) }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + bytes.count / 8)
        var index = 0
        while index < bytes.count {
            if let (scalar, length) = strange(bytes, index), let replacement = replacements[scalar] {
                result += replacement
                index += length
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }
}

/// Lines and columns, from 0, as libyaml counts them: CR, LF or both end a line, a column is a character.
private struct PlaceCounter {
    var line = 0
    var column = 0
    private var afterReturn = false

    mutating func pass(_ byte: UInt8) {
        switch byte {
        case 0x0a:
            if !afterReturn { line += 1 }
            column = 0
        case 0x0d:
            line += 1
            column = 0
        case 0x80..<0xc0: break  // belongs to the character before it
        default: column += 1
        }
        afterReturn = byte == 0x0d
    }
}
