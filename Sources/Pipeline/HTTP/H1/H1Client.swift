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
    var requests: UInt64 = 0
    var requestSent = false
    var responseDone = false
    var mustClose = false
    var closeAtMs: UInt64 = 0
    /// Trailers are kept only where both sides have them enabled.
    var keepsTrailers = false
}

extension Worker {
    /// The session of a new connection to a host.
    func openClient(
        _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>
    ) -> UnsafeMutablePointer<H1Client>? {
        guard let (handle, client) = clients.allocate() else { return nil }
        guard let connection = connect(to: host, cluster, role: .http1Upstream) else {
            clients.free(handle)
            return nil
        }
        let config = cluster.pointee.config
        var options = H1Options.response
        options.maxHeaders = UInt16(truncatingIfNeeded: min(config.pointee.headersMax, 65535))
        options.maxHeadBytes = UInt32(truncatingIfNeeded: config.pointee.headBytesMax)
        options.maxStartLineBytes = options.maxHeadBytes
        options.enableTrailers = config.pointee.enableTrailers
        client.initialize(
            to: H1Client(
                handle: handle, connection: connection.pointee.handle,
                decoder: H1ResponseDecoder(options: options, requestMethod: .get)))
        connection.pointee.session = handle
        host.pointee.connectingCount &+= 1
        count(config.pointee.stats, .upstreamCxHttp1Total)
        if config.pointee.connectionDurationMaxMs != 0 {
            client.pointee.closeAtMs = nowMs &+ config.pointee.connectionDurationMaxMs
        }
        return client
    }

    func http1Connected(_ connection: UnsafeMutablePointer<Connection>) {
        upstreamConnected(connection)
        guard let client = clients[connection.pointee.session], let host = hosts[connection.pointee.host] else {
            closeUpstream(connection)
            return
        }
        host.pointee.connectingCount &-= 1
        connections.receive(connection, pollFirst: true)
        ready(client, connection, host)
    }

    func http1ConnectFailed(_ connection: UnsafeMutablePointer<Connection>, _ failure: ConnectFailure) {
        let host = connection.pointee.host
        if let client = clients[connection.pointee.session] { clients.free(client.pointee.handle) }
        connection.pointee.session = .none
        if let host = hosts[host] { host.pointee.connectingCount &-= 1 }
        let reason: UpstreamFailure
        switch failure {
        case .refused(let error): reason = .connectFailed(error)
        case .timedOut: reason = .connectTimedOut
        }
        // The stream stays counted on the host until it is told, so the host outlives this.
        if let host = hosts[host] { failPending(host, reason) }
        upstreamConnectFailed(connection, failure)
    }

    // MARK: Request

    // HOT: per message.
    /// The stream's request goes out on this connection.
    func attach(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ host: UnsafeMutablePointer<Host>
    ) {
        client.pointee.stream = stream.pointee.handle
        client.pointee.requests &+= 1
        client.pointee.requestSent = false
        client.pointee.responseDone = false
        client.pointee.decoder.reset(
            requestMethod: stream.pointee.request.method, upgradeWasAsked: stream.pointee.isUpgrade)
        stream.pointee.upstream = connection.pointee.handle
        stream.pointee.upstreamConnectionID = connection.pointee.id
        stream.pointee.upstreamSentBefore = connection.pointee.bytesSent
        connection.pointee.activeMs = nowMs
        if let cluster = cluster(of: host) {
            count(cluster.pointee.config.pointee.stats, .upstreamRqTotal)
            gauge(cluster.pointee.config.pointee.stats, .upstreamRqActive, 1)
        }
        cells.increment(host.pointee.config.stats &+ HostStat.rqTotal.rawValue)
        cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqActive.rawValue, 1)
        stream.pointee.isOnUpstream = true
        if stream.pointee.perTryTimeoutMs != 0 {
            stream.pointee.perTryTimeoutAtMs = nowMs &+ stream.pointee.perTryTimeoutMs
            armStreamTimer(stream)
        }
        sendRequestHead(stream, connection)
    }

    // HOT: per message.
    private func sendRequestHead(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        let config = cluster(stream.pointee.clusterSlot)?.pointee.config
        var options = H1EncoderOptions()
        options.properCaseWords = config?.pointee.properCaseHeaders ?? false
        options.absoluteForm = config?.pointee.sendFullyQualifiedURL ?? false
        let endsHere = stream.pointee.requestEnded && stream.pointee.requestBody.isEmpty && !stream.pointee.requestIsChunked
            && (stream.pointee.requestLength ?? 0) == 0
        let framing: H1Framing
        if stream.pointee.isUpgrade {
            framing = .none
        } else if stream.pointee.requestIsChunked {
            framing = .chunked
        } else if let length = stream.pointee.requestLength {
            framing = stream.pointee.bodyWasChanged
                ? .contentLength(UInt64(stream.pointee.requestBody.count)) : .contentLength(length)
        } else if endsHere {
            switch stream.pointee.request.method {
            case .get, .head, .delete, .connect, .trace, .options: framing = .none
            case .post, .put, .patch, .other: framing = .contentLength(0)
            }
        } else {
            stream.pointee.requestIsChunked = true
            framing = .chunked
        }
        let bound = H1Encoder.requestBound(stream.pointee.request)
        guard let room = connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
            return upstreamReset(stream, .memory)
        }
        connection.pointee.out.wrote(
            H1Encoder.requestHead(
                stream.pointee.request, framing, options, into: room.start, capacity: room.count))
        connections.markDirty(connection)
        stream.pointee.requestHeadSent = true
        if !stream.pointee.requestBody.isEmpty, !stream.pointee.isUpgrade { sendWaitingBody(stream, connection) }
        if stream.pointee.requestEnded, !stream.pointee.isUpgrade { sendRequestEnd(stream, connection) }
    }

    /// Body that came before the connection was there.
    private func sendWaitingBody(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        countUpstreamBody(stream, stream.pointee.requestBody.count)
        if stream.pointee.requestIsChunked {
            if let room = connection.pointee.out.contiguousRoom(memory, bytes: H1Chunks.prefixBytesMax) {
                connection.pointee.out.wrote(H1Chunks.prefix(stream.pointee.requestBody.count, into: room.start))
            }
            connection.pointee.out.append(moving: &stream.pointee.requestBody)
            _ = connection.pointee.out.append(copying: H1Chunks.suffix, memory)
        } else {
            connection.pointee.out.append(moving: &stream.pointee.requestBody)
        }
        resumeDownstreamReading(stream)
    }

    func countUpstreamBody(_ stream: StreamPointer, _ bytes: Int) {
        stream.pointee.upstreamBodySent &+= UInt64(truncatingIfNeeded: bytes)
    }

    // HOT: per message.
    func sendRequestEnd(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        guard let client = clients[connection.pointee.session], !client.pointee.requestSent else { return }
        guard stream.pointee.requestHeadSent, !stream.pointee.isUpgrade else { return }
        client.pointee.requestSent = true
        stream.pointee.upstreamRequestEndNs = nowNs
        if stream.pointee.requestIsChunked {
            if let trailers = stream.pointee.requestTrailers, client.pointee.decoder.options.enableTrailers {
                let bound = H1Encoder.trailersBound(trailers)
                if let room = connection.pointee.out.contiguousRoom(memory, bytes: bound) {
                    connection.pointee.out.wrote(
                        H1Encoder.trailers(trailers, H1EncoderOptions(), into: room.start, capacity: room.count))
                }
            } else {
                _ = connection.pointee.out.append(copying: H1Chunks.last, memory)
            }
            connections.markDirty(connection)
        }
    }

    // HOT: per completion.
    func http1UpstreamSent(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        upstreamCounted(connection, .upstreamCxTxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        guard let client = clients[connection.pointee.session], let stream = streams[client.pointee.stream] else { return }
        stream.pointee.requestWasSent = true
        stream.pointee.activeMs = nowMs
        if let downstream = connections.slab[stream.pointee.downstream], downstream.pointee.isPaused,
            connection.pointee.out.count <= 1 << 19
        {
            resumeDownstreamReading(stream)
        }
    }

    // MARK: Response

    // HOT: per frame.
    func http1UpstreamReceived(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, buffer: UInt16) {
        upstreamCounted(connection, .upstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes.count))
        guard let client = clients[connection.pointee.session] else { return }
        let handle = client.pointee.handle
        var cursor = 0
        while true {
            guard let stream = streams[client.pointee.stream], !client.pointee.responseDone else {
                // Bytes that nobody asked for: the connection is not to be trusted.
                if cursor < bytes.count { unexpectedBytes(client, connection) }
                return
            }
            stream.pointee.upstreamBytesReceived = connection.pointee.bytesReceived
            let event: H1Event
            if stream.pointee.responseTrailers != nil {
                event = client.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.responseTrailers!)
            } else {
                event = client.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.response)
            }
            switch event {
            case .needMore: return
            case .head: clientHead(client, stream)
            case .body(let part):
                responseBody(client, connection, stream, part, buffer)
            case .trailersBegin: stream.pointee.responseTrailers = MessageHead(pool: memory.blocks, bytes: 1024)
            case .trailers: break
            case .complete: responseComplete(client, connection, stream)
            case .failed: clientFailed(client, connection, stream, .protocolError)
            }
            guard clients[handle] == client else { return }
            if cursor >= bytes.count, client.pointee.responseDone || !client.pointee.decoder.endsHere { return }
        }
    }

    private func clientHead(_ client: UnsafeMutablePointer<H1Client>, _ stream: StreamPointer) {
        let status = stream.pointee.response.status
        if status < 200, status != 101 || !client.pointee.decoder.isTunnel {
            interimResponse(stream, status)
            return
        }
        upstreamResponseHead(stream, client, endStream: client.pointee.decoder.endsHere && false)
    }

    /// 100, 102, 103: swallowed, but for a 100 that the client waits for.
    private func interimResponse(_ stream: StreamPointer, _ status: UInt16) {
        if let cluster = cluster(stream.pointee.clusterSlot) {
            cells.count(
                cluster.pointee.config.pointee.stats &+ ClusterStat.responseCodes.rawValue, responseCode: status)
        }
        if status == 100, stream.pointee.expectsContinue, let downstream = connections.slab[stream.pointee.downstream] {
            stream.pointee.expectsContinue = false
            count(stream.pointee.http.pointee.stats, .downstreamRq1xx)
            _ = downstream.pointee.out.append(
                copying: Bytes("HTTP/1.1 100 Continue\r\n\r\n" as StaticString), memory)
            connections.markDirty(downstream)
        }
        stream.pointee.response.reset()
    }

    private func responseBody(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer,
        _ part: Bytes, _ buffer: UInt16
    ) {
        if stream.pointee.isTunnel {
            tunnelFromUpstream(stream, part, buffer)
            return
        }
        responseData(stream, part, buffer, endStream: false)
    }

    // HOT: per message.
    /// The response is here in full: the connection goes back to the pool, then the client gets the end.
    private func responseComplete(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer
    ) {
        client.pointee.responseDone = true
        stream.pointee.upstreamEndNs = nowNs
        stream.pointee.timeoutAtMs = 0
        if client.pointee.decoder.shouldClose {
            client.pointee.mustClose = true
            upstreamCounted(connection, .upstreamCxCloseNotify, 1)
        }
        releaseUpstream(stream)
        responseEnded(stream)
    }

    private func unexpectedBytes(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        upstreamCounted(connection, .upstreamCxProtocolError, 1)
        closeClient(client, connection, byPeer: false)
    }

    private func clientFailed(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer,
        _ failure: UpstreamFailure
    ) {
        if case .protocolError = failure { upstreamCounted(connection, .upstreamCxProtocolError, 1) }
        client.pointee.mustClose = true
        upstreamReset(stream, failure)
    }

    // MARK: The upstream ends or fails

    func http1UpstreamEnded(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        guard let client = clients[connection.pointee.session] else {
            closeUpstream(connection, byPeer: true)
            return
        }
        guard let stream = streams[client.pointee.stream] else {
            closeClient(client, connection, byPeer: true)
            return
        }
        if stream.pointee.isTunnel {
            tunnelUpstreamEnded(stream, connection)
            return
        }
        if error == 0, case .complete = client.pointee.decoder.finish() {
            client.pointee.mustClose = true
            responseComplete(client, connection, stream)
            return
        }
        // A keep-alive race: nothing of the response is here and the connection had served before. Nothing of this
        // request can have been answered, and when no byte of it was sent it may go elsewhere once.
        if client.pointee.requests > 1, client.pointee.decoder.isIdle, !stream.pointee.requestWasSent,
            !stream.pointee.wasMoved
        {
            moveElsewhere(stream, client, connection)
            return
        }
        if let cluster = clusterConfig(connection) {
            count(cluster.pointee.config.pointee.stats, .upstreamCxDestroyWithActiveRq)
            count(cluster.pointee.config.pointee.stats, .upstreamCxDestroyRemoteWithActiveRq)
        }
        client.pointee.mustClose = true
        upstreamReset(stream, .terminated)
    }

    func http1UpstreamSendFailed(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        http1UpstreamEnded(connection, error)
    }

    /// The same request on another connection: nothing of it left on this one.
    private func moveElsewhere(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        stream.pointee.wasMoved = true
        guard let cluster = cluster(stream.pointee.clusterSlot), stream.pointee.upstreamBodySent == 0 else {
            client.pointee.mustClose = true
            upstreamReset(stream, .terminated)
            return
        }
        client.pointee.mustClose = true
        releaseUpstream(stream)
        stream.pointee.requestHeadSent = false
        startAttempt(stream, cluster)
    }

    func http1UpstreamTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let client = clients[connection.pointee.session], let cluster = clusterConfig(connection) else { return }
        let config = cluster.pointee.config
        let idle = config.pointee.idleTimeoutMs
        if client.pointee.isIdle, idle != 0, nowMs >= connection.pointee.activeMs &+ idle {
            count(config.pointee.stats, .upstreamCxIdleTimeout)
            closeClient(client, connection, byPeer: false)
            return
        }
        if client.pointee.closeAtMs != 0, nowMs >= client.pointee.closeAtMs {
            count(config.pointee.stats, .upstreamCxMaxDurationReached)
            client.pointee.closeAtMs = 0
            client.pointee.mustClose = true
            if client.pointee.isIdle { return closeClient(client, connection, byPeer: false) }
        }
        armClientTimer(client, connection, config)
    }

    func armClientTimer(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ config: UnsafePointer<ClusterConfig>
    ) {
        var deadline = UInt64.max
        if config.pointee.idleTimeoutMs != 0 { deadline = nowMs &+ config.pointee.idleTimeoutMs }
        if client.pointee.closeAtMs != 0 { deadline = min(deadline, client.pointee.closeAtMs) }
        if deadline != .max { timers.armNoLater(connection.timerNode, than: deadline) }
    }

    /// Out of the pool and closed. Its stream must have been dealt with.
    func closeClient(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, byPeer: Bool
    ) {
        if client.pointee.isIdle, let host = hosts[connection.pointee.host] { removeIdle(client, host) }
        if connection.pointee.isConnecting, let host = hosts[connection.pointee.host] {
            host.pointee.connectingCount &-= 1
        }
        clients.free(client.pointee.handle)
        connection.pointee.session = .none
        closeUpstream(connection, byPeer: byPeer)
    }
}
