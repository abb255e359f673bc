import Pipeline
import Primitives
import TestSupport
import Testing

struct BalanceCellsTests {
    @Test func theFewestAndOnATieOneself() {
        let cells = BalanceCells(workers: 3)
        defer { cells.destroy() }
        for worker in 0..<3 { cells.accept(worker, ring: 5) }
        #expect(cells.take(own: 1) == 1)
        #expect(cells.take(own: 1) == 0)
        #expect(cells.take(own: 1) == 2)
        #expect(cells.take(own: 2) == 2)
        #expect((0..<3).map { cells.connections($0) } == [1, 1, 2])
    }

    @Test func whoDoesNotAcceptIsNotChosen() {
        let cells = BalanceCells(workers: 2)
        defer { cells.destroy() }
        #expect(cells.take(own: 0) == 0)
        #expect(cells.take(own: 0) == 0)
        #expect(cells.ringDescriptor(of: 1) == nil)
        cells.accept(1, ring: 0)
        #expect(cells.ringDescriptor(of: 1) == 0)
        #expect(cells.take(own: 0) == 1)
        cells.leave(1)
        #expect(cells.take(own: 0) == 0)
        #expect(cells.arriving(1) == 1)
        cells.hold(1)
        #expect(cells.arriving(1) == 0)
        cells.letGo(1)
        #expect((cells.connections(0), cells.connections(1)) == (3, 0))
        #expect(cells.arriving(1) == 0)
    }

    /// Four threads that choose at once end with counts that differ by one at most, since none closes.
    @Test func choicesAtOnceAreExact() {
        let cells = BalanceCells(workers: 4)
        defer { cells.destroy() }
        for worker in 0..<4 { cells.accept(worker, ring: 1) }
        let threads = (0..<4).map { own in BackgroundThread { for _ in 0..<2_500 { _ = cells.take(own: own) } } }
        for thread in threads { thread.join() }
        let counts = (0..<4).map { cells.connections($0) }
        #expect(counts.reduce(0, +) == 10_000)
        // A thread that found its choice spoiled `triesMax` times keeps the connection: rare, and seen here.
        #expect(counts.allSatisfy { $0 >= 2_490 && $0 <= 2_510 }, "\(counts)")
    }
}
