/// Every group, one file each.
enum Groups {
    static let all: [Group] = [framing, limits, routing, smuggling]
}
