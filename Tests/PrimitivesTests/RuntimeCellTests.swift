import Primitives
import Testing

@Suite struct RuntimeCellTests {
    private func cell(_ body: (RuntimeCell) -> Void) {
        let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        defer { unsafe word.deallocate() }
        unsafe word.initialize(to: 0)
        body(unsafe RuntimeCell(word))
    }

    @Test func valuesComeBackAsTheyWere() {
        let values: [RuntimeValue] = [
            .none, .integer(0), .integer(7), .integer(1 << 61), .fraction(numerator: 0, denominator: 100),
            .fraction(numerator: .max, denominator: 10_000), .fraction(numerator: 5, denominator: 1_000_000), .number(1.5),
            .number(-0.25), .number(0),
        ]
        cell { cell in
            for value in values {
                cell.set(value)
                #expect(cell.value == value)
            }
        }
    }

    @Test func integersAndNumbers() {
        cell { cell in
            #expect(cell.integer(default: 3) == 3)
            #expect(cell.number(default: 0.5) == 0.5)
            cell.set(.integer(8))
            #expect(cell.integer(default: 3) == 8)
            #expect(cell.number(default: 0.5) == 8)
            cell.set(.number(-1))
            #expect(cell.integer(default: 3) == 3)
            cell.set(.number(1.25))
            #expect(cell.integer(default: 3) == 1)
            #expect(cell.number(default: 0.5) == 1.25)
            cell.set(.fraction(numerator: 1, denominator: 100))
            #expect(cell.integer(default: 3) == 3)
            #expect(cell.number(default: 0.5) == 0.5)
        }
    }

    /// Sixty-two bits are enough for what any key means.
    @Test func anIntegerBeyondTheWordIsCut() {
        cell { cell in
            cell.set(.integer(.max))
            #expect(cell.value == .integer(.max >> 2))
        }
    }
}
