// Spans of one request that leave together: SkyWalking's segment, Datadog's trace. Encoded one behind the other as they end,
// the request's own first; when the last one that was begun is over (a mirror may outlive its request) they are one item.
//
// Owner: the request's worker, in a table; kept from request to request, so that in steady state nothing is allocated.

import Primitives
import Transport

final class HeldSpans {
    /// What is known of the trace (`text` of it), and behind it the spans that are over.
    var buffer: TextBuffer
    /// Where the spans begin.
    private(set) var spansStart = 0
    private(set) var count = 0
    /// Spans that are not over.
    var open: UInt32 = 1
    private var numbers: UInt64 = 0
    private var hasTried = false
    /// A span did not fit.
    var isCut = false

    // In `buffer`. SkyWalking's own ids are texts, and the caller's are anything.
    var traceID = HeldText()
    var segmentID = HeldText()
    var endpoint = HeldText()
    var reference = HeldText()

    var datadog = DatadogTrace()

    init(pool: BlockPool) { buffer = TextBuffer(pool: pool) }

    deinit { buffer.destroy() }

    func reset() {
        buffer.reset()
        spansStart = 0
        count = 0
        open = 1
        numbers = 0
        hasTried = false
        isCut = false
        (traceID, segmentID, endpoint, reference) = (HeldText(), HeldText(), HeldText(), HeldText())
        datadog = DatadogTrace()
    }

    /// Of the next span; the request's own is 0, that of the first try is 1, though mirrors are begun before it.
    func number(isMirror: Bool, hasTries: Bool) -> UInt64 {
        if hasTries { numbers = max(numbers, 1) }
        if hasTries, !isMirror, !hasTried {
            hasTried = true
            return 1
        }
        numbers &+= 1
        return numbers
    }

    // MARK: What is known of the trace

    /// Before the first span.
    func keep(_ write: (inout TextBuffer) -> Void) -> HeldText {
        assert(count == 0, "texts stand before the spans")
        let start = buffer.count
        write(&buffer)
        spansStart = buffer.count
        return HeldText(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: buffer.count &- start))
    }

    func text(_ held: HeldText) -> Bytes { buffer.bytes.part(Int(held.start), Int(held.start &+ held.count)) }

    // MARK: Spans

    var spans: Bytes { buffer.bytes.from(spansStart) }

    /// `encoded` may not lie in this buffer.
    func add(_ encoded: Bytes, isFirst: Bool) {
        count &+= 1
        guard isFirst, buffer.count > spansStart else { return buffer.put(encoded) }
        guard let gap = unsafe buffer.spread(at: spansStart, by: encoded.count) else { return }
        unsafe gap.update(from: encoded.base, count: encoded.count)
    }
}

/// Bytes of a `HeldSpans`.
struct HeldText: BitwiseCopyable {
    var start: UInt32 = 0
    var count: UInt32 = 0
    var isEmpty: Bool { count == 0 }
}

/// One worker's; as many as requests with such a trace are under way (docs/limits.md §tracing), and after a peak as many as
/// the last `quietMs` have needed at once.
package struct HeldSpansTable {
    /// After this long without need memory goes back to the pool.
    package static let quietMs: UInt64 = 10_000

    /// Nil: its memory has been given back.
    private var all: [HeldSpans?] = []
    /// Those that are there and wait for a request, the last used last.
    private var free: [UInt32] = []
    private var empty: [UInt32] = []
    /// The most that were in use at once since the last look.
    private var peak = 0
    /// A look is to come.
    package var isTimed = false

    package init() {}

    package var kept: Int { all.count &- empty.count }
    private var used: Int { kept &- free.count }

    subscript(slot: UInt32) -> HeldSpans? { slot < all.count ? all[Int(slot)] : nil }

    package mutating func open(_ pool: BlockPool) -> UInt32 {
        let slot: UInt32
        if let known = free.popLast() {
            slot = known
        } else if let known = empty.popLast() {
            all[Int(known)] = HeldSpans(pool: pool)
            slot = known
        } else {
            all.append(HeldSpans(pool: pool))
            slot = UInt32(truncatingIfNeeded: all.count &- 1)
        }
        peak = max(peak, used)
        return slot
    }

    package mutating func close(_ slot: UInt32) {
        guard let held = self[slot] else { return }
        held.reset()
        free.append(slot)
    }

    /// Another `quietMs` are over: what they had no need for goes.
    package mutating func giveBack() {
        let surplus = min(free.count, kept &- peak)
        if surplus > 0 {
            for slot in free[0..<surplus] {
                all[Int(slot)] = nil
                empty.append(slot)
            }
            free.removeFirst(surplus)
        }
        peak = used
        guard kept == 0 else { return }
        (all, free, empty) = ([], [], [])
    }
}

extension Worker {
    // HOT: per message.
    /// For a request whose spans will leave together.
    func openHeldSpans() -> UInt32 {
        if !tracing.held.isTimed {
            tracing.held.isTimed = true
            unsafe timers.arm(memoryTimer, at: nowMs &+ HeldSpansTable.quietMs)
        }
        return tracing.held.open(memory.blocks)
    }

    func memoryTimerFired() {
        tracing.held.giveBack()
        tracing.held.isTimed = tracing.held.kept > 0
        if tracing.held.isTimed { unsafe timers.arm(memoryTimer, at: nowMs &+ HeldSpansTable.quietMs) }
    }

    /// A span is over, and waits for those that it belongs to.
    func hold(_ span: SpanScratch, _ trace: UnsafeMutablePointer<TraceState>) {
        guard let held = unsafe tracing.held[trace.pointee.held] else { return }
        span.encoded.reset()
        if unsafe trace.pointee.tracer.pointee.payload == .datadog {
            unsafe Datadog.encode(span, held, trace.pointee.tracer)
        } else {
            SkyWalking.encode(span, held)
        }
        if span.text.isTruncated || span.encoded.isTruncated { held.isCut = true }
        held.add(span.encoded.bytes, isFirst: !span.context.isChild)
        unsafe leave(trace)
    }

    /// One span fewer to wait for.
    func leave(_ trace: UnsafeMutablePointer<TraceState>) {
        let slot = unsafe trace.pointee.held
        guard let held = tracing.held[slot] else { return }
        if unsafe trace.pointee.isMirror { unsafe trace.pointee.held = .max }
        held.open &-= 1
        guard held.open == 0 else { return }
        unsafe send(held, trace)
        tracing.held.close(slot)
    }

    private func send(_ held: HeldSpans, _ trace: UnsafeMutablePointer<TraceState>) {
        let tracer = unsafe trace.pointee.tracer
        guard held.count > 0, let export = unsafe tracer.pointee.export, let buffer = unsafe beginItem(export) else { return }
        let start = buffer.items.count
        if unsafe tracer.pointee.payload == .datadog {
            buffer.items.put(arrayOf: held.count)
            buffer.items.put(held.spans)
        } else {
            unsafe SkyWalking.encode(held, tracer, into: &buffer.items)
        }
        unsafe endItem(
            buffer, from: start, weight: buffer.items.count &- start, part: trace.pointee.part,
            isCut: held.isCut || held.buffer.isTruncated)
    }
}
