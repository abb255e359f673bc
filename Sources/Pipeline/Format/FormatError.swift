/// A format that does not compile. The operator's mistake: Control adds file, line and path.
package struct FormatError: Error, Equatable, CustomStringConvertible {
    /// As Envoy words it, and behind it what would be right.
    package let description: String

    package init(_ description: String) { self.description = description }
}
