// The CPU profile of the process: each thread writes samples of itself (CMartlet, threads.c), main gathers them.
//
// Nothing runs and nothing is allocated while it is off. One thread's own; of all there are one can run at a time.

import CMartlet
import Glibc
import Primitives

package final class CPUProfiler {
    package enum Failure: Error {
        /// One is running already.
        case running
        /// This processor's registers are not known to it, or the kernel gives no timers: `errno`.
        case refused(Int32)
    }

    package static let frequencies: ClosedRange<UInt64> = 1...1000
    package static let frequencyUsual: UInt64 = 100
    /// Samples that main gathers in one turn: well within a millisecond.
    private static let samplesPerTurn = 1000

    private var table = StackTable()
    private var frequency: UInt64 = 0
    private var beganNs: UInt64 = 0
    private var beganWallNs: UInt64 = 0
    private var lostOfThreads: UInt64 = 0
    private var frames = [UInt64](repeating: 0, count: Int(martlet_frames_max))
    package private(set) var isRunning = false
    /// Of the profile that runs, or ran last.
    package private(set) var number = 0
    /// The last one that ended.
    private var finished: Profile?

    package init() {}

    /// How many threads could not be given a timer.
    @discardableResult
    package func start(frequency: UInt64) throws(Failure) -> Int {
        if isRunning { throw .running }
        table = StackTable()
        self.frequency = frequency
        beganNs = Clock.monotonicNs()
        beganWallNs = Clock.wallNs()
        let refused = martlet_profile_start(1_000_000_000 / frequency)
        if refused < 0 {
            if errno == EBUSY { throw .running }
            throw .refused(errno)
        }
        isRunning = true
        number += 1
        return Int(refused)
    }

    package func stop() -> Profile? {
        guard isRunning else { return nil }
        martlet_profile_stop()
        gather(limit: .max)
        isRunning = false
        finished = snapshot(isRunning: false)
        table = StackTable()
        return finished
    }

    /// What is known now: of the profile that runs, else of the last one.
    package var profile: Profile? {
        guard isRunning else { return finished }
        gather(limit: CPUProfiler.samplesPerTurn)
        return snapshot(isRunning: true)
    }

    /// Every tick of main's.
    package func ticked() {
        if isRunning { gather(limit: CPUProfiler.samplesPerTurn) }
    }

    private func gather(limit: Int) {
        var left = limit
        lostOfThreads = 0
        for number in 0..<martlet_threads_used() {
            lostOfThreads &+= martlet_profile_lost(number)
            var name: String?
            while left > 0 {
                var weight: UInt32 = 0
                let count = unsafe martlet_profile_take(number, &frames, &weight)
                if count == 0 { break }
                left -= 1
                let thread = name ?? ThreadName.of(number)
                name = thread
                let periods = UInt64(weight)
                table.add(
                    thread: thread, Array(frames[..<count]), count: periods,
                    value: periods &* (1_000_000_000 / frequency))
            }
        }
    }

    private func snapshot(isRunning: Bool) -> Profile {
        var profile = Profile()
        profile.kind = .cpu
        profile.beganNs = beganWallNs
        profile.durationNs = Clock.monotonicNs() - beganNs
        profile.period = 1_000_000_000 / frequency
        profile.lost = lostOfThreads
        profile.isRunning = isRunning
        table.write(into: &profile)
        return profile
    }
}

enum ThreadName {
    /// The last thread that had the number.
    static func of(_ number: Int32) -> String {
        let facts = martlet_thread_facts_of(number)
        return unsafe withUnsafeBytes(of: facts.name) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
