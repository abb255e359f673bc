// What nghttp2's callbacks noted, acted on as soon as nghttp2 has returned: the same calls into stream, chain and
// forwarder as HTTP/1 makes. A session, a stream or a request may end at any event; those behind it look for it in vain.

import CNghttp2
import Primitives
import Ring
import Stats
import Transport
import Wire

extension Worker {
    // HOT: per frame.
    /// Bytes for a session. Events refer to them, so they are run before the buffer goes.
    func receiveHTTP2(_ session: UnsafeMutablePointer<H2Session>, _ bytes: Bytes, _ buffer: UInt16?) {
        let handle = unsafe session.pointee.handle
        if unsafe session.pointee.isOver { return }
        unsafe session.pointee.hasRead = unsafe session.pointee.isHeard
        unsafe session.pointee.isHeard = true
        let count = unsafe nghttp2_session_mem_recv(session.pointee.codec, bytes.base, bytes.count)
        runEvents(buffer)
        guard unsafe h2.sessions[handle] == session else { return }
        if count < 0 {
            unsafe session.pointee.error = Int32(truncatingIfNeeded: count)
            return unsafe sessionFailed(session)
        }
        unsafe markDue(session)
        // What one buffer of a peer that only asks for acknowledgements makes us owe is framed before the next is read.
        if unsafe session.pointee.guards.controlWaiting > session.pointee.options.pointee.outboundControlFramesMax / 4 {
            unsafe pump(session)
        }
    }

    // HOT: per turn.
    func runEvents(_ buffer: UInt16? = nil) {
        var i = 0
        while i < h2.events.count {
            let event = h2.events[i]
            i &+= 1
            guard let session = unsafe h2.sessions[event.session] else { continue }
            if unsafe session.pointee.isServer {
                unsafe runDownstream(event, session, buffer)
            } else {
                unsafe runUpstream(event, session, buffer)
            }
        }
        h2.events.removeAll()
        h2.metadataBlocks.empty(keeping: H2Metadata.keptBytesMax)
        while let head = h2.interimHeads.popLast() { head.destroy() }
    }

    // MARK: Downstream

    private func runDownstream(_ event: H2Event, _ session: UnsafeMutablePointer<H2Session>, _ buffer: UInt16?) {
        let entry = unsafe h2.streams[event.stream]
        switch event.kind {
        case .data: return unsafe requestPart(event, session, buffer)
        case .metadata: if let entry = unsafe entry { unsafe requestMetadata(entry, event) }
        case .settings, .goaway, .interim: return
        case .ping: return unsafe acknowledged(session)
        case .refusedHead: if let entry = unsafe entry { unsafe headRefused(session, entry, event.code) }
        case .sentEnd: if let entry = unsafe entry { unsafe resetHTTP2(entry, H2Error.noError) }
        case .closed: if let entry = unsafe entry { unsafe requestClosed(session, entry, event.code) }
        case .drained:
            if let entry = unsafe entry { unsafe responseDrained(session, entry) }
        case .head, .end, .trailers:
            guard let entry = unsafe entry, let stream = unsafe streams[entry.pointee.stream] else { return }
            if event.kind == .head {
                unsafe http2RequestHead(session, stream, endStream: event.endStream)
            } else if unsafe !stream.pointee.requestEnded {
                unsafe requestEnded(stream)
            }
        }
    }

    // HOT: per frame.
    private func requestPart(_ event: H2Event, _ session: UnsafeMutablePointer<H2Session>, _ buffer: UInt16?) {
        if let base = unsafe event.base, let entry = unsafe h2.streams[event.stream], let stream = unsafe streams[entry.pointee.stream] {
            unsafe requestData(stream, Bytes(base, event.count), buffer, endStream: event.endStream)
            guard unsafe h2.sessions[event.session] == session else { return }
        }
        unsafe consumed(session, h2.streams[event.stream], Int32(bitPattern: event.code), event.count)
    }

    /// The client takes its response again.
    private func responseDrained(_ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>) {
        guard unsafe entry.pointee.isAboveHigh, let stream = unsafe streams[entry.pointee.stream],
            unsafe entry.pointee.out.count <= http2QueueLimit(stream) / 2
        else { return }
        unsafe entry.pointee.isAboveHigh = false
        unsafe stream.pointee.activeMs = nowMs
        unsafe resumeUpstreamReading(stream)
        if unsafe stream.pointee.producer != 0 { unsafe produce(stream) }
    }

    // MARK: Upstream

    private func runUpstream(_ event: H2Event, _ session: UnsafeMutablePointer<H2Session>, _ buffer: UInt16?) {
        let entry = unsafe h2.streams[event.stream]
        switch event.kind {
        case .data: return unsafe responsePart(event, session, buffer)
        case .metadata: if let entry = unsafe entry { unsafe responseMetadata(entry, event) }
        case .settings: return unsafe peerSettings(session)
        case .goaway: return unsafe goawayReceived(session)
        case .ping: return unsafe acknowledged(session)
        case .refusedHead: if let entry = unsafe entry { unsafe responseHeadRefused(session, entry, event.code) }
        case .sentEnd: return
        case .closed: if let entry = unsafe entry { unsafe responseClosed(session, entry, event.code) }
        case .drained: if let entry = unsafe entry { unsafe requestDrained(entry) }
        case .interim, .head, .end, .trailers:
            guard let entry = unsafe entry, let stream = unsafe streams[entry.pointee.stream] else { return }
            switch event.kind {
            case .interim: unsafe interimReceived(event, stream)
            case .head: unsafe http2ResponseHead(session, entry, stream, endStream: event.endStream)
            default: unsafe http2ResponseEnded(session, entry, stream)
            }
        }
    }

    private func interimReceived(_ event: H2Event, _ stream: StreamPointer) {
        let place = event.count &- 1
        var head = place < 0 ? nil : h2.interimHeads[place]
        unsafe interimResponse(stream, UInt16(truncatingIfNeeded: event.code), &head)
        // It may have moved.
        if let head { h2.interimHeads[place] = head }
    }

    // HOT: per frame.
    private func responsePart(_ event: H2Event, _ session: UnsafeMutablePointer<H2Session>, _ buffer: UInt16?) {
        if let base = unsafe event.base, let entry = unsafe h2.streams[event.stream], let stream = unsafe streams[entry.pointee.stream] {
            let part = unsafe Bytes(base, event.count)
            unsafe http2ResponsePart(session, stream, part, buffer)
            guard unsafe h2.sessions[event.session] == session else { return }
            if event.endStream, let entry = unsafe h2.streams[event.stream], let stream = unsafe streams[entry.pointee.stream] {
                unsafe http2ResponseEnded(session, entry, stream)
                guard unsafe h2.sessions[event.session] == session else { return }
            }
        }
        unsafe consumed(session, h2.streams[event.stream], Int32(bitPattern: event.code), event.count)
    }

    /// The upstream takes the request's body again.
    private func requestDrained(_ entry: UnsafeMutablePointer<H2Stream>) {
        guard unsafe entry.pointee.isAboveHigh, let stream = unsafe streams[entry.pointee.stream],
            unsafe entry.pointee.out.count <= upstreamLimit(stream) / 2
        else { return }
        unsafe drained(&entry.pointee.isAboveHigh, stream)
        unsafe stream.pointee.activeMs = nowMs
        unsafe resumeDownstreamReading(stream)
    }

    // MARK: Failures of a session

    /// GOAWAY with an error, then the end.
    func terminate(_ session: UnsafeMutablePointer<H2Session>, _ code: UInt32) {
        guard unsafe !session.pointee.isTerminated else { return }
        unsafe session.pointee.isTerminated = true
        _ = unsafe nghttp2_session_terminate_session(session.pointee.codec, code)
        unsafe markDue(session)
    }
}
