// What a worker keeps for all its HTTP/2 connections: slabs, nghttp2's heap and callback tables, and the queues between
// nghttp2's callbacks and what is done about them.

import CMartlet
import CNghttp2
import Primitives
import Wire

@safe
struct H2Worker {
    /// CONTINUATION frames that one head may be cut into; beyond it the connection ends (`docs/limits.md`). As many as the
    /// largest `max_request_headers_kb` needs.
    static let continuationsMax = 512

    var sessions = Slab<H2Session>(capacity: 1 << 20)
    var streams = Slab<H2Stream>(capacity: 1 << 20)
    var metadata = Slab<H2Metadata>(capacity: 1 << 20)
    /// Blocks of METADATA that events refer to.
    var metadataBlocks = PlainArray<UInt8>(capacity: 64)
    /// Heads of interim responses that events refer to: two of a stream at the most (`takeInterim`).
    var interimHeads = PlainArray<MessageHead>(capacity: 4)
    /// Streams whose body stands at METADATA that goes first.
    var atMetadata = PlainArray<UInt64>(capacity: 16)
    let heap: UnsafeMutablePointer<martlet_h2_heap>?
    private let serverCallbacks: OpaquePointer?
    private let clientCallbacks: OpaquePointer?
    var fields = H2FieldList()
    var settings = PlainArray<nghttp2_settings_entry>(capacity: 16)
    /// What callbacks noted; taken by whoever called nghttp2, as soon as it has returned.
    var events = PlainArray<H2Event>(capacity: 256)
    /// Sessions that have something to send.
    var due = PlainArray<UInt64>(capacity: 64)

    init() {
        unsafe heap = martlet_h2_heap_new(martlet_separates_objects())
        unsafe serverCallbacks = H2Callbacks.table()
        unsafe clientCallbacks = unsafe serverCallbacks
    }

    func destroy() {
        sessions.destroy()
        streams.destroy()
        metadata.destroy()
        metadataBlocks.destroy()
        interimHeads.destroy()
        atMetadata.destroy()
        fields.destroy()
        settings.destroy()
        events.destroy()
        due.destroy()
        unsafe martlet_h2_heap_delete(heap)
    }

    /// nghttp2's session for one connection; nil: no memory.
    func codec(
        isServer: Bool, _ options: UnsafePointer<H2Options>, _ user: UnsafeMutableRawPointer
    ) -> OpaquePointer? {
        guard let heap = unsafe heap, let callbacks = unsafe serverCallbacks else { return nil }
        var option: OpaquePointer?
        guard unsafe nghttp2_option_new(&option) == 0, let option = unsafe option else { return nil }
        defer { unsafe nghttp2_option_del(option) }
        // Windows open as bytes leave, not as they come.
        unsafe nghttp2_option_set_no_auto_window_update(option, 1)
        unsafe nghttp2_option_set_no_closed_streams(option, 1)
        // Spaces around a value are let through, as in Envoy.
        unsafe nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1)
        unsafe nghttp2_option_set_max_deflate_dynamic_table_size(option, Int(options.pointee.hpackTableSize))
        // `H2Guards` counts acknowledgements among the frames of control, and tells a flood of them from other errors.
        unsafe nghttp2_option_set_max_outbound_ack(option, max(10_000, Int(options.pointee.outboundControlFramesMax) &+ 1))
        unsafe nghttp2_option_set_max_continuations(option, H2Worker.continuationsMax)
        // What is too many resets without the two options is Envoy's to say (`H2Resets`).
        unsafe nghttp2_option_set_stream_reset_rate_limit(option, options.pointee.resetBurst, options.pointee.resetRate)
        if unsafe options.pointee.allowMetadata { unsafe nghttp2_option_set_user_recv_extension_type(option, H2Metadata.frameType) }
        unsafe nghttp2_option_set_peer_max_concurrent_streams(option, UInt32(Int32.max))
        var codec: OpaquePointer?
        let memory = unsafe heap.pointer(to: \.interface)
        let code = unsafe isServer
            ? nghttp2_session_server_new3(&codec, callbacks, user, option, memory)
            : nghttp2_session_client_new3(&codec, callbacks, user, option, memory)
        return unsafe code == 0 ? codec : nil
    }
}

extension Worker {
    /// What HTTP/2 holds of this worker, for tests.
    package var http2Holdings: (sessions: Int, streams: Int, metadata: Int, heapBytes: Int) {
        (h2.sessions.count, h2.streams.count, h2.metadata.count, unsafe h2.heap.map { unsafe Int($0.pointee.live) } ?? 0)
    }
}
