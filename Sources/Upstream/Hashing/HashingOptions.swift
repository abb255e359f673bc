// What configuration says of consistent hashing.

import Primitives

package struct HashingOptions: BitwiseCopyable, Sendable {
    package enum Function: BitwiseCopyable, Sendable { case xxHash, murmurHash2 }
    package var function = Function.xxHash
    package var ringSizeMin: UInt64 = 1024
    package var ringSizeMax: UInt64 = 8 << 20
    /// A prime.
    package var tableSize: UInt64 = 65_537
    /// A host is hashed by its name rather than by its address.
    package var usesHostname = false
    /// `hash_balance_factor`: a host gets at most this percentage of its fair share of requests; 0: no bound.
    package var balanceFactor: UInt32 = 0
    package init() {}
}

/// A host and its share of its level; the shares add up to 1.
struct HashedHost {
    let index: UInt32
    let key: [UInt8]
    let weight: Double
}

extension HashingOptions {
    /// By what a host is placed: its `envoy.lb` metadata `hash_key`, its name, or its address.
    func key(_ host: HostConfig) -> [UInt8] {
        if !host.hashKey.isEmpty { return [UInt8](host.hashKey) }
        return usesHostname && !host.hostname.isEmpty ? [UInt8](host.hostname) : Array("\(host.address)".utf8)
    }

    func hosts(_ candidates: [UInt32], of all: [HostConfig]) -> [HashedHost] {
        let sum = candidates.reduce(UInt64(0)) { $0 + UInt64(max(all[Int($1)].weight, 1)) }
        return candidates.map { index in
            let host = all[Int(index)]
            return HashedHost(index: index, key: key(host), weight: Double(max(host.weight, 1)) / Double(max(sum, 1)))
        }
    }
}

/// For `cluster.<name>.ring_hash_lb.` and `….maglev_lb.`
package struct HashTableFacts: BitwiseCopyable {
    package var size: UInt64 = 0
    package var entriesMin: UInt64 = 0
    package var entriesMax: UInt64 = 0
    package init() {}
}
