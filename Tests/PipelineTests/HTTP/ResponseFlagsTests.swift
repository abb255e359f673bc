import Testing

@testable import Pipeline

/// A set that knows the order of its members.
struct ResponseFlagsTests {
    private func names(_ flags: ResponseFlags) -> [String] {
        var names: [String] = []
        flags.forEach { names.append("\(ResponseFlags.names[$0].short)") }
        return names
    }

    @Test func theOrderIsThatInWhichTheyCame() {
        var flags: ResponseFlags = []
        #expect(flags.isEmpty)
        flags.insert(.upstreamRetryLimitExceeded)
        flags.insert(.upstreamRequestTimeout)
        flags.insert(.upstreamRetryLimitExceeded)
        #expect(names(flags) == ["URX", "UT"])
        flags.formUnion([.upstreamConnectionFailure, .upstreamRequestTimeout])
        #expect(names(flags) == ["URX", "UT", "UF"])
        #expect(flags.contains(.upstreamRequestTimeout) && !flags.contains(.noRouteFound) && !flags.isEmpty)
        #expect(flags.rawValue == 1 << 15 | 1 << 2 | 1 << 5)
    }

    @Test func aNameForEveryBit() {
        for (i, name) in ResponseFlags.names.enumerated() {
            #expect(name.flag.rawValue == 1 << UInt32(i))
            #expect(names(name.flag) == ["\(name.short)"])
        }
    }

    @Test func moreThanItsOrderHoldsFollowInTheirPlaces() {
        let order = [20, 3, 28, 0, 11, 7]
        var flags: ResponseFlags = []
        for number in order + [26, 1, 5] { flags.insert(ResponseFlags.names[number].flag) }
        #expect(names(flags) == (order + [1, 5, 26]).map { "\(ResponseFlags.names[$0].short)" })
        #expect(names(ResponseFlags(rawValue: 1 << 5 | 1 << 2)) == ["UT", "UF"])
        #expect(names(ResponseFlags(rawValue: .max >> 3)).count == ResponseFlags.names.count)
    }
}
