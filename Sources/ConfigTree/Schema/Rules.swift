/// The constraints of one field. All numbers fit a Double exactly: the largest bound in Envoy's API is 2³¹.
struct Rules: Sendable {
    struct Bound: Sendable, Equatable {
        let value: Double
        let isInclusive: Bool
    }

    /// The descriptors give at least one: without any, nothing can break them.
    private(set) var areGiven = false
    var isRequired = false
    var isSkipped = false
    var lower: Bound?
    var upper: Bound?
    var constant: Bool?
    var lengthMin = 0
    var lengthMax = Int.max
    var bytesMin = 0
    var bytesMax = Int.max
    var pattern: String?
    var prefix = ""
    var suffix = ""
    var oneOf: [String] = []
    var header: HeaderRule?
    var ignoresEmpty = false
    var definedOnly = false
    var notIn: [Int32] = []
    var itemsMin = 0
    var itemsMax = Int.max
    var isUnique = false
    /// For each element of a list, for each key of a map.
    private var nested: [Rules] = []

    var element: Rules? { nested.first }

    enum HeaderRule: Sendable {
        case name(isStrict: Bool)
        case value(isStrict: Bool)
    }
}

// MARK: - Reading them from the descriptors

extension Rules {
    /// `FieldRules` of `validate.proto`.
    mutating func read(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        areGiven = true
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch number {
            case 2, 5, 6: try readNumber(bytes, range)
            case 13: try readBool(bytes, range)
            case 14: try readString(bytes, range)
            case 15: try readBytes(bytes, range)
            case 16: try readEnum(bytes, range)
            case 17: try readMessage(bytes, range)
            case 18: try readRepeated(bytes, range)
            case 19: try readMap(bytes, range)
            case 20: try readAny(bytes, range)
            case 21: try readDuration(bytes, range)
            default: throw .malformed  // a rule kind that Protos/validate.proto does not declare
            }
        }
    }

    private mutating func readNumber(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            let bound: Double
            switch value {
            case .varint(let bits): bound = Double(bits)
            case .fixed64(let bits): bound = Double(bitPattern: bits)
            default: throw .malformed
            }
            setBound(number - 2, bound)
        }
    }

    private mutating func readDuration(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            switch value {
            case .varint(let bits): isRequired = number == 1 && bits != 0
            case .bytes(let range): setBound(number - 3, try Rules.seconds(bytes, range))
            default: throw .malformed
            }
        }
    }

    /// `which`: 0 less, 1 less or equal, 2 greater, 3 greater or equal: the order in all number rules.
    private mutating func setBound(_ which: Int, _ value: Double) {
        let bound = Bound(value: value, isInclusive: which == 1 || which == 3)
        if which < 2 { upper = bound } else { lower = bound }
    }

    private static func seconds(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) -> Double {
        var reader = WireReader(bytes, range)
        var seconds: Int64 = 0
        var nanos: Int64 = 0
        while let (number, value) = try reader.next() {
            guard case .varint(let bits) = value else { throw .malformed }
            if number == 1 { seconds = Int64(bitPattern: bits) } else { nanos = Int64(bitPattern: bits) }
        }
        return DurationText.seconds(seconds, nanos)
    }

    private mutating func readBool(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        try Rules.eachVarint(bytes, range) { _, value in constant = value != 0 }
    }

    private mutating func readString(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        var reader = WireReader(bytes, range)
        var regex: UInt64 = 0
        var isStrict = true
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (2, .varint(let value)): lengthMin = Int(clamping: value)
            case (3, .varint(let value)): lengthMax = Int(clamping: value)
            case (5, .varint(let value)): bytesMax = Int(clamping: value)
            case (6, .bytes(let range)):
                pattern = reader.text(range)
                guard let pattern, KnownPattern.meaning[pattern] != nil else { throw .malformed }
            case (7, .bytes(let range)): prefix = reader.text(range)
            case (8, .bytes(let range)): suffix = reader.text(range)
            case (10, .bytes(let range)): oneOf.append(reader.text(range))
            case (24, .varint(let value)): regex = value
            case (25, .varint(let value)): isStrict = value != 0
            case (26, .varint(let value)): ignoresEmpty = value != 0
            default: throw .malformed
            }
        }
        switch regex {
        case 1: header = .name(isStrict: isStrict)
        case 2: header = .value(isStrict: isStrict)
        default: break
        }
    }

    private mutating func readBytes(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        try Rules.eachVarint(bytes, range) { number, value in
            if number == 2 { bytesMin = Int(clamping: value) } else { bytesMax = Int(clamping: value) }
        }
    }

    private mutating func readEnum(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        try Rules.eachVarint(bytes, range) { number, value in
            if number == 2 { definedOnly = value != 0 } else { notIn.append(Int32(truncatingIfNeeded: value)) }
        }
    }

    private mutating func readMessage(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        try Rules.eachVarint(bytes, range) { number, value in
            if number == 1 { isSkipped = value != 0 } else { isRequired = value != 0 }
        }
    }

    private mutating func readAny(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        try Rules.eachVarint(bytes, range) { _, value in isRequired = value != 0 }
    }

    private mutating func readRepeated(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .varint(let value)): itemsMin = Int(clamping: value)
            case (2, .varint(let value)): itemsMax = Int(clamping: value)
            case (3, .varint(let value)): isUnique = value != 0
            case (4, .bytes(let range)): try readNested(bytes, range)
            default: throw .malformed
            }
        }
    }

    private mutating func readMap(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .varint(let value)): itemsMin = Int(clamping: value)
            case (4, .bytes(let range)): try readNested(bytes, range)
            default: throw .malformed
            }
        }
    }

    private mutating func readNested(_ bytes: [UInt8], _ range: Range<Int>) throws(WireError) {
        var rules = element ?? Rules()
        try rules.read(bytes, range)
        nested = [rules]
    }

    private static func eachVarint(
        _ bytes: [UInt8], _ range: Range<Int>, _ body: (Int, UInt64) -> Void
    ) throws(WireError) {
        var reader = WireReader(bytes, range)
        while let (number, value) = try reader.next() {
            guard case .varint(let bits) = value else { throw .malformed }
            body(number, bits)
        }
    }
}
