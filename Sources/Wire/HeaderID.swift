// The header names that some part of the path asks for by name. A decoder gives each field its id once; every later
// question ("is there a `host`?") is an index, not a comparison.
//
// Adding a name: one case here, and it is found by the decoder, the chain and the format operators.

import Primitives

public enum HeaderID: UInt8, CaseIterable {
    /// Any name that is not listed here.
    case other = 0
    case host, contentLength, connection, transferEncoding, te, trailer, upgrade, expect, keepAlive, proxyConnection
    case contentType, contentEncoding, accept, acceptEncoding, userAgent, referer, origin, cookie, setCookie
    case authorization, location, server, date, via, cacheControl, etag, lastModified, vary, range, http2Settings
    case xForwardedFor, xForwardedProto, xForwardedHost, xForwardedPort, xForwardedClientCert, xRequestId, forwarded
    // What a request may say of its trace, in one range (`MessageHead.hasAny`); the `x-envoy-` names begin in it.
    case xClientTraceId, xB3Traceid, traceparent, tracestate, xEnvoyForceTrace, xEnvoyDecoratorOperation
    case xEnvoyExpectedRqTimeoutMs, xEnvoyUpstreamServiceTime, xEnvoyOriginalPath, xEnvoyOriginalHost, xEnvoyOriginalURL
    case xEnvoyInternal, xEnvoyExternalAddress, xEnvoyAttemptCount, xEnvoyOverloaded, xEnvoyRatelimited
    case xEnvoyMaxRetries, xEnvoyRetryOn, xEnvoyRetryGrpcOn, xEnvoyRetriableStatusCodes, xEnvoyRetriableHeaderNames
    case xEnvoyUpstreamRqTimeoutMs, xEnvoyUpstreamRqPerTryTimeoutMs, xEnvoyUpstreamAltStatName
    case xEnvoyUpstreamRqTimeoutAltResponse, xEnvoyUpstreamStreamDurationMs, xEnvoyHedgeOnPerTryTimeout
    case xEnvoyOriginalDstHost, xEnvoyIpTags
    case xEnvoyDownstreamServiceCluster, xEnvoyDownstreamServiceNode, xEnvoyIsTimeoutRetry
    case xEnvoyUpstreamCanary, xEnvoyImmediateHealthCheckFail, xEnvoyDegraded, xEnvoyUpstreamHealthcheckedCluster
    case xEnvoyLocalOverloaded, grpcStatus, grpcMessage, grpcTimeout, proxyStatus, proxyAuthenticate
    case proxyAuthorization, secWebsocketKey, altSvc, accessControlRequestMethod

    /// The name as it is sent: lower case.
    public var name: StaticString {
        switch self {
        case .other: ""
        case .host: "host"
        case .connection: "connection"
        case .contentLength: "content-length"
        case .transferEncoding: "transfer-encoding"
        case .te: "te"
        case .trailer: "trailer"
        case .upgrade: "upgrade"
        case .expect: "expect"
        case .keepAlive: "keep-alive"
        case .proxyConnection: "proxy-connection"
        case .contentType: "content-type"
        case .contentEncoding: "content-encoding"
        case .accept: "accept"
        case .acceptEncoding: "accept-encoding"
        case .userAgent: "user-agent"
        case .referer: "referer"
        case .origin: "origin"
        case .cookie: "cookie"
        case .setCookie: "set-cookie"
        case .authorization: "authorization"
        case .location: "location"
        case .server: "server"
        case .date: "date"
        case .via: "via"
        case .cacheControl: "cache-control"
        case .etag: "etag"
        case .lastModified: "last-modified"
        case .vary: "vary"
        case .range: "range"
        case .http2Settings: "http2-settings"
        case .xForwardedFor: "x-forwarded-for"
        case .xForwardedProto: "x-forwarded-proto"
        case .xForwardedHost: "x-forwarded-host"
        case .xForwardedPort: "x-forwarded-port"
        case .xForwardedClientCert: "x-forwarded-client-cert"
        case .xRequestId: "x-request-id"
        case .xClientTraceId: "x-client-trace-id"
        case .forwarded: "forwarded"
        case .xEnvoyExpectedRqTimeoutMs: "x-envoy-expected-rq-timeout-ms"
        case .xEnvoyUpstreamServiceTime: "x-envoy-upstream-service-time"
        case .xEnvoyOriginalPath: "x-envoy-original-path"
        case .xEnvoyOriginalHost: "x-envoy-original-host"
        case .xEnvoyOriginalURL: "x-envoy-original-url"
        case .xEnvoyInternal: "x-envoy-internal"
        case .xEnvoyExternalAddress: "x-envoy-external-address"
        case .xEnvoyAttemptCount: "x-envoy-attempt-count"
        case .xEnvoyOverloaded: "x-envoy-overloaded"
        case .xEnvoyRatelimited: "x-envoy-ratelimited"
        case .xEnvoyMaxRetries: "x-envoy-max-retries"
        case .xEnvoyRetryOn: "x-envoy-retry-on"
        case .xEnvoyRetryGrpcOn: "x-envoy-retry-grpc-on"
        case .xEnvoyRetriableStatusCodes: "x-envoy-retriable-status-codes"
        case .xEnvoyRetriableHeaderNames: "x-envoy-retriable-header-names"
        case .xEnvoyUpstreamRqTimeoutMs: "x-envoy-upstream-rq-timeout-ms"
        case .xEnvoyUpstreamRqPerTryTimeoutMs: "x-envoy-upstream-rq-per-try-timeout-ms"
        case .xEnvoyUpstreamAltStatName: "x-envoy-upstream-alt-stat-name"
        case .xEnvoyUpstreamRqTimeoutAltResponse: "x-envoy-upstream-rq-timeout-alt-response"
        case .xEnvoyUpstreamStreamDurationMs: "x-envoy-upstream-stream-duration-ms"
        case .xEnvoyHedgeOnPerTryTimeout: "x-envoy-hedge-on-per-try-timeout"
        case .xEnvoyDecoratorOperation: "x-envoy-decorator-operation"
        case .xEnvoyForceTrace: "x-envoy-force-trace"
        case .xEnvoyOriginalDstHost: "x-envoy-original-dst-host"
        case .xEnvoyIpTags: "x-envoy-ip-tags"
        case .xEnvoyDownstreamServiceCluster: "x-envoy-downstream-service-cluster"
        case .xEnvoyDownstreamServiceNode: "x-envoy-downstream-service-node"
        case .xEnvoyIsTimeoutRetry: "x-envoy-is-timeout-retry"
        case .xEnvoyUpstreamCanary: "x-envoy-upstream-canary"
        case .xEnvoyImmediateHealthCheckFail: "x-envoy-immediate-health-check-fail"
        case .xEnvoyDegraded: "x-envoy-degraded"
        case .xEnvoyUpstreamHealthcheckedCluster: "x-envoy-upstream-healthchecked-cluster"
        case .xEnvoyLocalOverloaded: "x-envoy-local-overloaded"
        case .grpcStatus: "grpc-status"
        case .grpcMessage: "grpc-message"
        case .grpcTimeout: "grpc-timeout"
        case .proxyStatus: "proxy-status"
        case .proxyAuthenticate: "proxy-authenticate"
        case .proxyAuthorization: "proxy-authorization"
        case .secWebsocketKey: "sec-websocket-key"
        case .altSvc: "alt-svc"
        case .accessControlRequestMethod: "access-control-request-method"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .xB3Traceid: "x-b3-traceid"
        }
    }
}

/// Name → id by one hash and one comparison. Built once per process, read-only afterwards.
public enum HeaderNames {
    private static let tableBits = 9
    @safe
    private struct Table: @unchecked Sendable {  // written once, before any reader: `static let`
        let slots: UnsafeMutablePointer<UInt8>
        let names: UnsafeMutablePointer<Bytes>
        let seed: UInt64
    }

    private static let table: Table = {
        let ids = HeaderID.allCases
        let slots = UnsafeMutablePointer<UInt8>.allocate(capacity: 1 << tableBits)
        let names = UnsafeMutablePointer<Bytes>.allocate(capacity: ids.count)
        for id in ids { unsafe (names + Int(id.rawValue)).initialize(to: Bytes(id.name)) }
        // A seed without collisions exists (tested): 90 names in 512 slots.
        var seed: UInt64 = 1
        search: while true {
            unsafe slots.initialize(repeating: 0, count: 1 << tableBits)
            for id in ids where id != .other {
                let slot = Int(key(Bytes(id.name), seed))
                if unsafe slots[slot] != 0 {
                    seed &+= 1
                    continue search
                }
                unsafe slots[slot] = id.rawValue
            }
            return unsafe Table(slots: slots, names: names, seed: seed)
        }
    }()

    /// First, middle and last bytes and the length: enough to keep the listed names apart, whatever the name's length.
    @inline(__always)
    private static func key(_ name: Bytes, _ seed: UInt64) -> UInt64 {
        let last = name.count &- 1
        var word = UInt64(name[0]) | UInt64(name[last]) << 8 | UInt64(name[name.count >> 1]) << 16
        word |= UInt64(truncatingIfNeeded: name.count) << 24
        word |= UInt64(name[(name.count &* 3) >> 2]) << 40 | UInt64(name[name.count >> 2]) << 48
        return (word &* (0x9e37_79b9_7f4a_7c15 &+ seed &* 0x1_0000_0001_b3)) >> UInt64(64 - tableBits)
    }

    // HOT: per header field.
    /// The id of a lower-case name.
    public static func id(of name: Bytes) -> HeaderID {
        guard name.count > 1 else { return .other }
        let table = table
        let raw = unsafe table.slots[Int(key(name, table.seed))]
        guard raw != 0, unsafe isEqual(table.names[Int(raw)], name) else { return .other }
        // Invariant: the table holds raw values of cases and 0.
        return unsafe unsafeBitCast(raw, to: HeaderID.self)
    }

    /// For names, which are short: by words, without a call. `name` has two bytes or more.
    @inline(__always)
    private static func isEqual(_ known: Bytes, _ name: Bytes) -> Bool {
        let count = name.count
        guard known.count == count else { return false }
        let a = unsafe UnsafeRawPointer(known.base)
        let b = unsafe UnsafeRawPointer(name.base)
        if count < 8 {
            if count < 4 {
                let last = count &- 2
                return unsafe a.loadUnaligned(as: UInt16.self) == b.loadUnaligned(as: UInt16.self)
                    && a.loadUnaligned(fromByteOffset: last, as: UInt16.self) == b.loadUnaligned(fromByteOffset: last, as: UInt16.self)
            }
            let last = count &- 4
            return unsafe a.loadUnaligned(as: UInt32.self) == b.loadUnaligned(as: UInt32.self)
                && a.loadUnaligned(fromByteOffset: last, as: UInt32.self) == b.loadUnaligned(fromByteOffset: last, as: UInt32.self)
        }
        // The last word may overlap the one before it.
        let last = count &- 8
        var at = 0
        while at < last {
            if unsafe a.loadUnaligned(fromByteOffset: at, as: UInt64.self) != b.loadUnaligned(fromByteOffset: at, as: UInt64.self) {
                return false
            }
            at &+= 8
        }
        return unsafe a.loadUnaligned(fromByteOffset: last, as: UInt64.self) == b.loadUnaligned(fromByteOffset: last, as: UInt64.self)
    }
}
