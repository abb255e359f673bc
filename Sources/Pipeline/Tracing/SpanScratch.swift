// The span that a worker is putting together: written here tag by tag, then encoded once. Kept from span to span, so that
// in steady state nothing is allocated.

import Primitives
import Wire

package enum SpanKind: UInt8 { case server = 2, client = 3 }

struct SpanTag: BitwiseCopyable {
    /// A literal, or in frozen memory.
    var key: Bytes
    /// In `SpanScratch.text`.
    var start: Int
    var count: Int
}

struct SpanEvent: BitwiseCopyable {
    var name: Bytes
    var timeNs: UInt64
}

package final class SpanScratch {
    /// `docs/limits.md` §tracing: tags and events of one span; what is beyond is left out.
    static let tagsMax = 256

    var text: TextBuffer
    /// What an encoder has made of it.
    var encoded: TextBuffer
    private(set) var tags = PlainArray<SpanTag>(capacity: 64)
    private(set) var events = PlainArray<SpanEvent>(capacity: 8)
    var context = SpanContext()
    /// The trace's id has 64 bits (Zipkin).
    var hasShortTrace = false
    var kind = SpanKind.server
    var tracestate = Bytes.empty
    /// Nanoseconds since 1970.
    var startNs: UInt64 = 0
    var endNs: UInt64 = 0
    /// The response's status is an error of the server's.
    var isError = false
    private var nameStart = 0
    private var nameCount = 0

    package init(pool: BlockPool) {
        text = TextBuffer(pool: pool)
        encoded = TextBuffer(pool: pool)
    }

    deinit {
        text.destroy()
        encoded.destroy()
        tags.destroy()
        events.destroy()
    }

    func reset() {
        text.reset()
        encoded.reset()
        tags.removeAll()
        events.removeAll()
        isError = false
        tracestate = .empty
    }

    // MARK: Writing

    /// `write` puts the name's text.
    func setName(_ write: (inout TextBuffer) -> Void) {
        nameStart = text.count
        write(&text)
        nameCount = text.count - nameStart
    }

    var name: Bytes { text.bytes.part(nameStart, nameStart + nameCount) }

    /// A key that is there already keeps its place and gets the new value.
    func tag(_ key: Bytes, _ value: Bytes) {
        let start = text.count
        text.put(value)
        tag(key, from: start)
    }

    func tag(_ key: StaticString, _ value: Bytes) { tag(Bytes(key), value) }
    func tag(_ key: StaticString, _ value: StaticString) { tag(Bytes(key), Bytes(value)) }

    func tag(_ key: StaticString, number: UInt64) {
        let start = text.count
        text.put(decimal: number)
        tag(Bytes(key), from: start)
    }

    /// The value was written to `text`, from `start` on.
    func tag(_ key: Bytes, from start: Int) {
        for i in 0..<tags.count where tags[i].key.equals(key) {
            tags[i].start = start
            tags[i].count = text.count - start
            return
        }
        guard tags.count < SpanScratch.tagsMax else { return }
        tags.append(SpanTag(key: key, start: start, count: text.count - start))
    }

    func event(_ name: StaticString, _ timeNs: UInt64) {
        guard events.count < SpanScratch.tagsMax else { return }
        events.append(SpanEvent(name: Bytes(name), timeNs: timeNs))
    }

    // MARK: Reading

    func value(_ tag: SpanTag) -> Bytes { text.bytes.part(tag.start, tag.start + tag.count) }

    func value(of key: StaticString) -> Bytes? {
        for i in 0..<tags.count where tags[i].key.equals(Bytes(key)) { return value(tags[i]) }
        return nil
    }
}
