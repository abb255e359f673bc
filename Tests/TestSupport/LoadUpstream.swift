import Glibc
import Synchronization

/// An HTTP/1.1 or TCP server for load: a thread per connection, blocking, nothing kept. It answers a request with its
/// name and the count of body bytes, and an Upgrade or a TCP connection with an echo.
package final class LoadUpstream: Sendable {
    package enum Kind: Sendable { case http, echo }

    package let port: UInt16
    package let name: String
    private let kind: Kind
    private let listener: Descriptor
    private let stopped = Flag()
    private let served = Atomic<Int>(0)
    /// Body of every response, for large ones; nil: the name and the count.
    private let page: [UInt8]?

    package init(_ name: String, _ kind: Kind = .http, page: [UInt8]? = nil) throws {
        self.name = name
        self.kind = kind
        self.page = page
        port = Ports.free()
        listener = try Sockets.listen(port: port, backlog: 1024)
        _ = BackgroundThread { [self] in
            while !stopped.isRaised {
                guard Sockets.ready(listener, for: POLLIN, until: Deadline(afterMs: 200)) != 0 else { continue }
                guard let socket = Sockets.accept(listener) else { continue }
                Sockets.enable(Int32(IPPROTO_TCP), TCP_NODELAY, on: socket)
                _ = BackgroundThread { [self] in kind == .http ? serve(socket) : echo(socket, []) }
            }
            listener.close()
        }
    }

    /// Requests answered.
    package var requests: Int { served.load(ordering: .relaxed) }

    package func stop() { stopped.raise() }

    private func more(_ socket: Descriptor) -> [UInt8]? {
        while !stopped.isRaised {
            guard Sockets.ready(socket, for: POLLIN, until: Deadline(afterMs: 200)) != 0 else { continue }
            switch Sockets.receive(socket) {
            case .bytes(let bytes): return bytes
            case .nothing: continue
            case .end, .reset: return nil
            }
        }
        return nil
    }

    private func send(_ bytes: [UInt8], _ socket: Descriptor) -> Bool {
        var sent = 0
        while sent < bytes.count, !stopped.isRaised {
            guard Sockets.ready(socket, for: POLLOUT, until: Deadline(afterMs: 2_000)) != 0 else { continue }
            let count = Sockets.send(bytes, from: sent, on: socket)
            if count < 0 { return false }
            sent += count
        }
        return sent == bytes.count
    }

    private func serve(_ socket: Descriptor) {
        var buffer: [UInt8] = []
        while true {
            var headEnd = buffer.index(of: "\r\n\r\n".wire)
            while headEnd == nil {
                guard let bytes = more(socket) else { return socket.close() }
                buffer += bytes
                headEnd = buffer.index(of: "\r\n\r\n".wire)
            }
            let end = (headEnd ?? 0) + 4
            let head = String(decoding: buffer[..<end], as: UTF8.self).lowercased()
            buffer.removeFirst(end)
            if head.contains("\r\nupgrade:") {
                guard send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".wire, socket)
                else { return socket.close() }
                return echo(socket, buffer)
            }
            var left = 0
            for line in head.split(separator: "\r\n") where line.hasPrefix("content-length:") {
                left = Int(line.dropFirst(15).drop { $0 == " " }) ?? 0
            }
            let total = left
            let taken = min(left, buffer.count)
            buffer.removeFirst(taken)
            left -= taken
            while left > 0 {
                guard let bytes = more(socket) else { return socket.close() }
                buffer = Array(bytes.dropFirst(left))
                left -= min(left, bytes.count)
            }
            let body = page ?? Array("\(name):\(total)".utf8)
            let answer = Array("HTTP/1.1 200 OK\r\ncontent-length: \(body.count)\r\n\r\n".utf8)
            served.add(1, ordering: .relaxed)
            // A large page is the same memory for every connection.
            guard page == nil ? send(answer + body, socket) : send(answer, socket) && send(body, socket) else {
                return socket.close()
            }
        }
    }

    private func echo(_ socket: Descriptor, _ first: [UInt8]) {
        if !first.isEmpty, !send(first, socket) { return socket.close() }
        while let bytes = more(socket) {
            if !send(bytes, socket) { break }
        }
        socket.close()
    }
}
