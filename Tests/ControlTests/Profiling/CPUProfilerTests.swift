import CMartlet
import Control
import Glibc
import Testing

/// Burns the calling thread's CPU where the profile must show it.
@inline(never)
private func burnHere(_ ms: UInt64) -> UInt64 {
    var sum: UInt64 = 1
    let end = cpuNs() + ms * 1_000_000
    while cpuNs() < end {
        for i in 0..<2000 { sum = sum &* 31 &+ UInt64(i) }
    }
    return sum
}

private func cpuNs() -> UInt64 { martlet_thread_cpu_ns(martlet_thread_id()) }

/// Through a library without frame pointers: glibc calls back into `compareSlowly`.
@inline(never)
private func sortThroughTheLibrary(_ values: inout [UInt64]) {
    unsafe qsort(&values, values.count, 8, compareSlowly)
}

private let compareSlowly: @convention(c) (UnsafeRawPointer?, UnsafeRawPointer?) -> Int32 = { a, b in
    guard let a = unsafe a, let b = unsafe b else { return 0 }
    let first = unsafe a.load(as: UInt64.self)
    let second = unsafe b.load(as: UInt64.self)
    return burnHere(1) == 0 || first < second ? -1 : first == second ? 0 : 1
}

/// Runs `body` on a thread of its own that is known to the profiler, to its end.
private func onThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
    let box = Box(name, body)
    var thread = pthread_t()
    let opaque = unsafe Unmanaged.passRetained(box).toOpaque()
    let status = unsafe pthread_create(&thread, nil, { opaque in
        guard let opaque = unsafe opaque else { return nil }
        let box = unsafe Unmanaged<Box>.fromOpaque(opaque).takeRetainedValue()
        _ = unsafe martlet_thread_enter(box.name)
        box.body()
        martlet_thread_leave()
        return nil
    }, unsafe opaque)
    #expect(status == 0)
    pthread_join(thread, nil)
}

private final class Box: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// One at a time: the timers are the process's.
@Suite(.serialized)
struct CPUProfilerTests {
    init() { martlet_profile_prepare() }

    private func profiled(_ name: String, frequency: UInt64 = 200, _ body: @escaping @Sendable () -> Void) throws -> Profile {
        let profiler = CPUProfiler()
        try profiler.start(frequency: frequency)
        onThread(name, body)
        return try #require(profiler.stop())
    }

    private func names(_ profile: Profile, thread: String) -> [(names: [String], value: UInt64)] {
        let code = CodeMap(profile.stacks.map(\.frames))
        return profile.stacks.filter { profile.threads[$0.thread] == thread }.map { stack in
            (stack.frames.enumerated().map { code.name($1, depth: $0) }, stack.value)
        }
    }

    @Test
    func whatBurnsIsSeenWithItsCallers() throws {
        let profile = try profiled("burner") { _ = burnHere(600) }
        let stacks = names(profile, thread: "burner")
        let all = stacks.reduce(0) { $0 + $1.value }
        // 600 ms of CPU time; the kernel looks at its ticks.
        #expect((400_000_000...800_000_000).contains(all), "\(all)")
        let burning = stacks.filter { $0.names.contains { $0.contains("burnHere") } }
        #expect(burning.reduce(0) { $0 + $1.value } * 10 > all * 9, "\(stacks)")
        #expect(burning.allSatisfy { $0.names.contains { $0.contains("Box.body") || $0.contains("closure") } }, "\(burning)")
        #expect(profile.lost == 0)
    }

    @Test
    func framesBelowALibraryAreFound() throws {
        let profile = try profiled("sorter") {
            var values = (0..<64).map { UInt64($0) &* 7919 % 64 }
            sortThroughTheLibrary(&values)
        }
        let stacks = names(profile, thread: "sorter").filter { $0.names.contains { $0.contains("burnHere") } }
        #expect(!stacks.isEmpty)
        let whole = stacks.filter { $0.names.contains { $0.contains("sortThroughTheLibrary") } }
        #expect(whole.count == stacks.count, "\(stacks.map(\.names))")
    }

    @Test
    func aThreadThatSleepsCostsAndShowsNothing() throws {
        let profile = try profiled("sleeper") { usleep(300_000) }
        #expect(names(profile, thread: "sleeper").reduce(0) { $0 + $1.value } <= 20_000_000)
    }

    @Test
    func onlyOneRuns() throws {
        let profiler = CPUProfiler()
        #expect(profiler.profile == nil)
        try profiler.start(frequency: 100)
        #expect(throws: CPUProfiler.Failure.self) { try profiler.start(frequency: 100) }
        #expect(profiler.profile?.isRunning == true)
        #expect(profiler.stop() != nil)
        #expect(profiler.stop() == nil)
        #expect(profiler.profile?.isRunning == false)
    }

    /// Nobody empties the rings: they fill, and say what they lost.
    @Test
    func aFullRingCountsWhatIsLost() throws {
        let profiler = CPUProfiler()
        try profiler.start(frequency: 1000)
        onThread("deep") {
            // How often the kernel looks at a thread's timer depends on how it shares out the processors.
            let number = unsafe martlet_thread_enter("deep")
            for _ in 0..<150 where martlet_profile_lost(number) == 0 { _ = descend(150, 200) }
        }
        let profile = try #require(profiler.stop())
        #expect(profile.stacks.allSatisfy { $0.frames.count <= Int(martlet_frames_max) })
        #expect(profile.stacks.contains { $0.frames.count == Int(martlet_frames_max) })
        #expect(profile.lost > 0)
    }

    @Test
    func theStackOfAnotherThreadIsTold() throws {
        let number = Number()
        var thread = pthread_t()
        let opaque = unsafe Unmanaged.passRetained(number).toOpaque()
        _ = unsafe pthread_create(&thread, nil, { opaque in
            guard let opaque = unsafe opaque else { return nil }
            let number = unsafe Unmanaged<Number>.fromOpaque(opaque).takeRetainedValue()
            number.set(unsafe martlet_thread_enter("hanging"))
            _ = burnHere(1_500)
            martlet_thread_leave()
            return nil
        }, unsafe opaque)
        while number.get() < 0 { usleep(1000) }
        usleep(100_000)
        var frames = [UInt64](repeating: 0, count: Int(martlet_frames_max))
        let count = unsafe martlet_thread_stack(number.get(), 5_000_000_000, &frames)
        let stack = Array(frames[..<count])
        let code = CodeMap([stack])
        #expect(stack.enumerated().contains { code.name($1, depth: $0).contains("burnHere") })
        pthread_join(thread, nil)
        // It is gone.
        #expect(unsafe martlet_thread_stack(number.get(), 1_000_000, &frames) == 0)
        #expect(unsafe martlet_thread_stack(-1, 1_000_000, &frames) == 0)
        #expect(unsafe martlet_thread_stack(martlet_threads_used() + 1, 1_000_000, &frames) == 0)
    }
}

@inline(never)
private func descend(_ depth: Int, _ ms: UInt64) -> UInt64 {
    depth == 0 ? burnHere(ms) : descend(depth - 1, ms) &+ UInt64(depth)
}

@safe
private final class Number: @unchecked Sendable {
    private let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    init() { unsafe word.initialize(to: .max) }
    func set(_ value: Int32) { unsafe cmartlet_store_release(word, UInt64(bitPattern: Int64(value))) }
    func get() -> Int32 { Int32(truncatingIfNeeded: unsafe cmartlet_load_acquire(word)) }
}
