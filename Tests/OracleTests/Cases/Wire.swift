import TestSupport

// Short forms for the case tables. Line ends are written out: what is sent is what stands there.

/// A request head with `host: h.test`, and then `more` lines, each of which ends itself with CRLF.
func request(_ line: String, _ more: String = "") -> String {
    "\(line) HTTP/1.1\r\nhost: h.test\r\n\(more)\r\n"
}

/// A response with a length and the body `text`.
func reply(_ status: String, _ more: String = "", body: String = "ok") -> String {
    "HTTP/1.1 \(status)\r\ncontent-length: \(body.unicodeScalars.count)\r\n\(more)\r\n\(body)"
}

func many(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

/// `typed_extension_protocol_options` of a cluster with HTTP/1 options.
func http1Options(_ fields: String) -> String {
    """
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http_protocol_options: {\(fields)}}
    """
}
