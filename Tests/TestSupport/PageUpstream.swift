import Glibc
import Synchronization

/// An HTTP/1.1 server that answers every request with one large page: one thread for all connections, so that a thousand
/// of them that wait for slow readers cost nothing.
package final class PageUpstream: Sendable {
    package let port: UInt16
    private let listener: Descriptor
    private let page: [UInt8]
    private let stopped = Flag()
    private let bytes = Atomic<Int>(0)

    private struct Peer {
        let socket: Descriptor
        var request: [UInt8] = []
        /// Bytes of the answer that are out; nil: no request has come.
        var sent: Int?
    }

    package init(page body: [UInt8]) throws {
        page = Array("HTTP/1.1 200 OK\r\ncontent-length: \(body.count)\r\n\r\n".utf8) + body
        port = Ports.free()
        listener = try Sockets.listen(port: port, backlog: 4_096)
        _ = BackgroundThread { [self] in
            BackgroundThread.isPolite()
            serve()
            listener.close()
        }
    }

    package func stop() { stopped.raise() }

    /// Bytes that the kernel has taken from us.
    package var bytesSent: Int { bytes.load(ordering: .relaxed) }

    private func serve() {
        var peers: [Peer] = []
        while !stopped.isRaised {
            var entries = [pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)]
            entries += peers.map { pollfd(fd: $0.socket.raw, events: Int16($0.sent == nil ? POLLIN : POLLOUT), revents: 0) }
            guard unsafe poll(&entries, nfds_t(entries.count), 200) > 0 else { continue }
            for i in stride(from: entries.count - 1, to: 0, by: -1) where entries[i].revents != 0 {
                if !served(&peers[i - 1]) { peers.remove(at: i - 1) }
            }
            while entries[0].revents != 0, let socket = Sockets.accept(listener) { peers.append(Peer(socket: socket)) }
        }
    }

    /// False: the peer is gone.
    private func served(_ peer: inout Peer) -> Bool {
        guard let sent = peer.sent else {
            switch Sockets.receive(peer.socket) {
            case .bytes(let bytes): peer.request += bytes
            case .nothing: break
            case .end, .reset: return false
            }
            if peer.request.index(of: "\r\n\r\n".wire) != nil {
                peer.request = []
                peer.sent = 0
            }
            return true
        }
        let count = Sockets.send(page, from: sent, on: peer.socket)
        guard count >= 0 else { return false }
        bytes.add(count, ordering: .relaxed)
        peer.sent = sent + count == page.count ? nil : sent + count
        return true
    }
}
