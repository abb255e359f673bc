/// Every group, one file each.
enum Groups {
    static let all: [Group] = [filters, formats, framing, headers, limits, localReplies, network, routing, smuggling, timeouts, upstreamFaults]
}
