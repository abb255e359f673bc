@testable import Admin
import Glibc
import Testing

@Suite struct DumpBodyTests {
    /// Steps that write nothing, as behind a filter that wants nothing: a piece ends by its time.
    @Test func aPieceEndsByItsTimeToo() {
        var made = 0
        let body = DumpBody([
            .once { $0.open("{") },
            .each(20) { _, _ in
                usleep(400)
                made += 1
            },
            .once { json in
                json.close("}")
                json.end()
            },
        ])
        var out: [UInt8] = []
        #expect(body.next(&out))
        #expect(made < 5)
        var pieces = 1
        while body.next(&out) { pieces += 1 }
        #expect(made == 20 && pieces >= 8)
        #expect(String(decoding: out, as: UTF8.self) == "{}\n")
    }
}
