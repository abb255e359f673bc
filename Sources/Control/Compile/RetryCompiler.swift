// `retry_policy`.

import EnvoyAPI
import Pipeline
import Primitives
import Routing

/// `retry_policy` of a service that the proxy itself calls.
struct ServiceRetries {
    var policy: ServiceRetryPolicy
    /// What goes before its own conditions.
    var on: String?
    var place: Place
}

struct RetryCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    private static let conditions: [String: RetryConfig.On] = Dictionary(
        uniqueKeysWithValues: (RetryConfig.On.names + RetryConfig.On.grpcNames).map { ("\($0.name)", $0.on) })
    private static let previousHosts = "envoy.retry_host_predicates.previous_hosts"
    private static let previousHostsType = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"

    func compile(_ message: RetryPolicy, _ place: Place) -> UnsafePointer<RetryConfig> {
        diagnostics.unsupported(
            place, "envoy.config.route.v3.RetryPolicy",
            [
                "retry_priority": message.hasRetryPriority,
                "refresh_cluster_on_retry": message.refreshClusterOnRetry,
                "retry_options_predicates": !message.retryOptionsPredicates.isEmpty,
            ])
        var config = RetryConfig()
        config.on = conditions(message.retryOn, place.at("retry_on"))
        config.retriesMax = message.hasNumRetries ? message.numRetries.value : 1
        config.perTryTimeoutMs = message.perTryTimeout.milliseconds
        config.perTryIdleTimeoutMs = message.perTryIdleTimeout.milliseconds
        config.statusCodes = part.arena.array(message.retriableStatusCodes.map { UInt16(clamping: $0) })
        config.headers = matchers(message.retriableHeaders, "retriable_headers", place)
        config.requestHeaders = matchers(message.retriableRequestHeaders, "retriable_request_headers", place)
        predicates(message, place, &config)
        backoff(message, place, &config)
        return unsafe part.arena.store(config)
    }

    /// As in Envoy a try takes as long as the longest pause, and pauses begin with a second.
    func compile(_ retries: ServiceRetries) -> UnsafePointer<RetryConfig> {
        let message = retries.policy
        var policy = RetryPolicy()
        policy.retryOn = retries.on ?? message.retryOn
        if message.hasNumRetries { policy.numRetries = message.numRetries }
        let back = message.retryBackOff
        policy.retryBackOff.baseInterval = message.hasRetryBackOff ? back.baseInterval : .init(seconds: 1)
        policy.retryBackOff.maxInterval =
            back.hasMaxInterval ? back.maxInterval : .init(milliseconds: policy.retryBackOff.baseInterval.milliseconds * 10)
        policy.perTryTimeout = policy.retryBackOff.maxInterval
        if message.hasRetryPriority { policy.retryPriority.name = message.retryPriority.name }
        policy.retryHostPredicate = message.retryHostPredicate.map { predicate in
            var other = RetryPolicy.RetryHostPredicate()
            other.name = predicate.name
            if case .typedConfig(let config) = predicate.configType { other.typedConfig = config }
            return other
        }
        policy.hostSelectionRetryMaxAttempts = message.hostSelectionRetryMaxAttempts
        return unsafe compile(policy, retries.place)
    }

    private func conditions(_ words: String, _ place: Place) -> RetryConfig.On {
        var on: RetryConfig.On = []
        for word in words.split(separator: ",") {
            let name = String(word.drop { $0 == " " }.prefix { $0 != " " })
            if let condition = RetryCompiler.conditions[name] {
                on.formUnion(condition)
            } else {
                // Envoy ignores it.
                diagnostics.warning(
                    place, "retry_on: '\(name)' is not a condition and never holds",
                    suggestion: nearestName(name, RetryCompiler.conditions.keys.sorted()))
            }
        }
        return on
    }

    private func matchers(_ messages: [HeaderMatcher], _ field: StaticString, _ place: Place) -> HeaderMatchers? {
        let compiler = RouteMatchCompiler(diagnostics: diagnostics)
        let specs = messages.enumerated().compactMap { compiler.header($0.element, place.at(field, $0.offset)) }
        guard !specs.isEmpty else { return nil }
        do throws(RoutingErrors) {
            let matchers = try HeaderMatchers(specs, seed: compilation.environment.seed)
            part.own(matchers.table)
            return matchers
        } catch {
            for problem in error.list { diagnostics.error(place.at(field), problem.message) }
            return nil
        }
    }

    private func predicates(_ message: RetryPolicy, _ place: Place, _ config: inout RetryConfig) {
        for (i, predicate) in message.retryHostPredicate.enumerated() {
            let type = predicate.typedConfig.messageName
            guard type.isEmpty ? predicate.name == RetryCompiler.previousHosts : type == RetryCompiler.previousHostsType else {
                diagnostics.error(
                    place.at("retry_host_predicate", i),
                    "retry host predicate '\(predicate.name)' is not supported by Martlet yet",
                    expected: RetryCompiler.previousHosts)
                continue
            }
            config.avoidsTriedHosts = true
        }
        let attempts = message.hostSelectionRetryMaxAttempts
        if attempts > 0 { config.hostSelectionsMax = UInt32(clamping: attempts) }
    }

    private func backoff(_ message: RetryPolicy, _ place: Place, _ config: inout RetryConfig) {
        if message.hasRetryBackOff {
            config.backoffBaseMs = max(1, message.retryBackOff.baseInterval.milliseconds)
            config.backoffMaxMs =
                message.retryBackOff.hasMaxInterval
                ? max(1, message.retryBackOff.maxInterval.milliseconds) : config.backoffBaseMs * 10
            if config.backoffMaxMs < config.backoffBaseMs {
                diagnostics.error(
                    place.at("retry_back_off").at("max_interval"),
                    "retry_policy.max_interval must greater than or equal to the base_interval")
            }
        }
        guard message.hasRateLimitedRetryBackOff else { return }
        let limited = message.rateLimitedRetryBackOff
        config.resetHeaders = part.arena.array(
            limited.resetHeaders.map {
                RetryResetHeader(name: part.arena.text($0.name.lowercased()), isTimestamp: $0.format == .unixTimestamp)
            })
        if limited.hasMaxInterval { config.resetIntervalMaxMs = limited.maxInterval.milliseconds }
    }
}
