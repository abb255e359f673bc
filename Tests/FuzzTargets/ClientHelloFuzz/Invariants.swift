// What must always hold of the ClientHello parser, checked by the fuzzer and, over its corpus, by WireTests:
// - nothing is read outside of the bytes, nothing written outside of the scratch memory (the address sanitizer says),
// - what has been found, or refused, stays so when more bytes come: it does not matter in what pieces a hello arrives,
// - a name is one that a certificate can be looked up by, a list of protocols one that can be read to its end.

import Primitives
import Wire

enum ClientHelloInvariants {
    private enum Outcome: Equatable { case needMore, notTLS, refused, found([UInt8], [UInt8]) }

    /// Traps when one is broken.
    static func check(_ input: Bytes) {
        guard input.count > 0 else { return }
        let most = [64, 300, 1_024, 16_384][Int(input[0] & 3)]
        let bytes = input.from(1)
        let whole = outcome(bytes, most)
        // Each prefix of a short input; of a long one those around its records' ends are among these.
        let step = max(1, bytes.count / 256)
        var decided: Outcome?
        for count in stride(from: 0, to: bytes.count, by: step) {
            let now = outcome(bytes.prefix(count), most)
            if let decided, decided != now { fatalError("\(decided), then \(now) after \(count) bytes") }
            if now != .needMore { decided = now }
        }
        if let decided, decided != whole { fatalError("\(decided), then \(whole) in the end") }
    }

    /// With memory of its own, so that not a byte beyond either is there.
    private static func outcome(_ bytes: Bytes, _ most: Int) -> Outcome {
        let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: most)
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        defer {
            unsafe scratch.deallocate()
            unsafe copy.deallocate()
        }
        for i in 0..<bytes.count { unsafe copy[i] = bytes[i] }
        switch unsafe ClientHello.read(Bytes(UnsafeRawPointer(copy), bytes.count), max: most, scratch: scratch) {
        case .needMore: return .needMore
        case .notTLS: return .notTLS
        case .tooLarge, .malformed: return .refused
        case .found(let name, let protocols):
            checkName(name)
            checkProtocols(protocols)
            return .found(array(name), array(protocols))
        }
    }

    private static func array(_ bytes: Bytes) -> [UInt8] { (0..<bytes.count).map { bytes[$0] } }

    private static func checkName(_ name: Bytes) {
        if name.count > 255 { fatalError("a name of \(name.count) bytes") }
        for i in 0..<name.count where name[i] == 0 { fatalError("a name with NUL") }
    }

    private static func checkProtocols(_ list: Bytes) {
        var at = 0
        while at < list.count {
            let count = Int(list[at])
            if count == 0 || at + 1 + count > list.count { fatalError("a list of protocols that does not end") }
            at += 1 + count
        }
    }
}
