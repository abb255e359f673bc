/// Every group, one file each.
enum Groups {
    static let all: [Group] = [clusters, filters, formats, framing, headers, limits, localReplies, network, routing, smuggling, timeouts, upstreamFaults]
}
