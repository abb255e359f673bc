import TestSupport
import Testing

/// The same configuration and the same bytes through Envoy 1.40 and through Martlet; the outcomes are compared.
///
///     swift test --filter OracleTests                            # live where Envoy is installed, else golden
///     MARTLET_ORACLE=record swift test --filter OracleTests      # measures Envoy again, writes Golden/*.json
///     MARTLET_ORACLE=golden swift test --filter OracleTests      # Martlet against the golden outcomes: faster
///     MARTLET_ORACLE_CASES=framing.,limits. swift test --filter OracleTests
@Suite(.serialized)
struct OracleTests {
    private static let mode = Mode.chosen ?? .live
    private static let envoy = ProxyBinary.envoy()
    private static let martlet = ProxyBinary.martlet()

    private static let plays: Plays = {
        var kinds: [(kind: ProxyUnderTest.Kind, binary: String)] = []
        if mode != .golden, case .success(let binary) = envoy { kinds.append((.envoy, binary)) }
        if mode != .record, case .success(let binary) = martlet { kinds.append((.martlet, binary)) }
        return Plays(kinds)
    }()

    @Test(arguments: Groups.all.map(\.name))
    func group(_ name: String) async throws {
        let group = Groups.all.first { $0.name == name }!
        let cases = group.cases.filter(Mode.selects)
        if cases.isEmpty { return }

        let golden = try Golden.read(group)
        let recorded = golden?.cases.mapValues(\.outcome) ?? [:]
        var expected = recorded
        switch (OracleTests.mode, OracleTests.envoy) {
        case (.record, .failure(let reason)):
            Issue.record("cannot record: \(reason)")
            return
        case (.record, .success):
            Recording.keep(await outcomes(group, .envoy), of: cases, in: group, before: golden)
            return
        case (.live, .success):
            expected = await steadied(await outcomes(group, .envoy), cases, recorded, group)
            compare(cases, expected: recorded, found: expected, "golden", "Envoy now")
        case (.live, .failure(let reason)):
            print("OracleTests, \(name): the live oracle is skipped: \(reason)")
        case (.golden, _): break
        }

        switch OracleTests.martlet {
        case .failure(let reason): print("OracleTests, \(name): Martlet is skipped: \(reason)")
        case .success:
            let found = await outcomes(group, .martlet)
            compare(
                cases, expected: Differences.applied(to: expected, siblings: recorded), found: found, "Envoy", "Martlet")
        }
    }

    private func outcomes(_ group: Group, _ kind: ProxyUnderTest.Kind) async -> [String: Outcome] {
        let result = await OracleTests.plays.result(group, kind)
        for problem in result.problems { Issue.record("\(problem)") }
        return result.outcomes
    }

    /// Envoy is the measure here and not what is tested: a case in which it differs from its golden is measured once
    /// more, since now and then its own timing decides. A golden that is out of date differs twice and fails.
    private func steadied(
        _ first: [String: Outcome], _ cases: [Case], _ recorded: [String: Outcome], _ group: Group
    ) async -> [String: Outcome] {
        let differing = cases.filter { test in
            guard let before = recorded[test.name], let now = first[test.name] else { return false }
            let comparison = Comparison(expected: before, found: now)
            if comparison.isEqual { return false }
            print("OracleTests, \(test.name): Envoy is measured again: - golden, + Envoy now\n  \(comparison.description)")
            return true
        }
        if differing.isEmpty { return first }
        let second = OracleTests.plays.again(differing, of: group, .envoy)
        for problem in second.problems { Issue.record("\(problem)") }
        return first.merging(second.outcomes) { $1 }
    }

    private func compare(
        _ cases: [Case], expected: [String: Outcome], found: [String: Outcome], _ wanted: String, _ came: String
    ) {
        var tally = Tally()
        for test in cases {
            guard let right = expected[test.name] else {
                Issue.record("\(test.name): no outcome of \(wanted)")
                continue
            }
            // No outcome at all has been reported as a problem.
            guard let outcome = found[test.name] else {
                tally.count(test, Comparison(expected: right, found: [:]))
                continue
            }
            let comparison = Comparison(expected: right, found: outcome)
            tally.count(test, comparison)
            if !comparison.isEqual {
                Issue.record("\(test.name): - \(wanted), + \(came)\n  \(comparison.description)")
            }
        }
        print("OracleTests, \(came) against \(wanted): \(tally)")
    }
}
