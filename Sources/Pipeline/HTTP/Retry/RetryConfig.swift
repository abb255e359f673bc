// What configuration says of retries, frozen.

import Primitives
import Routing

/// A header by which an upstream says when to come again (`rate_limited_retry_back_off`).
package struct RetryResetHeader: BitwiseCopyable {
    /// Lower case.
    package var name: Bytes
    /// Seconds since 1970 rather than seconds from now.
    package var isTimestamp: Bool
    package init(name: Bytes, isTimestamp: Bool) {
        self.name = name
        self.isTimestamp = isTimestamp
    }
}

@safe
package struct RetryConfig: BitwiseCopyable {
    package struct On: OptionSet, BitwiseCopyable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let fiveXX = On(rawValue: 1)
        package static let gatewayError = On(rawValue: 2)
        package static let reset = On(rawValue: 4)
        package static let resetBeforeRequest = On(rawValue: 8)
        package static let connectFailure = On(rawValue: 16)
        package static let envoyRatelimited = On(rawValue: 32)
        package static let retriable4xx = On(rawValue: 64)
        package static let refusedStream = On(rawValue: 128)
        package static let retriableStatusCodes = On(rawValue: 256)
        package static let retriableHeaders = On(rawValue: 512)
        package static let grpcCancelled = On(rawValue: 1024)
        package static let grpcDeadlineExceeded = On(rawValue: 2048)
        package static let grpcInternal = On(rawValue: 4096)
        package static let grpcResourceExhausted = On(rawValue: 8192)
        package static let grpcUnavailable = On(rawValue: 16384)
        /// No condition: a hedged request keeps what another attempt needs, whatever it is retried on.
        package static let hedged = On(rawValue: 32768)
        package static let anyGRPC: On = [
            .grpcCancelled, .grpcDeadlineExceeded, .grpcInternal, .grpcResourceExhausted, .grpcUnavailable,
        ]

        /// By the words of `retry_on` and of `x-envoy-retry-on`.
        package static let names: [(name: StaticString, on: On)] = [
            ("5xx", .fiveXX), ("gateway-error", .gatewayError), ("reset", .reset),
            ("reset-before-request", .resetBeforeRequest), ("connect-failure", .connectFailure),
            ("envoy-ratelimited", .envoyRatelimited), ("retriable-4xx", .retriable4xx),
            ("refused-stream", .refusedStream), ("retriable-status-codes", .retriableStatusCodes),
            ("retriable-headers", .retriableHeaders),
            // HTTP/3 upstreams only.
            ("http3-post-connect-failure", []),
        ]
        /// By the words of `retry_on` and of `x-envoy-retry-grpc-on`.
        package static let grpcNames: [(name: StaticString, on: On)] = [
            ("cancelled", .grpcCancelled), ("deadline-exceeded", .grpcDeadlineExceeded), ("internal", .grpcInternal),
            ("resource-exhausted", .grpcResourceExhausted), ("unavailable", .grpcUnavailable),
        ]
    }
    package var on: On = []
    package var retriesMax: UInt32 = 1
    package var perTryTimeoutMs: UInt64 = 0
    package var perTryIdleTimeoutMs: UInt64 = 0
    package var statusCodes = FrozenArray<UInt16>()
    package var headers: HeaderMatchers?
    /// Only requests that one of these holds for are tried again.
    package var requestHeaders: HeaderMatchers?
    package var backoffBaseMs: UInt64 = 25
    package var backoffMaxMs: UInt64 = 250
    package var resetHeaders = FrozenArray<RetryResetHeader>()
    package var resetIntervalMaxMs: UInt64 = 300_000
    /// `previous_hosts`: a retry looks for a host that has not been tried, this many times.
    package var avoidsTriedHosts = false
    package var hostSelectionsMax: UInt32 = 1
    package init() {}
}
