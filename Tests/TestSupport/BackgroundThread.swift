import Glibc

/// A thread of the operating system: scripted peers block, and must not take the threads of Swift's own pool.
package final class BackgroundThread: @unchecked Sendable {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var handle = pthread_t()
    private let joined = Flag()

    package init(_ run: @escaping @Sendable () -> Void) {
        let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
        let result = unsafe pthread_create(
            &handle, nil,
            { argument in
                unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, body)
        precondition(result == 0, "a thread could be started")
    }

    /// The calling thread gives way to others: load must not take the core from what is measured.
    package static func isPolite() { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10) }

    /// One that nobody waits for gives itself back at its end.
    deinit {
        if joined.raise() { _ = pthread_detach(handle) }
    }

    package func join() {
        if joined.raise() { _ = pthread_join(handle, nil) }
    }
}
