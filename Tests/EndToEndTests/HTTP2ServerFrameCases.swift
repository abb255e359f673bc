import TestSupport

/// What a server may do wrong with frames and heads (RFC 9113), when Martlet is its client: what it is told behind the request
/// (`RawH2Client.words`), and the status that the request's own client gets. `envoy`: the status that Envoy gives.
struct HTTP2ServerFrameCase: CustomStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    let said: String
    let status: String
    let envoy: String
    /// SETTINGS go first.
    var begins = true

    var description: String { name }

    init(_ name: String, _ frames: [H2Frame], _ said: String, _ status: String, envoy: String? = nil, begins: Bool = true) {
        self.init(name, frames.flatMap(\.bytes), said, status, envoy: envoy, begins: begins)
    }

    init(_ name: String, _ bytes: [UInt8], _ said: String, _ status: String, envoy: String? = nil, begins: Bool = true) {
        self.name = name
        self.bytes = bytes
        self.said = said
        self.status = status
        self.envoy = envoy ?? status
        self.begins = begins
    }
}

extension HTTP2ServerFrameCase {
    private static let head = H2Frame.head(1, [(":status", "200")], flags: H2Frame.endHeaders)
    private static let answer = [head, H2Frame(.data, flags: H2Frame.endStream, stream: 1, "ok".wire)]
    private static func with(_ more: [(String, String)], ends: Bool = true) -> H2Frame {
        .head(1, [(":status", "200")] + more, flags: ends ? 5 : 4)
    }
    private static func setting(_ id: UInt8, _ value: UInt32) -> H2Frame { H2Frame(.settings, [0, id] + H2Frame.word(value)) }
    private static func one(_ name: String, _ frame: H2Frame, _ said: String, _ status: String, envoy: String? = nil) -> HTTP2ServerFrameCase {
        HTTP2ServerFrameCase(name, [frame], said, status, envoy: envoy)
    }

    static let all: [HTTP2ServerFrameCase] = connection + streams + heads + floods

    // RFC 9113 §3.4, §4, §6.
    static let connection: [HTTP2ServerFrameCase] = [
        HTTP2ServerFrameCase("an ordinary answer", answer, "", "200"),
        HTTP2ServerFrameCase("no SETTINGS in front", [H2Frame(.ping, [UInt8](repeating: 0, count: 8))], "GOAWAY(0,1)", "502", begins: false),
        HTTP2ServerFrameCase("HTTP/1", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".wire, "GOAWAY(0,1)", "502", begins: false),
        HTTP2ServerFrameCase("an unknown frame", [H2Frame(.unknown, [1])] + answer, "", "200"),
        HTTP2ServerFrameCase("reserved bits", [H2Frame(.headers, flags: 0xd4, stream: 0x8000_0001, H2Frame.fields([(":status", "200")])), answer[1]], "", "200"),
        one("PING of seven bytes", H2Frame(.ping, [0, 0, 0, 0, 0, 0, 0]), "GOAWAY(0,6)", "502"),
        one("PING on a stream", H2Frame(.ping, stream: 1, [UInt8](repeating: 0, count: 8)), "GOAWAY(0,1)", "502"),
        HTTP2ServerFrameCase("PING", [H2Frame(.ping, [1, 2, 3, 4, 5, 6, 7, 8])] + answer, "PONG", "200"),
        one("GOAWAY on a stream", H2Frame(.goaway, stream: 1, [UInt8](repeating: 0, count: 8)), "GOAWAY(0,1)", "502"),
        one("GOAWAY cut short", H2Frame(.goaway, [UInt8](repeating: 0, count: 7)), "GOAWAY(0,6)", "502"),
        HTTP2ServerFrameCase("GOAWAY whose last stream grows", [H2Frame(.goaway, H2Frame.word(1) + H2Frame.word(0)), H2Frame(.goaway, H2Frame.word(3) + H2Frame.word(0))], "GOAWAY(0,1)", "502"),
        one("WINDOW_UPDATE of nothing", H2Frame(.windowUpdate, H2Frame.word(0)), "GOAWAY(0,1)", "502"),
        one("WINDOW_UPDATE of nothing on a stream", H2Frame(.windowUpdate, stream: 1, H2Frame.word(0)), "GOAWAY(0,1)", "502"),
        one("WINDOW_UPDATE beyond 2^31", H2Frame(.windowUpdate, H2Frame.word(0x7fff_ffff)), "GOAWAY(0,3)", "502"),
        one("WINDOW_UPDATE of three bytes", H2Frame(.windowUpdate, [0, 0, 1]), "GOAWAY(0,6)", "502"),
        one("WINDOW_UPDATE of an idle stream", H2Frame(.windowUpdate, stream: 5, H2Frame.word(1)), "GOAWAY(0,1)", "502"),
        one("SETTINGS on a stream", H2Frame(.settings, stream: 1), "GOAWAY(0,1)", "502"),
        one("SETTINGS of five bytes", H2Frame(.settings, [0, 0, 0, 0, 0]), "GOAWAY(0,6)", "502"),
        one("SETTINGS, acknowledged and not empty", H2Frame(.settings, flags: 1, [0, 0, 0, 0, 0, 0]), "GOAWAY(0,6)", "502"),
        one("ENABLE_PUSH of a server", setting(2, 1), "GOAWAY(0,1)", "502"),
        one("INITIAL_WINDOW_SIZE 2^31", setting(4, 0x8000_0000), "GOAWAY(0,3)", "502"),
        one("MAX_FRAME_SIZE too small", setting(5, 100), "GOAWAY(0,1)", "502"),
        one("ENABLE_CONNECT_PROTOCOL 2", setting(8, 2), "GOAWAY(0,1)", "502"),
        HTTP2ServerFrameCase("ENABLE_CONNECT_PROTOCOL taken back", [setting(8, 1), setting(8, 0)], "GOAWAY(0,1)", "502"),
        HTTP2ServerFrameCase("a frame beyond SETTINGS_MAX_FRAME_SIZE", [head, H2Frame(.data, stream: 1, [UInt8](repeating: 0, count: 16_385))], "GOAWAY(0,6)", "200"),
        one("PUSH_PROMISE", H2Frame(.pushPromise, flags: 4, stream: 1, H2Frame.word(2) + H2Frame.fields(H2Frame.request())), "GOAWAY(0,1)", "502"),
        one("PRIORITY of four bytes", H2Frame(.priority, stream: 1, [0, 0, 0, 0]), "GOAWAY(0,6)", "502"),
        one("PRIORITY on stream 0", H2Frame(.priority, H2Frame.word(1) + [16]), "GOAWAY(0,1)", "502", envoy: "503"),
    ]

    // RFC 9113 §5.1, §6.1, §6.2, §6.4, §6.10.
    static let streams: [HTTP2ServerFrameCase] = [
        one("DATA on stream 0", H2Frame(.data, [1]), "GOAWAY(0,1)", "502"),
        one("DATA on an idle stream", H2Frame(.data, stream: 5, [1]), "GOAWAY(0,1)", "502"),
        one("DATA before the head", H2Frame(.data, flags: 1, stream: 1, [1]), "GOAWAY(0,1)", "502"),
        HTTP2ServerFrameCase("DATA with more padding than frame", [head, H2Frame(.data, flags: 9, stream: 1, [0x20, 1, 2])], "GOAWAY(0,1)", "200"),
        HTTP2ServerFrameCase("DATA behind the end", answer + [H2Frame(.data, stream: 1, [1])], "", "200"),
        HTTP2ServerFrameCase("a head behind the end", answer + [head], "", "200"),
        one("HEADERS on stream 0", H2Frame(.headers, flags: 5, H2Frame.fields([(":status", "200")])), "GOAWAY(0,1)", "502"),
        one("an answer to an idle stream", .head(5, [(":status", "200")]), "GOAWAY(0,1)", "502"),
        one("an answer on a stream of its own", .head(2, [(":status", "200")]), "GOAWAY(0,1)", "502"),
        one("HEADERS with more padding than frame", H2Frame(.headers, flags: 0x0d, stream: 1, [255] + H2Frame.fields([(":status", "200")])), "GOAWAY(0,1)", "502"),
        one("a head that does not decompress", H2Frame(.headers, flags: 5, stream: 1, [255, 255, 255, 255, 255, 255]), "GOAWAY(0,9)", "502"),
        one("a table larger than was allowed", H2Frame(.headers, flags: 5, stream: 1, [0x3f, 0xff, 0xff, 0x7f] + H2Frame.fields([(":status", "200")])), "GOAWAY(0,9)", "502"),
        HTTP2ServerFrameCase("another frame inside a head", [H2Frame(.headers, flags: 1, stream: 1, [0x88]), H2Frame(.ping, [UInt8](repeating: 0, count: 8))], "GOAWAY(0,1)", "502"),
        HTTP2ServerFrameCase("an unknown frame inside a head", [H2Frame(.headers, flags: 1, stream: 1, [0x88]), H2Frame(.unknown)], "GOAWAY(0,1)", "502"),
        one("CONTINUATION alone", H2Frame(.continuation, flags: 4, stream: 1, [0x88]), "GOAWAY(0,1)", "502"),
        HTTP2ServerFrameCase("CONTINUATION of another stream", [H2Frame(.headers, flags: 1, stream: 1, [0x88]), H2Frame(.continuation, flags: 4, stream: 3)], "GOAWAY(0,1)", "502"),
        one("RST_STREAM on stream 0", H2Frame(.reset, H2Frame.word(8)), "GOAWAY(0,1)", "502"),
        one("RST_STREAM of an idle stream", H2Frame(.reset, stream: 5, H2Frame.word(8)), "GOAWAY(0,1)", "502"),
        one("RST_STREAM of three bytes", H2Frame(.reset, stream: 1, [0, 0, 0]), "GOAWAY(0,6)", "502"),
        HTTP2ServerFrameCase("a second head that ends nothing", [head, head], "GOAWAY(0,1)", "200"),
    ]

    // RFC 9113 §8.
    static let heads: [HTTP2ServerFrameCase] = [
        one("no :status", .head(1, [("a", "b")]), "GOAWAY(0,1)", "502"),
        one("two :status", .head(1, [(":status", "200"), (":status", "200")]), "GOAWAY(0,1)", "502"),
        one(":status behind a field", .head(1, [("a", "b"), (":status", "200")]), "GOAWAY(0,1)", "502"),
        one(":status that is no number", .head(1, [(":status", "2x0")]), "GOAWAY(0,1)", "502"),
        one("an unknown pseudo-field", with([(":foo", "x")]), "GOAWAY(0,1)", "502"),
        one(":path in a response", .head(1, [(":status", "200"), (":path", "/")]), "GOAWAY(0,1)", "502"),
        one("101", .head(1, [(":status", "101")], flags: 4), "GOAWAY(0,1)", "502"),
        one("an interim head that ends the stream", .head(1, [(":status", "103")]), "GOAWAY(0,1)", "502"),
        one("a name in upper case", with([("Abc", "x")]), "GOAWAY(0,1)", "502"),
        one("a space in a name", with([("a b", "x")]), "GOAWAY(0,1)", "502"),
        one("NUL in a value", with([("a", "x\u{0}y")]), "GOAWAY(0,1)", "502"),
        one("LF in a value", with([("a", "x\ny")]), "GOAWAY(0,1)", "502"),
        one("connection", with([("connection", "close")]), "GOAWAY(0,1)", "502"),
        one("transfer-encoding", with([("transfer-encoding", "chunked")]), "GOAWAY(0,1)", "502"),
        one("keep-alive", with([("keep-alive", "5")]), "GOAWAY(0,1)", "502"),
        one("upgrade", with([("upgrade", "x")]), "GOAWAY(0,1)", "502"),
        HTTP2ServerFrameCase("more body than its length", [with([("content-length", "1")], ends: false), answer[1]], "RST1(1)", "200"),
        HTTP2ServerFrameCase("less body than its length", [with([("content-length", "5")], ends: false), answer[1]], "RST1(1)", "200"),
        one("a length without body", with([("content-length", "5")]), "GOAWAY(0,1)", "502"),
        HTTP2ServerFrameCase("trailers with a pseudo-field", answer.dropLast() + [H2Frame(.data, stream: 1, [1]), .head(1, [(":status", "200")])], "GOAWAY(0,1)", "200"),
    ]

    // RFC 9113 §10.5: what costs a host nothing, with the default limits.
    static let floods: [HTTP2ServerFrameCase] = [
        HTTP2ServerFrameCase("DATA of nothing", [head] + many(H2Frame(.data, stream: 1), 2), "GOAWAY(0,11)", "200"),
        HTTP2ServerFrameCase("CONTINUATION of nothing", [H2Frame(.headers, flags: 1, stream: 1, [0x88])] + many(H2Frame(.continuation, stream: 1), 2), "GOAWAY(0,11)", "502"),
        HTTP2ServerFrameCase("PRIORITY", many(H2Frame(.priority, stream: 3, H2Frame.word(0) + [16]), 201), "GOAWAY(0,11)", "502"),
        HTTP2ServerFrameCase("WINDOW_UPDATE", many(H2Frame(.windowUpdate, stream: 1, H2Frame.word(1)), 8), "GOAWAY(0,11)", "502"),
    ]
    private static func many(_ frame: H2Frame, _ count: Int) -> [H2Frame] { [H2Frame](repeating: frame, count: count) }
}
