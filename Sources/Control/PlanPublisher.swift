// Publishes plans to the workers and frees what none of them uses any more.
//
// A part goes in three steps: no plan lists it (`retire`), every worker has let go of it (`Mailbox.takeReleased`), its
// memory is freed and its number may be used again once every worker has adopted a plan that does not name it.

import Pipeline
import Primitives

package final class PlanPublisher {
    private let mailboxes: [Mailbox]
    /// Main's own worker has a plan too: it lets go of parts like the others.
    private let main: Mailbox?
    private let everybody: [Mailbox]
    /// False: nobody looks at their mailboxes yet, and the first plan that they will see is the newest.
    package var workersRun = true {
        didSet {
            guard workersRun, !oldValue else { return }
            // The newest plan lists them still.
            for (id, entry) in retiring where entry.since > version { retiring[id]?.waitingFor.formUnion(mailboxes.indices) }
        }
    }
    /// Wakes the workers: a message on each ring.
    package var wake: () -> Void = {}
    package var destroy: (PlanPart) -> Void = { _ in }

    private struct Retiring {
        let part: PlanPart
        /// The first plan that does not list it.
        let since: UInt64
        var waitingFor: Set<Int>
    }
    private var retiring: [PartID: Retiring] = [:]
    private var plans: [(version: UInt64, arena: FrozenArena)] = []
    private var nextID: PartID = 1
    private var free: [(id: PartID, version: UInt64)] = []
    private var live: Set<PartID> = []

    package init(mailboxes: [Mailbox], main: Mailbox? = nil) {
        self.mailboxes = mailboxes
        self.main = main
        everybody = mailboxes + (main.map { [$0] } ?? [])
    }

    /// Parts that exist, published or on their way out.
    package var livePartCount: Int { live.count }
    package var retiringCount: Int { retiring.count }
    /// Of the plan published last.
    package private(set) var version: UInt64 = 0

    package func number(_ part: PlanPart) {
        if let index = free.firstIndex(where: { entry in running.allSatisfy { everybody[$0].adopted > entry.version } }) {
            part.id = free.remove(at: index).id
        } else {
            part.id = number()
        }
        live.insert(part.id)
    }

    private var running: Range<Int> { (workersRun ? 0 : mailboxes.count)..<everybody.count }

    /// A number for what stays as long as the process.
    package func number() -> PartID {
        defer { nextID += 1 }
        return nextID
    }

    /// The next plan does not list it any more.
    package func retire(_ part: PlanPart) {
        retiring[part.id] = Retiring(part: part, since: version + 1, waitingFor: Set(running))
    }

    func isRetiring(_ part: PlanPart) -> Bool { retiring[part.id]?.part === part }

    /// Parts of this name that are on their way out.
    func retiring(_ kind: PlanPart.Kind, _ name: String) -> [PartID] {
        retiring.values.filter { $0.part.kind == kind && $0.part.name == name }.map(\.part.id)
    }

    /// `mains`: what main's own worker serves.
    package func publish(_ plan: Plan, main mains: Plan = Plan(), _ arena: FrozenArena) {
        version += 1
        let retired = arena.array(retiring.keys.sorted())
        func stored(_ plan: Plan) -> UnsafePointer<Plan> {
            var plan = plan
            plan.version = version
            plan.retired = retired
            return unsafe arena.store(plan)
        }
        let workers = unsafe stored(plan)
        plans.append((version, arena))
        for mailbox in mailboxes { unsafe mailbox.publish(workers) }
        if let main { unsafe main.publish(stored(mains)) }
        wake()
    }

    /// By worker: the plan that it runs.
    package var adoptedVersions: [UInt64] { mailboxes.map(\.adopted) }

    /// Every worker runs the newest plan.
    package var isAdopted: Bool { mailboxes.allSatisfy { $0.adopted == version } }

    /// Every worker runs the newest plan and has let go of all its listening sockets.
    package var nobodyAccepts: Bool { isAdopted && mailboxes.allSatisfy { $0.accepting == 0 } }

    /// Every worker runs the newest plan and has let go of the sockets that are not in it.
    var nobodyLeaves: Bool { isAdopted && mailboxes.allSatisfy { $0.leaving == 0 } }

    /// Downstream connections of all workers, while they drain.
    package var connections: UInt64 { mailboxes.reduce(0) { $0 + $1.connections } }

    /// Batches of exporters that are still to be sent or answered, while the workers drain.
    package var pendingExports: UInt64 { mailboxes.reduce(0) { $0 + $1.pendingExports } }

    private func takeReleased() {
        for (i, mailbox) in everybody.enumerated() {
            mailbox.takeReleased { part, plan in
                // A worker may let go of a number more than once, and the number may have a new owner by then: what it
                // said under an earlier plan was about the one before.
                guard let entry = retiring[part], !Mailbox.isOlder(plan, than: entry.since) else { return }
                retiring[part]?.waitingFor.remove(i)
            }
        }
    }

    /// Takes what workers have let go of; frees what nobody uses.
    package func collect() {
        takeReleased()
        for (id, entry) in retiring where entry.waitingFor.isEmpty {
            retiring[id] = nil
            live.remove(id)
            destroy(entry.part)
            free.append((id, version))
        }
        let oldest = running.reduce(version) { min($0, everybody[$1].adopted) }
        plans.removeAll { $0.version < oldest }
    }
}
