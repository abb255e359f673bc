// One value of the runtime (`layered_runtime`, `/runtime_modify`) as the data plane reads it: a word that main writes
// and that every thread reads, so that a change is seen with the next request and needs no new plan.
//
// Owner of the memory: Control's table of cells. Whoever holds a cell in frozen memory has its part keep it there.

import CMartlet

package enum RuntimeValue: Equatable, Sendable {
    case none
    case integer(UInt64)
    /// A `FractionalPercent`.
    case fraction(numerator: UInt32, denominator: UInt32)
    case number(Double)

    // Two bits of kind, 62 of value: one word, so that a reader never sees half a change.
    private static let valueMask = UInt64.max >> 2
    private static let denominators: [UInt32] = [100, 10_000, 1_000_000]

    /// Nil: none, or below zero.
    package var integer: UInt64? {
        switch self {
        case .integer(let value): value
        case .number(let value) where value >= 0: UInt64(exactly: value.rounded(.towardZero)) ?? .max
        case .number, .fraction, .none: nil
        }
    }

    package var packed: UInt64 {
        switch self {
        case .none: 0
        case .integer(let value): 1 << 62 | min(value, RuntimeValue.valueMask)
        case .fraction(let numerator, let denominator):
            2 << 62 | UInt64(RuntimeValue.denominators.firstIndex(of: denominator) ?? 0) << 32 | UInt64(numerator)
        case .number(let value): 3 << 62 | value.bitPattern >> 2
        }
    }

    package init(packed: UInt64) {
        let value = packed & RuntimeValue.valueMask
        switch packed >> 62 {
        case 1: self = .integer(value)
        case 2:
            let denominator: UInt32 =
                switch value >> 32 {
                case 1: 10_000
                case 2: 1_000_000
                default: 100
                }
            self = .fraction(numerator: UInt32(truncatingIfNeeded: value), denominator: denominator)
        case 3: self = .number(Double(bitPattern: value << 2))
        default: self = .none
        }
    }
}

@safe
package struct RuntimeCell: BitwiseCopyable, @unchecked Sendable {  // one writer; a word, stored and loaded whole
    private let word: UnsafeMutablePointer<UInt64>

    package init(_ word: UnsafeMutablePointer<UInt64>) { unsafe self.word = unsafe word }

    // HOT: per message.
    package var value: RuntimeValue { unsafe RuntimeValue(packed: cmartlet_load_relaxed(word)) }

    package func set(_ value: RuntimeValue) { unsafe cmartlet_store_relaxed(word, value.packed) }

    /// Envoy's `getInteger`: what is no number, or below zero, counts as not there; what follows the point is cut off.
    package func integer(default value: UInt64) -> UInt64 { self.value.integer ?? value }

    /// Envoy's `getDouble`.
    package func number(default value: Double) -> Double {
        switch self.value {
        case .integer(let set): Double(set)
        case .number(let set): set
        case .fraction, .none: value
        }
    }
}
