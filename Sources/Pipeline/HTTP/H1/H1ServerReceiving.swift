// A client's bytes become the events of its requests; what it sends ahead waits.

import Primitives
import Ring
import Stats
import Transport
import Wire

extension Worker {
    // HOT: per frame.
    func http1DownstreamReceived(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, buffer: UInt16?) {
        guard let server = unsafe servers[connection.pointee.session] else { return }
        if unsafe !server.pointee.hasBegun, unsafe server.pointee.http.pointee.codec == .auto,
            unsafe bytes[0] == UInt8(ascii: "P") || server.pointee.prefaceBytes > 0,
            unsafe beginsHTTP2(server, connection, bytes, buffer)
        {
            return
        }
        unsafe count(server.pointee.http.pointee.stats, .downstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes.count))
        if unsafe !server.pointee.hasBegun {
            unsafe begin(server)
        }
        if unsafe server.pointee.isLingering { return }
        if unsafe !server.pointee.pending.isEmpty || isAnswering(server) {
            unsafe keep(server, connection, bytes, buffer)
            return
        }
        // By name: with nothing in flight a connection that is closed is gone, and its place is nobody's.
        let handle = unsafe server.pointee.handle
        let cursor = unsafe feed(server, bytes, buffer)
        guard unsafe servers[handle] == server else { return }
        unsafe server.pointee.hasRead = true
        if cursor < bytes.count, unsafe !server.pointee.isLingering {
            unsafe keep(server, connection, bytes.from(cursor), buffer)
            guard unsafe servers[handle] == server else { return }
        }
        if unsafe !connection.pointee.isReceiving, unsafe !connection.pointee.isPaused { unsafe receiveOn(server, connection) }
    }

    /// The handshake is complete: where the codec is found out, ALPN says it before the first byte does.
    func httpNegotiated(_ connection: UnsafeMutablePointer<Connection>, _ tls: UnsafeMutablePointer<TLSConnection>) {
        guard unsafe connection.pointee.role == .http1Downstream, let server = unsafe servers[connection.pointee.session],
            unsafe server.pointee.http.pointee.codec == .auto,
            unsafe tls.pointee.applicationProtocol.equals(Bytes("h2" as StaticString))
        else { return }
        let http = unsafe server.pointee.http
        unsafe servers.free(server.pointee.handle)
        unsafe timers.cancel(connection.timerNode)
        unsafe http2Opened(connection, http)
        if unsafe connection.pointee.role == .http2Downstream { unsafe connections.receive(connection) }
    }

    /// The first bytes are the preface of HTTP/2, or may become it. True: dealt with.
    private func beginsHTTP2(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, _ buffer: UInt16?
    ) -> Bool {
        // A preface in pieces: as many bytes as came so far say that it may be one.
        let before = unsafe server.pointee.prefaceBytes
        switch H2Preface.sniff(bytes, after: Int(before)) {
        case .http1:
            guard before > 0 else { return false }
            // What was taken for the beginning of a preface is the beginning of a request.
            unsafe takePreface(server)
            return unsafe servers[connection.pointee.session] != server
        case .needMore:
            unsafe server.pointee.prefaceBytes = before &+ UInt8(truncatingIfNeeded: bytes.count)
            unsafe awaitHead(server)
            unsafe connections.receive(connection)
            return true
        case .http2:
            let http = unsafe server.pointee.http
            unsafe servers.free(server.pointee.handle)
            unsafe timers.cancel(connection.timerNode)
            unsafe http2Opened(connection, http)
            guard unsafe connection.pointee.role == .http2Downstream else { return true }
            unsafe connections.receive(connection)
            if before > 0 { unsafe http2DownstreamReceived(connection, H2Preface.bytes.prefix(Int(before)), buffer: nil) }
            unsafe http2DownstreamReceived(connection, bytes, buffer: buffer)
            return true
        }
    }

    /// A connection's protocol is known with its first byte, and counted then.
    private func begin(_ server: UnsafeMutablePointer<H1Server>) {
        unsafe server.pointee.hasBegun = true
        unsafe count(server.pointee.http.pointee.stats, .downstreamCxHttp1Total)
        unsafe gauge(server.pointee.http.pointee.stats, .downstreamCxHttp1Active, 1)
    }

    /// Bytes that were kept as the beginning of a preface are the beginning of a request.
    private func takePreface(_ server: UnsafeMutablePointer<H1Server>) {
        let before = unsafe server.pointee.prefaceBytes
        unsafe server.pointee.prefaceBytes = 0
        unsafe count(server.pointee.http.pointee.stats, .downstreamCxRxBytesTotal, UInt64(before))
        unsafe begin(server)
        _ = unsafe feed(server, H2Preface.bytes.prefix(Int(before)), nil)
    }

    /// No head has come in time, and what came is no head yet: a piece of a preface, or empty lines. The request that is told so.
    func lateStream(_ server: UnsafeMutablePointer<H1Server>) -> StreamPointer? {
        if unsafe server.pointee.isLingering { return nil }
        if unsafe server.pointee.prefaceBytes > 0 {
            let handle = unsafe server.pointee.handle
            unsafe takePreface(server)
            guard unsafe servers[handle] == server else { return nil }
            return unsafe streams[server.pointee.stream]
        }
        return unsafe server.pointee.emptySinceMs == 0 ? nil : openStream(server)
    }

    /// Behind the first bytes of a connection: the next ones are asked for at once, unless the client has said all that
    /// it will say. Then only its end can come, and the response usually comes first.
    private func receiveOn(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>
    ) {
        if let stream = unsafe streams[server.pointee.stream], unsafe stream.pointee.closesDownstream,
            unsafe stream.pointee.requestEnded, unsafe !stream.pointee.isUpgrade
        {
            unsafe connections.receiveLater(connection, nowMs: nowMs)
        } else {
            unsafe connections.receive(connection)
        }
    }

    /// The current request has been read and is not answered yet.
    @inline(__always)
    private func isAnswering(_ server: UnsafeMutablePointer<H1Server>) -> Bool {
        guard let stream = unsafe streams[server.pointee.stream] else { return false }
        return unsafe stream.pointee.requestEnded
    }

    /// A client that asks on and does not read: its next request waits until it has taken enough of the answers.
    @inline(__always)
    private func hasTooMuchQueued(_ server: UnsafeMutablePointer<H1Server>) -> Bool {
        guard let connection = unsafe connections.slab[server.pointee.connection] else { return false }
        return unsafe connection.pointee.out.count > server.pointee.http.pointee.bufferLimit
    }

    private func keep(
        _ server: UnsafeMutablePointer<H1Server>, _ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes,
        _ buffer: UInt16?
    ) {
        if let buffer, bytes.count > ByteQueue.copyMax, memory.buffers.free >= memory.buffers.count / 2 {
            memory.buffers.retain(buffer)
            unsafe server.pointee.pending.append(buffer: buffer, bytes, memory)
        } else if unsafe !server.pointee.pending.append(copying: bytes, memory) {
            return unsafe downstreamGone(server, connection)
        }
        if unsafe server.pointee.pending.count > server.pointee.http.pointee.bufferLimit, unsafe !connection.pointee.isPaused {
            unsafe connections.pause(connection)
        }
    }

    /// Goes on with what was kept: the response before it is on its way.
    func resumePending(_ server: UnsafeMutablePointer<H1Server>) {
        guard unsafe !server.pointee.isFeeding else { return }
        let handle = unsafe server.pointee.handle
        while let bytes = unsafe server.pointee.pending.first, unsafe !isAnswering(server), unsafe !server.pointee.isLingering {
            // The part is taken out before it is decoded: decoding may end the connection.
            var part = unsafe server.pointee.pending
            unsafe server.pointee.pending = ByteQueue()
            let cursor = unsafe feed(server, bytes, nil)
            part.consume(cursor, memory)
            guard unsafe servers[handle] == server, unsafe !server.pointee.isLingering else {
                part.removeAll(memory)
                return
            }
            unsafe server.pointee.pending = part
            if cursor == 0 { break }
        }
        if let connection = unsafe connections.slab[server.pointee.connection], unsafe connection.pointee.isPaused,
            unsafe server.pointee.pending.isEmpty
        {
            unsafe connections.receive(connection)
        }
    }

    // HOT: per frame.
    /// Decodes; how far it got. Stops behind a request that is not answered yet. `buffer`: where the bytes lie, if in a
    /// receive buffer.
    private func feed(_ server: UnsafeMutablePointer<H1Server>, _ bytes: Bytes, _ buffer: UInt16?) -> Int {
        let handle = unsafe server.pointee.handle
        unsafe server.pointee.isFeeding = true
        var cursor = 0
        while true {
            if unsafe streams[server.pointee.stream] == nil, unsafe hasTooMuchQueued(server) { break }
            // None to be had: the connection has been given up, and the server with it.
            guard let stream = unsafe streams[server.pointee.stream] ?? openStream(server) else { return bytes.count }
            let name = unsafe stream.pointee.handle
            let before = cursor
            let event: H1Event
            if unsafe stream.pointee.requestTrailers != nil {
                event = unsafe server.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.requestTrailers!)
            } else {
                event = unsafe server.pointee.decoder.next(bytes, &cursor, head: &stream.pointee.request)
            }
            unsafe stream.pointee.downstreamMeter.received &+= UInt64(truncatingIfNeeded: cursor &- before)
            switch event {
            case .needMore:
                unsafe server.pointee.isFeeding = false
                if unsafe server.pointee.decoder.isIdle, unsafe !stream.pointee.requestHeadDone {
                    // Nothing but an empty line so far.
                    unsafe discardStream(stream)
                    if cursor > 0 {
                        if unsafe server.pointee.emptySinceMs == 0 { unsafe server.pointee.emptySinceMs = nowMs }
                        unsafe awaitHead(server)
                    }
                } else if unsafe !stream.pointee.requestHeadDone {
                    unsafe headHasBegun(server, stream)
                }
                return cursor
            case .head:
                unsafe http1RequestHead(server, stream)
            case .body(let part):
                unsafe requestData(stream, part, buffer, endStream: server.pointee.decoder.endsHere)
            case .trailersBegin:
                unsafe stream.pointee.requestTrailers = MessageHead(pool: memory.blocks, bytes: 1024)
                if unsafe stream.pointee.requestTrailers == nil { unsafe downstreamFailed(server) }
            case .trailers: break
            case .complete:
                if let trailers = unsafe stream.pointee.requestTrailers { unsafe stream.pointee.downstreamMeter.http1TrailersReceived(trailers) }
                if unsafe !stream.pointee.requestEnded { unsafe requestEnded(stream) }
            case .failed(let error):
                // With what came behind its fault.
                unsafe stream.pointee.downstreamMeter.received &+= UInt64(truncatingIfNeeded: bytes.count &- cursor)
                unsafe requestFailed(server, stream, error)
            }
            guard unsafe servers[handle] == server, unsafe !server.pointee.isLingering else { return bytes.count }
            if unsafe server.pointee.stream == name {
                if unsafe stream.pointee.requestEnded, unsafe server.pointee.decoder.isIdle { break }
            } else if cursor >= bytes.count {
                break
            }
        }
        unsafe server.pointee.isFeeding = false
        return cursor
    }

    // HOT: per message.
    private func http1RequestHead(_ server: UnsafeMutablePointer<H1Server>, _ stream: StreamPointer) {
        let http = unsafe stream.pointee.http
        unsafe server.pointee.headersDeadlineMs = 0
        unsafe server.pointee.emptySinceMs = 0
        unsafe server.pointee.requests &+= 1
        if unsafe server.pointee.decoder.droppedUnderscores > 0 {
            unsafe cells.add(
                http.pointee.codecStats &+ HTTP1CodecStat.droppedHeadersWithUnderscores.rawValue,
                UInt64(server.pointee.decoder.droppedUnderscores))
        }
        if unsafe server.pointee.decoder.shouldClose || drain != .none || server.pointee.isDraining && server.pointee.drainedAtMs == 0 {
            unsafe stream.pointee.closesDownstream = true
            if drain != .none { unsafe count(http.pointee.stats, .downstreamCxDrainClose) }
        }
        let requestsMax = unsafe http.pointee.requestsPerConnectionMax
        if requestsMax != 0, unsafe server.pointee.requests >= requestsMax {
            unsafe stream.pointee.closesDownstream = true
            unsafe count(http.pointee.stats, .downstreamCxMaxRequestsReached)
        }
        var facts = unsafe RequestFacts(endStream: server.pointee.decoder.endsHere)
        facts.isChunked = unsafe server.pointee.decoder.isChunked
        facts.length = unsafe server.pointee.decoder.contentLength
        facts.hasHost = unsafe server.pointee.decoder.hasHost
        facts.asksUpgrade = unsafe server.pointee.decoder.upgradeRequested
        if unsafe http.pointee.metersWire {
            let lineBytes = unsafe stream.pointee.request.methodText.count &+ stream.pointee.request.path.count &+ 12
            // Host lies among the fields on the wire, not here.
            unsafe stream.pointee.downstreamMeter.http1HeadReceived(
                stream.pointee.request, lineBytes: Int(lineBytes), fields: stream.pointee.request.count &+ (facts.hasHost ? 1 : 0))
        }
        unsafe requestHeadReceived(stream, connections.slab.unchecked(server.pointee.connection.slot), facts)
    }

    /// The first byte of a request: its clocks start.
    private func headHasBegun(_ server: UnsafeMutablePointer<H1Server>, _ stream: StreamPointer) {
        unsafe startClocks(stream)
        unsafe server.pointee.emptySinceMs = 0
        unsafe awaitHead(server)
    }

    /// The whole head has to come within `request_headers_timeout` from now on.
    private func awaitHead(_ server: UnsafeMutablePointer<H1Server>) {
        let timeout = unsafe server.pointee.http.pointee.requestHeadersTimeoutMs
        guard timeout != 0, unsafe server.pointee.headersDeadlineMs == 0 else { return }
        unsafe server.pointee.headersDeadlineMs = nowMs &+ timeout
        if let connection = unsafe connections.slab[server.pointee.connection] {
            unsafe timers.armNoLater(connection.timerNode, than: server.pointee.headersDeadlineMs)
        }
    }
}
