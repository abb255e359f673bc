// `retry_policy`.

import EnvoyAPI
import Pipeline
import Primitives

struct RetryCompiler {
    let diagnostics: Diagnostics
    let part: PlanPart

    private static let conditions: [String: RetryConfig.On] = [
        "5xx": .fiveXX, "gateway-error": .gatewayError, "reset": .reset,
        "reset-before-request": .resetBeforeRequest, "connect-failure": .connectFailure,
        "envoy-ratelimited": .envoyRatelimited, "retriable-4xx": .retriable4xx, "refused-stream": .refusedStream,
        "retriable-status-codes": .retriableStatusCodes, "retriable-headers": .retriableHeaders,
        "cancelled": .grpcCancelled, "deadline-exceeded": .grpcDeadlineExceeded, "internal": .grpcInternal,
        "resource-exhausted": .grpcResourceExhausted, "unavailable": .grpcUnavailable,
        // HTTP/3 upstreams only.
        "http3-post-connect-failure": [],
    ]

    func compile(_ message: RetryPolicy, _ place: Place) -> UnsafePointer<RetryConfig> {
        diagnostics.unsupported(
            place, "envoy.config.route.v3.RetryPolicy",
            [
                "retry_priority": message.hasRetryPriority,
                "retry_host_predicate": !message.retryHostPredicate.isEmpty,
                "retry_options_predicates": !message.retryOptionsPredicates.isEmpty,
                "host_selection_retry_max_attempts": message.hostSelectionRetryMaxAttempts != 0,
                "rate_limited_retry_back_off": message.hasRateLimitedRetryBackOff,
                "retriable_headers": !message.retriableHeaders.isEmpty,
                "retriable_request_headers": !message.retriableRequestHeaders.isEmpty,
            ])
        var config = RetryConfig()
        for word in message.retryOn.split(separator: ",") {
            let name = String(word.drop { $0 == " " }.prefix { $0 != " " })
            if let condition = RetryCompiler.conditions[name] {
                config.on.formUnion(condition)
            } else {
                // Envoy ignores it.
                diagnostics.warning(
                    place.at("retry_on"), "retry_on: '\(name)' is not a condition and never holds",
                    suggestion: nearestName(name, RetryCompiler.conditions.keys.sorted()))
            }
        }
        config.retriesMax = message.hasNumRetries ? message.numRetries.value : 1
        config.perTryTimeoutMs = message.perTryTimeout.milliseconds
        config.perTryIdleTimeoutMs = message.perTryIdleTimeout.milliseconds
        config.statusCodes = part.arena.array(message.retriableStatusCodes.map { UInt16(clamping: $0) })
        if message.hasRetryBackOff {
            config.backoffBaseMs = max(1, message.retryBackOff.baseInterval.milliseconds)
            config.backoffMaxMs =
                message.retryBackOff.hasMaxInterval
                ? message.retryBackOff.maxInterval.milliseconds : config.backoffBaseMs * 10
            if config.backoffMaxMs < config.backoffBaseMs {
                diagnostics.error(
                    place.at("retry_back_off").at("max_interval"),
                    "retry_policy.max_interval must greater than or equal to the base_interval")
            }
        }
        return unsafe part.arena.store(config)
    }
}
