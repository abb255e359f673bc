// Batches that main has put together and one worker sends, since workers have the clusters: statistics for sinks, lines of the
// admin interface's log. One writer,
// one reader, a ring of places; the memory of a batch is main's until it is put, the worker's then.

import CMartlet
import Glibc
import Primitives

/// Items of one exporter, encoded.
@safe
package struct ExportBatch: BitwiseCopyable {
    package let config: UnsafePointer<ExportConfig>
    package let base: UnsafeMutableRawPointer
    package let count: Int
    package let items: Int
    package let weight: Int
    /// What cannot be sent at once waits for its turn; else it gives way to what is newer.
    package let waits: Bool

    package init(
        config: UnsafePointer<ExportConfig>, base: UnsafeMutableRawPointer, count: Int, items: Int, weight: Int = 0, waits: Bool = false
    ) {
        unsafe self.config = unsafe config
        unsafe self.base = unsafe base
        self.count = count
        self.items = items
        self.weight = weight
        self.waits = waits
    }
}

@safe
package struct ExportInbox: @unchecked Sendable {  // one writer per word
    /// Batches that wait for the worker; `docs/limits.md`.
    package static let places: UInt64 = 64

    @safe
    private struct Words {
        var written: UInt64 = 0
        var padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
        var read: UInt64 = 0
    }

    private let words: UnsafeMutablePointer<Words>
    private let batches: UnsafeMutablePointer<ExportBatch?>

    package init() {
        unsafe words = .allocate(capacity: 1)
        unsafe words.initialize(to: Words())
        unsafe batches = .allocate(capacity: Int(ExportInbox.places))
        unsafe batches.initialize(repeating: nil, count: Int(ExportInbox.places))
    }

    package func destroy() {
        while let batch = take() { unsafe batch.base.deallocate() }
        unsafe words.deallocate()
        unsafe batches.deallocate()
    }

    /// Main: false when the ring is full. The batch's memory is the worker's then.
    package func put(_ batch: ExportBatch) -> Bool {
        let written = unsafe words.pointee.written
        guard unsafe written &- cmartlet_load_acquire(&words.pointee.read) < ExportInbox.places else { return false }
        unsafe batches[Int(written % ExportInbox.places)] = batch
        unsafe cmartlet_store_release(&words.pointee.written, written &+ 1)
        return true
    }

    /// Main: the worker has taken all.
    package var isEmpty: Bool { unsafe cmartlet_load_acquire(&words.pointee.read) == words.pointee.written }

    // HOT: per turn.
    /// The worker: the next batch; nil: there is none.
    @inline(__always)
    package func take() -> ExportBatch? {
        let read = unsafe words.pointee.read
        guard unsafe cmartlet_load_acquire(&words.pointee.written) != read else { return nil }
        let batch = unsafe batches[Int(read % ExportInbox.places)]
        unsafe cmartlet_store_release(&words.pointee.read, read &+ 1)
        return batch
    }
}

extension Worker {
    // HOT: per turn.
    @inline(__always)
    func lookAtInbox() {
        guard let inbox = exportInbox else { return }
        while let batch = inbox.take() { send(batch) }
    }

    private func send(_ batch: ExportBatch) {
        defer { unsafe batch.base.deallocate() }
        let buffer = unsafe exportBuffer(batch.config)
        if batch.waits { return add(batch, to: buffer) }
        // What its stream has not taken until now gives way to what is newer.
        dropWaiting(buffer)
        buffer.items.put(unsafe Bytes(UnsafeRawPointer(batch.base), batch.count))
        buffer.count = batch.items
        buffer.weight = batch.count
        flush(buffer)
        dropWaiting(buffer)
    }

    /// Behind what waits already, as items of the worker's own would be.
    private func add(_ batch: ExportBatch, to buffer: ExportBuffer) {
        let start = buffer.items.count
        buffer.items.put(unsafe Bytes(UnsafeRawPointer(batch.base), batch.count))
        guard !buffer.items.isTruncated, !buffer.isGivenUp else {
            unsafe count(batch.config.pointee.stats.dropped, batch.items)
            buffer.items.truncate(to: start)
            if buffer.count > 0 { flush(buffer) } else { buffer.clear() }
            return
        }
        buffer.count &+= batch.items
        buffer.weight &+= batch.weight
        flush(buffer)
    }
}
