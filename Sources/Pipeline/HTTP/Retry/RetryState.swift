// What a stream remembers of its retries. Trivial; part of the stream.
//
// Invariant: `on` is empty unless the request may still be tried again; while `keepsBody`, `body` holds all of the
// request's body that has come so far, in blocks of its own: never in receive buffers, which other connections need.

import Primitives
import Transport
import Wire

@safe
package struct RetryState {
    /// Hosts that are remembered for `previous_hosts`; older ones may be tried again.
    static let triedMax = 8

    /// Empty: what comes of the request now is final.
    package var on: RetryConfig.On = []
    /// The body is kept for a redirect that is followed here, whether or not there are retries.
    package var keepsForRedirect = false
    /// What comes of the body is kept.
    package var keepsBody: Bool { !on.isEmpty || keepsForRedirect }
    package var left: UInt64 = 0
    /// A try that lasts too long goes on beside the next one (`hedge_on_per_try_timeout`).
    package var hedges = false
    /// Another attempt was begun, or is due, because this one lasted too long: it is not tried again itself.
    package var isFollowed = false
    /// Counted among the cluster's active retries.
    package var isCounted = false
    /// A further try was granted at some time.
    package var wasGranted = false
    /// The next try follows one whose time was over.
    package var followsTimeout = false
    /// Between two tries.
    package var isWaiting = false
    package var atMs: UInt64 = 0
    /// Bound of the next pause.
    package var backoffMs: UInt64 = 0
    /// The pause under way is one that the upstream asked for.
    package var waitsAsTold = false
    /// The upstream said when to come again.
    package var resetIntervalMs: UInt64 = 0
    /// `x-envoy-upstream-stream-duration-ms`: as long as a try may be on its connection; 0: no limit, whatever the cluster
    /// says. Nil: the cluster's.
    package var durationMs: UInt64?
    package var durationAtMs: UInt64 = 0
    package var perTryIdleMs: UInt64 = 0
    package var perTryIdleAtMs: UInt64 = 0
    /// `x-envoy-retriable-status-codes` and `x-envoy-retriable-header-names`, in the request head's text.
    package var statusCodes = Span32()
    package var headerNames = Span32()
    /// What a further try sends.
    package var body = ByteQueue()
    private var tried: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    private var triedCount: UInt32 = 0

    package init() {}

    package mutating func remember(_ host: Handle) {
        let place = Int(triedCount) % RetryState.triedMax
        triedCount &+= 1
        unsafe withUnsafeMutableBytes(of: &tried) { unsafe $0.storeBytes(of: host.raw, toByteOffset: place &* 8, as: UInt64.self) }
    }

    package func wasTried(_ host: Handle) -> Bool {
        var copy = tried
        return unsafe withUnsafeBytes(of: &copy) { bytes in
            var i = 0
            while i < RetryState.triedMax {
                if unsafe bytes.load(fromByteOffset: i &* 8, as: UInt64.self) == host.raw { return true }
                i &+= 1
            }
            return false
        }
    }
}
