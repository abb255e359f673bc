// A downstream HTTP/2 connection: frames become requests, many at a time. What the requests answer is `H2ServerSend`'s;
// how the connection ends, `H2ServerEnd`'s.

import CNghttp2
import Primitives
import Stats
import Transport
import Wire

extension Worker {
    /// The connection speaks HTTP/2: by configuration, by ALPN, or because it began with the preface.
    func http2Opened(_ connection: UnsafeMutablePointer<Connection>, _ http: UnsafePointer<HTTPConfig>) {
        let options = unsafe http.pointer(to: \.http2)
        guard let options = unsafe options,
            let session = unsafe openSession(connection, options: options, isServer: true, stats: http.pointee.http2Stats)
        else {
            unsafe close(connection)
            return
        }
        unsafe connection.pointee.role = .http2Downstream
        unsafe session.pointee.http = unsafe http
        unsafe session.pointee.metersWire = unsafe http.pointee.metersWire
        let stats = unsafe http.pointee.stats
        count(stats, .downstreamCxHttp2Total)
        gauge(stats, .downstreamCxHttp2Active, 1)
        if unsafe http.pointee.connectionDurationMaxMs != 0 {
            unsafe session.pointee.drain.closeAtMs = unsafe connection.pointee.openedNs / 1_000_000 &+ http.pointee.connectionDurationMaxMs
                &+ chance(http.pointee.connectionDurationJitterMs)
        }
        unsafe beginKeepalive(session)
        unsafe armHTTP2Timer(session, connection)
        if drain != .none { unsafe drainHTTP2(session) }
    }

    // HOT: per frame.
    func http2DownstreamReceived(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Bytes, buffer: UInt16?) {
        guard let session = unsafe h2.sessions[connection.pointee.session], let http = unsafe session.pointee.http else { return }
        unsafe count(http.pointee.stats, .downstreamCxRxBytesTotal, UInt64(truncatingIfNeeded: bytes.count))
        unsafe session.pointee.keepalive.heardMs = nowMs
        unsafe receiveHTTP2(session, bytes, buffer)
    }

    // HOT: per completion.
    func http2DownstreamSent(_ connection: UnsafeMutablePointer<Connection>, _ bytes: Int) {
        guard let session = unsafe h2.sessions[connection.pointee.session], let http = unsafe session.pointee.http else { return }
        unsafe count(http.pointee.stats, .downstreamCxTxBytesTotal, UInt64(truncatingIfNeeded: bytes))
        unsafe taken(session, connection)
        if unsafe session.pointee.drain.lingerUntilMs != 0 { unsafe lingerLonger(session, connection, http) }
        if unsafe nghttp2_session_want_write(session.pointee.codec) != 0 { unsafe markDue(session) }
    }

    // MARK: Requests

    /// A request begins. Called by nghttp2: nothing but memory and accounts.
    func openHTTP2Request(_ session: UnsafeMutablePointer<H2Session>, _ id: Int32) -> UnsafeMutablePointer<H2Stream>? {
        guard let connection = unsafe connections.slab[session.pointee.connection] else { return nil }
        unsafe moveToCurrentPlan(session, connection)
        guard let http = unsafe session.pointee.http, let stream = unsafe makeStream(connection, http) else { return nil }
        guard let entry = unsafe openH2Stream(session, id: id, stream.pointee.handle) else {
            unsafe freeStream(stream)
            return nil
        }
        unsafe stream.pointee.downstreamCodec = unsafe entry.pointee.handle
        unsafe stream.pointee.request.version = .http2
        unsafe stream.pointee.pinnedPart = unsafe connection.pointee.owner
        unsafe pins.pin(connection.pointee.owner)
        unsafe session.pointee.guards.openedStreams &+= 1
        unsafe startClocks(stream)
        if unsafe http.pointee.requestHeadersTimeoutMs != 0 {
            unsafe stream.pointee.headersTimeoutAtMs = unsafe nowMs &+ http.pointee.requestHeadersTimeoutMs
            unsafe armStreamTimer(stream)
        }
        return unsafe entry
    }

    /// New requests follow the listener's newest configuration; those under way keep theirs, which they have pinned.
    private func moveToCurrentPlan(_ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>) {
        guard let old = unsafe session.pointee.http, let new = unsafe adoptCurrentListener(connection, old), unsafe old != new else { return }
        if unsafe old.pointee.stats != new.pointee.stats {
            unsafe gauge(old.pointee.stats, .downstreamCxActive, -1)
            unsafe gauge(old.pointee.stats, .downstreamCxHttp2Active, -1)
            unsafe gauge(new.pointee.stats, .downstreamCxActive, 1)
            unsafe gauge(new.pointee.stats, .downstreamCxHttp2Active, 1)
            unsafe showBuffered(connection, new)
            if unsafe connection.pointee.tls != nil {
                unsafe gauge(old.pointee.stats, .downstreamCxSslActive, -1)
                unsafe gauge(new.pointee.stats, .downstreamCxSslActive, 1)
            }
        }
        unsafe session.pointee.http = unsafe new
        if unsafe new.pointee.metersWire { unsafe session.pointee.metersWire = true }
        if let options = unsafe new.pointer(to: \.http2) { unsafe session.pointee.options = unsafe options }
    }

    // HOT: per message.
    func http2RequestHead(_ session: UnsafeMutablePointer<H2Session>, _ stream: StreamPointer, endStream: Bool) {
        guard let connection = unsafe connections.slab[session.pointee.connection] else { return }
        let http = unsafe stream.pointee.http
        unsafe stream.pointee.headersTimeoutAtMs = 0
        unsafe session.pointee.requests &+= 1
        var facts = RequestFacts(endStream: endStream)
        facts.length = unsafe stream.pointee.requestLength
        if unsafe !stream.pointee.connectProtocol.isEmpty { facts.asksUpgrade = unsafe becomeUpgrade(stream) }
        // What follows a CONNECT of either sort is the tunnel's.
        let asksTunnel = unsafe facts.asksUpgrade || stream.pointee.request.method == .connect
        facts.isChunked = !endStream && facts.length == nil && !asksTunnel
        let dropped = unsafe stream.pointee.droppedUnderscores
        if dropped > 0 {
            unsafe cells.add(
                http.pointee.http2Stats &+ HTTP2CodecStat.droppedHeadersWithUnderscores.rawValue, UInt64(dropped))
        }
        let requestsMax = unsafe http.pointee.requestsPerConnectionMax
        if requestsMax != 0, unsafe session.pointee.requests >= requestsMax {
            unsafe count(http.pointee.stats, .downstreamCxMaxRequestsReached)
            unsafe drainHTTP2(session)
        }
        unsafe requestHeadReceived(stream, connection, facts)
    }

    /// Extended CONNECT (RFC 8441 §4) is inside what an upgrade is in HTTP/1.
    private func becomeUpgrade(_ stream: StreamPointer) -> Bool {
        let name = unsafe stream.pointee.request.text(stream.pointee.connectProtocol)
        unsafe stream.pointee.request.append(.upgrade, name)
        unsafe stream.pointee.request.append(.connection, Bytes("upgrade" as StaticString))
        unsafe stream.pointee.request.methodText = unsafe stream.pointee.request.store(Bytes("GET" as StaticString))
        unsafe stream.pointee.request.method = .get
        return true
    }

    /// The head broke a limit of ours; nghttp2 resets the stream.
    func headRefused(_ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>, _ code: UInt32) {
        let stats = unsafe session.pointee.stats
        switch H2HeadReader.Verdict(rawValue: UInt8(truncatingIfNeeded: code)) ?? .malformed {
        case .tooLarge:
            cells.increment(stats &+ HTTP2CodecStat.headerListSizeTooLarge.rawValue)
            unsafe entry.pointee.fault = .tooLarge
        case .tooMany:
            cells.increment(stats &+ HTTP2CodecStat.headerOverflow.rawValue)
            unsafe entry.pointee.fault = .tooMany
        case .underscore:
            cells.increment(stats &+ HTTP2CodecStat.requestsRejectedWithUnderscoresInHeaders.rawValue)
            unsafe entry.pointee.fault = .underscore
        case .cookies:
            cells.increment(stats &+ HTTP2CodecStat.cookiesTotalBytesTooLarge.rawValue)
            unsafe entry.pointee.fault = .cookies
        case .malformed, .accepted: break
        }
    }

    // MARK: The end of a stream

    /// nghttp2 is done with the stream: all is said, or either side has reset it.
    func requestClosed(_ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>, _ code: UInt32) {
        let wasReset = unsafe entry.pointee.wasResetByPeer
        if let stream = unsafe streams[entry.pointee.stream] {
            let stats = unsafe stream.pointee.http.pointee.stats
            let fault = unsafe entry.pointee.fault
            if wasReset, fault == .none, code == H2Error.noError {
                // As Envoy: a request that its client takes back without an error has no flag and no details.
            } else if wasReset, fault == .none {
                unsafe stream.pointee.flags.insert(.downstreamRemoteReset)
                unsafe stream.pointee.details = Bytes(
                    code == H2Error.refusedStream ? "http2.remote_refuse" : "http2.remote_reset" as StaticString)
            } else {
                // A limit of ours is no breach of the protocol; Envoy says "reset" all the same.
                let isLimit = fault == .tooLarge || fault == .tooMany || fault == .underscore || fault == .cookies
                unsafe stream.pointee.flags.insert(isLimit ? .downstreamRemoteReset : .downstreamProtocolError)
                unsafe stream.pointee.details = Bytes(fault.details)
            }
            count(stats, .downstreamRqRxReset)
            let lifetime = unsafe nowNs &- stream.pointee.startNs
            let hasStatus = unsafe stream.pointee.hasResponseHead
            unsafe endStream(stream, reset: true)
            unsafe freeH2Stream(entry)
            if unsafe session.pointee.resets.ended(lifetimeNs: lifetime, hasStatus: hasStatus, wasReset: wasReset) {
                count(stats, .downstreamRqTooManyPrematureResets)
                return unsafe endSession(session, .tooManyResets)
            }
        } else {
            _ = unsafe session.pointee.resets.ended(lifetimeNs: 0, hasStatus: true, wasReset: false)
            unsafe freeH2Stream(entry)
        }
        if unsafe session.pointee.streamCount == 0 { unsafe becameIdle(session) }
    }

    /// The rest of an answer is not taken: `stream_flush_timeout` ends what no request watches any more.
    func codecTimedOut(_ handle: Handle) {
        guard let entry = unsafe h2.streams[handle], let session = unsafe h2.sessions[entry.pointee.session] else { return }
        unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.txFlushTimeout.rawValue)
        unsafe resetHTTP2(entry, H2Error.internalError)
    }
}
