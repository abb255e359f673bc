// The hash of a request, by its route's rules: what RING_HASH and MAGLEV choose a host by, and `use_hash_policy` an entry
// of weighted clusters.

import Primitives
import Routing
import Transport
import Wire

extension Worker {
    /// Fields of one header that are hashed; further ones are not looked at.
    private static let hashedFieldsMax = 64

    // HOT: per message.
    /// Nil: no rule has found anything. `makesCookies`: notes on the stream which rules have to set one.
    func hashKey(_ stream: StreamPointer, _ rules: FrozenArray<HashRule>, makesCookies: Bool) -> UInt64? {
        var hash: UInt64?
        for i in 0..<rules.count {
            if let found = unsafe evaluate(rules.pointer(i), i, stream, makesCookies: makesCookies) {
                // Turned by a bit, so that two equal rules do not take each other away.
                hash = (hash.map { $0 << 1 | $0 >> 63 } ?? 0) ^ found
            }
            if rules[i].isTerminal, hash != nil { break }
        }
        return hash
    }

    private func evaluate(
        _ rule: UnsafePointer<HashRule>, _ number: Int, _ stream: StreamPointer, makesCookies: Bool
    ) -> UInt64? {
        switch unsafe rule.pointee.kind {
        case .header: return unsafe headerHash(rule, stream)
        case .sourceIP:
            let address = unsafe stream.pointee.remoteAddress
            guard address.family == .ipv4 || address.family == .ipv6 else { return nil }
            return XXHash64.hash(text(ip: address, bits: nil))
        case .queryParameter:
            let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
            guard let query = RequestPath.query(path) else { return nil }
            return unsafe QueryParameters.firstValue(of: rule.pointee.name, in: query).map { XXHash64.hash($0) }
        case .cookie:
            let value = unsafe RequestCookies.firstValue(of: rule.pointee.name, in: stream.pointee.request)
            if let value, !value.isEmpty { return XXHash64.hash(value) }
            guard makesCookies, unsafe rule.pointee.makesCookie else { return nil }
            unsafe stream.pointee.hashCookies |= 1 << UInt64(truncatingIfNeeded: number)
            var text = unsafe HexText(connectionHash(stream))
            return XXHash64.hash(text.bytes())
        }
    }

    // MARK: Headers

    private func headerHash(_ rule: UnsafePointer<HashRule>, _ stream: StreamPointer) -> UInt64? {
        let name = unsafe rule.pointee.name
        let head = unsafe stream.pointee.request
        if name.equals(Bytes(":path" as StaticString)) { return unsafe only(head.text(head.path), rule) }
        if name.equals(Bytes(":method" as StaticString)) { return unsafe only(head.text(head.methodText), rule) }
        if name.equals(Bytes(":authority" as StaticString)) || name.equals(Bytes("host" as StaticString)) {
            return unsafe only(head.text(head.authority), rule)
        }
        guard let first = head.index(named: name) else { return nil }
        if head.index(named: name, from: first &+ 1) == nil { return unsafe only(head.value(first), rule) }
        return unsafe withUnsafeTemporaryAllocation(of: Bytes.self, capacity: Worker.hashedFieldsMax) { values in
            var count = 0
            var next: Int? = first
            while let at = next, count < Worker.hashedFieldsMax {
                unsafe values.initializeElement(at: count, to: head.value(at))
                count &+= 1
                next = head.index(named: name, from: at &+ 1)
            }
            return unsafe chained(values, count, rule)
        }
    }

    private func only(_ value: Bytes, _ rule: UnsafePointer<HashRule>) -> UInt64 {
        guard let rewrite = unsafe rule.pointee.rewrite else { return XXHash64.hash(value) }
        return unsafe XXHash64.hash(rewrite.pointee.replaceAll(value))
    }

    /// Several fields of one name: in the order of their values, each hash the next one's seed.
    private func chained(
        _ values: UnsafeMutableBufferPointer<Bytes>, _ count: Int, _ rule: UnsafePointer<HashRule>
    ) -> UInt64 {
        if let rewrite = unsafe rule.pointee.rewrite { unsafe self.rewrite(values, count, rewrite) }
        var sorted = 1
        while sorted < count {
            var place = sorted
            while place > 0, unsafe values[place].compare(values[place &- 1]) < 0 {
                unsafe values.swapAt(place, place &- 1)
                place &-= 1
            }
            sorted &+= 1
        }
        var hash: UInt64 = 0
        for i in 0..<count { unsafe hash = XXHash64.hash(values[i], seed: hash) }
        return hash
    }

    /// What one rewrite gives is good until the next: all of it lies in the format writer's text meanwhile.
    private func rewrite(
        _ values: UnsafeMutableBufferPointer<Bytes>, _ count: Int, _ rewrite: UnsafePointer<RegexRewrite>
    ) {
        formats.text.reset()
        unsafe withUnsafeTemporaryAllocation(of: Int.self, capacity: Worker.hashedFieldsMax) { ends in
            for i in 0..<count {
                unsafe formats.text.put(rewrite.pointee.replaceAll(values[i]))
                unsafe ends.initializeElement(at: i, to: formats.text.bytes.count)
            }
            // The text may have moved while it grew: only now its place is known.
            let all = formats.text.bytes
            var start = 0
            for i in 0..<count {
                unsafe values[i] = unsafe all.part(start, ends[i])
                start = unsafe ends[i]
            }
        }
    }

    // MARK: Cookies

    /// The same for every request of a connection, so that requests that race get the same cookie.
    private func connectionHash(_ stream: StreamPointer) -> UInt64 {
        formats.text.reset()
        unsafe formats.text.put(stream.pointee.directRemoteAddress)
        unsafe formats.text.put(stream.pointee.localAddress)
        return XXHash64.hash(formats.text.bytes)
    }

    /// `set-cookie` for every rule that has made one.
    func setHashCookies(_ stream: StreamPointer, _ rules: FrozenArray<HashRule>) {
        var value = unsafe HexText(connectionHash(stream))
        for i in 0..<rules.count where unsafe stream.pointee.hashCookies & (1 << UInt64(truncatingIfNeeded: i)) != 0 {
            let rule = unsafe rules.pointer(i)
            formats.text.reset()
            unsafe formats.text.put(rule.pointee.name)
            formats.text.put("=\"")
            formats.text.put(value.bytes())
            unsafe formats.text.put(rule.pointee.cookieAttributes)
            unsafe stream.pointee.response.append(.setCookie, formats.text.bytes)
        }
        unsafe stream.pointee.hashCookies = 0
    }
}

/// Sixteen hexadecimal digits, on the stack.
@safe
struct HexText {
    private var digits: (UInt64, UInt64) = (0, 0)

    init(_ value: UInt64) {
        var rest = value
        unsafe withUnsafeMutableBytes(of: &digits) { bytes in
            var i = 16
            while i > 0 {
                i &-= 1
                let digit = UInt8(truncatingIfNeeded: rest & 15)
                unsafe bytes[i] = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
                rest >>= 4
            }
        }
    }

    /// Good while `self` stays where it is: use at once.
    mutating func bytes() -> Bytes {
        unsafe withUnsafeBytes(of: &digits) { raw in unsafe Bytes(raw.baseAddress.unsafelyUnwrapped, 16) }
    }
}
