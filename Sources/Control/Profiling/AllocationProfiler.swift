// Allocation profiles: what is allocated, what of it lives, and what lived when that was most. Threads take the samples
// (CMartlet, allocations.c), main gathers them.
//
// While neither use is on, nothing stands between the program and malloc. Main thread only.

import CMartlet
import Glibc
import Primitives

package final class AllocationProfiler {
    package enum Use { case heap, allocations }

    package enum Failure: Error {
        case running
        case refused(Int32)
    }

    /// Bytes for which one allocation is sampled, in the mean.
    package static let intervals: ClosedRange<UInt64> = 1024...(1 << 30)
    package static let intervalUsual: UInt64 = 64 << 10
    private static let samplesPerTurn = 1000
    /// How much more has to live, and how long ago the last look has to be, for another look at the peak.
    private static let peakShare = 1.02
    private static let peakGapNs: UInt64 = 1_000_000_000

    private var uses: Set<Use> = []
    private var interval: UInt64 = 0
    private var beganNs: UInt64 = 0
    private var beganWallNs: UInt64 = 0
    private var table = StackTable()
    private var peak: Profile?
    private var peakBytes: UInt64 = 0
    private var peakAtNs: UInt64 = 0
    private var frames = [UInt64](repeating: 0, count: Int(martlet_frames_max) + 1)
    /// The last ones that ended.
    private var finished: [Profile.Kind: Profile] = [:]

    package init() {}

    package func isOn(_ use: Use) -> Bool { uses.contains(use) }

    /// A second use shares the samples, and with them the interval, of the first.
    package func start(_ use: Use, interval: UInt64) throws(Failure) {
        if uses.contains(use) { throw .running }
        // A sanitizer stands in front of malloc itself.
        if martlet_poisons() != 0 { throw .refused(ENOTSUP) }
        if uses.isEmpty {
            self.interval = interval
            beganNs = Clock.monotonicNs()
            beganWallNs = Clock.wallNs()
            peak = nil
            peakBytes = 0
            if martlet_allocations_start(interval) < 0 { throw .refused(errno) }
        }
        if use == .allocations { table = StackTable() }
        uses.insert(use)
    }

    package func stop(_ use: Use) -> Profile? {
        guard uses.contains(use) else { return nil }
        gather(limit: .max)
        switch use {
        case .allocations:
            finished[.allocations] = allocations(isRunning: false)
            table = StackTable()
        case .heap:
            finished[.heap] = live(.heap, isRunning: false)
            finished[.peakHeap] = peakProfile(isRunning: false)
        }
        uses.remove(use)
        if uses.isEmpty { martlet_allocations_stop() }
        return finished[use == .heap ? .heap : .allocations]
    }

    /// What is known now: of what runs, else of the last one. Nil: there was none.
    package func profile(_ kind: Profile.Kind) -> Profile? {
        gather(limit: AllocationProfiler.samplesPerTurn)
        switch kind {
        case .allocations where uses.contains(.allocations): return allocations(isRunning: true)
        case .heap where uses.contains(.heap): return live(.heap, isRunning: true)
        case .peakHeap where uses.contains(.heap): return peakProfile(isRunning: true)
        default: return finished[kind]
        }
    }

    /// Every tick of main's.
    package func ticked() {
        if uses.isEmpty { return }
        gather(limit: AllocationProfiler.samplesPerTurn)
        guard uses.contains(.heap) else { return }
        let bytes = martlet_live_bytes()
        let now = Clock.monotonicNs()
        if Double(bytes) > Double(peakBytes) * AllocationProfiler.peakShare, now - peakAtNs > AllocationProfiler.peakGapNs {
            peakBytes = bytes
            peakAtNs = now
            peak = live(.peakHeap, isRunning: true)
        }
    }

    private func gather(limit: Int) {
        if uses.isEmpty { return }
        martlet_allocations_pause(1)
        defer { martlet_allocations_pause(0) }
        var left = limit
        for number in 0..<martlet_threads_used() {
            var name: String?
            while left > 0 {
                var size: UInt64 = 0
                var bytes: UInt64 = 0
                let count = unsafe martlet_allocations_take(number, &frames, &size, &bytes)
                if count == 0 { break }
                left -= 1
                guard uses.contains(.allocations) else { continue }
                let thread = name ?? ThreadName.of(number)
                name = thread
                table.add(
                    thread: thread, Array(frames[..<count]), count: max(1, bytes / max(1, size)), value: bytes)
            }
        }
    }

    private func head(_ kind: Profile.Kind, isRunning: Bool) -> Profile {
        var profile = Profile()
        profile.kind = kind
        profile.beganNs = beganWallNs
        profile.durationNs = Clock.monotonicNs() - beganNs
        profile.period = interval
        profile.lost = kind == .allocations ? martlet_allocations_lost() : martlet_live_lost()
        profile.isRunning = isRunning
        return profile
    }

    private func allocations(isRunning: Bool) -> Profile {
        martlet_allocations_pause(1)
        defer { martlet_allocations_pause(0) }
        var profile = head(.allocations, isRunning: isRunning)
        table.write(into: &profile)
        return profile
    }

    /// The peak as it was seen, or what lives now where that is more.
    private func peakProfile(isRunning: Bool) -> Profile {
        if var peak, martlet_live_bytes() <= peakBytes {
            peak.isRunning = isRunning
            return peak
        }
        return live(.peakHeap, isRunning: isRunning)
    }

    private func live(_ kind: Profile.Kind, isRunning: Bool) -> Profile {
        martlet_allocations_pause(1)
        defer { martlet_allocations_pause(0) }
        var profile = head(kind, isRunning: isRunning)
        var table = StackTable()
        for place in 0..<Int(martlet_live_max) {
            var size: UInt64 = 0
            var bytes: UInt64 = 0
            var thread: Int32 = 0
            let count = unsafe martlet_live_at(place, &frames, &size, &bytes, &thread)
            if count == 0 { continue }
            table.add(
                thread: ThreadName.of(thread), Array(frames[..<count]), count: max(1, bytes / max(1, size)), value: bytes)
        }
        table.write(into: &profile)
        return profile
    }
}
