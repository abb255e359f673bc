
/// What the clients of a load saw. Failures are kept in words, the first few of them.
package final class LoadTally: Sendable {
    private struct State {
        var counts: [String: Int] = [:]
        var failures: [String] = []
        var failed = 0
        var seen: Set<String> = []
    }
    private let state = Locked(State())

    package init() {}

    package func count(_ what: String) { state.withLock { $0.counts[what, default: 0] += 1 } }
    package func saw(_ what: String) { state.withLock { _ = $0.seen.insert(what) } }
    package func failed(_ what: String) {
        state.withLock { state in
            state.failed += 1
            if state.failures.count < 20 { state.failures.append(what) }
        }
    }

    package func count(of what: String) -> Int { state.withLock { $0.counts[what] ?? 0 } }
    package var counts: [String: Int] { state.withLock { $0.counts } }
    package var failures: [String] { state.withLock { $0.failures } }
    package var failedCount: Int { state.withLock { $0.failed } }
    package var seen: Set<String> { state.withLock { $0.seen } }
}
