// Text → `CELExpression`, by recursive descent. What is left to compile has at most `CELLimits.depthMax` levels, and the parser
// itself goes no deeper; chains of one operator are loops.

package struct CELParser {
    private let text: [UInt8]
    private var lexer: CELLexer
    private var token: CELToken
    /// Expressions inside brackets and behind `?` that are being read.
    private var nesting = 0

    package static func parse(_ text: String) throws(CELError) -> CELExpression {
        guard text.unicodeScalars.count <= CELLimits.scalarsMax else {
            throw CELError("the expression has more than \(CELLimits.scalarsMax) characters")
        }
        var parser = try CELParser(Array(text.utf8))
        let expression = try parser.expression()
        guard parser.token.kind == .end else { throw parser.unexpected("the end") }
        return expression
    }

    private init(_ text: [UInt8]) throws(CELError) {
        self.text = text
        lexer = CELLexer(text)
        token = try lexer.next()
    }

    // MARK: Tokens

    private mutating func advance() throws(CELError) { token = try lexer.next() }

    private func isSymbol(_ symbol: String) -> Bool { token.kind == .symbol(symbol) }

    private mutating func take(_ symbol: String) throws(CELError) -> Bool {
        guard isSymbol(symbol) else { return false }
        try advance()
        return true
    }

    private mutating func expect(_ symbol: String) throws(CELError) {
        guard try take(symbol) else { throw unexpected("'\(symbol)'") }
    }

    private func unexpected(_ wanted: String) -> CELError { problem("expected \(wanted), found \(found)", at: token.start) }

    private func problem(_ message: String, at start: Int) -> CELError {
        CELError("\(CELLexer.position(start, in: text)): \(message)")
    }

    private var found: String {
        switch token.kind {
        case .identifier(let name): "'\(name)'"
        case .quoted(let name): "'`\(name)`'"
        case .int, .intMin, .uint, .double: "a number"
        case .string: "a text"
        case .bytes: "bytes"
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the end"
        }
    }

    // MARK: Operators, the weakest first

    private mutating func expression() throws(CELError) -> CELExpression {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= CELLimits.depthMax + 1 else {
            throw CELError("the expression is nested deeper than \(CELLimits.depthMax) levels")
        }
        let condition = try chain(isAnd: false)
        guard try take("?") else { return condition }
        let yes = try chain(isAnd: false)
        try expect(":")
        let no = try expression()
        return try CELExpression(.call("_?_:_", target: nil, [condition, yes, no]))
    }

    private mutating func chain(isAnd: Bool) throws(CELError) -> CELExpression {
        let first = isAnd ? try relation() : try chain(isAnd: true)
        guard isSymbol(isAnd ? "&&" : "||") else { return first }
        var operands = [first]
        while try take(isAnd ? "&&" : "||") { operands.append(isAnd ? try relation() : try chain(isAnd: true)) }
        return try CELExpression(.chain(isAnd: isAnd, operands))
    }

    private mutating func relation() throws(CELError) -> CELExpression {
        try binary([("<", "_<_"), ("<=", "_<=_"), (">", "_>_"), (">=", "_>=_"), ("==", "_==_"), ("!=", "_!=_"), ("in", "@in")]) {
            (parser: inout CELParser) throws(CELError) -> CELExpression in try parser.sum()
        }
    }

    private mutating func sum() throws(CELError) -> CELExpression {
        try binary([("+", "_+_"), ("-", "_-_")]) { (parser: inout CELParser) throws(CELError) -> CELExpression in try parser.product() }
    }

    private mutating func product() throws(CELError) -> CELExpression {
        try binary([("*", "_*_"), ("/", "_/_"), ("%", "_%_")]) { (parser: inout CELParser) throws(CELError) -> CELExpression in try parser.unary() }
    }

    /// Operands from left to right.
    private mutating func binary(
        _ operators: [(symbol: String, function: String)], _ operand: (inout CELParser) throws(CELError) -> CELExpression
    ) throws(CELError) -> CELExpression {
        var left = try operand(&self)
        while case .symbol(let symbol) = token.kind, let entry = operators.first(where: { $0.symbol == symbol }) {
            try advance()
            left = try CELExpression(.call(entry.function, target: nil, [left, try operand(&self)]))
        }
        return left
    }

    private mutating func unary() throws(CELError) -> CELExpression {
        if isSymbol("!") {
            var isOdd = false
            while try take("!") { isOdd.toggle() }
            let operand = try member()
            return isOdd ? try CELExpression(.call("!_", target: nil, [operand])) : operand
        }
        guard isSymbol("-") else { return try member() }
        var isOdd = false
        while try take("-") { isOdd.toggle() }
        // The last minus belongs to a number behind it.
        switch token.kind {
        case .int(let value): token.kind = .int(0 &- value)
        case .double(let value): token.kind = .double(-value)
        case .intMin: token.kind = .int(Int64.min)
        default:
            let operand = try member()
            return isOdd ? try CELExpression(.call("-_", target: nil, [operand])) : operand
        }
        let operand = try member()
        return isOdd ? operand : try CELExpression(.call("-_", target: nil, [operand]))
    }

    // MARK: Members

    private mutating func member() throws(CELError) -> CELExpression {
        var operand = try primary()
        while true {
            if try take("[") {
                let index = try expression()
                try expect("]")
                operand = try CELExpression(.call("_[_]", target: nil, [operand, index]))
            } else if try take(".") {
                operand = try field(of: operand)
            } else if isSymbol("{") {
                throw problem("messages are not made by Martlet", at: token.start)
            } else {
                return operand
            }
        }
    }

    private mutating func field(of operand: CELExpression) throws(CELError) -> CELExpression {
        let name: String
        switch token.kind {
        case .identifier(let identifier): name = identifier
        case .quoted(let quoted):
            try advance()
            return try CELExpression(.select(operand, field: quoted, isTest: false))
        default: throw unexpected("the name of a field")
        }
        let start = token.start
        try advance()
        guard try take("(") else { return try CELExpression(.select(operand, field: name, isTest: false)) }
        let arguments = try list(until: ")", mayEndWithComma: false)
        if CELParser.comprehensions[name]?.contains(arguments.count) == true {
            throw problem("Comprehension support is disabled: '\(name)' walks over a list", at: start)
        }
        return try CELExpression(.call(name, target: operand, arguments))
    }

    /// Macros that walk over lists, and how many arguments they have.
    private static let comprehensions = ["all": [2], "exists": [2], "exists_one": [2], "map": [2, 3], "filter": [2]]

    private static let reserved: Set<String> = [
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return",
        "var", "void", "while",
    ]

    private mutating func primary() throws(CELError) -> CELExpression {
        let start = token.start
        switch token.kind {
        case .symbol("("):
            try advance()
            let inner = try expression()
            try expect(")")
            return inner
        case .symbol("["):
            try advance()
            return try CELExpression(.list(try list(until: "]", mayEndWithComma: true)))
        case .symbol("{"):
            try advance()
            return try map()
        case .symbol("."):
            try advance()
            guard case .identifier(let name) = token.kind else { throw unexpected("a name") }
            return try identifier(name)
        case .identifier(let name): return try identifier(name)
        case .symbol("true"), .symbol("false"):
            let value = isSymbol("true")
            try advance()
            return try CELExpression(.constant(.bool(value)))
        case .symbol("null"):
            try advance()
            return try CELExpression(.constant(.null))
        case .int(let value): return try constant(.int(value))
        case .intMin: throw problem("a number is larger than 64 bits", at: start)
        case .uint(let value): return try constant(.uint(value))
        case .double(let value): return try constant(.double(value))
        case .string(let value): return try constant(.string(value))
        case .bytes(let value): return try constant(.bytes(value))
        default: throw unexpected("an operand")
        }
    }

    private mutating func constant(_ value: CELConstant) throws(CELError) -> CELExpression {
        try advance()
        return try CELExpression(.constant(value))
    }

    private mutating func identifier(_ name: String) throws(CELError) -> CELExpression {
        let start = token.start
        if CELParser.reserved.contains(name) { throw problem("reserved identifier: \(name)", at: start) }
        try advance()
        guard try take("(") else { return try CELExpression(.identifier(name)) }
        let arguments = try list(until: ")", mayEndWithComma: false)
        guard name == "has", arguments.count == 1 else { return try CELExpression(.call(name, target: nil, arguments)) }
        guard case .select(let operand, let field, isTest: false) = arguments[0].kind else {
            throw problem("has() argument must be a field selection", at: start)
        }
        return try CELExpression(.select(operand, field: field, isTest: true))
    }

    private mutating func list(until end: String, mayEndWithComma: Bool) throws(CELError) -> [CELExpression] {
        var elements: [CELExpression] = []
        while !isSymbol(end) {
            elements.append(try expression())
            guard try take(",") else { break }
            if isSymbol(end), !mayEndWithComma { throw unexpected("an operand") }
        }
        try expect(end)
        return elements
    }

    private mutating func map() throws(CELError) -> CELExpression {
        var entries: [(key: CELExpression, value: CELExpression)] = []
        while !isSymbol("}") {
            let key = try expression()
            try expect(":")
            entries.append((key, try expression()))
            guard try take(",") else { break }
        }
        try expect("}")
        return try CELExpression(.map(entries))
    }
}
