/// Where Martlet means to differ from Envoy. Every entry stands in `docs/differences.md` (`DifferencesTests`).
enum Differences {
    struct Entry: Sendable {
        let test: String
        let reason: String
        /// What Martlet does, by aspect; other aspects must be as Envoy's.
        var martlet: Outcome
        /// Aspects that are not compared here.
        var unchecked: Set<Aspect> = []
    }

    static let all: [Entry] = []

    static func applied(to envoy: [String: Outcome]) -> [String: Outcome] {
        var result = envoy
        for entry in all {
            for (aspect, lines) in entry.martlet { result[entry.test]?[aspect] = lines }
            for aspect in entry.unchecked { result[entry.test]?[aspect] = nil }
        }
        return result
    }
}
