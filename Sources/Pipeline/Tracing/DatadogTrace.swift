// What Datadog's spans of one request share: whether the trace is kept and who said so, the caller's origin and tags.

import Primitives
import Wire

struct DatadogTrace: BitwiseCopyable {
    enum Decision: UInt8, BitwiseCopyable {
        /// The caller's, who says himself how he came to it.
        case caller
        /// Everything is kept, as no agent has said otherwise.
        case standard
        /// The agent has asked for a share.
        case agent
        /// The configuration's.
        case manual
    }

    struct Verdict: BitwiseCopyable {
        /// Kept from 1 on: by a sampler 1, by somebody's wish 2; dropped by a sampler 0, by wish -1.
        var priority: Int64 = 1
        var decision = Decision.standard

        /// `_dd.p.dm`: how the decision came about; empty: it is not said, or by the caller.
        var mechanism: Bytes {
            guard priority > 0 else { return .empty }
            return switch decision {
            case .caller: .empty
            case .standard: Bytes("-0" as StaticString)
            case .agent: Bytes("-1" as StaticString)
            case .manual: Bytes("-4" as StaticString)
            }
        }
    }

    var verdict = Verdict()
    /// What it was before a mirror decided otherwise, until the upstream has been told.
    var first: Verdict?
    var isTold = false
    /// Of a sampler's.
    var rate = 1.0

    // Texts of `HeldSpans`.
    var origin = HeldText()
    /// `_dd.p.…=…` between commas.
    var tags = HeldText()
    /// The agent's rate.
    var share = HeldText()
    var problem = HeldText()
    var lastParent = HeldText()
    /// Other members of `tracestate`, and what Datadog's has beyond what we know.
    var otherMembers = HeldText()
    var otherFields = HeldText()
    /// The tags were too long to be told.
    var isUntold = false

    static let mechanismKey: StaticString = "_dd.p.dm"
    static let tagPrefix: StaticString = "_dd.p."
    static let highKey: StaticString = "_dd.p.tid"
    static let shareKey: StaticString = "_dd.p.ksr"

    // HOT: per message.
    /// The sampler of all of Datadog's libraries: the same traces everywhere. `rate`: 0 to 1.
    static func keeps(_ trace: UInt64, rate: Double) -> Bool {
        if rate >= 1 { return true }
        guard rate > 0, let threshold = UInt64(exactly: (rate * 0x1p64).rounded(.down)) else { return false }
        return trace &* 1_111_111_111_111_111_111 <= threshold
    }
}

extension HeldSpans {
    /// The configuration decides, over whatever was decided before.
    func decide(_ isKept: Bool) {
        datadog.verdict.decision = .manual
        datadog.verdict.priority = isKept ? 2 : -1
    }

    /// As `decide`, by a mirror that is begun before its request is sent.
    func decideOfMirror(_ isKept: Bool) {
        if !datadog.isTold, datadog.first == nil { datadog.first = datadog.verdict }
        decide(isKept)
    }

    /// Tags of the whole trace, in the order in which they are told.
    func forEachTag(_ body: (_ key: Bytes, _ value: Bytes) -> Void) {
        var mechanism = datadog.verdict.mechanism
        _ = DatadogContext.forEachTag(text(datadog.tags)) { key, value in
            guard datadog.verdict.decision != .caller, key.equals(Bytes(DatadogTrace.mechanismKey)) else { return body(key, value) }
            // The caller's mechanism stands for the caller's decision: ours takes its place.
            if !mechanism.isEmpty { body(key, mechanism) }
            mechanism = .empty
        }
        if !mechanism.isEmpty { body(Bytes(DatadogTrace.mechanismKey), mechanism) }
        if datadog.verdict.decision == .agent { body(Bytes(DatadogTrace.shareKey), text(datadog.share)) }
    }

    // MARK: `tracestate`

    /// Bytes of Datadog's member.
    private static let memberMax = 256

    func writeState(_ span: UInt64, into out: inout TextBuffer) {
        let start = out.count
        out.put("dd=s:")
        if datadog.verdict.priority < 0 { out.put(UInt8(ascii: "-")) }
        out.put(decimal: datadog.verdict.priority.magnitude)
        out.put(";p:")
        out.put(hex: span, width: 16)
        let origin = text(datadog.origin)
        if !origin.isEmpty {
            out.put(";o:")
            HeldSpans.put(origin, into: &out, isKey: false)
        }
        forEachTag { key, value in
            if key.equals(Bytes(DatadogTrace.highKey)) { return }
            out.put(";t.")
            HeldSpans.put(key.from(DatadogTrace.tagPrefix.utf8CodeUnitCount), into: &out, isKey: true)
            out.put(UInt8(ascii: ":"))
            HeldSpans.put(value, into: &out, isKey: false)
        }
        if !datadog.otherFields.isEmpty {
            out.put(UInt8(ascii: ";"))
            out.put(text(datadog.otherFields))
        }
        // A field that does not fit is left out, and so are those behind it.
        if out.count - start > HeldSpans.memberMax {
            var end = start + HeldSpans.memberMax
            while end > start, out.bytes[end] != UInt8(ascii: ";") { end -= 1 }
            out.truncate(to: end)
        }
        guard !datadog.otherMembers.isEmpty else { return }
        out.put(UInt8(ascii: ","))
        out.put(text(datadog.otherMembers))
    }

    /// Bytes that separate or that no `tracestate` may have are underscores.
    private static func put(_ text: Bytes, into out: inout TextBuffer, isKey: Bool) {
        for i in 0..<text.count {
            let byte = text[i]
            let isSeparator =
                isKey
                ? byte == 0x20 || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "=")
                : byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") || byte == UInt8(ascii: "~")
            if byte < 0x20 || byte > 0x7e || isSeparator {
                out.put(UInt8(ascii: "_"))
            } else {
                out.put(!isKey && byte == UInt8(ascii: "=") ? UInt8(ascii: "~") : byte)
            }
        }
    }
}
