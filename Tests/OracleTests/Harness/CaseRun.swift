import Synchronization
import TestSupport

/// Plays cases through one proxy, one after the other, and tells what happened. Between two cases the proxy is
/// brought to rest (no connection on either side), so that counters and connections belong to one case.
final class CaseRun {
    struct Stuck: Error, CustomStringConvertible {
        let description: String
    }

    let proxy: ProxyUnderTest
    /// Clients connect here instead of to the proxy: a relay that lies.
    private let detour: UInt16?
    private var counters: [String: Int]
    private var logOffset = 0
    /// What Envoy did when it was recorded: where it answered, or closed, that is waited for, however busy the machine is.
    /// A case's own short limits are for what is not answered, and not closed.
    private let recorded: Golden?

    init(_ proxy: ProxyUnderTest, detour: UInt16? = nil) {
        self.proxy = proxy
        self.detour = detour
        recorded = detour == nil ? (try? Golden.read(proxy.group)) ?? nil : nil
        counters = [:]
        counters = snapshot()
    }

    private static let patienceMs = 8_000 * patienceFactor

    func play(_ test: Case) throws -> Outcome {
        guard let port = detour ?? proxy.ports["listener." + test.listener] else {
            throw Stuck(description: "no listener \(test.listener) in group \(proxy.group.name)")
        }
        for (name, upstream) in proxy.upstreams {
            upstream.begin(test.upstreams[name] ?? .always(CaseRun.defaultReply(of: name)))
        }
        for name in test.upstreams.keys where proxy.upstreams[name] == nil {
            throw Stuck(description: "no upstream \(name) in group \(proxy.group.name)")
        }

        let normaliser = Normaliser(ports: proxy.ports, showsUUIDs: test.showsUUIDs)
        var result = try conversation(test, port, normaliser)
        guard rest("(downstream_cx_active|downstream_rq_active|upstream_rq_active|upstream_rq_pending_active)") else {
            throw Stuck(description: "\(proxy.kind.rawValue) keeps a connection or request after \(test.name)")
        }
        // What the proxy has closed reaches the upstream a moment later.
        _ = wait(upToMs: 1_000) {
            let open = proxy.upstreams.values.reduce(0) { $0 + $1.openConnections }
            return open == active("upstream_cx_active")
        }
        let records = proxy.upstreams.map { ($0.key, $0.value.records) }.sorted { $0.0 < $1.0 }
        for upstream in proxy.upstreams.values { upstream.settle() }
        guard rest("upstream_cx_active") else {
            throw Stuck(description: "\(proxy.kind.rawValue) keeps an upstream connection that is closed, after \(test.name)")
        }
        let after = snapshot()
        let requests = changes(from: counters, to: after, suffix: ".downstream_rq_total")
            + changes(from: counters, to: after, suffix: "tcp.downstream_cx_total")
        let log = newLogLines(atLeast: requests)

        result[.upstream] = CaseRun.describe(records, test, normaliser)
        result[.log] = log.map { normaliser.longLine(CaseRun.without(test.ignoringLogFields, $0)) }
        result[.counters] = describeChanges(from: counters, to: after, test, normaliser)
        counters = after
        for aspect in test.ignoring { result[aspect] = nil }
        return result
    }

    /// `code=413 | received=<any> | …`
    private static func without(_ fields: [String], _ line: String) -> String {
        if fields.isEmpty { return line }
        return line.split(separator: " | ").map { field in
            fields.first { field.hasPrefix("\($0)=") }.map { "\($0)=<any>" } ?? String(field)
        }.joined(separator: " | ")
    }

    static func defaultReply(of upstream: String) -> String {
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-upstream: \(upstream)\r\ncontent-length: 2\r\n\r\nok"
    }

    // MARK: the conversation

    private func conversation(_ test: Case, _ port: UInt16, _ normaliser: Normaliser) throws -> Outcome {
        if !test.frames.isEmpty { return try H2Talk(test, port: port).outcome(normaliser) }
        if let tls = test.tls { return try tls.outcome(port: port, normaliser) }
        return CaseRun.describe(try talk(test, port: port), test, normaliser)
    }

    private func talk(_ test: Case, port: UInt16) throws -> [RawClient.Outcome] {
        let results = Mutex<[Int: Result<RawClient.Outcome, any Error>]>([:])
        let firstHasBegun = Flag()
        let before = recorded?.cases[test.name]
        let answerLimitMs = before?.isAnswered(test) ?? false ? CaseRun.patienceMs : test.answerLimitMs
        let closeLimitMs = before?.isEnded ?? false ? CaseRun.patienceMs : test.closeLimitMs
        let threads = test.clients.enumerated().map { index, client in
            BackgroundThread {
                var raw = RawClient(steps: client.steps, methods: client.methods)
                raw.closeLimitMs = closeLimitMs
                raw.answerLimitMs = answerLimitMs
                if client.startAfterMs > 0 {
                    // Behind the first client's request, however late a busy machine lets that one begin.
                    _ = wait(upToMs: 4_000, everyMs: 5) { firstHasBegun.isRaised }
                    sleep(ms: client.startAfterMs)
                }
                let result = Result { try raw.run(port: port, begun: { _ = firstHasBegun.raise() }) }
                firstHasBegun.raise()
                results.withLock { $0[index] = result }
            }
        }
        for thread in threads { thread.join() }
        return try results.withLock { results in
            try (0..<test.clients.count).map { try results[$0]!.get() }
        }
    }

    // MARK: coming to rest

    private func active(_ gauge: String) -> Int {
        proxy.admin.stats(matching: gauge + "$").reduce(0) { sum, entry in
            CaseRun.belongsToCases(entry.key) ? sum + entry.value : sum
        }
    }

    private func rest(_ gauge: String) -> Bool {
        wait(upToMs: 4_000, everyMs: 10) { active(gauge) == 0 }
    }

    // MARK: counters

    private static func belongsToCases(_ name: String) -> Bool {
        (name.hasPrefix("http.") && !name.hasPrefix("http.admin.")) || name.hasPrefix("cluster.")
            || name.hasPrefix("http1.") || name.hasPrefix("http2.") || name.hasPrefix("tcp.") || name.hasPrefix("listener.tls")
    }

    /// Counts of bytes and turns, which depend on how reads fell, and what no request moves.
    private static let uninteresting = [
        "bytes_total", "_ms", "flow_control_", "_flush_", "lb_", "membership_", "update_", "assignment_", "warming", "drain_close_",
        "upstream_cx_rx", "upstream_cx_tx", "transcoder_",
    ]

    /// Whether a counter is compared, found out once for each name: hundreds are read twice a case.
    private static let compared = Mutex<[String: Bool]>([:])

    private static func isCompared(_ name: String, _ known: inout [String: Bool]) -> Bool {
        if let answer = known[name] { return answer }
        let answer = belongsToCases(name) && !name.hasSuffix("_active") && !uninteresting.contains { name.contains($0) }
        known[name] = answer
        return answer
    }

    private func snapshot() -> [String: Int] {
        let all = proxy.admin.stats(matching: "^(http|http1|http2|tcp|cluster|listener\\.tls.*\\.ssl)\\.", usedOnly: true)
        return CaseRun.compared.withLock { known in all.filter { CaseRun.isCompared($0.key, &known) } }
    }

    private func changes(from before: [String: Int], to after: [String: Int], suffix: String) -> Int {
        after.reduce(0) { $1.key.hasSuffix(suffix) ? $0 + $1.value - (before[$1.key] ?? 0) : $0 }
    }

    private func describeChanges(
        from before: [String: Int], to after: [String: Int], _ test: Case, _ normaliser: Normaliser
    ) -> [String] {
        after.compactMap { name, value in
            let change = value - (before[name] ?? 0)
            // What it cost is counted per connection, whatever came of it.
            if test.frames.isEmpty, name.hasPrefix("http2.") { return nil }
            if change == 0 || test.ignoringCounters.contains(where: { name.hasSuffix($0) }) { return nil }
            return "\(normaliser.statistic(name)) \(change > 0 ? "+" : "")\(change)"
        }.sorted()
    }

    // MARK: access log

    /// The lines written since the last case. The log is written by another thread, a moment later.
    private func newLogLines(atLeast expected: Int) -> [String] {
        var lines: [String] = []
        func read() {
            let text = (Files.read(proxy.logPath) ?? []).dropFirst(logOffset)
            guard let end = text.lastIndex(of: 10) else { return }
            lines = String(wire: text[...end]).textLines
        }
        _ = wait(upToMs: 2_000, everyMs: 10) {
            read()
            return lines.count >= expected
        }
        logOffset += lines.reduce(0) { $0 + $1.unicodeScalars.count + 1 }
        return lines
    }

    // MARK: as text

    private static func describe(_ outcomes: [RawClient.Outcome], _ test: Case, _ normaliser: Normaliser) -> Outcome {
        var result: Outcome = [.status: [], .headers: [], .body: [], .end: []]
        for (number, outcome) in outcomes.enumerated() {
            let client = outcomes.count > 1 ? "client \(number + 1), " : ""
            if !test.speaksHTTP { result[.body]!.append(client + normaliser.body(outcome.received)) }
            for (index, response) in (test.speaksHTTP ? outcome.responses : []).enumerated() {
                let which = "\(client)\(index + 1)"
                result[.status]!.append("\(which): \(normaliser.line(response.startLine))")
                result[.headers]! += response.headers.map { "\(which): \(normaliser.longLine($0))" }
                let state = response.isComplete || response.framing == .tunnel ? "" : ", incomplete"
                result[.body]!.append("\(which) (\(response.framing.rawValue)\(state)): \(normaliser.body(response.body))")
                result[.body]! += response.trailers.map { "\(which) trailer: \(normaliser.longLine($0))" }
            }
            var end = outcome.end
            if test.resetIsClose, end == .reset { end = .closed }
            result[.end]!.append(client + end.rawValue)
        }
        return result
    }

    /// What is left of a timeout at a second try depends on when that was.
    private static func withoutRest(_ field: String) -> String {
        field.hasPrefix("x-envoy-expected-rq-timeout-ms: 149") ? "x-envoy-expected-rq-timeout-ms: 15000" : field
    }

    private static func describe(
        _ records: [(String, [ScriptedUpstream.Record])], _ test: Case, _ normaliser: Normaliser
    ) -> [String] {
        var lines: [String] = []
        for (name, connections) in records {
            for (index, record) in connections.enumerated() {
                let which = "\(name) connection \(index + 1)"
                if let frames = record.frames {
                    lines += frames.map { line in
                        let fields = line.split(separator: " | ").map { CaseRun.withoutRest(normaliser.longLine(String($0))) }
                        return "\(which): " + fields.joined(separator: " | ")
                    }
                    lines.append("\(which): \((test.resetIsClose && record.end == .reset ? .closed : record.end).rawValue)")
                    continue
                }
                if !test.speaksHTTP { lines.append("\(which): \(normaliser.body(record.received))") }
                for request in test.speaksHTTP ? HTTPParser.requests(record.received) : [] {
                    lines.append("\(which): \(normaliser.longLine(request.startLine))")
                    lines += request.headers.map { "\(which): \(normaliser.longLine($0))" }
                    let state = request.isComplete || request.framing == .tunnel ? "" : ", incomplete"
                    if request.framing != .none || !request.body.isEmpty {
                        lines.append("\(which) body (\(request.framing.rawValue)\(state)): \(normaliser.body(request.body))")
                    }
                    lines += request.trailers.map { "\(which) trailer: \(normaliser.longLine($0))" }
                }
                if let step = record.stuckAt { lines.append("\(which) never saw the end of \(step)") }
                var end = record.end
                if test.resetIsClose, end == .reset { end = .closed }
                lines.append("\(which): \(end.rawValue)")
            }
        }
        return lines
    }
}
