// Items on their way to whoever collects them: spans to a tracing collector, log lines to a log server.
//
// `beginItem` says whether there is room, the caller encodes into `buffer.items`, `endItem` sees to it that the batch leaves
// in time. Nobody waits for a collector: what finds no room is dropped and counted (docs/limits.md §exporters).

import Primitives
import Routing
import Stats
import Transport
import Wire

extension Worker {
    func exportBuffer(_ config: UnsafePointer<ExportConfig>) -> ExportBuffer {
        let number = unsafe Int(config.pointee.number)
        if number < exports.buffers.count, let buffer = exports.buffers[number], unsafe buffer.serial == config.pointee.serial {
            return buffer
        }
        while exports.buffers.count <= number { exports.buffers.append(nil) }
        if exports.envelope == nil { exports.envelope = TextBuffer(pool: memory.blocks) }
        let buffer = unsafe ExportBuffer(config, pool: memory.blocks)
        buffer.isRetired = exports.isEnding
        exports.buffers[number] = buffer
        return buffer
    }

    // MARK: Items

    // HOT: per message.
    /// Where an item may be written; nil: it is dropped, and counted.
    @inline(__always)
    func beginItem(_ config: UnsafePointer<ExportConfig>) -> ExportBuffer? {
        let buffer = unsafe exportBuffer(config)
        let limits = unsafe config.pointee.limits
        // A stream that was backed up may take the batch now.
        if limits.bytesMax != 0, buffer.weight >= limits.bytesMax, unsafe config.pointee.transport == .stream,
            nowMs &- buffer.refusedMs >= ExportBuffer.retryMs
        {
            flush(buffer)
        }
        let isFull = buffer.count >= limits.itemsMax || (limits.bytesMax != 0 && buffer.weight >= limits.bytesMax)
        guard !isFull, !buffer.isGivenUp else {
            unsafe count(config.pointee.stats.dropped)
            return nil
        }
        if buffer.count > 0, unsafe config.pointee.envelope == .list { buffer.items.put(UInt8(ascii: ",")) }
        return buffer
    }

    // HOT: per message.
    /// The item is written, from `start` on; `weight`: its bytes without what frames it. `part`: the part that configures it.
    @inline(__always)
    func endItem(_ buffer: ExportBuffer, from start: Int, weight: Int, part: PartID, isCut: Bool = false) {
        if buffer.items.isTruncated || isCut { return cut(buffer, to: start) }
        let limits = unsafe buffer.config.pointee.limits
        buffer.count &+= 1
        buffer.weight &+= weight
        unsafe count(buffer.config.pointee.stats.taken)
        if buffer.count == 1 {
            buffer.part = part
            hold(part)
            let interval = limits.intervalCell?.integer(default: limits.intervalMs) ?? limits.intervalMs
            // When the process ends one turn's items still leave together.
            arm(buffer, afterMs: exports.isEnding ? 1 : interval)
            tellExports()
        }
        let enough = limits.flushItemsCell?.integer(default: limits.flushItems) ?? limits.flushItems
        if UInt64(buffer.count) >= enough || buffer.weight >= limits.bytesMax { flush(buffer) }
    }

    /// The last item did not fit: those before it go at once, where it was for want of room.
    private func cut(_ buffer: ExportBuffer, to length: Int) {
        unsafe count(buffer.config.pointee.stats.dropped)
        buffer.items.truncate(to: unsafe buffer.count > 0 && buffer.config.pointee.envelope == .list ? length - 1 : length)
        guard buffer.items.isTruncated else { return }
        if buffer.count > 0 { flush(buffer) } else { buffer.clear() }
    }

    private func arm(_ buffer: ExportBuffer, afterMs: UInt64) {
        unsafe timers.arm(buffer.timer, at: nowMs &+ min(max(afterMs, 1), Worker.askedTimeoutMaxMs))
    }

    private func armNoLater(_ buffer: ExportBuffer) {
        let interval = unsafe buffer.config.pointee.limits.intervalMs
        unsafe timers.armNoLater(buffer.timer, than: nowMs &+ min(max(interval, 1), Worker.askedTimeoutMaxMs))
    }

    @inline(__always)
    func count(_ stat: UInt32, _ n: Int = 1) {
        if stat != ExportStats.none { cells.add(stat, UInt64(truncatingIfNeeded: n)) }
    }

    /// An exporter that no part configures lives as long as the process.
    func hold(_ part: PartID) { if part != .max { pins.pin(part) } }
    func letGo(_ part: PartID) { if part != .max { pins.unpin(part) } }

    // MARK: Batches

    func exportTimerFired(_ handle: Handle) {
        let number = Int(truncatingIfNeeded: handle.raw)
        guard number < exports.buffers.count, let buffer = exports.buffers[number] else { return }
        if buffer.reconnectAtMs != 0, nowMs >= buffer.reconnectAtMs {
            buffer.reconnectAtMs = 0
            unsafe count(buffer.config.pointee.stats.reconnects)
        }
        guard buffer.count > 0 else { return }
        unsafe count(buffer.config.pointee.stats.timerFlushed)
        flush(buffer)
    }

    /// Sends what waits. What could not be sent waits on, where its transport keeps it.
    func flush(_ buffer: ExportBuffer) {
        guard buffer.count > 0 else { return }
        let stats = unsafe buffer.config.pointee.stats
        let count = buffer.count
        switch send(buffer) {
        case .sent:
            self.count(stats.flushed, count)
            self.count(stats.batches)
            if buffer.isDelayed {
                self.count(stats.delayed, count)
                self.count(stats.delayedBatches)
            }
        case .handedOver: break
        case .refused:
            // The batch waits for the next flush; items come to it while there is room.
            self.count(stats.flushFailed, count)
            buffer.refusedMs = nowMs
            buffer.isDelayed = true
            return armNoLater(buffer)
        case .waiting: return armNoLater(buffer)
        case .dropped: self.count(stats.dropped, count)
        }
        unsafe timers.cancel(buffer.timer)
        if buffer.reconnectAtMs != 0 { unsafe timers.arm(buffer.timer, at: buffer.reconnectAtMs) }
        buffer.clear()
        letGo(buffer.part)
        tellExports()
    }

    /// What waits is given up.
    func dropWaiting(_ buffer: ExportBuffer) {
        guard buffer.count > 0 else { return }
        unsafe count(buffer.config.pointee.stats.dropped, buffer.count)
        unsafe timers.cancel(buffer.timer)
        buffer.clear()
        letGo(buffer.part)
        tellExports()
    }
}

enum ExportOutcome {
    case sent
    /// To another thread, which sends it.
    case handedOver
    /// Not now.
    case refused
    /// The transport says when.
    case waiting
    /// Never.
    case dropped
}
