// A radix trie over byte strings: domains and the literals that routes' paths begin with.
//
// One walk along the request's path meets every prefix of it that some route names, and the exact path at its end: the
// cost is the path's own length, whatever the number of routes, and no choice of paths by a peer makes it more.

import Primitives

struct TrieNode {
    /// What follows the byte that led here.
    var label: TextRef
    /// Children are consecutive nodes, in the order of their first bytes.
    var firstChild: UInt32
    /// Where the text section holds the children's first bytes, or, for more than `scannedChildrenMax` of them, a map
    /// from byte to child number + 1.
    var childBytes: UInt32
    var childCount: UInt32
    /// What is filed under strings that begin with this node's, and under this node's string alone; or `noIndex`.
    var prefixValue: UInt32
    var exactValue: UInt32

    /// Beyond this many a map of 256 bytes costs less than looking at each.
    static let scannedChildrenMax = 6
}

@safe
struct FrozenTrie {
    let nodes: FrozenSection<TrieNode>
    let text: UnsafePointer<UInt8>

    /// The walk's position: `node`'s whole string is a prefix of the input, `depth` bytes long.
    struct Cursor {
        var node: TrieNode
        var depth: Int
    }

    // HOT: per byte.
    /// The root, when its label begins the input.
    @inline(__always)
    func enter(_ root: UInt32, _ input: Bytes, lowercasing: Bool, reversed: Bool = false) -> Cursor? {
        advance(to: nodes[root], input, depth: 0, lowercasing: lowercasing, reversed: reversed)
    }

    /// The child that the input leads to, when its label goes along with it.
    @inline(__always)
    func next(_ cursor: Cursor, _ input: Bytes, lowercasing: Bool, reversed: Bool = false) -> Cursor? {
        let node = cursor.node
        guard node.childCount != 0, cursor.depth < input.count else { return nil }
        let byte = FrozenTrie.byte(input, cursor.depth, lowercasing, reversed)
        let keys = unsafe text + Int(node.childBytes)
        var child = 0
        if node.childCount > UInt32(TrieNode.scannedChildrenMax) {
            let number = unsafe keys[Int(byte)]
            guard number != 0 else { return nil }
            child = Int(number) &- 1
        } else {
            while unsafe keys[child] != byte {
                child &+= 1
                if child == Int(node.childCount) { return nil }
            }
        }
        let index = node.firstChild &+ UInt32(truncatingIfNeeded: child)
        return advance(
            to: nodes[index], input, depth: cursor.depth &+ 1, lowercasing: lowercasing, reversed: reversed)
    }

    @inline(__always)
    private func advance(
        to node: TrieNode, _ input: Bytes, depth: Int, lowercasing: Bool, reversed: Bool
    ) -> Cursor? {
        let count = Int(node.label.count)
        guard count <= input.count &- depth else { return nil }
        let label = unsafe text + Int(node.label.offset)
        var i = 0
        while i < count {
            if unsafe label[i] != FrozenTrie.byte(input, depth &+ i, lowercasing, reversed) { return nil }
            i &+= 1
        }
        return Cursor(node: node, depth: depth &+ count)
    }

    @inline(__always)
    private static func byte(_ input: Bytes, _ index: Int, _ lowercasing: Bool, _ reversed: Bool) -> UInt8 {
        let byte = input[reversed ? input.count &- 1 &- index : index]
        return lowercasing ? Bytes.lower(byte) : byte
    }
}
