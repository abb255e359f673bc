// `/hystrix_event_stream`: the sink's events, flush after flush, until the client goes. There only where the sink is configured.

import Control

enum HystrixCommand {
    static let path = "/hystrix_event_stream"

    static let command = AdminCommand(path, "send hystrix event stream") { context, _ in
        guard let sink = context.server.hystrix else { return CommandTable.unknown }
        var response = AdminResponse(contentType: "text/event-stream", body: HystrixBody(sink))
        response.cacheControl = "no-cache"
        // A dashboard is served from elsewhere.
        response.headers = [
            ("access-control-allow-headers", "Accept, Cache-Control, X-Requested-With, Last-Event-ID"),
            ("access-control-allow-origin", "*"),
        ]
        return response
    }
}

/// A client that is slower than the flushes gets the newest only.
final class HystrixBody: BodySource {
    private let sink: HystrixSink
    private var seen: UInt64

    init(_ sink: HystrixSink) {
        self.sink = sink
        seen = sink.flushes
    }

    override var isWaiting: Bool { sink.flushes == seen }

    override func next(_ out: inout [UInt8]) -> Bool {
        seen = sink.flushes
        out += sink.events
        return true
    }
}
