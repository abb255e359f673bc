/// Every group, one file each.
enum Groups {
    static let all: [Group] = [framing, headers, limits, localReplies, network, routing, smuggling, timeouts, upstreamFaults]
}
