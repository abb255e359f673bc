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

    init(_ draft: TLSDraft, number: (PlanPart) -> Void) {
        source = draft.source
        part = draft.part
        records = draft.records
        secrets = draft.secrets
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

    /// Out of files, one for each name.
    var secrets: [DynamicSecret] {
        var seen: Set<String> = []
        return bySlot.keys.sorted().flatMap { bySlot[$0]?.secrets ?? [] }.filter { seen.insert($0.name).inserted }
    }

    /// The context of a listener or cluster that is published now. `owner`: whose part keeps the slot. Gives back what
    /// had the slot before.
    mutating func insert(_ live: LiveTLS) -> LiveTLS? {
        let old = bySlot[live.source.slot]
        bySlot[live.source.slot] = live
        return old
    }

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
