// Bodies: asked for a piece at a time, so that main never works on one answer for long.

package class BodySource {
    /// Appends the next piece, about `pieceBytes` long (nothing at all is allowed). False: that was the last one.
    package func next(_ out: inout [UInt8]) -> Bool { false }

    /// Nothing can be said yet; looked at again at each tick of main's.
    package var isWaiting: Bool { false }

    /// What a piece is meant to hold: one send, well within a millisecond of making.
    package static let pieceBytes = 32 * 1024

    /// All pieces at once: for tests.
    package func all() -> String {
        var out: [UInt8] = []
        while next(&out) {}
        return String(decoding: out, as: UTF8.self)
    }
}

/// A text that is there already.
final class TextBody: BodySource {
    private let bytes: [UInt8]
    private var at = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    override func next(_ out: inout [UInt8]) -> Bool {
        let end = min(bytes.count, at + BodySource.pieceBytes)
        out += bytes[at..<end]
        at = end
        return at < bytes.count
    }
}

/// A body of many parts, each made when it is its turn; a part is a few kilobytes at the most.
final class PartsBody: BodySource {
    private let count: Int
    private let part: (Int) -> String
    private let end: String
    private var at = 0

    /// `part(i)` for `0 ..< count`, then `end`.
    init(count: Int, end: String = "", _ part: @escaping (Int) -> String) {
        self.count = count
        self.part = part
        self.end = end
    }

    override func next(_ out: inout [UInt8]) -> Bool {
        while at < count, out.count < BodySource.pieceBytes {
            out += part(at).utf8
            at += 1
        }
        if at < count { return true }
        out += end.utf8
        return false
    }
}
