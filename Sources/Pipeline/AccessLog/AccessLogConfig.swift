// What configuration says of one access log, frozen: where its lines go, what they say, and which are written.

import Primitives

@safe
package struct AccessLogConfig: BitwiseCopyable {
    package enum Body: BitwiseCopyable {
        case text(Format)
        case json(JSONFormat)
    }

    /// Of a log that is written by a thread; nil: it is sent.
    package let queue: LogQueue?
    package var body: Body
    /// What an operator without a value writes.
    package var missing = MissingValue.dash
    /// The nodes of its filter in prefix order; empty: every event is logged.
    package var filter = FrozenArray<AccessLogFilterNode>()

    /// Goes to a log server, in a form of its own.
    package var remote: UnsafePointer<RemoteLogConfig>?

    package init(queue: LogQueue, body: Body) {
        self.queue = queue
        self.body = body
    }

    package init(remote: UnsafePointer<RemoteLogConfig>) {
        queue = nil
        body = .text(Format())
        unsafe self.remote = unsafe remote
    }
}

/// When lines are written beside the end of a stream or connection.
package struct AccessLogTimes: BitwiseCopyable {
    /// Milliseconds between lines of a stream that goes on; 0: none.
    package var intervalMs: UInt64 = 0
    /// `flush_access_log_on_new_request`, `flush_access_log_on_connected`.
    package var atStart = false
    /// `flush_log_on_tunnel_successfully_established`
    package var atTunnel = false
    package init() {}
}
