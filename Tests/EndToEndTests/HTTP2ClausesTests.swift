import TestSupport
import Testing

/// docs/rfc9113.md against the cases: none that is named is missing, and none is left out.
struct HTTP2ClausesTests {
    @Test func theTableIsWhole() throws {
        let path = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/docs/rfc9113.md"
        var client: Set<String> = []
        var server: Set<String> = []
        var clauses = 0
        for line in try #require(Files.text(path)).textLines where line.hasPrefix("| §") || line.hasPrefix("| RFC") {
            let columns = line.split(separator: "|", omittingEmptySubsequences: false)
            try #require(columns.count == 6, "\(line)")
            client.formUnion(quoted(columns[3]))
            server.formUnion(quoted(columns[4]))
            clauses += 1
        }
        #expect(clauses > 35)
        #expect(client == Set(HTTP2FrameCase.all.map(\.name)), "\(client.symmetricDifference(HTTP2FrameCase.all.map(\.name)))")
        #expect(server == Set(HTTP2ServerFrameCase.all.map(\.name)), "\(server.symmetricDifference(HTTP2ServerFrameCase.all.map(\.name)))")
    }

    private func quoted(_ text: Substring) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }
}
