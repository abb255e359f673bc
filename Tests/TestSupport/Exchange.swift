import Glibc

/// One request and its answer on a connection, in as few system calls as it takes: for clients under load.
package struct Exchange: Sendable, CustomStringConvertible {
    package var status: Int?
    /// The answer announced `connection: close`, or the connection has ended.
    package var closes = false
    package var body: [UInt8] = []
    /// How it ended when there was no whole answer.
    package var failure: String?
    package var nanoseconds: UInt64 = 0

    package var description: String { failure ?? "\(status ?? 0), \(body.count) bytes" }

    package static func get(_ path: String, on socket: Descriptor, limitMs: Int = patienceMs, keepsOpen: Bool = false) -> Exchange {
        let head = "GET \(path) HTTP/1.1\r\nhost: h.test\r\n\(keepsOpen ? "" : "connection: close\r\n")\r\n"
        return run(Array(head.utf8), on: socket, limitMs: limitMs)
    }

    package static func post(_ path: String, _ body: [UInt8], on socket: Descriptor, limitMs: Int = patienceMs) -> Exchange {
        let head = "POST \(path) HTTP/1.1\r\nhost: h.test\r\ncontent-length: \(body.count)\r\n\r\n"
        return run(Array(head.utf8) + body, on: socket, limitMs: limitMs)
    }

    /// Sends `request` and reads one answer with a `content-length`.
    package static func run(_ request: [UInt8], on socket: Descriptor, limitMs: Int) -> Exchange {
        let deadline = Deadline(afterMs: limitMs * patienceFactor)
        let start = Deadline.nowNs()
        var result = Exchange()
        defer { result.nanoseconds = Deadline.nowNs() - start }
        var received: [UInt8] = []
        var sent = 0
        while true {
            if sent < request.count {
                let count = Sockets.send(request, from: sent, on: socket)
                if count > 0 { sent += count }
                // A peer that has answered and closed does not take the rest; its answer is read all the same.
                if count < 0 { sent = request.count }
            }
            switch Sockets.receive(socket) {
            case .bytes(let bytes): received += bytes
            case .end, .reset:
                result.closes = true
                result.failure = "ended after \(received.count) bytes of an answer"
                return result
            case .nothing:
                let events = sent < request.count ? Sockets.readable | Sockets.writable : Sockets.readable
                guard Sockets.ready(socket, for: events, until: deadline) != 0 else {
                    result.closes = true
                    result.failure = "no answer within \(limitMs) ms, \(received.count) bytes of one"
                    return result
                }
                continue
            }
            if result.take(received) { break }
        }
        result.nanoseconds = Deadline.nowNs() - start
        return result
    }

    /// True once the answer is whole.
    private mutating func take(_ received: [UInt8]) -> Bool {
        guard let headEnd = received.index(of: "\r\n\r\n".wire) else { return false }
        let head = String(decoding: received[..<headEnd], as: UTF8.self)
        var length = 0
        for line in head.split(separator: "\r\n") {
            let lower = line.lowercased()
            if lower.hasPrefix("content-length:") { length = Int(lower.dropFirst(15).drop { $0 == " " }) ?? 0 }
            if lower == "connection: close" { closes = true }
        }
        guard received.count >= headEnd + 4 + length else { return false }
        status = Int(head.split(separator: " ").dropFirst().first ?? "")
        body = Array(received[(headEnd + 4)..<(headEnd + 4 + length)])
        return true
    }
}
