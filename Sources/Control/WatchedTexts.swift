// Files whose content formats write (`%FILE_CONTENT(path)%`): read when a configuration names them, looked at in turn, and read
// again when they are others. Workers find them in the plan, by slot (`PlanTexts`).
//
// Main thread only. A file stays as long as a part leases it.

import EnvoyAPI

final class WatchedTexts {
    private struct File {
        let path: String
        var uses = 0
        /// What it was before it was read.
        var identity: [Int]
        /// What it was at the last look, if that was another: half a file is not read.
        var settling: [Int]?
        /// What it was when it could not be read, which has been told. It is tried again with each look.
        var refused: [Int]?
    }
    /// A file is looked at every so many ticks of main: twice a second.
    private static let ticksPerLook = 10
    private var bySlot: [UInt32: File] = [:]
    private let texts: PlanTexts
    private var ticks = 0

    init(_ texts: PlanTexts) { self.texts = texts }

    /// The slot of a file, for as long as `part` lives. Throws why it cannot be read, whoever else has read it before. What
    /// is served already stays as it is until a look finds it changed: a configuration that is refused changes nothing.
    func lease(_ path: String, _ part: PlanPart) throws(FileContents.Failure) -> UInt32 {
        let identity = FileWatch.identity(path)
        let content = try FileContents.read(path, bytesMax: PlanTexts.bytesMax)
        let slot = texts.acquire(file: path)
        if bySlot[slot] == nil { texts[slot] = PlanText(content) }
        bySlot[slot, default: File(path: path, identity: identity)].uses += 1
        part.onDestroy { [self] in release(slot) }
        return slot
    }

    private func release(_ slot: UInt32) {
        bySlot[slot]?.uses -= 1
        if bySlot[slot]?.uses == 0 {
            bySlot[slot] = nil
            texts[slot] = nil
        }
        texts.release(slot)
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
                    texts[slot] = PlanText(try FileContents.read(file.path, bytesMax: PlanTexts.bytesMax))
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
