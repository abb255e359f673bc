import TestSupport
import Testing

/// The same configuration and the same bytes through Envoy 1.40 and through Martlet; the outcomes are compared.
///
///     swift test --filter OracleTests                            # live where Envoy is installed, else golden
///     MARTLET_ORACLE=record swift test --filter OracleTests      # measures Envoy again, writes Golden/*.json
///     MARTLET_ORACLE_CASES=framing.,limits. swift test --filter OracleTests
@Suite(.serialized)
struct OracleTests {
    @Test(arguments: Groups.all.map(\.name))
    func group(_ name: String) throws {
        let group = Groups.all.first { $0.name == name }!
        let cases = group.cases.filter(Mode.selects)
        if cases.isEmpty { return }

        var expected: [String: Outcome] = [:]
        let golden = try Golden.read(group)
        switch (Mode.chosen ?? .live, ProxyBinary.envoy()) {
        case (.record, .failure(let reason)):
            Issue.record("cannot record: \(reason)")
            return
        case (.record, .success(let envoy)):
            expected = try play(cases, through: .envoy, binary: envoy, group)
            Recording.keep(expected, of: cases, in: group, before: golden)
            return
        case (.live, .success(let envoy)):
            expected = try play(cases, through: .envoy, binary: envoy, group)
            compare(cases, expected: golden?.cases.mapValues(\.outcome) ?? [:], found: expected, "golden", "Envoy now")
        case (.live, .failure(let reason)):
            print("OracleTests, \(name): the live oracle is skipped: \(reason)")
            expected = golden?.cases.mapValues(\.outcome) ?? [:]
        case (.golden, _):
            expected = golden?.cases.mapValues(\.outcome) ?? [:]
        }
        for test in cases where golden?.cases[test.name]?.input != test.input {
            Issue.record("\(test.name): its golden outcome is of another input; run MARTLET_ORACLE=record")
        }

        switch ProxyBinary.martlet() {
        case .failure(let reason): print("OracleTests, \(name): Martlet is skipped: \(reason)")
        case .success(let martlet):
            let found = try play(cases, through: .martlet, binary: martlet, group)
            let recorded = golden?.cases.mapValues(\.outcome) ?? [:]
            compare(
                cases, expected: Differences.applied(to: expected, siblings: recorded), found: found, "Envoy", "Martlet")
        }
    }

    private func play(
        _ cases: [Case], through kind: ProxyUnderTest.Kind, binary: String, _ group: Group
    ) throws -> [String: Outcome] {
        var proxy = try ProxyUnderTest(kind, binary: binary, group: group)
        var run = CaseRun(proxy)
        var outcomes: [String: Outcome] = [:]
        for test in cases {
            do {
                outcomes[test.name] = try run.play(test)
            } catch {
                Issue.record("\(test.name), \(kind.rawValue): \(error)\n\(proxy.output.suffix(2_000))")
                // One stuck case must not take the rest with it.
                proxy = try ProxyUnderTest(kind, binary: binary, group: group)
                run = CaseRun(proxy)
            }
        }
        return outcomes
    }

    private func compare(
        _ cases: [Case], expected: [String: Outcome], found: [String: Outcome], _ wanted: String, _ came: String
    ) {
        var tally = Tally()
        for test in cases {
            guard let right = expected[test.name], let outcome = found[test.name] else {
                tally.count(test, Comparison(expected: [.status: ["missing"]], found: [:]))
                if expected[test.name] == nil { Issue.record("\(test.name): no outcome of \(wanted); record it") }
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

/// How many cases agree, by area, and which aspects differ.
private struct Tally: CustomStringConvertible {
    private var areas: [String: (equal: Int, all: Int)] = [:]
    private var aspects: [Aspect: Int] = [:]

    mutating func count(_ test: Case, _ comparison: Comparison) {
        let before = areas[test.area] ?? (0, 0)
        areas[test.area] = (before.equal + (comparison.isEqual ? 1 : 0), before.all + 1)
        for difference in comparison.differences { aspects[difference.aspect, default: 0] += 1 }
    }

    var description: String {
        let counts = areas.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.equal)/\($0.value.all)" }
        let kinds = Aspect.allCases.compactMap { aspect in aspects[aspect].map { "\(aspect.rawValue) \($0)" } }
        return counts.joined(separator: ", ") + (kinds.isEmpty ? "" : "; differing: " + kinds.joined(separator: ", "))
    }
}
