// Files that TLS contexts were made from, looked at in turn: a rename, a write in place and a swap of a symbolic link all
// show in what `stat` says.

import EnvoyAPI

struct CertificateWatch {
    /// A file is looked at about every `rounds` ticks of main.
    private static let rounds = 10
    private var next = 0
    /// By slot: what its files were when it changed last. Looked at once more before anything is read.
    private var settling: [UInt32: [String: [Int]]] = [:]
    /// By slot: what was tried and refused.
    private var refused: [UInt32: [String: [Int]]] = [:]

    /// Slots whose files have changed and then stayed the same for a look.
    mutating func changed(_ contexts: LiveTLSContexts) -> [UInt32] {
        let slots = contexts.bySlot.keys.sorted()
        guard !slots.isEmpty else { return [] }
        var changed: [UInt32] = []
        for _ in 0..<((slots.count + CertificateWatch.rounds - 1) / CertificateWatch.rounds) {
            next = (next + 1) % slots.count
            let slot = slots[next]
            guard let live = contexts.bySlot[slot] else { continue }
            if hasChanged(slot, live) { changed.append(slot) }
        }
        return changed
    }

    private mutating func hasChanged(_ slot: UInt32, _ live: LiveTLS) -> Bool {
        var now: [String: [Int]] = [:]
        for path in live.part.identities.keys { now[path] = FileWatch.identity(path) }
        if now == live.part.identities || now == refused[slot] {
            settling[slot] = nil
            return false
        }
        guard settling[slot] == now else {
            settling[slot] = now
            return false
        }
        settling[slot] = nil
        refused[slot] = now
        return true
    }

    /// What was tried serves now.
    mutating func accepted(_ slot: UInt32) { refused[slot] = nil }
}
