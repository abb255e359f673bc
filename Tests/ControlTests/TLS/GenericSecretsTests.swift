import EnvoyAPI
import Glibc
import Primitives
import Stats
import StatsStore
import TestSupport
import Testing

@testable import Control

/// Secrets that formats write: where they come from, what plans see of them, how long, and that nobody is told.
@Suite struct GenericSecretsTests {
    private let directory = TemporaryDirectory()
    private let texts = PlanTexts()
    private let stats = StatRegistry(workers: 1)
    private let secrets: GenericSecrets

    init() { secrets = GenericSecrets(texts, stats, SlotTable()) }

    private func part() -> PlanPart { PlanPart(kind: .listener, name: "l") }

    private func destroy(_ part: PlanPart) { part.destroy(stats, SlotTable()) }

    private func secret(_ set: (inout DataSource) -> Void) -> TLSSecret {
        var secret = TLSSecret()
        secret.name = "s"
        set(&secret.genericSecret.secret)
        return secret
    }

    /// As a plan of now shows it.
    private func shown(_ slot: UInt32) -> String? { texts[slot].map { String($0.bytes) } }

    /// Looks until a plan is needed or somebody was told something: names, with a mark in front of what failed.
    private func looked(_ times: Int = 100) -> [String] {
        var told: [String] = []
        for _ in 0..<times where told.isEmpty {
            let isChanged = secrets.reload(applied: { told.append($0) }, failed: { name, reason in told.append("!\(name): \(reason)") })
            #expect(isChanged == told.contains { !$0.hasPrefix("!") })
        }
        return told
    }

    private func response(_ secret: String, version: String = "1") -> String {
        """
        version_info: "\(version)"
        resources:
        - {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret, \(secret)}
        """
    }

    private func reference(_ name: String, file: String) -> SecretReference {
        var reference = SecretReference()
        reference.name = name
        reference.sdsConfig.pathConfigSource.path = file
        return reference
    }

    // MARK: Static ones

    @Test func staticOnes() {
        let path = directory.write("of a file", to: "f")
        unsafe _ = setenv("MARTLET_GENERIC_SECRET", "of the environment", 1)
        let part = part()
        #expect(shown(secrets.lease(secret { $0.inlineString = "text" }, part)) == "text")
        #expect(shown(secrets.lease(secret { $0 = (try? DataSource(serializedBytes: [0x12, 2, 0x61, 0x62])) ?? .init() }, part)) == "ab")
        #expect(shown(secrets.lease(secret { $0.filename = path }, part)) == "of a file")
        #expect(shown(secrets.lease(secret { $0.environmentVariable = "MARTLET_GENERIC_SECRET" }, part)) == "of the environment")
        #expect(shown(secrets.lease(secret { $0.inlineString = "" }, part)) == "")
        #expect(secrets.dynamic.isEmpty)
        destroy(part)
    }

    @Test func whatCannotBeReadIsAMistake() {
        #expect(GenericSecrets.mistake(secret { $0.inlineString = "a" }) == nil)
        #expect(GenericSecrets.mistake(secret { $0.filename = "/nonexistent/s" }) == "Invalid path: /nonexistent/s (No such file or directory)")
        #expect(GenericSecrets.mistake(secret { $0.environmentVariable = "MARTLET_NOT_THERE" }) == "Environment variable doesn't exist: MARTLET_NOT_THERE")
        let long = String(repeating: "hunter2", count: PlanTexts.bytesMax / 7 + 1)
        let mistake = GenericSecrets.mistake(secret { $0.inlineString = long })
        #expect(mistake == "the secret 's' is longer than \(PlanTexts.bytesMax) bytes")
        Files.write([UInt8](repeating: 0x61, count: PlanTexts.bytesMax + 1), to: directory.path + "/long")
        #expect(GenericSecrets.mistake(secret { $0.filename = directory.path + "/long" })?.contains("larger than 1 MiB") == true)
    }

    @Test func aFileIsReadAgain() throws {
        let path = directory.write("old", to: "f")
        let part = part()
        let slot = secrets.lease(secret { $0.filename = path }, part)
        let old = FrozenArena()
        let before = texts.slots(old)
        #expect(looked() == [])
        directory.write("newer", to: "f")
        #expect(looked() == ["the secret 's'"] && shown(slot) == "newer")
        // A plan of before goes on as it was.
        withExtendedLifetime(old) { #expect(String(before[Int(slot)]) == "old") }
        // One that cannot be read is told once, and written as it was.
        unsafe _ = unlink(path)
        #expect(looked() == ["!the secret 's': Invalid path: \(path) (No such file or directory)"] && looked() == [])
        #expect(shown(slot) == "newer")
        directory.write("back", to: "f")
        #expect(looked() == ["the secret 's'"] && shown(slot) == "back")
        destroy(part)
    }

    @Test func aSecretIsSharedAndGoesWithItsLastPart() {
        let (one, other) = (part(), part())
        let slot = secrets.lease(secret { $0.inlineString = "a" }, one)
        #expect(secrets.lease(secret { $0.inlineString = "a" }, other) == slot)
        #expect(secrets.lease(secret { $0.inlineString = "b" }, other) != slot)
        destroy(one)
        #expect(shown(slot) == "a")
        destroy(other)
        #expect(shown(slot) == nil && texts.slots(FrozenArena()).isEmpty)
    }

    // MARK: Out of files

    @Test func aResponseIsReadAgain() {
        let path = directory.write(response("name: s, generic_secret: {secret: {inline_string: first}}"), to: "r.yaml")
        let part = part()
        var refused: [String] = []
        let slot = secrets.lease(reference("s", file: path), file: path, part) { refused.append($0) }
        #expect(shown(slot) == "first" && refused == [])
        #expect(secrets.dynamic.map(\.name) == ["s"] && secrets.dynamic[0].isActive && secrets.dynamic[0].versionInfo == "1")
        directory.write(response("name: s, generic_secret: {secret: {inline_string: second}}", version: "2"), to: "r.yaml")
        #expect(looked() == ["the secret 's'"] && shown(slot) == "second" && secrets.dynamic[0].versionInfo == "2")
        #expect(!secrets.dynamic.contains { String(decoding: $0.bytes, as: UTF8.self).contains("second") })
        // Refused: it is written as it was, and what was in it is not told.
        for wrong in ["name: s, generic_secret: {secret: {inline_string: 12345}}", "name: s, generic_secret: {secret: {hunter2: 12345}}", "name: t, generic_secret: {secret: {inline_string: hunter2}}"] {
            directory.write(response(wrong), to: "r.yaml")
            let told = looked()
            #expect(told.count == 1 && told[0].hasPrefix("!the secret 's': "), "\(told)")
            #expect(!told[0].contains("hunter2") && !told[0].contains("12345"), "\(told)")
            #expect(shown(slot) == "second" && looked() == [])
        }
        // Of another kind: as one that is empty.
        directory.write(response("name: s, session_ticket_keys: {keys: [{inline_string: x}]}"), to: "r.yaml")
        #expect(looked() == ["the secret 's'"] && shown(slot) == "")
        destroy(part)
        #expect(secrets.dynamic.isEmpty)
    }

    @Test func aSecretThatIsNotThereYetIsEmpty() {
        let path = directory.write("resources: []", to: "r.yaml")
        let part = part()
        var refused: [String] = []
        let slot = secrets.lease(reference("s", file: path), file: path, part) { refused.append($0) }
        #expect(shown(slot) == nil && refused == ["Missing SDS resources for s in onConfigUpdate()"])
        #expect(secrets.dynamic.map(\.isActive) == [false])
        // Its own file comes later than the response that names it.
        let value = directory.path + "/late"
        directory.write(response("name: s, generic_secret: {secret: {filename: \(value)}}"), to: "r.yaml")
        #expect(looked() == ["!the secret 's': Invalid path: \(value) (No such file or directory)"])
        directory.write("late", to: "late")
        #expect(looked() == ["the secret 's'"] && shown(slot) == "late")
        directory.write("later", to: "late")
        #expect(looked() == ["the secret 's'"] && shown(slot) == "later")
        // What is refused changes nothing of what is looked at.
        directory.write(response("name: s, generic_secret: {secret: {filename: /nonexistent/s}}"), to: "r.yaml")
        #expect(looked() == ["!the secret 's': Invalid path: /nonexistent/s (No such file or directory)"])
        directory.write("last", to: "late")
        #expect(looked() == ["the secret 's'"] && shown(slot) == "last")
        destroy(part)
    }

    // MARK: Shown

    @Test func nothingOfItIsShown() throws {
        for set: (inout DataSource) -> Void in [{ $0.inlineString = "hunter2" }, { $0.filename = "/hunter2" }, { $0.environmentVariable = "hunter2" }] {
            var secret = self.secret(set)
            secret.genericSecret.secrets["k"] = secret.genericSecret.secret
            for shown in [
                DynamicSecret(secret, version: "1", updatedNs: 1, as: .generic), DynamicSecret(refused: secret, version: "1", updatedNs: 1, as: .generic),
            ] {
                #expect(!String(decoding: shown.bytes, as: UTF8.self).contains("hunter2"))
                #expect(try TLSSecret(serializedBytes: shown.bytes).genericSecret.secret.specifier != nil)
            }
        }
    }

    // MARK: Configuration

    private func said(secrets: String, configs: String, _ format: String = "%SECRET(a)%", more: String = "") -> [String] {
        let extensions = "type.googleapis.com/envoy.extensions"
        func formatter(_ configs: String) -> String {
            "{name: f, typed_config: {\"@type\": \(extensions).formatter.generic_secret.v3.GenericSecret, secret_configs: {\(configs)}}}"
        }
        let yaml = """
            static_resources:
              secrets: [\(secrets)]
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
                filter_chains: [{filters: [{name: envoy.filters.network.echo}]}]
                access_log:
                - {name: f, typed_config: {"@type": \(extensions).access_loggers.file.v3.FileAccessLog, path: /dev/null, log_format: {text_format_source: {inline_string: "\(format)"}, formatters: [\(formatter(configs))\(more.isEmpty ? "" : ", " + formatter(more))]}}}
            """
        let validator = Server.validator(filters: FilterRegistry([]))
        do throws(ConfigErrors) {
            try validator.validate(try ConfigReader.read(yaml: yaml, file: "c.yaml"))
            return validator.warnings.map(\.message)
        } catch {
            return error.errors.map(\.message)
        }
    }

    @Test func configurationIsReadAsEnvoyReadsIt() {
        let one = "{name: s, generic_secret: {secret: {inline_string: hunter2}}}"
        #expect(said(secrets: one, configs: "a: {name: s}") == [])
        #expect(said(secrets: one, configs: "a: {name: s}", "%SECRET(a):3% %SECRET(a)%") == [])
        #expect(said(secrets: one, configs: "\"\": {name: s}", "%SECRET% %SECRET()%") == [])
        #expect(said(secrets: one, configs: "\"b:c\": {name: s}", "%SECRET(b:c)%") == [])
        for (name, format) in [("b", "%SECRET(b)%"), ("", "%SECRET%"), (" a ", "%SECRET( a )%")] {
            #expect(
                said(secrets: one, configs: "a: {name: s}", format) == [
                    "envoy.formatter.generic_secret: secret '\(name)' is not configured in secret_configs"
                ])
        }
        // Each is looked for, whether it is written or not.
        #expect(said(secrets: one, configs: "a: {name: s}, b: {name: t}") == ["envoy.formatter.generic_secret: secret 't' not found in static bootstrap resources"])
        #expect(
            said(secrets: "{name: s, session_ticket_keys: {keys: [{inline_string: hunter2}]}}", configs: "a: {name: s}") == [
                "envoy.formatter.generic_secret: secret 's' not found in static bootstrap resources"
            ])
        #expect(
            said(secrets: "{name: s, generic_secret: {secret: {filename: /nonexistent/s}}}", configs: "a: {name: s}", "-") == [
                "Invalid path: /nonexistent/s (No such file or directory)"
            ])
        #expect(said(secrets: "{name: s, generic_secret: {secrets: {k: {inline_string: x}}}}", configs: "a: {name: s}") == [])
        // Of several formatters the first one is asked; all are read.
        #expect(
            said(secrets: one, configs: "a: {name: s}", "%SECRET(b)%", more: "b: {name: s}") == [
                "envoy.formatter.generic_secret: secret 'b' is not configured in secret_configs"
            ])
        #expect(said(secrets: one, configs: "a: {name: s}", more: "b: {name: t}") == ["envoy.formatter.generic_secret: secret 't' not found in static bootstrap resources"])
    }
}

extension GenericSecrets {
    /// Of one that can be read.
    fileprivate func lease(_ secret: TLSSecret, _ part: PlanPart) -> UInt32 { lease(secret, part) { Issue.record("\($0)") } }
}
