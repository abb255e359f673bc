import TestSupport
import Testing

/// `direct_response` of routes, as Envoy 1.40 gave it for the same configuration.
@Suite(.enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct DirectResponseTests {
    /// RFC 9110 §15.3.2, §15.4: where what was created is, or where else to go. Envoy names the request's own place.
    @Test(arguments: [(201, "http://h.test/a?x=1"), (302, "http://h.test/a?x=1"), (304, "http://h.test/a?x=1"), (200, nil), (404, nil)])
    func aPlaceIsNamed(status: Int, location: String?) throws {
        let served = try Served(Binary.martlet()) { port in
            var bootstrap = Bootstrap()
            bootstrap.listeners = [
                Bootstrap.http(
                    "main", at: Bootstrap.address(port),
                    routes: ["{match: {prefix: /}, direct_response: {status: \(status), body: {inline_string: hello}}}"])
            ]
            return bootstrap.yaml
        }
        let answer = try served.get("/a?x=1")
        #expect(answer.status == status)
        #expect(answer.header("location") == location)
    }
}
