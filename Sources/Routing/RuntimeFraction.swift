// Fractions of requests: `FractionalPercent` against a random value, as Envoy evaluates it.

package enum FractionDenominator: UInt32, Sendable {
    case hundred = 100
    case tenThousand = 10_000
    case million = 1_000_000
}

package struct Fraction {
    package var numerator: UInt32
    package var denominator: UInt32

    package init(_ numerator: UInt32, _ denominator: FractionDenominator) {
        self.numerator = numerator
        self.denominator = denominator.rawValue
    }

    /// From `MatchContext.runtimeFraction`'s answer: numerator in the low half, denominator in the high half.
    package init?(packed: UInt64) {
        let denominator = UInt32(truncatingIfNeeded: packed >> 32)
        guard denominator != 0 else { return nil }
        self.numerator = UInt32(truncatingIfNeeded: packed)
        self.denominator = denominator
    }

    package var packed: UInt64 { UInt64(denominator) << 32 | UInt64(numerator) }

    // HOT: per message.
    /// A numerator beyond the denominator holds always. One random value serves every fraction and weight of a
    /// request, as in Envoy: two routes with 50 % each therefore see the same requests.
    package func holds(_ random: UInt64) -> Bool {
        // `denominator` is never 0: both initialisers see to it.
        random % UInt64(max(denominator, 1)) < UInt64(numerator)
    }
}
