// `rate_limits` of the filter, into frozen rules. Main thread.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing

struct DescriptorRules {
    private typealias Action = Envoy_Config_Route_V3_RateLimit.Action
    private let input: FilterInput
    private let problems: Problems

    init(_ input: FilterInput, _ problems: Problems) {
        self.input = input
        self.problems = problems
    }

    func compile(_ message: Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit) -> FrozenArray<DescriptorRule> {
        input.arena.array(
            message.rateLimits.enumerated().map { i, limit in
                let at = "rate_limits[\(i)]"
                if limit.hasStage || !limit.disableKey.isEmpty {
                    problems.add(at, "'stage' field and 'disable_key' field are not supported")
                }
                let actions = limit.actions.enumerated().compactMap { action($0.element, "\(at).actions[\($0.offset)]") }
                return DescriptorRule(actions: input.arena.array(actions))
            })
    }

    private func action(_ message: Action, _ path: String) -> DescriptorAction? {
        switch message.actionSpecifier {
        case .sourceCluster: return fixed("source_cluster", input.nodeCluster)
        case .destinationCluster: return DescriptorAction(kind: .destinationCluster, key: text("destination_cluster"))
        case .requestHeaders(let header):
            var action = DescriptorAction(kind: .header, key: text(header.descriptorKey))
            let name = header.headerName.lowercased()
            action.source = text(name == "host" ? ":authority" : name)
            action.skipsAbsent = header.skipIfAbsent
            return action
        case .queryParameters(let parameter):
            var action = DescriptorAction(kind: .queryParameter, key: text(parameter.descriptorKey))
            action.source = text(parameter.queryParameterName)
            action.skipsAbsent = parameter.skipIfAbsent
            return action
        case .remoteAddress: return DescriptorAction(kind: .remoteAddress, key: text("remote_address"))
        case .maskedRemoteAddress(let mask):
            var action = DescriptorAction(kind: .maskedRemoteAddress, key: text("masked_remote_address"))
            if mask.hasV4PrefixMaskLen { action.v4Bits = UInt8(truncatingIfNeeded: mask.v4PrefixMaskLen.value) }
            if mask.hasV6PrefixMaskLen { action.v6Bits = UInt8(truncatingIfNeeded: mask.v6PrefixMaskLen.value) }
            return action
        case .genericKey(let key):
            return fixed(key.descriptorKey.isEmpty ? "generic_key" : key.descriptorKey, key.descriptorValue)
        case .headerValueMatch(let match):
            let headers = match.headers.enumerated().compactMap {
                MatcherCompiler.header(
                    $0.element, ProblemPlace("\(path).header_value_match.headers[\($0.offset)]", problems))
            }
            return self.match(
                match.descriptorKey.isEmpty ? "header_match" : match.descriptorKey, match.descriptorValue,
                expects: match.hasExpectMatch ? match.expectMatch.value : true, headers, [], path + ".header_value_match")
        case .queryParameterValueMatch(let match):
            let at = path + ".query_parameter_value_match"
            let parameters = match.queryParameters.enumerated().compactMap {
                MatcherCompiler.queryParameter($0.element, ProblemPlace("\(at).query_parameters[\($0.offset)]", problems))
            }
            return self.match(
                match.descriptorKey.isEmpty ? "query_match" : match.descriptorKey, match.descriptorValue,
                expects: match.hasExpectMatch ? match.expectMatch.value : true, [], parameters, at)
        case .none: return nil
        }
    }

    private func text(_ string: String) -> Bytes { input.arena.text(string) }

    private func fixed(_ key: String, _ value: String) -> DescriptorAction {
        DescriptorAction(kind: .fixed, key: text(key), value: text(value))
    }

    private func match(
        _ key: String, _ value: String, expects: Bool, _ headers: [HeaderMatchSpec],
        _ parameters: [QueryParameterMatchSpec], _ path: String
    ) -> DescriptorAction? {
        do throws(RoutingErrors) {
            let predicate = try HeaderPredicate(headers, queryParameters: parameters, seed: input.seed)
            input.onRelease { predicate.destroy() }
            var action = DescriptorAction(kind: .match, key: text(key), value: text(value))
            action.predicate = predicate
            action.expectsMatch = expects
            return action
        } catch {
            problems.add(path, error)
            return nil
        }
    }
}
