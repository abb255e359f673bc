// What configuration says of the filters that look at a connection before its filter chain is chosen, frozen.

import Primitives
import Wire

@safe
package enum ListenerFilter: BitwiseCopyable {
    case tlsInspector(TLSInspectorConfig)
    case proxyProtocol(UnsafePointer<ProxyProtocolConfig>)
    /// The first statistic of `http_inspector.`.
    case httpInspector(UInt32)
    case originalDst
}

@safe
package struct ListenerFilterConfig: BitwiseCopyable {
    package var filter: ListenerFilter
    /// `filter_disabled`.
    package var disabled = FrozenArray<ListenerPredicate>()
    package init(_ filter: ListenerFilter) { self.filter = filter }
}

@safe
package struct TLSInspectorConfig: BitwiseCopyable {
    /// First statistic of `tls_inspector.`.
    package var stats: UInt32 = 0
    package var helloMax = 16_384
    package var closesOnError = false
    package var makesJA3 = false
    package var makesJA4 = false
    package init() {}
}

@safe
package struct ProxyProtocolConfig: BitwiseCopyable {
    /// Metadata or filter state that a TLV becomes.
    package struct Rule: BitwiseCopyable {
        package var type: UInt8
        package var namespace: Bytes
        package var key: Bytes
        package init(type: UInt8, namespace: Bytes, key: Bytes) {
            self.type = type
            self.namespace = namespace
            self.key = key
        }
    }

    package var options = ProxyHeader.Options()
    /// First statistic of `proxy_proto.[<stat_prefix>.]`, and of the old counter that all such filters share.
    package var stats: UInt32 = 0
    package var sharedStats: UInt32 = 0
    package var rules = FrozenArray<Rule>()
    /// `tlv_location`.
    package var isFilterState = false
    /// What a connection to an upstream may pass on.
    package var passedOn = ProxyTLVSet()
    /// What is kept as long as the connection: passed on, or of a rule.
    package var kept = ProxyTLVSet()
    package init() {}
}

/// A step of `filter_disabled`: what the connection's own port answers, and how that joins the answer so far. Steps stand
/// behind their operands (postfix), so that nothing is called from within.
@safe
package enum ListenerPredicate: BitwiseCopyable {
    case any
    case destinationPort(from: Int32, below: Int32)
    case not
    /// Of as many answers.
    case and(Int), or(Int)

    /// How many answers may wait for their step.
    package static let depthMax = 64

    static func evaluate(_ steps: FrozenArray<ListenerPredicate>, port: UInt16) -> Bool {
        // One bit for each answer that waits, the newest lowest.
        var answers: UInt64 = 0
        for i in 0..<steps.count {
            switch steps[i] {
            case .any: answers = answers &<< 1 | 1
            case .destinationPort(let from, let below):
                answers = answers &<< 1 | (Int32(port) >= from && Int32(port) < below ? 1 : 0)
            case .not: answers ^= 1
            case .and(let count), .or(let count):
                let mask = count >= 64 ? UInt64.max : (1 &<< UInt64(count)) &- 1
                let isTrue: Bool
                if case .and = steps[i] { isTrue = answers & mask == mask } else { isTrue = answers & mask != 0 }
                answers = (count >= 64 ? 0 : answers &>> UInt64(count)) &<< 1 | (isTrue ? 1 : 0)
            }
        }
        return answers & 1 == 1
    }
}
