// Why a peer's HTTP/1 bytes were refused, and what Envoy answers for it.
//
// The peer misbehaves: whoever gets one of these counts it, answers with `status` and `body` when the error is in a
// request, and closes. After an error the decoder yields nothing more.

import Primitives

package enum H1Error: UInt8, CaseIterable, Error {
    // Lines.
    case bareLineFeed, bareCarriageReturn, controlCharacter
    // Start line.
    case malformedStartLine, unsupportedMethod, malformedVersion, lowVersion, malformedStatus
    case invalidTargetCharacter, malformedTarget, invalidURL, unsupportedScheme, httpsInPlaintext, invalidAuthority
    // Fields.
    case obsoleteFold, malformedFieldName, duplicateHost, underscoreInFieldName
    case headersTooLarge, tooManyHeaders
    /// `Connection` names a field that is not its sender's to take away.
    case connectionOption
    // Framing.
    case malformedContentLength, duplicateContentLength, contentLengthAndChunked, unsupportedTransferEncoding
    case transferEncodingInHTTP10, bodyDisallowed, unexpectedUpgrade
    // Chunks and trailers.
    case malformedChunkSize, chunkSizeOverflow, malformedChunkExtension, chunkExtensionTooLarge
    case malformedChunkEnd, malformedTrailer, trailersTooLarge
    /// The peer closed before the message was complete.
    case truncated

    /// The status of the answer to a request; an upstream's faulty response is 502 (`UPE`) whatever the reason.
    package var status: UInt16 {
        switch self {
        case .httpsInPlaintext: 403
        case .lowVersion: 426
        case .headersTooLarge, .tooManyHeaders, .trailersTooLarge: 431
        case .unsupportedTransferEncoding: 501
        default: 400
        }
    }

    /// The answer's text.
    package var body: StaticString {
        switch self {
        case .httpsInPlaintext: "Forbidden"
        case .lowVersion: "Upgrade Required"
        case .headersTooLarge, .tooManyHeaders, .trailersTooLarge: "Request Header Fields Too Large"
        case .unsupportedTransferEncoding: "Not Implemented"
        default: "Bad Request"
        }
    }

    /// `%DOWNSTREAM_LOCAL_CLOSE_REASON%` of the connection that ends for it, in Envoy's words where it knows the error.
    package var closeReason: StaticString {
        switch self {
        case .lowVersion: "codec_error:Upgrade_required_for_HTTP/1.0_or_HTTP/0.9"
        case .connectionOption: "codec_error:Invalid_nominated_headers_in_Connection."
        case .bareLineFeed: "codec_error:http/1.1_protocol_error:_bare_line_feed"
        case .bareCarriageReturn: "codec_error:http/1.1_protocol_error:_bare_carriage_return"
        case .controlCharacter, .invalidTargetCharacter:
            "codec_error:http/1.1_protocol_error:_header_value_contains_invalid_chars"
        case .malformedStartLine, .malformedStatus: "codec_error:http/1.1_protocol_error:_NO_REQUEST_LINE_IN_REQUEST"
        case .unsupportedMethod: "codec_error:http/1.1_protocol_error:_HPE_INVALID_METHOD"
        case .malformedVersion: "codec_error:http/1.1_protocol_error:_HPE_INVALID_VERSION"
        case .malformedTarget: "codec_error:http/1.1_protocol_error:_HPE_INVALID_URL"
        case .invalidURL: "codec_error:http/1.1_protocol_error:_invalid_url_in_request_line"
        case .unsupportedScheme: "codec_error:http/1.1_protocol_error:_invalid_scheme"
        case .httpsInPlaintext: "codec_error:http/1.1_protocol_error:_https_in_the_clear"
        case .invalidAuthority: "codec_error:http/1.1_protocol_error:_request_headers_failed_spec_compliance_checks"
        case .obsoleteFold: "codec_error:http/1.1_protocol_error:_obsolete_line_folding"
        case .malformedFieldName: "codec_error:http/1.1_protocol_error:_INVALID_HEADER_NAME_CHARACTER"
        case .duplicateHost: "codec_error:http/1.1_protocol_error:_several_host_fields"
        case .underscoreInFieldName: "codec_error:http/1.1_protocol_error:_header_name_contains_underscores"
        case .headersTooLarge: "codec_error:http/1.1_protocol_error:_headers_size_exceeds_limit"
        case .tooManyHeaders: "codec_error:http/1.1_protocol_error:_headers_count_exceeds_limit"
        case .malformedContentLength: "codec_error:http/1.1_protocol_error:_UNPARSABLE_CONTENT_LENGTH"
        case .duplicateContentLength: "codec_error:http/1.1_protocol_error:_HPE_UNEXPECTED_CONTENT_LENGTH"
        case .contentLengthAndChunked:
            "codec_error:http/1.1_protocol_error:_both_'Content-Length'_and_'Transfer-Encoding'_are_set."
        case .unsupportedTransferEncoding, .transferEncodingInHTTP10:
            "codec_error:http/1.1_protocol_error:_unsupported_transfer_encoding"
        case .bodyDisallowed: "codec_error:http/1.1_protocol_error:_unsupported_content_length"
        case .unexpectedUpgrade: "codec_error:http/1.1_protocol_error:_upgrade_with_a_body"
        case .malformedChunkSize: "codec_error:http/1.1_protocol_error:_HPE_INVALID_CHUNK_SIZE"
        case .chunkSizeOverflow: "codec_error:http/1.1_protocol_error:_CHUNK_LENGTH_OVERFLOW"
        case .malformedChunkExtension, .chunkExtensionTooLarge: "codec_error:http/1.1_protocol_error:_chunk_extension"
        case .malformedChunkEnd: "codec_error:http/1.1_protocol_error:_data_behind_a_chunk"
        case .malformedTrailer: "codec_error:http/1.1_protocol_error:_INVALID_TRAILER_NAME_CHARACTER"
        case .trailersTooLarge: "codec_error:http/1.1_protocol_error:_trailers_size_exceeds_limit"
        case .truncated: "codec_error:http/1.1_protocol_error:_message_is_cut"
        }
    }

    /// `%RESPONSE_CODE_DETAILS%`, in Envoy's words.
    package var details: StaticString {
        switch self {
        case .invalidTargetCharacter, .controlCharacter: "http1.invalid_characters"
        case .invalidURL: "http1.invalid_url"
        case .unsupportedScheme: "http1.invalid_scheme"
        case .httpsInPlaintext: "http1.https_url_on_plaintext_connection"
        case .invalidAuthority: "http.invalid_authority"
        case .lowVersion: "low_version"
        case .underscoreInFieldName: "http1.unexpected_underscore"
        case .headersTooLarge, .trailersTooLarge: "http1.headers_too_large"
        case .tooManyHeaders: "http1.too_many_headers"
        case .connectionOption: "http1.connection_header_rejected"
        case .contentLengthAndChunked: "http1.content_length_and_chunked_not_allowed"
        case .unsupportedTransferEncoding: "http1.invalid_transfer_encoding"
        case .bodyDisallowed: "http1.body_disallowed"
        default: "http1.codec_error"
        }
    }
}
