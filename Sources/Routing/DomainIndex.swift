// Domains of a route table while it is built: exact, `*.suffix`, `prefix.*`, `*`, each only once.

import Primitives

struct DomainIndex {
    private var forward: [[UInt8]: TrieBuilder.Entry] = [:]
    private var backward: [[UInt8]: TrieBuilder.Entry] = [:]
    private(set) var any = noIndex

    /// Envoy's message when the domain is taken.
    mutating func add(_ domain: String, virtualHost: UInt32, table: String) -> String? {
        let lowered = lowercased(domain)
        let star = UInt8(ascii: "*")
        let free: Bool
        if lowered == [star] {
            guard any == noIndex else { return "Only a single wildcard domain is permitted in route \(table)" }
            any = virtualHost
            return nil
        } else if lowered.first == star {
            // Filed backwards: a suffix of the host is a prefix of the host read from its end.
            free = DomainIndex.set(&backward, Array(lowered.dropFirst().reversed()), \.prefixValue, virtualHost)
        } else if lowered.last == star {
            free = DomainIndex.set(&forward, Array(lowered.dropLast()), \.prefixValue, virtualHost)
        } else {
            free = DomainIndex.set(&forward, lowered, \.exactValue, virtualHost)
        }
        if free { return nil }
        let shown = String(decoding: lowered, as: UTF8.self)
        return "Only unique values for domains are permitted. Duplicate entry of domain \(shown) in route \(table)"
    }

    private static func set(
        _ entries: inout [[UInt8]: TrieBuilder.Entry], _ key: [UInt8],
        _ value: WritableKeyPath<TrieBuilder.Entry, UInt32>, _ virtualHost: UInt32
    ) -> Bool {
        var entry = entries[key] ?? TrieBuilder.Entry(key: key)
        guard entry[keyPath: value] == noIndex else { return false }
        entry[keyPath: value] = virtualHost
        entries[key] = entry
        return true
    }

    /// The roots of the two tries, or `noIndex`.
    func build(nodes: inout [TrieNode], text: inout TextBuilder) -> (forward: UInt32, backward: UInt32) {
        let forwardRoot =
            forward.isEmpty ? noIndex : TrieBuilder.add(Array(forward.values), nodes: &nodes, text: &text)
        let backwardRoot =
            backward.isEmpty ? noIndex : TrieBuilder.add(Array(backward.values), nodes: &nodes, text: &text)
        return (forwardRoot, backwardRoot)
    }
}
