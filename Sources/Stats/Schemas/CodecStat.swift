/// `http1.`: the downstream codec, over all listeners.
@frozen public enum HTTP1CodecStat: UInt32, StatLeaf {
    case droppedHeadersWithUnderscores, metadataNotSupportedError, requestsRejectedWithUnderscoresInHeaders
    case responseFlood

    public static let schema = StatSchema(HTTP1CodecStat.self, writers: .workers)

    public var descriptor: StatDescriptor {
        switch self {
        case .droppedHeadersWithUnderscores: .counter("dropped_headers_with_underscores")
        case .metadataNotSupportedError: .counter("metadata_not_supported_error")
        case .requestsRejectedWithUnderscoresInHeaders: .counter("requests_rejected_with_underscores_in_headers")
        case .responseFlood: .counter("response_flood")
        }
    }
}

/// `http2.`, and `cluster.<name>.http2.`: what an HTTP/2 codec counts.
@frozen public enum HTTP2CodecStat: UInt32, StatLeaf {
    case streamsActive, rxReset, txReset, trailers, goawaySent, headerOverflow, rxMessagingError, streamRefusedErrors
    case txFlushTimeout, keepaliveTimeout, inboundEmptyFramesFlood, inboundPriorityFramesFlood
    case inboundWindowUpdateFramesFlood, outboundFlood, outboundControlFlood, outboundFramesActive
    case outboundControlFramesActive, pendingSendBytes, deferredStreamClose, droppedHeadersWithUnderscores
    case requestsRejectedWithUnderscoresInHeaders, headersCbNoStream, metadataEmptyFrames, cookiesTotalBytesTooLarge
    case headerListSizeTooLarge, nghttp2DownstreamConnections, nghttp2UpstreamConnections, oghttp2DownstreamConnections
    case oghttp2UpstreamConnections, headerCount, headerListSize, cookieCount, cookieSize

    public static let schema = StatSchema(HTTP2CodecStat.self, writers: .workers)

    /// Envoy makes a codec's counters with the first connection of its protocol.
    private static let withConnections = StatDescriptor.Visibility.whenEitherUsed(
        Self.nghttp2DownstreamConnections.rawValue, Self.nghttp2UpstreamConnections.rawValue)

    public var descriptor: StatDescriptor {
        switch self {
        case .streamsActive: .gauge("streams_active", Self.withConnections)
        case .rxReset: .counter("rx_reset", Self.withConnections)
        case .txReset: .counter("tx_reset", Self.withConnections)
        case .trailers: .counter("trailers", Self.withConnections)
        case .goawaySent: .counter("goaway_sent", Self.withConnections)
        case .headerOverflow: .counter("header_overflow", Self.withConnections)
        case .rxMessagingError: .counter("rx_messaging_error", Self.withConnections)
        case .streamRefusedErrors: .counter("stream_refused_errors", Self.withConnections)
        case .txFlushTimeout: .counter("tx_flush_timeout", Self.withConnections)
        case .keepaliveTimeout: .counter("keepalive_timeout", Self.withConnections)
        case .inboundEmptyFramesFlood: .counter("inbound_empty_frames_flood", Self.withConnections)
        case .inboundPriorityFramesFlood: .counter("inbound_priority_frames_flood", Self.withConnections)
        case .inboundWindowUpdateFramesFlood: .counter("inbound_window_update_frames_flood", Self.withConnections)
        case .outboundFlood: .counter("outbound_flood", Self.withConnections)
        case .outboundControlFlood: .counter("outbound_control_flood", Self.withConnections)
        case .outboundFramesActive: .gauge("outbound_frames_active", Self.withConnections)
        case .outboundControlFramesActive: .gauge("outbound_control_frames_active", Self.withConnections)
        case .pendingSendBytes: .gauge("pending_send_bytes", Self.withConnections)
        case .deferredStreamClose: .gauge("deferred_stream_close", Self.withConnections)
        case .droppedHeadersWithUnderscores: .counter("dropped_headers_with_underscores", Self.withConnections)
        case .requestsRejectedWithUnderscoresInHeaders: .counter("requests_rejected_with_underscores_in_headers", Self.withConnections)
        case .headersCbNoStream: .counter("headers_cb_no_stream", Self.withConnections)
        case .metadataEmptyFrames: .counter("metadata_empty_frames", Self.withConnections)
        case .cookiesTotalBytesTooLarge: .counter("cookies_total_bytes_too_large", Self.withConnections)
        case .headerListSizeTooLarge: .counter("header_list_size_too_large", Self.withConnections)
        case .nghttp2DownstreamConnections: .counter("nghttp2_downstream_connections", Self.withConnections)
        case .nghttp2UpstreamConnections: .counter("nghttp2_upstream_connections", Self.withConnections)
        case .oghttp2DownstreamConnections: .counter("oghttp2_downstream_connections", Self.withConnections)
        case .oghttp2UpstreamConnections: .counter("oghttp2_upstream_connections", Self.withConnections)
        case .headerCount: .histogram("header_count", .unspecified, Self.withConnections)
        case .headerListSize: .histogram("header_list_size", .bytes, Self.withConnections)
        case .cookieCount: .histogram("cookie_count", .unspecified, Self.withConnections)
        case .cookieSize: .histogram("cookie_size", .bytes, Self.withConnections)
        }
    }
}
