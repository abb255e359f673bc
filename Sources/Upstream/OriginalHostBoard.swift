// What main is shown of an ORIGINAL_DST cluster's hosts, which only workers know: each worker writes the addresses of its
// hosts into places of its own, and counts each host in the statistics of that place. Main puts together what workers show
// under the same address, when somebody asks.
//
// A place is a version and an address. The version is odd while the worker writes; main reads it before and behind.
// Owned by the cluster's plan part.

import CMartlet
import Primitives

@safe
package struct OriginalHostBoard: BitwiseCopyable, @unchecked Sendable {  // atomics only
    /// Hosts of one worker that are shown (`docs/limits.md`).
    package static let placesMax = 256
    /// Words of a place: version, family and port, address.
    private static let placeWords = 4

    private let words: UnsafeMutablePointer<UInt64>
    private let workers: Int
    /// First of each place's statistics; every worker writes its own share of them.
    package let stats: FrozenArray<UInt32>

    package init(workers: Int, stats: FrozenArray<UInt32>) {
        self.workers = workers
        self.stats = stats
        let count = max(workers, 1) * OriginalHostBoard.placesMax * OriginalHostBoard.placeWords
        unsafe words = .allocate(capacity: count)
        unsafe words.initialize(repeating: 0, count: count)
    }

    fileprivate func destroy() { unsafe words.deallocate() }

    private func place(_ worker: Int, _ place: Int) -> UnsafeMutablePointer<UInt64> {
        unsafe words + (worker &* OriginalHostBoard.placesMax &+ place) &* OriginalHostBoard.placeWords
    }

    // MARK: The worker

    package func show(_ address: SocketAddress, worker: Int, place at: Int) {
        write(worker, at, UInt64(address.family.rawValue) &<< 16 | UInt64(address.port), address.high, address.low)
    }

    package func hide(worker: Int, place at: Int) { write(worker, at, 0, 0, 0) }

    private func write(_ worker: Int, _ at: Int, _ head: UInt64, _ high: UInt64, _ low: UInt64) {
        guard worker < workers else { return }
        let words = unsafe place(worker, at)
        let version = unsafe cmartlet_load_relaxed(words)
        unsafe cmartlet_store_relaxed(words, version &+ 1)
        cmartlet_fence()
        unsafe cmartlet_store_relaxed(words + 1, head)
        unsafe cmartlet_store_relaxed(words + 2, high)
        unsafe cmartlet_store_relaxed(words + 3, low)
        unsafe cmartlet_store_release(words, version &+ 2)
    }

    // MARK: Main

    package struct Entry {
        package let worker: Int
        package let place: Int
        package let address: SocketAddress
    }

    /// Every host that is shown. One that is being written is left out.
    package var entries: [Entry] {
        var entries: [Entry] = []
        for worker in 0..<workers {
            for at in 0..<OriginalHostBoard.placesMax {
                if let address = read(worker, at) { entries.append(Entry(worker: worker, place: at, address: address)) }
            }
        }
        return entries
    }

    private func read(_ worker: Int, _ at: Int) -> SocketAddress? {
        let words = unsafe place(worker, at)
        let version = unsafe cmartlet_load_acquire(words)
        var address = SocketAddress()
        let head = unsafe cmartlet_load_relaxed(words + 1)
        address.high = unsafe cmartlet_load_relaxed(words + 2)
        address.low = unsafe cmartlet_load_relaxed(words + 3)
        cmartlet_fence()
        guard unsafe cmartlet_load_relaxed(words) == version, version & 1 == 0,
            let family = SocketAddress.Family(rawValue: UInt8(truncatingIfNeeded: head &>> 16)), family != .none
        else { return nil }
        address.family = family
        address.port = UInt16(truncatingIfNeeded: head)
        return address
    }
}

/// Gives the memory back with the plan part that keeps this.
package final class OriginalHostBoardOwner {
    package let board: OriginalHostBoard
    package init(_ board: OriginalHostBoard) { self.board = board }
    deinit { board.destroy() }
}
