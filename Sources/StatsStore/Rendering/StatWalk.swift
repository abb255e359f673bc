import Stats

/// Visits every item of one phase in byte order of full names, across all scopes, one at a time.
///
/// Scopes are sorted by prefix, items within a schema by name; names of different scopes interleave only where one
/// prefix begins with another ("cluster.a." and "cluster.a.b.", or two schemas under one prefix). So only such scopes
/// are merged, all others are passed straight through.
///
/// Holds a snapshot of the sorted scopes: a scope made later is not seen, one recycled meanwhile is skipped.
struct StatWalk {
    struct Position {
        let ref: StatScopeRef
        let item: StatSchema.Item
    }

    private struct Cursor {
        let ref: StatScopeRef
        let prefix: StatName
        let items: [StatSchema.Item]
        var at: Int
    }

    private let phase: StatPhase
    private let scopes: [StatScopeRef]
    private var nextScope = 0
    /// Scopes in progress; more than one only where prefixes nest.
    private var active: [Cursor] = []

    /// `scopes`: `StatRegistry.sorted` when the output began.
    init(_ scopes: [StatScopeRef], _ phase: StatPhase) {
        self.phase = phase
        self.scopes = scopes
    }

    /// Call before the first `next` of a slice: forgets scopes that were recycled since the last one.
    mutating func resume(_ registry: StatRegistry) {
        active.removeAll { registry.record($0.ref) == nil }
    }

    mutating func next(_ registry: StatRegistry) -> Position? {
        while true {
            guard let first = smallest() else {
                guard activateNext(registry) else { return nil }
                continue
            }
            // A scope still to come may sort before what we hold only if its prefix does.
            if let upcoming = peek(registry), precedes(upcoming, active[first]) {
                _ = activateNext(registry)
                continue
            }
            let ref = active[first].ref
            let item = active[first].items[active[first].at]
            active[first].at += 1
            if active[first].at == active[first].items.count { active.remove(at: first) }
            return Position(ref: ref, item: item)
        }
    }

    private func smallest() -> Int? {
        guard !active.isEmpty else { return nil }
        var best = 0
        for other in 1..<max(1, active.count) {
            let a = active[other]
            let b = active[best]
            if a.prefix.compare(a.items[a.at].descriptor.name, b.prefix, b.items[b.at].descriptor.name) < 0 {
                best = other
            }
        }
        return best
    }

    private func precedes(_ upcoming: StatName, _ cursor: Cursor) -> Bool {
        // Prefixes are sorted, so an upcoming one that does not begin with ours sorts after all our names.
        guard upcoming.hasPrefix(cursor.prefix) else { return false }
        return upcoming.compare("", cursor.prefix, cursor.items[cursor.at].descriptor.name) <= 0
    }

    /// The next scope's prefix, past scopes that are gone or have nothing in this phase.
    private mutating func peek(_ registry: StatRegistry) -> StatName? {
        while nextScope < scopes.count {
            if let record = registry.record(scopes[nextScope]), !record.schema.items(phase).isEmpty {
                return record.prefix
            }
            nextScope += 1
        }
        return nil
    }

    private mutating func activateNext(_ registry: StatRegistry) -> Bool {
        guard peek(registry) != nil, let record = registry.record(scopes[nextScope]) else { return false }
        active.append(
            Cursor(ref: scopes[nextScope], prefix: record.prefix, items: record.schema.items(phase), at: 0))
        nextScope += 1
        return true
    }
}
