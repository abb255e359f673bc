// A matcher tree (`xds.type.matcher.v3.Matcher`) over requests, into a `RequestMatcher`.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing

private typealias Tree = Xds_Type_Matcher_V3_Matcher
private typealias ExpressionMatcher = Xds_Type_Matcher_V3_CelMatcher

struct RequestMatcherCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }
    private var arena: FrozenArena { part.arena }

    /// `action`: the number of an action; nil: it is none of those `expected`.
    typealias ActionReader = (_ action: ProtobufAny) -> UInt32?

    func compile(
        _ message: Xds_Type_Matcher_V3_Matcher, _ place: Place, expected: String, _ action: @escaping ActionReader
    ) -> UnsafePointer<RequestMatcher> {
        var matcher = RequestMatcher()
        let read = (message: expected, read: action)
        switch message.matcherType {
        case .matcherList(let list):
            let at = place.at("matcher_list")
            matcher.rules = arena.array(
                list.matchers.enumerated().map { i, rule in
                    var compiled = MatchRule()
                    compiled.predicate = predicate(rule.predicate, at.at("matchers", i).at("predicate"))
                    compiled.outcome = outcome(rule.onMatch, at.at("matchers", i).at("on_match"), read)
                    return compiled
                })
        case .matcherTree(let tree): self.tree(tree, place.at("matcher_tree"), read, &matcher)
        case nil: break
        }
        if message.hasOnNoMatch { matcher.otherwise = outcome(message.onNoMatch, place.at("on_no_match"), read) }
        return unsafe arena.store(matcher)
    }

    private typealias Actions = (message: String, read: ActionReader)

    private func tree(_ tree: Tree.MatcherTree, _ place: Place, _ actions: Actions, _ matcher: inout RequestMatcher) {
        matcher.input = input(tree.input, place.at("input"))
        if matcher.input.source == .attributes, isMap(tree) {
            diagnostics.error(
                place.at("input"), "Unsupported data input type: cel_data_input, currently only string type is supported in map matcher",
                expected: "an input that is a text, or a predicate of matcher_list with a custom_match")
        }
        switch tree.treeType {
        case .exactMatchMap(let map):
            matcher.kind = .exact
            matcher.rules = arena.array(rules(map, place.at("exact_match_map").at("map"), actions))
        case .prefixMatchMap(let map):
            matcher.kind = .prefix
            matcher.rules = arena.array(
                rules(map, place.at("prefix_match_map").at("map"), actions).sorted { $0.key.count > $1.key.count })
        case .customMatch(let custom): unknown(custom, place.at("custom_match"), expected: "exact_match_map or prefix_match_map")
        case nil: break
        }
    }

    private func isMap(_ tree: Tree.MatcherTree) -> Bool {
        if case .customMatch = tree.treeType { false } else { true }
    }

    private func rules(_ map: Tree.MatcherTree.MatchMap, _ place: Place, _ actions: Actions) -> [MatchRule] {
        map.map.sorted { $0.key < $1.key }.map { key, value in
            var rule = MatchRule()
            rule.key = arena.text(key)
            rule.outcome = outcome(value, place.at(name: key), actions)
            return rule
        }
    }

    private func outcome(_ message: Tree.OnMatch, _ place: Place, _ actions: Actions) -> MatchOutcome {
        var outcome = MatchOutcome()
        switch message.onMatch {
        case .matcher(let inner):
            unsafe outcome.matcher = unsafe compile(inner, place.at("matcher"), expected: actions.message, actions.read)
        case .action(let action):
            outcome.action = actions.read(action.typedConfig)
            if outcome.action == nil { unknown(action, place.at("action"), expected: actions.message) }
        case nil: break
        }
        // What goes on matching comes to nothing by itself.
        return message.keepMatching ? MatchOutcome() : outcome
    }

    // MARK: Conditions

    private func predicate(_ message: Tree.MatcherList.Predicate, _ place: Place) -> MatchPredicate {
        switch message.matchType {
        case .singlePredicate(let single): return self.single(single, place.at("single_predicate"))
        case .orMatcher(let list): return several(.any, list, place.at("or_matcher"))
        case .andMatcher(let list): return several(.all, list, place.at("and_matcher"))
        case .notMatcher(let inner):
            var not = MatchPredicate(.not)
            not.inner = arena.array([predicate(inner, place.at("not_matcher"))])
            return not
        case nil: return MatchPredicate(.any)
        }
    }

    private func several(
        _ kind: MatchPredicate.Kind, _ list: Tree.MatcherList.Predicate.PredicateList, _ place: Place
    ) -> MatchPredicate {
        var predicate = MatchPredicate(kind)
        predicate.inner = arena.array(list.predicate.enumerated().map { self.predicate($1, place.at("predicate", $0)) })
        return predicate
    }

    private func single(_ message: Tree.MatcherList.Predicate.SinglePredicate, _ place: Place) -> MatchPredicate {
        var predicate = MatchPredicate(.value)
        predicate.input = input(message.input, place.at("input"))
        switch message.matcher {
        case .valueMatch(let value):
            predicate.value = text(value, place.at("value_match"))
            if predicate.input.source == .attributes { mismatch("cel_data_input", place, expected: "custom_match with a CelMatcher") }
        case .customMatch(let custom):
            predicate.kind = .expression
            predicate.program = expression(custom, place.at("custom_match"))
            if predicate.input.source != .attributes { mismatch("string", place, expected: "HttpAttributesCelMatchInput as the input") }
        case nil: break
        }
        return predicate
    }

    private func expression(_ custom: Xds_Core_V3_TypedExtensionConfig, _ place: Place) -> CELProgram? {
        guard custom.typedConfig.messageName == ExpressionMatcher.protoMessageName else {
            unknown(custom, place, expected: "value_match, or a CelMatcher")
            return nil
        }
        guard let message = try? ExpressionMatcher(serializedBytes: custom.typedConfig.value) else {
            diagnostics.error(place.at("typed_config"), "the expression is nested too deep")
            return nil
        }
        return ExpressionCompiler(part: part, diagnostics: diagnostics)
            .compile(parsed: message.exprMatch, place.at("typed_config").at("expr_match"), knowsNode: false)
    }

    private func mismatch(_ type: String, _ place: Place, expected: String) {
        diagnostics.error(place, "Unsupported data input type: \(type)", expected: expected)
    }

    private func text(_ message: Xds_Type_Matcher_V3_StringMatcher, _ place: Place) -> TextMatcher? {
        let ignoreCase = message.ignoreCase
        let spec: StringMatchSpec
        switch message.matchPattern {
        case .exact(let value): spec = StringMatchSpec(.exact(value), ignoreCase: ignoreCase)
        case .prefix(let value): spec = StringMatchSpec(.prefix(value), ignoreCase: ignoreCase)
        case .suffix(let value): spec = StringMatchSpec(.suffix(value), ignoreCase: ignoreCase)
        case .contains(let value): spec = StringMatchSpec(.contains(value), ignoreCase: ignoreCase)
        case .safeRegex(let regex): spec = StringMatchSpec(.regex(regex.regex), ignoreCase: ignoreCase)
        case .custom(let custom):
            unknown(custom, place.at("custom"), expected: "exact, prefix, suffix, contains or safe_regex")
            return nil
        case nil: return nil
        }
        do throws(RegexProgram.Invalid) {
            let matcher = try TextMatcher(spec, in: arena)
            part.onDestroy { matcher.destroy() }
            return matcher
        } catch {
            diagnostics.error(place.at("safe_regex").at("regex"), "Invalid regex: \(error.message)")
            return nil
        }
    }

    // MARK: Inputs

    private func input(_ message: Xds_Core_V3_TypedExtensionConfig, _ place: Place) -> MatchInput {
        if let input = MatchInputCompiler.compile(message.typedConfig, in: arena) { return input }
        unknown(
            message, place,
            expected: "a field or a query parameter of the request, an address, a name of the client's certificate, or what expressions see")
        return MatchInput(.requestHeader)
    }

    private func unknown(_ message: Xds_Core_V3_TypedExtensionConfig, _ place: Place, expected: String) {
        diagnostics.error(
            place, "Didn't find a registered implementation for '\(message.name)' with type URL: '\(message.typedConfig.messageName)'",
            expected: expected)
    }
}
