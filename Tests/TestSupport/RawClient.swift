import Glibc

/// A client that sends exactly the bytes it is told, in the pieces it is told, and reports what came back and how the
/// connection ended.
package struct RawClient: Sendable {
    package enum Step: Sendable {
        case send(String)
        /// Waits, while reading.
        case pause(ms: Int)
        /// Waits until one more response has come whole (1xx responses do not count).
        case awaitResponse
        /// Waits until this text has come.
        case awaitText(String)
        case shutdownWrite
        case reset
        case close
    }

    package enum End: String, Sendable {
        case open
        case closed = "closed by the proxy"
        case reset = "reset by the proxy"
        case left = "closed by the client"
    }

    package struct Outcome: Sendable {
        package var received: [UInt8] = []
        package var end = End.open
        package var responses: [HTTPMessage] = []
    }

    package var steps: [Step]
    /// The methods of the requests sent, in order; as many responses are awaited. Without any, bytes are only bytes.
    package var methods: [String]
    /// How long to wait for the responses in all.
    package var answerLimitMs = 8_000 * patienceFactor
    /// How long to watch, after the last response, whether the proxy closes.
    package var closeLimitMs = 100
    /// The same when the last response announces the close.
    package var announcedCloseLimitMs = 3_000

    package init(steps: [Step], methods: [String]) {
        self.steps = steps
        self.methods = methods
    }

    /// Runs the whole conversation; the socket closes after `holdOpen` has returned. `begun` is called when the first
    /// bytes are out, and again at later ones.
    package func run(port: UInt16, begun: () -> Void = {}, holdOpen: () -> Void = {}) throws -> Outcome {
        let socket = try Sockets.connect(port: port)
        var talk = Talk(socket: socket, methods: methods, deadline: Deadline(afterMs: answerLimitMs))
        loop: for step in steps {
            switch step {
            case .send(let text):
                talk.send(text.wire)
                begun()
            case .pause(let milliseconds):
                talk.read(until: Deadline(afterMs: milliseconds)) { _ in false }
            case .awaitResponse:
                let wanted = talk.completeResponses + 1
                talk.read(until: talk.deadline) { $0.completeResponses >= wanted }
            case .awaitText(let text):
                talk.read(until: talk.deadline) { $0.outcome.received.index(of: text.wire) != nil }
            case .shutdownWrite: socket.shutDown(SHUT_WR)
            case .reset, .close:
                talk.outcome.end = .left
                if case .reset = step { socket.reset() } else { socket.close() }
                break loop
            }
        }
        if talk.outcome.end != .left {
            talk.read(until: talk.deadline) { $0.completeResponses >= methods.count }
            let announced = talk.parsed.last?.header("connection")?.lowercased() == "close"
            let limit = announced ? announcedCloseLimitMs : closeLimitMs
            talk.read(until: Deadline(afterMs: limit)) { _ in false }
        }
        holdOpen()
        socket.close()
        talk.outcome.responses = talk.parsed
        return talk.outcome
    }

    private struct Talk {
        let socket: Descriptor
        let methods: [String]
        let deadline: Deadline
        var outcome = Outcome()

        var parsed: [HTTPMessage] {
            HTTPParser.responses(outcome.received, methods: methods, closed: outcome.end == .closed)
        }

        var completeResponses: Int {
            parsed.count { $0.isComplete && !(100..<200).contains($0.status ?? 0) }
        }

        /// Sends all, reading meanwhile: a proxy may answer early and stop reading.
        mutating func send(_ bytes: [UInt8]) {
            var sent = 0
            // A proxy that has closed its side may still read.
            while sent < bytes.count, outcome.end == .open || outcome.end == .closed, !deadline.passed {
                let events = Sockets.ready(socket, for: outcome.end == .open ? POLLIN | POLLOUT : POLLOUT, until: deadline)
                if events & POLLIN != 0 { receive() }
                if events & POLLOUT != 0 {
                    let count = Sockets.send(bytes, from: sent, on: socket)
                    if count < 0 {
                        if outcome.end == .open { receive() }
                        return
                    }
                    sent += count
                }
            }
        }

        mutating func read(until limit: Deadline, enough: (Talk) -> Bool) {
            while outcome.end == .open, !enough(self) {
                guard Sockets.ready(socket, for: POLLIN, until: limit) != 0 else { return }
                receive()
            }
        }

        mutating func receive() {
            switch Sockets.receive(socket) {
            case .bytes(let bytes): outcome.received += bytes
            case .end: outcome.end = .closed
            case .reset: outcome.end = .reset
            case .nothing: break
            }
        }
    }
}
