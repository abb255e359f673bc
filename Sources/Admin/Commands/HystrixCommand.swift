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
    private var reader: HystrixReader

    init(_ sink: HystrixSink) { reader = HystrixReader(sink) }

    override var isWaiting: Bool { reader.isWaiting }

    override func next(_ out: inout [UInt8]) -> Bool {
        reader.next(&out, upTo: BodySource.pieceBytes)
        return true
    }
}
