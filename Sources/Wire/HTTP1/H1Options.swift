// What an HTTP/1 decoder accepts, with Envoy's names and defaults. Trivial: a decoder keeps a copy in its slab entry.

/// `headers_with_underscores_action`.
package enum UnderscoreAction: UInt8, BitwiseCopyable {
    case allow, rejectRequest, dropHeader
}

package struct H1Options: BitwiseCopyable {
    /// `max_request_headers_kb` [60], `max_response_headers_kb` [80]: start line and fields together, their line ends included.
    package var maxHeadBytes: UInt32 = 60 << 10
    /// The start line alone. Envoy has no bound of its own for it.
    package var maxStartLineBytes: UInt32 = 60 << 10
    /// All trailer lines together.
    package var maxTrailerBytes: UInt32 = 60 << 10
    /// Chunk extensions may be ahead of the data they came with by this much (`docs/limits.md`). Signed uploads
    /// carry ~90 B per 64 KiB chunk; what this stops is kilobytes of extension per byte of data.
    package var maxChunkExtensionBytes: UInt32 = 60 << 10
    /// `max_headers_count`; trailers that are kept have the same bound for themselves.
    package var maxHeaders: UInt16 = 100
    package var underscores = UnderscoreAction.allow
    package var acceptHTTP10 = false
    package var allowCustomMethods = false
    package var allowAbsoluteURL = true
    /// The first proxy that a client meets refuses `https://` on a connection without TLS.
    package var refusesHTTPS = false
    /// Off: trailers are checked and dropped.
    package var enableTrailers = false
    /// Content-Length beside chunked: the length is dropped, chunked counts.
    package var allowChunkedLength = false

    package init() {}

    /// Envoy's defaults for what upstreams send.
    package static var response: H1Options {
        var options = H1Options()
        options.maxHeadBytes = 80 << 10
        options.maxStartLineBytes = 80 << 10
        return options
    }
}
