/// How many cases agree, by area, and which aspects differ.
struct Tally: CustomStringConvertible {
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
