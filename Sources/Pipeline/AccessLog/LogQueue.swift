// Lines on their way from the workers to a log's own thread (docs/decisions/access-logs.md): one ring of bytes per
// writer, each with one writer and one reader, in one piece of memory that is neither on a worker's heap nor main's.
//
// A writer never waits: a line that finds no room is dropped and counted. `written` moves by whole lines, so what the
// reader finds in one ring is always whole lines, and lines of two writers never mix.
//
// Owner of the memory: the log's sink (Control). Workers hold the pointer in frozen memory for as long as the part
// that names it lives.

import CMartlet
import Glibc
import Primitives

@safe
package struct LogQueue: BitwiseCopyable, @unchecked Sendable {
    /// What waits per writer before lines are dropped; `docs/limits.md` §access logs.
    package static let ringBytes = 512 << 10
    /// What a ring holds when the log's thread is woken for it (Envoy's `MIN_FLUSH_SIZE`).
    package static let flushBytes: UInt64 = 64 << 10

    /// Words of one ring: the writer's on one cache line, the reader's on another.
    @safe
    private struct Ring {
        var written: UInt64 = 0
        var lines: UInt64 = 0
        var dropped: UInt64 = 0
        /// `written` when the reader was woken last.
        var announced: UInt64 = 0
        var writerPadding: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var read: UInt64 = 0
        var readerPadding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
    }

    private static let signalBytes = 64

    private let base: UnsafeMutableRawPointer
    private let writers: Int

    /// Nil: no memory. Pages cost nothing until they are written.
    package init?(writers: Int) {
        let memory = unsafe mmap(
            nil, LogQueue.bytes(writers), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else { return nil }
        unsafe base = unsafe memory
        self.writers = writers
        for i in 0..<writers { unsafe ring(i).initialize(to: Ring()) }
    }

    package func destroy() { unsafe munmap(base, LogQueue.bytes(writers)) }

    private static func bytes(_ writers: Int) -> Int {
        signalBytes + writers * (MemoryLayout<Ring>.stride + ringBytes)
    }

    @inline(__always)
    private var signal: UnsafeMutablePointer<UInt32> { unsafe base.assumingMemoryBound(to: UInt32.self) }

    @inline(__always)
    private func ring(_ writer: Int) -> UnsafeMutablePointer<Ring> {
        unsafe (base + LogQueue.signalBytes + writer &* MemoryLayout<Ring>.stride).assumingMemoryBound(to: Ring.self)
    }

    @inline(__always)
    private func data(_ writer: Int) -> UnsafeMutableRawPointer {
        unsafe base + LogQueue.signalBytes + writers &* MemoryLayout<Ring>.stride + writer &* LogQueue.ringBytes
    }

    // MARK: Writer

    // HOT: per message.
    /// Takes the line, or drops it. Never waits.
    package func put(_ line: Bytes, writer: Int) {
        let ring = unsafe ring(writer)
        let written = unsafe ring.pointee.written
        let waiting = unsafe Int(truncatingIfNeeded: written &- cmartlet_load_acquire(&ring.pointee.read))
        guard line.count <= LogQueue.ringBytes &- waiting else {
            unsafe cmartlet_store_relaxed(&ring.pointee.dropped, ring.pointee.dropped &+ 1)
            return
        }
        let at = Int(truncatingIfNeeded: written) & (LogQueue.ringBytes &- 1)
        let first = min(line.count, LogQueue.ringBytes &- at)
        let data = unsafe data(writer)
        unsafe memcpy(data + at, line.base, first)
        if first < line.count { unsafe memcpy(data, line.base + first, line.count &- first) }
        let end = written &+ UInt64(truncatingIfNeeded: line.count)
        unsafe cmartlet_store_relaxed(&ring.pointee.lines, ring.pointee.lines &+ 1)
        unsafe cmartlet_store_release(&ring.pointee.written, end)
        if unsafe end &- ring.pointee.announced >= LogQueue.flushBytes {
            unsafe ring.pointee.announced = end
            wake()
        }
    }

    // MARK: Reader

    /// The lines that wait in one ring, in at most two pieces; `start` is where they begin, for `consumed`.
    package func waiting(writer: Int, from start: UInt64) -> (first: Bytes, second: Bytes) {
        let ring = unsafe ring(writer)
        let count = unsafe Int(truncatingIfNeeded: cmartlet_load_acquire(&ring.pointee.written) &- start)
        let at = Int(truncatingIfNeeded: start) & (LogQueue.ringBytes &- 1)
        let first = min(count, LogQueue.ringBytes &- at)
        let data = unsafe data(writer)
        return unsafe (
            Bytes(UnsafeRawPointer(data + at), first), Bytes(UnsafeRawPointer(data), count &- first)
        )
    }

    /// What the reader has taken so far.
    package func consumed(writer: Int) -> UInt64 { unsafe ring(writer).pointee.read }

    /// Everything before `position` is written; its room is the writer's again.
    package func consume(writer: Int, to position: UInt64) {
        unsafe cmartlet_store_release(&ring(writer).pointee.read, position)
    }

    /// True: woken, false: the time is over.
    package func wait(nanoseconds: UInt64) -> Bool {
        let isRaised = unsafe cmartlet_signal_wait(signal, nanoseconds) != 0
        _ = unsafe cmartlet_signal_take(signal)
        return isRaised
    }

    // MARK: Anybody

    package func wake() { unsafe cmartlet_signal_raise(signal) }

    package struct Totals {
        package var lines: UInt64 = 0
        package var dropped: UInt64 = 0
        package var waitingBytes: UInt64 = 0
    }

    package var totals: Totals {
        var totals = Totals()
        for i in 0..<writers {
            let ring = unsafe ring(i)
            unsafe totals.lines &+= cmartlet_load_relaxed(&ring.pointee.lines)
            unsafe totals.dropped &+= cmartlet_load_relaxed(&ring.pointee.dropped)
            let read = unsafe cmartlet_load_acquire(&ring.pointee.read)
            unsafe totals.waitingBytes &+= cmartlet_load_acquire(&ring.pointee.written) &- read
        }
        return totals
    }
}
