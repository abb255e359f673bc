import Pipeline
import Primitives
import Testing

@Suite struct JSONStringTests {
    /// Each byte at each place of texts of up to three words.
    @Test func plainIsWhatNeedsNoEscape() {
        for length in 0...24 {
            let plain = [UInt8](repeating: UInt8(ascii: "a"), count: length)
            #expect(isPlain(plain))
            for place in 0..<length {
                var text = plain
                for byte in UInt8.min...UInt8.max {
                    text[place] = byte
                    let expected = (0x20..<0x80).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
                    guard isPlain(text) != expected else { continue }
                    Issue.record("\(byte) at \(place) of \(length)")
                }
            }
        }
    }

    private func isPlain(_ text: [UInt8]) -> Bool {
        unsafe text.withUnsafeBufferPointer { text in
            guard let base = text.baseAddress else { return JSONString.isPlain(.empty) }
            return unsafe JSONString.isPlain(Bytes(base, text.count))
        }
    }
}
