// Runtime keys of the configuration: each becomes a cell that the part keeps (`RuntimeTable`).

import EnvoyAPI
import Primitives
import Routing

struct RuntimeCompiler {
    let table: RuntimeTable
    let part: PlanPart

    /// Nil: no key, so the default counts always.
    func cell(_ key: String) -> RuntimeCell? {
        guard !key.isEmpty else { return nil }
        let table = table
        part.onDestroy { table.release(key) }
        return table.acquire(key)
    }

    func fraction(_ message: Envoy_Config_Core_V3_RuntimeFractionalPercent) -> RuntimeFraction {
        let standard = message.defaultValue
        return RuntimeFraction(
            Fraction(standard.numerator, RuntimeCompiler.denominator(standard.denominator)), cell: cell(message.runtimeKey))
    }

    static func denominator(_ type: Envoy_Type_V3_FractionalPercent.DenominatorType) -> FractionDenominator {
        switch type {
        case .tenThousand: .tenThousand
        case .million: .million
        default: .hundred
        }
    }
}

extension Compilation {
    func runtime(_ part: PlanPart) -> RuntimeCompiler { RuntimeCompiler(table: environment.runtime, part: part) }
}
