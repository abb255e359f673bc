// Why a stream ended as it did, in Envoy's letters (`%RESPONSE_FLAGS%`).
//
// A set that knows in which order its flags came: logs and spans list them so, as Envoy does (`URX,UT`: no retry was left,
// then the time was over).

package struct ResponseFlags: BitwiseCopyable, ExpressibleByArrayLiteral, Sendable {
    /// Flags whose order is known; those beyond them follow in the order of `names`.
    private static let orderedMax = 6
    private static let placeBits = 5

    /// A bit for each flag.
    package private(set) var rawValue: UInt32 = 0
    /// Numbers of the flags counted from 1, five bits each, the first one lowest; 0: no more.
    private var order: UInt32 = 0

    package init() {}
    /// Of flags that came in no known order.
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
        if rawValue.nonzeroBitCount == 1 { order = UInt32(truncatingIfNeeded: rawValue.trailingZeroBitCount) &+ 1 }
    }
    package init(arrayLiteral elements: ResponseFlags...) {
        for flags in elements { formUnion(flags) }
    }

    package var isEmpty: Bool { rawValue == 0 }
    package func contains(_ flag: ResponseFlags) -> Bool { rawValue & flag.rawValue == flag.rawValue }
    package mutating func insert(_ flags: ResponseFlags) { formUnion(flags) }

    package mutating func formUnion(_ flags: ResponseFlags) {
        flags.forEach { number in
            let bit = UInt32(1) << UInt32(truncatingIfNeeded: number)
            guard rawValue & bit == 0 else { return }
            let place = rawValue.nonzeroBitCount
            if place < ResponseFlags.orderedMax {
                order |= (UInt32(truncatingIfNeeded: number) &+ 1) << UInt32(truncatingIfNeeded: place &* ResponseFlags.placeBits)
            }
            rawValue |= bit
        }
    }

    /// The flags' places in `names`, in the order in which they came.
    @inline(__always)
    package func forEach(_ body: (Int) -> Void) {
        var rest = rawValue
        var ordered = order
        while ordered != 0 {
            let number = Int(ordered & 31) &- 1
            ordered >>= UInt32(ResponseFlags.placeBits)
            rest &= ~(UInt32(1) << UInt32(truncatingIfNeeded: number))
            body(number)
        }
        while rest != 0 {
            body(rest.trailingZeroBitCount)
            rest &= rest &- 1
        }
    }

    package static let failedLocalHealthCheck = ResponseFlags(rawValue: 1 << 0)  // LH
    package static let noHealthyUpstream = ResponseFlags(rawValue: 1 << 1)  // UH
    package static let upstreamRequestTimeout = ResponseFlags(rawValue: 1 << 2)  // UT
    package static let localReset = ResponseFlags(rawValue: 1 << 3)  // LR
    package static let upstreamRemoteReset = ResponseFlags(rawValue: 1 << 4)  // UR
    package static let upstreamConnectionFailure = ResponseFlags(rawValue: 1 << 5)  // UF
    package static let upstreamConnectionTermination = ResponseFlags(rawValue: 1 << 6)  // UC
    package static let upstreamOverflow = ResponseFlags(rawValue: 1 << 7)  // UO
    package static let noRouteFound = ResponseFlags(rawValue: 1 << 8)  // NR
    package static let delayInjected = ResponseFlags(rawValue: 1 << 9)  // DI
    package static let faultInjected = ResponseFlags(rawValue: 1 << 10)  // FI
    package static let rateLimited = ResponseFlags(rawValue: 1 << 11)  // RL
    package static let unauthorizedExternalService = ResponseFlags(rawValue: 1 << 12)  // UAEX
    package static let rateLimitServiceError = ResponseFlags(rawValue: 1 << 13)  // RLSE
    package static let downstreamConnectionTermination = ResponseFlags(rawValue: 1 << 14)  // DC
    package static let upstreamRetryLimitExceeded = ResponseFlags(rawValue: 1 << 15)  // URX
    package static let streamIdleTimeout = ResponseFlags(rawValue: 1 << 16)  // SI
    package static let invalidEnvoyRequestHeaders = ResponseFlags(rawValue: 1 << 17)  // IH
    package static let downstreamProtocolError = ResponseFlags(rawValue: 1 << 18)  // DPE
    package static let upstreamMaxStreamDurationReached = ResponseFlags(rawValue: 1 << 19)  // UMSDR
    package static let responseFromCacheFilter = ResponseFlags(rawValue: 1 << 20)  // RFCF
    package static let noFilterConfigFound = ResponseFlags(rawValue: 1 << 21)  // NFCF
    package static let durationTimeout = ResponseFlags(rawValue: 1 << 22)  // DT
    package static let upstreamProtocolError = ResponseFlags(rawValue: 1 << 23)  // UPE
    package static let noClusterFound = ResponseFlags(rawValue: 1 << 24)  // NC
    package static let overloadManager = ResponseFlags(rawValue: 1 << 25)  // OM
    package static let dnsResolutionFailed = ResponseFlags(rawValue: 1 << 26)  // DF
    package static let dropOverload = ResponseFlags(rawValue: 1 << 27)  // DO
    package static let downstreamRemoteReset = ResponseFlags(rawValue: 1 << 28)  // DR

    /// Short and long name of each flag, by its bit.
    package static let names: [(flag: ResponseFlags, short: StaticString, long: StaticString)] = [
        (.failedLocalHealthCheck, "LH", "FailedLocalHealthCheck"),
        (.noHealthyUpstream, "UH", "NoHealthyUpstream"),
        (.upstreamRequestTimeout, "UT", "UpstreamRequestTimeout"),
        (.localReset, "LR", "LocalReset"),
        (.upstreamRemoteReset, "UR", "UpstreamRemoteReset"),
        (.upstreamConnectionFailure, "UF", "UpstreamConnectionFailure"),
        (.upstreamConnectionTermination, "UC", "UpstreamConnectionTermination"),
        (.upstreamOverflow, "UO", "UpstreamOverflow"),
        (.noRouteFound, "NR", "NoRouteFound"),
        (.delayInjected, "DI", "DelayInjected"),
        (.faultInjected, "FI", "FaultInjected"),
        (.rateLimited, "RL", "RateLimited"),
        (.unauthorizedExternalService, "UAEX", "UnauthorizedExternalService"),
        (.rateLimitServiceError, "RLSE", "RateLimitServiceError"),
        (.downstreamConnectionTermination, "DC", "DownstreamConnectionTermination"),
        (.upstreamRetryLimitExceeded, "URX", "UpstreamRetryLimitExceeded"),
        (.streamIdleTimeout, "SI", "StreamIdleTimeout"),
        (.invalidEnvoyRequestHeaders, "IH", "InvalidEnvoyRequestHeaders"),
        (.downstreamProtocolError, "DPE", "DownstreamProtocolError"),
        (.upstreamMaxStreamDurationReached, "UMSDR", "UpstreamMaxStreamDurationReached"),
        (.responseFromCacheFilter, "RFCF", "ResponseFromCacheFilter"),
        (.noFilterConfigFound, "NFCF", "NoFilterConfigFound"),
        (.durationTimeout, "DT", "DurationTimeout"),
        (.upstreamProtocolError, "UPE", "UpstreamProtocolError"),
        (.noClusterFound, "NC", "NoClusterFound"),
        (.overloadManager, "OM", "OverloadManagerTerminated"),
        (.dnsResolutionFailed, "DF", "DnsResolutionFailed"),
        (.dropOverload, "DO", "DropOverload"),
        (.downstreamRemoteReset, "DR", "DownstreamRemoteReset"),
    ]
}
