// What configuration says of one exporter, frozen: where batches of spans or log lines go, how a batch looks on the wire,
// when it leaves, and what is counted.

import Primitives
import Routing

@safe
package struct ExportConfig: BitwiseCopyable {
    package enum Transport: UInt8, BitwiseCopyable {
        /// One request for each batch.
        case call
        /// Each batch is a message of one gRPC call that goes on and on.
        case stream
        /// Each batch is bytes on a TCP connection.
        case connection
    }

    /// What stands around the items of a batch.
    package enum Envelope: UInt8, BitwiseCopyable {
        case none
        /// `[…]`; the items are parted by commas.
        case list
        /// Protobuf messages inside each other: `layers`.
        case message
        /// fluentd's forward protocol: tag and list.
        case forward
        /// An array of MessagePack.
        case array
    }

    package var transport = Transport.call
    package var envelope = Envelope.none
    /// gRPC: five bytes stand before each message.
    package var isFramed = false
    /// Number of the exporter, unique while its part lives; workers keep their buffers by it.
    package var number: UInt32 = 0
    package var serial: UInt64 = 0
    /// The cluster; nil: there is none, and everything is dropped.
    package var target: UnsafePointer<RouteConfig>?
    package var path = Bytes.empty
    package var host = Bytes.empty
    package var contentType = Bytes.empty
    package var userAgent = Bytes.empty
    package var headers = FrozenArray<HeaderMutation>()
    package var requestTimeout: RuntimeCell?
    /// A field that says how many items a request carries; empty: none does.
    package var countField = Bytes.empty
    /// Datadog's agent says in its answers which share of traces it wants. Of which service.
    package var ratedService = Bytes.empty
    package var address = SocketAddress()

    /// Outermost first.
    package var layers = FrozenArray<ExportLayer>()
    /// Stands before the items in the innermost layer: the instrumentation scope, fluentd's tag.
    package var head = Bytes.empty
    /// Stands before all in the first message of a stream: who is speaking.
    package var introduction = Bytes.empty

    package var limits = ExportLimits()
    package var stats = ExportStats()
    package var reconnect = ExportReconnect()
    package init() {}
}

/// Field `field` of the message before holds a message that begins with `prefix`.
package struct ExportLayer: BitwiseCopyable {
    package var field: UInt8
    package var prefix: Bytes

    package init(field: UInt8, prefix: Bytes = .empty) {
        self.field = field
        self.prefix = prefix
    }
}

/// When a batch leaves, and how much may wait (docs/limits.md).
package struct ExportLimits: BitwiseCopyable {
    package var itemsMax = Int.max
    /// As many bytes leave at once, and when they cannot, nothing more is taken. 0: each item leaves alone.
    package var bytesMax = Int.max
    package var flushItems: UInt64 = .max
    package var flushItemsCell: RuntimeCell?
    package var intervalMs: UInt64 = 1000
    package var intervalCell: RuntimeCell?
    package init() {}
}

/// How a TCP connection is made again.
package struct ExportReconnect: BitwiseCopyable {
    package var baseMs: UInt64 = 500
    package var maxMs: UInt64 = 5000
    /// 0: without end.
    package var attemptsMax: UInt32 = 0
    /// Of a stream: how long, at most, items wait before one that was ended is opened again. 0: not at all.
    package var streamPauseMs: UInt64 = 0
    package init() {}
}

/// Statistics by what has happened; `none`: not counted.
package struct ExportStats: BitwiseCopyable {
    package static let none = UInt32.max
    // Of items.
    package var taken = ExportStats.none
    package var dropped = ExportStats.none
    package var flushed = ExportStats.none
    package var flushFailed = ExportStats.none
    package var delivered = ExportStats.none
    package var lost = ExportStats.none
    /// Sent after they had to wait for their stream; and how many times that was.
    package var delayed = ExportStats.none
    package var delayedBatches = ExportStats.none
    // Of batches, requests and connections.
    package var timerFlushed = ExportStats.none
    package var batches = ExportStats.none
    package var accepted = ExportStats.none
    package var refused = ExportStats.none
    package var failed = ExportStats.none
    package var closed = ExportStats.none
    package var reconnects = ExportStats.none
    /// Zipkin's: 202 is the one status that accepts.
    package var acceptedStatus: UInt16 = 0
    package init() {}
}
