// `proxy_status_config`: the field `proxy-status` says why a response is not what the next hop answered (RFC 9209).

import Primitives
import Wire

package struct ProxyStatusConfig: BitwiseCopyable {
    /// `literal_proxy_name`, the node's id, or the connection manager's server name.
    package var name: Bytes
    /// The `details` parameter, and the response flags in it.
    package var hasDetails = true
    package var hasFlags = true
    /// `set_recommended_response_code`.
    package var setsStatus = false

    package init(name: Bytes) { self.name = name }
}

/// RFC 9209 §2.3: the errors that a response flag stands for, and the status recommended for them.
package enum ProxyError: CaseIterable {
    case destinationUnavailable, destinationNotFound, connectionTimeout, connectionTerminated, connectionRefused
    case connectionLimitReached, httpResponseTimeout, httpRequestError, httpProtocolError, proxyConfigurationError
    case dnsError

    package var name: StaticString {
        switch self {
        case .destinationUnavailable: "destination_unavailable"
        case .destinationNotFound: "destination_not_found"
        case .connectionTimeout: "connection_timeout"
        case .connectionTerminated: "connection_terminated"
        case .connectionRefused: "connection_refused"
        case .connectionLimitReached: "connection_limit_reached"
        case .httpResponseTimeout: "http_response_timeout"
        case .httpRequestError: "http_request_error"
        case .httpProtocolError: "http_protocol_error"
        case .proxyConfigurationError: "proxy_configuration_error"
        case .dnsError: "dns_error"
        }
    }

    /// 0: whatever the response has.
    package var status: UInt16 {
        switch self {
        case .httpRequestError: 0
        case .destinationNotFound, .proxyConfigurationError: 500
        case .connectionTerminated, .connectionRefused, .httpProtocolError, .dnsError: 502
        case .destinationUnavailable, .connectionLimitReached: 503
        case .connectionTimeout, .httpResponseTimeout: 504
        }
    }

    /// Flags and errors in Envoy's order: the first flag that is set decides. Without DPE: Envoy sets it when the
    /// answer to a request that cannot be read has gone.
    private static let flags: [(flag: ResponseFlags, error: ProxyError)] = [
        (.failedLocalHealthCheck, .destinationUnavailable), (.noHealthyUpstream, .destinationUnavailable),
        (.upstreamRequestTimeout, .httpResponseTimeout), (.localReset, .connectionTimeout),
        (.upstreamRemoteReset, .connectionTerminated), (.upstreamConnectionFailure, .connectionRefused),
        (.upstreamConnectionTermination, .connectionTerminated), (.upstreamOverflow, .connectionLimitReached),
        (.noRouteFound, .destinationNotFound), (.rateLimited, .connectionLimitReached),
        (.rateLimitServiceError, .connectionLimitReached), (.upstreamRetryLimitExceeded, .destinationUnavailable),
        (.streamIdleTimeout, .httpResponseTimeout), (.invalidEnvoyRequestHeaders, .httpRequestError),
        (.upstreamMaxStreamDurationReached, .httpResponseTimeout),
        (.noFilterConfigFound, .proxyConfigurationError), (.upstreamProtocolError, .httpProtocolError),
        (.noClusterFound, .destinationUnavailable), (.dnsResolutionFailed, .dnsError),
    ]

    package init?(_ flags: ResponseFlags) {
        guard let entry = ProxyError.flags.first(where: { flags.contains($0.flag) }) else { return nil }
        self = entry.error
    }
}

extension ProxyStatusConfig {
    /// One member of the field's list into `output`, or, without one, only its length.
    package func write(
        _ error: ProxyError, details: Bytes, flags: ResponseFlags, _ output: UnsafeMutablePointer<UInt8>?
    ) -> Int {
        var text = unsafe MeasuredText(base: output)
        text.put(name)
        text.put(Bytes("; error=" as StaticString))
        text.put(Bytes(error.name))
        guard hasDetails, !details.isEmpty else { return text.count }
        text.put(Bytes("; details=\"" as StaticString))
        // RFC 8941 §3.3.3: in a string, quote and backslash stand behind a backslash.
        for i in 0..<details.count {
            if details[i] == 0x22 || details[i] == 0x5c { text.put(0x5c) }
            text.put(details[i])
        }
        if hasFlags, !flags.isEmpty {
            var separator = Bytes("; " as StaticString)
            flags.forEach { number in
                text.put(separator)
                text.put(FlagNames.name(number, long: false))
                separator = Bytes("," as StaticString)
            }
        }
        text.put(0x22)
        return text.count
    }
}

/// Writes, or only measures.
@safe
private struct MeasuredText {
    let base: UnsafeMutablePointer<UInt8>?
    var count = 0

    init(base: UnsafeMutablePointer<UInt8>?) { unsafe self.base = unsafe base }

    mutating func put(_ byte: UInt8) {
        if let base = unsafe base { unsafe base[count] = byte }
        count &+= 1
    }

    mutating func put(_ bytes: Bytes) {
        if let base = unsafe base { unsafe (base + count).update(from: bytes.base, count: bytes.count) }
        count &+= bytes.count
    }
}

extension Worker {
    /// The response's last touch but for `connection`: its flags say whether it has an error to tell.
    func addProxyStatus(_ stream: StreamPointer, _ config: UnsafePointer<ProxyStatusConfig>) {
        guard let error = unsafe ProxyError(stream.pointee.flags) else { return }
        let flags = unsafe stream.pointee.flags
        let details = unsafe stream.pointee.details
        let length = unsafe config.pointee.write(error, details: details, flags: flags, nil)
        let old = unsafe stream.pointee.response.index(of: .proxyStatus)
        // RFC 9209 §2: members of upstream proxies stay, in front.
        let before = old.map { unsafe stream.pointee.response.value($0).count &+ 2 } ?? 0
        guard let (span, base) = unsafe stream.pointee.response.extend(before &+ length) else { return }
        if let old {
            let value = unsafe stream.pointee.response.value(old)
            unsafe base.update(from: value.base, count: value.count)
            unsafe base[value.count] = UInt8(ascii: ",")
            unsafe base[value.count &+ 1] = UInt8(ascii: " ")
        }
        _ = unsafe config.pointee.write(error, details: details, flags: flags, base + before)
        if let old {
            unsafe stream.pointee.response.setValue(at: old, span)
        } else {
            let name = unsafe stream.pointee.response.store(Bytes(HeaderID.proxyStatus.name))
            unsafe stream.pointee.response.append(name: name, value: span, id: .proxyStatus)
        }
        if unsafe config.pointee.setsStatus, error.status != 0 { unsafe stream.pointee.response.status = error.status }
    }
}
