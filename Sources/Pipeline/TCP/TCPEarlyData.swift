// What a client of `tcp_proxy` has sent, or its end, before its upstream was there (`max_early_data_bytes`).

import Primitives
import Ring
import Stats
import Transport

extension Worker {
    /// Data came and no upstream is there yet: kept, as much as is allowed.
    func tcpEarly(
        _ connection: UnsafeMutablePointer<Connection>, _ position: UInt16, _ bufferCount: Int, _ bytes: Int
    ) {
        if let session = unsafe tcpSessions[connection.pointee.session] {
            if let stream = unsafe tunnelStream(session) { return unsafe tunnelRelay(session, stream, position, bufferCount, bytes) }
            if unsafe session.pointee.tunnel.isOver { return memory.buffers.release(from: position, count: bufferCount) }
        }
        memory.buffers.forEach(from: position, count: bufferCount, bytes: bytes) { id, bytes in
            unsafe keepEarly(connection, bytes)
            memory.buffers.release(id)
        }
        unsafe tcpKept(connection, bytes)
    }

    func tcpEarly(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        if let session = unsafe tcpSessions[connection.pointee.session] {
            if let stream = unsafe tunnelStream(session) { return unsafe tunnelRelay(session, stream, bytes) }
            if unsafe session.pointee.tunnel.isOver { return }
        }
        unsafe keepEarly(connection, bytes)
        unsafe tcpKept(connection, bytes.count)
    }

    private func keepEarly(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes) {
        guard let session = unsafe tcpSessions[connection.pointee.session] else { return }
        if unsafe !session.pointee.early.append(copying: bytes, memory) { unsafe endTCP(session, []) }
    }

    private func tcpKept(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        guard let session = unsafe tcpSessions[connection.pointee.session] else { return }
        unsafe countTCP(session.pointee.config.pointee.stats, .downstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        if unsafe session.pointee.early.count >= session.pointee.config.pointee.earlyBytesMax ?? 0 {
            unsafe connections.pause(connection)
        }
        // What a listener filter has read ahead is no early data where nobody asked for such.
        guard unsafe session.pointee.config.pointee.takesEarlyData else { return }
        // Each time, as Envoy counts it.
        unsafe countTCP(session.pointee.config.pointee.stats, .earlyDataReceivedCountTotal)
        guard unsafe !session.pointee.hasEarlyData else { return }
        unsafe session.pointee.hasEarlyData = true
        if unsafe session.pointee.config.pointee.waitsForData { unsafe tcpConnect(session) }
    }

    /// The client has ended its side before the upstream was there. With nothing to send there will never be any.
    func tcpEarlyEnd(_ connection: UnsafeMutablePointer<Connection>) {
        guard let session = unsafe tcpSessions[connection.pointee.session] else { return unsafe close(connection) }
        if let stream = unsafe tunnelStream(session) { return unsafe tunnelClientEnded(session, stream, connection) }
        guard unsafe session.pointee.config.pointee.takesEarlyData else { return }
        unsafe countTCP(session.pointee.config.pointee.stats, .earlyDataReceivedCountTotal)
        if unsafe session.pointee.config.pointee.waitsForData, unsafe !session.pointee.hasEarlyData {
            unsafe endTCP(session, .downstreamConnectionTermination)
        }
    }

    /// The upstream is there: it gets what has waited, and the client is read on.
    func sendEarly(
        _ session: TCPSessionPointer, _ downstream: UnsafeMutablePointer<Connection>,
        _ upstream: UnsafeMutablePointer<Connection>
    ) {
        if unsafe !session.pointee.early.isEmpty {
            let bytes = unsafe UInt64(truncatingIfNeeded: session.pointee.early.count)
            unsafe upstreamCounted(upstream, .upstreamCxTxBytesTotal, bytes)
            unsafe upstream.pointee.out.append(moving: &session.pointee.early)
            unsafe connections.markDirty(upstream)
        }
        if unsafe downstream.pointee.sawEnd {
            unsafe connections.end(upstream)
        } else {
            unsafe connections.receive(downstream)
        }
    }
}
