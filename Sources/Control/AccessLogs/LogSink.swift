// One file (or standard output, or standard error) that access logs write to, and the thread that does it.
//
// Why a thread and not the worker's ring: docs/decisions/access-logs.md. The thread sleeps until a ring holds 64 KiB or
// the flush interval is over, then writes what is there. It may block as long as it likes: workers drop lines then, and
// count them. Everything below `// MARK: Thread` runs on it; the words between are written by one side each.

import CLiburing
import CMartlet
import Glibc
import Pipeline
import Primitives

enum LogTarget: Hashable {
    case file(String)
    case output
    case error
}

@safe
final class LogSink: @unchecked Sendable {  // words and queue are written by one side each
    /// How soon a write that failed is tried again, at the latest.
    private static let retryNs: UInt64 = 1_000_000_000
    private static let pollMs: Int32 = 100

    @safe
    private struct Words {
        /// Main's: the number of the last reopening that was asked for, and the end.
        var reopen: UInt64 = 0
        var finish: UInt64 = 0
        /// The thread's.
        var finished: UInt64 = 0
        var completed: UInt64 = 0
        var failed: UInt64 = 0
        var reopenFailed: UInt64 = 0
        var byTimer: UInt64 = 0
    }

    let target: LogTarget
    let queue: LogQueue
    private let writers: Int
    private let intervalNs: UInt64
    private let words: UnsafeMutablePointer<Words>
    private(set) var isStarted = false

    private var descriptor: Int32
    private var reopened: UInt64 = 0
    /// By ring: up to where its lines are written.
    private var done: [UInt64]

    /// `descriptor` is the sink's from now on.
    init(_ target: LogTarget, descriptor: Int32, queue: LogQueue, writers: Int, intervalMs: UInt64) {
        self.target = target
        self.descriptor = descriptor
        self.queue = queue
        self.writers = writers
        intervalNs = max(intervalMs, 1) &* 1_000_000
        unsafe words = .allocate(capacity: 1)
        unsafe words.initialize(to: Words())
        done = Array(repeating: 0, count: writers)
    }

    deinit {
        if case .file = target { close(descriptor) }
        queue.destroy()
        unsafe words.deallocate()
    }

    /// -1: `errno` says why. A FIFO that nobody reads is refused (ENXIO) rather than waited for: main opens it.
    static func open(_ path: String) -> Int32 {
        let descriptor = unsafe Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o644)
        if descriptor >= 0 { _ = fcntl(descriptor, F_SETFL, O_APPEND) }
        return descriptor
    }

    // MARK: Main

    /// Without a thread lines are dropped, and counted, once the rings are full; it is tried again.
    func start() {
        var thread = pthread_t()
        let box = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(&thread, nil, { opaque in
            guard let opaque = unsafe opaque else { return nil }
            unsafe Unmanaged<LogSink>.fromOpaque(opaque).takeRetainedValue().serve()
            return nil
        }, unsafe box)
        guard status == 0 else {
            unsafe Unmanaged<LogSink>.fromOpaque(box).release()
            return unsafe count(&words.pointee.failed)
        }
        isStarted = true
        pthread_detach(thread)
    }

    func reopen() {
        unsafe cmartlet_store_release(&words.pointee.reopen, words.pointee.reopen + 1)
        queue.wake()
    }

    /// No writer is left: what waits is written, then the thread ends.
    func finish() {
        unsafe cmartlet_store_release(&words.pointee.finish, 1)
        queue.wake()
    }

    var isFinished: Bool { unsafe !isStarted || cmartlet_load_acquire(&words.pointee.finished) != 0 }

    var counts: LogCounts {
        var counts = LogCounts()
        let totals = queue.totals
        counts.buffered = totals.lines
        counts.dropped = totals.dropped
        counts.waitingBytes = totals.waitingBytes
        counts.completed = unsafe cmartlet_load_relaxed(&words.pointee.completed)
        counts.failed = unsafe cmartlet_load_relaxed(&words.pointee.failed)
        counts.reopenFailed = unsafe cmartlet_load_relaxed(&words.pointee.reopenFailed)
        counts.byTimer = unsafe cmartlet_load_relaxed(&words.pointee.byTimer)
        return counts
    }

    // MARK: Thread

    private func serve() {
        unsafe martlet_thread_name("AccessLogFlush")
        _ = unsafe martlet_thread_enter("AccessLogFlush")
        while true {
            let isLast = unsafe cmartlet_load_acquire(&words.pointee.finish) != 0
            let wanted = unsafe cmartlet_load_acquire(&words.pointee.reopen)
            if wanted != reopened {
                reopened = wanted
                reopenFile()
            }
            var isWritten = true
            for writer in 0..<writers where !write(writer) { isWritten = false }
            if isLast { break }
            let limit = isWritten ? intervalNs : min(intervalNs, LogSink.retryNs)
            if !queue.wait(nanoseconds: limit) { unsafe count(&words.pointee.byTimer) }
        }
        martlet_thread_leave()
        unsafe cmartlet_store_release(&words.pointee.finished, 1)
    }

    private func count(_ word: UnsafeMutablePointer<UInt64>) {
        unsafe cmartlet_store_relaxed(word, word.pointee + 1)
    }

    /// The name may belong to a new file now. When that cannot be opened, the old one serves on.
    private func reopenFile() {
        guard case .file(let path) = target else { return }
        let fresh = LogSink.open(path)
        guard fresh >= 0 else { return unsafe count(&words.pointee.reopenFailed) }
        close(descriptor)
        descriptor = fresh
        // What the old file took only in part (its disk was full) is written whole to the new one: no line is torn.
        for writer in 0..<writers { done[writer] = queue.consumed(writer: writer) }
    }

    /// Writes the lines that wait in one ring; false: the rest has to wait. The room is given back when all are
    /// written, so that until then nothing is lost by a reopening.
    private func write(_ writer: Int) -> Bool {
        let (first, second) = queue.waiting(writer: writer, from: done[writer])
        let end = done[writer] &+ UInt64(first.count + second.count)
        while done[writer] != end {
            let written = done[writer] &- (end &- UInt64(first.count + second.count))
            let taken = writeOnce(first, second, skipping: Int(written))
            if taken > 0 {
                done[writer] &+= UInt64(taken)
                continue
            }
            if taken < 0, errno == EINTR { continue }
            if taken < 0, errno == EAGAIN, waitForRoom() { continue }
            unsafe count(&words.pointee.failed)
            return false
        }
        if queue.consumed(writer: writer) != end {
            queue.consume(writer: writer, to: end)
            unsafe count(&words.pointee.completed)
        }
        return true
    }

    private func writeOnce(_ first: Bytes, _ second: Bytes, skipping: Int) -> Int {
        let a = first.from(min(skipping, first.count))
        let b = second.from(max(0, skipping - first.count))
        let parts = unsafe [
            iovec(iov_base: UnsafeMutableRawPointer(mutating: a.base), iov_len: a.count),
            iovec(iov_base: UnsafeMutableRawPointer(mutating: b.base), iov_len: b.count),
        ]
        return unsafe parts.withUnsafeBufferPointer { unsafe writev(descriptor, $0.baseAddress, 2) }
    }

    /// A pipe without room that somebody made non-blocking; false: the end has come first.
    private func waitForRoom() -> Bool {
        while true {
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if unsafe poll(&ready, 1, LogSink.pollMs) > 0 { return true }
            if unsafe cmartlet_load_acquire(&words.pointee.finish) != 0 { return false }
        }
    }
}

/// What one sink has done so far.
struct LogCounts {
    var buffered: UInt64 = 0
    var dropped: UInt64 = 0
    var waitingBytes: UInt64 = 0
    var completed: UInt64 = 0
    var failed: UInt64 = 0
    var reopenFailed: UInt64 = 0
    var byTimer: UInt64 = 0

    mutating func add(_ other: LogCounts) {
        buffered &+= other.buffered
        dropped &+= other.dropped
        waitingBytes &+= other.waitingBytes
        completed &+= other.completed
        failed &+= other.failed
        reopenFailed &+= other.reopenFailed
        byTimer &+= other.byTimer
    }
}
