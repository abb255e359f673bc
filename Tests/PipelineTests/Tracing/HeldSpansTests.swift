import Pipeline
import Primitives
import Testing

/// Memory of spans that wait for each other.
@Suite struct HeldSpansTests {
    @Test func whatAPeakLeftBehindIsGivenBack() {
        let pool = BlockPool()
        defer { pool.destroy() }
        var table = HeldSpansTable()
        let slots = (0..<100).map { _ in table.open(pool) }
        #expect(Set(slots).count == 100 && table.kept == 100)
        let most = pool.allocatedBytes
        for slot in slots { table.close(slot) }
        #expect(pool.allocatedBytes == most, "the next requests find it there")
        // The peak lies within the time that is over.
        table.giveBack()
        #expect(table.kept == 100)
        // Then a time with three at once.
        let few = (0..<3).map { _ in table.open(pool) }
        #expect(few.allSatisfy { slots.contains($0) })
        table.giveBack()
        #expect(table.kept == 3 && pool.allocatedBytes == most * 3 / 100)
        // One of them is still under way.
        table.close(few[0])
        table.close(few[2])
        table.giveBack()
        #expect(table.kept == 3)
        table.giveBack()
        #expect(table.kept == 1)
        table.close(few[1])
        table.giveBack()
        table.giveBack()
        #expect(table.kept == 0 && pool.allocatedBytes == 0)
        #expect(table.open(pool) == 0)
        table.close(0)
        // Nobody's.
        table.close(7)
        table.giveBack()
        table.giveBack()
        #expect(table.kept == 0)
    }

    @Test func aPlaceThatWasGivenBackIsUsedAgain() {
        let pool = BlockPool()
        defer { pool.destroy() }
        var table = HeldSpansTable()
        let slots = (0..<4).map { _ in table.open(pool) }
        for slot in slots.dropFirst() { table.close(slot) }
        table.giveBack()
        table.giveBack()
        #expect(table.kept == 1)
        let again = (0..<5).map { _ in table.open(pool) }
        #expect(Set(again).isDisjoint(with: [slots[0]]) && again.contains(4) && table.kept == 6)
        for slot in again + [slots[0]] { table.close(slot) }
        table.giveBack()
        table.giveBack()
        #expect(table.kept == 0)
    }
}
