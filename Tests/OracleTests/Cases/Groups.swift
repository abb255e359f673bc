/// Every group, one file each.
enum Groups {
    static let all: [Group] = [
        cel, certificateMatchers, clusters, connectionFields, corners, cors, endpoints, expressionMatchers, filters, formats, framing, grpc, grpcFilters, hashing,
        headers, hedging, http2,
        http2Upstream, interim, internalRedirects, lateClients, limits, listenerFilters, localRateLimit, localReplies, metadata, mirroring, network, oldFields,
        originDetection, rewrites, routeOptions, routing, secrets, smuggling,
        tcpTunnels, timeouts, tls, traffic,
        transcoding, upstreamFaults, wireBytes,
    ]
}
