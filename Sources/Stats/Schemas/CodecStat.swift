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
