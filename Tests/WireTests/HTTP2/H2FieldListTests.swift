import CNghttp2
import Primitives
import Testing
import Wire

struct H2FieldListTests {
    private let pool = BlockPool()

    private func text(_ list: H2FieldList) -> [String] {
        (0..<list.count).map { i in
            let field = unsafe list.base[i]
            return unsafe String(decoding: UnsafeBufferPointer(start: field.name, count: field.namelen), as: UTF8.self) + "="
                + String(decoding: UnsafeBufferPointer(start: field.value, count: field.valuelen), as: UTF8.self)
        }
    }

    private func head(_ fields: [(StaticString, StaticString)]) throws -> MessageHead {
        var head = try #require(MessageHead(pool: pool, bytes: 512))
        for (name, value) in fields { head.append(name: Bytes(name), value: Bytes(value)) }
        return head
    }

    @Test func aResponseWithoutFieldsOfTheConnection() throws {
        let head = try head([
            ("server", "s"), ("connection", "close"), ("keep-alive", "1"), ("transfer-encoding", "chunked"), ("upgrade", "x"),
            ("content-length", "7"), ("proxy-connection", "x"),
        ])
        defer { head.destroy() }
        var list = H2FieldList()
        list.response(head, status: 200, length: 9, isTunnel: false)
        // The length is what the codec says, not what the field said.
        #expect(text(list) == [":status=200", "server=s", "content-length=9"])
        list.response(head, status: 200, length: nil, isTunnel: false)
        #expect(text(list) == [":status=200", "server=s"])
    }

    @Test func requests() throws {
        // An empty `te`, which HTTP/1 lets pass, would be malformed here (RFC 9113 §8.2.2).
        var head = try head([("te", ""), ("a", "b"), ("te", "trailers")])
        defer { head.destroy() }
        head.methodText = head.store(Bytes("GET"))
        head.path = head.store(Bytes("/p"))
        head.authority = head.store(Bytes("h"))
        var list = H2FieldList()
        list.request(head, length: nil, connectProtocol: nil)
        #expect(text(list) == [":method=GET", ":path=/p", ":scheme=http", ":authority=h", "a=b", "te=trailers"])
        // RFC 8441 §4.
        list.request(head, length: nil, connectProtocol: Bytes("websocket"))
        #expect(text(list).prefix(5) == [":method=CONNECT", ":authority=h", ":scheme=http", ":path=/p", ":protocol=websocket"])
        // RFC 9113 §8.5.
        head.method = .connect
        head.methodText = head.store(Bytes("CONNECT"))
        list.request(head, length: nil, connectProtocol: nil)
        #expect(text(list).prefix(2) == [":method=CONNECT", ":authority=h"])
        #expect(list.count == 4)
    }

    @Test func moreFieldsThanTheListBeganWith() throws {
        var head = try head([])
        defer { head.destroy() }
        for _ in 0..<1_000 { head.append(name: Bytes("n"), value: Bytes("v")) }
        var list = H2FieldList()
        list.trailers(head)
        #expect(list.count == 1_000)
        #expect(text(list).allSatisfy { $0 == "n=v" })
    }
}
