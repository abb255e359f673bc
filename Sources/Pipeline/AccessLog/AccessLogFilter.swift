// Which events an access log writes: its filter as a tree in prefix order, and its evaluation.

import Primitives
import Routing
import Wire

@safe
package struct AccessLogFilterNode: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable {
        case status, duration, notHealthCheck, traceable, fraction, and, or, header, flags, grpcStatus, metadata, type, expression
    }
    package enum Comparison: UInt8, BitwiseCopyable { case equal, notEqual, greaterOrEqual, lessOrEqual }

    package var kind: Kind
    package var comparison = Comparison.equal
    package var excludes = false
    /// `use_independent_randomness`
    package var isIndependent = false
    /// What a header matcher says when there is no head, or `metadata_filter` when nothing is under its key.
    package var withoutHead = false
    /// A number to compare with, a fraction's numerator, or the set of flags, codes or types as bits.
    package var value: UInt64 = 0
    /// A fraction's denominator.
    package var denominator: UInt64 = 100
    /// What the runtime says in place of `value`.
    package var cell: RuntimeCell?
    /// The node behind this one and all below it.
    package var end = 0
    package var conditions: HeaderConditions?
    /// `metadata_filter`; nil: no key is named.
    package var metadata: UnsafePointer<MetadataCondition>?
    /// `envoy.access_loggers.extension_filters.cel`
    package var program: CELProgram?

    package init(_ kind: Kind) { self.kind = kind }

    @inline(__always)
    func compares(_ number: UInt64) -> Bool {
        // Envoy keeps the number in 32 bits.
        let value = cell.map { UInt64(UInt32(truncatingIfNeeded: $0.integer(default: self.value))) } ?? self.value
        return switch comparison {
        case .equal: number == value
        case .notEqual: number != value
        case .greaterOrEqual: number >= value
        case .lessOrEqual: number <= value
        }
    }

    /// Whether bit `index` is among the wanted ones.
    @inline(__always)
    func has(_ index: UInt64) -> Bool { index < 64 && value & (1 << index) != 0 }
}

extension FormatWriter {
    // HOT: per message.
    mutating func holds(_ filter: FrozenArray<AccessLogFilterNode>, _ source: FormatSource) -> Bool {
        filter.isEmpty || holds(filter, at: 0, source)
    }

    private mutating func holds(
        _ filter: FrozenArray<AccessLogFilterNode>, at index: Int, _ source: FormatSource
    ) -> Bool {
        let node = filter[index]
        switch node.kind {
        case .and, .or:
            let wanted = node.kind == .or
            var next = index &+ 1
            while next < node.end {
                if holds(filter, at: next, source) == wanted { return wanted }
                next = filter[next].end
            }
            return !wanted
        case .status: return node.compares(UInt64(source.responseCode))
        case .duration: return node.compares((source.duration(.duration) ?? 0) / 1_000_000)
        case .notHealthCheck: return unsafe source.stream?.pointee.isHealthCheck != true
        case .traceable:
            guard let stream = unsafe source.stream, unsafe !stream.pointee.isHealthCheck else { return false }
            return unsafe stream.pointee.traceReason != .notTraceable
        case .fraction:
            // As Envoy does it: the runtime's integer is a numerator above the configured denominator.
            let numerator = node.cell?.integer(default: node.value) ?? node.value
            return ticket(node, source) % max(node.denominator, 1) < numerator
        case .header:
            guard let conditions = node.conditions, let stream = unsafe source.stream else { return node.withoutHead }
            return unsafe conditions.hold(stream.pointee.request)
        case .flags:
            let flags = UInt64(source.flags.rawValue)
            return node.value == 0 ? flags != 0 : flags & node.value != 0
        case .grpcStatus: return node.has(UInt64(bitPattern: FormatWriter.anyGRPCCode(source))) != node.excludes
        case .metadata:
            guard let condition = unsafe node.metadata, case .text(let text) = unsafe evaluate(condition.pointee.piece, source)
            else { return node.withoutHead }
            return unsafe condition.pointee.holds(text)
        case .type: return node.has(UInt64(source.logType.rawValue)) != node.excludes
        case .expression: return node.program.map { holds($0, source) } ?? false
        }
    }

    /// The request id's first eight digits, so that every log and hop picks the same requests; else a random number.
    private mutating func ticket(_ node: AccessLogFilterNode, _ source: FormatSource) -> UInt64 {
        if !node.isIndependent, let stream = unsafe source.stream,
            let id = unsafe stream.pointee.request.value(of: .xRequestId), id.count == 36,
            let number = FormatWriter.hexadecimal(id.prefix(8))
        {
            return number
        }
        return random.next()
    }

    private static func hexadecimal(_ digits: Bytes) -> UInt64? {
        var value: UInt64 = 0
        for i in 0..<digits.count {
            let byte = Bytes.lower(digits[i])
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt64(byte &- 0x30)
            case 0x61...0x66: value = value << 4 | UInt64(byte &- 0x57)
            default: return nil
            }
        }
        return value
    }
}

extension FormatWriter {
    /// As a filter asks it: of any response, gRPC or not.
    static func anyGRPCCode(_ source: FormatSource) -> Int64 {
        guard let stream = unsafe source.stream else { return 2 }
        if let text = unsafe grpcText(stream) { return code(text) }
        return source.responseCode == 0 ? 2 : GRPCStatus.code(httpStatus: source.responseCode)
    }
}
