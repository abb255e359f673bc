import TestSupport
import Testing

/// Writes golden files, and says what changed in them: a fact that changes from one recording to the next is no fact.
enum Recording {
    static func keep(_ outcomes: [String: Outcome], of cases: [Case], in group: Group, before: Golden?) {
        let configuration = Golden.fingerprint(of: group)
        var golden = Golden(configuration: configuration, cases: before?.cases ?? [:])
        var changed = 0
        for test in cases {
            guard let outcome = outcomes[test.name] else {
                golden.cases[test.name] = nil
                continue
            }
            if let old = before?.cases[test.name], old.input == test.input, before?.configuration == configuration {
                let comparison = Comparison(expected: old.outcome, found: outcome)
                if !comparison.isEqual {
                    changed += 1
                    print("UNSTABLE \(test.name): - before, + now\n  \(comparison.description)")
                }
            }
            golden.cases[test.name] = Golden.Entry(input: test.input, outcome: outcome)
        }
        if cases.count < group.cases.count, let before, before.configuration != configuration {
            Issue.record("\(group.name): its configuration has changed; record all of its cases")
        }
        let names = Set(group.cases.map(\.name))
        golden.cases = golden.cases.filter { names.contains($0.key) }
        golden.write(group)
        print("OracleTests, recorded \(outcomes.count) of \(cases.count) cases of \(group.name), \(changed) unlike before")
    }
}
