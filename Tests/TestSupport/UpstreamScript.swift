/// What a scripted upstream does on one connection, step by step. After the last step it keeps reading until the
/// proxy closes.
package enum UpstreamStep: Sendable {
    /// Reads to the end of one request's head.
    case readHead
    /// Reads one whole request, its body by its framing.
    case readRequest
    /// Reads until this text has come, after whatever earlier steps consumed.
    case readText(String)
    case send(String)
    /// Sends a whole response; only its head if the last request read was a HEAD.
    case answer(String)
    case delay(ms: Int)
    case close
    case reset
    case shutdownWrite
    /// Begins again at the first step.
    case again
    /// Stands first and alone: the connection speaks HTTP/2.
    case http2([H2Step])
}

/// One list of steps per connection; a connection beyond the last list gets the last one.
package struct UpstreamScript: Sendable {
    package var connections: [[UpstreamStep]]

    package init(_ connections: [[UpstreamStep]]) { self.connections = connections }

    /// Every request is read whole and answered with `reply`.
    package static func always(_ reply: String) -> UpstreamScript {
        UpstreamScript([[.readRequest, .answer(reply), .again]])
    }

    /// One connection's steps, for every connection.
    package static func steps(_ steps: UpstreamStep...) -> UpstreamScript { UpstreamScript([steps]) }
}
