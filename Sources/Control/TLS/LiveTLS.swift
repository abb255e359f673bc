// TLS contexts as main keeps them: which one answers a slot now, and where from it is made again when a file changes.

import EnvoyAPI
import Pipeline
import Primitives
import Transport

/// A context that workers use, or did until a moment ago.
@safe
final class LiveTLS {
    let source: TLSSource
    let part: PlanPart
    let records: TLSRecords
    let secrets: [DynamicSecret]
    let config: UnsafePointer<TLSContextConfig>
    /// False: a secret is missing, and nobody is served.
    let isReady: Bool
    /// Secrets of management servers that it was made with, or waits for.
    let discovered: [DiscoveredSecret]

    init(_ draft: TLSDraft, number: (PlanPart) -> Void) {
        source = draft.source
        part = draft.part
        records = draft.records
        secrets = draft.secrets
        isReady = draft.isReady
        discovered = draft.discovered
        number(part)
        var config = draft.config
        config.part = part.id
        unsafe self.config = unsafe part.arena.store(config)
    }
}

/// By slot.
struct LiveTLSContexts {
    private(set) var bySlot: [UInt32: LiveTLS] = [:]

    var records: [TLSRecords] { bySlot.keys.sorted().compactMap { bySlot[$0]?.records } }

    /// Out of files and of management servers, one for each name.
    var secrets: [DynamicSecret] {
        var seen: Set<String> = []
        return bySlot.keys.sorted().compactMap { bySlot[$0] }.flatMap { live in
            live.secrets.map { secret in secret.updated(live.discovered.first { $0.name == secret.name }) }
        }.filter { seen.insert($0.name).inserted }
    }

    /// In the place of what has had the slot until now.
    mutating func insert(_ live: LiveTLS) { bySlot[live.source.slot] = live }

    /// The owner of `live` is gone, with all its connections. False: another one has the slot already.
    mutating func remove(_ live: LiveTLS) -> Bool {
        guard bySlot[live.source.slot] === live else { return false }
        bySlot[live.source.slot] = nil
        return true
    }

    func slots(_ arena: FrozenArena) -> FrozenArray<TLSSlot> {
        guard let last = bySlot.keys.max() else { return FrozenArray() }
        var slots = unsafe [TLSSlot](repeating: TLSSlot(part: PlanPart.none, config: nil), count: Int(last) + 1)
        for (slot, live) in bySlot { slots[Int(slot)] = unsafe TLSSlot(part: live.part.id, config: live.config) }
        return arena.array(slots)
    }
}
