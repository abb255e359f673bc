/// Messages → JSON as Envoy's `/config_dump` prints it: snake_case names, one space of indentation, defaults omitted, 64-bit
/// numbers as strings, `Any` expanded with its `@type` first, durations as `0.250s`.
package struct MessageJSON: Sendable {
    /// Full message name and field name → is the value a secret? Such a value prints as "[redacted]". Fields that `Protos/`
    /// marks `(martlet.secret)` are redacted always, but where the text is nobody's to see (`redacts`: tests read it back).
    package typealias IsSecret = @Sendable (_ message: String, _ field: String) -> Bool

    static let redacted = "[redacted]"

    private let schema: Schema
    private let isSecret: IsSecret
    private let redacts: Bool

    package init(redacts: Bool = true, isSecret: @escaping IsSecret = { _, _ in false }) {
        schema = .shared
        self.redacts = redacts
        self.isSecret = isSecret
    }

    /// `level`: how deep the text stands in a larger one; its first line is not indented.
    package func text(_ message: some SwiftProtobuf.Message, level: Int = 0, mask: FieldMask? = nil) -> String {
        text(Swift.type(of: message).protoMessageName, (try? message.serializedBytes()) ?? [], level: level, mask: mask)
    }

    /// A message of that full name from its wire format; `{}` when Martlet does not know the type or the bytes are not it.
    package func text(_ typeName: String, _ bytes: [UInt8], level: Int = 0, mask: FieldMask? = nil) -> String {
        var decoder = TreeDecoder(schema)
        guard let type = schema.index(typeName), let tree = try? decoder.message(type, bytes) else { return "{}" }
        var printer = JSONPrinter(schema, isSecret, redacts: redacts, level: level)
        printer.message(mask?.trimmed(tree, schema) ?? tree)
        return printer.text
    }

    /// The content of an `Any` with `"@type"` first, as `/config_dump` shows the resources that it carries.
    package func text(any typeURL: String, _ bytes: [UInt8], level: Int = 0, mask: FieldMask? = nil) -> String {
        var decoder = TreeDecoder(schema)
        let name = typeURL.split(separator: "/").last ?? ""
        var printer = JSONPrinter(schema, isSecret, redacts: redacts, level: level)
        if let type = schema.index(name), let tree = try? decoder.message(type, bytes) {
            let shown = mask?.trimmed(tree, schema) ?? tree
            printer.any(TreeAny(mark: .nowhere, url: typeURL, content: .message(shown)))
        } else {
            printer.any(TreeAny(mark: .nowhere, url: typeURL, content: .opaque(bytes)))
        }
        return printer.text
    }
}
