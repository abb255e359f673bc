// TLS contexts while they are served: put in their slots, made again when a file or a secret changes, and taken away with
// the listener or cluster that they belong to.
//
// Main thread only. Whoever publishes plans asks for `slots`, and is told when there are others (`changed`).

import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Stats
import StatsStore
import Transport

final class ServedContexts {
    private let environment: CompileEnvironment
    private let publisher: PlanPublisher
    private var contexts = LiveTLSContexts()
    private var watch = CertificateWatch()
    /// A plan is needed, soon.
    var changed: () -> Void = {}

    init(_ environment: CompileEnvironment, _ publisher: PlanPublisher) {
        self.environment = environment
        self.publisher = publisher
    }

    /// By context.
    var certificates: [TLSRecords] { contexts.records }
    var secrets: [DynamicSecret] { contexts.secrets }

    func slots(_ arena: FrozenArena) -> FrozenArray<TLSSlot> { contexts.slots(arena) }

    /// Nobody is served by one of these yet: a secret may come still.
    func areWarming(_ drafts: [TLSDraft]) -> Bool {
        drafts.contains { draft in
            guard let context = contexts.bySlot[draft.source.slot], !context.isReady else { return false }
            return context.discovered.contains { !$0.isSettled }
        }
    }

    /// The names of the secrets that have not come, and are still waited for.
    func awaited(_ drafts: [TLSDraft]) -> [String] {
        var names: [String] = []
        for draft in drafts {
            for secret in contexts.bySlot[draft.source.slot]?.discovered ?? [] where !secret.isSettled && !names.contains(secret.name) {
                names.append(secret.name)
            }
        }
        return names
    }

    /// Whatever they ask for has come once, or is not waited for any more.
    func areSettled(_ drafts: [TLSDraft]) -> Bool {
        drafts.allSatisfy { contexts.bySlot[$0.source.slot]?.discovered.allSatisfy(\.isSettled) ?? true }
    }

    // MARK: What is served

    /// As long as its owner's part, whose connections may still ask for it.
    func serve(_ draft: TLSDraft, owner: PlanPart) {
        place(draft)
        let slot = draft.source.slot
        owner.onDestroy { [unowned self] in
            // Another one has the slot, if not the one that a change of its files put there.
            guard let last = contexts.bySlot[slot], last.source.owner === owner, contexts.remove(last) else { return }
            publisher.retire(last.part)
            changed()
        }
    }

    // MARK: Secrets

    /// A secret has come: every context that uses it is made again, whatever else it waits for, or the secret is refused and
    /// nothing changes. `before`: what it was.
    func secretChanged(_ secret: DiscoveredSecret, before: TLSSecret?) throws(DiscoveryRefusal) {
        var made: [(draft: TLSDraft, old: LiveTLS)] = []
        for slot in contexts.bySlot.keys.sorted() {
            guard let old = contexts.bySlot[slot], old.discovered.contains(where: { $0 === secret }) else { continue }
            // What only drains does not judge it.
            if publisher.isRetiring(old.source.owner) { continue }
            switch make(old.source, waits: true, countsFiles: false) {
            case .draft(let draft, _): made.append((draft, old))
            case .errors(let errors):
                // A file that has broken meanwhile is not the secret's fault: this context goes on, and is made when its files change.
                guard let fault = fault(of: secret, before: before, old.source) else {
                    environment.secrets.log("sds: \(old.source.statPrefix)ssl: what was before serves on: \(ShownText.of(errors[0].message))")
                    continue
                }
                for one in made { discard(one.draft.part) }
                throw DiscoveryRefusal(reason: fault)
            }
        }
        for one in made { replace(one.old, by: one.draft) }
        changed()
    }

    private enum Made {
        case draft(TLSDraft, warnings: [ConfigError])
        /// One at least.
        case errors([ConfigError])
    }

    private func make(_ source: TLSSource, waits: Bool, countsFiles: Bool) -> Made {
        let diagnostics = Diagnostics(nil)
        var part: PlanPart?
        let compiler = TLSContextCompiler(environment: environment, diagnostics: diagnostics) { source in
            let new = PlanPart(.tls, source.statPrefix, ContentHash(), matcher: source.owner.matcher)
            part = new
            return new
        }
        if let draft = compiler.compile(source, waits: waits, countsFiles: countsFiles) {
            return .draft(draft, warnings: diagnostics.warnings)
        }
        if let part { discard(part) }
        return .errors(diagnostics.errors)
    }

    /// What is wrong with the secret itself, or with the context since it is in it; nil: what is wrong was wrong before.
    private func fault(of secret: DiscoveredSecret, before: TLSSecret?, _ source: TLSSource) -> String? {
        if let refusal = secret.refusal(environment) { return refusal }
        var known = secret.asIt(was: before) { mistakes(source) }
        for mistake in mistakes(source) {
            guard let i = known.firstIndex(of: mistake) else { return mistake }
            known.remove(at: i)
        }
        return nil
    }

    private func mistakes(_ source: TLSSource) -> [String] {
        let diagnostics = Diagnostics(nil)
        var parts: [PlanPart] = []
        let compiler = TLSContextCompiler(environment: environment, diagnostics: diagnostics) { source in
            let new = PlanPart(.tls, source.statPrefix, ContentHash(), matcher: source.owner.matcher)
            parts.append(new)
            return new
        }
        _ = compiler.compile(source, isTrial: true)
        for part in parts { discard(part) }
        return diagnostics.errors.map(\.message)
    }

    private func discard(_ part: PlanPart) { part.destroy(environment.stats, environment.clusterSlots) }

    /// The same context made again. One that cannot be made whole (a file's secret has broken) does not take the place of one
    /// that serves: it is made when the file changes.
    private func replace(_ old: LiveTLS, by draft: TLSDraft) {
        if !draft.isReady, old.isReady { return discard(draft.part) }
        place(draft)
        publisher.retire(old.part)
    }

    private func place(_ draft: TLSDraft) {
        let live = LiveTLS(draft, number: publisher.number)
        contexts.insert(live)
        draft.showExpirations()
        if live.isReady, !live.secrets.isEmpty {
            environment.stats.mainCells.increment(draft.config.factoryStats &+ TLSSocketFactoryStat.sslContextUpdateBySds.rawValue)
        }
    }

    // MARK: Files

    /// Certificates whose files have changed are read again, every tick of main. A pair that does not belong together yet,
    /// or a file that is half written, leaves the old one serving, and so does one that has expired in the place of one that has
    /// not: `failed` is told once for each state of the files. `applied`: with warnings. True: a plan is needed.
    func reloadFiles(applied: (String, [ConfigError]) -> Void, failed: (String, [ConfigError]) -> Void) -> Bool {
        var isChanged = false
        for slot in watch.changed(contexts) {
            guard let old = contexts.bySlot[slot] else { continue }
            switch make(old.source, waits: false, countsFiles: true) {
            case .errors(let errors):
                countRotationFailures(old)
                failed(old.source.statPrefix, errors)
            case .draft(let draft, let warnings):
                if let expired = draft.records.expired(inPlaceOf: old.records, now: time(nil)) {
                    discard(draft.part)
                    countRotationFailures(old)
                    failed(old.source.statPrefix, [ConfigError(message: "the certificate of \(expired.path) has expired")])
                    continue
                }
                replace(old, by: draft)
                watch.accepted(slot)
                isChanged = true
                applied(old.source.statPrefix, warnings)
            }
        }
        return isChanged
    }

    /// Files that a secret names could not be read again.
    private func countRotationFailures(_ live: LiveTLS) {
        for secret in live.secrets {
            let scope = live.part.processScope(environment.stats, "sds.\(secret.name).", SecretStat.self)
            environment.stats.mainCells.increment(scope[.keyRotationFailed])
        }
    }
}
