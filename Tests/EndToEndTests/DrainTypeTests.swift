import TestSupport
import Testing

/// `drain_type` of a listener: whether its connections close while the process fails health checks, as with Envoy 1.40.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct DrainTypeTests {
    @Test(arguments: [("DEFAULT", true), ("MODIFY_ONLY", false)])
    func failingHealthChecksCloseConnections(type: String, closes: Bool) throws {
        let served = try Served(try Binary.martlet()) { port in
            Bootstrap(
                listeners: [
                    Bootstrap.http(
                        "main", at: Bootstrap.address(port), listener: ["drain_type: \(type)"],
                        routes: ["{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}"])
                ]
            ).yaml
        }
        #expect(try served.get().header("connection") == nil)
        #expect(served.admin.request("POST", "/healthcheck/fail")?.status == 200)
        #expect(try served.get().header("connection") == (closes ? "close" : nil))
        #expect(served.admin.request("POST", "/healthcheck/ok")?.status == 200)
        #expect(try served.get().header("connection") == nil)
    }
}
