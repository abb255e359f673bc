// `rate_limits` of a filter, a route or a virtual host, into frozen rules. Main thread.

import EnvoyAPI
import Pipeline
import Primitives
import Routing

private typealias Expression = Envoy_Extensions_RateLimitDescriptors_Expr_V3_Descriptor

package struct RateLimitCompiler {
    private let arena: FrozenArena
    private let seed: UInt64
    private let nodeCluster: String
    private let onRelease: (@escaping () -> Void) -> Void

    /// `onRelease`: what is to be called when the memory goes.
    package init(arena: FrozenArena, seed: UInt64, nodeCluster: String, onRelease: @escaping (@escaping () -> Void) -> Void) {
        self.arena = arena
        self.seed = seed
        self.nodeCluster = nodeCluster
        self.onRelease = onRelease
    }

    package func compile(
        _ messages: [Envoy_Config_Route_V3_RateLimit], _ place: some MatcherPlace
    ) -> FrozenArray<RateLimitRule> {
        arena.array(
            messages.enumerated().map { i, limit in
                let at = place.at("rate_limits", i)
                let actions = limit.actions.enumerated().compactMap { action($0.element, at.at("actions", $0.offset)) }
                var rule = RateLimitRule(actions: arena.array(actions), stage: limit.stage.value)
                rule.isDisabled = !limit.disableKey.isEmpty
                rule.headers =
                    switch limit.xRatelimitOption {
                    case .off: .off
                    case .draftVersion03: .on
                    default: .asFilterSays
                    }
                return rule
            })
    }

    private func action(_ message: Envoy_Config_Route_V3_RateLimit.Action, _ place: some MatcherPlace) -> RateLimitAction? {
        switch message.actionSpecifier {
        case .sourceCluster: return fixed("source_cluster", nodeCluster)
        case .destinationCluster: return RateLimitAction(kind: .destinationCluster, key: text("destination_cluster"))
        case .requestHeaders(let header):
            var action = RateLimitAction(kind: .header, key: text(header.descriptorKey))
            let name = header.headerName.lowercased()
            action.source = text(name == "host" ? ":authority" : name)
            action.skipsAbsent = header.skipIfAbsent
            return action
        case .queryParameters(let parameter):
            var action = RateLimitAction(kind: .queryParameter, key: text(parameter.descriptorKey))
            action.source = text(parameter.queryParameterName)
            action.skipsAbsent = parameter.skipIfAbsent
            return action
        case .remoteAddress: return RateLimitAction(kind: .remoteAddress, key: text("remote_address"))
        case .maskedRemoteAddress(let mask):
            var action = RateLimitAction(kind: .maskedRemoteAddress, key: text("masked_remote_address"))
            if mask.hasV4PrefixMaskLen { action.v4Bits = UInt8(truncatingIfNeeded: mask.v4PrefixMaskLen.value) }
            if mask.hasV6PrefixMaskLen { action.v6Bits = UInt8(truncatingIfNeeded: mask.v6PrefixMaskLen.value) }
            return action
        case .genericKey(let key):
            return fixed(key.descriptorKey.isEmpty ? "generic_key" : key.descriptorKey, key.descriptorValue)
        case .headerValueMatch(let match):
            let at = place.at("header_value_match")
            let headers = match.headers.enumerated().compactMap { MatcherCompiler.header($0.element, at.at("headers", $0.offset)) }
            return self.match(
                match.descriptorKey.isEmpty ? "header_match" : match.descriptorKey, match.descriptorValue,
                expects: match.hasExpectMatch ? match.expectMatch.value : true, headers, [], at)
        case .queryParameterValueMatch(let match):
            let at = place.at("query_parameter_value_match")
            let parameters = match.queryParameters.enumerated().compactMap {
                MatcherCompiler.queryParameter($0.element, at.at("query_parameters", $0.offset))
            }
            return self.match(
                match.descriptorKey.isEmpty ? "query_match" : match.descriptorKey, match.descriptorValue,
                expects: match.hasExpectMatch ? match.expectMatch.value : true, [], parameters, at)
        case .metadata(let metadata): return self.metadata(metadata)
        case .remoteAddressMatch(let match):
            var action = RateLimitAction(
                kind: .remoteAddressMatch, key: text(match.descriptorKey.isEmpty ? "remote_address_match" : match.descriptorKey),
                value: text(match.descriptorValue))
            action.expectsMatch = !match.addressMatcher.invertMatch
            action.networks = networks(match.addressMatcher, place.at("remote_address_match").at("address_matcher"))
            return action
        case .extension(let extended):
            let at = place.at("extension")
            return extended.typedConfig.messageName == Expression.protoMessageName ? expression(extended, at) : input(extended, at)
        case .none: return nil
        }
    }

    // MARK: Extensions

    private func expression(_ extended: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: some MatcherPlace) -> RateLimitAction? {
        guard let message = try? Expression(serializedBytes: extended.typedConfig.value) else {
            place.at("typed_config").error("the expression is nested too deep")
            return nil
        }
        var action = RateLimitAction(kind: .expression, key: text(message.descriptorKey))
        action.skipsAbsent = message.skipIfError
        var parsed: CELExpression?
        if case .text(let text) = message.exprSpecifier {
            do throws(CELError) {
                parsed = try CELParser.parse(text)
            } catch {
                place.at("typed_config").error("Unable to parse descriptor expression: \(error.message)")
                return nil
            }
        }
        do throws(CELError) {
            if case .parsed(let expression) = message.exprSpecifier { parsed = try ExpressionReader.read(expression) }
            guard let parsed else {
                place.at("typed_config").error("Rate limit descriptor extension failed: expression specifier is not set")
                return nil
            }
            action.program = try CELCompiler(in: arena, knowsNode: false).compile(parsed)
            return action
        } catch {
            place.at("typed_config").error("failed to create an expression: \(error.message)")
            return nil
        }
    }

    /// What is no descriptor of its own may be a matcher's input: the entry's key is its name.
    private func input(_ extended: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: some MatcherPlace) -> RateLimitAction? {
        guard let input = MatchInputCompiler.compile(extended.typedConfig, in: arena) else {
            place.error(
                "Didn't find a registered implementation for '\(extended.name)' with type URL: '\(extended.typedConfig.messageName)'")
            return nil
        }
        var action = RateLimitAction(kind: .input, key: text(extended.name))
        action.input = input
        return action
    }

    // MARK: Parts

    private func metadata(_ message: Envoy_Config_Route_V3_RateLimit.Action.MetaData) -> RateLimitAction {
        let kind: RateLimitAction.Kind =
            switch message.source {
            case .routeEntry: .routeMetadata
            case .clusterEntry: .clusterMetadata
            // No filter sets dynamic metadata, and a host is chosen behind the filters.
            default: .noMetadata
            }
        var action = RateLimitAction(kind: kind, key: text(message.descriptorKey))
        var path = Array(message.metadataKey.key.utf8) + [0]
        for segment in message.metadataKey.path { path += Array(segment.key.utf8) + [0] }
        action.source = arena.text(path)
        action.fallback = text(message.defaultValue)
        action.skipsAbsent = message.skipIfAbsent
        return action
    }

    private func networks(
        _ message: Envoy_Type_Matcher_V3_AddressMatcher, _ place: some MatcherPlace
    ) -> FrozenArray<AddressNetwork> {
        arena.array(
            message.ranges.enumerated().compactMap { i, range in
                guard let address = SocketAddress(ip: range.addressPrefix, port: 0) else {
                    place.at("ranges", i).error(in: "address_prefix", "malformed IP address: \(range.addressPrefix)")
                    return nil
                }
                let most: UInt32 = address.family == .ipv4 ? 32 : 128
                return AddressNetwork(address, bits: UInt8(min(range.prefixLen.value, most)))
            })
    }

    private func text(_ string: String) -> Bytes { arena.text(string) }

    private func fixed(_ key: String, _ value: String) -> RateLimitAction {
        RateLimitAction(kind: .fixed, key: text(key), value: text(value))
    }

    private func match(
        _ key: String, _ value: String, expects: Bool, _ headers: [HeaderMatchSpec],
        _ parameters: [QueryParameterMatchSpec], _ place: some MatcherPlace
    ) -> RateLimitAction? {
        do throws(RoutingErrors) {
            let predicate = try HeaderPredicate(headers, queryParameters: parameters, seed: seed)
            onRelease { predicate.destroy() }
            var action = RateLimitAction(kind: .match, key: text(key), value: text(value))
            action.predicate = predicate
            action.expectsMatch = expects
            return action
        } catch {
            for problem in error.list {
                let isRegex = problem.field.hasSuffix("regex")
                place.error(in: problem.field, isRegex ? "invalid regex: \(problem.message)" : problem.message)
            }
            return nil
        }
    }
}
