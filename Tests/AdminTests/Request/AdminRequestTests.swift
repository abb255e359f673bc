import Admin
import Testing

/// Paths, queries and forms as commands see them.
struct AdminRequestTests {
    @Test
    func pathAndQueryAreTakenApart() {
        let request = AdminRequest(method: "GET", target: "/stats?filter=a.b&usedonly&format=json")
        #expect(request.path == "/stats")
        #expect(request.query["filter"] == "a.b")
        #expect(request.query["usedonly"] == "")
        #expect(request.query.has("usedonly"))
        #expect(request.query.nonEmpty("usedonly") == nil)
        #expect(request.query["none"] == nil)
        #expect(request.query.count == 3)
    }

    /// Envoy Gateway and Contour ask for `//stats`.
    @Test
    func duplicateSlashesOfThePathAreMerged() {
        let request = AdminRequest(method: "GET", target: "//stats///prometheus?filter=a//b")
        #expect(request.path == "/stats/prometheus")
        #expect(request.pathAndQuery == "/stats/prometheus?filter=a//b")
        #expect(request.query["filter"] == "a//b")
        #expect(AdminRequest(method: "GET", target: "/ready/").path == "/ready/")
        #expect(AdminRequest(method: "GET", target: "").path == "")
        #expect(AdminRequest(method: "GET", target: "?").path == "")
    }

    @Test
    func escapesAreDecodedAndAPlusStays() {
        let request = AdminRequest(method: "GET", target: "/x?a=%5E%2e%7C&b=1+2&c%3D=%&d=%4&e=%zz&f=%e2%82%ac")
        #expect(request.query["a"] == "^.|")
        #expect(request.query["b"] == "1+2")
        #expect(request.query["c="] == "%")
        #expect(request.query["d"] == "%4")
        #expect(request.query["e"] == "%zz")
        #expect(request.query["f"] == "\u{20ac}")
    }

    @Test
    func bytesThatAreNoTextAreKnown() {
        let query = AdminRequest(method: "GET", target: "/x?filter=%E9&filter=a&b=%EF%BF%BD&c=a").query
        #expect(query.isBroken("filter") && !query.isBroken("b") && !query.isBroken("c") && !query.isBroken("d"))
        #expect(!AdminRequest(method: "GET", target: "/x?filter=a&filter=%E9").query.isBroken("filter"), "the first counts")
    }

    @Test
    func emptyPartsAndRepeatsAreHarmless() {
        let request = AdminRequest(method: "GET", target: "/x?&&a=1&a=2&=v&b==c")
        #expect(request.query["a"] == "1")
        #expect(request.query[""] == "v")
        #expect(request.query["b"] == "=c")
    }

    /// A form counts only when the query says nothing.
    @Test
    func aFormStandsInForTheQuery() {
        let form = "application/x-www-form-urlencoded"
        let body = Array("level=debug".utf8)
        #expect(AdminRequest(method: "POST", target: "/stats", contentType: form, body: body).query.isEmpty, "Envoy's looks at its URL")
        #expect(AdminRequest(method: "POST", target: "/logging", contentType: form, body: body).query["level"] == "debug")
        #expect(
            AdminRequest(method: "POST", target: "/logging?level=info", contentType: form, body: body).query["level"]
                == "info")
        #expect(AdminRequest(method: "POST", target: "/logging", contentType: "text/plain", body: body).query.isEmpty)
    }

    /// Every prefix of a hostile query is read without a trap.
    @Test
    func queriesCutShortAnywhereAreRead() {
        let target = "/x?a=%F0%9F%98%80&%=&%%25&=%&b=%2"
        for end in 0...target.utf8.count {
            let cut = String(decoding: Array(target.utf8.prefix(end)), as: UTF8.self)
            #expect(AdminRequest(method: "GET", target: cut).path.utf8.count <= cut.utf8.count)
        }
    }

    /// A query of 60 KiB: names that are looked for in all others took main for seconds. Five times as many take five times as long.
    @Test
    func manyNamesTakeNoLongerEach() {
        func least(_ count: Int) -> Duration {
            let text = (0..<count).map { String($0, radix: 36) }.joined(separator: "&")
            return (0..<7).map { _ in ContinuousClock().measure { #expect(QueryParameters(text[...]).count == count) } }.min() ?? .zero
        }
        #expect(least(10_000) < least(2_000) * 13)
    }

    /// A browser names the page that a POST comes from; who is no browser names none.
    @Test
    func pagesOfOtherSitesAreRecognised() {
        var request = AdminRequest(method: "POST", target: "/quitquitquit")
        request.host = "127.0.0.1:9901"
        for (origin, isForeign) in [
            ("", false), ("http://127.0.0.1:9901", false), ("https://127.0.0.1:9901", false), ("http://127.0.0.1", true),
            ("http://127.0.0.1:9901.evil.test", true), ("http://evil.test", true), ("null", true), ("file://", true), ("127.0.0.1:9901", true),
        ] {
            request.origin = origin
            #expect(request.isFromAnotherSite == isForeign, "\(origin)")
        }
        request.host = ""
        request.origin = "null"
        #expect(request.isFromAnotherSite)
    }
}
