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

    /// Requests that are on their way when the first response says `close` are answered, each of them saying so; the connection
    /// goes when `drain_timeout` is over.
    @Test func pipelinedRequestsAreServed() throws {
        let served = try Served(try Binary.martlet()) { port in
            Bootstrap(
                listeners: [
                    Bootstrap.http(
                        "main", at: Bootstrap.address(port), manager: ["drain_timeout: 1s", "delayed_close_timeout: 0.1s"],
                        routes: ["{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}"])
                ]
            ).yaml
        }
        #expect(served.admin.request("POST", "/healthcheck/fail")?.status == 200)
        let text = String(repeating: "GET / HTTP/1.1\r\nhost: a\r\n\r\n", count: 3)
        let outcome = try RawClient(steps: [.send(text)], methods: ["GET", "GET", "GET"]).run(port: served.listener)
        #expect(outcome.responses.map(\.status) == [200, 200, 200])
        #expect(outcome.responses.allSatisfy { $0.header("connection") == "close" })
        #expect(served.stat("http.main.downstream_cx_drain_close", becomes: 1) == 1)
        #expect(served.stat("http.main.downstream_cx_active", becomes: 0) == 0)
    }
}
