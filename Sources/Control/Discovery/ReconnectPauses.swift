// How long a stream that has ended stays away: any time up to a bound that doubles with each failure, so that the many
// proxies of one management server do not come back together.

package struct ReconnectPauses {
    /// Envoy's.
    static let baseMs: UInt64 = 500
    static let maxMs: UInt64 = 30_000

    private var boundMs = baseMs

    package init() {}

    /// `random`: any number.
    package mutating func next(_ random: UInt64) -> UInt64 {
        defer { boundMs = min(boundMs * 2, ReconnectPauses.maxMs) }
        return random % boundMs
    }

    /// The server has answered.
    package mutating func reset() { boundMs = ReconnectPauses.baseMs }
}
