// How long a stream that has ended stays away: any time up to a bound that doubles with each failure, so that the many
// proxies of one management server do not come back together.

import EnvoyAPI

package struct ReconnectPauses {
    /// Envoy's, where the configuration says nothing.
    private let baseMs: UInt64
    private let maxMs: UInt64

    private var boundMs: UInt64

    package init(baseMs: UInt64 = 500, maxMs: UInt64 = 30_000) {
        self.baseMs = max(1, baseMs)
        self.maxMs = max(self.baseMs, maxMs)
        boundMs = self.baseMs
    }

    /// As the service's `retry_back_off` says.
    init(_ service: GRPCServiceMessage) {
        let policy = service.envoyGrpc.retryPolicy
        guard policy.hasRetryBackOff else {
            self.init()
            return
        }
        let (base, max) = ReconnectPauses.bounds(policy.retryBackOff)
        self.init(baseMs: base, maxMs: max)
    }

    /// `random`: any number.
    package mutating func next(_ random: UInt64) -> UInt64 {
        defer { boundMs = min(boundMs &* 2, maxMs) }
        return random % boundMs
    }

    /// The server has answered.
    package mutating func reset() { boundMs = baseMs }

    // MARK: Configuration

    private static func bounds(_ message: Envoy_Config_Core_V3_BackoffStrategy) -> (UInt64, UInt64) {
        // Durations have less than 2^59 milliseconds: ten times as much is still a number.
        let base = message.baseInterval.milliseconds
        return (base, message.hasMaxInterval ? message.maxInterval.milliseconds : base &* 10)
    }

    static func check(_ service: GRPCServiceMessage, _ place: Place, _ diagnostics: Diagnostics) {
        let policy = service.envoyGrpc.retryPolicy
        guard policy.hasRetryBackOff else { return }
        let (base, max) = bounds(policy.retryBackOff)
        if max < base {
            diagnostics.error(
                place.at("retry_back_off").at("max_interval"), "max_interval must be greater than or equal to the base_interval")
        }
    }
}
