// Formats with operators, compiled into a part's memory.

import EnvoyAPI
import Pipeline
import Primitives

/// What `formatters` allow.
struct FormatExtensions {
    /// `envoy.formatter.req_without_query`
    var withoutQuery = false
    /// `envoy.formatter.file_content`
    var readsFiles = false
    /// `envoy.formatter.generic_secret`: slots by name.
    var secrets: [String: UInt32]?
    /// `envoy.formatter.cel`
    var expressions = CELOptions()

    private static let metadata = "envoy.extensions.formatter.metadata.v3.Metadata"
    private static let fileContent = "envoy.extensions.formatter.file_content.v3.FileContent"
    private static let withoutQuery = "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery"
    private typealias Expressions = Envoy_Extensions_Formatter_Cel_V3_Cel

    init() {}

    /// `place`: the message that has `formatters`.
    init(_ formatters: [Envoy_Config_Core_V3_TypedExtensionConfig], _ place: Place, _ part: PlanPart, _ diagnostics: Diagnostics) {
        for (i, formatter) in formatters.enumerated() {
            switch formatter.typedConfig.messageName {
            case FormatExtensions.withoutQuery: withoutQuery = true
            case FormatExtensions.fileContent: readsFiles = true
            case GenericSecretFormatter.protoMessageName:
                let message = (try? GenericSecretFormatter(serializedBytes: formatter.typedConfig.bytes)) ?? GenericSecretFormatter()
                let found = part.secrets?.read(message, place.at("formatters", i).at("typed_config"), part) ?? [:]
                // Of several Envoy reads all and asks the first one alone.
                if secrets == nil { secrets = found }
            // Envoy's own formats know the operator too.
            case FormatExtensions.metadata: break
            case Expressions.protoMessageName:
                expressions = CELOptions(((try? Expressions(serializedBytes: formatter.typedConfig.bytes)) ?? Expressions()).celConfig)
            default:
                diagnostics.error(
                    place.at("formatters", i),
                    "Formatter not found: '\(formatter.name)' with type URL: '\(formatter.typedConfig.messageName)'",
                    expected:
                        "envoy.formatter.req_without_query, envoy.formatter.file_content, envoy.formatter.generic_secret, envoy.formatter.metadata or envoy.formatter.cel"
                )
            }
        }
    }
}

enum Formats {
    /// Nil after an error.
    static func compile(
        _ text: String, _ place: Place, _ part: PlanPart, _ diagnostics: Diagnostics, _ extensions: FormatExtensions = FormatExtensions()
    ) -> Format? {
        do throws(FormatError) {
            var compiler = FormatCompiler(in: part.arena)
            compiler.allowsRequestWithoutQuery = extensions.withoutQuery
            compiler.expressions = extensions.expressions
            if let secrets = extensions.secrets {
                compiler.secret = { name in secrets[name] }
            }
            if extensions.readsFiles { compiler.file = { path, directory throws(FormatError) in try file(path, directory, part) } }
            return try compiler.compile(text)
        } catch {
            diagnostics.error(
                place, error.description, found: error.found, expected: error.expected, suggestion: error.suggestion)
            return nil
        }
    }

    /// A directory is not watched, for the file itself is; but it has to be there.
    private static func file(_ path: String, _ directory: String?, _ part: PlanPart) throws(FormatError) -> UInt32 {
        if let directory, FileWatch.identity(directory).isEmpty {
            throw FormatError("unable to add filesystem watch for file \(directory): \(FileBytes.reason())")
        }
        do throws(FileContents.Failure) {
            guard let texts = part.texts else { throw FileContents.Failure(reason: "no file may be named here") }
            return try texts.lease(path, part)
        } catch {
            throw FormatError("Invalid path: \(path) (\(error.reason))")
        }
    }

    /// In the part's memory; nil after an error.
    static func store(_ text: String, _ place: Place, _ part: PlanPart, _ diagnostics: Diagnostics) -> UnsafePointer<Format>? {
        guard let format = compile(text, place, part, diagnostics) else { return nil }
        return unsafe part.arena.store(format)
    }
}
