// The ring of RING_HASH (ketama): each host stands at many places of a circle, as many as its weight says; a request goes
// to the first host at or behind the place of its hash. Main builds it, workers read it.

import Primitives

package struct HashRing: BitwiseCopyable {
    /// Ascending.
    private var hashes = FrozenArray<UInt64>()
    /// The host at each place, as index into the host set.
    private var hosts = FrozenArray<UInt32>()

    package init() {}

    init(_ members: [HashedHost], _ options: HashingOptions, in arena: FrozenArena, facts: inout HashTableFacts) {
        guard let least = members.map(\.weight).min() else { return }
        // The lightest host gets a whole number of places; the ring grows for that, as far as it may.
        let scale = min((least * Double(options.ringSizeMin)).rounded(.up) / least, Double(options.ringSizeMax))
        let size = scale.rounded(.up)
        var places: [(hash: UInt64, host: UInt32)] = []
        places.reserveCapacity(Int(size))
        facts.size = UInt64(size)
        facts.entriesMin = UInt64(size)
        facts.entriesMax = 0
        // Sums of fractions: a host may get one place more or less, the ring as a whole does not.
        var current = 0.0
        var target = 0.0
        for member in members {
            target += scale * member.weight
            var i: UInt64 = 0
            while current < target {
                let key = member.key + [UInt8(ascii: "_")] + Array("\(i)".utf8)
                places.append((HashRing.hash(key, options.function), member.index))
                i += 1
                current += 1
            }
            facts.entriesMin = min(facts.entriesMin, i)
            facts.entriesMax = max(facts.entriesMax, i)
        }
        places.sort { $0.hash < $1.hash }
        hashes = arena.array(places.map(\.hash))
        hosts = arena.array(places.map(\.host))
    }

    private static func hash(_ key: [UInt8], _ function: HashingOptions.Function) -> UInt64 {
        key.withBytes { function == .xxHash ? XXHash64.hash($0) : MurmurHash2.hash($0) }
    }

    // HOT: per request.
    /// `attempt`: how many hosts were refused before; each moves one place on.
    package func choose(_ hash: UInt64, attempt: UInt32) -> UInt32? {
        guard hashes.count > 0 else { return nil }
        var low = 0
        var high = hashes.count
        while low < high {
            let middle = (low &+ high) >> 1
            if hashes[middle] < hash { low = middle &+ 1 } else { high = middle }
        }
        return hosts[(low % hashes.count &+ Int(attempt)) % hashes.count]
    }
}
