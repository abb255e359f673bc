import Primitives
import Testing
import Wire

/// Length-prefixed messages, whole and in any pieces.
@Suite struct GRPCFramesTests {
    private static let body: [UInt8] = [0, 0, 0, 0, 2, 7, 7] + [1, 0, 0, 0, 0] + [0, 0, 0, 1, 0] + [UInt8](repeating: 9, count: 256) + [0, 0, 0]

    @Test func messagesAreCountedWhereTheyBegin() {
        for split in 0...GRPCFramesTests.body.count {
            var frames = GRPCFrames()
            let first = Array(GRPCFramesTests.body[..<split]).withBytes { frames.count($0) }
            let second = Array(GRPCFramesTests.body[split...]).withBytes { frames.count($0) }
            #expect(first + second == 4, "split at \(split)")
        }
    }

    @Test func aMessageEndsWhereItsPrefixSays() {
        for step in [1, 2, 3, 5, 7, 1000] {
            var frames = GRPCFrames()
            var ends: [Int] = []
            var at = 0
            while at < GRPCFramesTests.body.count {
                let end = min(at + step, GRPCFramesTests.body.count)
                var from = at
                while from < end {
                    let (count, isComplete) = Array(GRPCFramesTests.body[from..<end]).withBytes { frames.take($0) }
                    from += count
                    if isComplete { ends.append(from) }
                }
                at = end
            }
            #expect(ends == [7, 12, 273], "in steps of \(step)")
            #expect(!frames.isBetweenMessages)
        }
    }

    @Test(arguments: [0, 1, 255, 256, 1 << 24, .max] as [UInt32]) func aPrefixIsReadAsItWasWritten(length: UInt32) {
        let prefix = GRPCFrames.prefix(length, flags: 1)
        let (flags, found) = [prefix.0, prefix.1, prefix.2, prefix.3, prefix.4].withBytes { GRPCFrames.parse(prefix: $0) }
        #expect(flags == 1 && found == length)
    }

    @Test func theLargestLengthIsNoTrap() {
        var frames = GRPCFrames()
        let (count, isComplete) = [0, 255, 255, 255, 255, 1].withBytes { frames.take($0) }
        #expect(count == 6 && !isComplete)
    }

    @Test(arguments: [
        ("/a.S/M", "a.S M"), ("/a.S/M?x=/y", "a.S M"), ("//a//b/", "a b"), ("a/b", "a b"), ("/a", ""), ("/a/b/c", ""), ("", ""), ("/", ""), ("/?a/b", ""),
    ])
    func aPathNamesAMethod(path: String, wanted: String) {
        let found = path.withBytes { path in GRPCContent.method(of: path).map { String($0.service) + " " + String($0.method) } }
        #expect(found ?? "" == wanted)
    }

    @Test(arguments: [
        ("1H", 3_600_000), ("99999999H", 359_999_996_400_000), ("3M", 180_000), ("7S", 7_000), ("5m", 5), ("1u", 1), ("1000u", 1), ("1001u", 2), ("1n", 1), ("0n", 0),
        ("1 S", 1_000), ("", nil), ("S", nil), ("123456789m", nil), ("1x", nil), ("-1S", nil), ("1", nil), ("1Sx", nil),
    ] as [(String, UInt64?)])
    func timeouts(text: String, wanted: UInt64?) {
        #expect(text.withBytes { GRPCTimeout.milliseconds($0) } == wanted)
    }

    @Test(arguments: [(0, "0m"), (99_999_999, "99999999m"), (100_000_000, "100000S"), (100_000_000_000, "1666666M"), (359_999_996_400_000, "99999999H"), (UInt64.max, "99999999H")])
    func timeoutsAsText(milliseconds: UInt64, wanted: String) {
        let (value, unit) = GRPCTimeout.text(milliseconds)
        #expect("\(value)\(Character(UnicodeScalar(unit)))" == wanted)
    }
}
