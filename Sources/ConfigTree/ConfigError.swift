/// One mistake of the operator: where it is, what was found, what was expected, and what to write instead.
package struct ConfigError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Severity: String, Sendable {
        case error, warning
    }

    /// What is counted of warnings.
    package enum Kind: Sendable {
        case other, unknownField, deprecatedField
    }

    /// Empty when the configuration did not come from a file.
    package var file: String
    /// From 1; 0 when the input has no lines (binary protobuf, a file that cannot be read).
    package var line: Int
    package var column: Int
    /// `static_resources.clusters[0].connect_timeout`
    package var path: String
    package var severity: Severity
    /// One sentence; Envoy's own phrase is kept inside where Envoy has one, so that existing searches and alerts match.
    package var message: String
    package var found: String?
    package var expected: String?
    package var suggestion: String?
    package var kind: Kind

    package init(
        file: String = "", line: Int = 0, column: Int = 0, path: String = "", severity: Severity = .error, message: String,
        found: String? = nil, expected: String? = nil, suggestion: String? = nil, kind: Kind = .other
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.severity = severity
        self.message = message
        self.found = found
        self.expected = expected
        self.suggestion = suggestion
        self.kind = kind
    }

    /// `file:line:column: error: path: message; found …, expected …; suggestion`
    package var description: String {
        var text = ""
        if !file.isEmpty { text += file + ":" }
        if line > 0 { text += "\(line):\(column):" }
        text += text.isEmpty ? "" : " "
        text += severity.rawValue + ": "
        if !path.isEmpty { text += path + ": " }
        text += message
        let facts = [found.map { "found " + $0 }, expected.map { "expected " + $0 }].compactMap { $0 }
        if !facts.isEmpty { text += "; " + facts.joined(separator: ", ") }
        if let suggestion { text += "; " + suggestion }
        return text
    }
}

/// A configuration with more mistakes than this is another kind of file: the rest is left out.
enum ProblemLimits {
    static let problemsMax = 1000
    /// Searching for what was meant costs more than saying what is wrong.
    static let suggestionsMax = 50
}

/// All mistakes of one configuration, in the order of the file.
package struct ConfigErrors: Error, Sendable, CustomStringConvertible {
    package var errors: [ConfigError]

    package init(_ errors: [ConfigError]) { self.errors = errors }

    package var description: String { errors.map(\.description).joined(separator: "\n") }

    /// The stable form of `--mode validate --format json`, of errors and warnings alike:
    /// `{"valid":false,"errors":[{"file":…,"line":…,"column":…,"path":…,"severity":…,"message":…,…}]}`.
    package var json: String {
        var text = "{\"valid\":\(!errors.contains { $0.severity == .error }),\"errors\":["
        for (index, error) in errors.enumerated() {
            if index > 0 { text += "," }
            text += "{\"file\":\(JSONText.quoted(error.file)),\"line\":\(error.line),\"column\":\(error.column)"
            text += ",\"path\":\(JSONText.quoted(error.path)),\"severity\":\"\(error.severity.rawValue)\""
            text += ",\"message\":\(JSONText.quoted(error.message))"
            text += ",\"found\":\(JSONText.quoted(error.found)),\"expected\":\(JSONText.quoted(error.expected))"
            text += ",\"suggestion\":\(JSONText.quoted(error.suggestion))}"
        }
        return text + "]}"
    }
}
