// Expectations were read off Envoy 1.40, but where a test says otherwise.

import Routing
import Testing

@Suite struct URITemplateTests {
    private static let paths = [
        "/a", "/a/", "/a/x", "/a/x/", "/a/x/y", "/a/x/b", "/a//b", "/a/x.m3u8", "/a/x/y.m3u8", "/a/.m3u8", "/a/x/y.ts",
        "/a/x%20y", "/a/x:y", "/a/x'y", "/a/x\"y", "/a/x|y", "/a/[x]", "/a/x?y", "/a/{x}", "/a/x^y", "/a/x=y&z",
        "/a/x!$*()+-._~", "/ab",
    ]
    private static let oneSegment = [
        "/a/x", "/a/x.m3u8", "/a/.m3u8", "/a/x%20y", "/a/x:y", "/a/x'y", "/a/x?y", "/a/x=y&z", "/a/x!$*()+-._~",
    ]
    private static let below = ["/a/", "/a/x/", "/a/x/y", "/a/x/b", "/a//b", "/a/x/y.m3u8", "/a/x/y.ts"] + oneSegment

    private func matched(_ template: String) throws -> Set<String> {
        try Set(URITemplateTests.paths.filter { try oneRoute(RouteMatchSpec(.template(template)), TestRequest($0)) })
    }

    @Test func globsMatchAsInEnvoy() throws {
        #expect(try matched("/a/*") == Set(URITemplateTests.oneSegment))
        #expect(try matched("/a/{x}") == Set(URITemplateTests.oneSegment))
        #expect(try matched("/a/**") == Set(URITemplateTests.below))
        #expect(try matched("/a/{x=**}") == Set(URITemplateTests.below))
        #expect(try matched("/a/{x=*}/b") == ["/a/x/b"])
        #expect(try matched("/{y=a/*}/b") == ["/a/x/b"])
        #expect(try matched("/a/**.m3u8") == ["/a/x.m3u8", "/a/x/y.m3u8", "/a/.m3u8"])
        #expect(try matched("/a/**/b") == ["/a/x/b", "/a//b"])
        #expect(try matched("/a/{x=*}/{y=**}.ts") == ["/a/x/y.ts"])
    }

    @Test func mistakesAreNamedAsInEnvoy() {
        for (template, reason) in [
            ("a", "Invalid pattern: \"a\""), ("/a/{x}/{x}", "Repeated variable name: \"x\""),
            ("/a/{x=**}/{y}", "Implicit variable path glob after text glob."), ("/a/**/**", "Glob after text glob."),
            ("/a/{=*}", "Invalid variable name: \"\""), ("/a/{1x}", "Invalid variable name: \"1x\""),
            ("/a//b", "Invalid literal: \"\""), ("/a/}", "Invalid literal: \"}\""),
            ("/a/{x", "Unmatched variable bracket in mixed pattern: \"{x\""), ("/a/{x=}", "Empty variable match"),
            ("/{a}/{b}/{c}/{d}/{e}/{f}", "Exceeded variable count limit (5)"), ("/a[b]", "Invalid literal: \"[b]\""),
            (
                "/a/{xxxxxxxxxxxxxxxxx}",
                "Invalid variable name length (length of \"xxxxxxxxxxxxxxxxx\" should be at least 1 and no more than 16)"
            ),
            // Accepted by Envoy, which then reads the star as part of a regex.
            ("/a*", "Invalid literal: \"*\" is a segment of its own"),
            ("/a/***", "Invalid literal: \"*\" is a segment of its own"),
            ("/{x=*", "Unmatched variable bracket"), ("/{x={y}}", "Invalid suffix literal: \"{\""),
        ] {
            let spec = RouteTableSpec(
                name: "t",
                virtualHosts: [VirtualHostSpec(name: "v", domains: ["*"], routes: [RouteMatchSpec(.template(template))])])
            #expect(
                errors(spec).map(\.message) == ["path_match_policy.path_template \(template) is invalid: \(reason)"])
        }
    }
}
