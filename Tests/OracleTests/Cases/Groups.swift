/// Every group, one file each.
enum Groups {
    static let all: [Group] = [
        clusters, filters, formats, framing, grpc, grpcFilters, hashing, headers, hedging, http2, http2Upstream, internalRedirects,
        limits, listenerFilters, localRateLimit, localReplies, metadata, mirroring, network, oldFields, routeOptions, routing, smuggling, tcpTunnels, timeouts, tls, traffic,
        transcoding, upstreamFaults, wireBytes,
    ]
}
