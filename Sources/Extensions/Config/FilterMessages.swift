// Reading a filter's messages: from wire bytes, and the parts that several filters have alike. Main thread.

import EnvoyAPI
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

enum Matchers {
    /// Nil, with a problem, for a matcher that this build does not have.
    static func header(_ message: HeaderMatcherMessage, _ path: String, _ problems: Problems) -> HeaderMatchSpec? {
        guard let value = headerValue(message, path, problems) else { return nil }
        return HeaderMatchSpec(
            message.name.lowercased(), value, invert: message.invertMatch,
            treatMissingAsEmpty: message.treatMissingHeaderAsEmpty)
    }

    private static func headerValue(
        _ message: HeaderMatcherMessage, _ path: String, _ problems: Problems
    ) -> HeaderMatchSpec.Value? {
        switch message.headerMatchSpecifier {
        case .exactMatch(let text): return .string(StringMatchSpec(.exact(text)))
        case .safeRegexMatch(let regex): return .string(StringMatchSpec(.regex(regex.regex)))
        case .prefixMatch(let text): return .string(StringMatchSpec(.prefix(text)))
        case .suffixMatch(let text): return .string(StringMatchSpec(.suffix(text)))
        case .containsMatch(let text): return .string(StringMatchSpec(.contains(text)))
        case .rangeMatch(let range): return .range(range.start, range.end)
        case .presentMatch(let present): return .present(present)
        case .stringMatch(let matcher): return string(matcher, path + ".string_match", problems).map { .string($0) }
        case .none: return .present(true)
        }
    }

    static func string(_ message: StringMatcherMessage, _ path: String, _ problems: Problems) -> StringMatchSpec? {
        let ignoreCase = message.ignoreCase
        switch message.matchPattern {
        case .exact(let text): return StringMatchSpec(.exact(text), ignoreCase: ignoreCase)
        case .prefix(let text): return StringMatchSpec(.prefix(text), ignoreCase: ignoreCase)
        case .suffix(let text): return StringMatchSpec(.suffix(text), ignoreCase: ignoreCase)
        case .contains(let text): return StringMatchSpec(.contains(text), ignoreCase: ignoreCase)
        case .safeRegex(let regex): return StringMatchSpec(.regex(regex.regex), ignoreCase: ignoreCase)
        case .custom(let custom):
            problems.add(
                path + ".custom",
                "Didn't find a registered implementation for '\(custom.name)' with type URL: '\(custom.typedConfig.typeURL.split(separator: "/").last ?? "")'")
            return nil
        case .none: return nil
        }
    }
}

typealias HeaderMatcherMessage = Envoy_Config_Route_V3_HeaderMatcher
typealias StringMatcherMessage = Envoy_Type_Matcher_V3_StringMatcher
typealias HeaderValueOptionMessage = Envoy_Config_Core_V3_HeaderValueOption

extension HeaderOption {
    init(_ message: HeaderValueOptionMessage) {
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
