import Pipeline
import Primitives
import Testing
import Wire

/// Datadog's propagation as it comes in, and what its agent says of rates.
struct DatadogContextTests {
    private func read(_ fields: [(String, String)], _ check: (DatadogContext.Reading) -> Void) throws {
        var head = try #require(MessageHead(pool: BlockPool()))
        defer { head.destroy() }
        for (name, value) in fields { name.withBytes { name in value.withBytes { head.append(name: name, value: $0) } } }
        check(DatadogContext.read(head))
    }

    private let trace = ("x-datadog-trace-id", "55")
    private let parent = ("x-datadog-parent-id", "7")

    @Test func ofItsOwnFields() throws {
        try read([
            trace, parent, ("X-Datadog-Sampling-Priority", "-1"), ("x-datadog-origin", "synth"), ("x-datadog-tags", "_dd.p.a=b"),
        ]) { reading in
            guard case .found(let context) = reading else {
                Issue.record("\(reading)")
                return
            }
            #expect(context.trace == 55 && context.parent == 7 && context.priority == -1)
            #expect(String(context.origin) == "synth" && String(context.tags) == "_dd.p.a=b")
        }
        try read([trace, ("x-datadog-origin", "o")]) { reading in
            guard case .found(let context) = reading else {
                Issue.record("\(reading)")
                return
            }
            #expect(context.parent == 0 && context.priority == nil)
        }
    }

    @Test func withoutATraceThereIsNone() throws {
        try read([parent]) { reading in
            guard case .nothing = reading else {
                Issue.record("\(reading)")
                return
            }
        }
    }

    @Test(arguments: [
        [("x-datadog-trace-id", "x")], [("x-datadog-trace-id", "0")], [("x-datadog-trace-id", "-5")],
        [("x-datadog-trace-id", "18446744073709551616")], [("x-datadog-trace-id", "5")],
        [("x-datadog-trace-id", "5"), ("x-datadog-parent-id", "x")],
        [("x-datadog-trace-id", "5"), ("x-datadog-parent-id", "7"), ("x-datadog-sampling-priority", "1x")],
        [("x-datadog-trace-id", "5"), ("x-datadog-parent-id", "7"), ("x-datadog-sampling-priority", "2147483648")],
    ])
    func whatIsNoNumberIsWrong(_ fields: [(String, String)]) throws {
        try read(fields) { reading in
            guard case .wrong = reading else {
                Issue.record("\(reading)")
                return
            }
        }
    }

    @Test func tags() {
        func tags(_ text: String) -> [String]? {
            var found: [String] = []
            let isRight = text.withBytes { DatadogContext.forEachTag($0) { found.append("\(String($0)) \(String($1))") } }
            return isRight ? found : nil
        }
        #expect(tags("") == [] && tags("a=b") == ["a b"] && tags("a=b,c=d=e,f=") == ["a b", "c d=e", "f "])
        #expect(tags("a") == nil && tags("a=b,c") == nil && tags("a=b,,c=d") == nil)
    }

    @Test func itsMemberOfTheTracestate() {
        "a=b, dd=s:2;o:rum;p:00aa;t.dm:-4;x:y;odd,c=d".withBytes { text in
            let state = DatadogState.parse(text)
            #expect(String(state.before) == "a=b" && String(state.after) == "c=d")
            #expect(state.priority == 2 && String(state.origin) == "rum" && String(state.parent) == "00aa")
            var fields: [String] = []
            state.forEachField { fields.append("\(DatadogState.kind($0)) \(String($0))=\(String($1))") }
            #expect(fields == ["priority s=2", "origin o=rum", "parent p=00aa", "tag t.dm=-4", "other x=y"])
        }
        "a=b,c=d".withBytes { text in
            let state = DatadogState.parse(text)
            #expect(String(state.before) == "a=b,c=d" && state.after.isEmpty && state.priority == nil)
        }
        "dd=s:x".withBytes { text in
            let state = DatadogState.parse(text)
            #expect(state.before.isEmpty && state.after.isEmpty && state.priority == nil)
        }
        for text in ["", ",", "dd", "dd=", ",dd=;;;,", "dd=:"] { text.withBytes { #expect(DatadogState.parse($0).priority == nil) } }
    }

    // MARK: The agent's answer

    private func rates(_ answer: String, service: String = "svc") -> DatadogRates {
        var rates = DatadogRates()
        answer.withBytes { answer in service.withBytes { rates.received(answer, service: $0) } }
        return rates
    }

    @Test func ourOwnRateGoesBeforeAllOthers() {
        let answer = #"{"rate_by_service": {"service:other,env:": 0.1, "service:svc,env:": 0.25, "service:,env:": 0.5}, "x": {"service:svc,env:": 1}}"#
        #expect(rates(answer).rate == 0.25 && rates(answer).isKnown)
        #expect(rates(answer, service: "new").rate == 0.5)
        #expect(rates(#"{"rate_by_service":{"service:other,env:":0.1}}"#).isKnown == false)
        #expect(rates(#"{"rate_by_service":{"service:,env:":1e-1}}"#).rate == 0.1)
    }

    @Test func anAnswerThatCannotBeReadChangesNothing() {
        let answer = #"{"rate_by_service":{"service:svc,env:":0.25}}"#
        let bytes = Array(answer.utf8)
        for i in bytes.indices where i < bytes.count - 6 {
            #expect(!rates(String(decoding: bytes[..<i], as: UTF8.self)).isKnown, "cut at \(i)")
        }
        for wrong in ["", "{}", "rate_by_service", #"{"rate_by_service":{"service:svc,env:":2}}"#, #"{"rate_by_service":{"service:svc,env:":-1}}"#,
            #"{"rate_by_service":{"service:svc,env:":"x"}}"#, #"{"rate_by_service":{"service:svc,env:":nan}}"#]
        {
            #expect(!rates(wrong).isKnown, "\(wrong)")
        }
    }

    @Test(arguments: [("0", "0"), ("1", "1"), ("0.5", "0.5"), ("0.3333333333", "0.333333"), ("0.033333333", "0.0333333"), ("0.25", "0.25")])
    func ratesAreToldInSixDigits(_ rate: String, _ told: String) {
        var out = TextBuffer(pool: BlockPool())
        defer { out.destroy() }
        rates("{\"rate_by_service\":{\"service:,env:\":\(rate)}}").write(&out)
        #expect(String(out.bytes) == told)
    }
}
