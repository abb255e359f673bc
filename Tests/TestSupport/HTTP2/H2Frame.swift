/// HTTP/2 frames as bytes (RFC 9113 §4.1), also wrong ones: nothing here checks anything.
package struct H2Frame: Sendable {
    package enum Kind: UInt8, Sendable {
        case data, headers, priority, reset, settings, pushPromise, ping, goaway, windowUpdate, continuation, unknown = 0x42, metadata = 0x4d
    }

    package static let endStream: UInt8 = 1
    package static let acknowledged: UInt8 = 1
    package static let endHeaders: UInt8 = 4
    package static let padded: UInt8 = 8
    package static let withPriority: UInt8 = 0x20

    package static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".wire

    package var type: UInt8
    package var flags: UInt8
    package var stream: UInt32
    package var payload: [UInt8]

    package init(_ kind: Kind, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) {
        type = kind.rawValue
        self.flags = flags
        self.stream = stream
        self.payload = payload
    }

    package var bytes: [UInt8] {
        let count = payload.count
        return [UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255), type, flags] + H2Frame.word(stream) + payload
    }

    package static func word(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24 & 255), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    /// The frames in `bytes`, and how many bytes they are.
    package static func parse(_ bytes: [UInt8]) -> (frames: [H2Frame], count: Int) {
        var frames: [H2Frame] = []
        var at = 0
        while at + 9 <= bytes.count {
            let count = Int(bytes[at]) << 16 | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
            guard at + 9 + count <= bytes.count else { break }
            var frame = H2Frame(.data, flags: bytes[at + 4], stream: 0, Array(bytes[at + 9..<at + 9 + count]))
            frame.type = bytes[at + 3]
            frame.stream = bytes[at + 5..<at + 9].reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
            frames.append(frame)
            at += 9 + count
        }
        return (frames, at)
    }

    /// Literal fields without indexing and without Huffman (RFC 7541 §6.2.2): whatever the bytes are.
    package static func fields(_ list: [(String, String)]) -> [UInt8] {
        var out: [UInt8] = []
        for (name, value) in list {
            out.append(0)
            out += text(name) + text(value)
        }
        return out
    }

    private static func text(_ text: String) -> [UInt8] {
        let bytes = text.wire
        if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
        var out: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            out.append(UInt8(rest % 128 + 128))
            rest /= 128
        }
        return out + [UInt8(rest)] + bytes
    }

    package static func head(_ stream: UInt32, _ list: [(String, String)], flags: UInt8 = endStream | endHeaders) -> H2Frame {
        H2Frame(.headers, flags: flags, stream: stream, fields(list))
    }

    package static func request(_ method: String = "GET", _ path: String = "/direct", _ more: [(String, String)] = []) -> [(String, String)] {
        [(":method", method), (":path", path), (":scheme", "http"), (":authority", "a")] + more
    }
}
