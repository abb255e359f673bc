import Primitives
import Testing

@Suite struct FrozenTests {
    @Test func valuesStayWhereTheyAre() {
        let arena = FrozenArena()
        var places: [UnsafePointer<UInt64>] = unsafe []
        for i in 0..<2_000 { unsafe places.append(arena.store(UInt64(i))) }
        for i in 0..<2_000 {
            #expect(unsafe places[i].pointee == UInt64(i))
            #expect(unsafe UInt(bitPattern: places[i]) % 8 == 0, "aligned")
        }
        #expect(arena.bytes >= 16_000)
    }

    @Test func textsDoNotDisturbAlignment() {
        let arena = FrozenArena()
        for length in 0..<100 {
            let text = arena.text(String(repeating: "x", count: length))
            let number = unsafe arena.store(UInt64(length))
            #expect(text.count == length)
            #expect(unsafe number.pointee == UInt64(length) && UInt(bitPattern: number) % 8 == 0)
        }
    }

    /// A cluster's part: a few names, then its configuration, which is larger than what is left.
    @Test func aPartTakesLittleMoreThanItHolds() {
        for size in [600, 1_200, 3_000, 9_000] {
            let arena = FrozenArena()
            var used = 0
            for length in [30, 12, size, 40, 500] {
                used += arena.text(String(repeating: "x", count: length)).count
            }
            #expect(arena.bytes <= used + max(used / 2, 512) + 512, "\(used) bytes took \(arena.bytes)")
        }
    }

    @Test func arrays() {
        let arena = FrozenArena()
        let empty = arena.array([UInt32]())
        #expect(empty.isEmpty && empty.count == 0)
        let large = arena.array((0..<10_000).map { UInt32($0) })
        #expect(large.count == 10_000 && large[9_999] == 9_999)
        #expect(unsafe large.pointer(5).pointee == 5)
        #expect(arena.text([UInt8]()).isEmpty)
        #expect(String(arena.text([0x68, 0x69])) == "hi")
    }
}

@Suite struct PlainArrayTests {
    @Test func growsAndShrinks() {
        var array = PlainArray<Int>(capacity: 1)
        defer { array.destroy() }
        for i in 0..<1000 { array.append(i) }
        #expect(array.count == 1000 && array[999] == 999)
        array.removeFirst(10)
        #expect(array.count == 990 && array[0] == 10 && array[989] == 999)
        array.removeFirst(0)
        array.swapRemove(0)
        #expect(array.count == 989 && array[0] == 999)
        #expect(array.popLast() == 998)
        array.removeAll()
        #expect(array.isEmpty && array.popLast() == nil)
    }
}

@Suite struct RandomTests {
    @Test func aSeedGivesItsSequence() {
        var a = Random(seed: 1)
        var b = Random(seed: 1)
        var c = Random(seed: 2)
        let first = (0..<100).map { _ in a.next() }
        #expect(first == (0..<100).map { _ in b.next() })
        #expect(first != (0..<100).map { _ in c.next() })
    }

    @Test func belowItsBound() {
        var random = Random(seed: 3)
        #expect(random.below(0) == 0 && random.below(1) == 0)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[Int(random.below(7))] += 1 }
        #expect(counts.allSatisfy { (9_500...10_500).contains($0) })
    }
}
