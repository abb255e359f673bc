// What an expression gives, on the way and at the end. Trivial: texts and lists lie in the request, in frozen memory, or in the
// evaluation's scratch memory, and are good until the next evaluation.

import Primitives

@safe
enum CELValue: BitwiseCopyable {
    case error
    case null
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    case double(Double)
    case string(Bytes)
    case bytes(Bytes)
    case duration(CELTime)
    case timestamp(CELTime)
    /// Elements, and pairs of key and value, in scratch memory.
    case list(UnsafePointer<CELValue>, count: Int)
    case map(UnsafePointer<CELValue>, count: Int)
    /// A list or an object of configuration.
    case frozen(UnsafePointer<FrozenValue>)
    case headers(CELHeaders)
    /// What attributes of one sort stand under: `request`.
    case group(CELGroup)
    /// A message; nil: one without content.
    case message(CELMessage, UnsafePointer<FrozenValue>?)
    case type(CELType)

    @inline(__always)
    static func optional(_ bytes: Bytes?) -> CELValue? { bytes.map { .string($0) } }

    @inline(__always)
    var isError: Bool { if case .error = self { true } else { false } }

    /// What a value of configuration is.
    static func of(_ value: UnsafePointer<FrozenValue>) -> CELValue {
        switch unsafe value.pointee.kind {
        case .null: .null
        case .bool: unsafe .bool(value.pointee.number != 0)
        case .number: unsafe .double(value.pointee.number)
        case .text: unsafe .string(value.pointee.text)
        case .list, .object: unsafe .frozen(value)
        }
    }
}

enum CELHeaders: UInt8, BitwiseCopyable { case request, response, trailers }

/// Messages that attributes give.
enum CELMessage: UInt8, BitwiseCopyable { case metadata, node, locality }

enum CELType: UInt8, BitwiseCopyable {
    case null, bool, int, uint, double, string, bytes, duration, timestamp, list, map, type, message

    /// Nil: no name that an expression may say.
    init?(name: String) {
        switch name {
        case "null_type": self = .null
        case "bool": self = .bool
        case "int": self = .int
        case "uint": self = .uint
        case "double": self = .double
        case "string": self = .string
        case "bytes": self = .bytes
        case "list": self = .list
        case "map": self = .map
        case "type": self = .type
        default: return nil
        }
    }

    /// Nil: of an error.
    init?(of value: CELValue) {
        switch value {
        case .error: return nil
        case .null: self = .null
        case .bool: self = .bool
        case .int: self = .int
        case .uint: self = .uint
        case .double: self = .double
        case .string: self = .string
        case .bytes: self = .bytes
        case .duration: self = .duration
        case .timestamp: self = .timestamp
        case .list: self = .list
        case .frozen(let value): self = unsafe value.pointee.kind == .list ? .list : .map
        case .map, .headers, .group: self = .map
        case .message: self = .message
        case .type: self = .type
        }
    }
}

/// A moment since 1970, or a length of time. Nanoseconds are never below zero: -1.5 s are -2 s and 500,000,000 ns.
package struct CELTime: BitwiseCopyable {
    var seconds: Int64
    var nanoseconds: Int32

    /// Beyond this no time is told, about ten million years. Sums of two such never overflow.
    static let secondsMax: Int64 = 315_576_000_000_000

    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    init(nanoseconds: UInt64) {
        seconds = Int64(truncatingIfNeeded: nanoseconds / 1_000_000_000)
        self.nanoseconds = Int32(truncatingIfNeeded: nanoseconds % 1_000_000_000)
    }

    /// Nil: beyond what is told.
    func plus(_ other: CELTime) -> CELTime? {
        var sum = CELTime(seconds: seconds &+ other.seconds, nanoseconds: nanoseconds &+ other.nanoseconds)
        if sum.nanoseconds >= 1_000_000_000 {
            sum.nanoseconds &-= 1_000_000_000
            sum.seconds &+= 1
        }
        return sum.isTold ? sum : nil
    }

    var negated: CELTime {
        nanoseconds == 0
            ? CELTime(seconds: 0 &- seconds) : CELTime(seconds: -1 &- seconds, nanoseconds: 1_000_000_000 &- nanoseconds)
    }

    /// From the year 1 to the year 9999.
    var isTimestampOfProtobuf: Bool { seconds >= -62_135_596_800 && seconds <= 253_402_300_799 }
    /// Ten thousand years at the most.
    var isDurationOfProtobuf: Bool { magnitude.seconds <= CELTime.protobufSecondsMax }

    static let protobufSecondsMax: UInt64 = 315_576_000_000

    var isTold: Bool { seconds >= -CELTime.secondsMax && seconds <= CELTime.secondsMax }

    /// Without the sign: whole seconds and nanoseconds.
    var magnitude: (isNegative: Bool, seconds: UInt64, nanoseconds: UInt64) {
        let positive = seconds < 0 ? negated : self
        return (seconds < 0, UInt64(truncatingIfNeeded: positive.seconds), UInt64(truncatingIfNeeded: positive.nanoseconds))
    }

    static func order(_ a: CELTime, _ b: CELTime) -> CELOrder {
        if a.seconds != b.seconds { return a.seconds < b.seconds ? .less : .greater }
        return a.nanoseconds == b.nanoseconds ? .equal : a.nanoseconds < b.nanoseconds ? .less : .greater
    }
}

enum CELOrder: BitwiseCopyable { case less, equal, greater, none }
