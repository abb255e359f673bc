// The sinks of the process: loggers that name the same file share one. Main thread only.

import Glibc
import Pipeline
import Primitives
import Stats

/// A plan part's hold on a sink; letting go of the last one ends it.
final class LogSinkLease {
    let queue: LogQueue
    private let target: LogTarget
    private let sinks: LogSinks

    fileprivate init(_ sink: LogSink, _ sinks: LogSinks) {
        queue = sink.queue
        target = sink.target
        self.sinks = sinks
    }

    deinit { sinks.release(target) }
}

package final class LogSinks {
    struct OpenFailure: Error {
        let message: String
    }

    private struct Entry {
        let sink: LogSink
        var uses: Int
    }

    /// Threads that put lines into a queue: the workers and main.
    private let writers: Int
    private let intervalMs: UInt64
    private var entries: [LogTarget: Entry] = [:]
    /// Without users, writing their last lines.
    private var ending: [LogSink] = []
    /// Of sinks that are gone.
    private var past = LogCounts()
    /// What the statistics say already.
    private var published = LogCounts()

    init(writers: Int, flushIntervalMs: UInt64) {
        self.writers = writers
        intervalMs = flushIntervalMs
    }

    func lease(_ target: LogTarget) throws(OpenFailure) -> LogSinkLease {
        if var entry = entries[target] {
            entry.uses += 1
            entries[target] = entry
            return LogSinkLease(entry.sink, self)
        }
        var descriptor: Int32
        switch target {
        case .output: descriptor = 1
        case .error: descriptor = 2
        case .file(let path):
            descriptor = LogSink.open(path)
            if descriptor < 0 {
                throw unsafe OpenFailure(
                    message: "unable to open file '\(path)': \(strerror(errno).map { unsafe String(cString: $0) } ?? "")")
            }
        }
        guard let queue = LogQueue(writers: writers) else { throw OpenFailure(message: "no memory for an access log") }
        let sink = LogSink(target, descriptor: descriptor, queue: queue, writers: writers, intervalMs: intervalMs)
        entries[target] = Entry(sink: sink, uses: 1)
        return LogSinkLease(sink, self)
    }

    fileprivate func release(_ target: LogTarget) {
        guard var entry = entries[target] else { return }
        entry.uses -= 1
        entries[target] = entry.uses > 0 ? entry : nil
        guard entry.uses == 0, entry.sink.isStarted else { return }
        entry.sink.finish()
        ending.append(entry.sink)
    }

    /// The configuration is applied: threads for the sinks that are new. Each tick: for those that got none.
    func start() {
        for entry in entries.values where !entry.sink.isStarted { entry.sink.start() }
    }

    /// SIGUSR1, `/reopen_logs`: files that were renamed are opened anew under their old names.
    package func reopen() {
        for entry in entries.values { entry.sink.reopen() }
    }

    /// Brings the statistics up to date.
    package func publish(_ cells: StatCells, _ scope: StatScope<FilesystemStat>) {
        // Asked once each: a sink that finishes meanwhile is counted as finished in the next round.
        let finished = ending.filter(\.isFinished)
        for sink in finished {
            var counts = sink.counts
            counts.waitingBytes = 0
            past.add(counts)
        }
        ending.removeAll { sink in finished.contains { $0 === sink } }
        var sum = past
        for sink in ending { sum.add(sink.counts) }
        for entry in entries.values { sum.add(entry.sink.counts) }
        func raise(_ leaf: FilesystemStat, _ count: KeyPath<LogCounts, UInt64>) {
            let more = sum[keyPath: count] &- published[keyPath: count]
            if more > 0 { cells.add(scope[leaf], more) }
        }
        raise(.writeBuffered, \.buffered)
        raise(.writeCompleted, \.completed)
        raise(.writeFailed, \.failed)
        raise(.writeDropped, \.dropped)
        raise(.reopenFailed, \.reopenFailed)
        raise(.flushedByTimer, \.byTimer)
        // As in Envoy not before a line was written.
        if sum.buffered > 0 { cells.set(scope[.writeTotalBuffered], sum.waitingBytes) }
        published = sum
    }

    /// The workers are gone: everything is written, but nobody waits longer than `limitMs` for a sink that is stuck.
    func finish(limitMs: Int) {
        for entry in entries.values where entry.sink.isStarted { entry.sink.finish() }
        var waited = 0
        while waited < limitMs, entries.values.contains(where: { !$0.sink.isFinished }) || ending.contains(where: { !$0.isFinished }) {
            usleep(1000)
            waited += 1
        }
    }
}
