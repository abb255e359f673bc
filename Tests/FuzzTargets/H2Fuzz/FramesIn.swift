// A peer of HTTP/2 as a little language: mostly frames that are right by themselves, so that the fuzzer's bytes choose an
// exchange rather than spell lengths; and any bytes at all where it wants them.

struct FramesIn {
    private var input: ArraySlice<UInt8>
    var isAtEnd: Bool { input.isEmpty }

    init(_ input: [UInt8]) { self.input = input[...] }

    /// The next byte; 0 behind the end.
    mutating func byte() -> UInt8 { input.popFirst() ?? 0 }

    mutating func bytes(_ count: Int) -> [UInt8] {
        let taken = Array(input.prefix(count))
        input = input.dropFirst(count)
        return taken
    }

    // MARK: Frames

    /// The bytes of one step that sends something; nil: it is none of these. The high half of `step` is its argument.
    mutating func frame(_ step: UInt8) -> [UInt8]? {
        let argument = step >> 4
        switch step & 15 {
        case 0: return bytes(Int(byte()))
        case 1, 8:
            let stream = id()
            var flags: UInt8 = argument & 1 | (argument & 2 == 0 ? 4 : 0)
            var payload = fields()
            if argument & 4 != 0 {
                flags |= 0x20
                payload = word(UInt32(byte())) + [byte()] + payload
            }
            if argument & 8 != 0 {
                flags |= 8
                let padding = byte()
                payload = [padding] + payload + [UInt8](repeating: 0, count: Int(padding))
            }
            return FramesIn.frame(step & 15 == 1 ? 1 : 9, step & 15 == 1 ? flags : flags & 4, stream, payload)
        case 2:
            let stream = id()
            let count = Int(byte()) * (argument & 4 != 0 ? 64 : 1)
            var payload = [UInt8](repeating: UInt8(ascii: "d"), count: count)
            if argument & 2 != 0 { payload = [3] + payload + [0, 0, 0] }
            let padded: UInt8 = argument & 2 != 0 ? 8 : 0
            let last = FramesIn.frame(0, argument & 1 | padded, stream, payload)
            guard argument & 8 != 0 else { return last }
            // Twenty of them may be more than a connection's queue holds (`H2Session.outMax`).
            let part = FramesIn.frame(0, padded, stream, payload)
            return (1..<20).flatMap { _ in part } + last
        // METADATA (`allow_metadata`): a block or a part of one, short or of some KiB.
        case 3 where argument & 8 != 0:
            let stream = id()
            var payload = fields()
            if argument & 2 != 0 { payload += [0] + text([UInt8(ascii: "k")]) + text([UInt8](repeating: UInt8(ascii: "v"), count: 8 * Int(byte()))) }
            return FramesIn.frame(0x4d, argument & 1 == 0 ? 4 : 0, stream, payload)
        case 3: return FramesIn.frame(3, 0, id(), word(UInt32(byte())))
        case 4:
            var payload: [UInt8] = []
            for _ in 0..<Int(argument >> 1) { payload += [0, byte()] + word(number()) }
            return FramesIn.frame(4, argument & 1, 0, payload)
        case 5: return FramesIn.frame(6, argument & 1, 0, [1, 2, 3, 4, 5, 6, 7, argument])
        case 6: return FramesIn.frame(7, 0, 0, word(id()) + word(UInt32(byte())))
        case 7: return FramesIn.frame(8, 0, id(), word(number()))
        case 9: return FramesIn.frame(2, 0, id(), word(id()) + [byte()])
        case 10:
            let type = byte()
            let flags = byte()
            let stream = id()
            return FramesIn.frame(type, flags, stream, bytes(Int(byte())))
        default: return nil
        }
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let count = payload.count
        let header = [UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255), type, flags]
        return header + FramesIn.word(stream) + payload
    }

    private static func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) } }
    private func word(_ value: UInt32) -> [UInt8] { FramesIn.word(value) }

    private mutating func id() -> UInt32 {
        let byte = byte()
        return byte == 255 ? 0x7fff_ffff : UInt32(byte)
    }

    private static let numbers: [UInt32] = [0, 1, 2, 100, 16_384, 65_535, 1 << 20, 0x7fff_ffff, 0x8000_0000]

    private mutating func number() -> UInt32 {
        let byte = Int(byte())
        return byte < FramesIn.numbers.count ? FramesIn.numbers[byte] : UInt32(byte)
    }

    // MARK: Heads

    private static let request: [(String, String)] = [(":method", "GET"), (":scheme", "http"), (":authority", "a")]
    /// What a head is put together from.
    private static let heads: [[(String, String)]] = [
        request + [(":path", "/")],
        [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
        request + [(":path", "/d")],
        request + [(":path", "/r")],
        [(":method", "HEAD"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
        [(":method", "CONNECT"), (":authority", "a:1")],
        [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
        [(":status", "200")],
        [(":status", "100")],
        [(":status", "204")],
        [(":status", "304")],
        [(":status", "503")],
        [(":status", "101")],
        [("content-length", "0")],
        [("content-length", "5")],
        [("content-length", "300")],
        [("cookie", "a=b")],
        [("te", "trailers")],
        [("te", "gzip")],
        [("connection", "close")],
        [("transfer-encoding", "chunked")],
        [("upgrade", "websocket")],
        [("expect", "100-continue")],
        [("host", "b")],
        [("x_under", "1")],
        [("content-type", "application/grpc")],
        [("grpc-status", "14")],
        [("grpc-timeout", "1S")],
        [("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "2")],
        [("x-envoy-upstream-rq-timeout-ms", "500")],
        [("long", String(repeating: "x", count: 1_000))],
        [("X-Upper", "1")],
        [(":path", "relative")],
        [("x-trailer", "t")],
        [("forwarded", "for=a"), ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")],
    ]

    /// A header block (RFC 7541): literals without an index, or whatever the bytes are.
    private mutating func fields() -> [UInt8] {
        var block: [UInt8] = []
        for _ in 0..<Int(byte() & 15) {
            let what = Int(byte())
            if what < FramesIn.heads.count {
                for (name, value) in FramesIn.heads[what] { block += [0] + text(Array(name.utf8)) + text(Array(value.utf8)) }
            } else if what < 128 {
                let name = bytes(Int(byte() & 63))
                block += [0x40] + text(name) + text(bytes(Int(byte() & 63)))
            } else {
                block += bytes(what & 63)
            }
        }
        return block
    }

    private func text(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            length.append(UInt8(rest % 128 + 128))
            rest /= 128
        }
        return length + [UInt8(rest)] + bytes
    }
}
