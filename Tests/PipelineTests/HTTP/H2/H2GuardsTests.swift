import Pipeline
import Testing
import Wire

struct H2GuardsTests {
    private let options = H2Options()

    @Test func emptyFramesInARow() {
        var guards = H2Guards()
        guards.received(type: 0, endStream: false, isEmpty: true, options)
        #expect(guards.flood == .none)
        // A frame with something in it, and one that ends its stream, begin the count anew.
        guards.received(type: 0, endStream: false, isEmpty: false, options)
        guards.received(type: 0, endStream: false, isEmpty: true, options)
        guards.received(type: 0, endStream: true, isEmpty: true, options)
        guards.received(type: 9, endStream: false, isEmpty: true, options)
        #expect(guards.flood == .none)
        guards.received(type: 9, endStream: false, isEmpty: true, options)
        #expect(guards.flood == .emptyFrames)
    }

    @Test func priorityFramesPerStream() {
        var guards = H2Guards()
        guards.openedStreams = 1
        for _ in 0..<200 { guards.received(type: 2, endStream: false, isEmpty: false, options) }
        #expect(guards.flood == .none)
        guards.received(type: 2, endStream: false, isEmpty: false, options)
        #expect(guards.flood == .priorityFrames)
    }

    @Test func windowUpdatesPerDataFrame() {
        var guards = H2Guards()
        guards.openedStreams = 1
        guards.sent(type: 0)
        for _ in 0..<27 { guards.received(type: 8, endStream: false, isEmpty: false, options) }
        #expect(guards.flood == .none)
        guards.received(type: 8, endStream: false, isEmpty: false, options)
        #expect(guards.flood == .windowUpdates)
    }

    @Test func controlFramesThatWait() {
        var guards = H2Guards()
        for _ in 0..<1_000 { guards.owes(options) }
        #expect(guards.flood == .none)
        guards.sent(type: 6)
        guards.owes(options)
        #expect(guards.flood == .none)
        guards.left(type: 4)
        guards.owes(options)
        #expect(guards.flood == .none)
        guards.owes(options)
        #expect(guards.flood == .outboundControl)
    }

    @Test func framesThatWait() {
        var guards = H2Guards()
        guards.look(waiting: 10_000, options)
        #expect(guards.flood == .none)
        guards.look(waiting: 10_001, options)
        #expect(guards.flood == .outbound)
    }

    /// The first flood is what the connection ends for.
    @Test func theFirstFloodCounts() {
        var guards = H2Guards()
        guards.look(waiting: 10_001, options)
        for _ in 0..<1_002 { guards.owes(options) }
        #expect(guards.flood == .outbound)
    }
}

struct H2ResetsTests {
    @Test func halfOfAtLeastFiveHundred() {
        var resets = H2Resets()
        for _ in 0..<249 {
            let isOver = resets.ended(lifetimeNs: 0, hasStatus: false, wasReset: true)
            #expect(!isOver)
        }
        let isOver = resets.ended(lifetimeNs: 0, hasStatus: false, wasReset: true)
        #expect(isOver)
    }

    @Test func answeredOnesAreNotPremature() {
        var resets = H2Resets()
        for _ in 0..<10_000 {
            let isOver = resets.ended(lifetimeNs: 0, hasStatus: true, wasReset: true)
            #expect(!isOver)
        }
        for _ in 0..<10_000 {
            let isOver = resets.ended(lifetimeNs: 2_000_000_000, hasStatus: false, wasReset: true)
            #expect(!isOver)
        }
        for _ in 0..<10_000 {
            let isOver = resets.ended(lifetimeNs: 0, hasStatus: false, wasReset: false)
            #expect(!isOver)
        }
    }

    @Test func aMinorityIsLetPass() {
        var resets = H2Resets()
        for _ in 0..<10_000 {
            let first = resets.ended(lifetimeNs: 0, hasStatus: true, wasReset: false)
            let second = resets.ended(lifetimeNs: 0, hasStatus: true, wasReset: false)
            let third = resets.ended(lifetimeNs: 0, hasStatus: false, wasReset: true)
            #expect(!first && !second && !third)
        }
    }
}
