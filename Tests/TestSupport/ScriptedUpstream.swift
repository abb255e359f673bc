import Glibc

/// A server on 127.0.0.1 that follows a script and keeps what it received. One thread accepts, one per connection
/// follows the steps; `begin` starts a new case, `settle` closes what is left.
package final class ScriptedUpstream: Sendable {
    package struct Record: Sendable {
        package var received: [UInt8] = []
        package var end = End.open
        /// Steps that could not be done, because the proxy had closed or the time was over.
        package var stuckAt: String?
        /// Of a connection of HTTP/2: its frames, then the fields of each head.
        package var frames: [String]?
    }

    package enum End: String, Sendable {
        case open
        case closed = "closed by the proxy"
        case reset = "reset by the proxy"
        case left = "closed by the upstream"
    }

    private struct State {
        var script = UpstreamScript([])
        var accepted = 0
        var connections: [ScriptedConnection] = []
    }

    package let port: UInt16
    package let name: String
    private let listener: Descriptor
    private let state = Locked(State())
    private let stopped = Flag()

    package init(name: String, port: UInt16 = Ports.free()) throws {
        self.name = name
        self.port = port
        listener = try Sockets.listen(port: port)
    }

    /// Accepts from now on.
    package func start() {
        _ = BackgroundThread { [self] in
            while !stopped.isRaised {
                guard Sockets.ready(listener, for: POLLIN, until: Deadline(afterMs: 200)) != 0 else { continue }
                if let socket = Sockets.accept(listener) { accepted(socket) }
            }
            listener.close()
        }
    }

    package func stop() {
        settle()
        stopped.raise()
    }

    private func accepted(_ socket: Descriptor) {
        Sockets.enable(Int32(IPPROTO_TCP), TCP_NODELAY, on: socket)
        let connection = state.withLock { state in
            let scripts = state.script.connections
            let steps = scripts.isEmpty ? [] : scripts[min(state.accepted, scripts.count - 1)]
            state.accepted += 1
            let connection = ScriptedConnection(socket: socket, steps: steps)
            state.connections.append(connection)
            return connection
        }
        _ = BackgroundThread { connection.run() }
    }

    /// A new case: its script, no connections, nothing received.
    package func begin(_ script: UpstreamScript) {
        settle()
        state.withLock { $0 = State(script: script) }
    }

    /// How many connections neither side has closed.
    package var openConnections: Int {
        state.withLock { $0.connections }.count { $0.record.end == .open }
    }

    package var records: [Record] { state.withLock { $0.connections }.map(\.record) }

    /// Closes every connection that is still open.
    package func settle() {
        for connection in state.withLock({ $0.connections }) { connection.finish() }
    }
}

/// One accepted connection, followed on a thread of its own.
final class ScriptedConnection: Sendable {
    private let socket: Descriptor
    private let steps: [UpstreamStep]
    private let kept = Locked(ScriptedUpstream.Record())
    private let finished = Flag()

    init(socket: Descriptor, steps: [UpstreamStep]) {
        self.socket = socket
        self.steps = steps
    }

    var record: ScriptedUpstream.Record { kept.withLock { $0 } }

    func finish() {
        if finished.raise() { socket.shutDown(SHUT_RDWR) }
    }

    func run() {
        if case .http2(let script)? = steps.first { return speakHTTP2(script) }
        let deadline = Deadline(afterMs: 30_000)
        var consumed = 0
        var lastRequest = 0
        var index = 0
        script: while index < steps.count, canSend {
            let step = steps[index]
            index += 1
            switch step {
            case .readHead, .readRequest, .readText:
                guard let end = read(until: deadline, enough: { extent(of: step, in: $0, after: consumed) }) else {
                    stuck(step, consumed)
                    break script
                }
                lastRequest = consumed
                consumed = end
            case .send(let text): send(text.wire, until: deadline)
            case .answer(let text):
                let isHead = kept.withLock { $0.received[lastRequest...].starts(with: "HEAD ".wire) }
                let bytes = text.wire
                let end = isHead ? bytes.index(of: "\r\n\r\n".wire).map { $0 + 4 } : nil
                send(Array(bytes[..<(end ?? bytes.count)]), until: deadline)
            case .delay(let milliseconds): pause(milliseconds)
            case .close: leave { socket.close() }
            case .reset: leave { socket.reset() }
            case .shutdownWrite: socket.shutDown(SHUT_WR)
            case .again: index = 0
            case .http2: break
            }
        }
        _ = read(until: deadline) { _ in nil }
        leave { socket.close() }
    }

    private func speakHTTP2(_ script: [H2Step]) {
        guard let peer = RawH2Client(accepted: socket) else { return leave { socket.close() } }
        peer.tookFrame = { [weak self] in self?.keep($0) }
        keep(peer)
        if case .silent? = script.first {} else { peer.follow([.send([H2Frame(.settings)])]) }
        let goesOn = peer.follow(script) { [finished] in finished.isRaised }
        let deadline = Deadline(afterMs: 30_000)
        while goesOn, peer.end == "open", !finished.isRaised, !deadline.passed {
            peer.read(forMs: 10)
        }
        switch peer.end {
        case "closed" where !finished.isRaised: ended(.closed)
        case "reset" where !finished.isRaised: ended(.reset)
        default: ended(.left)
        }
        peer.close()
    }

    private func keep(_ peer: RawH2Client) {
        let lines = peer.words + peer.heads.map { head in
            // The order of pseudo-fields has no meaning (RFC 9113 §8.3).
            let pseudo = head.fields.filter { $0.name.hasPrefix(":") }.sorted { $0.name < $1.name }
            return "\(head.stream): " + (pseudo + head.fields.filter { !$0.name.hasPrefix(":") }).map { "\($0.name): \($0.value)" }.joined(separator: " | ")
        }
        kept.withLock { $0.frames = lines }
    }

    private var isOpen: Bool { kept.withLock { $0.end == .open } }

    /// A peer that has closed its side may still read.
    private var canSend: Bool { !finished.isRaised && kept.withLock { $0.end == .open || $0.end == .closed } }

    private func pause(_ milliseconds: Int) {
        let end = Deadline(afterMs: milliseconds)
        _ = read(until: end) { _ in nil }
        while canSend, !end.passed { sleep(ms: 10) }
    }

    private func leave(_ close: () -> Void) {
        kept.withLock { if $0.end == .open { $0.end = .left } }
        close()
    }

    /// A read that never finished is worth showing, unless it only waited for a next request that never came.
    private func stuck(_ step: UpstreamStep, _ consumed: Int) {
        kept.withLock { if $0.received.count > consumed { $0.stuckAt = "\(step)" } }
    }

    /// Where the message ends that `step` reads; nil while it is incomplete.
    private func extent(of step: UpstreamStep, in bytes: [UInt8], after start: Int) -> Int? {
        if case .readText(let text) = step {
            return bytes.index(of: text.wire, from: start).map { $0 + text.wire.count }
        }
        guard let head = bytes.index(of: "\r\n\r\n".wire, from: start) else { return nil }
        if case .readHead = step { return head + 4 }
        return HTTPParser.requestEnd(bytes, from: start)
    }

    private func read(until deadline: Deadline, enough: ([UInt8]) -> Int?) -> Int? {
        while true {
            if let end = enough(kept.withLock { $0.received }) { return end }
            guard isOpen, !finished.isRaised else { return nil }
            guard Sockets.ready(socket, for: POLLIN, until: deadline) != 0 else { return nil }
            switch Sockets.receive(socket) {
            case .bytes(let bytes): kept.withLock { $0.received += bytes }
            case .end: ended(finished.isRaised ? .left : .closed)
            case .reset: ended(finished.isRaised ? .left : .reset)
            case .nothing: break
            }
        }
    }

    private func ended(_ end: ScriptedUpstream.End) {
        kept.withLock { if $0.end == .open { $0.end = end } }
    }

    private func send(_ bytes: [UInt8], until deadline: Deadline) {
        var sent = 0
        while sent < bytes.count, canSend {
            guard Sockets.ready(socket, for: POLLOUT, until: deadline) != 0 else { return }
            let count = Sockets.send(bytes, from: sent, on: socket)
            if count < 0 { return }
            sent += count
        }
    }
}
