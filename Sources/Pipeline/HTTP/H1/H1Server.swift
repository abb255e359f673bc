// A downstream HTTP/1 connection: bytes become requests, one after the other.
//
// The decoder's events go to the stream (`requestHead…`, `requestData`, `requestEnded`); what the stream answers is
// encoded into the connection's queue by `H1ServerSend`. A pipelined request waits, undecoded, until the one before it
// is answered: responses keep the order, and what waits is bounded by the buffer limit.

import Primitives
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
    /// Everything is answered; what still comes is thrown away until the peer closes.
    var isLingering = false
    var isDraining = false
    var isFeeding = false
    var lingerUntilMs: UInt64 = 0
    var closeAtMs: UInt64 = 0
    var headersDeadlineMs: UInt64 = 0
}

extension Worker {
    func http1Opened(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) {
        guard let (handle, server) = servers.allocate() else {
            close(connection)
            return
        }
        server.initialize(
            to: H1Server(
                handle: handle, connection: connection.pointee.handle, http: http,
                decoder: H1RequestDecoder(options: http.pointee.decoder)))
        connection.pointee.role = .http1Downstream
        connection.pointee.session = handle
        let stats = http.pointee.stats
        count(stats, .downstreamCxTotal)
        gauge(stats, .downstreamCxActive, 1)
        count(stats, .downstreamCxHttp1Total)
        gauge(stats, .downstreamCxHttp1Active, 1)
        if http.pointee.connectionDurationMaxMs != 0 {
            server.pointee.closeAtMs = nowMs &+ http.pointee.connectionDurationMaxMs
        }
        armServerTimer(server, connection)
        connections.receive(connection)
    }

    // MARK: Receiving

    // HOT: per frame.
    func http1DownstreamReceived(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, buffer: UInt16) {
        guard let server = servers[connection.pointee.session] else { return }
        count(server.pointee.http.pointee.stats, .downstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes.count))
        if server.pointee.isLingering { return }
        if !server.pointee.pending.isEmpty || isAnswering(server) {
            keep(server, connection, bytes, buffer)
            return
        }
        let cursor = feed(server, bytes, buffer)
        if cursor < bytes.count, servers[connection.pointee.session] == server, !server.pointee.isLingering {
            keep(server, connection, bytes.from(cursor), buffer)
        }
    }

    /// The current request has been read and is not answered yet.
    @inline(__always)
    private func isAnswering(_ server: UnsafeMutablePointer<H1Server>) -> Bool {
        guard let stream = streams[server.pointee.stream] else { return false }
        return stream.pointee.requestEnded
    }

    private func keep(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes,
        _ buffer: UInt16
    ) {
        if bytes.count <= ByteQueue.copyMax || memory.buffers.free < memory.buffers.count / 2 {
            guard server.pointee.pending.append(copying: bytes, memory) else {
                downstreamGone(server, connection)
                return
            }
        } else {
            memory.buffers.retain(buffer)
            server.pointee.pending.append(buffer: buffer, bytes, memory)
        }
        if server.pointee.pending.count > server.pointee.http.pointee.bufferLimit, !connection.pointee.isPaused {
            connections.pause(connection)
        }
    }

    /// Goes on with what was kept: the response before it is on its way.
    func resumePending(_ server: UnsafeMutablePointer<H1Server>) {
        guard !server.pointee.isFeeding else { return }
        let handle = server.pointee.handle
        while let bytes = server.pointee.pending.first, !isAnswering(server), !server.pointee.isLingering {
            // The part is taken out before it is decoded: decoding may end the connection.
            var part = server.pointee.pending
            server.pointee.pending = ByteQueue()
            let cursor = feed(server, bytes, nil)
            part.consume(cursor, memory)
            guard servers[handle] == server, !server.pointee.isLingering else {
                part.removeAll(memory)
                return
            }
            server.pointee.pending = part
            if cursor == 0 { break }
        }
        if let connection = connections.slab[server.pointee.connection], connection.pointee.isPaused,
            server.pointee.pending.isEmpty
        {
            connections.receive(connection)
        }
    }

    // HOT: per frame.
    /// Decodes; how far it got. Stops behind a request that is not answered yet. `buffer`: where the bytes lie, if in a
    /// receive buffer.
    private func feed(_ server: UnsafeMutablePointer<H1Server>, _ bytes: Bytes, _ buffer: UInt16?) -> Int {
        let handle = server.pointee.handle
        server.pointee.isFeeding = true
        var cursor = 0
        while true {
            guard let stream = streams[server.pointee.stream] ?? openStream(server) else { break }
            let name = stream.pointee.handle
            let event: H1Event
            if stream.pointee.requestTrailers != nil {
                event = server.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.requestTrailers!)
            } else {
                event = server.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.request)
            }
            switch event {
            case .needMore:
                server.pointee.isFeeding = false
                if server.pointee.decoder.isIdle, !stream.pointee.requestHeadDone {
                    // Nothing but an empty line so far.
                    discardStream(stream)
                } else if !stream.pointee.requestHeadDone {
                    headHasBegun(server, stream)
                }
                return cursor
            case .head:
                requestHeadReceived(server, stream)
            case .body(let part):
                requestData(stream, part, buffer, endStream: server.pointee.decoder.endsHere)
            case .trailersBegin:
                stream.pointee.requestTrailers = MessageHead(pool: memory.blocks, bytes: 1024)
                if stream.pointee.requestTrailers == nil { downstreamFailed(server) }
            case .trailers: break
            case .complete:
                if !stream.pointee.requestEnded { requestEnded(stream) }
            case .failed(let error): requestFailed(server, stream, error)
            }
            guard servers[handle] == server, !server.pointee.isLingering else { return bytes.count }
            if server.pointee.stream == name {
                if stream.pointee.requestEnded, server.pointee.decoder.isIdle { break }
            } else if cursor >= bytes.count {
                break
            }
        }
        server.pointee.isFeeding = false
        return cursor
    }

    /// The first byte of a request: its clock starts.
    private func headHasBegun(_ server: UnsafeMutablePointer<H1Server>, _ stream: StreamPointer) {
        let timeout = server.pointee.http.pointee.requestHeadersTimeoutMs
        guard timeout != 0, server.pointee.headersDeadlineMs == 0 else { return }
        server.pointee.headersDeadlineMs = nowMs &+ timeout
        if let connection = connections.slab[server.pointee.connection] {
            timers.armNoLater(connection.timerNode, than: server.pointee.headersDeadlineMs)
        }
    }

    // MARK: The peer ends or fails

    func http1DownstreamEnded(_ connection: UnsafeMutablePointer<Connection>) {
        guard let server = servers[connection.pointee.session] else {
            close(connection)
            return
        }
        if let stream = streams[server.pointee.stream], stream.pointee.isTunnel {
            tunnelDownstreamEnded(stream)
            return
        }
        downstreamGone(server, connection)
    }

    func http1DownstreamFailed(_ connection: UnsafeMutablePointer<Connection>, _ error: Int32) {
        guard let server = servers[connection.pointee.session] else {
            close(connection)
            return
        }
        downstreamGone(server, connection)
    }

    /// The client is gone: what it asked for is cancelled.
    func downstreamGone(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        let stats = server.pointee.http.pointee.stats
        if let stream = streams[server.pointee.stream] {
            if stream.pointee.requestHeadDone || stream.pointee.request.textBytes > 0 {
                count(stats, .downstreamCxDestroyRemoteActiveRq)
                count(stats, .downstreamCxDestroyActiveRq)
                stream.pointee.flags.insert(.downstreamConnectionTermination)
                if stream.pointee.details.isEmpty || !stream.pointee.isLocalReply {
                    stream.pointee.details = Bytes("downstream_remote_disconnect" as StaticString)
                }
                count(stats, .downstreamRqRxReset)
                endStream(stream, reset: true)
            } else {
                discardStream(stream)
            }
        }
        count(stats, .downstreamCxDestroyRemote)
        closeServer(server, connection)
    }

    /// No memory, or another failure of ours: the connection goes.
    private func downstreamFailed(_ server: UnsafeMutablePointer<H1Server>) {
        guard let connection = connections.slab[server.pointee.connection] else { return }
        downstreamGone(server, connection)
    }

    /// Gives session and connection back. The stream must have been dealt with.
    func closeServer(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        let stats = server.pointee.http.pointee.stats
        count(stats, .downstreamCxDestroy)
        gauge(stats, .downstreamCxActive, -1)
        gauge(stats, .downstreamCxHttp1Active, -1)
        cells.record(
            stats &+ HTTPConnectionManagerStat.downstreamCxLengthMs.rawValue,
            (nowNs &- connection.pointee.openedNs) / 1_000_000)
        server.pointee.pending.removeAll(memory)
        servers.free(server.pointee.handle)
        connection.pointee.session = .none
        close(connection)
    }

    // MARK: Time

    /// One timer per connection, armed at the earliest of its deadlines; idle time is looked up when it fires.
    func armServerTimer(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        let http = server.pointee.http
        var deadline = UInt64.max
        if http.pointee.idleTimeoutMs != 0 { deadline = connection.pointee.activeMs &+ http.pointee.idleTimeoutMs }
        for other in [server.pointee.closeAtMs, server.pointee.headersDeadlineMs, server.pointee.lingerUntilMs]
        where other != 0 { deadline = min(deadline, other) }
        if deadline != .max { timers.arm(connection.timerNode, at: deadline) }
    }

    func http1DownstreamTimedOut(_ connection: UnsafeMutablePointer<Connection>) {
        guard let server = servers[connection.pointee.session] else { return }
        let http = server.pointee.http
        let stats = http.pointee.stats
        if server.pointee.lingerUntilMs != 0, nowMs >= server.pointee.lingerUntilMs {
            count(stats, .downstreamCxDelayedCloseTimeout)
            count(stats, .downstreamCxDestroyLocal)
            closeServer(server, connection)
            return
        }
        let stream = streams[server.pointee.stream]
        if server.pointee.headersDeadlineMs != 0, nowMs >= server.pointee.headersDeadlineMs {
            server.pointee.headersDeadlineMs = 0
            if let stream, !stream.pointee.requestHeadDone {
                count(stats, .downstreamRqHeaderTimeout)
                countRequest(stream)
                stream.pointee.closesDownstream = true
                reply(
                    stream, status: 408, body: Bytes("request header timeout" as StaticString),
                    details: Bytes("request_header_timeout" as StaticString), flags: [])
                return
            }
        }
        if server.pointee.closeAtMs != 0, nowMs >= server.pointee.closeAtMs {
            server.pointee.closeAtMs = 0
            count(stats, .downstreamCxMaxDurationReached)
            beginDrain(server, connection)
            return
        }
        if stream == nil, !server.pointee.isLingering, http.pointee.idleTimeoutMs != 0,
            nowMs >= connection.pointee.activeMs &+ http.pointee.idleTimeoutMs
        {
            count(stats, .downstreamCxIdleTimeout)
            count(stats, .downstreamCxDestroyLocal)
            closeServer(server, connection)
            return
        }
        if stream != nil { connection.pointee.activeMs = nowMs }
        armServerTimer(server, connection)
    }

    /// No more requests on this connection: closed now when idle, behind the current response otherwise.
    func beginDrain(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        server.pointee.isDraining = true
        if streams[server.pointee.stream] == nil, server.pointee.pending.isEmpty, !server.pointee.isLingering {
            count(server.pointee.http.pointee.stats, .downstreamCxDrainClose)
            // A request may be on its way: say that nothing more is read by a FIN, and linger.
            linger(server, connection)
        }
    }

    /// The last response is queued: send it, end our direction, and wait for the peer's end, or the delayed close.
    func linger(_ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>) {
        server.pointee.isLingering = true
        server.pointee.pending.removeAll(memory)
        let timeout = server.pointee.http.pointee.delayedCloseTimeoutMs
        if timeout == 0 {
            count(server.pointee.http.pointee.stats, .downstreamCxDestroyLocal)
            connections.closeWhenSent(connection)
            return
        }
        connections.end(connection)
        if connection.pointee.isPaused { connections.receive(connection) }
        server.pointee.lingerUntilMs = nowMs &+ timeout
        timers.armNoLater(connection.timerNode, than: server.pointee.lingerUntilMs)
    }
}
