// A downstream HTTP/1 connection: bytes become requests, one after the other.
//
// The decoder's events go to the stream (`requestHead…`, `requestData`, `requestEnded`); what the stream answers is
// encoded into the connection's queue by `H1ServerSend`. A pipelined request waits, undecoded, until the one before it
// is answered: responses keep the order, and what waits is bounded by the buffer limit.

import Primitives
import Ring
import Stats
import Transport
import Wire

@safe
struct H1Server {
    var handle: Handle
    var connection: Handle
    var http: UnsafePointer<HTTPConfig>
    var decoder: H1RequestDecoder
    /// The request that is being read or answered.
    var stream: Handle = .none
    /// Bytes behind the current request.
    var pending = ByteQueue()
    var requests: UInt64 = 0
    /// A byte has come.
    var hasBegun = false
    /// What came once, alone or in part, could be read.
    var hasRead = false
    /// Bytes that came and may be the beginning of HTTP/2's preface.
    var prefaceBytes: UInt8 = 0
    /// Everything is answered; what still comes is thrown away until the peer closes.
    var isLingering = false
    var isDraining = false
    var isFeeding = false
    var lingerUntilMs: UInt64 = 0
    var closeAtMs: UInt64 = 0
    /// Draining: until when a next request is waited for.
    var drainAtMs: UInt64 = 0
    /// The end of the drain that a timeout has begun (`drain_timeout`); then the connection closes.
    var drainedAtMs: UInt64 = 0
    var isDrained = false
    var headersDeadlineMs: UInt64 = 0
    /// When the first of the empty lines came that stand where a request may begin; 0: none does.
    var emptySinceMs: UInt64 = 0
}

extension Worker {
    /// A connection that carries HTTP. Which one its first bytes say, where `codec_type` does not.
    func httpOpened(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) {
        let stats = unsafe http.pointee.stats
        count(stats, .downstreamCxTotal)
        gauge(stats, .downstreamCxActive, 1)
        unsafe showBuffered(connection, http)
        if unsafe connection.pointee.tls != nil {
            count(stats, .downstreamCxSslTotal)
            gauge(stats, .downstreamCxSslActive, 1)
        }
        guard unsafe http.pointee.codec == .http2 else { return unsafe http1Opened(connection, http) }
        unsafe http2Opened(connection, http)
        unsafe connections.receive(connection)
    }

    func showBuffered(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) {
        let stats = unsafe http.pointee.stats
        unsafe connections.showBuffered(
            connection, rx: stats &+ HTTPConnectionManagerStat.downstreamCxRxBytesBuffered.rawValue,
            tx: stats &+ HTTPConnectionManagerStat.downstreamCxTxBytesBuffered.rawValue)
    }

    private func http1Opened(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) {
        guard let (handle, server) = unsafe servers.allocate() else {
            unsafe close(connection)
            return
        }
        unsafe server.initialize(
            to: H1Server(
                handle: handle, connection: connection.pointee.handle, http: http,
                decoder: H1RequestDecoder(options: options(connection, http))))
        unsafe connection.pointee.role = .http1Downstream
        unsafe connection.pointee.session = handle
        if unsafe http.pointee.connectionDurationMaxMs != 0 {
            unsafe server.pointee.closeAtMs = unsafe nowMs &+ http.pointee.connectionDurationMaxMs
                &+ chance(http.pointee.connectionDurationJitterMs)
        }
        unsafe armServerTimer(server, connection)
        unsafe connections.receiveOnce(connection)
        if drain != .none { unsafe beginDrain(server, connection) }
    }

    // HOT: per message.
    /// What the decoder of a connection accepts.
    func options(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) -> H1Options {
        var options = unsafe http.pointee.decoder
        if unsafe connection.pointee.tls != nil { options.refusesHTTPS = false }
        return options
    }

    // MARK: The peer ends or fails

    func http1DownstreamEnded(_ connection: UnsafeMutablePointer<Connection>) {
        guard let server = unsafe servers[connection.pointee.session] else {
            unsafe close(connection)
            return
        }
        if let stream = unsafe streams[server.pointee.stream], unsafe stream.pointee.isTunnel {
            unsafe tunnelDownstreamEnded(stream)
            return
        }
        unsafe downstreamGone(server, connection)
    }

    func http1DownstreamFailed(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        guard let server = unsafe servers[connection.pointee.session] else {
            unsafe close(connection)
            return
        }
        unsafe downstreamGone(server, connection)
    }

    /// The client is gone: what it asked for is cancelled.
    /// `byPeer`: false where we have given it up.
    func downstreamGone(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, byPeer: Bool = true
    ) {
        let stats = unsafe server.pointee.http.pointee.stats
        if let stream = unsafe streams[server.pointee.stream] {
            if unsafe stream.pointee.requestHeadDone || stream.pointee.request.textBytes > 0 {
                count(stats, .downstreamCxDestroyRemoteActiveRq)
                count(stats, .downstreamCxDestroyActiveRq)
                unsafe stream.pointee.flags.insert(.downstreamConnectionTermination)
                if unsafe stream.pointee.details.isEmpty || !stream.pointee.isLocalReply {
                    unsafe stream.pointee.details = Bytes("downstream_remote_disconnect" as StaticString)
                }
                count(stats, .downstreamRqRxReset)
                unsafe endStream(stream, reset: true)
            } else {
                unsafe discardStream(stream)
            }
        }
        count(stats, byPeer ? .downstreamCxDestroyRemote : .downstreamCxDestroyLocal)
        unsafe closeServer(server, connection)
    }

    /// No memory, or another failure of ours: the connection goes.
    func downstreamFailed(_ server: UnsafeMutablePointer<H1Server>) {
        guard let connection = unsafe connections.slab[server.pointee.connection] else { return }
        unsafe downstreamGone(server, connection)
    }

    /// Gives session and connection back. The stream must have been dealt with. `sendsRest`: a client that ends its side
    /// right behind its request still gets what was answered.
    func closeServer(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, sendsRest: Bool = true
    ) {
        let stallMs = unsafe server.pointee.http.pointee.delayedCloseTimeoutMs
        let stats = unsafe server.pointee.http.pointee.stats
        count(stats, .downstreamCxDestroy)
        gauge(stats, .downstreamCxActive, -1)
        if unsafe connection.pointee.tls != nil { gauge(stats, .downstreamCxSslActive, -1) }
        if unsafe server.pointee.hasBegun { gauge(stats, .downstreamCxHttp1Active, -1) }
        unsafe cells.record(
            stats &+ HTTPConnectionManagerStat.downstreamCxLengthMs.rawValue,
            (nowNs &- connection.pointee.openedNs) / 1_000_000)
        unsafe server.pointee.pending.removeAll(memory)
        unsafe servers.free(server.pointee.handle)
        unsafe connection.pointee.session = .none
        if unsafe connection.pointee.out.isEmpty || !sendsRest {
            unsafe close(connection)
        } else {
            unsafe closeWhenSent(connection, stallMs: stallMs)
        }
    }
}
