// What a profiler has found: plain values, made by main and read by whoever writes them out on another thread.

package struct Profile: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Where CPU time went.
        case cpu
        /// What was allocated while the profile ran.
        case allocations = "alloc"
        /// What of that had not been freed.
        case heap
        /// The same when it was most.
        case peakHeap = "peak"
    }

    package struct Stack: Sendable, Equatable {
        /// Index into `threads`.
        package var thread: Int
        /// Innermost first; all but the first are return addresses (of a CPU profile; else all are).
        package var frames: [UInt64]
        /// How many samples or objects.
        package var count: UInt64
        /// Nanoseconds or bytes.
        package var value: UInt64

        package init(thread: Int, frames: [UInt64], count: UInt64, value: UInt64) {
            self.thread = thread
            self.frames = frames
            self.count = count
            self.value = value
        }
    }

    package var kind = Kind.cpu
    package var threads: [String] = []
    package var stacks: [Stack] = []
    /// Nanoseconds since 1970.
    package var beganNs: UInt64 = 0
    package var durationNs: UInt64 = 0
    /// Nanoseconds of CPU time, or bytes, between two samples.
    package var period: UInt64 = 0
    /// Samples for which there was no room.
    package var lost: UInt64 = 0
    /// More will come.
    package var isRunning = false

    package init() {}

    package var total: UInt64 { stacks.reduce(0) { $0 &+ $1.value } }
    package var samples: UInt64 { stacks.reduce(0) { $0 &+ $1.count } }
}
