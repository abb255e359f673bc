// Datadog's propagation: `x-datadog-…`, and its member of `tracestate`. Reading, pure.

import Primitives
import Wire

/// What the fields of Datadog's own say of the caller.
package struct DatadogContext: BitwiseCopyable {
    package var trace: UInt64 = 0
    package var parent: UInt64 = 0
    package var priority: Int64?
    package var origin = Bytes.empty
    package var tags = Bytes.empty

    package static let traceField: StaticString = "x-datadog-trace-id"
    package static let parentField: StaticString = "x-datadog-parent-id"
    package static let priorityField: StaticString = "x-datadog-sampling-priority"
    package static let originField: StaticString = "x-datadog-origin"
    package static let tagsField: StaticString = "x-datadog-tags"
    /// Bytes of `x-datadog-tags`, in and out.
    package static let tagsMax = 512

    package enum Reading: BitwiseCopyable {
        case found(DatadogContext)
        case nothing
        /// Something is there and is no number, or a number is missing.
        case wrong
    }

    package static func read(_ head: MessageHead) -> Reading {
        var context = DatadogContext()
        guard let trace = head.value(named: Bytes(traceField)) else { return .nothing }
        guard let number = trace.trimmed.decimal, number != 0 else { return .wrong }
        context.trace = number
        context.origin = head.value(named: Bytes(originField)) ?? .empty
        if let parent = head.value(named: Bytes(parentField)) {
            guard let number = parent.trimmed.decimal else { return .wrong }
            context.parent = number
        } else if context.origin.isEmpty {
            // What began elsewhere than in a traced service says so, and has no span.
            return .wrong
        }
        if let priority = head.value(named: Bytes(priorityField)) {
            guard let number = signed(priority.trimmed) else { return .wrong }
            context.priority = number
        }
        context.tags = head.value(named: Bytes(tagsField)) ?? .empty
        return .found(context)
    }

    /// A decimal number that fits into 32 bits.
    package static func signed(_ text: Bytes) -> Int64? {
        let isNegative = !text.isEmpty && text[0] == UInt8(ascii: "-")
        guard let magnitude = (isNegative ? text.from(1) : text).decimal, magnitude <= UInt64(Int32.max) else { return nil }
        return isNegative ? -Int64(magnitude) : Int64(magnitude)
    }

    // MARK: Tags

    /// `key=value` between commas; false: one is not.
    package static func forEachTag(_ text: Bytes, _ body: (_ key: Bytes, _ value: Bytes) -> Void) -> Bool {
        var isRight = true
        split(text, UInt8(ascii: ",")) { pair in
            guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { return isRight = false }
            body(pair.prefix(equals), pair.from(equals + 1))
        }
        return isRight
    }

    static func split(_ text: Bytes, _ separator: UInt8, _ body: (Bytes) -> Void) {
        var start = 0
        while start < text.count {
            let end = text.firstIndex(of: separator, from: start) ?? text.count
            body(text.part(start, end))
            start = end + 1
        }
    }
}

/// Datadog's member of a `tracestate`, and what stands around it.
package struct DatadogState: BitwiseCopyable {
    package var before = Bytes.empty
    package var after = Bytes.empty
    /// `key:value` between semicolons.
    package var fields = Bytes.empty
    package var priority: Int64?
    package var origin = Bytes.empty
    /// The caller's own last span, in hexadecimal digits.
    package var parent = Bytes.empty

    package static func parse(_ text: Bytes) -> DatadogState {
        var state = DatadogState()
        var start = 0
        state.before = text
        while start < text.count {
            let end = text.firstIndex(of: UInt8(ascii: ","), from: start) ?? text.count
            let member = text.part(start, end).trimmed
            if member.hasPrefix(Bytes("dd=" as StaticString)) {
                state.fields = member.from(3)
                state.before = text.prefix(max(start - 1, 0))
                state.after = text.from(min(end + 1, text.count))
                break
            }
            start = end + 1
        }
        state.forEachField { key, value in
            switch kind(key) {
            case .priority: state.priority = DatadogContext.signed(value)
            case .origin: state.origin = value
            case .parent: state.parent = value
            case .tag, .other: break
            }
        }
        return state
    }

    package enum Kind { case priority, origin, parent, tag, other }

    package static func kind(_ key: Bytes) -> Kind {
        if key.count == 1 {
            switch key[0] {
            case UInt8(ascii: "s"): return .priority
            case UInt8(ascii: "o"): return .origin
            case UInt8(ascii: "p"): return .parent
            default: return .other
            }
        }
        return key.count > 2 && key.hasPrefix(Bytes("t." as StaticString)) ? .tag : .other
    }

    package func forEachField(_ body: (_ key: Bytes, _ value: Bytes) -> Void) {
        DatadogContext.split(fields, UInt8(ascii: ";")) { field in
            guard let colon = field.firstIndex(of: UInt8(ascii: ":")) else { return }
            body(field.prefix(colon), field.from(colon + 1))
        }
    }
}
