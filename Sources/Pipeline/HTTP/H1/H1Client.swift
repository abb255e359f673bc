// An upstream HTTP/1 connection: one request at a time, then back to its host's pool.

import Primitives
import Ring
import Stats
import Transport
import Upstream
import Wire

@safe
struct H1Client {
    var handle: Handle
    var connection: Handle
    var decoder: H1ResponseDecoder
    /// The request that it carries; none: idle, connecting or about to go.
    var stream: Handle = .none
    var nextIdle: Handle = .none
    var previousIdle: Handle = .none
    var isIdle = false
    /// Whose requests it carries (`UpstreamIdentity`).
    var key: UInt64 = 0
    /// `Host.drains` when the connection was opened.
    var drains: UInt64 = 0
    var requests: UInt64 = 0
    /// Its handshake has said that it is one of HTTP/1 (`auto_config`): it serves the line of HTTP/2.
    var isAuto = false
    /// Counted in `upstream_cx_http1_total`: not what was opened for a CONNECT, until a request takes it over.
    var isCountedHTTP1 = false
    var requestSent = false
    var responseDone = false
    var mustClose = false
    /// More was received than the message that ended here: nobody asked for it, and it must not answer the next request.
    var hasExcess = false
    var closeAtMs: UInt64 = 0
    /// Trailers are kept only where both sides have them enabled.
    var keepsTrailers = false
    /// Our end of the connection, for logs.
    var localAddress = SocketAddress()
}

extension Worker {
    /// The session of a new connection to a host.
    func openClient(
        _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>, _ priority: Priority,
        for stream: StreamPointer
    ) -> UnsafeMutablePointer<H1Client>? {
        let config = unsafe cluster.pointee.config
        let identity = unsafe identity(stream, config, config.pointee.transport(of: host.pointee.config))
        guard let connection = unsafe connect(to: host, cluster, role: .http1Upstream, priority: priority, identity) else { return nil }
        guard let client = unsafe openClient(on: connection, config) else {
            unsafe closeUpstream(connection)
            return nil
        }
        unsafe client.pointee.key = unsafe stream.pointee.poolKey
        unsafe client.pointee.drains = unsafe host.pointee.drains
        unsafe host.pointee.connectingCount &+= 1
        if unsafe !stream.pointee.isTCP {
            unsafe client.pointee.isCountedHTTP1 = true
            unsafe count(config.pointee.stats, .upstreamCxHttp1Total)
        }
        if unsafe config.pointee.connectionDurationMaxMs != 0 {
            unsafe client.pointee.closeAtMs = unsafe nowMs &+ config.pointee.connectionDurationMaxMs
                &+ chance(config.pointee.connectionDurationJitterMs)
        }
        return unsafe client
    }

    /// The session of a connection of HTTP/1; nil: no memory.
    func openClient(
        on connection: UnsafeMutablePointer<Connection>, _ config: UnsafePointer<ClusterConfig>
    ) -> UnsafeMutablePointer<H1Client>? {
        guard let (handle, client) = unsafe clients.allocate() else { return nil }
        var options = H1Options.response
        options.maxHeaders = unsafe UInt16(truncatingIfNeeded: min(config.pointee.headersMax, 65535))
        options.maxHeadBytes = unsafe UInt32(truncatingIfNeeded: config.pointee.headBytesMax)
        options.maxStartLineBytes = options.maxHeadBytes
        options.enableTrailers = unsafe config.pointee.enableTrailers
        unsafe client.initialize(
            to: H1Client(
                handle: handle, connection: connection.pointee.handle,
                decoder: H1ResponseDecoder(options: options, requestMethod: .get)))
        unsafe connection.pointee.session = handle
        return unsafe client
    }

    /// A connection may go to another kind of stream than the one that it was opened for: Envoy keeps pools apart, and counts
    /// one connection for each that carries HTTP.
    func countHTTP1(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ host: UnsafeMutablePointer<Host>,
        _ config: UnsafePointer<ClusterConfig>
    ) {
        guard unsafe client.pointee.isCountedHTTP1 == stream.pointee.isTCP else { return }
        if unsafe stream.pointee.isTCP {
            unsafe host.pointee.countedHTTP1 &+= 1
        } else if unsafe host.pointee.countedHTTP1 > 0 {
            unsafe host.pointee.countedHTTP1 &-= 1
        } else {
            unsafe count(config.pointee.stats, .upstreamCxHttp1Total)
        }
        unsafe client.pointee.isCountedHTTP1.toggle()
    }

    func http1Connected(_ connection: UnsafeMutablePointer<Connection>) {
        unsafe upstreamConnected(connection)
        guard let client = unsafe clients[connection.pointee.session], let host = unsafe hosts[connection.pointee.host] else {
            unsafe closeUpstream(connection)
            return
        }
        unsafe host.pointee.connectingCount &-= 1
        unsafe client.pointee.localAddress = unsafe SocketAddress(localOf: connection.pointee.descriptor)
        unsafe connections.receive(connection, pollFirst: connection.pointee.tls == nil)
        unsafe ready(client, connection, host)
    }

    func http1ConnectFailed(_ connection: UnsafeMutablePointer<Connection>, _ failure: ConnectFailure) {
        let host = unsafe connection.pointee.host
        var key: UInt64 = 0
        if let client = unsafe clients[connection.pointee.session] {
            key = unsafe client.pointee.key
            unsafe clients.free(client.pointee.handle)
        }
        unsafe connection.pointee.session = .none
        if let host = unsafe hosts[host] { unsafe host.pointee.connectingCount &-= 1 }
        let reason: UpstreamFailure
        switch failure {
        case .refused(let error): reason = .connectFailed(error)
        case .timedOut: reason = .connectTimedOut
        case .handshake(let text): reason = .handshakeFailed(text)
        }
        // The stream stays counted on the host until it is told, so the host outlives this.
        if let host = unsafe hosts[host] { unsafe failPending(host, reason, key) }
        unsafe upstreamConnectFailed(connection, failure)
    }

    // MARK: The upstream ends or fails

    func http1UpstreamEnded(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        guard let client = unsafe clients[connection.pointee.session] else {
            unsafe closeUpstream(connection, byPeer: true)
            return
        }
        guard let stream = unsafe streams[client.pointee.stream] else {
            unsafe closeClient(client, connection, byPeer: true)
            return
        }
        if unsafe isTunnelled(stream), unsafe stream.pointee.isTunnel || (error == 0 && stream.pointee.isConnect) {
            return unsafe tunnelConnectionEnded(stream, client, connection, error)
        }
        if unsafe stream.pointee.isTunnel {
            if error == 0, unsafe stream.pointee.isTCP { return unsafe connectFinished(stream, client, connection) }
            unsafe tunnelUpstreamEnded(stream, client, connection, error)
            return
        }
        if unsafe stream.pointee.isTCP { return unsafe postFinished(stream, client, connection, error) }
        if unsafe client.pointee.responseDone {
            // The response is here in full and waits at a filter: it needs the connection no more.
            unsafe client.pointee.mustClose = true
            unsafe releaseUpstream(stream)
            return
        }
        if error == 0, case .complete = unsafe client.pointee.decoder.finish() {
            unsafe client.pointee.mustClose = true
            unsafe client.pointee.hasExcess = false
            unsafe responseComplete(client, connection, stream)
            return
        }
        // A keep-alive race: nothing of the response is here and the connection had served before. Nothing of this
        // request can have been answered, and when no byte of it was sent it may go elsewhere once.
        if unsafe client.pointee.requests > 1, unsafe client.pointee.decoder.isIdle, unsafe !stream.pointee.wasMoved,
            unsafe !connection.pointee.isSending, unsafe connection.pointee.bytesSent == stream.pointee.upstreamSentBefore
        {
            unsafe moveElsewhere(stream, client, connection)
            return
        }
        if let cluster = unsafe clusterConfig(connection) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxDestroyWithActiveRq)
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxDestroyRemoteWithActiveRq)
        }
        // The peer's doing also where its alert has said so ahead of the socket's end, and counted once.
        unsafe connections.noteEnd(connection)
        unsafe client.pointee.mustClose = true
        // RFC 9112 §8: a message that its framing says is cut short is an error of the protocol.
        let isCut = unsafe !client.pointee.decoder.isIdle && !client.pointee.responseDone
        if isCut { unsafe upstreamCounted(connection, .upstreamCxProtocolError, 1) }
        unsafe upstreamReset(stream, isCut ? .protocolError : .terminated)
    }

    func http1UpstreamSendFailed(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        unsafe http1UpstreamEnded(connection, error)
    }

    /// The same request on another connection: nothing of it left on this one.
    func moveElsewhere(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        unsafe stream.pointee.wasMoved = true
        // A tunnel has attempts of its own.
        guard let cluster = unsafe cluster(stream.pointee.clusterSlot), unsafe stream.pointee.upstreamBodySent == 0,
            unsafe !isTunnelled(stream)
        else {
            unsafe client.pointee.mustClose = true
            unsafe upstreamReset(stream, .terminated)
            return
        }
        unsafe client.pointee.mustClose = true
        unsafe releaseUpstream(stream, isTold: false)
        // What waited to be sent does not leave: it is counted where it goes.
        unsafe stream.pointee.upstreamMeter = unsafe stream.pointee.earlierTries
        unsafe stream.pointee.requestHeadSent = false
        // Not a try of its own: nothing of it was seen anywhere.
        unsafe startAttempt(stream, cluster)
    }

    func http1UpstreamTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let client = unsafe clients[connection.pointee.session], let cluster = unsafe clusterConfig(connection) else { return }
        let config = unsafe cluster.pointee.config
        let idle = unsafe config.pointee.idleTimeoutMs
        if unsafe client.pointee.isIdle, idle != 0, unsafe nowMs >= connection.pointee.activeMs &+ idle {
            unsafe count(config.pointee.stats, .upstreamCxIdleTimeout)
            unsafe closeClient(client, connection, byPeer: false)
            return
        }
        if unsafe client.pointee.closeAtMs != 0, unsafe nowMs >= client.pointee.closeAtMs {
            unsafe count(config.pointee.stats, .upstreamCxMaxDurationReached)
            unsafe client.pointee.closeAtMs = 0
            unsafe client.pointee.mustClose = true
            if unsafe client.pointee.isIdle { return unsafe closeClient(client, connection, byPeer: false) }
        }
        unsafe armClientTimer(client, connection, config)
    }

    func armClientTimer(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ config: UnsafePointer<ClusterConfig>
    ) {
        var deadline = UInt64.max
        if unsafe config.pointee.idleTimeoutMs != 0 { deadline = unsafe nowMs &+ config.pointee.idleTimeoutMs }
        if unsafe client.pointee.closeAtMs != 0 { deadline = unsafe min(deadline, client.pointee.closeAtMs) }
        if deadline != .max { unsafe timers.armNoLater(connection.timerNode, than: deadline) }
    }

    /// Out of the pool and closed. Its stream must have been dealt with.
    func closeClient(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, byPeer: Bool
    ) {
        if unsafe client.pointee.isIdle, let host = unsafe hosts[connection.pointee.host] { unsafe removeIdle(client, host) }
        if unsafe isOpening(connection), let host = unsafe hosts[connection.pointee.host] {
            unsafe host.pointee.connectingCount &-= 1
        }
        if let cluster = unsafe clusterConfig(connection), unsafe !isOpening(connection) {
            unsafe cells.record(
                cluster.pointee.config.pointee.stats &+ ClusterStat.upstreamRqPerCx.rawValue, client.pointee.requests)
        }
        unsafe clients.free(client.pointee.handle)
        unsafe connection.pointee.session = .none
        unsafe closeUpstream(connection, byPeer: byPeer)
    }
}
