/// Every group, one file each.
enum Groups {
    static let all: [Group] = [
        cel, clusters, connectionFields, corners, filters, formats, framing, grpc, grpcFilters, hashing, headers, hedging, http2, http2Upstream, interim,
        internalRedirects, limits, listenerFilters, localRateLimit, localReplies, metadata, mirroring, network, oldFields, rewrites, routeOptions, routing, smuggling,
        tcpTunnels, timeouts, tls, traffic,
        transcoding, upstreamFaults, wireBytes,
    ]
}
