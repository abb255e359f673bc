import Pipeline
import Primitives
import Testing

@Suite struct TextBufferTests {
    private let pool = BlockPool()

    private func put(_ count: Int, _ text: inout TextBuffer) {
        [UInt8](repeating: UInt8(ascii: "x"), count: count).withBytes { text.put($0) }
    }

    @Test func numbers() {
        var text = TextBuffer(pool: pool)
        defer { text.destroy() }
        text.put(decimal: 0)
        text.put(UInt8(ascii: " "))
        text.put(decimal: .max)
        text.put(UInt8(ascii: " "))
        text.put(decimal: 7, width: 3)
        text.put(" ")
        text.put(hex: 0xbeef, width: 6)
        #expect(String(text.bytes) == "0 18446744073709551615 007 00beef")
        text.truncate(to: 1)
        #expect(String(text.bytes) == "0")
    }

    @Test func whatDoesNotFitIsCutAndSaid() {
        var text = TextBuffer(pool: pool)
        defer { text.destroy() }
        put(TextBuffer.bytesMax - 3, &text)
        #expect(!text.isTruncated && text.count == TextBuffer.bytesMax - 3)
        put(10, &text)
        #expect(text.isTruncated)
        #expect(text.count <= TextBuffer.bytesMax && text.count >= TextBuffer.bytesMax - 3)
        text.reset()
        #expect(text.count == 0 && !text.isTruncated)
        put(5, &text)
        #expect(String(text.bytes) == "xxxxx", "usable again")
    }

    /// One long line must not keep its memory for good.
    @Test func aLargeBlockGoesBackWithTheNextReset() {
        let before = pool.allocatedBytes
        var text = TextBuffer(pool: pool)
        let small = pool.allocatedBytes - before
        put(TextBuffer.keptBytesMax * 2, &text)
        #expect(pool.allocatedBytes - before > TextBuffer.keptBytesMax)
        text.reset()
        #expect(pool.allocatedBytes - before == small)
        text.destroy()
        #expect(pool.allocatedBytes == before)
    }
}
