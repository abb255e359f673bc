import CLiburing
import Glibc
import Primitives
import Ring
import Testing

@Suite(.serialized) struct ProvidedBuffersTests {
    /// One completion's bytes, claimed and copied out; the buffers stay held.
    private func take(_ buffers: ProvidedBuffers, _ done: Completion) -> (bytes: [UInt8], held: [UInt16]) {
        let claimed = buffers.claim(first: done.bufferID, bytes: Int(done.result))
        var bytes: [UInt8] = []
        var held: [UInt16] = []
        var left = Int(done.result)
        for i in 0..<claimed.count {
            let id = buffers.identifier(at: claimed.position &+ UInt16(i))
            let n = min(left, buffers.size)
            unsafe bytes += [UInt8](Bytes(UnsafeRawPointer(buffers.base(id)), n))
            left -= n
            held.append(id)
        }
        return (bytes, held)
    }

    @Test func bytesArriveInABufferAndItGoesBack() throws {
        let ring = try TestRing()
        let buffers = try ProvidedBuffers(ring: ring.ring, count: 8, size: 64)
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, 0, 0, 1)
        for round in 0..<50 {
            let text = "message \(round)"
            #expect(unsafe write(b, text, text.utf8.count) == text.utf8.count)
            let done = try #require(ring.turns(until: 1).first)
            #expect(done.more)
            let (bytes, held) = take(buffers, done)
            #expect(String(decoding: bytes, as: UTF8.self) == text)
            #expect(buffers.held == 1 && held.count == 1)
            buffers.release(held[0])
            buffers.publish()
            #expect(buffers.held == 0 && buffers.free == 8)
        }
    }

    @Test func aBufferGoesBackWithItsLastHold() throws {
        let ring = try TestRing()
        let buffers = try ProvidedBuffers(ring: ring.ring, count: 2, size: 64)
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, 0, 0, 1)
        #expect(unsafe write(b, "x", 1) == 1)
        let (_, held) = take(buffers, try #require(ring.turns(until: 1).first))
        buffers.retain(held[0])
        buffers.retain(held[0])
        buffers.release(held[0])
        buffers.release(held[0])
        #expect(buffers.held == 1)
        buffers.release(held[0])
        #expect(buffers.held == 0)
    }

    /// No buffer left: ENOBUFS ends the receive; with a buffer back, a new one gets the bytes that waited.
    @Test func withoutBuffersTheReceiveEndsAndNothingIsLost() throws {
        let ring = try TestRing()
        let buffers = try ProvidedBuffers(ring: ring.ring, count: 4, size: 16)
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        let sent = (0..<200).map { UInt8(truncatingIfNeeded: $0) }
        #expect(unsafe write(b, sent, sent.count) == sent.count)
        var received: [UInt8] = []
        var starved = 0
        var held: [UInt16] = []
        unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, 0, 0, 1)
        for _ in 0..<100 where received.count < sent.count {
            for done in ring.turn() {
                if done.result == -ENOBUFS {
                    starved += 1
                    #expect(!done.more && buffers.free == 0)
                    for id in held { buffers.release(id) }
                    held = []
                    buffers.publish()
                    unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, 0, 0, 1)
                } else {
                    let (bytes, ids) = take(buffers, done)
                    received += bytes
                    held += ids
                }
            }
        }
        #expect(received == sent)
        #expect(starved >= 3)
    }

    /// Kernel 6.10: one completion names the first of several buffers.
    @Test func aBundleTakesBuffersInOrder() throws {
        let ring = try TestRing()
        guard ring.ring.hasBundles else { return }
        let buffers = try ProvidedBuffers(ring: ring.ring, count: 16, size: 32)
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, 1, 0, 1)
        var random = Random(seed: 9)
        var largest = 0
        for _ in 0..<300 {
            let sent = (0..<Int(random.below(400) + 1)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(unsafe write(b, sent, sent.count) == sent.count)
            var received: [UInt8] = []
            for _ in 0..<20 where received.count < sent.count {
                for done in ring.turn() {
                    if !done.more {
                        unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, 1, 0, 1)
                    }
                    guard done.result > 0 else { continue }
                    let (bytes, held) = take(buffers, done)
                    largest = max(largest, held.count)
                    received += bytes
                    for id in held { buffers.release(id) }
                }
                buffers.publish()
            }
            #expect(received == sent)
        }
        #expect(largest > 1, "a bundle was seen")
        #expect(buffers.held == 0)
    }

    /// The kernel sees `shownMax` of many, so that one turn cannot bring more; the rest is there for the next turn.
    @Test func oneTurnBringsNoMoreThanIsShown() throws {
        let ring = try TestRing()
        let buffers = try ProvidedBuffers(ring: ring.ring, count: 256, size: 64)
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        let sent = (0..<12_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        #expect(unsafe write(b, sent, sent.count) == sent.count)
        var received: [UInt8] = []
        var held: [UInt16] = []
        for _ in 0..<20 where received.count < sent.count {
            unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, 0, 0, 1)
            let before = held.count
            for done in ring.turn() where done.result > 0 {
                let (bytes, ids) = take(buffers, done)
                received += bytes
                held += ids
            }
            #expect(held.count - before <= ProvidedBuffers.shownMax)
            buffers.publish()
        }
        #expect(received == sent)
        #expect(Set(held).count == held.count, "every buffer is held once")
        #expect(buffers.free == 256 - held.count)
    }

    /// What came back last is still in the cache, and is filled first.
    @Test func whatCameBackLastIsFilledFirst() throws {
        let ring = try TestRing()
        let buffers = try ProvidedBuffers(ring: ring.ring, count: 128, size: 64)
        let (a, b) = socketPair()
        defer { close(a); close(b) }
        unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, 0, 0, 1)
        var seen: Set<UInt16> = []
        for _ in 0..<500 {
            #expect(unsafe write(b, "x", 1) == 1)
            for done in ring.turn() where done.result > 0 {
                for id in take(buffers, done).held {
                    seen.insert(id)
                    buffers.release(id)
                }
            }
            buffers.publish()
        }
        #expect(seen.count <= ProvidedBuffers.shownMax + 1, "\(seen.count) of 128 were touched")
    }

    @Test func theEndOfTheStreamHoldsNoBuffer() throws {
        let ring = try TestRing()
        let buffers = try ProvidedBuffers(ring: ring.ring, count: 4, size: 32)
        let (a, b) = socketPair()
        defer { close(a) }
        unsafe martlet_prep_recv_multishot(ring.ring.entry(), a, ProvidedBuffers.group, ring.ring.hasBundles ? 1 : 0, 0, 1)
        close(b)
        let done = try #require(ring.turns(until: 1).first)
        #expect(done.result == 0 && !done.more)
        #expect(!done.hasBuffer)
        #expect(buffers.held == 0)
    }
}
