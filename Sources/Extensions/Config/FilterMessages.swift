// Reading a filter's messages: from wire bytes, and the parts that several filters have alike. Main thread.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing
import Stats

extension FilterInput {
    func message<M: SwiftProtobuf.Message>(_ type: M.Type) throws(FilterProblems) -> M {
        do {
            return try M(serializedBytes: bytes)
        } catch {
            throw FilterProblems("", "not a \(M.protoMessageName)")
        }
    }

    /// A scope's base.
    func scope<Leaf: StatLeaf>(_ prefix: String, leaf: Leaf.Type) -> StatID { scope(prefix, leaf) }
}

/// What was found wrong, all of it.
final class Problems {
    private(set) var list: [FilterProblem] = []

    func add(
        _ path: String, _ message: String, found: String? = nil, expected: String? = nil, suggestion: String? = nil
    ) {
        list.append(FilterProblem(path, message, found: found, expected: expected, suggestion: suggestion))
    }

    func add(_ path: String, _ errors: RoutingErrors) {
        for error in errors.list {
            let isRegex = error.field.hasSuffix("regex")
            add(path.isEmpty ? error.field : path + "." + error.field, isRegex ? "invalid regex: \(error.message)" : error.message)
        }
    }

    /// Throws when there is anything.
    func check() throws(FilterProblems) { if !list.isEmpty { throw FilterProblems(list) } }
}

/// Where a matcher stands in a filter's message.
struct ProblemPlace: MatcherPlace {
    private let path: String
    private let problems: Problems

    init(_ path: String, _ problems: Problems) {
        self.path = path
        self.problems = problems
    }

    func at(_ field: StaticString) -> ProblemPlace { ProblemPlace("\(path).\(field)", problems) }
    func at(_ field: StaticString, _ index: Int) -> ProblemPlace { ProblemPlace("\(path.isEmpty ? "" : path + ".")\(field)[\(index)]", problems) }
    func error(_ message: String) { problems.add(path, message) }
    func error(in field: String, _ message: String) { problems.add("\(path).\(field)", message) }
}

typealias StringMatcherMessage = Envoy_Type_Matcher_V3_StringMatcher
typealias HeaderValueOptionMessage = Envoy_Config_Core_V3_HeaderValueOption

extension HeaderOption {
    init(_ message: HeaderValueOptionMessage) throws(FormatError) {
        if message.hasAppend, message.appendAction != .appendIfExistsOrAdd {
            throw FormatError("Both append and append_action are set and it's not allowed")
        }
        let header = message.header
        let value = header.value.isEmpty ? String(decoding: header.rawValue, as: UTF8.self) : header.value
        self.init(
            name: header.key, value: value, action: HeaderOption.action(message), keepsEmpty: message.keepEmptyValue)
    }

    private static func action(_ message: HeaderValueOptionMessage) -> HeaderAction {
        if message.hasAppend { return message.append.value ? .appendIfExistsOrAdd : .overwriteIfExistsOrAdd }
        switch message.appendAction {
        case .addIfAbsent: return .addIfAbsent
        case .overwriteIfExistsOrAdd: return .overwriteIfExistsOrAdd
        case .overwriteIfExists: return .overwriteIfExists
        default: return .appendIfExistsOrAdd
        }
    }
}

extension PlainArray {
    /// A filter's own copy of what its factory has gathered: workers share no reference.
    init(copying values: [Element]) {
        self.init(capacity: Swift.max(values.count, 1))
        for value in values { append(value) }
    }
}
