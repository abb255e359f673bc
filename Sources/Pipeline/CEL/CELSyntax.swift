// An expression of the Common Expression Language as it was written: made by `CELParser` of text, or of the messages that
// configuration carries, and compiled by `CELCompiler`. Main thread.

package struct CELExpression {
    package indirect enum Kind {
        case constant(CELConstant)
        case identifier(String)
        /// `operand.field`; with `isTest` `has(operand.field)`.
        case select(CELExpression, field: String, isTest: Bool)
        /// Operators have the names that the messages give them: `_+_`, `_[_]`, `!_`, `@in`, `_?_:_`.
        case call(String, target: CELExpression?, [CELExpression])
        /// A chain of `&&` or of `||`.
        case chain(isAnd: Bool, [CELExpression])
        case list([CELExpression])
        case map([(key: CELExpression, value: CELExpression)])
    }

    package let kind: Kind
    /// Levels, this one among them.
    package let depth: Int

    /// Throws what is nested too deep.
    package init(_ kind: Kind) throws(CELError) {
        let below: Int
        switch kind {
        case .constant, .identifier: below = 0
        case .select(let operand, _, _): below = operand.depth
        case .call(_, let target, let operands): below = max(target?.depth ?? 0, operands.map(\.depth).max() ?? 0)
        case .chain(_, let operands), .list(let operands): below = operands.map(\.depth).max() ?? 0
        case .map(let entries): below = entries.map { max($0.key.depth, $0.value.depth) }.max() ?? 0
        }
        guard below < CELLimits.depthMax else {
            throw CELError("the expression is nested deeper than \(CELLimits.depthMax) levels")
        }
        self.kind = kind
        depth = below + 1
    }
}

package enum CELConstant {
    case null
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    case double(Double)
    case string([UInt8])
    case bytes([UInt8])
    case duration(CELTime)
    case timestamp(CELTime)
}

/// `docs/limits.md` §expressions; the first three are Envoy 1.40's.
package enum CELLimits {
    package static let depthMax = 32
    package static let scalarsMax = 100_000
    /// Of a regular expression, in RE2's instructions.
    package static let regexSizeMax = 100
    /// What one evaluation may put together: texts that are joined, cut and replaced, lists and maps.
    package static let scratchBytesMax = 1 << 20
}

/// A wrong expression.
package struct CELError: Error, Equatable {
    package var message: String
    package init(_ message: String) { self.message = message }
}

/// What `cel_config` allows beyond the standard.
package struct CELOptions: Equatable, Sendable {
    /// `string()`
    package var converts = false
    /// `+` of texts and of bytes.
    package var joins = false
    /// `replace`, `split`, `lowerAscii` and their like.
    package var hasStringFunctions = false
    package init() {}
}
