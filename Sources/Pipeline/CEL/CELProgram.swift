// A compiled expression: frozen plain memory, made by main (`CELCompiler`), evaluated by every worker (`CELEvaluator`).

import Primitives
import Routing

@safe
package struct CELProgram: BitwiseCopyable {
    let root: UnsafePointer<CELNode>
}

@safe
struct CELNode: BitwiseCopyable {
    var op: CELOperation
    var attribute = CELAttribute.metadata
    /// A constant's.
    var value = CELValue.error
    /// The field of a selection.
    var text = Bytes.empty
    /// The pattern of `matches`.
    var regex: RegexProgram?
    var operands = FrozenArray<CELNode>()

    init(_ op: CELOperation) { self.op = op }
}

/// What a node does with its operands; nothing but what stands here is ever evaluated.
enum CELOperation: UInt8, BitwiseCopyable {
    case constant, attribute, hasAttribute, select, has, index
    case and, or, choose, not, negate
    case equal, unequal, less, lessOrEqual, greater, greaterOrEqual, contained
    case add, subtract, multiply, divide, remainder
    /// `+` where texts may be joined.
    case addOrJoin
    case list, map
    case size, contains, startsWith, endsWith, matches
    case toInt, toUint, toDouble, toBool, toBytes, toString, toDuration, toTimestamp, typeOf, same
    case fullYear, month, date, dayOfMonth, dayOfWeek, dayOfYear, hours, minutes, seconds, milliseconds
    // `enable_string_functions`
    case lowerASCII, upperASCII, trim, reverse, characterAt, indexOf, lastIndexOf, substring, replace, split, join
}

/// What may be called: by its name, whether something stands in front of its point, and how many operands it has, that among them.
struct CELFunction {
    let name: String
    let isMember: Bool
    let operands: ClosedRange<Int>
    let op: CELOperation

    private init(_ name: String, _ op: CELOperation, _ operands: ClosedRange<Int>, isMember: Bool) {
        self.name = name
        self.op = op
        self.operands = operands
        self.isMember = isMember
    }

    static func find(_ name: String, isMember: Bool, operands: Int, _ options: CELOptions) -> CELOperation? {
        func among(_ functions: [CELFunction]) -> CELOperation? {
            functions.first { $0.name == name && $0.isMember == isMember && $0.operands.contains(operands) }?.op
        }
        if name == "_+_", options.joins, operands == 2 { return .addOrJoin }
        if name == "string", options.converts, !isMember, operands == 1 { return .toString }
        return among(standard) ?? (options.hasStringFunctions ? among(ofTexts) : nil)
    }

    private static let standard: [CELFunction] = {
        let operators: [(String, CELOperation, Int)] = [
            ("!_", .not, 1), ("-_", .negate, 1), ("_==_", .equal, 2), ("_!=_", .unequal, 2), ("_<_", .less, 2), ("_<=_", .lessOrEqual, 2),
            ("_>_", .greater, 2), ("_>=_", .greaterOrEqual, 2), ("@in", .contained, 2), ("_in_", .contained, 2), ("in", .contained, 2),
            ("_+_", .add, 2), ("_-_", .subtract, 2), ("_*_", .multiply, 2), ("_/_", .divide, 2), ("_%_", .remainder, 2),
            ("_?_:_", .choose, 3), ("_[_]", .index, 2), ("int", .toInt, 1), ("uint", .toUint, 1), ("double", .toDouble, 1),
            ("bool", .toBool, 1), ("bytes", .toBytes, 1), ("duration", .toDuration, 1), ("timestamp", .toTimestamp, 1),
            ("type", .typeOf, 1), ("dyn", .same, 1),
        ]
        let both: [(String, CELOperation, Int)] = [
            ("size", .size, 1), ("contains", .contains, 2), ("startsWith", .startsWith, 2), ("endsWith", .endsWith, 2), ("matches", .matches, 2),
        ]
        let times: [(String, CELOperation)] = [
            ("getFullYear", .fullYear), ("getMonth", .month), ("getDate", .date), ("getDayOfMonth", .dayOfMonth), ("getDayOfWeek", .dayOfWeek),
            ("getDayOfYear", .dayOfYear), ("getHours", .hours), ("getMinutes", .minutes), ("getSeconds", .seconds),
            ("getMilliseconds", .milliseconds),
        ]
        return operators.map { CELFunction($0.0, $0.1, $0.2...$0.2, isMember: false) }
            + both.flatMap { entry in [false, true].map { CELFunction(entry.0, entry.1, entry.2...entry.2, isMember: $0) } }
            + times.map { CELFunction($0.0, $0.1, 1...2, isMember: true) }
    }()

    private static let ofTexts: [CELFunction] = [
        CELFunction("lowerAscii", .lowerASCII, 1...1, isMember: true), CELFunction("upperAscii", .upperASCII, 1...1, isMember: true),
        CELFunction("trim", .trim, 1...1, isMember: true), CELFunction("reverse", .reverse, 1...1, isMember: true),
        CELFunction("charAt", .characterAt, 2...2, isMember: true), CELFunction("indexOf", .indexOf, 2...3, isMember: true),
        CELFunction("lastIndexOf", .lastIndexOf, 2...3, isMember: true), CELFunction("substring", .substring, 2...3, isMember: true),
        CELFunction("replace", .replace, 3...4, isMember: true), CELFunction("split", .split, 2...3, isMember: true),
        CELFunction("join", .join, 1...2, isMember: true),
    ]
}
