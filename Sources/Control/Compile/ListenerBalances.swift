// The counts of `exact_balance`, by listener: one listener's parts share them for as long as any of its parts is there.

import Pipeline

final class ListenerBalances {
    private struct Entry {
        weak var owner: BalanceOwner?
    }
    private var entries: [String: Entry] = [:]
    private let workers: Int

    init(workers: Int) { self.workers = workers }

    /// Nil: the listener has none, and needs none.
    func owner(_ listener: String, makes: Bool) -> BalanceOwner? {
        if let owner = entries[listener]?.owner { return owner }
        entries[listener] = nil
        guard makes else { return nil }
        let owner = BalanceOwner(BalanceCells(workers: workers))
        entries[listener] = Entry(owner: owner)
        return owner
    }
}
