// The `location` of a redirect, as Envoy builds it.
//
// `prefix_rewrite` and `regex_rewrite` of a redirect are ordinary path rewrites: the Pipeline applies `PathRewrite` to
// the request head first, and the location is built from what came out.

import Primitives
import Wire

/// The parts of `RedirectAction` that make the location. The bytes belong to the plan. Empty: not set.
@safe
package struct RedirectParts: BitwiseCopyable {
    package var httpsRedirect = false
    package var schemeRedirect = Bytes.empty
    package var hostRedirect = Bytes.empty
    /// 0: not set.
    package var port: UInt16 = 0
    package var pathRedirect = Bytes.empty
    package var stripQuery = false

    package init() {}
}

package enum RedirectLocation {
    /// Writes the location into the response's text; empty when that has no room.
    ///
    /// - `scheme`: the request's `:scheme`. `forwardedProto`: its `x-forwarded-proto`.
    package static func build(
        _ parts: RedirectParts, request: MessageHead, scheme: Bytes, forwardedProto: Bytes,
        into response: inout MessageHead
    ) -> Span32 {
        let newScheme =
            !parts.schemeRedirect.isEmpty
            ? parts.schemeRedirect : parts.httpsRedirect ? Bytes("https" as StaticString) : scheme
        let host =
            !parts.hostRedirect.isEmpty
            ? parts.hostRedirect
            : withoutImpliedPort(
                request.text(request.authority), newScheme: newScheme, newPort: parts.port,
                forwardedProto: forwardedProto)
        let (path, query) = pathAndQuery(parts, request.text(request.path))
        return write(newScheme, host, parts.port, path, query, &response)
    }

    /// `require_tls`: the same place by https, a port in the host included.
    package static func https(request: MessageHead, into response: inout MessageHead) -> Span32 {
        write(
            Bytes("https" as StaticString), request.text(request.authority), 0, request.text(request.path),
            .empty, &response)
    }

    /// A query in `path_redirect` is kept whatever `strip_query` says; without one the request's own query follows.
    private static func pathAndQuery(_ parts: RedirectParts, _ path: Bytes) -> (Bytes, Bytes) {
        let mark = path.firstIndex(of: UInt8(ascii: "?")) ?? path.count
        let query = parts.stripQuery ? Bytes.empty : path.from(mark)
        if parts.pathRedirect.isEmpty { return (path.prefix(mark), query) }
        let hasQuery = parts.pathRedirect.firstIndex(of: UInt8(ascii: "?")) != nil
        return (parts.pathRedirect, hasQuery ? .empty : query)
    }

    /// The request's host; its port goes when the redirect names one, or when it was the old scheme's own and the
    /// scheme changes.
    static func withoutImpliedPort(
        _ host: Bytes, newScheme: Bytes, newPort: UInt16, forwardedProto: Bytes
    ) -> Bytes {
        guard let colon = HostName.portStart(host) else { return host }
        if newPort != 0 { return host.prefix(colon) }
        if newScheme.equals(forwardedProto) { return host }
        let port = host.from(colon)
        let isHTTPS = forwardedProto.equals(Bytes("https" as StaticString))
        let isHTTP = forwardedProto.equals(Bytes("http" as StaticString))
        let isImplied =
            isHTTPS && port.equals(Bytes(":443" as StaticString)) || isHTTP && port.equals(Bytes(":80" as StaticString))
        return isImplied ? host.prefix(colon) : host
    }

    private static func write(
        _ scheme: Bytes, _ host: Bytes, _ port: UInt16, _ path: Bytes, _ query: Bytes, _ response: inout MessageHead
    ) -> Span32 {
        let slash = path.isEmpty || path[0] != UInt8(ascii: "/") ? Bytes("/" as StaticString) : Bytes.empty
        let separator = Bytes("://" as StaticString)
        let portCount = port == 0 ? 0 : 1 &+ digits(port)
        let count =
            scheme.count &+ separator.count &+ host.count &+ portCount &+ slash.count &+ path.count &+ query.count
        guard let (span, base) = unsafe response.extend(count) else { return Span32() }
        var at = unsafe base
        unsafe put(scheme, &at)
        unsafe put(separator, &at)
        unsafe put(host, &at)
        if port != 0 {
            unsafe at[0] = UInt8(ascii: ":")
            var rest = port
            var i = portCount &- 1
            while i > 0 {
                unsafe at[i] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
                i &-= 1
            }
            unsafe at += portCount
        }
        unsafe put(slash, &at)
        unsafe put(path, &at)
        unsafe put(query, &at)
        return span
    }

    private static func digits(_ port: UInt16) -> Int {
        port < 10 ? 1 : port < 100 ? 2 : port < 1000 ? 3 : port < 10_000 ? 4 : 5
    }

    @inline(__always)
    private static func put(_ bytes: Bytes, _ at: inout UnsafeMutablePointer<UInt8>) {
        unsafe at.update(from: bytes.base, count: bytes.count)
        unsafe at += bytes.count
    }
}
