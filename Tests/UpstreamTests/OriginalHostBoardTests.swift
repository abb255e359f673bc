import Primitives
import TestSupport
import Testing
import Upstream

struct OriginalHostBoardTests {
    private func address(_ text: String, _ port: UInt16) throws -> SocketAddress { try #require(SocketAddress(ip: text, port: port)) }

    @Test func whatIsShownIsSeenUntilItIsHidden() throws {
        let board = OriginalHostBoardOwner(OriginalHostBoard(workers: 2, stats: FrozenArray()))
        let four = try address("10.1.2.3", 80)
        let six = try address("2001:db8::7", 443)
        board.board.show(four, worker: 0, place: 0)
        board.board.show(six, worker: 1, place: OriginalHostBoard.placesMax - 1)
        // A thread that has no side of its own: main.
        board.board.show(six, worker: 2, place: 0)
        #expect(board.board.entries.map(\.address) == [four, six])
        #expect(board.board.entries.map(\.worker) == [0, 1])
        #expect(board.board.entries.map(\.place) == [0, OriginalHostBoard.placesMax - 1])
        board.board.hide(worker: 0, place: 0)
        #expect(board.board.entries.map(\.address) == [six])
    }

    @Test func placesAreGivenOnce() {
        var hosts = OriginalHosts()
        defer { hosts.destroy() }
        let taken = (0..<OriginalHostBoard.placesMax).compactMap { _ in hosts.takePlace() }
        #expect(Set(taken) == Set(0..<OriginalHostBoard.placesMax))
        #expect(hosts.takePlace() == nil)
        for place in [0, 63, 64, 130, 255] {
            hosts.givePlace(place)
            #expect(hosts.takePlace() == place)
        }
    }

    /// Main reads while a worker writes: an address is the one or the other, never half of each.
    @Test func noHalfWrittenAddress() throws {
        let owner = OriginalHostBoardOwner(OriginalHostBoard(workers: 1, stats: FrozenArray()))
        let board = owner.board
        let four = try address("1.1.1.1", 1)
        let six = try address("2222:2222::2222", 2222)
        let stop = Flag()
        let writer = BackgroundThread {
            while !stop.isRaised {
                board.show(four, worker: 0, place: 3)
                board.show(six, worker: 0, place: 3)
            }
        }
        var seen = 0
        for _ in 0..<2_000 {
            for entry in board.entries {
                seen += 1
                #expect(entry.address == four || entry.address == six)
            }
        }
        stop.raise()
        writer.join()
        #expect(seen > 0)
    }
}
