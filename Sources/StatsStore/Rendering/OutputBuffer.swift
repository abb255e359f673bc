import Glibc
import Stats

/// The bytes of one slice of output: grows, is handed to the sink, and is used again.
@safe package struct OutputBuffer: ~Copyable {
    private var bytes: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    package private(set) var count = 0

    package init(capacity: Int = 4096) {
        unsafe bytes = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    deinit {
        unsafe bytes.deallocate()
    }

    /// What was written since `mark`.
    func withBytes<R>(from mark: Int = 0, _ body: (Span<UInt8>) -> R) -> R {
        let written = unsafe UnsafeBufferPointer(start: bytes + mark, count: count - mark)
        return body(unsafe written.span)
    }

    /// Takes back what was written since `mark`.
    mutating func truncate(to mark: Int) {
        assert(mark <= count, "invariant: output is only ever shortened")
        count = mark
    }

    mutating func append(_ source: UnsafeBufferPointer<UInt8>) {
        ensure(source.count)
        if let start = source.baseAddress { unsafe memcpy(bytes + count, start, source.count) }
        count += source.count
    }

    mutating func append(_ source: ArraySlice<UInt8>) {
        unsafe source.withUnsafeBufferPointer { unsafe append($0) }
    }

    mutating func append(_ source: [UInt8]) {
        append(source[...])
    }

    mutating func append(_ text: StaticString) {
        unsafe append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { unsafe append($0) }
    }

    mutating func append(byte: UInt8) {
        ensure(1)
        unsafe bytes[count] = byte
        count += 1
    }

    mutating func append(_ number: UInt64) {
        ensure(20)
        var digits = 1
        var rest = number
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        rest = number
        var at = count + digits
        repeat {
            at -= 1
            let quotient = rest / 10
            unsafe bytes[at] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest &- quotient &* 10)
            rest = quotient
        } while rest > 0
        count += digits
    }

    private mutating func ensure(_ more: Int) {
        guard count + more > capacity else { return }
        let larger = max(capacity * 2, count + more)
        let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        unsafe memcpy(grown, bytes, count)
        unsafe bytes.deallocate()
        unsafe bytes = grown
        capacity = larger
    }
}
