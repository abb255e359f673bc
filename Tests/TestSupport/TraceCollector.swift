/// `Collector/collector.py`: a collector of spans that reads them with the libraries of others, and an upstream.
package final class TraceCollector {
    package let http = Ports.free()
    package let grpc = Ports.free()
    package let upstream = Ports.free()
    private let process: ChildProcess

    package struct NotServing: Error, CustomStringConvertible {
        package let description: String
    }

    package static let isInstalled = canImport("grpc, google.protobuf, opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    /// For Datadog's traces.
    package static let readsMessagePack = canImport("msgpack")

    private static func canImport(_ modules: String) -> Bool {
        let script = "import " + modules
        guard let run = try? ChildProcess("/usr/bin/env", ["python3", "-c", script]) else { return false }
        return run.waitForExit(upToMs: 20_000) == 0
    }

    package init() throws {
        let folder = "\(#filePath)".split(separator: "/").dropLast().map { "/" + $0 }.joined()
        process = try ChildProcess(
            "/usr/bin/env", ["python3", folder + "/Collector/collector.py", "\(http)", "\(grpc)", "\(upstream)"])
        guard wait(upToMs: 20_000, everyMs: 20, until: { process.output.contains("\"ready\"") || process.exitStatus() != nil }),
            process.exitStatus() == nil
        else { throw NotServing(description: process.output) }
    }

    deinit { process.kill() }

    /// All that it has said.
    package var lines: [String] { process.output.textLines }

    private func lines(_ what: String) -> [JSON] {
        lines.compactMap { line in
            guard line.contains("\"what\": \"\(what)\""), let value = try? JSON(parsing: line) else { return nil }
            return value
        }
    }

    package var spans: [Span] { lines("span").map(Span.init) }
    /// SkyWalking's, Datadog's.
    package var segments: [JSON] { lines("segment") }
    package var traces: [[JSON]] { lines("trace").map { $0["spans"]?.array ?? [] } }
    package var streams: [JSON] { lines("stream") }
    package var reports: [JSON] { lines("report") }
    /// Heads of requests as the upstream got them, fields in order.
    package var requests: [(path: String, fields: [(name: String, value: String)])] {
        lines("upstream").map { line in
            let fields = (line["headers"]?.array ?? []).compactMap { pair -> (name: String, value: String)? in
                guard let parts = pair.array, parts.count == 2 else { return nil }
                return (parts[0].string ?? "", parts[1].string ?? "")
            }
            return (line["path"]?.string ?? "", fields)
        }
    }

    /// The spans, once there are as many; what there is after ten seconds.
    package func spans(_ count: Int) -> [Span] {
        _ = wait(upToMs: 10_000, everyMs: 20, until: { lines("span").count >= count })
        return spans
    }

    package func field(_ name: String, of path: String) -> String? {
        requests.first { $0.path == path }?.fields.first { $0.name == name }?.value
    }

    package struct Span {
        package let json: JSON
        package init(_ json: JSON) { self.json = json }

        private func text(_ name: String) -> String { json[name]?.string ?? "" }
        package var name: String { text("name") }
        package var kind: String { text("kind") }
        package var trace: String { text("trace") }
        package var id: String { text("id") }
        package var parent: String { text("parent") }
        package var state: String { text("state") }
        package var events: [String] { (json["events"]?.array ?? []).compactMap(\.string) }
        package var isError: Bool { json["isError"] == .bare("true") }
        package func tag(_ name: String) -> String? { json["tags"]?[name]?.string }
        package var path: String {
            let url = tag("http.url") ?? ""
            return "/" + url.split(separator: "/", omittingEmptySubsequences: false).dropFirst(3).joined(separator: "/")
        }
    }
}
