// Work that main must not do itself because it reads files or takes long: made on a thread of its own, looked for by main
// at its ticks.

import CLiburing
import CMartlet
import Glibc

@safe
package final class BackgroundWork: @unchecked Sendable {  // `result` is written before the word and read after it
    /// Threads at once. `docs/limits.md` §profiles.
    package static let threadsMax: UInt64 = 4
    nonisolated(unsafe) private static let running = {
        let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        unsafe word.initialize(to: 0)
        return unsafe word
    }()

    private let name: String
    private let work: @Sendable () -> [UInt8]
    private var bytes: [UInt8] = []
    private let done = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

    /// Nil: as many as may be are at work, or there is no thread to be had.
    package static func start(_ name: String, _ work: @escaping @Sendable () -> [UInt8]) -> BackgroundWork? {
        guard unsafe cmartlet_load_relaxed(running) < threadsMax else { return nil }
        let made = BackgroundWork(name, work)
        return made.begin() ? made : nil
    }

    private init(_ name: String, _ work: @escaping @Sendable () -> [UInt8]) {
        self.name = name
        self.work = work
        unsafe done.initialize(to: 0)
    }

    deinit { unsafe done.deallocate() }

    private func begin() -> Bool {
        _ = unsafe cmartlet_fetch_add(BackgroundWork.running, 1)
        var thread = pthread_t()
        let box = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(&thread, nil, { opaque in
            guard let opaque = unsafe opaque else { return nil }
            unsafe Unmanaged<BackgroundWork>.fromOpaque(opaque).takeRetainedValue().run()
            return nil
        }, unsafe box)
        guard status == 0 else {
            unsafe Unmanaged<BackgroundWork>.fromOpaque(box).release()
            _ = unsafe cmartlet_fetch_add(BackgroundWork.running, .max)
            return false
        }
        pthread_detach(thread)
        return true
    }

    private func run() {
        unsafe martlet_thread_name(name)
        _ = unsafe martlet_thread_enter(name)
        // Profiles are what it is for: it shall not be in them.
        martlet_allocations_pause(1)
        bytes = work()
        martlet_allocations_pause(0)
        martlet_thread_leave()
        unsafe Started.write(done)
        _ = unsafe cmartlet_fetch_add(BackgroundWork.running, .max)
    }

    /// Nil: not yet.
    package var result: [UInt8]? { unsafe Started.read(done) != 0 ? bytes : nil }
}
