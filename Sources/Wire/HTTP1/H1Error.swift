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
