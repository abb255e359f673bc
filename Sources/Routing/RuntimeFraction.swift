// Fractions of requests: `FractionalPercent` against a random value, and what the runtime says in its place.

import Primitives

package enum FractionDenominator: UInt32, Sendable, BitwiseCopyable {
    case hundred = 100
    case tenThousand = 10_000
    case million = 1_000_000
}

package struct Fraction: BitwiseCopyable, Sendable {
    package var numerator: UInt32
    package var denominator: UInt32

    package init(_ numerator: UInt32, _ denominator: FractionDenominator) {
        self.numerator = numerator
        self.denominator = denominator.rawValue
    }

    // HOT: per message.
    /// A numerator beyond the denominator holds always. One random value serves every fraction and weight of a
    /// request, as in Envoy: two routes with 50 % each therefore see the same requests.
    package func holds(_ random: UInt64) -> Bool {
        // `denominator` is never 0: the initialiser sees to it.
        random % UInt64(max(denominator, 1)) < UInt64(numerator)
    }
}

/// `RuntimeFractionalPercent`.
package struct RuntimeFraction: BitwiseCopyable, Sendable {
    package var standard: Fraction
    /// Nil: there is no runtime key.
    package var cell: RuntimeCell?

    package init(_ standard: Fraction, cell: RuntimeCell? = nil) {
        self.standard = standard
        self.cell = cell
    }

    // HOT: per message.
    /// As Envoy's `featureEnabled`: the runtime's fraction, else its integer as a percentage, else the default.
    package func holds(_ random: UInt64) -> Bool { value.holds(random) }

    package var value: Fraction {
        guard let cell else { return standard }
        var fraction = standard
        let value = cell.value
        if case .fraction(let numerator, let denominator) = value {
            fraction.numerator = numerator
            fraction.denominator = denominator
        } else if let percent = value.integer {
            fraction.numerator = UInt32(truncatingIfNeeded: min(percent, 100))
            fraction.denominator = 100
        }
        return fraction
    }
}
