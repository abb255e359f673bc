// From completions to machines: which role reads what. The one place where a connection's role is asked.

import CMartlet
import Primitives
import Ring
import Transport

extension Worker {
    // HOT: per completion.
    func received(_ completion: Completion) {
        switch connections.received(completion) {
        case .data(let connection, let position, let count, let bytes):
            unsafe connection.pointee.activeMs = nowMs
            if let tls = unsafe connection.pointee.tls { return unsafe tlsReceived(connection, tls, position, count, bytes) }
            switch unsafe connection.pointee.role {
            case .http1Downstream, .http1Upstream, .http2Downstream, .http2Upstream: unsafe eachBuffer(connection, position, count, bytes)
            case .tcpDownstream, .tcpUpstream: unsafe relay(connection, position, count, bytes)
            case .tcpAhead: unsafe aheadReceived(connection, position, count, bytes)
            case .echo: unsafe echo(connection, position, count, bytes)
            case .inspecting: unsafe inspect(connection, position, count, bytes)
            case .directResponse, .closing, .none: memory.buffers.release(from: position, count: count)
            }
        case .ended(let connection):
            unsafe connection.pointee.activeMs = nowMs
            if unsafe connection.pointee.tls != nil, unsafe !tlsEnded(connection) { return }
            unsafe received(end: connection)
        case .failed(let connection, let error):
            unsafe noteReset(connection, error)
            if unsafe connection.pointee.isShakingHands { return unsafe handshakeBroken(connection, error) }
            unsafe received(error, connection)
        case .nothing: break
        }
    }

    /// The peer sends nothing more.
    func received(end connection: UnsafeMutablePointer<Connection>) {
        switch unsafe connection.pointee.role {
        case .http1Downstream: unsafe http1DownstreamEnded(connection)
        case .http1Upstream: unsafe http1UpstreamEnded(connection, 0)
        case .http2Downstream: unsafe http2DownstreamEnded(connection)
        case .http2Upstream: unsafe http2UpstreamEnded(connection, 0)
        case .tcpDownstream, .tcpUpstream: unsafe relayEnded(connection)
        case .tcpAhead: unsafe closeAhead(connection, byPeer: true)
        case .echo: unsafe connections.closeWhenSent(connection)
        case .inspecting: unsafe inspectionEnded(connection)
        // Its own end says nothing of whether it reads what is still queued.
        case .closing: if unsafe connection.pointee.out.isEmpty { unsafe closeEither(connection) }
        case .directResponse, .none: unsafe close(connection)
        }
    }

    /// The connection is broken.
    func received(_ error: Int32, _ connection: UnsafeMutablePointer<Connection>) {
        switch unsafe connection.pointee.role {
        case .http1Downstream: unsafe http1DownstreamFailed(connection, error)
        case .http1Upstream: unsafe http1UpstreamEnded(connection, error)
        case .http2Downstream: unsafe http2DownstreamEnded(connection)
        case .http2Upstream: unsafe http2UpstreamEnded(connection, error)
        case .tcpDownstream, .tcpUpstream: unsafe relayFailed(connection, error)
        case .tcpAhead: unsafe closeAhead(connection, byPeer: true)
        case .echo, .directResponse, .closing, .none: unsafe closeEither(connection)
        case .inspecting: unsafe inspectionEnded(connection)
        }
    }

    // HOT: per completion.
    func sent(_ completion: Completion) {
        switch connections.sent(completion) {
        case .sent(let connection, let bytes):
            unsafe connection.pointee.activeMs = nowMs
            switch unsafe connection.pointee.role {
            case .http1Downstream: unsafe http1DownstreamSent(connection, bytes)
            case .http1Upstream: unsafe http1UpstreamSent(connection, bytes)
            case .http2Downstream: unsafe http2DownstreamSent(connection, bytes)
            case .http2Upstream: unsafe http2UpstreamSent(connection, bytes)
            case .tcpDownstream, .tcpUpstream: unsafe relaySent(connection)
            case .echo: unsafe echoSent(connection)
            case .closing: unsafe timers.arm(connection.timerNode, at: nowMs &+ connection.pointee.stallMs)
            case .directResponse, .inspecting, .none, .tcpAhead: break
            }
        case .failed(let connection, let error):
            if unsafe connection.pointee.isShakingHands { return unsafe handshakeBroken(connection, error) }
            switch unsafe connection.pointee.role {
            case .http1Downstream: unsafe http1DownstreamFailed(connection, error)
            case .http1Upstream: unsafe http1UpstreamSendFailed(connection, error)
            case .http2Downstream: unsafe http2DownstreamEnded(connection)
            case .http2Upstream: unsafe http2UpstreamEnded(connection, error)
            case .tcpDownstream, .tcpUpstream: unsafe relayFailed(connection, error)
            case .tcpAhead: unsafe closeAhead(connection, byPeer: true)
            case .echo, .directResponse, .closing, .inspecting, .none: unsafe closeEither(connection)
            }
        case .nothing: break
        }
    }

    func connected(_ completion: Completion) {
        switch connections.connected(completion) {
        case .connected(let connection):
            unsafe connection.pointee.activeMs = nowMs
            unsafe connection.pointee.connectedNs = nowNs
            unsafe sendProxyHeader(connection)
            if unsafe connection.pointee.tls != nil { unsafe tlsConnected(connection) } else { unsafe established(connection) }
        case .failed(let connection, let error): unsafe connectFailed(connection, .refused(error))
        case .nothing: break
        }
    }

    /// An upstream connection can carry bytes.
    func established(_ connection: UnsafeMutablePointer<Connection>) {
        switch unsafe connection.pointee.role {
        case .tcpUpstream: unsafe tcpConnected(connection)
        case .tcpAhead: unsafe aheadEstablished(connection)
        case .http2Upstream: unsafe http2Connected(connection)
        default: unsafe http1Connected(connection)
        }
    }

    func connectFailed(_ connection: UnsafeMutablePointer<Connection>, _ failure: ConnectFailure) {
        switch unsafe connection.pointee.role {
        case .tcpUpstream: unsafe tcpConnectFailed(connection, failure)
        case .tcpAhead: unsafe aheadConnectFailed(connection, failure)
        case .http2Upstream: unsafe http2ConnectFailed(connection, failure)
        default: unsafe http1ConnectFailed(connection, failure)
        }
    }

    /// Under way to its host, TLS included.
    @inline(__always)
    func isOpening(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        unsafe connection.pointee.isConnecting || connection.pointee.isShakingHands
    }

    func connectionTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        switch unsafe connection.pointee.role {
        case .http1Downstream: unsafe http1DownstreamTimedOut(connection)
        case .http1Upstream:
            unsafe isOpening(connection) ? http1ConnectFailed(connection, .timedOut) : http1UpstreamTimedOut(connection)
        case .http2Downstream: unsafe http2DownstreamTimedOut(connection)
        case .http2Upstream:
            unsafe isOpening(connection) ? http2ConnectFailed(connection, .timedOut) : http2UpstreamTimedOut(connection)
        case .tcpDownstream: unsafe tcpTimedOut(connection)
        case .tcpUpstream: if unsafe isOpening(connection) { unsafe tcpConnectFailed(connection, .timedOut) }
        case .tcpAhead: unsafe aheadTimedOut(connection)
        case .closing: unsafe closingTimedOut(connection)
        case .inspecting: unsafe inspectionTimedOut(connection)
        case .echo, .directResponse, .none: break
        }
    }

    // HOT: per frame.
    /// Hands the buffers of one completion to a codec, one after the other, each with one hold that the codec gives back.
    private func eachBuffer(
        _ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ count: Int, _ bytes: Int
    ) {
        let handle = unsafe connection.pointee.handle
        memory.buffers.forEach(from: position, count: count, bytes: bytes) { id, bytes in
            // An earlier buffer may have closed the connection.
            if unsafe connections.slab[handle] != nil, unsafe !connection.pointee.isClosing {
                switch unsafe connection.pointee.role {
                case .http1Downstream: unsafe http1DownstreamReceived(connection, bytes, buffer: id)
                case .http1Upstream: unsafe http1UpstreamReceived(connection, bytes, buffer: id)
                case .http2Downstream: unsafe http2DownstreamReceived(connection, bytes, buffer: id)
                case .http2Upstream: unsafe http2UpstreamReceived(connection, bytes, buffer: id)
                // An earlier buffer has ended the machine that read it.
                default: break
                }
            }
            memory.buffers.release(id)
        }
    }

    // MARK: The last bytes

    /// How long a connection that only has to be emptied may stand still where configuration says nothing.
    static let stallMs: UInt64 = 1000
    /// Bytes that any socket's buffer has room for.
    private static let sentAtOnce = 16_384

    /// Nothing is read any more; closes when what is queued is out, or when none of it has left for `stallMs`.
    /// The session must have been dealt with.
    func closeWhenSent(_ connection: UnsafeMutablePointer<Connection>, stallMs: UInt64) {
        unsafe countCapacity(connection, hosts[connection.pointee.host], -1)
        unsafe connection.pointee.role = .closing
        unsafe connection.pointee.stallMs = stallMs == 0 ? Worker.stallMs : stallMs
        // A short answer is with the kernel at once, as a rule: it is not worth the call.
        if unsafe connection.pointee.isSending || connection.pointee.out.count > Worker.sentAtOnce { unsafe noteAcknowledged(connection) }
        unsafe timers.arm(connection.timerNode, at: nowMs &+ connection.pointee.stallMs)
        unsafe connections.closeWhenSent(connection)
    }

    func noteAcknowledged(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe connection.pointee.acknowledged = unsafe martlet_acknowledged(connection.pointee.descriptor)
    }

    /// More than when it was noted. A send ends when the kernel has all of it, up to 256 KiB: meanwhile a slow peer takes of it
    /// what no completion tells.
    func hasAcknowledged(_ connection: UnsafeMutablePointer<Connection>) -> Bool {
        let before = unsafe connection.pointee.acknowledged
        unsafe noteAcknowledged(connection)
        return unsafe connection.pointee.acknowledged > before
    }

    private func closingTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard unsafe hasAcknowledged(connection) else { return unsafe closeEither(connection) }
        unsafe timers.arm(connection.timerNode, at: nowMs &+ connection.pointee.stallMs)
    }

    /// Closes a connection whose role has ended: one to a host gives back its accounts there.
    func closeEither(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe connection.pointee.host.isNone ? close(connection) : closeUpstream(connection)
    }

    // MARK: echo

    private func echo(
        _ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ count: Int, _ bytes: Int
    ) {
        if unsafe !forward(position, count, bytes, to: connection) { return unsafe close(connection) }
        if unsafe connection.pointee.out.count > 1 << 20 { unsafe connections.pause(connection) }
    }

    func echo(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        if unsafe !connection.pointee.out.append(copying: bytes, memory) { return unsafe close(connection) }
        unsafe connections.markDirty(connection)
        if unsafe connection.pointee.out.count > 1 << 20 { unsafe connections.pause(connection) }
    }

    private func echoSent(_ connection: UnsafeMutablePointer<Connection>) {
        if unsafe connection.pointee.isPaused, unsafe connection.pointee.out.count < 1 << 19 { unsafe connections.receive(connection) }
    }

    // HOT: per frame.
    /// Queues the buffers of one completion on `target`, which takes over the holds. False when there is no memory: what
    /// belongs to `target` is to end.
    func forward(_ position: UInt16, _ count: Int, _ bytes: Int, to target: UnsafeMutablePointer<Connection>) -> Bool {
        var isQueued = true
        memory.buffers.forEach(from: position, count: count, bytes: bytes) { id, bytes in
            if isQueued { isQueued = unsafe connections.send(target, buffer: id, bytes) } else { memory.buffers.release(id) }
        }
        return isQueued
    }
}
