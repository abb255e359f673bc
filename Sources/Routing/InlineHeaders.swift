// The request headers that Envoy keeps in one place each, so that several fields of one count as one value joined with
// ",". Read off Envoy 1.40 by sending each name twice; the internal `x-envoy-*` ones, which it strips from such a
// request, are of the same kind by its documentation.

enum InlineHeaders {
    static func contains(_ name: String) -> Bool { names.contains(name) }

    private static let names: Set<String> = [
        "accept", "accept-encoding", "access-control-request-headers", "access-control-request-method",
        "authorization", "cache-control", "cdn-loop", "connection", "content-encoding", "content-length",
        "content-type", "expect", "grpc-accept-encoding", "grpc-timeout", "if-match", "if-modified-since",
        "if-none-match", "if-range", "if-unmodified-since", "keep-alive", "origin", "pragma", "proxy-connection",
        "proxy-status", "referer", "te", "transfer-encoding", "upgrade", "user-agent", "via", "x-client-trace-id",
        "x-envoy-attempt-count", "x-envoy-decorator-operation", "x-envoy-downstream-service-cluster",
        "x-envoy-downstream-service-node", "x-envoy-expected-rq-timeout-ms", "x-envoy-external-address",
        "x-envoy-force-trace", "x-envoy-hedge-on-per-try-timeout", "x-envoy-internal", "x-envoy-ip-tags",
        "x-envoy-is-timeout-retry", "x-envoy-max-retries", "x-envoy-original-host", "x-envoy-original-path",
        "x-envoy-original-url", "x-envoy-retriable-header-names", "x-envoy-retriable-status-codes",
        "x-envoy-retry-grpc-on", "x-envoy-retry-on", "x-envoy-upstream-alt-stat-name",
        "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-rq-timeout-alt-response",
        "x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-stream-duration-ms", "x-forwarded-client-cert",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-request-id",
    ]
}
