/// What differs between the outcome that is expected and the one that came.
struct Comparison {
    let differences: [(aspect: Aspect, lines: [String])]

    var isEqual: Bool { differences.isEmpty }

    /// An aspect that `expected` lacks is not compared.
    init(expected: Outcome, found: Outcome) {
        differences = Aspect.allCases.compactMap { aspect in
            guard let wanted = expected[aspect] else { return nil }
            let came = found[aspect] ?? []
            return wanted == came ? nil : (aspect, Comparison.lines(wanted, came))
        }
    }

    var description: String {
        differences.map { difference in
            "\(difference.aspect.rawValue):\n" + difference.lines.map { "    \($0)" }.joined(separator: "\n")
        }.joined(separator: "\n  ")
    }

    /// A line-by-line difference by the longest common subsequence: `-` expected, `+` found.
    private static func lines(_ wanted: [String], _ came: [String]) -> [String] {
        var result: [String] = []
        let steps = came.difference(from: wanted)
        var removed: Set<Int> = []
        var inserted: Set<Int> = []
        for step in steps {
            switch step {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): inserted.insert(offset)
            }
        }
        var left = 0
        var right = 0
        while left < wanted.count || right < came.count {
            if left < wanted.count, removed.contains(left) {
                result.append("- \(wanted[left].debugDescription)")
                left += 1
            } else if right < came.count, inserted.contains(right) {
                result.append("+ \(came[right].debugDescription)")
                right += 1
            } else {
                left += 1
                right += 1
            }
        }
        return result
    }
}
