// The records of a frozen route table. All trivial; all references are indices into the table's sections.

/// What a request must show beside its path. Routes without any condition (most) have none of these.
struct ConditionRecord {
    var headers: RecordRange
    var queryParameters: RecordRange
    var cookies: RecordRange
    var external: RecordRange
    /// `runtime_fraction`; looked at only with `hasFraction`.
    var fraction: RuntimeFraction
    var hasFraction: Bool
    var flags: ConditionFlags
}

struct ConditionFlags: OptionSet {
    let rawValue: UInt8
    static let grpcOnly = ConditionFlags(rawValue: 1)
    static let asksPresented = ConditionFlags(rawValue: 2)
    static let presented = ConditionFlags(rawValue: 4)
    static let asksValidated = ConditionFlags(rawValue: 8)
    static let validated = ConditionFlags(rawValue: 16)
}

enum RoutePathKind: UInt8 {
    /// The trie has proved the literal; nothing of the path is left to check.
    case prefix, exact
    /// The trie has proved the literal; the next byte must be `/` or nothing.
    case separatedPrefix
    /// The trie has proved the regex's literal prefix; the rest of the path must match `program`.
    case regex
    case connect
}

struct RouteRecord {
    var kind: RoutePathKind
    /// Bytes of the path that the trie has proved.
    var literalCount: UInt32
    /// For `regex`.
    var program: UInt32
    /// Index of the `ConditionRecord`, or `noIndex`.
    var conditions: UInt32
}

/// Routes that a request whose path led here may take, ascending; the lowest that accepts it wins.
struct BucketRecord {
    /// Into the list section; when `count` is 1, the route's index itself.
    var list: UInt32
    var count: UInt32
    /// Routes filed by the exact value of a header.
    var groups: RecordRange
    /// Regex routes tried at once; `noIndex` when there are few.
    var regexSet: UInt32
}

/// The routes of one bucket that ask one header for an exact value: an open-addressing table from value to routes.
struct HeaderGroupRecord {
    var header: HeaderSource
    /// A power of two of slots, at most three quarters full, so that a search ends.
    var slots: UInt32
    var slotMask: UInt32
    /// The lowest route in here: nothing to look for once a lower one has matched.
    var lowestRoute: UInt32
}

struct HeaderSlotRecord {
    var value: TextRef
    var list: UInt32
    /// 0: free.
    var count: UInt32
    var hash: UInt32
}

/// Regex routes of one bucket behind one RE2::Set.
struct RegexSetRecord {
    var set: UInt32
    /// Pattern number → route, ascending.
    var routes: RecordRange
}

struct VirtualHostRecord {
    /// Roots of the tries over the routes' literals, or `noIndex`.
    var caseSensitiveRoot: UInt32
    var caseInsensitiveRoot: UInt32
    /// Bucket of the CONNECT routes, or `noIndex`.
    var connectBucket: UInt32
    /// Index of this virtual host's first route among all.
    var firstRoute: UInt32
    var requireTLS: TLSRequirement
}
