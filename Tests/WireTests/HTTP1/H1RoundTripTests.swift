// Encode, decode: the same message, for many seeded random messages and any cut. Random bytes: any events, no trap.

import Primitives
import Testing
import Wire

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    mutating func text(_ alphabet: String, _ count: ClosedRange<Int>) -> String {
        let letters = Array(alphabet)
        return String((0..<Int.random(in: count, using: &self)).map { _ in letters[Int.random(in: 0..<letters.count, using: &self)] })
    }
}

@Suite struct H1RoundTripTests {
    static let token = "abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~"
    static let value = "abcXYZ019 \t,;=\"/()<>@\u{80}\u{ff}"

    @Test(arguments: 0..<40)
    func requests(_ seed: Int) {
        var random = SeededGenerator(state: UInt64(seed))
        for _ in 0..<25 {
            _ = withHead { head in
                let method = ["GET", "POST", "PUT", "DELETE", "PROPFIND"].randomElement(using: &random) ?? "GET"
                head.setRequest(
                    method, "/" + random.text("abc/?=&%~.-\"", 0...60), random.text("abc.-_09", 0...20))
                for _ in 0..<Int.random(in: 0...20, using: &random) {
                    // A prefix that no framing field has.
                    let name = "x" + random.text(H1RoundTripTests.token, 0...40)
                    let text = random.text(H1RoundTripTests.value, 0...80).trimmedSpaces
                    head.append(name: name, latin1: text)
                }
                let body = random.text("body\r\n0123", 0...200)
                let chunked = Bool.random(using: &random)
                var wire = encodedRequest(head, chunked ? .chunked : .contentLength(UInt64(body.utf8.count)))
                wire += chunked ? chunkedText(body, &random) : body
                let fields = Probe.fields(head)
                let probe = Probe.request(pieces(wire.latin1, &random), H1Options())
                let text = probe.log.joined(separator: "\n")
                #expect(probe.log.first?.contains("\(method) [\(String(latin1: head.text(head.authority)))] \(String(latin1: head.text(head.path))) http11 {\(fields)") == true, "\(text)")
                #expect((probe.log.first { $0.hasPrefix("body ") } ?? "body ") == "body " + body)
                #expect(probe.log.last == "complete")
                #expect(probe.end == "needMore")
            }
        }
    }

    @Test(arguments: 0..<20)
    func responses(_ seed: Int) {
        var random = SeededGenerator(state: UInt64(seed) &+ 1000)
        for _ in 0..<25 {
            _ = withHead { head in
                head.status = UInt16.random(in: 200...599, using: &random)
                if head.status == 204 || head.status == 304 { head.status = 200 }
                for _ in 0..<Int.random(in: 0...20, using: &random) {
                    head.append(
                        name: "x" + random.text(H1RoundTripTests.token, 0...40),
                        latin1: random.text(H1RoundTripTests.value, 0...80).trimmedSpaces)
                }
                let body = random.text("body\r\n0123", 0...200)
                let kind = Int.random(in: 0...2, using: &random)
                var wire = encodedResponse(head, [.chunked, .contentLength(UInt64(body.utf8.count)), .closeDelimited][kind])
                wire += kind == 0 ? chunkedText(body, &random) : body
                let probe = Probe.response(pieces(wire.latin1, &random), .response, .get, false)
                #expect(probe.log.first?.hasPrefix("head \(head.status) http11 {\(Probe.fields(head))") == true)
                #expect((probe.log.first { $0.hasPrefix("body ") } ?? "body ") == "body " + body)
                #expect(kind == 2 ? probe.end == "complete" : probe.log.last == "complete")
            }
        }
    }

    // Any bytes give some events; bounded to two seconds.
    @Test func garbageNeverTraps() {
        var random = SeededGenerator(state: 7)
        let parts = [
            "GET ", "POST ", "/", " HTTP/1.1", "\r\n", "\r", "\n", "Host: a\r\n", "Content-Length: ", "3", "Transfer-Encoding: ",
            "chunked", "\r\n\r\n", "0", "f", ";", ":", " ", "\t", "\u{0}", "\u{ff}", "HTTP/1.1 ", "200", "101", "Connection: upgrade\r\n",
            "http://", "[::1]", "*", "#", "CONNECT ", "a:1",
        ]
        let clock = ContinuousClock()
        let start = clock.now
        var keep = H1Options()
        keep.enableTrailers = true
        keep.maxHeadBytes = 200
        while clock.now - start < .seconds(2) {
            let text = (0..<Int.random(in: 1...30, using: &random)).map { _ in parts[Int.random(in: 0..<parts.count, using: &random)] }.joined()
            let bytes = text.latin1
            let options = Bool.random(using: &random) ? H1Options() : keep
            #expect(Probe.request([bytes], options).log == Probe.request(pieces(bytes, &random), options).log, "\(text)")
            #expect(
                Probe.response([bytes], options, .get, true).log
                    == Probe.response(pieces(bytes, &random), options, .get, true).log, "\(text)")
        }
    }
}

private func pieces(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var start = 0
    while start < bytes.count {
        let count = min(bytes.count - start, Int.random(in: 1...40, using: &random))
        result.append(Array(bytes[start..<start + count]))
        start += count
    }
    return result
}

private func chunkedText(_ body: String, _ random: inout SeededGenerator) -> String {
    var text = ""
    for piece in pieces(body.latin1, &random) {
        text += unsafe written(H1Chunks.prefixBytesMax) { memory, _ in unsafe H1Chunks.prefix(piece.count, into: memory) }
        text += String(String.UnicodeScalarView(piece.map { UnicodeScalar($0) })) + String(H1Chunks.suffix)
    }
    return text + String(H1Chunks.last)
}

extension String {
    var trimmedSpaces: String {
        var view = Substring(self)
        while view.first == " " || view.first == "\t" { view.removeFirst() }
        while view.last == " " || view.last == "\t" { view.removeLast() }
        return String(view)
    }
}

extension MessageHead {
    mutating func append(name: String, latin1 value: String) {
        name.withBytes { name in value.latin1.withBytes { value in self.append(name: name, value: value) } }
    }
}
