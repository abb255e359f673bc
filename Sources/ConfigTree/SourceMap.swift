/// Where every value of a configuration was written: what the semantic checks need to point at a line.
package struct SourceMap: Sendable {
    package struct Position: Sendable, Equatable {
        package var file: String
        /// From 1.
        package var line: Int
        package var column: Int

        package init(file: String, line: Int, column: Int) {
            self.file = file
            self.line = line
            self.column = column
        }
    }

    private let schema: Schema
    private let root: TreeMessage
    private let files: [String]

    init(_ schema: Schema, _ root: TreeMessage, files: [String]) {
        self.schema = schema
        self.root = root
        self.files = files
    }

    /// The place of `static_resources.listeners[0].filter_chains[0].filters[0].typed_config.stat_prefix`; of the nearest block
    /// around it that was written when the path itself was not; nil when there are no positions (binary input).
    package func position(_ path: String) -> Position? {
        var mark = root.mark
        var value = TreeValue.message(root)
        for component in ConfigPath(path)?.components ?? [] {
            guard let (next, nextMark) = step(value, component) else { break }
            if nextMark != .nowhere { mark = nextMark }
            value = next
        }
        guard mark.line > 0 else { return nil }
        let file = files.indices.contains(Int(mark.file)) ? files[Int(mark.file)] : ""
        return Position(file: file, line: Int(mark.line), column: Int(mark.column))
    }

    /// A mistake at `path`, with its position.
    package func problem(
        _ path: String, _ message: String, severity: ConfigError.Severity = .error, found: String? = nil,
        expected: String? = nil, suggestion: String? = nil
    ) -> ConfigError {
        let position = position(path)
        return ConfigError(
            file: position?.file ?? files.first ?? "", line: position?.line ?? 0, column: position?.column ?? 0, path: path,
            severity: severity, message: message, found: found, expected: expected, suggestion: suggestion)
    }

    private func step(_ value: TreeValue, _ component: ConfigPath.Component) -> (TreeValue, Mark)? {
        switch (value, component) {
        case (.message(let message), .field(let name)): return step(message, name)
        case (.any(let any), .field):
            guard case .message(let content) = any.content else { return nil }
            return step(.message(content), component)
        case (.list(let elements), .index(let index)):
            return elements.indices.contains(index) ? (elements[index].value, elements[index].mark) : nil
        case (.map(let entries), .key(let key)):
            return entries.first { $0.key == key }.map { ($0.value, $0.mark) }
        default: return nil
        }
    }

    private func step(_ message: TreeMessage, _ name: String) -> (TreeValue, Mark)? {
        guard let index = schema.messages[message.type].byName[name],
            let field = message.fields.first(where: { $0.field == index })
        else { return nil }
        return (field.value, field.mark)
    }
}
