// The secrets of one context that come from elsewhere (`sds_config`), as they are when it is made: of management servers
// (`DiscoveredSecrets`), and out of files. A file (`path_config_source`) holds a discovery response with one secret; it is read
// whenever a context is made, and watched like the certificates' own files.

import EnvoyAPI
import Primitives
import Stats
import StatsStore

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
        let path: String
        let fieldPlace: Place
        switch SecretSource(config, place, diagnostics) {
        case .file(let file, let at): (path, fieldPlace) = (file, at)
        case .server: return discovered(config, kind)
        case .nowhere: return .missing
        }
        let identity = FileWatch.identity(path)
        guard let bytes = try? FileContents.read(path) else {
            SecretSource.missing(path, fieldPlace, diagnostics)
            return .missing
        }
        part.add(file: path, bytes)
        part.identities[path] = identity
        let cells = environment.stats.mainCells
        let scope = part.processScope(environment.stats, "sds.\(config.name).", SubscriptionStat.self)
        _ = part.processScope(environment.stats, "sds.\(config.name).", SecretStat.self)
        if counts { cells.increment(scope[.updateAttempt]) }
        do throws(DiscoveryRefusal) {
            let response = try SecretReader.response(bytes, path)
            let secret = try SecretReader.read(response, config.name)
            let version = response.versionInfo
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
}
