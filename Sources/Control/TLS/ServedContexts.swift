// TLS contexts while they are served: put in their slots, made again when a file or a secret changes, and taken away with
// the listener or cluster that they belong to.
//
// Main thread only. Whoever publishes plans asks for `slots`, and is told when there are others (`changed`).

import EnvoyAPI
import Pipeline
import Primitives
import Stats

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
            guard let context = contexts.bySlot[draft.source.slot], context.serving == nil else { return false }
            return context.discovered.contains { !$0.isSettled }
        }
    }

    /// Whatever they ask for has come once, or is not waited for any more.
    func areSettled(_ drafts: [TLSDraft]) -> Bool {
        drafts.allSatisfy { contexts.bySlot[$0.source.slot]?.discovered.allSatisfy(\.isSettled) ?? true }
    }

    // MARK: What is served

    /// As long as its owner's part, whose connections may still ask for it.
    func serve(_ draft: TLSDraft, owner: PlanPart) {
        let live = LiveTLS(draft, number: publisher.number)
        if let old = contexts.insert(live) { replaced(old, by: live) }
        let slot = draft.source.slot
        owner.onDestroy { [unowned self] in
            // Another one has the slot, if not the one that a change of its files put there.
            guard let last = contexts.bySlot[slot], last.source.owner === owner, contexts.remove(last) else { return }
            last.eachPart { publisher.retire($0) }
            changed()
        }
    }

    /// The same context made again, with a file or a secret that has changed: while it cannot be made whole, what it was goes
    /// on. Another version of a listener or cluster has contexts, and slots, of its own: none stands in for them.
    private func replaced(_ old: LiveTLS, by live: LiveTLS) {
        if !live.isReady, let serving = old.serving {
            live.standIn = serving
            if serving !== old { publisher.retire(old.part) }
        } else {
            old.eachPart { publisher.retire($0) }
        }
    }

    /// A secret has come: every context that uses it is made again, or the secret is refused and nothing changes.
    func secretChanged(_ secret: DiscoveredSecret) throws(DiscoveryRefusal) {
        let diagnostics = Diagnostics(nil)
        var made: [PlanPart] = []
        let compiler = TLSContextCompiler(environment: environment, diagnostics: diagnostics) { name in
            let part = PlanPart(.tls, name, ContentHash())
            made.append(part)
            return part
        }
        // By itself: it may be of a context that waits for another one.
        if let reason = secret.refusal(environment) { throw DiscoveryRefusal(reason: reason) }
        var drafts: [TLSDraft] = []
        for slot in contexts.bySlot.keys.sorted() {
            guard let old = contexts.bySlot[slot], old.discovered.contains(where: { $0 === secret }) else { continue }
            // What only drains does not judge it.
            if publisher.isRetiring(old.source.owner) { continue }
            if let draft = compiler.compile(old.source) { drafts.append(draft) }
        }
        if let first = diagnostics.errors.first {
            for part in made { part.destroy(environment.stats, environment.clusterSlots) }
            throw DiscoveryRefusal(reason: first.message)
        }
        for draft in drafts {
            let live = LiveTLS(draft, number: publisher.number)
            if let old = contexts.insert(live) { replaced(old, by: live) }
        }
        changed()
    }

    // MARK: Files

    /// Certificates whose files have changed are read again, every tick of main. A pair that does not belong together yet,
    /// or a file that is half written, leaves the old one serving: `failed` is told once for each state of the files. True: a
    /// plan is needed.
    func reloadFiles(applied: (String) -> Void, failed: (String, [ConfigError]) -> Void) -> Bool {
        var isChanged = false
        for slot in watch.changed(contexts) {
            guard let old = contexts.bySlot[slot] else { continue }
            let diagnostics = Diagnostics(nil)
            var made: PlanPart?
            let compiler = TLSContextCompiler(environment: environment, diagnostics: diagnostics) { name in
                let part = PlanPart(.tls, name, ContentHash())
                made = part
                return part
            }
            guard let draft = compiler.compile(old.source, waits: false) else {
                made?.destroy(environment.stats, environment.clusterSlots)
                countRotationFailures(old)
                failed(old.source.statPrefix, diagnostics.errors)
                continue
            }
            let live = LiveTLS(draft, number: publisher.number)
            _ = contexts.insert(live)
            replaced(old, by: live)
            watch.accepted(slot)
            isChanged = true
            applied(old.source.statPrefix)
        }
        return isChanged
    }

    /// Files that a secret names could not be read again.
    private func countRotationFailures(_ live: LiveTLS) {
        for secret in live.secrets {
            let scope = live.part.scope(environment.stats, "sds.\(secret.name).", SecretStat.self)
            environment.stats.mainCells.increment(scope[.keyRotationFailed])
        }
    }
}
