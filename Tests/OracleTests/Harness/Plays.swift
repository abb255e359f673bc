import Synchronization
import TestSupport

/// Plays whole groups through proxies in the background, a few at once (most of a case is waiting); the tests collect
/// the results. Each play has its own proxy, upstreams and ports.
final class Plays: Sendable {
    struct Result: Sendable {
        var outcomes: [String: Outcome] = [:]
        /// What kept cases from having an outcome.
        var problems: [String] = []
    }

    private struct Order: Sendable {
        let group: Group
        let kind: ProxyUnderTest.Kind
        let binary: String
        let key: String
    }

    /// More at once would disturb the cases that measure time.
    static let atOnce = Environment["MARTLET_ORACLE_AT_ONCE"].flatMap { Int($0) } ?? 4

    private let orders: [Order]
    private let state = Mutex((next: 0, results: [String: Result]()))

    init(_ kinds: [(kind: ProxyUnderTest.Kind, binary: String)]) {
        // The longest first: nobody waits for one that began last.
        orders = Groups.all.sorted { $0.cases.count > $1.cases.count }.flatMap { group in
            kinds.map { Order(group: group, kind: $0.kind, binary: $0.binary, key: Plays.key(group, $0.kind)) }
        }
        for _ in 0..<Plays.atOnce { _ = BackgroundThread { [self] in work() } }
    }

    /// Waits until this group has been played through this proxy, and as long as others are done meanwhile.
    func result(_ group: Group, _ kind: ProxyUnderTest.Kind) async -> Result {
        let key = Plays.key(group, kind)
        var done = -1
        var deadline = Deadline(afterMs: 900_000)
        while !deadline.passed {
            let (result, count) = state.withLock { ($0.results[key], $0.results.count) }
            if let result { return result }
            if count != done { (done, deadline) = (count, Deadline(afterMs: 900_000)) }
            try? await Task.sleep(for: .milliseconds(100))
        }
        return Result(problems: ["\(key): nothing was done for 15 minutes"])
    }

    private static func key(_ group: Group, _ kind: ProxyUnderTest.Kind) -> String { "\(group.name), \(kind.rawValue)" }

    private func work() {
        while let order = state.withLock({ state -> Order? in
            guard state.next < orders.count else { return nil }
            state.next += 1
            return orders[state.next - 1]
        }) {
            let result = Plays.play(order, order.group.cases.filter(Mode.selects))
            state.withLock { $0.results[order.key] = result }
        }
    }

    /// These cases of this group once more, now, through a proxy of their own.
    func again(_ cases: [Case], of group: Group, _ kind: ProxyUnderTest.Kind) -> Result {
        guard let order = orders.first(where: { $0.key == Plays.key(group, kind) }) else { return Result() }
        return Plays.play(order, cases)
    }

    private static func play(_ order: Order, _ cases: [Case]) -> Result {
        var result = Result()
        if cases.isEmpty { return result }
        do {
            var run = CaseRun(try ProxyUnderTest(order.kind, binary: order.binary, group: order.group))
            for test in cases {
                do {
                    result.outcomes[test.name] = try run.play(test)
                } catch {
                    result.problems.append("\(test.name), \(order.kind.rawValue): \(error)\n\(run.proxy.output.suffix(2_000))")
                    // One stuck case must not take the rest with it; many mean that nothing works.
                    if result.problems.count > 20 { throw error }
                    run = CaseRun(try ProxyUnderTest(order.kind, binary: order.binary, group: order.group))
                }
            }
        } catch {
            result.problems.append("\(order.key): \(error)")
        }
        return result
    }
}
