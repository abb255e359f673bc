// Whether the process shall fail health checks (`/healthcheck/fail`, and while it drains): one word for all workers.
//
// Main writes it, every worker reads it with one relaxed load; nothing is ordered by it.

import CMartlet

@safe
package struct ServerHealth: @unchecked Sendable {
    /// The process has one.
    package static let shared = ServerHealth()

    private let word: UnsafeMutablePointer<UInt64>

    package init() {
        unsafe word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
    }

    package var isFailing: Bool { unsafe cmartlet_load_relaxed(word) != 0 }

    /// Main only.
    package func setFailing(_ failing: Bool) { unsafe cmartlet_store_relaxed(word, failing ? 1 : 0) }
}
