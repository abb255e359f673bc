// Bytes as text and back, one byte per Unicode scalar (ISO 8859-1): a case can write any byte as `\u{..}`, and what
// a golden file shows is exactly what stood on the wire.

extension String {
    /// The bytes of a text whose scalars are all below U+0100.
    package var wire: [UInt8] {
        unicodeScalars.map { UInt8(exactly: $0.value) ?? UInt8(ascii: "?") }
    }

    /// The text of some bytes, each byte one scalar.
    package init(wire bytes: some Sequence<UInt8>) {
        self.init()
        for byte in bytes { unicodeScalars.append(Unicode.Scalar(byte)) }
    }

    /// Replaces every occurrence of `old`; scalars are compared, so `\r\n` is two of them.
    package func replacing(text old: String, by new: String) -> String {
        let from = Array(old.unicodeScalars)
        let to = Array(new.unicodeScalars)
        guard !from.isEmpty else { return self }
        let source = Array(unicodeScalars)
        var result = String.UnicodeScalarView()
        var index = 0
        while index < source.count {
            if source[index] == from[0], index + from.count <= source.count,
                source[index..<index + from.count].elementsEqual(from)
            {
                result.append(contentsOf: to)
                index += from.count
            } else {
                result.append(source[index])
                index += 1
            }
        }
        return String(result)
    }

    /// The lines of a text, without their ends; a last empty line is dropped.
    package var textLines: [String] {
        var lines = split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
    }
}

extension Array where Element == UInt8 {
    /// The index at which `pattern` begins, at or after `start`.
    package func index(of pattern: [UInt8], from start: Int = 0) -> Int? {
        guard !pattern.isEmpty, count >= pattern.count, start >= 0 else { return nil }
        var index = start
        while index <= count - pattern.count {
            if self[index] == pattern[0], self[index..<index + pattern.count].elementsEqual(pattern) { return index }
            index += 1
        }
        return nil
    }
}

/// FNV-1a, 64 bits: tells whether a long text is the same as another, in a few characters.
package func fingerprint(_ bytes: some Sequence<UInt8>) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
}
