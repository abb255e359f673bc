import CMartlet
import Primitives
import Testing

@Suite struct SlabTests {
    @Test func aFreedEntrysHandleIsStale() throws {
        var slab = Slab<Int>(capacity: 64)
        defer { slab.destroy() }
        let (first, value) = try unsafe #require(slab.allocate())
        unsafe value.initialize(to: 7)
        #expect(unsafe slab[first]?.pointee == 7)
        slab.free(first)
        #expect(unsafe slab[first] == nil)
        let (second, _) = try unsafe #require(slab.allocate())
        #expect(second.slot == first.slot, "the slot is used again")
        #expect(second != first)
        #expect(unsafe slab[first] == nil)
        #expect(unsafe slab[second] != nil)
    }

    @Test func entriesNeverMove() throws {
        var slab = Slab<UInt64>(capacity: 10_000)
        defer { slab.destroy() }
        var handles: [Handle] = []
        var places: [UInt] = []
        for i in 0..<10_000 {
            let (handle, value) = try unsafe #require(slab.allocate())
            unsafe value.initialize(to: UInt64(i))
            handles.append(handle)
            places.append(UInt(bitPattern: value))
        }
        for (i, handle) in handles.enumerated() {
            let value = try unsafe #require(slab[handle])
            #expect(unsafe UInt(bitPattern: value) == places[i] && value.pointee == UInt64(i))
        }
        #expect(Set(places).count == places.count)
    }

    @Test func aFullSlabSaysSo() throws {
        var slab = Slab<Int>(capacity: 64)
        defer { slab.destroy() }
        var last = Handle.none
        for _ in 0..<64 { last = try unsafe #require(slab.allocate()).handle }
        #expect(unsafe slab.allocate() == nil)
        #expect(slab.count == 64)
        slab.free(last)
        #expect(unsafe slab.allocate() != nil)
    }

    @Test func handlesThatNameNothing() {
        var slab = Slab<Int>(capacity: 64)
        defer { slab.destroy() }
        #expect(unsafe slab[.none] == nil, "an empty slab")
        _ = unsafe slab.allocate()
        #expect(unsafe slab[.none] == nil)
        #expect(unsafe slab[Handle(slot: 5_000_000, generation: 1)] == nil, "a slot beyond the slab")
        #expect(unsafe slab[Handle(slot: 1, generation: 1)] == nil, "a slot that is free")
    }

    @Test func aHandleLeavesTheTopByteAlone() {
        let handle = Handle(slot: .max, generation: .max)
        #expect(handle.raw >> 56 == 0)
        #expect(Handle(raw: handle.raw | 0xab << 56) == handle)
        #expect(handle.slot == .max && handle.generation == 0xff_ffff)
        #expect(Handle.none.isNone)
    }

    /// After 2²⁴ uses of one slot the generation starts again at 1, never at 0, which names nothing.
    @Test func generationsWrapPastZero() throws {
        var slab = Slab<UInt8>(capacity: 1, firstGeneration: 0xff_ff00)
        defer { slab.destroy() }
        var generation: UInt32 = 0xff_ff00
        var slot: UInt32?
        for _ in 0..<600 {
            let handle = try unsafe #require(slab.allocate()).handle
            #expect(handle.slot == slot ?? handle.slot, "one slot all the time")
            #expect(handle.generation == generation)
            #expect(unsafe slab[handle] != nil)
            slot = handle.slot
            slab.free(handle)
            #expect(unsafe slab[handle] == nil)
            generation = generation == 0xff_ffff ? 1 : generation + 1
        }
        #expect(generation == 345, "past the end")
    }

    /// Every carry on the way there.
    @Test(arguments: 1..<24) func generationsCountUp(bits: UInt32) throws {
        var slab = Slab<UInt8>(capacity: 1, firstGeneration: 1 << bits - 1)
        defer { slab.destroy() }
        for generation in (1 << bits - 1)...(1 << bits + 1) as ClosedRange<UInt32> {
            let handle = try unsafe #require(slab.allocate()).handle
            #expect(handle.generation == generation)
            slab.free(handle)
        }
    }

    @Test func forEachSeesWhatIsInUseAndMayFreeIt() throws {
        var slab = Slab<Int>(capacity: 300)
        defer { slab.destroy() }
        var handles: [Handle] = []
        for i in 0..<300 {
            let (handle, value) = try unsafe #require(slab.allocate())
            unsafe value.initialize(to: i)
            handles.append(handle)
        }
        for i in stride(from: 0, to: 300, by: 2) { slab.free(handles[i]) }
        var seen: [Int] = []
        unsafe slab.forEach { unsafe seen.append($0.pointee) }
        #expect(seen == Array(stride(from: 1, to: 300, by: 2)))
        let copy = slab
        unsafe copy.forEach { value in unsafe slab.free(handles[value.pointee]) }
        #expect(slab.count == 0)
    }

    /// Under the address sanitizer a free entry cannot be read; without it nothing is poisoned.
    @Test func aFreeEntryIsPoisoned() throws {
        var slab = Slab<UInt64>(capacity: 64)
        defer { slab.destroy() }
        let (handle, value) = try unsafe #require(slab.allocate())
        unsafe value.initialize(to: 1)
        #expect(unsafe martlet_is_poisoned(value) == 0)
        #expect(unsafe slab.current(handle.slot) == value)
        slab.free(handle)
        #expect(unsafe martlet_is_poisoned(value) == martlet_poisons())
        #expect(unsafe slab.current(handle.slot) == nil)
    }

    /// Random operations against a dictionary.
    @Test func randomUseEqualsAReference() throws {
        var slab = Slab<UInt64>(capacity: 1000)
        defer { slab.destroy() }
        var random = Random(seed: 11)
        var live: [UInt64: UInt64] = [:]
        var dead: [UInt64] = []
        for step in 0..<50_000 {
            switch random.below(3) {
            case 0, 1:
                let (handle, value) = try unsafe #require(slab.allocate())
                #expect(live[handle.raw] == nil)
                unsafe value.initialize(to: UInt64(step))
                live[handle.raw] = UInt64(step)
            default:
                guard let victim = live.keys.dropFirst(Int(random.below(UInt64(live.count)))).first else { continue }
                slab.free(Handle(raw: victim))
                live[victim] = nil
                dead.append(victim)
            }
            #expect(slab.count == live.count)
            if step % 1000 == 0 {
                for (raw, value) in live { #expect(unsafe slab[Handle(raw: raw)]?.pointee == value) }
                for raw in dead.suffix(500) { #expect(unsafe slab[Handle(raw: raw)] == nil) }
            }
            if live.count >= 900 { break }
        }
    }
}
