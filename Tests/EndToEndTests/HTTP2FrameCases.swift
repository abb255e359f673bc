import TestSupport

/// What a client may do wrong with frames and heads (RFC 9113), and what it is told. Each case runs against Martlet; where
/// Envoy is installed, its column is checked too. "silence": Envoy closes after a second and says nothing; Martlet says
/// why with GOAWAY (RFC 9113 §5.4.1), with the code that the RFC names.
struct HTTP2FrameCase: CustomStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    let martlet: String
    let envoy: String
    /// Sends the preface and SETTINGS first.
    var begins = true

    var description: String { name }

    init(_ name: String, _ frames: [H2Frame], _ both: String, envoy: String? = nil) {
        self.init(name, frames.flatMap(\.bytes), both, envoy: envoy)
    }

    init(_ name: String, _ bytes: [UInt8], _ both: String, envoy: String? = nil, begins: Bool = true) {
        self.name = name
        self.bytes = bytes
        martlet = both
        self.envoy = envoy ?? both
        self.begins = begins
    }
}

extension HTTP2FrameCase {
    private static let ok = "HEAD1(200) DATA1+(6)"
    private static let silence = ""
    private static func get(_ more: [(String, String)] = [], stream: UInt32 = 1) -> H2Frame {
        .head(stream, H2Frame.request("GET", "/direct", more))
    }
    /// A request whose body is still to come.
    private static let open = H2Frame.head(1, H2Frame.request("POST", "/direct"), flags: H2Frame.endHeaders)
    private static let waiting = H2Frame.head(1, H2Frame.request("POST", "/slow"), flags: H2Frame.endHeaders)
    private static func setting(_ id: UInt8, _ value: UInt32) -> H2Frame { H2Frame(.settings, [0, id] + H2Frame.word(value)) }
    private static func head(_ list: [(String, String)], _ flags: UInt8 = 5) -> H2Frame { .head(1, list, flags: flags) }
    private static func without(_ name: String) -> H2Frame { head(H2Frame.request("GET", "/direct").filter { $0.0 != name }) }
    private static func with(_ name: String, _ value: String) -> H2Frame {
        head(H2Frame.request("GET", "/direct").map { $0.0 == name ? (name, value) : $0 })
    }

    static let all: [HTTP2FrameCase] = connection + settings + streams + heads + messages + floods

    // RFC 9113 §3.4, §4, §6.5–6.9: the connection.
    static let connection: [HTTP2FrameCase] = [
        HTTP2FrameCase("an ordinary request", [get()], ok),
        HTTP2FrameCase("a wrong preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".wire, "GOAWAY(0,1)", envoy: silence, begins: false),
        HTTP2FrameCase("no SETTINGS behind the preface", H2Frame.preface + get().bytes, "GOAWAY(0,1)", begins: false),
        HTTP2FrameCase("PING on a stream", [H2Frame(.ping, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0])], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("PING of seven bytes", [H2Frame(.ping, [0, 0, 0, 0, 0, 0, 0])], "GOAWAY(0,6)"),
        HTTP2FrameCase("PING", [H2Frame(.ping, [1, 2, 3, 4, 5, 6, 7, 8])], "PONG"),
        HTTP2FrameCase("GOAWAY on a stream", [H2Frame(.goaway, stream: 1, [UInt8](repeating: 0, count: 8))], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("GOAWAY cut short", [H2Frame(.goaway, [UInt8](repeating: 0, count: 7))], "GOAWAY(0,6)"),
        HTTP2FrameCase("a request behind GOAWAY", [H2Frame(.goaway, [UInt8](repeating: 0, count: 8)), get()], ok),
        HTTP2FrameCase("WINDOW_UPDATE of nothing", [H2Frame(.windowUpdate, H2Frame.word(0))], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("WINDOW_UPDATE beyond 2^31", [H2Frame(.windowUpdate, H2Frame.word(0x7fff_ffff))], "GOAWAY(0,3)", envoy: silence),
        HTTP2FrameCase("WINDOW_UPDATE of three bytes", [H2Frame(.windowUpdate, [0, 0, 1])], "GOAWAY(0,6)"),
        HTTP2FrameCase("WINDOW_UPDATE of an idle stream", [H2Frame(.windowUpdate, stream: 5, H2Frame.word(1))], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("an unknown frame", [H2Frame(.unknown, [1, 2]), get()], ok),
        HTTP2FrameCase("a frame beyond SETTINGS_MAX_FRAME_SIZE", [waiting, H2Frame(.data, stream: 1, [UInt8](repeating: 0, count: 16_385))], "GOAWAY(1,6)"),
        HTTP2FrameCase("PRIORITY of four bytes", [H2Frame(.priority, stream: 1, [0, 0, 0, 0])], "GOAWAY(0,6)"),
        // RFC 9113 §6.3: connection error; Envoy lets it pass.
        HTTP2FrameCase("PRIORITY on stream 0", [H2Frame(.priority, H2Frame.word(0) + [16])], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("reserved bits, and flags that nobody knows", [H2Frame(.headers, flags: 0xd5, stream: 0x8000_0001, H2Frame.fields(H2Frame.request("GET", "/direct")))], ok),
        HTTP2FrameCase("HEADERS beyond SETTINGS_MAX_FRAME_SIZE", [H2Frame(.headers, flags: 5, stream: 1, [UInt8](repeating: 0, count: 16_385))], "GOAWAY(0,6)"),
        HTTP2FrameCase("SETTINGS beyond SETTINGS_MAX_FRAME_SIZE", [H2Frame(.settings, [UInt8](repeating: 0, count: 16_386))], "GOAWAY(0,6)"),
        HTTP2FrameCase("WINDOW_UPDATE of nothing on a stream", [waiting, H2Frame(.windowUpdate, stream: 1, H2Frame.word(0))], "GOAWAY(1,1)", envoy: silence),
        HTTP2FrameCase("WINDOW_UPDATE of a stream beyond 2^31", [waiting, H2Frame(.windowUpdate, stream: 1, H2Frame.word(0x7fff_ffff))], "RST1(3)", envoy: silence),
        HTTP2FrameCase("INITIAL_WINDOW_SIZE that makes a stream's window too large", [waiting, H2Frame(.windowUpdate, stream: 1, H2Frame.word(0x7fff_0000)), setting(4, 0x7fff_ffff)], "RST1(3)"),
        HTTP2FrameCase("PUSH_PROMISE of a client", [waiting, H2Frame(.pushPromise, flags: 4, stream: 1, H2Frame.word(2))], "GOAWAY(1,1)", envoy: silence),
    ]

    // RFC 9113 §6.5.2.
    static let settings: [HTTP2FrameCase] = [
        HTTP2FrameCase("SETTINGS on a stream", [H2Frame(.settings, stream: 1)], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("SETTINGS of five bytes", [H2Frame(.settings, [0, 0, 0, 0, 0])], "GOAWAY(0,6)"),
        HTTP2FrameCase("SETTINGS, acknowledged and not empty", [H2Frame(.settings, flags: 1, [0, 0, 0, 0, 0, 0])], "GOAWAY(0,6)"),
        HTTP2FrameCase("ENABLE_PUSH 2", [setting(2, 2)], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("INITIAL_WINDOW_SIZE 2^31", [setting(4, 0x8000_0000)], "GOAWAY(0,3)", envoy: silence),
        HTTP2FrameCase("MAX_FRAME_SIZE too small", [setting(5, 100)], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("MAX_FRAME_SIZE too large", [setting(5, 1 << 24)], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("ENABLE_CONNECT_PROTOCOL 2", [setting(8, 2)], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("an unknown setting", [setting(0x99, 5), get()], ok),
        HTTP2FrameCase("HEADER_TABLE_SIZE 0", [setting(1, 0), get()], ok),
    ]

    // RFC 9113 §5.1, §6.1, §6.2, §6.4, §6.10: streams.
    static let streams: [HTTP2FrameCase] = [
        HTTP2FrameCase("RST_STREAM of an idle stream", [H2Frame(.reset, stream: 5, H2Frame.word(8))], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("RST_STREAM on stream 0", [H2Frame(.reset, H2Frame.word(8))], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("RST_STREAM of three bytes", [waiting, H2Frame(.reset, stream: 1, [0, 0, 0])], "GOAWAY(1,6)"),
        HTTP2FrameCase("DATA on stream 0", [H2Frame(.data, [1])], "GOAWAY(0,1)"),
        HTTP2FrameCase("DATA on an idle stream", [H2Frame(.data, stream: 5, [1])], "GOAWAY(0,1)"),
        HTTP2FrameCase("DATA behind the end", [H2Frame.head(1, H2Frame.request("POST", "/slow")), H2Frame(.data, stream: 1, [1])], "GOAWAY(1,5)"),
        HTTP2FrameCase("DATA with more padding than frame", [waiting, H2Frame(.data, flags: 9, stream: 1, [0x20, 1, 2])], "GOAWAY(1,1)"),
        HTTP2FrameCase("DATA with padding", [open, H2Frame(.data, flags: 9, stream: 1, [2, 1, 0, 0])], ok),
        HTTP2FrameCase("HEADERS on stream 0", [H2Frame(.headers, flags: 5, H2Frame.fields(H2Frame.request()))], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("an even stream", [get(stream: 2)], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("a stream that depends on itself", [H2Frame(.headers, flags: 0x25, stream: 1, H2Frame.word(1) + [16] + H2Frame.fields(H2Frame.request()))], "GOAWAY(0,1)", envoy: silence),
        HTTP2FrameCase("HEADERS with more padding than frame", [H2Frame(.headers, flags: 0x0d, stream: 1, [255] + H2Frame.fields(H2Frame.request()))], "GOAWAY(0,1)"),
        HTTP2FrameCase("a head that does not decompress", [H2Frame(.headers, flags: 5, stream: 1, [255, 255, 255, 255, 255, 255])], "GOAWAY(1,9)"),
        HTTP2FrameCase("a field of index 0", [H2Frame(.headers, flags: 5, stream: 1, [0x80])], "GOAWAY(1,9)"),
        HTTP2FrameCase("another frame inside a head", [H2Frame(.headers, flags: 1, stream: 1, H2Frame.fields(H2Frame.request())), H2Frame(.ping, [0, 0, 0, 0, 0, 0, 0, 0])], "GOAWAY(1,1)"),
        HTTP2FrameCase("CONTINUATION alone", [H2Frame(.continuation, flags: 4, stream: 1, H2Frame.fields(H2Frame.request()))], "GOAWAY(0,1)"),
        HTTP2FrameCase("a head in two frames", [H2Frame(.headers, flags: 1, stream: 1, Array(H2Frame.fields(H2Frame.request("GET", "/direct")).prefix(10))), H2Frame(.continuation, flags: 4, stream: 1, Array(H2Frame.fields(H2Frame.request("GET", "/direct")).dropFirst(10)))], ok),
        HTTP2FrameCase("CONTINUATION of another stream", [H2Frame(.headers, flags: 1, stream: 1, [0x82]), H2Frame(.continuation, flags: 4, stream: 3, [0x84])], "GOAWAY(1,1)"),
        HTTP2FrameCase("an unknown frame inside a head", [H2Frame(.headers, flags: 1, stream: 1, [0x82]), H2Frame(.unknown)], "GOAWAY(1,1)"),
        HTTP2FrameCase("CONTINUATION on stream 0", [H2Frame(.headers, flags: 1, stream: 1, [0x82]), H2Frame(.continuation, flags: 4)], "GOAWAY(1,1)"),
        HTTP2FrameCase("a stream below the last one", [get(stream: 5), get(stream: 3)], "HEAD5(200) DATA5+(6)"),
        HTTP2FrameCase("a second request on a stream that is over", [get(), get()], "GOAWAY(1,5)", envoy: silence),
        HTTP2FrameCase("DATA on a stream that was reset", [waiting, H2Frame(.reset, stream: 1, H2Frame.word(8)), H2Frame(.data, stream: 1, [1])], ""),
        HTTP2FrameCase("a head on a stream that was reset", [waiting, H2Frame(.reset, stream: 1, H2Frame.word(8)), head([("a", "b")])], ""),
        HTTP2FrameCase("RST_STREAM of a stream that is over", [get(), H2Frame(.reset, stream: 1, H2Frame.word(8)), get(stream: 3)], "HEAD3(200) DATA3+(6)"),
        HTTP2FrameCase("a table larger than was allowed", [H2Frame(.headers, flags: 5, stream: 1, [0x3f, 0xff, 0xff, 0x7f] + H2Frame.fields(H2Frame.request()))], "GOAWAY(1,9)"),
        HTTP2FrameCase("a table's size behind a field", [H2Frame(.headers, flags: 5, stream: 1, H2Frame.fields(H2Frame.request()) + [0x20])], "GOAWAY(1,9)"),
        HTTP2FrameCase("a Huffman text with too much padding", [H2Frame(.headers, flags: 5, stream: 1, H2Frame.fields(H2Frame.request()) + [0, 1, 97, 0x82, 0x1f, 0xff])], "GOAWAY(1,9)"),
        HTTP2FrameCase("a second head that ends nothing", [waiting, head([("a", "b")], 4)], "GOAWAY(1,1)", envoy: silence),
    ]

    // RFC 9113 §8.2, §8.3: heads.
    static let heads: [HTTP2FrameCase] = [
        ("no :method", without(":method")), ("no :path", without(":path")), ("no :scheme", without(":scheme")),
        ("neither :authority nor host", without(":authority")), ("an empty :path", with(":path", "")),
        ("a relative :path", with(":path", "abc")), ("a space in :path", with(":path", "/direct a")),
        ("two :path", get([(":path", "/b")])), (":path behind a field", head([("a", "b")] + H2Frame.request())),
        ("an unknown pseudo-field", head(H2Frame.request() + [(":foo", "x")])), (":status in a request", head([(":status", "200")] + H2Frame.request())),
        ("a name in upper case", get([("Abc", "x")])), ("a space in a name", get([("a b", "x")])), ("an empty name", get([("", "x")])),
        ("NUL in a value", get([("a", "x\u{0}y")])), ("LF in a value", get([("a", "x\ny")])), ("connection", get([("connection", "close")])),
        ("transfer-encoding", get([("transfer-encoding", "chunked")])), ("te: gzip", get([("te", "gzip")])),
        ("upgrade", get([("upgrade", "websocket")])), ("a method that is no token", with(":method", "F O")),
        ("a scheme that is none", with(":scheme", "1x")), ("a space in :authority", with(":authority", "a b")),
        ("user information in :authority", with(":authority", "u@a")),
        ("a length without body", head(H2Frame.request("POST", "/direct", [("content-length", "5")]))),
        ("a length that is no number", head(H2Frame.request("POST", "/direct", [("content-length", "x")]), 4)),
        ("two lengths", head(H2Frame.request("POST", "/direct", [("content-length", "3"), ("content-length", "3")]), 4)),
        ("CR in a value", get([("a", "x\ry")])), ("a colon in a name", get([("a:b", "x")])), ("proxy-connection", get([("proxy-connection", "x")])),
        ("keep-alive", get([("keep-alive", "5")])), ("two :method", get([(":method", "GET")])), ("two :authority", get([(":authority", "a")])),
        ("CONNECT without :authority", head([(":method", "CONNECT")], 4)),
        ("CONNECT with a path", head([(":method", "CONNECT"), (":authority", "a:80"), (":path", "/"), (":scheme", "http")], 4)),
        ("extended CONNECT that was not allowed", head([(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "a"), (":path", "/"), (":scheme", "http")], 4)),
        ("trailers with a pseudo-field", waiting),
    ].dropLast().map { HTTP2FrameCase($0.0, [$0.1], "GOAWAY(1,1)", envoy: silence) } + [
        HTTP2FrameCase("trailers with a pseudo-field", [waiting, head([(":path", "/b")])], "GOAWAY(1,1)", envoy: silence),
        HTTP2FrameCase("host in place of :authority", [head(H2Frame.request("GET", "/direct").filter { $0.0 != ":authority" } + [("host", "h")])], ok),
        HTTP2FrameCase("spaces around a value", [get([("a", " x ")])], ok),
        HTTP2FrameCase("te: trailers", [get([("te", "trailers")])], ok),
        HTTP2FrameCase("a custom method", [with(":method", "FOO")], ok),
        HTTP2FrameCase("a fragment in :path", [with(":path", "/direct#a")], "HEAD1+(400)"),
        HTTP2FrameCase("too many fields", [get((0..<120).map { ("h\($0)", "x") })], "RST1(2)"),
    ]

    // RFC 9113 §8.1: messages.
    static let messages: [HTTP2FrameCase] = [
        HTTP2FrameCase("trailers", [open, H2Frame(.data, stream: 1, [1]), head([("a", "b")])], ok),
        HTTP2FrameCase("more body than its length", [head(H2Frame.request("POST", "/slow", [("content-length", "2")]), 4), H2Frame(.data, flags: 1, stream: 1, [1, 2, 3])], "RST1(1)"),
        HTTP2FrameCase("less body than its length", [head(H2Frame.request("POST", "/slow", [("content-length", "5")]), 4), H2Frame(.data, flags: 1, stream: 1, [1, 2, 3])], "RST1(1)"),
        HTTP2FrameCase("an answer before the end of the request", [open, H2Frame(.data, stream: 1, [1])], ok + " RST1(0)"),
        HTTP2FrameCase("HEAD", [head(H2Frame.request("HEAD", "/direct"))], "HEAD1+(200)"),
    ]

    // CVE-2019-9511 … 9518, CVE-2023-44487, CVE-2024-27316.
    static let floods: [HTTP2FrameCase] = [
        HTTP2FrameCase("empty DATA", [waiting] + [H2Frame](repeating: H2Frame(.data, stream: 1), count: 3), "GOAWAY(1,11)", envoy: silence),
        HTTP2FrameCase("empty CONTINUATION", [H2Frame(.headers, flags: 1, stream: 1, [0x82])] + [H2Frame](repeating: H2Frame(.continuation, stream: 1), count: 3), "GOAWAY(1,11)", envoy: silence),
        HTTP2FrameCase("201 PRIORITY", [H2Frame](repeating: H2Frame(.priority, stream: 3, H2Frame.word(0) + [16]), count: 201), "GOAWAY(0,11)", envoy: silence),
        HTTP2FrameCase("100 PRIORITY", [H2Frame](repeating: H2Frame(.priority, stream: 3, H2Frame.word(0) + [16]), count: 100) + [get()], ok),
        HTTP2FrameCase("100 WINDOW_UPDATE", [waiting] + [H2Frame](repeating: H2Frame(.windowUpdate, stream: 1, H2Frame.word(1)), count: 100), "GOAWAY(1,11)", envoy: silence),
    ]
}
