// Expectations were read off Envoy 1.40.

import Primitives
import Routing
import Testing
import Wire

@Suite struct PathRewriteTests {
    private func rewritten(_ path: String, isDone: Bool = true, _ rewrite: (inout MessageHead) -> Bool) -> String {
        TestRequest(path).withHead { head in
            var copy = head
            // The block may move; the request's own head must not free it twice.
            #expect(rewrite(&copy) == isDone)
            return String(copy.text(copy.path))
        }
    }

    private func prefix(_ path: String, _ count: UInt32, _ by: String) -> String {
        rewritten(path) { head in by.withBytes { PathRewrite.prefix(&head, matchedCount: count, by: $0) } }
    }

    private func whole(_ path: String, _ by: String) -> String {
        rewritten(path) { head in by.withBytes { PathRewrite.whole(&head, by: $0) } }
    }

    @Test func aWholePathKeepsTheQuery() {
        #expect(whole("/a/b?x=1", "/n") == "/n?x=1")
        #expect(whole("/a", "/n?y=2") == "/n?y=2")
        #expect(whole("/a?", "n") == "n?")
    }

    @Test(arguments: [(" ", false), ("/a b", false), ("/a\tb", false), ("/a\r\n", false), ("/\u{7f}", false), ("/\0", false), ("", true), ("/a%20#b", true), ("/é", true)])
    func blanksAndControlsAreNoPath(_ text: String, _ isPath: Bool) {
        #expect(text.withBytes { RequestPath.mayStandInTarget($0) } == isPath)
    }

    private func regex(_ path: String, _ pattern: String, _ substitution: String, isDone: Bool = true) throws -> String {
        try Array(substitution.utf8).withBytes { bytes -> Result<String, any Error> in
            Result {
                let rewrite = try RegexRewrite(pattern: pattern, substitution: bytes)
                defer { rewrite.destroy() }
                return rewritten(path, isDone: isDone) { PathRewrite.regex(&$0, rewrite) }
            }
        }.get()
    }

    @Test func prefixesAreReplaced() {
        #expect(prefix("/abc", 4, "/x") == "/x")
        #expect(prefix("/ABC/d?q=/abc", 4, "/x") == "/x/d?q=/abc")
        #expect(prefix("/abc/d?q=/abc", 6, "/x") == "/x?q=/abc")
        #expect(prefix("/abc/d", 4, "/") == "//d")
        #expect(prefix("/abc/d?q", 5, "/x?y=1") == "/x?y=1d?q")
        // A count beyond the path is our own fault, but nothing to fall over.
        #expect(prefix("/a", 99, "/x") == "/x")
        TestRequest("/a;b/c").withHead { head in
            var copy = head
            #expect(!Array("/x".utf8).withBytes { PathRewrite.prefix(&copy, matchedCount: nil, by: $0) })
            #expect(String(copy.text(copy.path)) == "/a;b/c")
        }
    }

    @Test func everyMatchIsReplacedButNotInTheQuery() throws {
        #expect(try regex("/abc/d?q=/abc", "/(a)(b*)", #"/\2\1\0\\"#) == #"/ba/ab\c/d?q=/abc"#)
        #expect(try regex("/abc?q", "b*", "-") == "-/-a-c-?q")
        #expect(try regex("/abc?q", "q", "z") == "/abc?q")
        #expect(try regex("/abc/d?q", "^/abc", "") == "/d?q")
        // Nothing would be left: nothing is rewritten, where nothing that matches is a rewrite to the same.
        #expect(try regex("/abc?q", "^/abc", "", isDone: false) == "/abc?q")
        // A group that does not exist: accepted, and nothing happens.
        #expect(try regex("/abc", "a", #"\9"#) == "/abc")
    }

    @Test func badPatternsAndSubstitutionsAreNamed() throws {
        #expect(throws: RegexProgram.Invalid(message: "missing ): a(")) {
            try RegexRewrite(pattern: "a(", substitution: Bytes("x")).destroy()
        }
        let rewrite = try RegexRewrite(pattern: "a", substitution: Bytes("\\9"))
        defer { rewrite.destroy() }
        #expect(rewrite.substitutionFault?.contains("9") == true)
        let good = try RegexRewrite(pattern: "(a)", substitution: Bytes("\\1"))
        defer { good.destroy() }
        #expect(good.substitutionFault == nil)
    }

    @Test func theHostComesFromThePath() throws {
        let rewrite = try RegexRewrite(pattern: "^/(.+)/.+$", substitution: Bytes("\\1"))
        defer { rewrite.destroy() }
        let host = TestRequest("/host.com/x?q=/y").withHead { head in
            var copy = head
            #expect(HostRewrite.fromPath(&copy, rewrite))
            return String(copy.text(copy.authority))
        }
        #expect(host == "host.com")
    }
}
