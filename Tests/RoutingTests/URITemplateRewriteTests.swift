// Expectations were read off Envoy 1.40's configuration check; what a rewrite makes of a path is in OracleTests' group
// `routing`.

import Primitives
import Routing
import Testing

@Suite struct URITemplateRewriteTests {
    @Test func variablesBecomeGroups() throws {
        let rewrite = try URITemplateRewrite(match: "/t/{x=*}/a/{y=**}", rewrite: "/n/{y}/z{x}")
        #expect(rewrite.substitution == "/n/\\2/z\\1")
        #expect(rewrite.pattern.hasPrefix("^(?:/t/(") && rewrite.pattern.hasSuffix(")$"))
    }

    @Test(arguments: ["/", "/n/*", "/{x}{y}", "/a{x}b/", "/n/{x}/{x}"])
    func isAccepted(_ template: String) throws {
        _ = try URITemplateRewrite(match: "/t/{x}/{y}", rewrite: template)
    }

    @Test(arguments: ["n/{y}", "/n/{y", "/n//{y}", "/n/{y=*}", "/a b", "/n/{1}", "/n/}", "/{x}?a=1", "", "/n/{}"])
    func isRefused(_ template: String) {
        #expect(throws: URITemplateRewrite.Invalid.syntax) {
            _ = try URITemplateRewrite(match: "/t/{x}/{y}", rewrite: template)
        }
    }

    @Test func aVariableThatTheMatchLacksIsAMismatch() {
        #expect(throws: URITemplateRewrite.Invalid.unknownVariable) {
            _ = try URITemplateRewrite(match: "/t/{x}/{y}", rewrite: "/n/{z}")
        }
        #expect(throws: URITemplateRewrite.Invalid.match) {
            _ = try URITemplateRewrite(match: "/t/{x", rewrite: "/n/{x}")
        }
    }

    @Test func theRewritePutsTheCapturesTogether() throws {
        let made = try URITemplateRewrite(match: "/t/{x=*}/{y=**}", rewrite: "/n/{y}/z{x}")
        let paths = ["/t/a/b", "/t/a%20/b/c", "/t/a/b/", "/u/a/b"]
        let results = try Array(made.substitution.utf8).withBytes { bytes -> Result<[String], any Error> in
            Result {
                let rewrite = try RegexRewrite(pattern: made.pattern, substitution: bytes)
                defer { rewrite.destroy() }
                return paths.map { path in path.withBytes { String(rewrite.replaceAll($0)) } }
            }
        }.get()
        #expect(results == ["/n/b/za", "/n/b/c/za%20", "/n/b//za", "/u/a/b"])
    }
}
