import Control
import Pipeline
import Primitives
import Testing

/// When a part goes: no plan lists it, every worker has let go of it, and its number waits until every worker has adopted a
/// plan that does not name it.
@Suite struct PlanPublisherTests {
    /// Workers that do by hand what a worker's turn does.
    private final class Bench {
        let mailboxes: [Mailbox]
        let publisher: PlanPublisher
        private(set) var destroyed: [String] = []
        private(set) var woken = 0

        init(workers: Int, withMain: Bool = false) {
            mailboxes = (0..<workers + (withMain ? 1 : 0)).map { _ in Mailbox() }
            publisher = PlanPublisher(mailboxes: Array(mailboxes.prefix(workers)), main: withMain ? mailboxes.last : nil)
            publisher.destroy = { [unowned self] in destroyed.append($0.name) }
            publisher.wake = { [unowned self] in woken += 1 }
        }

        deinit { for mailbox in mailboxes { mailbox.destroy() } }

        func part(_ name: String) -> PlanPart {
            let part = PlanPart(kind: .cluster, name: name)
            publisher.number(part)
            return part
        }

        func publish() { publisher.publish(Plan(), FrozenArena()) }

        /// Worker `i` adopts the newest plan; what it says it lets go of.
        func adopt(_ i: Int) -> (version: UInt64, retired: [PartID]) {
            guard let plan = unsafe mailboxes[i].plan else { return (0, []) }
            let version = unsafe plan.pointee.version
            let retired = unsafe plan.pointee.retired
            let parts = (0..<retired.count).map { retired[$0] }
            mailboxes[i].adopt(version)
            return (version, parts)
        }

        func adoptAll() { for i in mailboxes.indices { _ = adopt(i) } }
    }

    @Test func aPlanReachesEveryWorkerAndWakesIt() {
        let bench = Bench(workers: 2)
        #expect(bench.publisher.isAdopted, "nothing is published: nothing is to be adopted")
        bench.publish()
        #expect(bench.woken == 1 && bench.publisher.version == 1)
        #expect(!bench.publisher.isAdopted)
        #expect(bench.adopt(0).version == 1)
        #expect(!bench.publisher.isAdopted, "one of two")
        #expect(bench.adopt(1).version == 1)
        #expect(bench.publisher.isAdopted)
    }

    /// Before the workers run main's own worker alone says what is let go of: plans and parts do not pile up.
    @Test func whatComesAndGoesBeforeTheWorkersRunIsFreed() {
        let bench = Bench(workers: 1, withMain: true)
        let publisher = bench.publisher
        publisher.workersRun = false
        for i in 0..<3 {
            let part = bench.part("early \(i)")
            bench.publish()
            publisher.retire(part)
            bench.publish()
            let (version, retired) = bench.adopt(1)
            for id in retired { #expect(bench.mailboxes[1].release(id, plan: version)) }
            publisher.collect()
        }
        #expect(bench.destroyed == ["early 0", "early 1", "early 2"])
        #expect(publisher.livePartCount == 0)
        // Retired, but the newest plan lists it: the worker that begins now has to let go of it too.
        let last = bench.part("last")
        bench.publish()
        publisher.retire(last)
        publisher.workersRun = true
        #expect(bench.adopt(0).version == publisher.version)
        bench.publish()
        let (version, _) = bench.adopt(1)
        #expect(bench.mailboxes[1].release(last.id, plan: version))
        publisher.collect()
        #expect(bench.destroyed.count == 3)
        #expect(bench.mailboxes[0].release(last.id, plan: bench.adopt(0).version))
        publisher.collect()
        #expect(bench.destroyed.last == "last")
    }

    /// Main's own worker has another plan, is in nobody's way, and lets go of parts like the others.
    @Test func mainHasAPlanOfItsOwn() {
        let bench = Bench(workers: 1, withMain: true)
        let part = bench.part("a")
        #expect(bench.publisher.number() != part.id)
        bench.publish()
        #expect(bench.adopt(0).version == 1)
        #expect(bench.publisher.isAdopted && bench.publisher.nobodyAccepts && bench.publisher.adoptedVersions == [1])
        #expect(bench.adopt(1).version == 1)
        bench.publisher.retire(part)
        bench.publish()
        #expect(bench.adopt(0).retired == [part.id])
        _ = bench.mailboxes[0].release(part.id, plan: 2)
        bench.publisher.collect()
        #expect(bench.destroyed.isEmpty)
        #expect(bench.adopt(1).retired == [part.id])
        _ = bench.mailboxes[1].release(part.id, plan: 2)
        bench.publisher.collect()
        #expect(bench.destroyed == ["a"])
    }

    @Test func aPartGoesWhenTheLastWorkerHasLetGo() {
        let bench = Bench(workers: 2)
        let part = bench.part("a")
        bench.publish()
        bench.adoptAll()
        bench.publisher.retire(part)
        bench.publish()
        #expect(bench.adopt(0).retired == [part.id] && bench.adopt(1).retired == [part.id])
        bench.publisher.collect()
        #expect(bench.destroyed == [] && bench.publisher.retiringCount == 1 && bench.publisher.livePartCount == 1)
        #expect(bench.mailboxes[0].release(part.id, plan: 2))
        bench.publisher.collect()
        #expect(bench.destroyed == [], "the other worker still uses it")
        #expect(bench.mailboxes[1].release(part.id, plan: 2))
        bench.publisher.collect()
        #expect(bench.destroyed == ["a"] && bench.publisher.retiringCount == 0 && bench.publisher.livePartCount == 0)
    }

    /// A worker that has not adopted the plan yet is told again by the next one.
    @Test func retiredPartsAreNamedUntilTheyAreGone() {
        let bench = Bench(workers: 1)
        let (a, b) = (bench.part("a"), bench.part("b"))
        bench.publisher.retire(a)
        bench.publish()
        bench.publisher.retire(b)
        bench.publish()
        #expect(bench.adopt(0).retired == [a.id, b.id], "the plan in between was never seen")
        #expect(bench.mailboxes[0].release(a.id, plan: 2))
        bench.publisher.collect()
        bench.publish()
        #expect(bench.adopt(0).retired == [b.id])
    }

    /// Numbers are used again, but not while a worker may still read a plan that names the one before.
    @Test func aNumberIsUsedAgainOnceNoWorkerCanMeanItsFormerOwner() {
        let bench = Bench(workers: 2)
        let first = bench.part("first")
        bench.publish()
        bench.adoptAll()
        bench.publisher.retire(first)
        bench.publish()
        for i in 0..<2 { #expect(bench.mailboxes[i].release(first.id, plan: 2)) }
        bench.adoptAll()
        bench.publisher.collect()
        #expect(bench.destroyed == ["first"])
        let second = bench.part("second")
        #expect(second.id != first.id, "version 2 names it as retired, and is still read")
        bench.publish()
        #expect(bench.adopt(0).version == 3)
        let third = bench.part("third")
        #expect(third.id != first.id, "one worker still reads version 2")
        #expect(bench.adopt(1).version == 3)
        #expect(bench.part("fourth").id == first.id)
    }

    /// A worker may let go of a number twice, and the second word may come when the number has a new owner.
    @Test func aWordAboutAnEarlierOwnerDoesNotCount() {
        let bench = Bench(workers: 1)
        let old = bench.part("old")
        bench.publish()
        bench.publisher.retire(old)
        bench.publish()
        bench.adoptAll()
        #expect(bench.mailboxes[0].release(old.id, plan: 2))
        bench.publisher.collect()
        bench.publish()
        bench.adoptAll()
        let new = bench.part("new")
        #expect(new.id == old.id)
        bench.publisher.retire(new)
        bench.publish()
        #expect(bench.mailboxes[0].release(old.id, plan: 2), "said late, about the former owner")
        bench.publisher.collect()
        #expect(bench.destroyed == ["old"], "the worker has not let go of the new one")
        bench.adoptAll()
        #expect(bench.mailboxes[0].release(new.id, plan: 4))
        bench.publisher.collect()
        #expect(bench.destroyed == ["old", "new"])
    }

    /// A full ring of words is not lost: the worker tries again when main has read.
    @Test func aFullRingMakesTheWorkerTryAgain() {
        let bench = Bench(workers: 1)
        let part = bench.part("a")
        bench.publisher.retire(part)
        bench.publish()
        bench.adoptAll()
        for _ in 0..<Mailbox.releasedMax { #expect(bench.mailboxes[0].release(4_711, plan: 1)) }
        #expect(!bench.mailboxes[0].release(part.id, plan: 1))
        bench.publisher.collect()
        #expect(bench.destroyed == [])
        #expect(bench.mailboxes[0].release(part.id, plan: 1))
        bench.publisher.collect()
        #expect(bench.destroyed == ["a"])
    }

    @Test func versionsAreComparedAcrossTheHalfWord() {
        #expect(Mailbox.isOlder(1, than: 2) && !Mailbox.isOlder(2, than: 2) && !Mailbox.isOlder(3, than: 2))
        #expect(Mailbox.isOlder(.max, than: 1 << 32))
        #expect(!Mailbox.isOlder(0, than: 0xffff_ffff))
    }
}
