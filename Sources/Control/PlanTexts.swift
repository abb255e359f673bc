// What `Plan.texts` shows: texts that formats write and that may be others at any time, by slot. Files (`WatchedTexts`) and
// secrets (`GenericSecrets`) put them here.
//
// Main thread only. What a plan shows stays as long as that plan.

import Pipeline
import Primitives

/// What one of them was at one time.
@safe
final class PlanText {
    let bytes: Bytes
    private let memory: UnsafeMutableRawPointer

    init(_ content: [UInt8]) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(content.count, 1), alignment: 1)
        content.withBytes { unsafe memory.copyMemory(from: $0.base, byteCount: $0.count) }
        unsafe self.memory = unsafe memory
        bytes = unsafe Bytes(UnsafeRawPointer(memory), content.count)
    }

    deinit { unsafe memory.deallocate() }
}

final class PlanTexts {
    /// Longer ones are refused: nobody could write them.
    static let bytesMax = TextBuffer.bytesMax
    private var bySlot: [UInt32: PlanText] = [:]
    private let table = SlotTable()

    /// The slot of a file; each call needs one `release`.
    func acquire(file path: String) -> UInt32 { table.acquire("file " + path) }

    /// A secret's own; no file's name is one of these.
    func acquireSecret() -> UInt32 { table.acquireNew("secret") }

    func release(_ slot: UInt32) { table.release(slot) }

    /// What plans from now on show there; nil: nothing.
    subscript(slot: UInt32) -> PlanText? {
        get { bySlot[slot] }
        set { bySlot[slot] = newValue }
    }

    /// As a plan in `arena` shows them.
    func slots(_ arena: FrozenArena) -> FrozenArray<Bytes> {
        guard let last = bySlot.keys.max() else { return FrozenArray() }
        var texts = [Bytes](repeating: .empty, count: Int(last) + 1)
        for (slot, text) in bySlot { texts[Int(slot)] = text.bytes }
        let shown = Array(bySlot.values)
        arena.onDestroy { withExtendedLifetime(shown) {} }
        return arena.array(texts)
    }
}
