// What must always hold of the ClientHello parser and of the fingerprints made of a hello, checked by the fuzzer and, over its corpus, by WireTests:
// - nothing is read outside of the bytes, nothing written outside of the scratch memory (the address sanitizer says),
// - what has been found, or refused, stays so when more bytes come: it does not matter in what pieces a hello arrives,
// - a name is one that a certificate can be looked up by, a list of protocols one that can be read to its end,
// - a hello that is found has fingerprints of the right shape, in the room that they are given.

import Primitives
import Wire

enum ClientHelloInvariants {
    private enum Outcome: Equatable { case needMore, notTLS(Int), refused(Int), found([UInt8], [UInt8], Int) }

    /// Traps when one is broken.
    static func check(_ input: Bytes) {
        guard input.count > 0 else { return }
        let most = [64, 300, 1_024, 16_384][Int(input[0] & 3)]
        let bytes = input.from(1)
        let whole = outcome(bytes, most)
        if whole != outcome(bytes, most, before: 255) { fatalError("it depends on what the scratch memory held") }
        let step = max(1, bytes.count / 64)
        var decided: Outcome?
        for count in 0..<bytes.count where count < 16 || count % step == 0 {
            let now = outcome(bytes.prefix(count), most)
            if let decided, decided != now { fatalError("\(decided), then \(now) after \(count) bytes") }
            if now != .needMore { decided = now }
        }
        if let decided, decided != whole { fatalError("\(decided), then \(whole) in the end") }
    }

    /// With memory of its own, so that not a byte beyond either is there.
    private static func outcome(_ bytes: Bytes, _ most: Int, before: UInt8 = 0) -> Outcome {
        let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: most)
        unsafe scratch.initialize(repeating: before, count: most)
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        defer {
            unsafe scratch.deallocate()
            unsafe copy.deallocate()
        }
        for i in 0..<bytes.count { unsafe copy[i] = bytes[i] }
        var read = 0
        let answer = unsafe ClientHello.read(Bytes(UnsafeRawPointer(copy), bytes.count), max: most, scratch: scratch, read: &read)
        if read > min(bytes.count, most) { fatalError("more was read than there is") }
        switch answer {
        case .needMore: return .needMore
        case .notTLS: return .notTLS(read)
        case .tooLarge: return .refused(read)
        case .found(let name, let protocols):
            checkName(name)
            checkProtocols(protocols)
            unsafe checkFingerprints(scratch)
            return .found(array(name), array(protocols), read)
        }
    }

    private static func array(_ bytes: Bytes) -> [UInt8] { (0..<bytes.count).map { bytes[$0] } }

    private static func checkName(_ name: Bytes) {
        if name.count > 255 { fatalError("a name of \(name.count) bytes") }
        for i in 0..<name.count where name[i] == 0 { fatalError("a name with NUL") }
    }

    /// `message`: with its type and length.
    private static func checkFingerprints(_ message: UnsafeMutablePointer<UInt8>) {
        let length = unsafe Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
        guard let hello = unsafe HelloFingerprint(Bytes(UnsafeRawPointer(message + 4), length)) else { return }
        let out = UnsafeMutablePointer<UInt8>.allocate(capacity: HelloFingerprint.textMax)
        defer { unsafe out.deallocate() }
        func text(_ count: Int) -> [UInt8] { unsafe Array(UnsafeBufferPointer(start: out, count: count)) }
        let ja3 = unsafe text(hello.ja3(into: out))
        let isDigits = ja3.allSatisfy { ($0 >= 48 && $0 <= 57) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ",") }
        if !isDigits || ja3.count(where: { $0 == UInt8(ascii: ",") }) != 4 { fatalError("JA3 of another shape") }
        unsafe hello.ja4Head(into: out)
        let head = text(10)
        if head[0] != UInt8(ascii: "t") || head[4..<8].contains(where: { $0 < 48 || $0 > 57 }) { fatalError("JA4 of another shape") }
        let ciphers = unsafe text(hello.ja4Ciphers(into: out))
        if !ciphers.isEmpty, ciphers.count % 5 != 4 { fatalError("ciphers of another shape") }
        // In order, so their text is.
        let numbers = ciphers.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) }
        if numbers != numbers.sorted() { fatalError("ciphers that are not in order") }
        _ = unsafe text(hello.ja4Extensions(into: out))
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
