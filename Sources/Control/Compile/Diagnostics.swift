// What the semantic checks have found so far. Nothing stops at the first mistake.

import EnvoyAPI

final class Diagnostics {
    /// Nil: what is compiled is no document any more.
    let source: SourceMap?
    private(set) var errors: [ConfigError] = []
    private(set) var warnings: [ConfigError] = []

    init(_ source: SourceMap?) { self.source = source }

    private func problem(
        _ path: String, _ message: String, severity: ConfigError.Severity = .error, found: String? = nil,
        expected: String? = nil, suggestion: String? = nil
    ) -> ConfigError {
        source?.problem(path, message, severity: severity, found: found, expected: expected, suggestion: suggestion)
            ?? ConfigError(
                file: "", line: 0, column: 0, path: path, severity: severity, message: message, found: found,
                expected: expected, suggestion: suggestion)
    }

    func error(
        _ place: Place, _ message: String, found: String? = nil, expected: String? = nil, suggestion: String? = nil
    ) {
        errors.append(problem(place.path, message, found: found, expected: expected, suggestion: suggestion))
    }

    func error(path: String, _ message: String, expected: String? = nil) {
        errors.append(problem(path, message, expected: expected))
    }

    /// A mistake that an extension found in its own message: its path continues `place`'s.
    func error(_ place: Place, relative: ConfigError) {
        errors.append(
            problem(
                place.path(relative.path), relative.message, severity: relative.severity, found: relative.found,
                expected: relative.expected, suggestion: relative.suggestion))
    }

    func warning(_ place: Place, _ message: String, suggestion: String? = nil) {
        warnings.append(problem(place.path, message, severity: .warning, suggestion: suggestion))
    }

    /// Fields that the API has and that nothing here acts on: never silence.
    func unsupported(_ place: Place, _ message: StaticString, _ fields: KeyValuePairs<StaticString, Bool>) {
        for (field, isSet) in fields where isSet {
            error(place.at(field), "'\(field)' of \(message) is not supported by Martlet yet")
        }
    }

    /// In the order of the file.
    var sortedErrors: [ConfigError] {
        errors.enumerated().sorted {
            ($0.element.file, $0.element.line, $0.element.column, $0.offset)
                < ($1.element.file, $1.element.line, $1.element.column, $1.offset)
        }.map(\.element)
    }
}

extension ProtobufDuration {
    init(milliseconds: UInt64) {
        self.init(seconds: Int64(clamping: milliseconds / 1000), nanos: Int32(milliseconds % 1000) * 1_000_000)
    }

    /// Milliseconds; a fraction of one is cut, as by Envoy: of what is off at 0 a shorter time is none.
    var milliseconds: UInt64 {
        guard seconds >= 0, nanos >= 0 else { return 0 }
        return UInt64(seconds) &* 1000 &+ UInt64(nanos) / 1_000_000
    }
}

/// The name in a list that a wrong one was probably meant to be.
func nearestName(_ name: String, _ names: some Sequence<String>) -> String? {
    let target = Array(name.utf8)
    var best: (name: String, distance: Int)?
    for candidate in names where abs(candidate.utf8.count - target.count) <= 3 {
        let distance = editDistance(target, Array(candidate.utf8))
        if distance < (best?.distance ?? .max) { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(1, target.count / 3) else { return nil }
    return "did you mean '\(best.name)'?"
}

private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for i in 0..<a.count {
        var diagonal = row[0]
        row[0] = i + 1
        for j in 0..<b.count {
            let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
            diagonal = row[j + 1]
            row[j + 1] = cost
        }
    }
    return row[b.count]
}
