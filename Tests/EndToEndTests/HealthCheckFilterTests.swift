import TestSupport
import Testing

/// `/healthcheck/fail`: the filter health_check says so to whoever asks, and every response does.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct HealthCheckFilterTests {
    private func start(_ options: String) throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "a")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
        upstream.start()
        let filter = """
            - name: envoy.filters.http.health_check
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck, \(options), headers: [{name: ":path", string_match: {exact: /healthz}}]}
                      - name: envoy.filters.http.router
            """
        let served = try Served(try Binary.martlet()) {
            Served.http($0, clusters: [Served.cluster([upstream.port])]).replacing(text: "- name: envoy.filters.http.router", by: filter)
        }
        return (served, upstream)
    }

    @Test(arguments: ["pass_through_mode: false", "pass_through_mode: true"])
    func failingIsToldAndTakenBack(_ options: String) throws {
        let (served, upstream) = try start(options)
        defer { upstream.stop() }
        #expect(try served.get("/healthz").status == 200)
        #expect(try served.get("/other").header("x-envoy-immediate-health-check-fail") == nil)

        #expect(served.admin.request("POST", "/healthcheck/fail")?.status == 200)
        let check = try served.get("/healthz")
        #expect(check.status == 503)
        #expect(check.header("x-envoy-immediate-health-check-fail") == "true")
        let other = try served.get("/other")
        #expect(other.status == 200 && other.header("x-envoy-immediate-health-check-fail") == "true")
        #expect(served.stat("http.h.health_check.failed", becomes: 1) == 1)

        #expect(served.admin.request("POST", "/healthcheck/ok")?.status == 200)
        #expect(try served.get("/healthz").status == 200)
        #expect(try served.get("/other").header("x-envoy-immediate-health-check-fail") == nil)
    }
}
