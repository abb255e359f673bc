// Builds radix tries into the nodes and text of one table. Used while a table is made, never on a request's path.

struct TrieBuilder {
    struct Entry {
        var key: [UInt8]
        var prefixValue = noIndex
        var exactValue = noIndex
    }

    /// Adds one trie; returns its root. `entries` have distinct keys; there is at least one.
    static func add(_ entries: [Entry], nodes: inout [TrieNode], text: inout TextBuilder) -> UInt32 {
        let sorted = entries.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        let root = nodes.count
        nodes.append(blank)
        // Breadth first, so that children are consecutive; a queue and not recursion, because keys that each extend
        // the one before make a trie as deep as there are keys.
        var queue: [(node: Int, range: Range<Int>, depth: Int)] = [(root, 0..<sorted.count, 0)]
        var head = 0
        while head < queue.count {
            let (node, range, depth) = queue[head]
            head += 1
            fill(node, range, depth, sorted, &nodes, &text, &queue)
        }
        return UInt32(root)
    }

    private static let blank = TrieNode(
        label: .empty, firstChild: 0, childBytes: 0, childCount: 0, prefixValue: noIndex, exactValue: noIndex)

    private static func fill(
        _ node: Int, _ range: Range<Int>, _ start: Int, _ sorted: [Entry], _ nodes: inout [TrieNode],
        _ text: inout TextBuilder, _ queue: inout [(node: Int, range: Range<Int>, depth: Int)]
    ) {
        let first = sorted[range.lowerBound].key
        let last = sorted[range.upperBound - 1].key
        // Sorted, so what the first and the last have in common all of them have.
        var depth = start
        while depth < first.count, depth < last.count, first[depth] == last[depth] { depth += 1 }
        nodes[node].label = text.add(first[start..<depth])

        var rest = range
        if first.count == depth {
            nodes[node].prefixValue = sorted[range.lowerBound].prefixValue
            nodes[node].exactValue = sorted[range.lowerBound].exactValue
            rest = (range.lowerBound + 1)..<range.upperBound
        }
        var keys: [UInt8] = []
        var children: [Range<Int>] = []
        var i = rest.lowerBound
        while i < rest.upperBound {
            let byte = sorted[i].key[depth]
            var end = i + 1
            while end < rest.upperBound, sorted[end].key[depth] == byte { end += 1 }
            keys.append(byte)
            children.append(i..<end)
            i = end
        }
        guard !keys.isEmpty else { return }
        nodes[node].firstChild = UInt32(nodes.count)
        nodes[node].childCount = UInt32(keys.count)
        if keys.count > TrieNode.scannedChildrenMax {
            // A map holds child numbers + 1 in a byte. Keys are UTF-8, which never uses 13 of the 256 bytes.
            precondition(keys.count < 255, "trie keys are UTF-8")
            var map = [UInt8](repeating: 0, count: 256)
            for (number, byte) in keys.enumerated() { map[Int(byte)] = UInt8(number + 1) }
            nodes[node].childBytes = text.append(map[...]).offset
        } else {
            nodes[node].childBytes = text.add(keys[...]).offset
        }
        for child in children {
            queue.append((nodes.count, child, depth + 1))
            nodes.append(blank)
        }
    }
}

/// The text section while it grows. Equal strings are kept once.
struct TextBuilder {
    private(set) var bytes: [UInt8] = []
    private var known: [[UInt8]: UInt32] = [:]

    mutating func add(_ string: ArraySlice<UInt8>) -> TextRef {
        if string.isEmpty { return .empty }
        let key = Array(string)
        if let offset = known[key] { return TextRef(offset: offset, count: UInt32(key.count)) }
        let ref = append(string)
        known[key] = ref.offset
        return ref
    }

    mutating func add(_ string: String) -> TextRef { add(Array(string.utf8)[...]) }

    mutating func append(_ string: ArraySlice<UInt8>) -> TextRef {
        let ref = TextRef(offset: UInt32(bytes.count), count: UInt32(string.count))
        bytes.append(contentsOf: string)
        return ref
    }
}
