// `per_host_thresholds`: connections that all workers together have open to one host. Opened and closed far less often than
// requests come, so one shared word is enough.
//
// Owned by Control (`HostConnectionsOwner`), kept by every host set part that names it.

import CMartlet

@safe
package struct HostConnections: BitwiseCopyable, @unchecked Sendable {  // atomics only
    private let word: UnsafeMutablePointer<UInt64>

    package init(_ word: UnsafeMutablePointer<UInt64>) { unsafe self.word = unsafe word }

    package func opened() { _ = unsafe cmartlet_fetch_add(word, 1) }
    package func closed() { _ = unsafe cmartlet_fetch_add(word, .max) }
    package var count: UInt64 { unsafe cmartlet_load_relaxed(word) }
}

/// Gives the word back with the last part that keeps it.
@safe
package final class HostConnectionsOwner {
    private let word: UnsafeMutablePointer<UInt64>
    package let connections: HostConnections

    package init() {
        unsafe word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
        connections = unsafe HostConnections(word)
    }

    deinit { unsafe word.deallocate() }
}
