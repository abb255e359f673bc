// The words of a PROXY header of version 1, which one space each keeps apart.

import Primitives

@safe
struct ProxyLine {
    let family: Bytes
    private(set) var source = Bytes.empty
    private(set) var destination = Bytes.empty
    private(set) var sourcePort = Bytes.empty
    private(set) var destinationPort = Bytes.empty
    /// All six words are there, and no more.
    private(set) var isWhole = false

    /// `line`: without its end. Nil: not even a family.
    init?(_ line: Bytes) {
        var rest = line
        guard let word = ProxyLine.next(&rest), word.equals(Bytes("PROXY" as StaticString)),
            let family = ProxyLine.next(&rest)
        else { return nil }
        self.family = family
        guard let source = ProxyLine.next(&rest), let destination = ProxyLine.next(&rest),
            let sourcePort = ProxyLine.next(&rest), let destinationPort = ProxyLine.next(&rest)
        else { return }
        self.source = source
        self.destination = destination
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        isWhole = ProxyLine.next(&rest) == nil
    }

    /// Up to the next space; nil: nothing is left. What is behind a last space is an empty word.
    private static func next(_ rest: inout Bytes) -> Bytes? {
        // Reads as `Bytes.empty` once the last word has been taken.
        guard rest.count > 0 else { return nil }
        guard let space = rest.firstIndex(of: 32) else {
            defer { rest = .empty }
            return rest
        }
        defer { rest = rest.from(space &+ 1) }
        return rest.prefix(space)
    }
}
