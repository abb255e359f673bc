/// `http1.`: the downstream codec, over all listeners.
package enum HTTP1CodecStat: UInt32, StatLeaf {
    case droppedHeadersWithUnderscores, metadataNotSupportedError, requestsRejectedWithUnderscoresInHeaders
    case responseFlood

    package static let schema = StatSchema(HTTP1CodecStat.self, writers: .workers)

    package var descriptor: StatDescriptor {
        switch self {
        case .droppedHeadersWithUnderscores: .counter("dropped_headers_with_underscores")
        case .metadataNotSupportedError: .counter("metadata_not_supported_error")
        case .requestsRejectedWithUnderscoresInHeaders: .counter("requests_rejected_with_underscores_in_headers")
        case .responseFlood: .counter("response_flood")
        }
    }
}

/// `http2.`, and `cluster.<name>.http2.`: what an HTTP/2 codec counts.
package enum HTTP2CodecStat: UInt32, StatLeaf {
    case streamsActive, rxReset, txReset, trailers, goawaySent, headerOverflow, rxMessagingError, streamRefusedErrors
    case txFlushTimeout, keepaliveTimeout, inboundEmptyFramesFlood, inboundPriorityFramesFlood
    case inboundWindowUpdateFramesFlood, outboundFlood, outboundControlFlood, outboundFramesActive
    case outboundControlFramesActive, pendingSendBytes, deferredStreamClose, droppedHeadersWithUnderscores
    case requestsRejectedWithUnderscoresInHeaders, headersCbNoStream, metadataEmptyFrames, cookiesTotalBytesTooLarge
    case headerListSizeTooLarge, nghttp2DownstreamConnections, nghttp2UpstreamConnections, oghttp2DownstreamConnections
    case oghttp2UpstreamConnections

    package static let schema = StatSchema(HTTP2CodecStat.self, writers: .workers)

    package var descriptor: StatDescriptor {
        switch self {
        case .streamsActive: .gauge("streams_active")
        case .rxReset: .counter("rx_reset")
        case .txReset: .counter("tx_reset")
        case .trailers: .counter("trailers")
        case .goawaySent: .counter("goaway_sent")
        case .headerOverflow: .counter("header_overflow")
        case .rxMessagingError: .counter("rx_messaging_error")
        case .streamRefusedErrors: .counter("stream_refused_errors")
        case .txFlushTimeout: .counter("tx_flush_timeout")
        case .keepaliveTimeout: .counter("keepalive_timeout")
        case .inboundEmptyFramesFlood: .counter("inbound_empty_frames_flood")
        case .inboundPriorityFramesFlood: .counter("inbound_priority_frames_flood")
        case .inboundWindowUpdateFramesFlood: .counter("inbound_window_update_frames_flood")
        case .outboundFlood: .counter("outbound_flood")
        case .outboundControlFlood: .counter("outbound_control_flood")
        case .outboundFramesActive: .gauge("outbound_frames_active")
        case .outboundControlFramesActive: .gauge("outbound_control_frames_active")
        case .pendingSendBytes: .gauge("pending_send_bytes")
        case .deferredStreamClose: .gauge("deferred_stream_close")
        case .droppedHeadersWithUnderscores: .counter("dropped_headers_with_underscores")
        case .requestsRejectedWithUnderscoresInHeaders: .counter("requests_rejected_with_underscores_in_headers")
        case .headersCbNoStream: .counter("headers_cb_no_stream")
        case .metadataEmptyFrames: .counter("metadata_empty_frames")
        case .cookiesTotalBytesTooLarge: .counter("cookies_total_bytes_too_large")
        case .headerListSizeTooLarge: .counter("header_list_size_too_large")
        case .nghttp2DownstreamConnections: .counter("nghttp2_downstream_connections")
        case .nghttp2UpstreamConnections: .counter("nghttp2_upstream_connections")
        case .oghttp2DownstreamConnections: .counter("oghttp2_downstream_connections")
        case .oghttp2UpstreamConnections: .counter("oghttp2_upstream_connections")
        }
    }
}
