import TestSupport
import Testing

/// A proxy that is broken in one thing must fail: Envoy itself, behind a relay that corrupts one thing, against
/// Envoy's own golden outcomes.
@Suite(.serialized)
struct LyingTests {
    private struct Trial {
        let name: String
        let lie: LyingRelay.Lie
        /// Where the lie must show; empty for the control.
        let shows: Set<Aspect>
    }

    private static let trials: [Trial] = [
        Trial(name: "nothing", lie: .none, shows: []),
        Trial(name: "one header's value", lie: .inResponse("server: envoy", by: "server: evnoy"), shows: [.headers]),
        Trial(name: "a header's name", lie: .inResponse("x-upstream: a", by: "X-Upstream: a"), shows: [.headers]),
        Trial(name: "the order of two headers", lie: .inResponse("content-type: text/plain\r\nx-upstream: a", by: "x-upstream: a\r\ncontent-type: text/plain"), shows: [.headers]),
        Trial(name: "a header lost", lie: .inResponse("x-upstream: a\r\n", by: ""), shows: [.headers]),
        Trial(name: "the status", lie: .inResponse("200 OK", by: "201 OK"), shows: [.status]),
        Trial(name: "the reason", lie: .inResponse("200 OK", by: "200 Ok"), shows: [.status]),
        Trial(name: "the body", lie: .inResponse("\r\n\r\nok", by: "\r\n\r\nko"), shows: [.body]),
        Trial(name: "the path", lie: .inRequest("/a ", by: "/b "), shows: [.upstream, .log]),
        Trial(name: "a request header", lie: .inRequest("user-agent: t", by: "user-agent: u"), shows: [.upstream]),
        Trial(name: "the method", lie: .inRequest("GET ", by: "HEAD "), shows: [.upstream, .log, .body]),
        Trial(name: "a close", lie: .closes, shows: [.end]),
    ]

    @Test(.disabled(if: Mode.chosen == .record, "the goldens are being written"))
    func aBrokenProxyFails() throws {
        guard Mode.chosen != .golden, case .success(let envoy) = ProxyBinary.envoy() else {
            print("LyingTests are skipped: they need Envoy; HarnessTests corrupt the golden outcomes instead")
            return
        }
        let group = Groups.framing
        let test = try #require(group.cases.first { $0.name == "framing.get_for_lies" })
        let expected = try #require(try Golden.read(group)?.cases[test.name]?.outcome)
        let proxy = try ProxyUnderTest(.envoy, binary: envoy, group: group)
        for trial in LyingTests.trials {
            let relay = try LyingRelay(to: proxy.ports["listener.main"]!, lie: trial.lie)
            defer { relay.stop() }
            let outcome = try CaseRun(proxy, detour: relay.port).play(test)
            let shown = Set(Comparison(expected: expected, found: outcome).differences.map(\.aspect))
            #expect(shown.isSuperset(of: trial.shows), "corrupted: \(trial.name); seen: \(shown)")
            if trial.shows.isEmpty { #expect(shown.isEmpty, "nothing was corrupted") }
        }
    }
}
