// What goes out: nghttp2 frames heads and control, a body's bytes move from the stream's queue into the connection's
// behind a frame header, in the memory that they lie in. A session writes only as much as the connection may queue; the
// rest waits in its streams, whose sources are paused (`watchDownstreamQueue`).

import CNghttp2
import Primitives
import Ring
import Stats
import Transport
import Wire

extension Worker {
    // HOT: per message.
    /// The session has something to send: at the end of the turn.
    @inline(__always)
    func markDue(_ session: UnsafeMutablePointer<H2Session>) {
        guard unsafe !session.pointee.isDue else { return }
        unsafe session.pointee.isDue = true
        unsafe h2.due.append(session.pointee.handle.raw)
    }

    // HOT: per turn.
    /// Lets every session that has something to send do so. What their events cause may make others due: those follow,
    /// up to a bound; what is left waits for the next turn.
    func pumpSessions() {
        let budget = h2.due.count &* 4 &+ 64
        var i = 0
        while i < h2.due.count, i < budget {
            let handle = Handle(raw: h2.due[i])
            i &+= 1
            guard let session = unsafe h2.sessions[handle] else { continue }
            unsafe session.pointee.isDue = false
            unsafe pump(session)
        }
        h2.due.removeFirst(i)
    }

    func pump(_ session: UnsafeMutablePointer<H2Session>) {
        // Before its handshake is complete nobody knows whether the peer speaks HTTP/2.
        guard unsafe !session.pointee.pool.isConnecting, let connection = unsafe connections.slab[session.pointee.connection],
            unsafe connection.pointee.isConnected
        else { return }
        if unsafe session.pointee.pool.isDraining && isUnused(session) && !session.pointee.isTerminated {
            return unsafe closeHTTP2Client(session, connection, byPeer: false)
        }
        unsafe frame(session, connection)
        var failed = unsafe session.pointee.framingFailed
        if unsafe !connection.pointee.out.isEmpty { unsafe connections.markDirty(connection) }
        let handle = unsafe session.pointee.handle
        let frames = unsafe nghttp2_session_get_outbound_queue_size(session.pointee.codec)
        unsafe session.pointee.guards.look(waiting: frames, session.pointee.options.pointee)
        unsafe showWaiting(session, frames: frames, control: Int(session.pointee.guards.controlWaiting))
        failed = unsafe failed || session.pointee.guards.flood != .none && !session.pointee.isTerminated
        runEvents()
        guard unsafe h2.sessions[handle] == session else { return }
        // Last words to a host are framed at once: behind a frame that is cut they would be read as its payload.
        if unsafe !failed || session.pointee.isServer { unsafe session.pointee.framingFailed = false }
        if failed { return unsafe sessionFailed(session) }
        unsafe endIfOver(session)
    }

    // HOT: per turn.
    /// Frames what the session has to send, as far as the connection's queue takes it. Runs no events.
    func frame(_ session: UnsafeMutablePointer<H2Session>, _ connection: UnsafeMutablePointer<Connection>) {
        // Behind a frame that is cut nothing can follow.
        guard unsafe !session.pointee.framingFailed else { return }
        let codec = unsafe session.pointee.codec
        var failed = false
        repeat {
            while unsafe !isFull(connection) {
                var base: UnsafePointer<UInt8>?
                let count = unsafe nghttp2_session_mem_send(codec, &base)
                guard count > 0, let base = unsafe base else {
                    failed = count < 0
                    break
                }
                guard unsafe connection.pointee.out.append(copying: Bytes(base, count), memory) else {
                    failed = true
                    break
                }
            }
        } while unsafe passMetadata(session) && !failed
        if failed { unsafe session.pointee.framingFailed = true }
        if unsafe session.pointee.fullSinceMs == 0, unsafe isFull(connection) {
            unsafe session.pointee.fullSinceMs = nowMs
            unsafe watchIfLeft(session)
        }
    }

    /// All is said that either side will say, or may say.
    func endIfOver(_ session: UnsafeMutablePointer<H2Session>) {
        // The peer's own GOAWAY is none of these: it may still end the connection when it likes.
        let isDrained = unsafe session.pointee.streamCount == 0 && session.pointee.drain.phase == .refusing
        if unsafe nghttp2_session_want_write(session.pointee.codec) == 0, unsafe session.pointee.isTerminated || isDrained {
            return unsafe sessionOver(session)
        }
        if unsafe session.pointee.fullSinceMs != 0 { unsafe lingerIfFull(session) }
    }

    // MARK: Body

    // HOT: per frame.
    /// Part of a body into the stream's queue. False: no memory.
    func queueHTTP2(_ entry: UnsafeMutablePointer<H2Stream>, _ part: Bytes, _ buffer: UInt16?) -> Bool {
        guard unsafe !entry.pointee.isReset else { return true }
        if let buffer, part.count > ByteQueue.copyMax, unsafe entry.pointee.out.bufferCount < Worker.heldBuffersMax,
            memory.buffers.free > memory.buffers.count / 2
        {
            memory.buffers.retain(buffer)
            unsafe entry.pointee.out.append(buffer: buffer, part, memory)
        } else if unsafe !entry.pointee.out.append(copying: part, memory) {
            return false
        }
        unsafe wake(entry)
        return true
    }

    /// There is body, or an end, for a stream that nghttp2 has asked.
    func wake(_ entry: UnsafeMutablePointer<H2Stream>) {
        guard let session = unsafe h2.sessions[entry.pointee.session] else { return }
        unsafe session.pointee.waiting.count(entry)
        if unsafe entry.pointee.isDeferred {
            unsafe entry.pointee.isDeferred = false
            _ = unsafe nghttp2_session_resume_data(session.pointee.codec, entry.pointee.id)
        }
        unsafe markDue(session)
    }

    /// Where nghttp2 asks for body (`nghttp2_data_source_read_callback`).
    static let readBody: nghttp2_data_source_read_callback = { codec, id, _, capacity, flags, source, user in
        guard let codec = unsafe codec, let flags = unsafe flags, let source = unsafe source, let user = unsafe user else {
            return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
        }
        let session = unsafe user.assumingMemoryBound(to: H2Session.self)
        return unsafe session.pointee.worker._withUnsafeGuaranteedRef {
            unsafe $0.h2Body(codec, id, martlet_h2_source(source), capacity, flags, isServer: session.pointee.isServer)
        }
    }

    // HOT: per frame.
    private func h2Body(
        _ codec: OpaquePointer, _ id: Int32, _ handle: UInt64, _ capacity: Int, _ flags: UnsafeMutablePointer<UInt32>,
        isServer: Bool
    ) -> Int {
        guard let entry = unsafe h2.streams[Handle(raw: handle)] else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
        var count = unsafe min(capacity, entry.pointee.out.count)
        var isLast = unsafe entry.pointee.endsBehind && count == entry.pointee.out.count
        if unsafe !entry.pointee.metadata.isNone, let before = unsafe bytesBeforeMetadata(entry) {
            count = min(count, before)
            isLast = false
            if before == 0 { h2.atMetadata.append(handle) }
        }
        if count == 0, !isLast {
            unsafe entry.pointee.isDeferred = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        unsafe flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_NO_COPY.rawValue)
        guard isLast else { return count }
        unsafe flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue)
        // A request's trailers stay with the request, which may be tried again.
        guard let trailers = unsafe entry.pointee.trailers ?? streams[entry.pointee.stream]?.pointee.trailersToSend(isServer: isServer)
        else { return count }
        h2.fields.trailers(trailers)
        if h2.fields.count > 0 {
            let plain = plainBytes()
            unsafe meter(entry, isServer: isServer) { $0.plainSent &+= plain }
            unsafe flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue)
            // nghttp2 allows this one call here.
            _ = unsafe nghttp2_submit_trailer(codec, id, h2.fields.base, h2.fields.count)
        }
        return count
    }

    // HOT: per frame.
    /// A DATA frame: nghttp2's nine bytes, then the body's own. One that waited for room may find its stream reset, and the
    /// body gone: then it is not sent. nghttp2 answers that with a reset of its own, which is none behind ours.
    func h2SendData(
        _ session: UnsafeMutablePointer<H2Session>, _ frame: UnsafePointer<nghttp2_frame>, _ header: UnsafePointer<UInt8>,
        _ count: Int, _ handle: UInt64
    ) -> Int32 {
        guard let connection = unsafe connections.slab[session.pointee.connection], let entry = unsafe h2.streams[Handle(raw: handle)],
            unsafe !entry.pointee.isReset, unsafe count <= entry.pointee.out.count
        else { return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
        guard unsafe !isFull(connection) else { return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue) }
        guard unsafe connection.pointee.out.append(copying: Bytes(header, 9), memory),
            unsafe connection.pointee.out.append(moving: count, of: &entry.pointee.out, memory)
        else { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
        unsafe entry.pointee.framedBytes &+= UInt64(truncatingIfNeeded: count)
        if unsafe session.pointee.metersWire { unsafe meter(entry, isServer: session.pointee.isServer) { $0.http2Sent(count, isHead: false) } }
        unsafe session.pointee.waiting.count(entry)
        if unsafe entry.pointee.isAboveHigh { unsafe note(session, .drained, entry.pointee.handle) }
        return 0
    }

    // MARK: Frames that were sent

    // HOT: per frame.
    func h2CountSent(_ session: UnsafeMutablePointer<H2Session>, _ frame: UnsafePointer<nghttp2_frame>) {
        let type = unsafe martlet_h2_type(frame)
        unsafe session.pointee.guards.sent(type: type)
        switch UInt32(type) {
        case UInt32(NGHTTP2_RST_STREAM.rawValue): unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.txReset.rawValue)
        // Those that name a last stream, as in Envoy: not the notice before it, nor the ones that end a connection for an
        // error, which are in `downstream_cx_protocol_error`.
        case UInt32(NGHTTP2_GOAWAY.rawValue)
        where unsafe martlet_h2_goaway_code(frame) == H2Error.noError && martlet_h2_goaway_last(frame) != Int32.max:
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.goawaySent.rawValue)
        default: break
        }
    }

    // HOT: per frame.
    func h2FrameBegins(_ session: UnsafeMutablePointer<H2Session>, _ header: nghttp2_frame_hd) -> Int32 {
        let endStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        unsafe session.pointee.guards.received(
            type: header.type, endStream: endStream, isEmpty: header.length == 0, session.pointee.options.pointee)
        let isAcknowledged = header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0
        if !isAcknowledged, header.type == UInt8(NGHTTP2_PING.rawValue) || header.type == UInt8(NGHTTP2_SETTINGS.rawValue) {
            unsafe session.pointee.guards.owes(session.pointee.options.pointee)
        }
        guard unsafe session.pointee.guards.flood != .none else { return 0 }
        if unsafe session.pointee.guards.flood == .emptyFrames {
            unsafe entry(session.pointee.codec, header.stream_id)?.pointee.fault = .emptyFrames
        }
        // The rest of what was received is not read.
        return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    }

    /// RST_STREAM, once. False: none will be sent.
    @discardableResult
    func resetHTTP2(_ entry: UnsafeMutablePointer<H2Stream>, _ code: UInt32) -> Bool {
        guard unsafe !entry.pointee.isReset, let session = unsafe h2.sessions[entry.pointee.session] else { return false }
        unsafe entry.pointee.isReset = true
        unsafe entry.pointee.out.removeAll(memory)
        unsafe session.pointee.waiting.count(entry)
        let held = unsafe nghttp2_session_get_outbound_queue_size(session.pointee.codec)
        _ = unsafe nghttp2_submit_rst_stream(
            session.pointee.codec, UInt8(NGHTTP2_FLAG_NONE.rawValue), entry.pointee.id, code)
        // A request whose head has not gone out is taken back whole: nghttp2 sends neither.
        let isSent = unsafe nghttp2_session_get_outbound_queue_size(session.pointee.codec) > held
        if isSent { unsafe session.pointee.guards.owes(session.pointee.options.pointee) }
        unsafe markDue(session)
        return isSent
    }

    // MARK: Windows

    // HOT: per frame.
    /// What came has found its place, or waits where its stream says.
    func consumed(_ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>?, _ id: Int32, _ bytes: Int) {
        if let entry = unsafe entry, unsafe entry.pointee.isPaused {
            unsafe entry.pointee.unconsumed &+= bytes
            // Its own window stays as it is. The connection's is the other streams' too: a stream that waits must not stop them.
            if unsafe session.pointee.lent &+ bytes <= session.pointee.lentMax {
                unsafe session.pointee.lent &+= bytes
                unsafe entry.pointee.lent &+= bytes
                _ = unsafe nghttp2_session_consume_connection(session.pointee.codec, bytes)
                unsafe markDue(session)
            }
            return
        }
        _ = unsafe nghttp2_session_consume(session.pointee.codec, id, bytes)
        unsafe markDue(session)
    }

    func pauseHTTP2(_ entry: UnsafeMutablePointer<H2Stream>) -> Bool {
        guard unsafe !entry.pointee.isPaused else { return false }
        unsafe entry.pointee.isPaused = true
        return true
    }

    func resumeHTTP2(_ entry: UnsafeMutablePointer<H2Stream>) -> Bool {
        guard unsafe entry.pointee.isPaused else { return false }
        unsafe entry.pointee.isPaused = false
        let bytes = unsafe entry.pointee.unconsumed
        if bytes > 0, let session = unsafe h2.sessions[entry.pointee.session] {
            unsafe giveBackConnectionWindow(session, entry)
            _ = unsafe nghttp2_session_consume_stream(session.pointee.codec, entry.pointee.id, bytes)
            unsafe markDue(session)
        }
        unsafe entry.pointee.unconsumed = 0
        return true
    }

    /// What a paused stream has kept of the connection's window is everybody's again.
    func giveBackConnectionWindow(_ session: UnsafeMutablePointer<H2Session>, _ entry: UnsafeMutablePointer<H2Stream>) {
        let kept = unsafe entry.pointee.unconsumed &- entry.pointee.lent
        unsafe session.pointee.lent &-= entry.pointee.lent
        unsafe entry.pointee.lent = 0
        guard kept > 0 else { return }
        _ = unsafe nghttp2_session_consume_connection(session.pointee.codec, kept)
        unsafe markDue(session)
    }
}

extension HTTPStream {
    /// Towards an upstream the request's; towards a client the response's, until the stream's end hands them to its entry.
    fileprivate func trailersToSend(isServer: Bool) -> MessageHead? { isServer ? responseTrailers : requestTrailers }
}
