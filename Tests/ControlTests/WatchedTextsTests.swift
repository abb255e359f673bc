@testable import Control
import Primitives
import Stats
import StatsStore
import TestSupport
import Testing

/// Files that formats write: when they are read, what plans see of them, and how long.
@Suite struct WatchedTextsTests {
    private let directory = TemporaryDirectory()

    private func part() -> PlanPart { PlanPart(kind: .listener, name: "l") }

    private func destroy(_ part: PlanPart) { part.destroy(StatRegistry(workers: 1), SlotTable()) }

    /// Looks until a plan is needed or somebody was told something: paths, with a mark in front of what failed.
    private func looked(_ texts: WatchedTexts, _ times: Int = 100) -> [String] {
        var told: [String] = []
        for _ in 0..<times where told.isEmpty {
            let isChanged = texts.reload(applied: { told.append($0) }, failed: { path, _ in told.append("!" + path) })
            #expect(isChanged == told.contains { !$0.hasPrefix("!") })
        }
        return told
    }

    @Test func plansShowWhatFilesHold() throws {
        let shown = PlanTexts()
        let texts = WatchedTexts(shown)
        let (a, b) = (directory.write("a", to: "a"), directory.write("", to: "b"))
        let part = self.part()
        let first = try Int(texts.lease(a, part))
        let second = try Int(texts.lease(b, part))
        #expect(try Int(texts.lease(a, part)) == first && first != second)
        let old = FrozenArena()
        let before = shown.slots(old)
        #expect(before.count == 2 && String(before[first]) == "a" && before[second].isEmpty)
        #expect(looked(texts) == [])
        directory.write("longer", to: "a")
        #expect(looked(texts) == [a])
        let new = FrozenArena()
        let after = shown.slots(new)
        destroy(part)
        withExtendedLifetime((old, new)) {
            #expect(String(before[first]) == "a" && String(after[first]) == "longer" && after[second].isEmpty)
        }
    }

    @Test func whatCannotBeReadIsKept() throws {
        let shown = PlanTexts()
        let texts = WatchedTexts(shown)
        let path = directory.write("kept", to: "k")
        let part = self.part()
        let slot = try Int(texts.lease(path, part))
        Files.removeTree(path)
        #expect(looked(texts) == ["!" + path])
        #expect(looked(texts) == [])
        let arena = FrozenArena()
        let kept = shown.slots(arena)
        directory.write("new", to: "k")
        #expect(looked(texts) == [path])
        let new = shown.slots(arena)
        withExtendedLifetime(arena) { #expect(String(kept[slot]) == "kept" && String(new[slot]) == "new") }
        destroy(part)
    }

    /// The configuration that names it next is refused, and what it would have been is read all the same.
    @Test func aLeaseReadsNothingAnew() throws {
        let shown = PlanTexts()
        let texts = WatchedTexts(shown)
        let path = directory.write("old", to: "l")
        let (one, other) = (part(), part())
        let slot = try Int(texts.lease(path, one))
        directory.write("newer", to: "l")
        #expect(try Int(texts.lease(path, other)) == slot)
        destroy(other)
        let (before, after) = (FrozenArena(), FrozenArena())
        let old = shown.slots(before)
        #expect(looked(texts) == [path])
        let new = shown.slots(after)
        withExtendedLifetime((before, after)) { #expect(String(old[slot]) == "old" && String(new[slot]) == "newer") }
        destroy(one)
    }

    @Test func whatCouldNotBeReadIsTriedAgain() throws {
        let shown = PlanTexts()
        let texts = WatchedTexts(shown)
        let path = directory.write("old", to: "t")
        let part = self.part()
        _ = try texts.lease(path, part)
        Files.write([UInt8](repeating: 0x61, count: PlanTexts.bytesMax + 1), to: path)
        #expect(looked(texts) == ["!" + path] && looked(texts) == [])
        directory.write("short", to: "t")
        #expect(looked(texts) == [path])
        destroy(part)
    }

    @Test func whatNobodyCouldWriteIsRefused() throws {
        let path = directory.write("", to: "long")
        Files.write([UInt8](repeating: 0x61, count: PlanTexts.bytesMax + 1), to: path)
        #expect(throws: FileContents.Failure.self) { try WatchedTexts(PlanTexts()).lease(path, part()) }
    }

    @Test func aFileGoesWithItsLastPart() throws {
        let shown = PlanTexts()
        let texts = WatchedTexts(shown)
        let path = directory.write("x", to: "x")
        let (one, other) = (part(), part())
        _ = try texts.lease(path, one)
        _ = try texts.lease(path, other)
        destroy(one)
        #expect(shown.slots(FrozenArena()).count == 1)
        destroy(other)
        #expect(shown.slots(FrozenArena()).isEmpty)
        #expect(throws: FileContents.Failure.self) { try texts.lease(directory.path + "/none", part()) }
        #expect(shown.slots(FrozenArena()).isEmpty)
    }
}
