// Every row was read off Envoy 1.40, but for those marked.

import Primitives
import Testing
import Wire

@Suite struct PathNormalizerTests {
    static func apply(_ path: String, _ change: (inout PathOptions) -> Void) -> String {
        var options = PathOptions()
        change(&options)
        return withHead { head in
            head.path = path.withBytes { head.store($0) }
            let before = head.textBytes
            switch PathNormalizer.apply(options, to: &head) {
            case .unchanged: return head.textBytes == before ? "=" : "leaked"
            case .changed: return String(latin1: head.text(head.path))
            case .redirect: return "307 " + String(latin1: head.text(head.path))
            case .rejected: return "400"
            }
        } ?? ""
    }

    @Test(arguments: [
        ("/", "="), ("//", "="), ("/a", "="), ("/a/", "="), ("/a//b", "="), ("/a/./b", "/a/b"), ("/a/../b", "/b"),
        ("/../a", "/a"), ("/..", "/"), ("/.", "/"), ("/a/..", "/"), ("/a/.", "/a/"), ("/a/b/../../c", "/c"),
        ("/a/../../c", "/c"), ("/a/%2e%2e/b", "/b"), ("/a/%2E/b", "/a/b"), ("/a/.%2e/b", "/b"), ("/%41", "/A"),
        ("/a%2fb", "="), ("/a%5cb", "="), ("/a\\b", "/a/b"), ("/a\\..\\b", "/b"), ("/a//../b", "/a/b"),
        ("/a/b//..", "/a/b/"), ("/a%00b", "400"), ("/a%zz", "="), ("/a%2", "="), ("/%7e", "/~"), ("/%20", "="),
        ("/a?x/../y", "="), ("/a?%2e%2e", "="), ("/a;b/..", "/"), ("/a/..;/b", "/b"), ("/a/...", "="), ("/a/..b", "="),
        ("/a/b..", "="), ("/%2e", "/"), ("/%2e%2e", "/"), ("/a/%252e", "="), ("/a/\"", "/a/%22"), ("/<>", "/%3C%3E"),
        ("/a/.?x", "/a/?x"), ("/a/..?x", "/?x"), ("/a/./", "/a/"), ("/a/../", "/"), ("//../a", "/a"),
        ("/a/b/..//", "/a//"), ("/a^b`c{d|e}", "/a%5Eb%60c%7Bd%7Ce%7D"), ("/a/.;/b", "/a/b"), ("/a/..;x=1/b", "/b"),
        ("/a/..;", "/"), ("/;/..", "/"), ("/a/.;x", "/a/"), ("/a/..\\b", "/b"), ("/a%5C%2e%2e/b", "/a%5C../b"),
        ("/../../..", "/"), ("/a/./..//./b", "//b"), ("/a/%2e%2e%2fb", "/a/..%2fb"), ("/a//%2e%2e/b", "/a/b"),
        ("/%2e%2f", "/.%2f"), ("/%2d%5f%30%7a", "/-_0z"), ("*", "="), ("", "="), ("/a?b=//", "="),
        // Envoy keeps these two as "/a/..;/b", though it removes "/a/..;/b" itself.
        ("/a/%2e%2e;/b", "/b"), ("/a\\..;/b", "/b"),
    ])
    func normalize(_ path: String, _ expected: String) {
        #expect(PathNormalizerTests.apply(path) { $0.normalize = true } == expected)
    }

    @Test(arguments: [
        ("/a//b", "/a/b"), ("/a//../b", "/a/../b"), ("/a/b//..", "/a/b/.."), ("/a///b", "/a/b"), ("//a", "/a"),
        ("/a?//", "="), ("/a", "="), ("/a/b/..//?//", "/a/b/../?//"),
        // Envoy leaves "//" of these.
        ("//", "/"), ("///", "/"),
    ])
    func mergeSlashes(_ path: String, _ expected: String) {
        #expect(PathNormalizerTests.apply(path) { $0.mergeSlashes = true } == expected)
    }

    @Test(arguments: [
        ("/a%2fb", "/a/b"), ("/a%2Fb", "/a/b"), ("/a%5cb", "/a\\b"), ("/%2f%2f", "///"), ("/a%2f..%2fb", "/a/../b"),
        ("/a/%2e%2e%2fb", "/a/%2e%2e/b"), ("/a?%2f", "="), ("/%252f", "="), ("/%2", "="), ("/%", "="), ("/%2f?x%2f", "//?x%2f"),
    ])
    func unescapeSlashes(_ path: String, _ expected: String) {
        #expect(PathNormalizerTests.apply(path) { $0.escapedSlashes = .unescapeAndForward } == expected)
        let redirected = expected == "=" ? "=" : "307 " + expected
        #expect(PathNormalizerTests.apply(path) { $0.escapedSlashes = .unescapeAndRedirect } == redirected)
        #expect(PathNormalizerTests.apply(path) { $0.escapedSlashes = .rejectRequest } == (expected == "=" ? "=" : "400"))
    }

    @Test(arguments: [
        ("/a%2f..%2fb", "/b"), ("/%2e%2f", "/"), ("/a/..%2f", "/"), ("/%5c", "/"), ("/a/%2f/b", "/a/b"),
        ("/a%5c..%5cb", "/b"), ("/a/%2e%2e%2fb?q", "/b?q"), ("/x", "="),
    ])
    func allTogether(_ path: String, _ expected: String) {
        #expect(
            PathNormalizerTests.apply(path) {
                $0.normalize = true
                $0.mergeSlashes = true
                $0.escapedSlashes = .unescapeAndForward
            } == expected)
    }

    // Normalising twice changes nothing; the result never has a dot segment.
    @Test func idempotent() {
        var random = SeededGenerator(state: 3)
        for _ in 0..<3000 {
            let path = "/" + random.text("./\\%2eEfF5cab;\"", 0...24)
            var options = PathOptions()
            options.normalize = true
            options.mergeSlashes = Bool.random(using: &random)
            options.escapedSlashes = Bool.random(using: &random) ? .keepUnchanged : .unescapeAndForward
            _ = withHead { head in
                head.path = path.withBytes { head.store($0) }
                if case .rejected = PathNormalizer.apply(options, to: &head) { return }
                let once = String(latin1: head.text(head.path))
                #expect(!once.split(separator: "/", omittingEmptySubsequences: false).contains { $0 == ".." || $0 == "." }, "\(path)")
                #expect(once.hasPrefix("/"))
                // Unescaping may make a new escape ("%252f"); one round is what Envoy does.
                options.escapedSlashes = .keepUnchanged
                _ = PathNormalizer.apply(options, to: &head)
                if !once.contains("%") { #expect(String(latin1: head.text(head.path)) == once, "\(path)") }
            }
        }
    }
}
