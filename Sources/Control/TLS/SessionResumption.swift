// What lets a client go on with a session on another worker, or after a reload: ticket keys and kept sessions, one of
// each for the process.

import COpenSSL
import Primitives

enum SessionResumption {
    /// A key makes tickets for this long, and opens them for seven times as long.
    static let rotationNs: UInt64 = 12 * 3600 * 1_000_000_000

    /// `docs/limits.md` §kept sessions. Nil: no memory.
    nonisolated(unsafe) static let store = unsafe martlet_session_store_new()

    nonisolated(unsafe) private static let own: UnsafeMutablePointer<martlet_ticket_keys> = {
        let keys = unsafe martlet_ticket_keys_new()
        unsafe martlet_ticket_keys_rotate(keys)
        return unsafe keys
    }()
    nonisolated(unsafe) private static var rotatedNs = Clock.monotonicNs()

    /// Configured keys, or those of the process.
    static func keys(_ configured: [[UInt8]], _ part: PlanPart) -> UnsafeMutablePointer<martlet_ticket_keys> {
        guard !configured.isEmpty else { return unsafe own }
        let keys = unsafe martlet_ticket_keys_new()
        for (i, bytes) in configured.enumerated() where bytes.count == MemoryLayout<martlet_ticket_key>.size {
            unsafe bytes.withUnsafeBytes { raw in
                guard let base = raw.baseAddress else { return }
                unsafe martlet_ticket_keys_add(keys, base.assumingMemoryBound(to: martlet_ticket_key.self), i == 0 ? 1 : 0)
            }
        }
        part.onDestroy { unsafe martlet_ticket_keys_free(keys) }
        return unsafe keys
    }

    /// Main looks every tick.
    static func rotateWhenDue() {
        let now = Clock.monotonicNs()
        guard unsafe now > rotatedNs &+ rotationNs else { return }
        unsafe rotatedNs = now
        unsafe martlet_ticket_keys_rotate(own)
    }
}
