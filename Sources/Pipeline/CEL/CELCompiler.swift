// `CELExpression` → `CELProgram` in a part's memory. Main thread. Functions, attributes and regular expressions are found now, and
// what there is none of is refused, as in Envoy; a name that means nothing is an error of each evaluation.

import Primitives
import Routing

package struct CELCompiler {
    private let arena: FrozenArena
    private let options: CELOptions
    private let knowsNode: Bool

    /// `knowsNode`: `xds.node` is the process's; else there is none, as wherever Envoy does not hand it on.
    package init(in arena: FrozenArena, _ options: CELOptions = CELOptions(), knowsNode: Bool = true) {
        self.arena = arena
        self.options = options
        self.knowsNode = knowsNode
    }

    package func compile(_ text: String) throws(CELError) -> CELProgram { try compile(try CELParser.parse(text)) }

    package func compile(_ expression: CELExpression) throws(CELError) -> CELProgram {
        unsafe CELProgram(root: arena.store(try node(expression)))
    }

    private func node(_ expression: CELExpression) throws(CELError) -> CELNode {
        switch expression.kind {
        case .constant(let constant): return CELCompiler.constant(value(constant))
        case .identifier(let name): return identifier(name)
        case .select(let operand, let field, let isTest): return try select(operand, field, isTest: isTest)
        case .chain(let isAnd, let operands): return try node(isAnd ? .and : .or, operands)
        case .list(let elements): return try node(.list, elements)
        case .map(let entries): return try node(.map, entries.flatMap { [$0.key, $0.value] })
        case .call(let name, let target, let arguments): return try call(name, target, arguments)
        }
    }

    private func node(_ op: CELOperation, _ operands: [CELExpression]) throws(CELError) -> CELNode {
        var nodes: [CELNode] = []
        for operand in operands { nodes.append(try node(operand)) }
        var result = CELNode(op)
        result.operands = arena.array(nodes)
        return result
    }

    private static func constant(_ value: CELValue) -> CELNode {
        var node = CELNode(.constant)
        node.value = value
        return node
    }

    private func value(_ constant: CELConstant) -> CELValue {
        switch constant {
        case .null: .null
        case .bool(let value): .bool(value)
        case .int(let value): .int(value)
        case .uint(let value): .uint(value)
        case .double(let value): .double(value)
        case .string(let value): .string(arena.text(value))
        case .bytes(let value): .bytes(arena.text(value))
        case .duration(let value): value.isTold ? .duration(value) : .error
        case .timestamp(let value): value.isTold ? .timestamp(value) : .error
        }
    }

    // MARK: Names

    private func identifier(_ name: String) -> CELNode {
        if name == "response" { return named(.response) }
        if let group = CELGroup.names[name] { return CELCompiler.constant(.group(group)) }
        if name == "metadata" { return named(.metadata) }
        if name == "upstream_filter_state" { return named(.upstreamFilterState) }
        if let type = CELType(name: name) { return CELCompiler.constant(.type(type)) }
        return CELCompiler.constant(.error)
    }

    private func select(_ operand: CELExpression, _ field: String, isTest: Bool) throws(CELError) -> CELNode {
        if let attribute = CELCompiler.attribute(operand, field) { return named(attribute, isTest: isTest) }
        var result = try node(isTest ? .has : .select, [operand])
        result.text = arena.text(field)
        return result
    }

    /// `request.path`
    private static func attribute(_ operand: CELExpression, _ field: String) -> CELAttribute? {
        guard case .identifier(let name) = operand.kind, let group = CELGroup.names[name] else { return nil }
        return field.withBytes { CELAttribute.find(group, $0) }
    }

    private func named(_ attribute: CELAttribute, isTest: Bool = false) -> CELNode {
        if attribute == .xdsNode, knowsNode, let node = arena.node {
            return CELCompiler.constant(isTest ? .bool(true) : unsafe .message(.node, arena.store(node(arena))))
        }
        var result = CELNode(isTest ? .hasAttribute : .attribute)
        result.attribute = attribute
        return result
    }

    // MARK: Calls

    private func call(_ name: String, _ target: CELExpression?, _ arguments: [CELExpression]) throws(CELError) -> CELNode {
        let operands = (target.map { [$0] } ?? []) + arguments
        // What the messages say of a chain.
        if target == nil, operands.count == 2, name == "_&&_" || name == "_||_" { return try node(name == "_&&_" ? .and : .or, operands) }
        guard let op = CELFunction.find(name, isMember: target != nil, operands: operands.count, options) else {
            throw CELError("No overload found in reference resolve step for \(name)")
        }
        if op == .index, case .constant(.string(let key)) = operands[1].kind,
            let attribute = CELCompiler.attribute(operands[0], String(decoding: key, as: UTF8.self))
        {
            return named(attribute)
        }
        var result = try node(op, operands)
        switch op {
        case .matches: result.regex = try regex(operands[1])
        case .fullYear, .month, .date, .dayOfMonth, .dayOfWeek, .dayOfYear, .hours, .minutes, .seconds, .milliseconds:
            if operands.count == 2 { try checkZone(operands[1]) }
        default: break
        }
        return result
    }

    /// A pattern that a request makes would be compiled for each of them.
    private func regex(_ pattern: CELExpression) throws(CELError) -> RegexProgram {
        guard case .constant(.string(let text)) = pattern.kind else {
            throw CELError("the pattern of matches() is no constant: Martlet compiles patterns when it reads them")
        }
        do throws(RegexProgram.Invalid) {
            let program = try RegexProgram(String(decoding: text, as: UTF8.self), ofCharacters: true)
            guard program.size <= CELLimits.regexSizeMax else {
                program.destroy()
                throw RegexProgram.Invalid(message: "")
            }
            arena.onDestroy { program.destroy() }
            return program
        } catch {
            throw CELError(
                error.message.isEmpty ? "regular expression exceeds max allowed size" : "invalid regular expression: \(error.message)")
        }
    }

    /// Martlet has no table of time zones.
    private func checkZone(_ zone: CELExpression) throws(CELError) {
        guard case .constant(.string(let text)) = zone.kind else { return }
        guard text.withBytes({ CELCalendar.offset($0) }) == nil else { return }
        throw CELError("the time zone '\(String(decoding: text, as: UTF8.self))' is neither UTC nor an offset such as -08:00")
    }
}
