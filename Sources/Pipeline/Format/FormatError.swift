/// A format that does not compile. The operator's mistake: Control adds file, line and path.
package struct FormatError: Error, Equatable, CustomStringConvertible {
    /// As Envoy words it, and behind it what would be right.
    package let description: String
    package let found: String?
    package let expected: String?
    package let suggestion: String?

    package init(_ description: String, found: String? = nil, expected: String? = nil, suggestion: String? = nil) {
        self.description = description
        self.found = found
        self.expected = expected
        self.suggestion = suggestion
    }
}
