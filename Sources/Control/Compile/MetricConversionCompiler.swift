// `custom_metric_conversions` of the open_telemetry sink: a tree of matchers over the full names of statistics, whose actions
// rename or drop. Compiled into closures; main evaluates them at each flush.

import EnvoyAPI
import Primitives
import Routing
import Stats
import StatsStore

private typealias Tree = Xds_Type_Matcher_V3_Matcher
private typealias Rename = OpenTelemetrySinkMessage.ConversionAction
private typealias Drop = OpenTelemetrySinkMessage.DropAction
private typealias FullName = Envoy_Extensions_Matching_CommonInputs_Stats_V3_StatFullNameMatchInput

struct MetricConversionCompiler {
    let diagnostics: Diagnostics

    typealias Convert = (_ name: [UInt8]) -> OTLPConversion?
    private typealias Condition = (_ name: Bytes) -> Bool

    func compile(_ message: Xds_Type_Matcher_V3_Matcher, _ place: Place) -> Convert {
        let tree = matcher(message, place)
        return { name in name.withBytes { tree($0) } }
    }

    private typealias Search = (_ name: Bytes) -> OTLPConversion?

    private func matcher(_ message: Tree, _ place: Place) -> Search {
        let otherwise = message.hasOnNoMatch ? outcome(message.onNoMatch, place.at("on_no_match")) : nil
        let found: Search
        switch message.matcherType {
        case .matcherList(let list): found = self.list(list, place.at("matcher_list"))
        case .matcherTree(let tree): found = self.tree(tree, place.at("matcher_tree"))
        case nil: found = { _ in nil }
        }
        guard let otherwise else { return found }
        return { found($0) ?? otherwise($0) }
    }

    /// The first that holds and comes to an action.
    private func list(_ list: Tree.MatcherList, _ place: Place) -> Search {
        let rules = list.matchers.enumerated().map { i, rule in
            let at = place.at("matchers", i)
            return (holds: predicate(rule.predicate, at.at("predicate")), then: outcome(rule.onMatch, at.at("on_match")))
        }
        return { name in
            for rule in rules where rule.holds(name) {
                if let found = rule.then(name) { return found }
            }
            return nil
        }
    }

    private func tree(_ tree: Tree.MatcherTree, _ place: Place) -> Search {
        checkInput(tree.input, place.at("input"))
        switch tree.treeType {
        case .exactMatchMap(let map):
            let found = entries(map, place.at("exact_match_map").at("map"))
            return { name in found[Array(String(name).utf8)]?(name) }
        case .prefixMatchMap(let map):
            // The longest prefix that comes to an action.
            let found = entries(map, place.at("prefix_match_map").at("map")).sorted { $0.key.count > $1.key.count }
            return { name in
                for (prefix, then) in found where prefix.withBytes({ name.hasPrefix($0) }) {
                    if let action = then(name) { return action }
                }
                return nil
            }
        case .customMatch(let custom):
            unknown(custom, place.at("custom_match"), expected: "exact_match_map or prefix_match_map")
            return { _ in nil }
        case nil: return { _ in nil }
        }
    }

    private func entries(_ map: Tree.MatcherTree.MatchMap, _ place: Place) -> [[UInt8]: Search] {
        var found: [[UInt8]: Search] = [:]
        for (key, value) in map.map.sorted(by: { $0.key < $1.key }) {
            found[Array(key.utf8)] = outcome(value, place.at(name: key))
        }
        return found
    }

    // MARK: Conditions

    private func predicate(_ message: Tree.MatcherList.Predicate, _ place: Place) -> Condition {
        switch message.matchType {
        case .singlePredicate(let single): return self.single(single, place.at("single_predicate"))
        case .orMatcher(let list):
            let all = predicates(list, place.at("or_matcher"))
            return { name in all.contains { $0(name) } }
        case .andMatcher(let list):
            let all = predicates(list, place.at("and_matcher"))
            return { name in all.allSatisfy { $0(name) } }
        case .notMatcher(let inner):
            let holds = predicate(inner, place.at("not_matcher"))
            return { !holds($0) }
        case nil: return { _ in false }
        }
    }

    private func predicates(_ list: Tree.MatcherList.Predicate.PredicateList, _ place: Place) -> [Condition] {
        list.predicate.enumerated().map { predicate($1, place.at("predicate", $0)) }
    }

    private func single(_ message: Tree.MatcherList.Predicate.SinglePredicate, _ place: Place) -> Condition {
        checkInput(message.input, place.at("input"))
        switch message.matcher {
        case .valueMatch(let value):
            guard let texts = texts(value, place.at("value_match")) else { return { _ in false } }
            return { texts.matches($0) }
        case .customMatch(let custom):
            if custom.typedConfig.messageName == Xds_Type_Matcher_V3_CelMatcher.protoMessageName {
                diagnostics.error(place, "Unsupported data input type: string", expected: "value_match")
            } else {
                unknown(custom, place.at("custom_match"), expected: "value_match")
            }
            return { _ in false }
        case nil: return { _ in false }
        }
    }

    private func texts(_ message: Xds_Type_Matcher_V3_StringMatcher, _ place: Place) -> StringMatchers? {
        var text = StringMatcher()
        text.ignoreCase = message.ignoreCase
        switch message.matchPattern {
        case .exact(let value): text.exact = value
        case .prefix(let value): text.prefix = value
        case .suffix(let value): text.suffix = value
        case .contains(let value): text.contains = value
        case .safeRegex(let regex): text.safeRegex.regex = regex.regex
        case .custom(let custom): unknown(custom, place.at("custom"), expected: "exact, prefix, suffix, contains or safe_regex")
        case nil: break
        }
        do throws(RegexProgram.Invalid) {
            return try StringMatchers([text])
        } catch {
            diagnostics.error(place.at("safe_regex"), "Invalid regex: \(error.message)")
            return nil
        }
    }

    private func checkInput(_ input: Xds_Core_V3_TypedExtensionConfig, _ place: Place) {
        if input.typedConfig.messageName != FullName.protoMessageName {
            unknown(input, place, expected: "the full name of a statistic (\(FullName.protoMessageName))")
        }
    }

    // MARK: Actions

    private func outcome(_ message: Tree.OnMatch, _ place: Place) -> Search {
        let found: Search
        switch message.onMatch {
        case .matcher(let inner): found = matcher(inner, place.at("matcher"))
        case .action(let action): found = self.action(action, place.at("action"))
        case nil: found = { _ in nil }
        }
        // Whoever comes behind is used instead, and the actions here do nothing else than to be used.
        return message.keepMatching ? { _ in nil } : found
    }

    private func action(_ action: Xds_Core_V3_TypedExtensionConfig, _ place: Place) -> Search {
        switch action.typedConfig.messageName {
        case Rename.protoMessageName:
            guard let rename = try? Rename(serializedBytes: action.typedConfig.bytes) else { break }
            // What is no text becomes an empty one (Envoy).
            let labels = rename.staticMetricLabels.map { (key: Array($0.key.utf8), value: Array($0.value.stringValue.utf8)) }
            let conversion = OTLPConversion.rename(Array(rename.metricName.utf8), labels: labels)
            return { _ in conversion }
        case Drop.protoMessageName: return { _ in .drop }
        default: unknown(action, place, expected: "a ConversionAction or a DropAction")
        }
        return { _ in nil }
    }

    private func unknown(_ message: Xds_Core_V3_TypedExtensionConfig, _ place: Place, expected: String) {
        diagnostics.error(
            place, "Didn't find a registered implementation for '\(message.name)' with type URL: '\(message.typedConfig.messageName)'",
            expected: expected)
    }
}
