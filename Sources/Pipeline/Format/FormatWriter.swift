// Evaluates formats. One per worker; its two buffers grow to the largest line so far and stay.
//
// `value` is where an operator's value is put together when it does not lie somewhere already; `text` is the line, the
// header's value or the body that is being written. What a call returns is good until the next call.

import Primitives
import Wire

@safe
package struct FormatWriter {
    var text: TextBuffer
    var value: TextBuffer
    var time = TimeText()
    var random: Random
    /// Values of one group of header mutations, before any of them is applied (`FormatWriter.apply`).
    var pending = PlainArray<PendingMutation>(capacity: 16)
    /// Whose value was left out last.
    var refusedName = Bytes.empty

    /// The plan's.
    var texts = FrozenArray<Bytes>()
    /// The last evaluation has asked for the response. Set back by whoever wants to know.
    var asksResponse = false
    /// What expressions put together on their way.
    var scratch: CELScratch
    /// Containers that a JSON line is inside of.
    var levels = PlainArray<JSONLevel>(capacity: FormatWriter.jsonDepthMax + 1)

    package init(pool: BlockPool, seed: UInt64) {
        text = TextBuffer(pool: pool)
        value = TextBuffer(pool: pool)
        scratch = CELScratch(pool: pool)
        random = Random(seed: seed)
    }

    package func destroy() {
        text.destroy()
        value.destroy()
        scratch.destroy()
        pending.destroy()
        levels.destroy()
    }

    // HOT: per message.
    /// The format's text over `source`.
    package mutating func write(
        _ format: Format, _ source: FormatSource, missing: MissingValue = .dash
    ) -> Bytes {
        text.reset()
        append(format, source, missing)
        return text.bytes
    }

    // HOT: per message.
    mutating func append(_ format: Format, _ source: FormatSource, _ missing: MissingValue) {
        for i in 0..<format.pieces.count { unsafe append(format.pieces.pointer(i), source, missing) }
    }

    // HOT: per field.
    @inline(__always)
    mutating func append(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource, _ missing: MissingValue) {
        if unsafe piece.pointee.op == .literal { return unsafe text.put(piece.pointee.text) }
        var value = unsafe evaluate(piece, source, asText: true)
        if case .json = value, unsafe piece.pointee.op == .grpcCounts { value = grpcCounts(source, asText: false, camelCase: true) }
        switch value {
        case .missing: if missing == .dash { text.put(UInt8(ascii: "-")) }
        case .text(let bytes), .json(let bytes): text.put(bytes)
        case .number(let number): text.put(decimal: number)
        case .negative(let number):
            text.put(UInt8(ascii: "-"))
            text.put(decimal: number)
        }
    }
}

/// What an operator gave.
@safe
enum FormatValue {
    case missing
    /// In a head, in frozen memory, or in `FormatWriter.value`.
    case text(Bytes)
    /// An object, as JSON; in `FormatWriter.value`.
    case json(Bytes)
    case number(UInt64)
    /// The magnitude of a number below zero.
    case negative(UInt64)

    @inline(__always)
    static func optional(_ bytes: Bytes?) -> FormatValue { bytes.map { .text($0) } ?? .missing }
    @inline(__always)
    static func present(_ bytes: Bytes) -> FormatValue { bytes.isEmpty ? .missing : .text(bytes) }

    /// At the most `length` bytes of a text.
    @inline(__always)
    func cut(_ length: Int) -> FormatValue {
        if case .text(let bytes) = self, bytes.count > length { return .text(bytes.prefix(length)) }
        return self
    }
}
