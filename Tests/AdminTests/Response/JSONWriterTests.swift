import Admin
import Testing

/// Layout of the JSON that admin answers have.
struct JSONWriterTests {
    @Test
    func layoutIsEnvoys() {
        var json = JSONWriter()
        json.object { json in
            json.member("name", "a\"b")
            json.member("flag", true)
            json.member("small", 7)
            json.member("long", long: 8)
            json.object("empty") { _ in }
            json.array("none") { _ in }
            json.array("list") { json in
                json.element("x")
                json.element { $0.member("y", 1) }
            }
        }
        #expect(
            json.text == """
                {
                 "name": "a\\"b",
                 "flag": true,
                 "small": 7,
                 "long": "8",
                 "empty": {},
                 "none": [],
                 "list": [
                  "x",
                  {
                   "y": 1
                  }
                 ]
                }
                """)
    }

    /// Taken piece by piece it is the same text.
    @Test
    func piecesMakeTheWhole() {
        func write(_ json: inout JSONWriter, _ took: (inout JSONWriter) -> Void) {
            json.open("{")
            took(&json)
            json.key("list")
            json.open("[")
            for i in 0..<3 {
                json.element { $0.member("i", UInt32(i)) }
                took(&json)
            }
            json.close("]")
            took(&json)
            json.close("}")
        }
        var whole = JSONWriter()
        write(&whole) { _ in }
        var pieces = ""
        var json = JSONWriter()
        write(&json) { pieces += $0.take() }
        pieces += json.take()
        #expect(pieces == whole.text)
    }

    /// `members` lays the members of another object among ours.
    @Test
    func membersOfAPrintedObjectAreTakenOver() {
        var json = JSONWriter()
        json.object { json in
            json.member("a", 1)
            json.members("{\n \"b\": {\n  \"c\": 2\n }\n}")
            json.members("{}")
            json.member("d", 3)
        }
        #expect(json.text == "{\n \"a\": 1,\n \"b\": {\n  \"c\": 2\n },\n \"d\": 3\n}")
    }
}
