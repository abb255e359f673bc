// Files whose content formats write (`%FILE_CONTENT(path)%`): read when a configuration names them, looked at in turn, and read
// again when they are others. Workers find them in the plan, by slot.
//
// Main thread only. A file stays as long as a part leases it; what a plan shows stays as long as that plan.

import EnvoyAPI
import Pipeline
import Primitives

/// What a file held at one time.
@safe
private final class TextMemory {
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

final class WatchedTexts {
    private struct File {
        let path: String
        var uses = 0
        var text: TextMemory
        /// What it was before it was read.
        var identity: [Int]
        /// What it was at the last look, if that was another: half a file is not read.
        var settling: [Int]?
        /// What it was when it could not be read, which has been told. It is tried again with each look.
        var refused: [Int]?
    }
    /// A file is looked at every so many ticks of main: twice a second.
    private static let ticksPerLook = 10
    /// Longer ones are refused: nobody could write them.
    static let bytesMax = TextBuffer.bytesMax
    private var bySlot: [UInt32: File] = [:]
    private let table = SlotTable()
    private var ticks = 0

    /// The slot of a file, for as long as `part` lives. Throws why it cannot be read, whoever else has read it before. What
    /// is served already stays as it is until a look finds it changed: a configuration that is refused changes nothing.
    func lease(_ path: String, _ part: PlanPart) throws(FileContents.Failure) -> UInt32 {
        let identity = FileWatch.identity(path)
        let content = try FileContents.read(path, bytesMax: WatchedTexts.bytesMax)
        let slot = table.acquire(path)
        bySlot[slot, default: File(path: path, text: TextMemory(content), identity: identity)].uses += 1
        part.onDestroy { [self] in release(slot) }
        return slot
    }

    private func release(_ slot: UInt32) {
        bySlot[slot]?.uses -= 1
        if bySlot[slot]?.uses == 0 { bySlot[slot] = nil }
        table.release(slot)
    }

    /// As a plan in `arena` shows them.
    func slots(_ arena: FrozenArena) -> FrozenArray<Bytes> {
        guard let last = bySlot.keys.max() else { return FrozenArray() }
        var texts = [Bytes](repeating: .empty, count: Int(last) + 1)
        for (slot, file) in bySlot { texts[Int(slot)] = file.text.bytes }
        let shown = bySlot.values.map(\.text)
        arena.onDestroy { withExtendedLifetime(shown) {} }
        return arena.array(texts)
    }

    /// Every tick of main. One that cannot be read leaves what was there before. True: a plan is needed.
    func reload(applied: (_ path: String) -> Void, failed: (_ path: String, _ reason: String) -> Void) -> Bool {
        ticks += 1
        guard ticks >= WatchedTexts.ticksPerLook else { return false }
        ticks = 0
        var isChanged = false
        for slot in bySlot.keys.sorted() {
            guard var file = bySlot[slot] else { continue }
            let now = FileWatch.identity(file.path)
            if now == file.identity {
                file.settling = nil
                file.refused = nil
            } else if file.settling != now {
                file.settling = now
            } else {
                do throws(FileContents.Failure) {
                    file.text = TextMemory(try FileContents.read(file.path, bytesMax: WatchedTexts.bytesMax))
                    file.identity = now
                    file.settling = nil
                    file.refused = nil
                    isChanged = true
                    applied(file.path)
                } catch {
                    if file.refused != now { failed(file.path, error.reason) }
                    file.refused = now
                }
            }
            bySlot[slot] = file
        }
        return isChanged
    }
}
