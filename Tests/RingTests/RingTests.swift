import CLiburing
import Glibc
import Primitives
import Ring
import Testing

/// A ring on the calling thread, with room for its completions.
@safe
final class TestRing {
    let ring: Ring
    private let completions = UnsafeMutablePointer<Completion>.allocate(capacity: 4096)

    init(submissions: UInt32 = 64, completions: UInt32 = 1024) throws {
        ring = try Ring.create(submissions: submissions, completions: completions)
    }

    deinit {
        ring.destroy()
        unsafe completions.deallocate()
    }

    /// One turn; what completed in it.
    func turn(timeoutNs: Int64 = 200_000_000) -> [Completion] {
        ring.turn(timeoutNs: timeoutNs)
        let count = unsafe ring.take(completions, max: 4096)
        return (0..<count).map { unsafe completions[$0] }
    }

    /// Turns until one completion of `token` came, at most `limit` turns; everything that came.
    func turns(until token: UInt64, limit: Int = 20) -> [Completion] {
        var all: [Completion] = []
        for _ in 0..<limit {
            all += turn()
            if all.contains(where: { $0.user_data == token }) { break }
        }
        return all
    }
}

func socketPair() -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    unsafe ends.withUnsafeMutableBufferPointer { buffer in
        _ = unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, buffer.baseAddress)
    }
    return (ends[0], ends[1])
}

@Suite(.serialized) struct RingTests {
    @Test func aTimeoutIsNoCompletion() throws {
        let ring = try TestRing()
        let start = Clock.monotonicNs()
        #expect(ring.turn(timeoutNs: 20_000_000).isEmpty)
        #expect(Clock.monotonicNs() - start >= 20_000_000)
        #expect(ring.turn(timeoutNs: 0).isEmpty, "0 does not wait")
    }

    @Test func anOperationCompletesWithItsToken() throws {
        let ring = try TestRing()
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 8)
        defer { unsafe bytes.deallocate() }
        unsafe martlet_prep_read(ring.ring.entry(), a, bytes, 16, 0xab)
        #expect(ring.turn(timeoutNs: 0).isEmpty)
        #expect(unsafe write(b, "hello", 5) == 5)
        let done = ring.turns(until: 0xab)
        #expect(done.count == 1 && done[0].result == 5 && !done[0].more)
        #expect(unsafe memcmp(bytes, "hello", 5) == 0)
    }

    /// More operations than the submission queue has places: none is lost.
    @Test func aFullSubmissionQueueIsSubmittedInBetween() throws {
        let ring = try TestRing(submissions: 8)
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        for i in 0..<100 { unsafe martlet_prep_poll(ring.ring.entry(), a, UInt32(POLLOUT), UInt64(i + 1)) }
        var seen: Set<UInt64> = []
        for _ in 0..<20 where seen.count < 100 { for done in ring.turn() { seen.insert(done.user_data) } }
        #expect(seen == Set(1...100))
    }

    /// A full completion queue: the kernel keeps what does not fit, and hands it out once there is room.
    @Test func aFullCompletionQueueLosesNothing() throws {
        let ring = try TestRing(submissions: 8, completions: 16)
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        for i in 0..<500 { unsafe martlet_prep_poll(ring.ring.entry(), a, UInt32(POLLOUT), UInt64(i + 1)) }
        var seen: [UInt64] = []
        for _ in 0..<200 where seen.count < 500 { seen += ring.turn().map(\.user_data) }
        #expect(seen.count == 500 && Set(seen) == Set(1...500))
        // And it goes on as before.
        unsafe martlet_prep_poll(ring.ring.entry(), a, UInt32(POLLOUT), 501)
        #expect(ring.turns(until: 501).count == 1)
    }

    @Test func aMessageWakesAnotherRing() throws {
        let ring = try TestRing()
        let descriptor = ring.ring.descriptor
        // A registered descriptor has no number in another thread's table; the number stays good all the same.
        let sender = try TestRing()
        unsafe martlet_prep_message(sender.ring.entry(), descriptor, 0x77, 5, 0x78)
        #expect(sender.turn(timeoutNs: 0).isEmpty, "success is silent")
        let done = ring.turns(until: 0x77)
        #expect(done.count == 1 && done[0].result == 5)
    }

    @Test func aMessageToNobodyFails() throws {
        let ring = try TestRing()
        unsafe martlet_prep_message(ring.ring.entry(), -1, 0x77, 5, 0x78)
        let done = ring.turns(until: 0x78)
        #expect(done.count == 1 && done[0].result == -EBADF)
    }
}

@Suite struct RingCreationTests {
    /// More entries than the kernel gives: what it says of its own limits is no reason to end.
    @Test func whatTheKernelRefusesIsAnError() {
        do throws(RingError) {
            let ring = try Ring.create(submissions: 1 << 30, completions: 1 << 31)
            ring.destroy()
            Issue.record("a ring of a billion entries was made")
        } catch {
            guard case .kernelTooOld = error else {
                Issue.record("\(error)")
                return
            }
        }
    }
}
