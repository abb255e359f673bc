import TestSupport

/// A relay in front of a proxy that corrupts what passes: the oracle must notice. It stands for a broken Martlet.
final class LyingRelay: Sendable {
    enum Lie: Sendable {
        /// Replaces a text in what the proxy sends.
        case inResponse(String, by: String)
        /// Replaces a text in what the client sends.
        case inRequest(String, by: String)
        /// Closes the connection after the first answer.
        case closes
        /// Passes everything on as it is: the control.
        case none
    }

    let port: UInt16
    private let target: UInt16
    private let lie: Lie
    private let listener: Descriptor
    private let stopped = Flag()

    init(to target: UInt16, lie: Lie) throws {
        self.target = target
        self.lie = lie
        port = Ports.free()
        listener = try Sockets.listen(port: port)
        _ = BackgroundThread { [self] in
            while !stopped.isRaised {
                guard Sockets.ready(listener, for: Sockets.readable, until: Deadline(afterMs: 100)) != 0 else { continue }
                if let client = Sockets.accept(listener), let proxy = try? Sockets.connect(port: target) {
                    relay(client, proxy)
                }
            }
        }
    }

    func stop() { stopped.raise() }

    /// One connection at a time is enough here.
    private func relay(_ client: Descriptor, _ proxy: Descriptor) {
        let deadline = Deadline(afterMs: 5_000)
        while !stopped.isRaised, !deadline.passed {
            if Sockets.ready(client, for: Sockets.readable, until: Deadline(afterMs: 5)) != 0 {
                guard pass(from: client, to: proxy, corrupted: requestText) else { break }
            }
            if Sockets.ready(proxy, for: Sockets.readable, until: Deadline(afterMs: 5)) != 0 {
                guard pass(from: proxy, to: client, corrupted: responseText) else { break }
                if case .closes = lie { break }
            }
        }
        client.close()
        proxy.close()
    }

    private func requestText(_ text: String) -> String {
        if case .inRequest(let old, let new) = lie { text.replacing(text: old, by: new) } else { text }
    }

    private func responseText(_ text: String) -> String {
        if case .inResponse(let old, let new) = lie { text.replacing(text: old, by: new) } else { text }
    }

    private func pass(from source: Descriptor, to target: Descriptor, corrupted: (String) -> String) -> Bool {
        switch Sockets.receive(source) {
        case .bytes(let bytes):
            let text = corrupted(String(wire: bytes)).wire
            return Sockets.send(text, from: 0, on: target) == text.count
        case .nothing: return true
        case .end, .reset: return false
        }
    }
}
