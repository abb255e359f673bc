// The elements of a JSON array that comes in pieces: each is handed on when it is complete.

struct JSONElements {
    private enum Place { case before, between, inside, behind }

    private var place = Place.before
    private var element: [UInt8] = []
    private var depth = 0
    private var isInString = false
    private var isEscaped = false

    /// The array has ended.
    var isComplete: Bool { place == .behind }
    /// Nothing but space has come.
    var isEmpty: Bool { place == .before }
    var keptBytes: Int { element.count }

    /// False: this is no array.
    mutating func take(_ bytes: ArraySlice<UInt8>, _ body: (ArraySlice<UInt8>) -> Bool) -> Bool {
        for byte in bytes {
            let isSpace = byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09
            switch place {
            case .before:
                if isSpace { continue }
                guard byte == UInt8(ascii: "[") else { return false }
                place = .between
            case .behind: guard isSpace else { return false }
            case .between:
                if isSpace { continue }
                if byte == UInt8(ascii: "]"), element.isEmpty {
                    place = .behind
                } else {
                    place = .inside
                    guard step(byte, body) else { return false }
                }
            case .inside: guard step(byte, body) else { return false }
            }
        }
        return true
    }

    private mutating func step(_ byte: UInt8, _ body: (ArraySlice<UInt8>) -> Bool) -> Bool {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
        } else {
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 {
                    guard byte == UInt8(ascii: "]") else { return false }
                    place = .behind
                    return end(body)
                }
                depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                place = .between
                return end(body)
            default: break
            }
        }
        element.append(byte)
        return true
    }

    private mutating func end(_ body: (ArraySlice<UInt8>) -> Bool) -> Bool {
        defer { element.removeAll(keepingCapacity: true) }
        return body(element[...])
    }
}
