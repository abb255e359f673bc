// What an HTTP/1 upstream's bytes are: heads, interim ones among them, bodies, and what nobody has asked for.

import Primitives
import Ring
import Stats
import Transport
import Upstream
import Wire

extension Worker {
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
            unsafe stream.pointee.upstreamMeter.received = unsafe stream.pointee.earlierTries.received
                &+ (connection.pointee.bytesReceived &- stream.pointee.upstreamReceivedBefore)
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
                if let trailers = unsafe stream.pointee.responseTrailers { unsafe stream.pointee.upstreamMeter.http1TrailersReceived(trailers) }
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
        if unsafe stream.pointee.metersWire {
            unsafe stream.pointee.upstreamMeter.http1HeadReceived(
                stream.pointee.response, lineBytes: Worker.startLineBytes(stream.pointee.response), fields: stream.pointee.response.count)
        }
        if status < 200, unsafe status != 101 || !client.pointee.decoder.isTunnel {
            var head = unsafe takeInterim(stream)
            unsafe interimResponse(stream, status, &head)
            head?.destroy()
            return
        }
        if unsafe client.pointee.decoder.announcesClose {
            unsafe client.pointee.mustClose = true
            if let connection = unsafe connections.slab[client.pointee.connection] {
                unsafe upstreamCounted(connection, .upstreamCxCloseNotify, 1)
            }
        }
        let ends = unsafe client.pointee.decoder.endsHere
        // Without a body the response is here in full: its connection goes back to the pool with the stream's end.
        if ends, unsafe !client.pointee.decoder.isTunnel { unsafe markComplete(client, stream) }
        var facts = ResponseFacts()
        facts.length = unsafe client.pointee.decoder.contentLength
        facts.isChunked = unsafe client.pointee.decoder.isChunked
        facts.isTunnel = unsafe client.pointee.decoder.isTunnel
        unsafe upstreamResponseHead(stream, facts, endStream: ends)
    }

    /// 100, 102, 103: `head` is the client's to see (`proxy_100_continue`); nil: swallowed. In HTTP/2 the final head may have
    /// been read when this is told: the stream's response is not looked at.
    func interimResponse(_ attempt: StreamPointer, _ status: UInt16, _ head: inout MessageHead?) {
        // Codes that nobody knows are passed over, as in Envoy.
        guard Worker.isKnownInterim(status), unsafe !isTunnelled(attempt) else { return }
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
            unsafe countUpstreamStatus(stream, status, of: stream.pointee.host)
        }
        if head != nil { unsafe passInterim(stream, &head!) }
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
    func responseComplete(
        _ client: UnsafeMutablePointer<H1Client>, _ connection: UnsafeMutablePointer<Connection>, _ stream: StreamPointer
    ) {
        // One without a body was counted with its head.
        if unsafe !client.pointee.responseDone { unsafe countUpstreamTime(stream) }
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
}
