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
        unsafe host.pointee.connectingCount &+= 1
        if unsafe !stream.pointee.isTCP {
            unsafe client.pointee.isCountedHTTP1 = true
            unsafe count(config.pointee.stats, .upstreamCxHttp1Total)
        }
        if unsafe config.pointee.connectionDurationMaxMs != 0 {
            unsafe client.pointee.closeAtMs = unsafe nowMs &+ config.pointee.connectionDurationMaxMs
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
    private func countHTTP1(
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

    // MARK: Request

    // HOT: per message.
    /// The stream's request goes out on this connection. False when the cluster has as many active requests as it may
    /// have: the stream is answered, and the connection is free still.
    func attach(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>,
        _ host: UnsafeMutablePointer<Host>
    ) -> Bool {
        guard unsafe beginUpstreamRequest(stream, connection, host) else { return false }
        unsafe client.pointee.stream = unsafe stream.pointee.handle
        unsafe client.pointee.requests &+= 1
        unsafe stream.pointee.upstreamIsHTTP2 = false
        unsafe dropMetadata(of: stream)
        unsafe client.pointee.requestSent = false
        unsafe client.pointee.responseDone = false
        unsafe client.pointee.decoder.reset(
            requestMethod: stream.pointee.request.method, upgradeWasAsked: stream.pointee.isUpgrade)
        unsafe stream.pointee.upstreamLocalAddress = unsafe client.pointee.localAddress
        unsafe stream.pointee.upstreamSentBefore = unsafe connection.pointee.bytesSent
        unsafe stream.pointee.upstreamReceivedBefore = unsafe connection.pointee.bytesReceived
        if let cluster = unsafe cluster(of: host) { unsafe countHTTP1(stream, client, host, cluster.pointee.config) }
        if unsafe stream.pointee.isTCP {
            if unsafe stream.pointee.requestEndForwarded { unsafe beginTryTimeouts(stream) }
            unsafe connectEstablished(stream, client, connection)
            return true
        }
        if unsafe stream.pointee.requestEndForwarded { unsafe beginTryTimeouts(stream) }
        unsafe sendRequestHead(stream, connection)
        return true
    }

    // HOT: per message.
    private func sendRequestHead(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        let config = unsafe cluster(stream.pointee.clusterSlot)?.pointee.config
        var options = H1EncoderOptions()
        options.properCaseWords = unsafe config?.pointee.properCaseHeaders ?? false
        options.absoluteForm = unsafe config?.pointee.sendFullyQualifiedURL ?? false
        let endsHere = unsafe stream.pointee.requestEndForwarded && stream.pointee.waitingBody.isEmpty && !stream.pointee.requestIsChunked
            && (stream.pointee.requestLength ?? 0) == 0
        let framing: H1Framing
        if unsafe stream.pointee.isUpgrade {
            // As in Envoy: a body's length is passed on, the body itself waits for the other protocol.
            if let length = unsafe stream.pointee.requestLength, length > 0 { framing = .contentLength(length) } else { framing = .none }
        } else if unsafe stream.pointee.requestIsChunked {
            framing = .chunked
        } else if let length = unsafe stream.pointee.requestLength {
            framing = .contentLength(length)
        } else if endsHere {
            switch unsafe stream.pointee.request.method {
            case .get, .head, .delete, .connect, .trace, .options: framing = .none
            case .post, .put, .patch, .other: framing = .contentLength(0)
            }
        } else {
            unsafe stream.pointee.requestIsChunked = true
            framing = .chunked
        }
        switch framing {
        case .contentLength(let length): unsafe stream.pointee.requestLeft = unsafe stream.pointee.isUpgrade ? nil : length
        case .none: unsafe stream.pointee.requestLeft = unsafe stream.pointee.isUpgrade ? nil : 0
        case .chunked, .closeDelimited: unsafe stream.pointee.requestLeft = nil
        }
        let bound = unsafe H1Encoder.requestBound(stream.pointee.request)
        guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
            return unsafe upstreamReset(stream, .memory)
        }
        unsafe connection.pointee.out.wrote(
            H1Encoder.requestHead(
                stream.pointee.request, framing, options, into: room.start, capacity: room.count))
        unsafe connections.markDirty(connection)
        unsafe stream.pointee.requestHeadSent = true
        if unsafe !stream.pointee.waitingBody.isEmpty, unsafe !stream.pointee.isUpgrade {
            guard unsafe sendWaitingBody(stream, connection) else { return }
        }
        if unsafe stream.pointee.requestEndForwarded, unsafe !stream.pointee.isUpgrade { unsafe http1SendRequestEnd(stream, connection) }
    }

    /// Body that came before the connection was there. False: the stream may be gone.
    private func sendWaitingBody(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) -> Bool {
        let bytes = unsafe stream.pointee.waitingBody.count
        guard unsafe takeRequestLeft(stream, bytes) else { return false }
        unsafe countUpstreamBody(stream, bytes)
        if unsafe stream.pointee.requestIsChunked {
            guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: H1Chunks.prefixBytesMax) else {
                unsafe upstreamReset(stream, .memory)
                return false
            }
            unsafe connection.pointee.out.wrote(H1Chunks.prefix(bytes, into: room.start))
            unsafe connection.pointee.out.append(moving: &stream.pointee.waitingBody)
            guard unsafe connection.pointee.out.append(copying: H1Chunks.suffix, memory) else {
                unsafe upstreamReset(stream, .memory)
                return false
            }
        } else {
            unsafe connection.pointee.out.append(moving: &stream.pointee.waitingBody)
        }
        if unsafe connection.pointee.out.count > upstreamLimit(stream) {
            unsafe backedUp(&connection.pointee.isAboveHigh, stream)
        } else {
            unsafe resumeDownstreamReading(stream)
        }
        return true
    }

    // HOT: per frame.
    /// So many bytes of the body go out. False, and the stream may be gone: the head promised fewer.
    func takeRequestLeft(_ stream: StreamPointer, _ bytes: Int) -> Bool {
        guard let left = unsafe stream.pointee.requestLeft else { return true }
        guard UInt64(truncatingIfNeeded: bytes) <= left else {
            unsafe requestBrokeItsLength(stream)
            return false
        }
        unsafe stream.pointee.requestLeft = left &- UInt64(truncatingIfNeeded: bytes)
        return true
    }

    /// A filter has made the body longer or shorter than the head says that has gone out: an upstream would take the rest
    /// for another request, or wait for more. The connection goes.
    private func requestBrokeItsLength(_ stream: StreamPointer) {
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqTxReset)
        }
        unsafe stream.pointee.flags.insert(.localReset)
        unsafe reply(
            stream, status: 500, body: Bytes("Internal Server Error" as StaticString),
            details: Bytes("request_body_length_mismatch" as StaticString), flags: .localReset)
    }

    // HOT: per message.
    func http1SendRequestEnd(_ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>) {
        guard let client = unsafe clients[connection.pointee.session], unsafe !client.pointee.requestSent else { return }
        // The end of what a client sends through a CONNECT is the end of our side. An upgraded protocol has ends of its own.
        if unsafe stream.pointee.isTunnel {
            if unsafe stream.pointee.isConnect { unsafe connections.end(connection) }
            return
        }
        if unsafe stream.pointee.isTCP { return unsafe postEnded(stream, client, connection) }
        guard unsafe stream.pointee.requestHeadSent, unsafe !stream.pointee.isUpgrade else { return }
        if let left = unsafe stream.pointee.requestLeft, left > 0 { return unsafe requestBrokeItsLength(stream) }
        unsafe client.pointee.requestSent = true
        unsafe stream.pointee.upstreamRequestEndNs = nowNs
        if unsafe stream.pointee.requestIsChunked {
            if let trailers = unsafe stream.pointee.requestTrailers, unsafe client.pointee.decoder.options.enableTrailers {
                let bound = H1Encoder.trailersBound(trailers)
                guard let room = unsafe connection.pointee.out.contiguousRoom(memory, bytes: bound) else {
                    return unsafe requestEndFailed(stream, client)
                }
                unsafe connection.pointee.out.wrote(
                    H1Encoder.trailers(trailers, H1EncoderOptions(), into: room.start, capacity: room.count))
            } else if unsafe !connection.pointee.out.append(copying: H1Chunks.last, memory) {
                return unsafe requestEndFailed(stream, client)
            }
            unsafe connections.markDirty(connection)
        }
    }

    private func requestEndFailed(_ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>) {
        unsafe client.pointee.mustClose = true
        unsafe upstreamReset(stream, .memory)
    }

    // HOT: per completion.
    func http1UpstreamSent(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        unsafe upstreamCounted(connection, .upstreamCxTxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        guard let client = unsafe clients[connection.pointee.session], let stream = unsafe streams[client.pointee.stream] else { return }
        unsafe stream.pointee.activeMs = nowMs
        unsafe stream.pointee.upstreamBytesSent = unsafe connection.pointee.bytesSent &- stream.pointee.upstreamSentBefore
        if unsafe connection.pointee.isAboveHigh, unsafe connection.pointee.out.count <= upstreamLimit(stream) / 2 {
            unsafe drained(&connection.pointee.isAboveHigh, stream)
        }
        if unsafe isDownstreamPaused(stream), unsafe connection.pointee.out.count <= upstreamLimit(stream) / 2 {
            unsafe resumeDownstreamReading(stream)
        }
    }

    // MARK: Response

    // HOT: per frame.
    func http1UpstreamReceived(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, buffer: UInt16?) {
        unsafe upstreamCounted(connection, .upstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes.count))
        guard let client = unsafe clients[connection.pointee.session] else { return }
        let handle = unsafe client.pointee.handle
        var cursor = 0
        while true {
            guard let stream = unsafe streams[client.pointee.stream], unsafe !client.pointee.responseDone else {
                // Bytes that nobody asked for: the connection is not to be trusted.
                if cursor < bytes.count { unsafe unexpectedBytes(client, connection, bytes.from(cursor)) }
                return
            }
            if unsafe hasNotBeenAsked(client, connection, stream), cursor < bytes.count {
                return unsafe answeredUnasked(client, connection, stream)
            }
            unsafe stream.pointee.upstreamBytesReceived =
                unsafe connection.pointee.bytesReceived &- stream.pointee.upstreamReceivedBefore
            if unsafe stream.pointee.retry.perTryIdleAtMs != 0 {
                unsafe stream.pointee.retry.perTryIdleAtMs = unsafe nowMs &+ stream.pointee.retry.perTryIdleMs
            }
            let event: H1Event
            if unsafe stream.pointee.responseTrailers != nil {
                event = unsafe client.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.responseTrailers!)
            } else {
                event = unsafe client.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.response)
            }
            switch event {
            case .needMore: return
            case .head:
                unsafe client.pointee.hasExcess = cursor < bytes.count
                unsafe clientHead(client, stream)
            case .body(let part):
                unsafe responseBody(client, connection, stream, part, buffer)
            case .trailersBegin:
                unsafe stream.pointee.responseTrailers = MessageHead(pool: memory.blocks, bytes: 1024)
                if unsafe stream.pointee.responseTrailers == nil { unsafe clientFailed(client, connection, stream, .memory) }
            case .trailers: break
            case .complete:
                unsafe client.pointee.hasExcess = cursor < bytes.count
                unsafe responseComplete(client, connection, stream)
            case .failed: unsafe clientFailed(client, connection, stream, .protocolError)
            }
            guard unsafe clients[handle] == client else { return }
            if cursor >= bytes.count, unsafe client.pointee.responseDone || !client.pointee.decoder.endsHere { return }
        }
    }

    /// The request waits to be sent on a connection that has served before. What comes now was said to nobody: excess of
    /// the response before, or the 408 with which some servers give up an idle connection.
    @inline(__always)
    private func hasNotBeenAsked(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer
    ) -> Bool {
        unsafe connection.pointee.bytesSent == stream.pointee.upstreamSentBefore && client.pointee.requests > 1
            && client.pointee.decoder.isIdle && !connection.pointee.isSending
    }

    private func answeredUnasked(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer
    ) {
        unsafe upstreamCounted(connection, .upstreamCxProtocolError, 1)
        if unsafe !stream.pointee.wasMoved { return unsafe moveElsewhere(stream, client, connection) }
        unsafe client.pointee.mustClose = true
        unsafe upstreamReset(stream, .terminated)
    }

    private func clientHead(_ client: UnsafeMutablePointer<H1Client>, _ stream: StreamPointer) {
        let status = unsafe stream.pointee.response.status
        if status < 200, unsafe status != 101 || !client.pointee.decoder.isTunnel {
            unsafe stream.pointee.response.reset()
            unsafe interimResponse(stream, status)
            return
        }
        if unsafe client.pointee.decoder.announcesClose {
            unsafe client.pointee.mustClose = true
            if let connection = unsafe connections.slab[client.pointee.connection] {
                unsafe upstreamCounted(connection, .upstreamCxCloseNotify, 1)
            }
        }
        unsafe stream.pointee.responseFieldCount = unsafe UInt16(truncatingIfNeeded: stream.pointee.response.count)
        let ends = unsafe client.pointee.decoder.endsHere
        // Without a body the response is here in full: its connection goes back to the pool with the stream's end.
        if ends, unsafe !client.pointee.decoder.isTunnel { unsafe markComplete(client, stream) }
        var facts = ResponseFacts()
        facts.length = unsafe client.pointee.decoder.contentLength
        facts.isChunked = unsafe client.pointee.decoder.isChunked
        facts.isTunnel = unsafe client.pointee.decoder.isTunnel
        unsafe upstreamResponseHead(stream, facts, endStream: ends)
    }

    /// 100, 102, 103: swallowed, but for a 100 that the client waits for. In HTTP/2 the final head may have been read when
    /// this is told: the stream's response is not looked at.
    func interimResponse(_ attempt: StreamPointer, _ status: UInt16) {
        var stream = unsafe attempt
        // It is the beginning of the answer: no other attempt's counts any more.
        if unsafe !attempt.pointee.retry.on.isEmpty {
            if let request = unsafe streams[attempt.pointee.hedgeOf] {
                unsafe stream = request
                unsafe winHedge(attempt, stream)
            } else {
                unsafe endRetries(stream)
            }
        }
        // Envoy takes the first one for a response that has begun: its code is the request's.
        if unsafe !stream.pointee.sawInterim {
            unsafe stream.pointee.sawInterim = true
            unsafe countUpstreamStatus(stream, status)
        }
        if status == 100, unsafe stream.pointee.expectsContinue {
            unsafe stream.pointee.expectsContinue = false
            guard unsafe sendContinue(stream) else { return }
        }
    }

    private func responseBody(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer,
        _ part: Bytes, _ buffer: UInt16?
    ) {
        if unsafe stream.pointee.isTunnel {
            unsafe tunnelFromUpstream(stream, part, buffer)
            return
        }
        unsafe stream.pointee.tryBodyReceived &+= UInt64(truncatingIfNeeded: part.count)
        unsafe responseData(stream, part, buffer, endStream: false)
    }

    // HOT: per message.
    /// The response is here in full: the connection goes back to the pool, then the client gets the end.
    private func responseComplete(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer
    ) {
        unsafe markComplete(client, stream)
        unsafe releaseUpstream(stream)
        unsafe responseEnded(stream)
    }

    private func markComplete(_ client: UnsafeMutablePointer<H1Client>, _ stream: StreamPointer) {
        if unsafe client.pointee.responseDone { return }
        unsafe client.pointee.responseDone = true
        unsafe stream.pointee.upstreamEndNs = nowNs
        unsafe stream.pointee.timeoutAtMs = 0
        unsafe stream.pointee.retry.perTryIdleAtMs = 0
        guard let connection = unsafe connections.slab[client.pointee.connection] else { return }
        if unsafe client.pointee.hasExcess {
            unsafe client.pointee.mustClose = true
            unsafe upstreamCounted(connection, .upstreamCxProtocolError, 1)
        }
        if unsafe client.pointee.decoder.shouldClose { unsafe client.pointee.mustClose = true }
    }

    /// A response without a body, which is not wanted: its connection is good for the next request.
    func http1ResponseDropped(_ stream: StreamPointer) {
        guard let connection = unsafe connections.slab[stream.pointee.upstream], let client = unsafe clients[connection.pointee.session]
        else { return }
        unsafe client.pointee.responseDone = unsafe client.pointee.requestSent && !client.pointee.decoder.shouldClose
            && !client.pointee.hasExcess
    }

    private func unexpectedBytes(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes
    ) {
        // RFC 9110 §15.5.9: a server that grows tired of an idle connection may say 408 before it closes.
        let isTimeout = bytes.count >= 12 && bytes.hasPrefix(Bytes("HTTP/1." as StaticString)) && bytes.part(8, 12).equals(Bytes(" 408" as StaticString))
        if !isTimeout { unsafe upstreamCounted(connection, .upstreamCxProtocolError, 1) }
        unsafe closeClient(client, connection, byPeer: false)
    }

    private func clientFailed(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer,
        _ failure: UpstreamFailure
    ) {
        if case .protocolError = failure { unsafe upstreamCounted(connection, .upstreamCxProtocolError, 1) }
        unsafe client.pointee.mustClose = true
        unsafe upstreamReset(stream, failure)
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
    private func moveElsewhere(
        _ stream: StreamPointer, _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        unsafe stream.pointee.wasMoved = true
        guard let cluster = unsafe cluster(stream.pointee.clusterSlot), unsafe stream.pointee.upstreamBodySent == 0 else {
            unsafe client.pointee.mustClose = true
            unsafe upstreamReset(stream, .terminated)
            return
        }
        unsafe client.pointee.mustClose = true
        unsafe releaseUpstream(stream)
        unsafe stream.pointee.requestHeadSent = false
        // Not a try of its own: nothing of it was seen anywhere.
        unsafe stream.pointee.attempt &-= 1
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
