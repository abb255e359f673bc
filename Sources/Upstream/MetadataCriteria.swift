// What a route asks of a host's `envoy.lb` metadata (`metadata_match`): names and the values that they are to have, in a form
// that is compared byte by byte. Frozen with the route; its hashes are worked out once.

import Primitives

package struct MetadataPair: BitwiseCopyable {
    package var name: Bytes
    package var value: Bytes
    package var hash: UInt64

    package init(name: Bytes, value: Bytes) {
        self.name = name
        self.value = value
        hash = XXHash64.hash(value, seed: XXHash64.hash(name))
    }

    package func equals(_ other: MetadataPair) -> Bool {
        hash == other.hash && name.equals(other.name) && value.equals(other.value)
    }
}

/// Some of a list of pairs, ascending by name: which, says a bit each.
package struct MetadataSelection: BitwiseCopyable {
    package var pairs: FrozenArray<MetadataPair>
    package var mask: UInt64

    package init(_ pairs: FrozenArray<MetadataPair>) {
        self.pairs = pairs
        mask = pairs.count >= 64 ? .max : (1 << UInt64(pairs.count)) &- 1
    }

    package var count: Int { mask.nonzeroBitCount }

    func contains(_ place: Int) -> Bool { place < 64 && mask & (1 << UInt64(place)) != 0 }

    package var hash: UInt64 {
        var hash: UInt64 = 0
        for i in 0..<pairs.count where contains(i) { hash = MetadataSelection.combine(hash, pairs[i].hash) }
        return hash
    }

    static func combine(_ hash: UInt64, _ pair: UInt64) -> UInt64 {
        var mixed = (hash ^ pair) &* 0x9E37_79B9_7F4A_7C15
        mixed ^= mixed >> 29
        return mixed &* 0xBF58_476D_1CE4_E5B9
    }

    func equals(_ other: FrozenArray<MetadataPair>) -> Bool {
        var place = 0
        for i in 0..<pairs.count where contains(i) {
            guard place < other.count, pairs[i].equals(other[place]) else { return false }
            place &+= 1
        }
        return place == other.count
    }

    /// The same without the names that `keys` does not have.
    func filtered(_ keys: FrozenArray<Bytes>) -> MetadataSelection {
        var filtered = self
        for i in 0..<pairs.count where contains(i) && !keys.containsName(pairs[i].name) { filtered.mask &= ~(1 << UInt64(i)) }
        return filtered
    }

    /// Whether the names are these: both lists ascend.
    func hasNames(_ keys: FrozenArray<Bytes>) -> Bool {
        var place = 0
        for i in 0..<pairs.count where contains(i) {
            guard place < keys.count, pairs[i].name.equals(keys[place]) else { return false }
            place &+= 1
        }
        return place == keys.count
    }
}

extension FrozenArray where Element == Bytes {
    func containsName(_ name: Bytes) -> Bool {
        for i in 0..<count where self[i].equals(name) { return true }
        return false
    }
}

package struct MetadataCriteria: BitwiseCopyable {
    /// More are refused.
    package static let pairsMax = 64
    package var pairs = FrozenArray<MetadataPair>()
    /// `fallback_list` is among them: for clusters that look at it, the pairs without it, and with each entry of the list in
    /// their place.
    package var hasFallbackList = false
    package var withoutFallbackList = FrozenArray<MetadataPair>()
    package var fallbacks = FrozenArray<FrozenArray<MetadataPair>>()
    package init() {}
}
