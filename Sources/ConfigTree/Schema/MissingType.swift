/// Why an `@type` is none of ours.
struct MissingType {
    var message: String
    var found: String
    var expected: String?
    var suggestion: String?
}

extension Schema {
    func missingType(_ url: String, withSuggestion: Bool) -> MissingType {
        let name = String(url.split(separator: "/").last ?? "")
        let phrase = "could not find @type '\(url.prefix(200))'"
        if EnvoyTypes.names.contains(name) {
            return MissingType(message: phrase + ": Envoy has it, Martlet does not support it yet", found: name)
        }
        if name.hasPrefix("envoy.extensions."), name.contains(".v3alpha.") {
            return MissingType(message: phrase + ": an alpha extension, which Martlet does not support yet", found: name)
        }
        let known = withSuggestion ? messages.filter { $0.form == .plain }.map(\.name) + EnvoyTypes.ordered : []
        if Schema.isV2(name) {
            let last = "." + (name.split(separator: ".").last ?? "")
            let successor = known.first { $0.hasSuffix(last) && $0.contains(".v3.") }
            return MissingType(
                message: phrase + ": Envoy's v2 API is gone since 1.18", found: name, expected: "a type of the v3 API",
                suggestion: successor.map { "write type.googleapis.com/\($0)" })
        }
        return MissingType(
            message: phrase, found: name, expected: "a message of Envoy's API",
            suggestion: Spelling.nearest(name, known).map { "did you mean type.googleapis.com/\($0)?" })
    }

    private static func isV2(_ name: String) -> Bool {
        name.split(separator: ".").contains { $0 == "v2" || $0.hasPrefix("v2alpha") }
    }
}
