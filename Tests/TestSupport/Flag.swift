import Synchronization

/// Raised once, by whoever comes first; read by every thread.
package final class Flag: Sendable {
    private let state = Atomic<Bool>(false)

    package init() {}

    package var isRaised: Bool { state.load(ordering: .acquiring) }

    /// True for the one caller that raised it.
    @discardableResult
    package func raise() -> Bool { !state.exchange(true, ordering: .acquiringAndReleasing) }
}
