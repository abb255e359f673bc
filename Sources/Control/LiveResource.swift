// What a listener and a cluster have in common: behind a reload the one before serves in the place of the new one while
// the new one's secrets are on their way, as in Envoy.

protocol LiveResource: AnyObject {
    /// What a reload knows it by.
    var key: String { get }
    var part: PlanPart { get }
    var tls: [TLSDraft] { get }
    /// Serves in its place.
    var predecessor: Self? { get set }
}

extension LiveResource {
    /// Whoever asks over `ads` is compiled again where there is no `ads_config` any more, and so is refused with its place.
    func isAskable(_ compilation: Compilation) -> Bool {
        compilation.hasAggregated || !part.awaited.contains(where: \.isAggregated) && !tls.contains { $0.discovered.contains(where: \.isAggregated) }
    }

    /// The one that a configuration which says the same goes on with; it may wait as the predecessor of another.
    func unchanged(_ hash: ContentHash) -> Self? {
        [self, predecessor].compactMap { $0 }.first { $0.part.isUnchanged(hash) }
    }
}

extension Array where Element: LiveResource {
    var byKey: [String: Element] { Dictionary(map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first }) }

    /// What this list has no more now that it follows `old`. What serves while its successor warms stays, as predecessor.
    func succeeding(_ old: [Element], isWarming: (Element) -> Bool) -> [Element] {
        let kept = Set(map { ObjectIdentifier($0) })
        let successors = byKey
        var gone: [Element] = []
        for last in old where !kept.contains(ObjectIdentifier(last)) {
            var these = [last, last.predecessor].compactMap { $0 }.filter { !kept.contains(ObjectIdentifier($0)) }
            last.predecessor = nil
            if let next = successors[last.key], isWarming(next), let serving = these.first(where: { !isWarming($0) }) {
                next.predecessor = serving
                these.removeAll { $0 === serving }
            }
            gone += these
        }
        return gone
    }

    /// Predecessors of those that need none any more.
    func takeReplaced(isWarming: (Element) -> Bool) -> [Element] {
        compactMap { live in
            guard let last = live.predecessor, !isWarming(live) else { return nil }
            live.predecessor = nil
            return last
        }
    }
}
