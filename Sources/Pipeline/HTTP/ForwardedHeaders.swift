// `x-forwarded-*`, `via`, `x-envoy-internal`, `x-envoy-external-address`: who asked, as far as it can be trusted, and
// which of the `x-envoy-*` fields a client may set.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    // HOT: per message.
    /// False: the request is refused, and answered.
    func forwardedHeaders(_ stream: StreamPointer) -> Bool {
        let http = unsafe stream.pointee.http
        // Behind another hop nobody is inside: the address that came last is that hop's.
        let wasForwarded = unsafe http.pointee.hasInternalRanges && stream.pointee.request.has(.xForwardedFor)
        var isTrusted: Bool?
        if unsafe http.pointee.useRemoteAddress {
            unsafe atEdge(stream)
        } else if unsafe http.pointee.originDetections.isEmpty {
            unsafe inside(stream)
        } else {
            isTrusted = unsafe detectOrigin(stream)
            if isTrusted == nil { return false }
        }
        // At the edge nobody but us knows which scheme and port were asked.
        let isFirst = unsafe http.pointee.useRemoteAddress && http.pointee.trustedHops == 0
        let toldScheme = unsafe !isFirst && stream.pointee.request.has(.xForwardedProto)
        if unsafe !http.pointee.schemeOverwrite.isEmpty {
            unsafe stream.pointee.request.set(.xForwardedProto, http.pointee.schemeOverwrite)
        } else if !toldScheme {
            unsafe stream.pointee.request.set(.xForwardedProto, HTTPScheme(isTLS: stream.pointee.isTLS).text)
        }
        if unsafe toldScheme || stream.pointee.isTLS || !stream.pointee.request.scheme.isEmpty { unsafe settleScheme(stream) }
        if unsafe http.pointee.appendForwardedPort, unsafe isFirst || !stream.pointee.request.has(.xForwardedPort) {
            var digits = unsafe DecimalText(UInt64(stream.pointee.localAddress.port))
            unsafe stream.pointee.request.set(.xForwardedPort, digits.bytes())
        }
        unsafe edgeAddress(stream, wasForwarded: wasForwarded, isTrusted: isTrusted)
        if unsafe http.pointee.addUserAgent { unsafe userAgent(stream) }
        if unsafe !http.pointee.via.isEmpty { unsafe append(stream, .via, http.pointee.via, separator: ", ") }
        if unsafe http.pointee.useRemoteAddress && !stream.pointee.isInternal, unsafe stream.pointee.remoteAddress.family != .unix {
            var text = unsafe AddressText(stream.pointee.remoteAddress)
            unsafe stream.pointee.request.set(.xEnvoyExternalAddress, text.bytes())
        }
        if unsafe !http.pointee.schemeOverwrite.isEmpty {
            unsafe stream.pointee.request.scheme = unsafe stream.pointee.request.store(http.pointee.schemeOverwrite)
        }
        return true
    }

    /// A request of HTTP/1 has no scheme of its own, one of HTTP/2 may say anything: it is `http` or `https`, by itself, by what
    /// `x-forwarded-proto` says, by the connection. None: `http`.
    private func settleScheme(_ stream: StreamPointer) {
        let own = unsafe stream.pointee.request.text(stream.pointee.request.scheme)
        let said = HTTPScheme(own)
        if let said, own.equals(said.text) { return }
        let told = unsafe stream.pointee.request.value(of: .xForwardedProto) ?? .empty
        let scheme = unsafe said ?? HTTPScheme(told) ?? HTTPScheme(isTLS: stream.pointee.isTLS)
        unsafe stream.pointee.request.scheme = unsafe stream.pointee.request.store(scheme.text)
    }

    /// The direct peer is the client, or one of `xff_num_trusted_hops` proxies of ours.
    private func atEdge(_ stream: StreamPointer) {
        let http = unsafe stream.pointee.http
        let hops = unsafe Int(http.pointee.trustedHops)
        if hops > 0, let client = unsafe forwardedFor(stream, fromRight: hops - 1) {
            unsafe stream.pointee.remoteAddress = client
        }
        if unsafe !http.pointee.skipXffAppend { unsafe appendPeer(stream) }
    }

    /// The direct peer, to `x-forwarded-for`.
    func appendPeer(_ stream: StreamPointer) {
        let peer = unsafe stream.pointee.directRemoteAddress
        let node = unsafe stream.pointee.http.pointee.nodeAddress
        // A socket of this machine has no address to tell.
        guard peer.family != .unix else { return }
        var text = AddressText(peer.isLoopback && node.family != .none ? node : peer)
        unsafe append(stream, .xForwardedFor, text.bytes(), separator: ",")
    }

    /// Nobody new: the addresses that came along say who asked.
    private func inside(_ stream: StreamPointer) {
        guard unsafe stream.pointee.request.has(.xForwardedFor) else { return }
        let hops = unsafe Int(stream.pointee.http.pointee.trustedHops)
        if let client = unsafe forwardedFor(stream, fromRight: hops) { unsafe stream.pointee.remoteAddress = client }
    }

    /// The address at `position` from the right of `x-forwarded-for`; nil when there are fewer, or it is none.
    func forwardedFor(_ stream: StreamPointer, fromRight position: Int) -> SocketAddress? {
        guard let value = unsafe stream.pointee.request.value(of: .xForwardedFor) else { return nil }
        var parts = PartsFromRight(value)
        for _ in 0..<position where parts.next() == nil { return nil }
        return parts.next().flatMap { SocketAddress(numeric: $0) }
    }

    /// Internal requests keep their `x-envoy-*` fields; those of others go. `isTrusted`: what found the client's address says
    /// whether it may be that of an internal one; nil: nothing did.
    private func edgeAddress(_ stream: StreamPointer, wasForwarded: Bool, isTrusted: Bool?) {
        let http = unsafe stream.pointee.http
        let isEdge = unsafe http.pointee.useRemoteAddress
        let isSingleHop = unsafe isTrusted ?? (isEdge ? !wasForwarded : isForwardedOnce(stream))
        unsafe stream.pointee.isInternal = unsafe isSingleHop && isInternal(http, stream.pointee.remoteAddress)
        if !isEdge {
            if unsafe stream.pointee.isInternal {
                unsafe stream.pointee.request.set(.xEnvoyInternal, Bytes("true" as StaticString))
            } else {
                unsafe sanitise(stream, isEdge: false)
            }
            return
        }
        if unsafe stream.pointee.isInternal {
            unsafe stream.pointee.request.set(.xEnvoyInternal, Bytes("true" as StaticString))
            return
        }
        unsafe sanitise(stream, isEdge: true)
    }

    func isForwardedOnce(_ stream: StreamPointer) -> Bool {
        unsafe stream.pointee.request.value(of: .xForwardedFor).map { $0.firstIndex(of: UInt8(ascii: ",")) == nil } ?? false
    }

    /// What an untrusted caller may not ask for. Who the caller is, an edge alone decides.
    private func sanitise(_ stream: StreamPointer, isEdge: Bool) {
        let names = unsafe stream.pointee.http.pointee.routes.pointee.internalOnlyHeaders
        for i in 0..<names.count { unsafe stream.pointee.request.removeAll(named: names[i]) }
        guard unsafe stream.pointee.request.hasAny(from: .xEnvoyForceTrace, through: .xEnvoyIsTimeoutRetry) else { return }
        if isEdge {
            for id: HeaderID in [
                .xEnvoyDecoratorOperation, .xEnvoyDownstreamServiceCluster, .xEnvoyDownstreamServiceNode,
                .xEnvoyOriginalPath, .xEnvoyOriginalHost,
            ] where unsafe stream.pointee.request.has(id) { unsafe stream.pointee.request.remove(id) }
        }
        for id: HeaderID in [
            .xEnvoyInternal, .xEnvoyRetryOn, .xEnvoyRetryGrpcOn, .xEnvoyMaxRetries, .xEnvoyUpstreamAltStatName,
            .xEnvoyUpstreamRqTimeoutMs, .xEnvoyUpstreamRqPerTryTimeoutMs, .xEnvoyUpstreamRqTimeoutAltResponse,
            .xEnvoyExpectedRqTimeoutMs, .xEnvoyForceTrace, .xEnvoyIpTags, .xEnvoyOriginalURL,
            .xEnvoyRetriableStatusCodes, .xEnvoyRetriableHeaderNames, .xEnvoyHedgeOnPerTryTimeout, .xEnvoyUpstreamStreamDurationMs,
        ] where unsafe stream.pointee.request.has(id) { unsafe stream.pointee.request.remove(id) }
    }

    private func isInternal(_ http: UnsafePointer<HTTPConfig>, _ address: SocketAddress) -> Bool {
        if address.family == .unix { return unsafe http.pointee.unixIsInternal }
        guard unsafe http.pointee.hasInternalRanges else { return false }
        return unsafe http.pointee.internalRanges.contains(address)
    }

    private func userAgent(_ stream: StreamPointer) {
        let http = unsafe stream.pointee.http
        unsafe stream.pointee.request.set(.xEnvoyDownstreamServiceCluster, http.pointee.serviceCluster)
        if unsafe stream.pointee.request.value(of: .userAgent)?.isEmpty ?? true {
            unsafe stream.pointee.request.set(.userAgent, http.pointee.serviceCluster)
        }
        if unsafe !http.pointee.serviceNode.isEmpty {
            unsafe stream.pointee.request.set(.xEnvoyDownstreamServiceNode, http.pointee.serviceNode)
        }
    }

    /// `old<separator>value` in the place of the old field, or a new field.
    func append(_ stream: StreamPointer, _ id: HeaderID, _ value: Bytes, separator: StaticString) {
        guard let at = unsafe stream.pointee.request.index(of: id) else {
            unsafe stream.pointee.request.append(id, value)
            return
        }
        // The text moves when it grows, and `value` may lie in it: named by its place from here on.
        let added = unsafe stream.pointee.request.store(value)
        let old = unsafe stream.pointee.request.field(at).value
        guard let joined = unsafe Worker.joined(old, added, separator: separator, in: &stream.pointee.request) else { return }
        unsafe stream.pointee.request.setValue(at: at, joined)
    }

    /// Both texts of a head, one behind the other; nil: no memory.
    static func joined(_ first: Span32, _ second: Span32, separator: StaticString, in head: inout MessageHead) -> Span32? {
        let between = first.isEmpty ? .empty : Bytes(separator)
        guard let (span, base) = unsafe head.extend(Int(first.count) &+ between.count &+ Int(second.count)) else { return nil }
        let source = head.text(first)
        let value = head.text(second)
        unsafe base.update(from: source.base, count: source.count)
        unsafe (base + source.count).update(from: between.base, count: between.count)
        unsafe (base + source.count + between.count).update(from: value.base, count: value.count)
        return span
    }

    /// Peer and own address of an accepted connection, asked for when first needed. A listener that is bound to one
    /// address has told the second when the connection was opened; a listener filter may have set both.
    func learnAddresses(_ connection: UnsafeMutablePointer<Connection>) {
        if unsafe connection.pointee.remote.family == .none {
            unsafe connection.pointee.remote = unsafe SocketAddress(peerOf: connection.pointee.descriptor)
        }
        if unsafe connection.pointee.local.family == .none {
            unsafe connection.pointee.local = unsafe SocketAddress(localOf: connection.pointee.descriptor)
        }
        // Who connects to a UNIX socket has no name, mostly; then it is the socket's, as in Envoy.
        if unsafe connection.pointee.remote.family == .unix { unsafe connection.pointee.remote = unsafe connection.pointee.local }
    }
}

/// An address without port as text, on the stack.
@safe
struct AddressText {
    private var text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    private var count = 0

    init(_ address: SocketAddress) {
        unsafe withUnsafeMutableBytes(of: &text) { raw in
            let base = unsafe raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
            count = unsafe address.writeIP(base)
        }
    }

    /// Good while `self` stays where it is: use at once.
    mutating func bytes() -> Bytes {
        let count = count
        return unsafe withUnsafeBytes(of: &text) { raw in unsafe Bytes(raw.baseAddress.unsafelyUnwrapped, count) }
    }
}

extension FrozenArray where Element == AddressRange {
    func contains(_ address: SocketAddress) -> Bool {
        for i in 0..<count where self[i].contains(address) { return true }
        return false
    }
}

extension AddressRange {
    func contains(_ other: SocketAddress) -> Bool {
        guard other.family == address.family else { return false }
        let bits = Int(prefixBits)
        switch address.family {
        case .ipv4:
            if bits == 0 { return true }
            let mask = UInt32.max << UInt32(32 - min(bits, 32))
            let a = UInt32(truncatingIfNeeded: address.high).byteSwapped
            let b = UInt32(truncatingIfNeeded: other.high).byteSwapped
            return a & mask == b & mask
        case .ipv6:
            let high = bits >= 64 ? UInt64.max : bits == 0 ? 0 : UInt64.max << UInt64(64 - bits)
            let low = bits <= 64 ? 0 : UInt64.max << UInt64(128 - min(bits, 128))
            return address.high.byteSwapped & high == other.high.byteSwapped & high
                && address.low.byteSwapped & low == other.low.byteSwapped & low
        case .unix, .none: return false
        }
    }
}
