// What a ClientHello says of the software that sent it: the texts whose digests are its JA3 and JA4 fingerprints. A pure
// function over a hello that `ClientHello.read` has taken apart; the digests are the caller's.
//
// JA3: five lists of numbers, joined. JA4: what can be told at a glance, then ciphers and extensions in order of their
// numbers. GREASE (RFC 8701) is left out, but as in Envoy 1.40 not out of JA3's groups.

import Primitives

@safe
package struct HelloFingerprint {
    /// Room that a text of a hello of 16 KiB needs at most, its numbers included.
    package static let textMax = 60_000

    private var version: UInt16 = 0
    private var ciphers = Bytes.empty
    private var extensions = Bytes.empty
    private var supportedVersions = Bytes.empty
    private var groups = Bytes.empty
    private var pointFormats = Bytes.empty
    private var signatures = Bytes.empty
    private var firstProtocol = Bytes.empty
    private var hasName = false

    /// `message`: without its type and length. Nil: it is none.
    package init?(_ message: Bytes) {
        guard message.count >= 35 else { return nil }
        version = HelloFingerprint.number(message, 0)
        // RFC 8446 §4.1.2: version and random, session id, cipher suites, compression methods, extensions.
        var place = 34
        guard HelloFingerprint.vector(message, 1, &place) != nil, let ciphers = HelloFingerprint.vector(message, 2, &place),
            HelloFingerprint.vector(message, 1, &place) != nil
        else { return nil }
        self.ciphers = ciphers
        guard place < message.count else { return }
        guard let list = HelloFingerprint.vector(message, 2, &place) else { return nil }
        extensions = list
        var at = 0
        while let (type, body) = HelloFingerprint.extension(list, &at) {
            var inside = 0
            switch type {
            case 0: hasName = true
            case 10: groups = HelloFingerprint.vector(body, 2, &inside) ?? .empty
            case 11: pointFormats = HelloFingerprint.vector(body, 1, &inside) ?? .empty
            case 13: signatures = HelloFingerprint.vector(body, 2, &inside) ?? .empty
            case 16:
                let names = HelloFingerprint.vector(body, 2, &inside) ?? .empty
                var first = 0
                firstProtocol = HelloFingerprint.vector(names, 1, &first) ?? .empty
            case 43: supportedVersions = HelloFingerprint.vector(body, 1, &inside) ?? .empty
            default: break
            }
        }
    }

    // MARK: JA3

    /// `version,ciphers,extensions,groups,formats` in decimal; how many bytes. `out`: `textMax` bytes.
    package func ja3(into out: UnsafeMutablePointer<UInt8>) -> Int {
        var n = unsafe HelloFingerprint.put(decimal: version, out, 0)
        unsafe HelloFingerprint.put(UInt8(ascii: ","), out, &n)
        unsafe list(ciphers, width: 2, out, &n)
        unsafe HelloFingerprint.put(UInt8(ascii: ","), out, &n)
        var at = 0
        var isFirst = true
        while let (type, _) = HelloFingerprint.extension(extensions, &at) {
            if HelloFingerprint.isGrease(type) { continue }
            if !isFirst { unsafe HelloFingerprint.put(UInt8(ascii: "-"), out, &n) }
            isFirst = false
            n = unsafe HelloFingerprint.put(decimal: type, out, n)
        }
        unsafe HelloFingerprint.put(UInt8(ascii: ","), out, &n)
        unsafe list(groups, width: 2, keepsGrease: true, out, &n)
        unsafe HelloFingerprint.put(UInt8(ascii: ","), out, &n)
        unsafe list(pointFormats, width: 1, out, &n)
        return n
    }

    private func list(_ bytes: Bytes, width: Int, keepsGrease: Bool = false, _ out: UnsafeMutablePointer<UInt8>, _ n: inout Int) {
        var place = 0
        var isFirst = true
        while place &+ width <= bytes.count {
            let value = width == 1 ? UInt16(bytes[place]) : HelloFingerprint.number(bytes, place)
            place &+= width
            if width == 2, !keepsGrease, HelloFingerprint.isGrease(value) { continue }
            if !isFirst { unsafe HelloFingerprint.put(UInt8(ascii: "-"), out, &n) }
            isFirst = false
            n = unsafe HelloFingerprint.put(decimal: value, out, n)
        }
    }

    // MARK: JA4

    /// `t13d1516h2`: ten bytes.
    package func ja4Head(into out: UnsafeMutablePointer<UInt8>) {
        var n = 0
        unsafe HelloFingerprint.put(UInt8(ascii: "t"), out, &n)
        let (high, low) = versionText
        unsafe HelloFingerprint.put(high, out, &n)
        unsafe HelloFingerprint.put(low, out, &n)
        unsafe HelloFingerprint.put(hasName ? UInt8(ascii: "d") : UInt8(ascii: "i"), out, &n)
        let counts = (cipherCount, extensionCount)
        for i in 0..<2 {
            let shown = min(i == 0 ? counts.0 : counts.1, 99)
            unsafe HelloFingerprint.put(UInt8(ascii: "0") &+ UInt8(shown / 10), out, &n)
            unsafe HelloFingerprint.put(UInt8(ascii: "0") &+ UInt8(shown % 10), out, &n)
        }
        let (first, last) = protocolText
        unsafe HelloFingerprint.put(first, out, &n)
        unsafe HelloFingerprint.put(last, out, &n)
    }

    /// The ciphers in order; how many bytes, 0: none. `out`: `textMax` bytes.
    package func ja4Ciphers(into out: UnsafeMutablePointer<UInt8>) -> Int {
        var numbers = unsafe SortedNumbers(out)
        var place = 0
        while place &+ 2 <= ciphers.count {
            let value = HelloFingerprint.number(ciphers, place)
            place &+= 2
            if !HelloFingerprint.isGrease(value) { numbers.append(value) }
        }
        return numbers.write()
    }

    /// The extensions in order, without those for name and protocols, and the signature algorithms as they came; how many
    /// bytes, 0: there are no extensions at all.
    package func ja4Extensions(into out: UnsafeMutablePointer<UInt8>) -> Int {
        guard extensionCount > 0 else { return 0 }
        var numbers = unsafe SortedNumbers(out)
        var at = 0
        while let (type, _) = HelloFingerprint.extension(extensions, &at) {
            if type != 0, type != 16, !HelloFingerprint.isGrease(type) { numbers.append(type) }
        }
        var n = numbers.write()
        var place = 0
        var isFirst = true
        while place &+ 2 <= signatures.count {
            let value = HelloFingerprint.number(signatures, place)
            place &+= 2
            if HelloFingerprint.isGrease(value) { continue }
            unsafe HelloFingerprint.put(isFirst ? UInt8(ascii: "_") : UInt8(ascii: ","), out, &n)
            isFirst = false
            unsafe SortedNumbers.put(hex: value, out, &n)
        }
        return n
    }

    private var cipherCount: Int {
        var count = 0
        var place = 0
        while place &+ 2 <= ciphers.count {
            if !HelloFingerprint.isGrease(HelloFingerprint.number(ciphers, place)) { count &+= 1 }
            place &+= 2
        }
        return count
    }

    private var extensionCount: Int {
        var count = 0
        var at = 0
        while let (type, _) = HelloFingerprint.extension(extensions, &at) { if !HelloFingerprint.isGrease(type) { count &+= 1 } }
        return count
    }

    /// RFC 8446 §4.2.1: the highest of the versions that are offered, or else the old field.
    private var versionText: (UInt8, UInt8) {
        var best: UInt16 = supportedVersions.isEmpty ? version : 0
        var place = 0
        while place &+ 2 <= supportedVersions.count {
            let offered = HelloFingerprint.number(supportedVersions, place)
            if !HelloFingerprint.isGrease(offered) { best = max(best, offered) }
            place &+= 2
        }
        switch best {
        case 0x0304: return (UInt8(ascii: "1"), UInt8(ascii: "3"))
        case 0x0303: return (UInt8(ascii: "1"), UInt8(ascii: "2"))
        case 0x0302: return (UInt8(ascii: "1"), UInt8(ascii: "1"))
        case 0x0301: return (UInt8(ascii: "1"), UInt8(ascii: "0"))
        default: return (UInt8(ascii: "0"), UInt8(ascii: "0"))
        }
    }

    private var protocolText: (UInt8, UInt8) {
        guard !firstProtocol.isEmpty else { return (UInt8(ascii: "0"), UInt8(ascii: "0")) }
        let first = firstProtocol[0]
        let last = firstProtocol[firstProtocol.count &- 1]
        if HelloFingerprint.isAlphanumeric(first), HelloFingerprint.isAlphanumeric(last) { return (first, last) }
        return (SortedNumbers.digit(first &>> 4), SortedNumbers.digit(last & 15))
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool { byte &- 48 < 10 || (byte | 32) &- 97 < 26 }

    // MARK: Pieces

    /// RFC 8701 §2: 0x0A0A, 0x1A1A, … 0xFAFA.
    private static func isGrease(_ value: UInt16) -> Bool { value & 0x0F0F == 0x0A0A && value &>> 8 == value & 0xFF }

    private static func number(_ bytes: Bytes, _ place: Int) -> UInt16 { UInt16(bytes[place]) &<< 8 | UInt16(bytes[place &+ 1]) }

    private static func vector(_ bytes: Bytes, _ width: Int, _ place: inout Int) -> Bytes? {
        guard bytes.count &- place >= width else { return nil }
        let count = width == 1 ? Int(bytes[place]) : Int(number(bytes, place))
        guard bytes.count &- place &- width >= count else { return nil }
        defer { place &+= width &+ count }
        return bytes.part(place &+ width, place &+ width &+ count)
    }

    private static func `extension`(_ list: Bytes, _ place: inout Int) -> (UInt16, Bytes)? {
        guard list.count &- place >= 4 else { return nil }
        let type = number(list, place)
        place &+= 2
        return vector(list, 2, &place).map { (type, $0) }
    }

    private static func put(_ byte: UInt8, _ out: UnsafeMutablePointer<UInt8>, _ n: inout Int) {
        unsafe out[n] = byte
        n &+= 1
    }

    private static func put(decimal value: UInt16, _ out: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int {
        var width = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            width &+= 1
        }
        rest = value
        for i in stride(from: width &- 1, through: 0, by: -1) {
            unsafe out[n &+ i] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        return n &+ width
    }
}

/// Numbers of a hello, sorted and written as `0005,000a,…`. They lie behind the text that they become: a number is two
/// bytes, its text five, and a hello of 16 KiB has 8,192 at most.
@safe
private struct SortedNumbers {
    private let out: UnsafeMutablePointer<UInt8>
    private let numbers: UnsafeMutablePointer<UInt16>
    private var count = 0

    init(_ out: UnsafeMutablePointer<UInt8>) {
        unsafe self.out = unsafe out
        // 8,192 × 5 bytes of text come before them.
        unsafe numbers = unsafe (UnsafeMutableRawPointer(out) + 40_960).assumingMemoryBound(to: UInt16.self)
    }

    mutating func append(_ value: UInt16) {
        guard count < 8_192 else { return }
        unsafe numbers[count] = value
        count &+= 1
    }

    /// How many bytes.
    mutating func write() -> Int {
        sort()
        var n = 0
        for i in 0..<count {
            if i > 0 {
                unsafe out[n] = UInt8(ascii: ",")
                n &+= 1
            }
            unsafe SortedNumbers.put(hex: numbers[i], out, &n)
        }
        return n
    }

    static func put(hex value: UInt16, _ out: UnsafeMutablePointer<UInt8>, _ n: inout Int) {
        for shift in stride(from: 12, through: 0, by: -4) {
            unsafe out[n] = digit(UInt8(truncatingIfNeeded: value &>> UInt16(shift)) & 15)
            n &+= 1
        }
    }

    static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &+ (value &- 10) }

    /// Heap sort: in place, and no order of the input makes it slow.
    private func sort() {
        guard count > 1 else { return }
        for start in stride(from: count / 2 - 1, through: 0, by: -1) { sift(start, count) }
        for end in stride(from: count - 1, to: 0, by: -1) {
            swap(0, end)
            sift(0, end)
        }
    }

    private func swap(_ a: Int, _ b: Int) {
        let value = unsafe numbers[a]
        unsafe numbers[a] = unsafe numbers[b]
        unsafe numbers[b] = value
    }

    private func sift(_ start: Int, _ end: Int) {
        var root = start
        while root &* 2 &+ 1 < end {
            var child = root &* 2 &+ 1
            if child &+ 1 < end, unsafe numbers[child] < numbers[child &+ 1] { child &+= 1 }
            guard unsafe numbers[root] < numbers[child] else { return }
            swap(root, child)
            root = child
        }
    }
}
