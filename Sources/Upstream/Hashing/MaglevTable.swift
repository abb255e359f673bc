// MAGLEV's table (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", section 3.4): every host
// fills places in an order of its own, in turn and by weight, until the table is full; a request's hash names a place.

import Primitives

package struct MaglevTable: BitwiseCopyable {
    /// The host at each place, as index into the host set.
    private var hosts = FrozenArray<UInt32>()

    package init() {}

    private struct Member {
        let index: UInt32
        let offset: UInt64
        let skip: UInt64
        let weight: Double
        var target = 0.0
        var next: UInt64 = 0
        var count: UInt64 = 0
    }

    init(_ members: [HashedHost], _ options: HashingOptions, in arena: FrozenArena, facts: inout HashTableFacts) {
        let size = options.tableSize
        guard let most = members.map(\.weight).max(), size > 1 else { return }
        // One host has every place: as in Envoy's gauges it is one.
        if members.count == 1 {
            (facts.size, facts.entriesMin, facts.entriesMax) = (size, 1, 1)
            hosts = arena.array([members[0].index])
            return
        }
        var builders = members.map { member in
            member.key.withBytes { key in
                Member(
                    index: member.index, offset: XXHash64.hash(key) % size, skip: XXHash64.hash(key, seed: 1) % (size - 1) + 1,
                    weight: member.weight)
            }
        }
        var table = [UInt32](repeating: .max, count: Int(size))
        var filled: UInt64 = 0
        var round = 1.0
        while filled < size {
            for i in builders.indices where filled < size {
                // The heaviest host fills a place in every round, one of half its weight in every second.
                if round * builders[i].weight < builders[i].target { continue }
                builders[i].target += most
                var place = 0
                repeat {
                    place = Int((builders[i].offset + builders[i].skip * builders[i].next) % size)
                    builders[i].next += 1
                } while table[place] != .max
                table[place] = builders[i].index
                builders[i].count += 1
                filled += 1
            }
            round += 1
        }
        facts.size = size
        facts.entriesMin = builders.map(\.count).min() ?? 0
        facts.entriesMax = builders.map(\.count).max() ?? 0
        hosts = arena.array(table)
    }

    // HOT: per request.
    /// `attempt`: how many hosts were refused before; each changes most of the hash's bits.
    package func choose(_ hash: UInt64, attempt: UInt32) -> UInt32? {
        guard hosts.count > 0 else { return nil }
        let changed = attempt == 0 ? hash : hash ^ (UInt64.max &- UInt64(attempt) &+ 1)
        return hosts[Int(changed % UInt64(hosts.count))]
    }
}
