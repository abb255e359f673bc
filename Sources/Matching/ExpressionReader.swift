// Expressions that whoever wrote the configuration has parsed: messages → `CELExpression`.

import EnvoyAPI
import Pipeline

/// How deep they are nested is limited by `CELExpression` itself, and before that by protobuf.
package enum ExpressionReader {
    private typealias Expr = Cel_Expr_Expr

    /// Nil: none is set. What was also checked goes first.
    package static func read(_ message: Xds_Type_V3_CelExpression) throws(CELError) -> CELExpression? {
        if message.hasCelExprChecked { return try read(message.celExprChecked.expr) }
        if message.hasCelExprParsed { return try read(message.celExprParsed.expr) }
        switch message.exprSpecifier {
        case .checkedExpr(let checked): return try read(checked.expr)
        case .parsedExpr(let parsed): return try read(parsed.expr)
        case nil: return nil
        }
    }

    package static func read(_ message: Cel_Expr_Expr) throws(CELError) -> CELExpression {
        switch message.exprKind {
        case .constExpr(let constant):
            guard constant.constantKind != nil else { throw CELError("a constant has no value") }
            return try CELExpression(.constant(value(constant)))
        case .identExpr(let identifier):
            guard !identifier.name.isEmpty else { throw CELError("an identifier has no name") }
            return try CELExpression(.identifier(named(identifier.name)))
        case .selectExpr(let select):
            guard !select.field.isEmpty else { throw CELError("a selection names no field") }
            return try CELExpression(.select(try read(select.operand), field: select.field, isTest: select.testOnly))
        case .callExpr(let call): return try read(call)
        case .listExpr(let list):
            guard list.optionalIndices.isEmpty else { throw CELError("optional elements of a list are not evaluated") }
            return try CELExpression(.list(try read(list.elements)))
        case .structExpr(let structure):
            guard structure.messageName.isEmpty else { throw CELError("messages ('\(structure.messageName)') are not made by Martlet") }
            var entries: [(key: CELExpression, value: CELExpression)] = []
            for entry in structure.entries { entries.append((try read(entry.mapKey), try read(entry.value))) }
            return try CELExpression(.map(entries))
        case .comprehensionExpr: throw CELError("Comprehension support is disabled")
        case nil: throw CELError("Invalid empty expression")
        }
    }

    private static func read(_ messages: [Expr]) throws(CELError) -> [CELExpression] {
        var expressions: [CELExpression] = []
        for message in messages { expressions.append(try read(message)) }
        return expressions
    }

    /// A chain of one operator is a tree in the message: what stands in it of the same operator belongs to the chain.
    private static func read(_ call: Expr.Call) throws(CELError) -> CELExpression {
        if call.function == "_&&_" || call.function == "_||_", !call.hasTarget, call.args.count == 2 {
            var operands: [CELExpression] = []
            var rest = Array(call.args.reversed())
            while let next = rest.popLast() {
                if case .callExpr(let inner) = next.exprKind, inner.function == call.function, !inner.hasTarget, inner.args.count == 2 {
                    rest += inner.args.reversed()
                } else {
                    operands.append(try read(next))
                }
            }
            return try CELExpression(.chain(isAnd: call.function == "_&&_", operands))
        }
        return try CELExpression(
            .call(call.function, target: call.hasTarget ? try read(call.target) : nil, try read(call.args)))
    }

    /// Without the point of a name that is looked for in no namespace.
    private static func named(_ name: String) -> String { name.hasPrefix(".") ? String(name.dropFirst()) : name }

    private static func value(_ constant: Cel_Expr_Constant) -> CELConstant {
        switch constant.constantKind {
        case .boolValue(let value): .bool(value)
        case .int64Value(let value): .int(value)
        case .uint64Value(let value): .uint(value)
        case .doubleValue(let value): .double(value)
        case .stringValue(let value): .string(Array(value.utf8))
        case .bytesValue(let value): .bytes(Array(value))
        case .durationValue(let value): time(value.seconds, value.nanos).map { .duration($0) } ?? .null
        case .timestampValue(let value): time(value.seconds, value.nanos).map { .timestamp($0) } ?? .null
        case .nullValue, nil: .null
        }
    }

    /// protobuf's: nanoseconds have the sign of the seconds. Nil: they are none.
    private static func time(_ seconds: Int64, _ nanoseconds: Int32) -> CELTime? {
        guard nanoseconds > -1_000_000_000, nanoseconds < 1_000_000_000 else { return nil }
        return nanoseconds < 0
            ? CELTime(seconds: seconds &- 1, nanoseconds: nanoseconds &+ 1_000_000_000)
            : CELTime(seconds: seconds, nanoseconds: nanoseconds)
    }
}
