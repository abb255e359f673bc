import EnvoyAPI
import Testing

/// What is wrong with a secret is told without a word of it: errors go into logs, and to whoever asks for them.
@Suite struct HiddenSecretTests {
    private static let secret = "hunter2"

    private func problems(_ yaml: String, _ format: ConfigReader.Format = .yaml) -> [ConfigError] {
        do {
            return try ConfigReader.read([ConfigReader.Input(Array(yaml.utf8), name: "c.yaml", format: format)]).warnings
        } catch {
            return error.errors
        }
    }

    private func isSilent(_ problems: [ConfigError]) -> Bool {
        !(ConfigErrors(problems).description + ConfigErrors(problems).json).contains(HiddenSecretTests.secret)
    }

    @Test(arguments: [
        "generic_secret: hunter2", "generic_secret: [hunter2]", "generic_secret: {hunter2: x}", "generic_secret: {secret: hunter2}",
        "generic_secret: {secret: [hunter2]}", "generic_secret: {secret: {hunter2: x}}", "generic_secret: {secret: {inline_string: [hunter2]}}",
        "generic_secret: {secret: {inline_string: {hunter2: x}}}", "generic_secret: {secret: {inline_string: *hunter2}}",
        "generic_secret: {secret: {inline_bytes: hunter2!}}", "generic_secret: {secret: {inline_bytes: [hunter2]}}",
        "generic_secret: {secrets: hunter2}", "generic_secret: {secrets: {k: hunter2}}", "generic_secret: {secrets: {k: {hunter2: x}}}",
        "generic_secret: {secret: {inline_string: hunter2, inline_bytes: aGk=}}", "generic_secret: {secret: {inline_string: a, inlineString: hunter2}}",
        "generic_secret: {secret: {filename: hunter2, environment_variable: hunter2}}",
        "tls_certificate: {private_key: hunter2}", "tls_certificate: {private_key: {inline_bytes: hunter2!}}",
        "tls_certificate: {password: {inline_string: [hunter2]}}", "session_ticket_keys: {keys: [hunter2]}",
        "session_ticket_keys: {keys: [{inline_string: {hunter2: x}}]}", "session_ticket_keys: hunter2", "tls_certificate: hunter2",
        "generic_secret: {secrets: {hunter2: {inline_bytes: '!'}}}",
        "tls_certificate: {private_key_provider: {provider_name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, hunter2: x, max_request_bytes: hunter2}}}",
    ])
    func errorsDoNotQuoteIt(_ fields: String) {
        let found = problems("static_resources: {secrets: [{name: s, \(fields)}]}")
        #expect(found.contains { $0.severity == .error })
        #expect(isSilent(found), "\(found)")
    }

    /// Numbers and words that YAML takes for something else: neither is quoted, nor its first character.
    @Test(arguments: ["12345", "true", "0x1f"]) func ofAWrongKind(_ value: String) {
        #expect(
            lines("static_resources: {secrets: [{name: s, generic_secret: {secret: {inline_string: \(value)}}}]}") == [
                "c.yaml:1:81: error: static_resources.secrets[0].generic_secret.secret.inline_string: "
                    + "what is written of this secret cannot be read; found [redacted], expected a string"
            ])
    }

    @Test func whatHasNoWordsOfItIsTold() {
        #expect(
            lines("static_resources: {secrets: [{name: s, generic_secret: {secret: {}}}]}") == [
                "c.yaml:1:65: error: static_resources.secrets[0].generic_secret.secret: field: \"specifier\", reason: is required; "
                    + "found none of them, expected one of filename, inline_bytes, inline_string, environment_variable"
            ])
    }

    /// The secret where the place that it comes from belongs.
    @Test func insteadOfItsSource() {
        let formatter = "{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.formatter.generic_secret.v3.GenericSecret, secret_configs: {a: hunter2}}}"
        let log = "{name: l, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null, log_format: {text_format_source: {inline_string: x}, formatters: [\(formatter)]}}}"
        let found = problems("admin: {access_log: [\(log)]}")
        #expect(found.contains { $0.severity == .error } && isSilent(found), "\(found)")
    }

    /// Beside it everything is quoted as ever.
    @Test func theRestIsQuoted() {
        #expect(lines("static_resources: {secrets: [{generic_secret: {secret: {inline_string: a}}, nmae: s}]}").first?.contains("'nmae'") == true)
    }

    @Test func inJSON() {
        let found = problems(#"{"static_resources": {"secrets": [{"name": "s", "generic_secret": {"secret": {"inline_string": hunter2}}}]}}"#, .json)
        #expect(!found.isEmpty && isSilent(found), "\(found)")
    }

    /// What is not known is only warned of there.
    @Test func warningsDoNotQuoteIt() throws {
        let yaml = "static_resources: {secrets: [{name: s, generic_secret: {secret: {inline_string: a, hunter2: x}}}]}"
        let read = try ConfigReader.read([ConfigReader.Input(Array(yaml.utf8), name: "c.yaml", format: .yaml, unknownFields: .warning)])
        #expect(read.warnings.count == 1 && isSilent(read.warnings), "\(read.warnings)")
    }
}
