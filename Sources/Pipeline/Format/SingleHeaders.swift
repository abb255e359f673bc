// Headers of which Envoy 1.40 keeps one value: a second one is joined to it with a comma. Asked of the binary by adding
// each of them twice.

import Wire

package enum SingleHeaders {
    package static func contains(_ id: HeaderID, isRequest: Bool) -> Bool {
        switch id {
        case .connection, .contentLength, .contentType, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .via,
            .xRequestId, .xEnvoyAttemptCount, .xEnvoyDecoratorOperation, .proxyStatus:
            true
        default: isRequest ? isRequestOnly(id) : isResponseOnly(id)
        }
    }

    private static func isRequestOnly(_ id: HeaderID) -> Bool {
        switch id {
        case .accept, .acceptEncoding, .accessControlRequestMethod, .authorization, .cacheControl, .contentEncoding,
            .userAgent, .expect, .te, .grpcTimeout, .origin, .referer, .xClientTraceId, .xForwardedFor,
            .xForwardedProto, .xForwardedHost, .xForwardedPort, .xForwardedClientCert:
            true
        case .xEnvoyExpectedRqTimeoutMs, .xEnvoyOriginalPath, .xEnvoyOriginalHost, .xEnvoyInternal,
            .xEnvoyExternalAddress, .xEnvoyMaxRetries, .xEnvoyRetryOn, .xEnvoyRetryGrpcOn, .xEnvoyForceTrace,
            .xEnvoyRetriableStatusCodes, .xEnvoyRetriableHeaderNames, .xEnvoyUpstreamRqTimeoutMs,
            .xEnvoyUpstreamRqPerTryTimeoutMs, .xEnvoyUpstreamAltStatName, .xEnvoyUpstreamRqTimeoutAltResponse,
            .xEnvoyUpstreamStreamDurationMs, .xEnvoyHedgeOnPerTryTimeout, .xEnvoyIpTags,
            .xEnvoyDownstreamServiceCluster, .xEnvoyDownstreamServiceNode, .xEnvoyIsTimeoutRetry:
            true
        default: false
        }
    }

    private static func isResponseOnly(_ id: HeaderID) -> Bool {
        switch id {
        case .cacheControl, .contentEncoding, .date, .etag, .grpcMessage, .grpcStatus, .lastModified, .location, .server,
            .vary, .xEnvoyDegraded, .xEnvoyRatelimited, .xEnvoyUpstreamCanary, .xEnvoyUpstreamServiceTime,
            .xEnvoyImmediateHealthCheckFail, .xEnvoyUpstreamHealthcheckedCluster:
            true
        default: false
        }
    }
}
