// One worker's items of one exporter: encoded one behind the other, until there are enough of them or the interval is over.

import Primitives
import Routing
import Transport

@safe
final class ExportBuffer {
    /// Bytes of encoded items that wait.
    static let bytesMax = TextBuffer.bytesMax
    /// Requests under way.
    static let requestsMax = 64
    /// Between two tries to send a batch that a stream has not taken.
    static let retryMs: UInt64 = 20
    /// How long the server of a stream or connection that we have ended may take to end it too.
    static let endMs: UInt64 = 5000
    /// Bytes that a stream or a connection has not been able to send.
    static let unsentMax = 1 << 20

    let config: UnsafePointer<ExportConfig>
    let serial: UInt64
    var items: TextBuffer
    var count = 0
    /// Of the items alone, as `buffer_size_bytes` means it.
    var weight = 0
    /// Pinned while items wait.
    var part = PartID.max
    var requests = 0
    /// The call that batches are sent on, of an exporter with one; none: it is not there.
    var stream = Handle.none
    /// The connection is there, and takes bytes.
    var isConnected = false
    var connectAttempts: UInt32 = 0
    /// When a stream took a batch not.
    var refusedMs: UInt64 = 0
    /// What waits has been refused before.
    var isDelayed = false
    /// Until when a stream that was ended is not opened again.
    var pausedUntilMs: UInt64 = 0
    /// What Datadog's agent asks for.
    var rates = DatadogRates()
    /// When the connection is tried again; 0: no such time.
    var reconnectAtMs: UInt64 = 0
    var backoffMs: UInt64 = 0
    /// `max_connect_attempts` are used up: everything is dropped.
    var isGivenUp = false
    /// Nobody is configured by it any more, or the process ends: a stream ends behind each batch.
    var isRetired = false
    let timer: UnsafeMutablePointer<TimerNode>

    init(_ config: UnsafePointer<ExportConfig>, pool: BlockPool) {
        unsafe self.config = unsafe config
        serial = unsafe config.pointee.serial
        items = TextBuffer(pool: pool)
        unsafe timer = .allocate(capacity: 1)
        let token = unsafe Operation.exportTimer.token(Handle(raw: UInt64(config.pointee.number)))
        unsafe timer.initialize(to: TimerNode(token: token))
    }

    /// The timer is not armed: it is only while items wait or a connection is to be made, and both pin the part whose
    /// number this is.
    deinit {
        items.destroy()
        unsafe timer.deallocate()
    }

    func clear() {
        items.reset()
        count = 0
        weight = 0
        isDelayed = false
    }
}

/// What a worker keeps of its exporters.
struct ExportWorker {
    /// By the exporter's number; made with the first item.
    var buffers: [ExportBuffer?] = []
    /// What stands around a batch is put together here; made with the first buffer.
    var envelope: TextBuffer?
    /// The process ends: nothing waits for its interval.
    var isEnding = false
}
