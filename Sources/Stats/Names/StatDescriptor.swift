/// What a statistic is, which decides how its cells are merged and shown.
public enum StatKind: UInt8, Sendable {
    /// Only grows; shown as the sum over all threads.
    case counter
    /// Goes up and down; shown as the sum over all threads.
    case gauge
    /// A gauge in which any thread may raise a flag or a high mark; shown as the largest share.
    case gaugeMax
    /// A distribution.
    case histogram
    /// A string that main holds.
    case textReadout
    /// A family of counters, one per response code, made as codes appear: `<name>200`, and the class counters
    /// `<name>2xx` derived from them.
    case responseCodes
    /// The same, with `<name>completed` derived too.
    case responseCodesWithCompleted

    @inlinable package var isGauge: Bool { self == .gauge || self == .gaugeMax }
}

/// What a histogram's samples count: for sinks that send units (statsd's `ms`); the admin output does not show it.
public enum StatUnit: UInt8, Sendable {
    case unspecified, bytes, microseconds, milliseconds
}

/// One leaf of a schema: its name below the scope's prefix, its kind, and when it is shown.
public struct StatDescriptor: Sendable {
    /// When a leaf is shown at all. Envoy creates some statistics on first use; we have their cells from the start
    /// and hide them until then.
    public enum Visibility: Sendable {
        case always
        /// Once it has been written.
        case whenUsed
        /// Once the counter with this raw value in the same schema has been written.
        case whenOtherUsed(leaf: UInt32)
        /// Once one of two counters has been written.
        case whenEitherUsed(UInt32, UInt32)
    }

    public let name: StaticString
    public let kind: StatKind
    public let unit: StatUnit
    public let visibility: Visibility

    public static func counter(_ name: StaticString, _ visibility: Visibility = .always) -> StatDescriptor {
        StatDescriptor(name: name, kind: .counter, unit: .unspecified, visibility: visibility)
    }

    public static func gauge(_ name: StaticString, _ visibility: Visibility = .always) -> StatDescriptor {
        StatDescriptor(name: name, kind: .gauge, unit: .unspecified, visibility: visibility)
    }

    public static func gaugeMax(_ name: StaticString, _ visibility: Visibility = .always) -> StatDescriptor {
        StatDescriptor(name: name, kind: .gaugeMax, unit: .unspecified, visibility: visibility)
    }

    public static func histogram(
        _ name: StaticString, _ unit: StatUnit, _ visibility: Visibility = .always
    ) -> StatDescriptor {
        StatDescriptor(name: name, kind: .histogram, unit: unit, visibility: visibility)
    }

    public static func text(_ name: StaticString, _ visibility: Visibility = .always) -> StatDescriptor {
        StatDescriptor(name: name, kind: .textReadout, unit: .unspecified, visibility: visibility)
    }

    /// `name` ends where the code begins: `upstream_rq_`.
    public static func responseCodes(_ name: StaticString, withCompleted: Bool = false) -> StatDescriptor {
        StatDescriptor(
            name: name, kind: withCompleted ? .responseCodesWithCompleted : .responseCodes, unit: .unspecified,
            visibility: .whenUsed)
    }
}
