// nghttp2's callbacks. Each finds its session by the address that nghttp2 hands back, notes an event, and returns: nothing
// here sends, closes or calls into the request path, for nghttp2 must not be entered again before it has returned.
//
// Heads are read straight into the stream's `MessageHead`; a body's bytes are referred to where they were received.

import CNghttp2
import Primitives
import Ring
import Stats
import Transport
import Wire

enum H2Callbacks {
    static func table() -> OpaquePointer? {
        var table: OpaquePointer?
        guard unsafe nghttp2_session_callbacks_new(&table) == 0, let table = unsafe table else { return nil }
        unsafe nghttp2_session_callbacks_set_on_begin_frame_callback(table) { _, header, user in
            guard let header = unsafe header, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2FrameBegins($1, header.pointee) }
        }
        unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(table) { _, frame, user in
            guard let frame = unsafe frame, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2HeadBegins($1, frame) }
        }
        unsafe nghttp2_session_callbacks_set_on_header_callback(table) { _, _, name, nameCount, value, valueCount, _, user in
            guard let name = unsafe name, let value = unsafe value, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) {
                unsafe $0.h2Field($1, Bytes(name, nameCount), Bytes(value, valueCount))
            }
        }
        unsafe nghttp2_session_callbacks_set_on_invalid_header_callback(table) { _, _, _, _, _, _, _, _ in
            // RFC 9113 §8.2.1: a field with bytes that no field may have makes the message malformed.
            Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        }
        unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(table) { _, frame, user in
            guard let frame = unsafe frame, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2FrameReceived($1, frame) }
        }
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) { codec, _, id, base, count, user in
            guard let codec = unsafe codec, let base = unsafe base, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2DataReceived($1, codec, id, base, count) }
        }
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(table) { codec, id, code, user in
            guard let codec = unsafe codec, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2StreamClosed($1, codec, id, code) }
        }
        unsafe nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table) { _, frame, code, user in
            guard let frame = unsafe frame, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2InvalidFrame($1, frame, code) }
        }
        unsafe nghttp2_session_callbacks_set_on_frame_send_callback(table) { _, frame, user in
            guard let frame = unsafe frame, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2FrameSent($1, frame) }
        }
        unsafe nghttp2_session_callbacks_set_on_frame_not_send_callback(table) { _, frame, _, user in
            guard let frame = unsafe frame, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { _, session in
                unsafe session.pointee.guards.left(type: martlet_h2_type(frame))
                return 0
            }
        }
        unsafe nghttp2_session_callbacks_set_send_data_callback(table) { _, frame, header, count, source, user in
            guard let frame = unsafe frame, let header = unsafe header, let source = unsafe source, let user = unsafe user else {
                return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
            }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2SendData($1, frame, header, count, martlet_h2_source(source)) }
        }
        unsafe nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(table) { _, header, base, count, user in
            guard let header = unsafe header, let base = unsafe base, let user = unsafe user else { return 0 }
            return unsafe H2Callbacks.with(user) { unsafe $0.h2MetadataReceived($1, header.pointee.stream_id, Bytes(base, count)) }
        }
        // The payload is kept as it comes.
        unsafe nghttp2_session_callbacks_set_unpack_extension_callback(table) { _, _, _, _ in 0 }
        unsafe nghttp2_session_callbacks_set_pack_extension_callback(table) { codec, target, capacity, frame, user in
            guard let codec = unsafe codec, let target = unsafe target, let frame = unsafe frame, let user = unsafe user else {
                return Int(NGHTTP2_ERR_CANCEL.rawValue)
            }
            let session = unsafe user.assumingMemoryBound(to: H2Session.self)
            return unsafe session.pointee.worker._withUnsafeGuaranteedRef {
                unsafe $0.h2PackMetadata(session, codec, frame, into: target, capacity)
            }
        }
        return unsafe table
    }

    // HOT: per header field.
    @inline(__always)
    static func with(_ user: UnsafeMutableRawPointer, _ body: (Worker, UnsafeMutablePointer<H2Session>) -> Int32) -> Int32 {
        let session = unsafe user.assumingMemoryBound(to: H2Session.self)
        return unsafe session.pointee.worker._withUnsafeGuaranteedRef { unsafe body($0, session) }
    }
}

extension Worker {
    // HOT: per frame.
    func note(_ session: UnsafeMutablePointer<H2Session>, _ kind: H2Event.Kind, _ entry: Handle = .none, code: UInt32 = 0, endStream: Bool = false) {
        unsafe h2.events.append(
            H2Event(kind: kind, endStream: endStream, session: session.pointee.handle, stream: entry, code: code))
    }

    @inline(__always)
    func entry(_ codec: OpaquePointer, _ id: Int32) -> UnsafeMutablePointer<H2Stream>? {
        guard let user = unsafe nghttp2_session_get_stream_user_data(codec, id) else { return nil }
        return unsafe h2.streams[Handle(raw: martlet_h2_unpack(user))]
    }

    // MARK: Heads

    fileprivate func h2HeadBegins(_ session: UnsafeMutablePointer<H2Session>, _ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        unsafe session.pointee.readerStream = .none
        guard unsafe martlet_h2_type(frame) == UInt8(NGHTTP2_HEADERS.rawValue) else { return 0 }
        let codec = unsafe session.pointee.codec
        let id = unsafe martlet_h2_stream(frame)
        if unsafe martlet_h2_category(frame) == Int32(NGHTTP2_HCAT_REQUEST.rawValue) {
            guard let entry = unsafe openHTTP2Request(session, id) else {
                return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
            }
            unsafe nghttp2_session_set_stream_user_data(codec, id, martlet_h2_pack(entry.pointee.handle.raw))
            unsafe session.pointee.readerStream = unsafe entry.pointee.handle
            unsafe session.pointee.reader.begin(.request)
            return 0
        }
        guard let entry = unsafe entry(codec, id), let stream = unsafe streams[entry.pointee.stream] else { return 0 }
        unsafe session.pointee.readerStream = unsafe entry.pointee.handle
        if unsafe !session.pointee.isServer, unsafe !entry.pointee.hasHead {
            unsafe session.pointee.reader.begin(.response)
            return 0
        }
        unsafe session.pointee.reader.begin(.trailers)
        let isRequest = unsafe session.pointee.isServer
        guard let head = MessageHead(pool: memory.blocks, bytes: 1024) else {
            return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        }
        if isRequest {
            // Envoy counts those of clients only, and as they begin.
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.trailers.rawValue)
            unsafe stream.pointee.requestTrailers?.destroy()
            unsafe stream.pointee.requestTrailers = head
        } else {
            unsafe stream.pointee.responseTrailers?.destroy()
            unsafe stream.pointee.responseTrailers = head
        }
        return 0
    }

    // HOT: per header field.
    fileprivate func h2Field(_ session: UnsafeMutablePointer<H2Session>, _ name: Bytes, _ value: Bytes) -> Int32 {
        guard let entry = unsafe h2.streams[session.pointee.readerStream], let stream = unsafe streams[entry.pointee.stream]
        else {
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.headersCbNoStream.rawValue)
            return 0
        }
        let options = unsafe session.pointee.options.pointee
        switch unsafe session.pointee.reader.kind {
        case .request: unsafe session.pointee.reader.field(name, value, into: &stream.pointee.request, options)
        case .response: unsafe session.pointee.reader.field(name, value, into: &stream.pointee.response, options)
        case .trailers where unsafe session.pointee.isServer:
            unsafe session.pointee.reader.field(name, value, into: &stream.pointee.requestTrailers!, options)
        case .trailers: unsafe session.pointee.reader.field(name, value, into: &stream.pointee.responseTrailers!, options)
        }
        guard unsafe session.pointee.reader.verdict != .accepted else { return 0 }
        unsafe note(
            session, .refusedHead, entry.pointee.handle, code: UInt32(session.pointee.reader.verdict.rawValue))
        if unsafe session.pointee.reader.verdict == .malformed {
            unsafe entry.pointee.fault = .headerField
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.rxMessagingError.rawValue)
            if unsafe !session.pointee.options.pointee.keepsOpenOnInvalidMessage {
                return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
            }
        }
        return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }

    private func h2HeadReceived(_ session: UnsafeMutablePointer<H2Session>, bytes: Int, endStream: Bool) {
        guard let entry = unsafe h2.streams[session.pointee.readerStream], let stream = unsafe streams[entry.pointee.stream]
        else { return }
        if endStream { unsafe entry.pointee.sawEnd = true }
        if unsafe stream.pointee.metersWire {
            let plain = unsafe UInt64(session.pointee.reader.bytes)
            unsafe meter(entry, isServer: session.pointee.isServer) {
                $0.http2Received(bytes, isHead: true)
                $0.plainReceived &+= plain
            }
        }
        if let measures = unsafe session.pointee.options.pointee.measuresHeads, measures.integer(default: 0) != 0 { unsafe measureHead(session) }
        switch unsafe session.pointee.reader.kind {
        case .request:
            unsafe session.pointee.reader.finish(&stream.pointee.request)
            unsafe stream.pointee.requestLength = unsafe session.pointee.reader.contentLength
            unsafe stream.pointee.connectProtocol = unsafe session.pointee.reader.connectProtocol
            unsafe stream.pointee.droppedUnderscores = unsafe session.pointee.reader.droppedUnderscores
            unsafe note(session, .head, entry.pointee.handle, endStream: endStream)
        case .response:
            unsafe session.pointee.reader.finish(&stream.pointee.response)
            let status = unsafe stream.pointee.response.status
            if status < 200 {
                unsafe note(session, .interim, entry.pointee.handle, code: UInt32(status))
                return unsafe keepInterim(stream)
            }
            unsafe entry.pointee.hasHead = true
            unsafe stream.pointee.responseLength = unsafe session.pointee.reader.contentLength
            unsafe note(session, .head, entry.pointee.handle, endStream: endStream)
        case .trailers:
            unsafe note(session, .trailers, entry.pointee.handle, endStream: true)
        }
        unsafe session.pointee.readerStream = .none
    }

    /// The interim head goes with the event that was noted last, while nghttp2 reads on.
    private func keepInterim(_ stream: StreamPointer) {
        guard let head = unsafe takeInterim(stream) else { return }
        h2.interimHeads.append(head)
        unsafe h2.events.base[h2.events.count &- 1].count = h2.interimHeads.count
    }

    private func measureHead(_ session: UnsafeMutablePointer<H2Session>) {
        let reader = unsafe session.pointee.reader
        guard reader.kind != .trailers else { return }
        let stats = unsafe session.pointee.stats
        cells.record(stats &+ HTTP2CodecStat.headerCount.rawValue, UInt64(reader.count))
        cells.record(stats &+ HTTP2CodecStat.headerListSize.rawValue, UInt64(reader.measuredBytes))
        cells.record(stats &+ HTTP2CodecStat.cookieCount.rawValue, UInt64(reader.cookies))
        cells.record(stats &+ HTTP2CodecStat.cookieSize.rawValue, UInt64(reader.cookieBytes))
    }

    // MARK: Frames

    // HOT: per frame.
    fileprivate func h2FrameReceived(_ session: UnsafeMutablePointer<H2Session>, _ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let flags = unsafe UInt32(martlet_h2_flags(frame))
        let endStream = flags & UInt32(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch unsafe UInt32(martlet_h2_type(frame)) {
        case UInt32(NGHTTP2_HEADERS.rawValue): unsafe h2HeadReceived(session, bytes: martlet_h2_length(frame), endStream: endStream)
        case UInt32(NGHTTP2_DATA.rawValue):
            guard unsafe endStream || session.pointee.metersWire,
                let entry = unsafe entry(session.pointee.codec, martlet_h2_stream(frame))
            else { return 0 }
            let bytes = unsafe martlet_h2_length(frame)
            unsafe meter(entry, isServer: session.pointee.isServer) { $0.http2Received(bytes, isHead: false) }
            guard endStream else { return 0 }
            unsafe entry.pointee.sawEnd = true
            let last = h2.events.count &- 1
            if last >= 0, h2.events[last].kind == .data, unsafe h2.events[last].stream == entry.pointee.handle {
                unsafe h2.events.base[last].endStream = true
            } else {
                unsafe note(session, .end, entry.pointee.handle)
            }
        case UInt32(NGHTTP2_GOAWAY.rawValue): unsafe note(session, .goaway, code: martlet_h2_goaway_code(frame))
        case UInt32(NGHTTP2_SETTINGS.rawValue): unsafe note(session, .settings)
        case UInt32(NGHTTP2_PING.rawValue) where flags & UInt32(NGHTTP2_FLAG_ACK.rawValue) != 0: unsafe note(session, .ping)
        case UInt32(NGHTTP2_RST_STREAM.rawValue):
            guard let entry = unsafe entry(session.pointee.codec, martlet_h2_stream(frame)) else { return 0 }
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.rxReset.rawValue)
            unsafe entry.pointee.wasResetByPeer = true
            unsafe meter(entry, isServer: session.pointee.isServer) { $0.http2Received(4, isHead: false) }
        case UInt32(H2Metadata.frameType): return unsafe h2MetadataEnded(session, martlet_h2_stream(frame), martlet_h2_flags(frame))
        default: break
        }
        return 0
    }

    // HOT: per frame.
    fileprivate func h2DataReceived(
        _ session: UnsafeMutablePointer<H2Session>, _ codec: OpaquePointer, _ id: Int32, _ base: UnsafePointer<UInt8>, _ count: Int
    ) -> Int32 {
        let entry = unsafe entry(codec, id)
        unsafe h2.events.append(
            H2Event(
                kind: .data, session: session.pointee.handle, stream: entry?.pointee.handle ?? .none,
                code: UInt32(bitPattern: id), base: base, count: count))
        return 0
    }

    fileprivate func h2StreamClosed(
        _ session: UnsafeMutablePointer<H2Session>, _ codec: OpaquePointer, _ id: Int32, _ code: UInt32
    ) -> Int32 {
        guard let entry = unsafe entry(codec, id) else { return 0 }
        unsafe note(session, .closed, entry.pointee.handle, code: code)
        return 0
    }

    /// nghttp2 has answered by itself: with RST_STREAM where the stream is at fault, else with GOAWAY.
    fileprivate func h2InvalidFrame(
        _ session: UnsafeMutablePointer<H2Session>, _ frame: UnsafePointer<nghttp2_frame>, _ code: Int32
    ) -> Int32 {
        let entry = unsafe entry(session.pointee.codec, martlet_h2_stream(frame))
        switch code {
        case Int32(NGHTTP2_ERR_REFUSED_STREAM.rawValue):
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.streamRefusedErrors.rawValue)
            return 0
        case Int32(NGHTTP2_ERR_HTTP_HEADER.rawValue), Int32(NGHTTP2_ERR_HTTP_MESSAGING.rawValue):
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.rxMessagingError.rawValue)
            unsafe entry?.pointee.fault = code == Int32(NGHTTP2_ERR_HTTP_HEADER.rawValue) ? .headerField : .messaging
            if unsafe session.pointee.options.pointee.keepsOpenOnInvalidMessage { return 0 }
            // What follows is not read: GOAWAY says why (`sessionFailed`).
            return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
        default:
            unsafe entry?.pointee.fault = .other
            return 0
        }
    }

    // HOT: per frame.
    fileprivate func h2FrameSent(_ session: UnsafeMutablePointer<H2Session>, _ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        unsafe h2CountSent(session, frame)
        let flags = unsafe UInt32(martlet_h2_flags(frame))
        let type = unsafe UInt32(martlet_h2_type(frame))
        // nghttp2 ends the connection by itself for what breaks its framing.
        if type == UInt32(NGHTTP2_GOAWAY.rawValue), unsafe martlet_h2_goaway_code(frame) != H2Error.noError {
            unsafe session.pointee.isTerminated = true
        }
        if type == UInt32(NGHTTP2_HEADERS.rawValue), unsafe session.pointee.metersWire { unsafe h2HeadSent(session, frame) }
        guard flags & UInt32(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
            type == UInt32(NGHTTP2_HEADERS.rawValue) || type == UInt32(NGHTTP2_DATA.rawValue),
            let entry = unsafe entry(session.pointee.codec, martlet_h2_stream(frame))
        else { return 0 }
        unsafe entry.pointee.sentEnd = true
        // The rest of the request may have come meanwhile.
        if unsafe entry.pointee.resetsBehindEnd, unsafe !entry.pointee.sawEnd { unsafe note(session, .sentEnd, entry.pointee.handle) }
        return 0
    }
}
