// The secrets of one context that come from elsewhere (`sds_config`), as they are when it is made: of management servers
// (`DiscoveredSecrets`), and out of files. A file (`path_config_source`) holds a discovery response with one secret; it is read
// whenever a context is made, and watched like the certificates' own files.

import EnvoyAPI
import Primitives
import Stats
import StatsStore

typealias DiscoveryResponseMessage = Envoy_Service_Discovery_V3_DiscoveryResponse

final class ContextSecrets {
    private let environment: CompileEnvironment
    private let part: PlanPart
    private let diagnostics: Diagnostics
    /// At the start a secret that is not there yet is waited for; later what serves goes on serving.
    private let waits: Bool
    /// A file that is read again because something else has changed is nobody's attempt.
    private let counts: Bool
    private(set) var isReady = true
    private(set) var secrets: [DynamicSecret] = []
    private(set) var discovered: [DiscoveredSecret] = []

    init(_ environment: CompileEnvironment, _ part: PlanPart, _ diagnostics: Diagnostics, waits: Bool, counts: Bool) {
        self.environment = environment
        self.part = part
        self.diagnostics = diagnostics
        self.waits = waits
        self.counts = counts
    }

    var substitution: SecretSubstitution {
        SecretSubstitution(diagnostics: diagnostics) { [self] config, kind, place in find(config, kind, place) }
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

    private func find(_ config: SecretReference, _ kind: SecretKind, _ place: Place) -> FoundSecret {
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
        case .apiConfigSource, .ads: return discovered(config, kind)
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
        let cells = environment.stats.mainCells
        let scope = part.processScope(environment.stats, "sds.\(config.name).", SubscriptionStat.self)
        _ = part.processScope(environment.stats, "sds.\(config.name).", SecretStat.self)
        if counts { cells.increment(scope[.updateAttempt]) }
        do throws(DiscoveryRefusal) {
            let (secret, version) = try read(bytes, path, config.name)
            let now = Clock.wallNs()
            if counts {
                cells.increment(scope[.updateSuccess])
                cells.set(scope[.updateTime], now / 1_000_000)
                environment.stats.setText(scope[.versionText], version)
                environment.stats.set(scope[.version], wide: Array(version.utf8).withBytes { XXHash64.hash($0) })
            }
            secrets.append(DynamicSecret(secret, version: version, updatedNs: now))
            return .secret(secret)
        } catch {
            if counts { cells.increment(scope[.updateRejected]) }
            let words = "sds: secret '\(config.name)' config rejected: \(error.reason)"
            if waits { diagnostics.warning(fieldPlace, words) } else { diagnostics.error(fieldPlace, words) }
            isReady = false
            secrets.append(DynamicSecret(awaited: config.name, updatedNs: Clock.wallNs()))
            return .missing
        }
    }

    private func discovered(_ config: SecretReference, _ kind: SecretKind) -> FoundSecret {
        let found = environment.secrets.secret(config, kind)
        found.lease(part)
        discovered.append(found)
        guard let secret = found.current else {
            isReady = false
            secrets.append(DynamicSecret(awaited: config.name, updatedNs: found.updatedNs))
            return .missing
        }
        secrets.append(DynamicSecret(secret, version: found.version, updatedNs: found.updatedNs))
        return .secret(secret)
    }

    // MARK: The file

    private func read(_ bytes: [UInt8], _ path: String, _ name: String) throws(DiscoveryRefusal) -> (TLSSecret, String) {
        let read: ReadMessage<DiscoveryResponseMessage>
        do throws(ConfigErrors) {
            read = try ConfigReader.read(
                DiscoveryResponseMessage.self, [ConfigReader.Input(bytes, name: path, format: ConfigReader.Format(path: path))])
        } catch {
            let first = error.errors.first
            throw DiscoveryRefusal(reason: first.map { "\($0.file):\($0.line):\($0.column): \($0.message)" } ?? "not a discovery response")
        }
        let resource = try SecretReader.only(
            name, read.message.resources.compactMap { DiscoveredResource(world: $0) })
        let secret = try SecretReader.read(resource)
        try SecretReader.expect(name, secret)
        return (secret, read.message.versionInfo)
    }
}
