// METADATA frames (`allow_metadata`): maps of texts beside a message, which Envoy passes from one HTTP/2 connection to the
// other. No RFC has them; a peer that does not know the type skips it (RFC 9113 §5.5).
//
// A block may be cut into several frames; it is read when its last one has come, and written again as literals, which need
// no table: what goes from connection to connection is such a block. The order among METADATA and a body is kept: a block
// is given to nghttp2, which sends it ahead of any body, when the bytes before it have been framed. A request's blocks that
// come before its upstream is there follow the head, ahead of the body, as in Envoy; they are sent once, so a retry has none.

import CNghttp2
import Primitives
import Stats
import Transport
import Upstream
import Wire

@safe
struct H2Metadata {
    static let frameType: UInt8 = 0x4d
    static let endFlag: UInt8 = 4
    /// RFC 9113 §4.2: what every peer takes.
    static let frameBytesMax = 16_384
    /// Memory of a block that is not given back at once when the block has gone.
    static let keptBytesMax = 16_384

    /// Of the session whose bytes these are among.
    var session: Handle
    /// How many the session counts, of each kind.
    var countedReceived = 0
    var countedWaiting = 0
    /// Of the block that is being received.
    var received = PlainArray<UInt8>(capacity: 64)
    /// Of all blocks of the stream (`max_metadata_size`).
    var receivedBytes: UInt64 = 0
    var inflater: OpaquePointer?

    /// Blocks that wait to be sent, one behind the other.
    var waiting = PlainArray<UInt8>(capacity: 64)
    var marks = PlainArray<Mark>(capacity: 4)

    struct Mark: BitwiseCopyable {
        /// So many bytes of the body go first.
        var behind: UInt64
        var count: Int
    }

    fileprivate static func text(_ base: UnsafeMutablePointer<UInt8>?, _ count: Int) -> Bytes {
        guard let base = unsafe base else { return .empty }
        return unsafe Bytes(UnsafeRawPointer(base), count)
    }

    func destroy() {
        received.destroy()
        waiting.destroy()
        marks.destroy()
        if let inflater = unsafe inflater { unsafe nghttp2_hd_inflate_del(inflater) }
    }
}

extension Worker {
    func freeMetadata(_ handle: inout Handle) {
        guard !handle.isNone, let metadata = unsafe h2.metadata[handle] else { return }
        unsafe metadata.pointee.received.removeAll()
        unsafe metadata.pointee.waiting.removeAll()
        unsafe countMetadata(metadata)
        unsafe metadata.pointee.destroy()
        h2.metadata.free(handle)
        handle = .none
    }

    private func metadata(_ handle: inout Handle, _ session: Handle) -> UnsafeMutablePointer<H2Metadata>? {
        if let metadata = unsafe h2.metadata[handle] { return unsafe metadata }
        guard let (made, metadata) = unsafe h2.metadata.allocate() else { return nil }
        unsafe metadata.initialize(to: H2Metadata(session: session))
        handle = made
        return unsafe metadata
    }

    /// Its session knows again how much lies here.
    private func countMetadata(_ metadata: UnsafeMutablePointer<H2Metadata>) {
        let received = unsafe metadata.pointee.received.count
        let waiting = unsafe metadata.pointee.waiting.count
        if let session = unsafe h2.sessions[metadata.pointee.session] {
            unsafe session.pointee.metadataReceived &+= received &- metadata.pointee.countedReceived
            unsafe session.pointee.metadataWaiting &+= waiting &- metadata.pointee.countedWaiting
        }
        unsafe metadata.pointee.countedReceived = received
        unsafe metadata.pointee.countedWaiting = waiting
    }

    // MARK: Receiving: nghttp2's callbacks

    func h2MetadataReceived(_ session: UnsafeMutablePointer<H2Session>, _ id: Int32, _ bytes: Bytes) -> Int32 {
        // Envoy skips what belongs to no request, or to one whose message has ended.
        guard let entry = unsafe entry(session.pointee.codec, id), unsafe !entry.pointee.sawEnd else { return 0 }
        guard let metadata = unsafe metadata(&entry.pointee.metadata, session.pointee.handle) else {
            return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
        }
        unsafe metadata.pointee.receivedBytes &+= UInt64(truncatingIfNeeded: bytes.count)
        guard unsafe metadata.pointee.receivedBytes <= session.pointee.options.pointee.metadataMax,
            unsafe session.pointee.metadataMax &- session.pointee.metadataReceived >= bytes.count
        else { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
        unsafe metadata.pointee.received.append(bytes)
        unsafe countMetadata(metadata)
        return 0
    }

    func h2MetadataEnded(_ session: UnsafeMutablePointer<H2Session>, _ id: Int32, _ flags: UInt8) -> Int32 {
        // As in Envoy: no other flag has a sense.
        guard flags == H2Metadata.endFlag, let entry = unsafe entry(session.pointee.codec, id), unsafe !entry.pointee.sawEnd
        else { return 0 }
        guard let metadata = unsafe metadata(&entry.pointee.metadata, session.pointee.handle) else {
            return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
        }
        let place = h2.metadataBlocks.count
        // All that one receive decodes stays within the connection's limit: a byte can name an entry of 4 KiB.
        guard unsafe inflate(metadata, session.pointee.options.pointee.metadataMax),
            unsafe h2.metadataBlocks.count <= session.pointee.metadataMax
        else { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
        unsafe metadata.pointee.received.empty(keeping: H2Metadata.keptBytesMax)
        unsafe countMetadata(metadata)
        let count = h2.metadataBlocks.count &- place
        guard count > 0 else {
            unsafe cells.increment(session.pointee.stats &+ HTTP2CodecStat.metadataEmptyFrames.rawValue)
            return 0
        }
        unsafe h2.events.append(
            H2Event(
                kind: .metadata, session: session.pointee.handle, stream: entry.pointee.handle,
                code: UInt32(truncatingIfNeeded: place), count: count))
        return 0
    }

    /// The block that has been received, as literals behind `metadataBlocks`. False: it cannot be read, or becomes too large
    /// (a few bytes can name large entries of the table many times).
    private func inflate(_ metadata: UnsafeMutablePointer<H2Metadata>, _ max: UInt64) -> Bool {
        if unsafe metadata.pointee.inflater == nil, unsafe nghttp2_hd_inflate_new(&metadata.pointee.inflater) != 0 { return false }
        let start = h2.metadataBlocks.count
        var next = unsafe UnsafePointer(metadata.pointee.received.base)
        var left = unsafe metadata.pointee.received.count
        while true {
            var field = unsafe nghttp2_nv()
            var flags: Int32 = 0
            let taken = unsafe nghttp2_hd_inflate_hd2(metadata.pointee.inflater, &field, &flags, next, left, 1)
            guard taken >= 0 else { return false }
            unsafe next += taken
            left &-= taken
            if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                unsafe H2MetadataBlock.append(H2Metadata.text(field.name, field.namelen), H2Metadata.text(field.value, field.valuelen), to: &h2.metadataBlocks)
                guard UInt64(h2.metadataBlocks.count &- start) / 2 <= max else { return false }
            }
            if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
                return unsafe nghttp2_hd_inflate_end_headers(metadata.pointee.inflater) == 0
            }
            if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) == 0, left == 0 { return true }
        }
    }

    // MARK: From one side to the other

    private func block(_ event: H2Event) -> Bytes {
        unsafe Bytes(UnsafeRawPointer(h2.metadataBlocks.base) + Int(event.code), event.count)
    }

    func requestMetadata(_ entry: UnsafeMutablePointer<H2Stream>, _ event: H2Event) {
        guard let stream = unsafe streams[entry.pointee.stream], unsafe !stream.pointee.isLocalReply else { return }
        if unsafe isHTTP2Upstream(stream) {
            if let upstream = unsafe h2.streams[stream.pointee.upstreamCodec] { unsafe queueMetadata(upstream, block(event), of: stream) }
        } else if unsafe !stream.pointee.upstream.isNone {
            unsafe countUnsupported(stream)
        } else if unsafe !stream.pointee.hasResponseHead, let session = unsafe h2.sessions[entry.pointee.session] {
            guard unsafe session.pointee.metadataRoom >= event.count else { return unsafe metadataOverflowed(stream) }
            guard let metadata = unsafe metadata(&stream.pointee.metadata, session.pointee.handle) else { return }
            unsafe keep(block(event), in: metadata, behind: 0)
        }
    }

    func responseMetadata(_ entry: UnsafeMutablePointer<H2Stream>, _ event: H2Event) {
        guard let stream = unsafe streams[entry.pointee.stream] else { return }
        if unsafe isHTTP2(stream) {
            if let downstream = unsafe h2.streams[stream.pointee.downstreamCodec] { unsafe queueMetadata(downstream, block(event), of: stream) }
        } else if unsafe connections.slab[stream.pointee.downstream] != nil {
            unsafe cells.increment(stream.pointee.http.pointee.codecStats &+ HTTP1CodecStat.metadataNotSupportedError.rawValue)
        }
    }

    private func keep(_ block: Bytes, in metadata: UnsafeMutablePointer<H2Metadata>, behind: UInt64) {
        unsafe metadata.pointee.waiting.append(block)
        unsafe metadata.pointee.marks.append(H2Metadata.Mark(behind: behind, count: block.count))
        unsafe countMetadata(metadata)
    }

    /// More than its connection may hold: neither left out nor kept, so the request ends. The stream is gone.
    private func metadataOverflowed(_ stream: StreamPointer) {
        unsafe stream.pointee.flags.insert(.localReset)
        unsafe stream.pointee.details = Bytes("http2.metadata_overflow" as StaticString)
        unsafe resetDownstream(stream)
    }

    /// An upstream of HTTP/1 takes the request: what waited for it goes nowhere.
    func dropMetadata(of stream: StreamPointer) {
        guard unsafe !stream.pointee.metadata.isNone else { return }
        unsafe countUnsupported(stream)
        unsafe freeMetadata(&stream.pointee.metadata)
    }

    private func countUnsupported(_ stream: StreamPointer) {
        guard let cluster = unsafe cluster(stream.pointee.clusterSlot) else { return }
        unsafe count(cluster.pointee.config.pointee.stats, .http1MetadataNotSupportedError)
    }

    /// What waited for the upstream follows the head.
    func sendMetadata(of stream: StreamPointer, _ entry: UnsafeMutablePointer<H2Stream>, _ session: UnsafeMutablePointer<H2Session>) {
        guard unsafe !stream.pointee.metadata.isNone else { return }
        guard unsafe session.pointee.options.pointee.allowMetadata else { return unsafe freeMetadata(&stream.pointee.metadata) }
        unsafe entry.pointee.metadata = unsafe stream.pointee.metadata
        unsafe stream.pointee.metadata = .none
        guard let metadata = unsafe h2.metadata[entry.pointee.metadata] else { return }
        // From the client's connection to the host's.
        if let before = unsafe h2.sessions[metadata.pointee.session] {
            unsafe before.pointee.metadataReceived &-= metadata.pointee.countedReceived
            unsafe before.pointee.metadataWaiting &-= metadata.pointee.countedWaiting
        }
        unsafe metadata.pointee.session = unsafe session.pointee.handle
        unsafe metadata.pointee.countedReceived = 0
        unsafe metadata.pointee.countedWaiting = 0
        unsafe countMetadata(metadata)
    }

    // MARK: Sending

    private func queueMetadata(_ entry: UnsafeMutablePointer<H2Stream>, _ block: Bytes, of stream: StreamPointer) {
        guard let session = unsafe h2.sessions[entry.pointee.session], unsafe session.pointee.options.pointee.allowMetadata,
            unsafe !entry.pointee.isReset, unsafe !entry.pointee.endsBehind
        else { return }
        guard unsafe session.pointee.metadataRoom >= block.count else { return unsafe metadataOverflowed(stream) }
        let hasMarks = unsafe h2.metadata[entry.pointee.metadata].map { unsafe !$0.pointee.marks.isEmpty } ?? false
        // nghttp2 has asked for body, so the head is out; and a response's head is sent in the order of submission.
        if !hasMarks, unsafe entry.pointee.isDeferred || session.pointee.isServer && entry.pointee.out.isEmpty {
            return unsafe submitMetadata(session, entry.pointee.id, block)
        }
        guard let metadata = unsafe metadata(&entry.pointee.metadata, session.pointee.handle) else { return }
        unsafe keep(block, in: metadata, behind: entry.pointee.framedBytes &+ UInt64(truncatingIfNeeded: entry.pointee.out.count))
    }

    // HOT: per frame, where there is METADATA.
    /// Bytes of the body that go ahead of the next block; nil: no block waits.
    func bytesBeforeMetadata(_ entry: UnsafeMutablePointer<H2Stream>) -> Int? {
        guard let metadata = unsafe h2.metadata[entry.pointee.metadata], unsafe !metadata.pointee.marks.isEmpty else { return nil }
        return unsafe Int(truncatingIfNeeded: metadata.pointee.marks[0].behind &- entry.pointee.framedBytes)
    }

    /// Gives nghttp2 the blocks that bodies stand at. False: there were none.
    func passMetadata(_ session: UnsafeMutablePointer<H2Session>) -> Bool {
        guard !h2.atMetadata.isEmpty else { return false }
        for i in 0..<h2.atMetadata.count {
            guard let entry = unsafe h2.streams[Handle(raw: h2.atMetadata[i])], let metadata = unsafe h2.metadata[entry.pointee.metadata]
            else { continue }
            var blocks = 0
            var bytes = 0
            while unsafe blocks < metadata.pointee.marks.count, unsafe metadata.pointee.marks[blocks].behind <= entry.pointee.framedBytes {
                let count = unsafe metadata.pointee.marks[blocks].count
                unsafe submitMetadata(session, entry.pointee.id, Bytes(UnsafeRawPointer(metadata.pointee.waiting.base) + bytes, count))
                bytes &+= count
                blocks &+= 1
            }
            if unsafe bytes == metadata.pointee.waiting.count {
                unsafe metadata.pointee.waiting.empty(keeping: H2Metadata.keptBytesMax)
            } else {
                unsafe metadata.pointee.waiting.removeFirst(bytes)
            }
            unsafe countMetadata(metadata)
            unsafe metadata.pointee.marks.removeFirst(blocks)
            unsafe entry.pointee.isDeferred = false
            _ = unsafe nghttp2_session_resume_data(session.pointee.codec, entry.pointee.id)
        }
        h2.atMetadata.removeAll()
        return true
    }

    private func submitMetadata(_ session: UnsafeMutablePointer<H2Session>, _ id: Int32, _ block: Bytes) {
        var sent = 0
        while sent < block.count {
            let count = min(block.count &- sent, H2Metadata.frameBytesMax)
            let flags = sent &+ count == block.count ? H2Metadata.endFlag : 0
            guard unsafe session.pointee.metadataOut.append(copying: block.part(sent, sent &+ count), memory),
                unsafe martlet_h2_extension(session.pointee.codec, H2Metadata.frameType, flags, id, count) == 0
            else { return unsafe terminate(session, H2Error.internalError) }
            sent &+= count
        }
        unsafe markDue(session)
    }

    /// nghttp2 frames them in the order in which they were submitted.
    func h2PackMetadata(
        _ session: UnsafeMutablePointer<H2Session>, _ codec: OpaquePointer, _ frame: UnsafePointer<nghttp2_frame>,
        into target: UnsafeMutablePointer<UInt8>, _ capacity: Int
    ) -> Int {
        let count = unsafe martlet_h2_extension_bytes(frame)
        // A stream that has ended meanwhile gets no more frames.
        let isOpen = unsafe entry(codec, martlet_h2_stream(frame)).map { unsafe !$0.pointee.isReset && !$0.pointee.sentEnd } ?? false
        let fits = unsafe isOpen && count <= capacity && count <= session.pointee.metadataOut.count
        if fits { unsafe session.pointee.metadataOut.copy(from: 0, count: count, into: UnsafeMutableRawPointer(target)) }
        unsafe session.pointee.metadataOut.consume(min(count, session.pointee.metadataOut.count), memory)
        return fits ? count : Int(NGHTTP2_ERR_CANCEL.rawValue)
    }
}

extension H2Session {
    /// Bytes of METADATA of a connection, at most: of blocks that are not whole yet; and as many of those that wait to be framed.
    /// Two accounts, for what other connections bring must not end the one that it goes to.
    var metadataMax: Int { unsafe Int(clamping: min(options.pointee.metadataMax, 1 << 60) &* 4) }
    var metadataRoom: Int { metadataMax &- metadataWaiting &- metadataOut.count }
}

extension PlainArray<UInt8> {
    /// Nothing is in it any more, and no memory that was only wanted for much.
    mutating func empty(keeping max: Int) {
        guard count > max else { return removeAll() }
        destroy()
        self = PlainArray(capacity: 64)
    }
}
