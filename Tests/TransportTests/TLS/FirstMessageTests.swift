import Primitives
import Testing
@testable import Transport

/// RFC 8446 §4, §5.1 and §6; what ends is Envoy 1.40's.
@Suite struct FirstMessageTests {
    private static func record(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
        [type, 3, 1, UInt8(truncatingIfNeeded: body.count >> 8), UInt8(truncatingIfNeeded: body.count)] + body
    }

    /// The beginning of a message that says that it is this long.
    private static func hello(_ length: Int, type: UInt8 = 1) -> [UInt8] {
        [type, UInt8(truncatingIfNeeded: length >> 16), UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length), 3, 3]
    }

    private struct Outcome: Equatable {
        var fault: FirstMessage.Fault?
        var isAwaited = true
    }

    /// In pieces of `size`.
    private func outcome(_ bytes: [UInt8], sizeMax: Int = 16_384, size: Int = .max) -> Outcome {
        var first = FirstMessage(isAwaited: true)
        var place = 0
        while place < bytes.count {
            let end = size < bytes.count - place ? place + size : bytes.count
            if let fault = Array(bytes[place..<end]).withBytes({ first.received($0, sizeMax: sizeMax) }) {
                return Outcome(fault: fault, isAwaited: first.isAwaited)
            }
            place = end
        }
        return Outcome(fault: nil, isAwaited: first.isAwaited)
    }

    private static let cases: [(bytes: [UInt8], fault: FirstMessage.Fault?, isAwaited: Bool)] = [
        (record(22, hello(16_384)), nil, false),
        (record(22, hello(16_385)), .tooLarge, false),
        (record(22, hello(1 << 24 - 1)), .tooLarge, false),
        // Whatever sort of message it is.
        (record(22, Array("hello".utf8)), .tooLarge, false),
        // A message may be cut anywhere, and a record may be empty.
        (record(22, [1]) + record(22, [0, 0x40]) + record(22, [1, 3, 3]), .tooLarge, false),
        (record(22, []) + record(22, [1, 1]) + record(22, []) + record(22, [0, 0, 3]), .tooLarge, false),
        (record(22, [1]) + record(22, [0, 0, 200, 3]), nil, false),
        (record(20, [1]), .foreignRecord, false), (record(23, [1, 2]), .foreignRecord, false), (record(99, []), .foreignRecord, false),
        (record(21, [2, 40]), .alert(40), false), (record(21, [1, 0]), .closed, false), (record(21, [2, 0]), .alert(0), false),
        (record(21, [1, 90]), nil, false), (record(21, [3, 40]), .unknownAlertLevel, false), (record(21, Array("hello".utf8)), .malformedAlert, false),
        // OpenSSL's to refuse: another protocol, a record that is too long.
        (Array("GET / HTTP/1.1\r\n".utf8), nil, false), ([22, 4, 1, 0, 5], nil, false), ([22, 3, 1, 0xff, 0xff], nil, false), ([23, 3, 1, 0xff, 0xff], nil, false),
        ([], nil, true),
    ]

    @Test func theFirstMessageDecides() {
        for one in FirstMessageTests.cases {
            for size in [Int.max, 1, 2, 3, 5, 7] {
                #expect(outcome(one.bytes, size: size) == Outcome(fault: one.fault, isAwaited: one.isAwaited), "\(one.bytes) in pieces of \(size)")
            }
        }
    }

    @Test func theLastByteOfALengthDecides() {
        for (bytes, count) in [(FirstMessageTests.record(22, FirstMessageTests.hello(16_385)), 9), (FirstMessageTests.record(21, [2, 40]), 7)] {
            for cut in 0..<count { #expect(outcome(Array(bytes.prefix(cut))) == Outcome(fault: nil, isAwaited: true), "\(cut)") }
            #expect(outcome(Array(bytes.prefix(count))).fault != nil)
        }
    }

    @Test func whoIsAskedForACertificateMaySayMore() {
        #expect(outcome(FirstMessageTests.record(22, FirstMessageTests.hello(102_400)), sizeMax: FirstMessage.sizeMaxWithCertificate).fault == nil)
        #expect(outcome(FirstMessageTests.record(22, FirstMessageTests.hello(102_401)), sizeMax: FirstMessage.sizeMaxWithCertificate).fault == .tooLarge)
    }

    @Test func aClientLooksAtNothing() {
        var first = FirstMessage(isAwaited: false)
        #expect(FirstMessageTests.record(23, [1]).withBytes { first.received($0, sizeMax: 1) } == nil)
    }
}
