// The secrets of one context that come from elsewhere (`sds_config`), as they are when it is made: of management servers
// (`DiscoveredSecrets`), and out of files. A file (`path_config_source`) holds a discovery response with one secret; it is read
// whenever a context is made, and watched like the certificates' own files.

import EnvoyAPI
import Primitives
import Stats

typealias DiscoveryResponseMessage = Envoy_Service_Discovery_V3_DiscoveryResponse

/// A secret that serves, for `/config_dump`.
package struct DynamicSecret {
    package let name: String
    package let versionInfo: String
    package let updatedNs: UInt64
    /// In protobuf's wire format; what it names by file is in it.
    package let bytes: [UInt8]
    package let isActive: Bool

    /// Of a management server's: another version may be the same secret.
    func updated(_ secret: DiscoveredSecret?) -> DynamicSecret {
        guard let secret, isActive else { return self }
        return DynamicSecret(name: name, versionInfo: secret.version, updatedNs: secret.updatedNs, bytes: bytes, isActive: true)
    }
}

final class ContextSecrets {
    private let environment: CompileEnvironment
    private let part: PlanPart
    private let diagnostics: Diagnostics
    /// At the start a secret that is not there yet is waited for; later what serves goes on serving.
    private let waits: Bool
    private(set) var isReady = true
    private(set) var secrets: [DynamicSecret] = []
    private(set) var discovered: [DiscoveredSecret] = []

    init(_ environment: CompileEnvironment, _ part: PlanPart, _ diagnostics: Diagnostics, waits: Bool) {
        self.environment = environment
        self.part = part
        self.diagnostics = diagnostics
        self.waits = waits
    }

    var substitution: SecretSubstitution {
        SecretSubstitution(diagnostics: diagnostics) { [self] config, _, place in find(config, place) }
    }

    static func areIn(_ context: CommonTLSContext) -> Bool {
        if context.tlsCertificateSdsSecretConfigs.contains(where: \.hasSdsConfig) { return true }
        switch context.validationContextType {
        case .validationContextSdsSecretConfig(let config): return config.hasSdsConfig
        case .combinedValidationContext(let combined): return combined.validationContextSdsSecretConfig.hasSdsConfig
        default: return false
        }
    }

    static func areIn(_ context: DownstreamTLSContext) -> Bool {
        if case .sessionTicketKeysSdsSecretConfig(let config) = context.sessionTicketKeysType, config.hasSdsConfig { return true }
        return areIn(context.commonTlsContext)
    }

    private func find(_ config: SecretReference, _ place: Place) -> FoundSecret {
        let at = place.at("sds_config")
        let path: String
        let fieldPlace: Place
        switch config.sdsConfig.configSourceSpecifier {
        case .path(let old):
            path = old
            fieldPlace = at.at("path")
        case .pathConfigSource(let source):
            path = source.path
            fieldPlace = at.at("path_config_source").at("path")
        case .apiConfigSource, .ads: return discovered(config)
        case .none:
            diagnostics.error(at, "the source of the secret '\(config.name)' is missing", expected: "path_config_source, api_config_source or ads")
            return .missing
        }
        let identity = FileWatch.identity(path)
        guard let bytes = try? FileContents.read(path) else {
            diagnostics.error(fieldPlace, "paths must refer to an existing path in the system: '\(path)' does not exist")
            return .missing
        }
        part.add(file: path, bytes)
        part.identities[path] = identity
        let scope = part.scope(environment.stats, "sds.\(config.name).", SubscriptionStat.self)
        _ = part.scope(environment.stats, "sds.\(config.name).", SecretStat.self)
        environment.stats.mainCells.increment(scope[.updateAttempt])
        do throws(Refusal) {
            let (secret, version) = try read(bytes, path, config.name)
            let now = Clock.wallNs()
            environment.stats.mainCells.increment(scope[.updateSuccess])
            environment.stats.mainCells.set(scope[.updateTime], now / 1_000_000)
            environment.stats.setText(scope[.versionText], version)
            environment.stats.mainCells.set(scope[.version], Array(version.utf8).withBytes { XXHash64.hash($0) })
            secrets.append(dynamic(secret, version, now, isActive: true))
            return .secret(secret)
        } catch {
            environment.stats.mainCells.increment(scope[.updateRejected])
            let words = "sds: secret '\(config.name)' config rejected: \(error.reason)"
            if waits { diagnostics.warning(fieldPlace, words) } else { diagnostics.error(fieldPlace, words) }
            isReady = false
            var empty = TLSSecret()
            empty.name = config.name
            secrets.append(dynamic(empty, "uninitialized", Clock.wallNs(), isActive: false))
            return .missing
        }
    }

    private func discovered(_ config: SecretReference) -> FoundSecret {
        let found = environment.secrets.secret(config)
        found.lease(part)
        discovered.append(found)
        guard let secret = found.current else {
            isReady = false
            var empty = TLSSecret()
            empty.name = config.name
            secrets.append(dynamic(empty, "uninitialized", found.updatedNs, isActive: false))
            return .missing
        }
        secrets.append(dynamic(secret, found.version, found.updatedNs, isActive: true))
        return .secret(secret)
    }

    // MARK: The file

    private struct Refusal: Error {
        let reason: String
    }

    private func read(_ bytes: [UInt8], _ path: String, _ name: String) throws(Refusal) -> (TLSSecret, String) {
        let read: ReadMessage<DiscoveryResponseMessage>
        do {
            read = try ConfigReader.read(
                DiscoveryResponseMessage.self, [ConfigReader.Input(bytes, name: path, format: ConfigReader.Format(path: path))])
        } catch {
            let first = error.errors.first
            throw Refusal(reason: first.map { "\($0.file):\($0.line):\($0.column): \($0.message)" } ?? "not a discovery response")
        }
        let resources = read.message.resources
        if resources.isEmpty { throw Refusal(reason: "Missing SDS resources for \(name) in onConfigUpdate()") }
        if resources.count > 1 { throw Refusal(reason: "Unexpected SDS secrets length: \(resources.count)") }
        guard resources[0].messageName == TLSSecret.protoMessageName, let secret = try? TLSSecret(serializedBytes: resources[0].value)
        else { throw Refusal(reason: "not a \(TLSSecret.protoMessageName): \(resources[0].typeURL)") }
        if secret.name != name { throw Refusal(reason: "Unexpected SDS secret (expecting \(name)): \(secret.name)") }
        return (secret, read.message.versionInfo)
    }

    // MARK: /config_dump

    /// As Envoy shows it: files are read into it. Keys are written as redacted by whoever shows it.
    private func dynamic(_ secret: TLSSecret, _ version: String, _ now: UInt64, isActive: Bool) -> DynamicSecret {
        var shown = secret
        func inline(_ source: inout DataSource) {
            guard case .filename(let path) = source.specifier, let bytes = try? FileContents.read(path) else { return }
            source = ContextSecrets.inlined(bytes)
        }
        switch shown.type {
        case .tlsCertificate(var certificate):
            if certificate.hasCertificateChain { inline(&certificate.certificateChain) }
            if certificate.hasPrivateKey { certificate.privateKey = ContextSecrets.inlined([0]) }
            shown.tlsCertificate = certificate
        case .validationContext(var context):
            if context.hasTrustedCa { inline(&context.trustedCa) }
            if context.hasCrl { inline(&context.crl) }
            shown.validationContext = context
        default: break
        }
        return DynamicSecret(
            name: secret.name, versionInfo: version, updatedNs: now, bytes: (try? shown.serializedBytes()) ?? [], isActive: isActive)
    }

    private static func inlined(_ bytes: [UInt8]) -> DataSource {
        // `inline_bytes` (field 2) as the wire has it: a source made of it needs no other type for bytes.
        var wire: [UInt8] = [0x12]
        var length = bytes.count
        while length > 127 {
            wire.append(UInt8(length & 127) | 128)
            length >>= 7
        }
        wire.append(UInt8(length))
        return (try? DataSource(serializedBytes: wire + bytes)) ?? DataSource()
    }
}
