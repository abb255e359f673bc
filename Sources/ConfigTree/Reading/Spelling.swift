/// The word that was probably meant.
enum Spelling {
    /// Two words further apart than this are two words.
    private static let distanceMax = 5

    /// A candidate within a third of the word's letters, the nearest first; nil when all are further away.
    static func nearest(_ word: String, _ candidates: [String], by key: (String) -> String = { $0 }) -> String? {
        let letters = Array(word.utf8.prefix(200))
        let limit = min(max(1, letters.count / 3), distanceMax)
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let other = Array(key(candidate).utf8.prefix(200))
            guard abs(other.count - letters.count) <= limit else { continue }
            let distance = distance(letters, other)
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.candidate
    }

    /// Insertions, deletions, replacements and swaps of neighbours.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var before: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            row.reserveCapacity(b.count + 1)
            for j in b.indices {
                var cost = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
                row.append(cost)
            }
            before = last
            last = row
        }
        return last.last ?? 0
    }
}
