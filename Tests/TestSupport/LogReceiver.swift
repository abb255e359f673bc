/// `Collector/receiver.py`: log and metrics services that read what comes with the libraries of others.
package final class LogReceiver {
    package let http: UInt16
    package let grpc: UInt16
    package let forward: UInt16
    private let process: ChildProcess

    package struct NotServing: Error, CustomStringConvertible {
        package let description: String
    }

    package static let isInstalled: Bool = {
        let script = """
            import grpc, msgpack, envoy.service.accesslog.v3.als_pb2
            import opentelemetry.proto.collector.logs.v1.logs_service_pb2, opentelemetry.proto.collector.metrics.v1.metrics_service_pb2
            """
        guard let run = try? ChildProcess("/usr/bin/env", ["python3", "-c", script]) else { return false }
        return run.waitForExit(upToMs: 20_000) == 0
    }()

    /// Ports of another receiver: it comes where that one was.
    package init(http: UInt16 = Ports.free(), grpc: UInt16 = Ports.free(), forward: UInt16 = Ports.free()) throws {
        self.http = http
        self.grpc = grpc
        self.forward = forward
        let folder = "\(#filePath)".split(separator: "/").dropLast().map { "/" + $0 }.joined()
        process = try ChildProcess(
            "/usr/bin/env", ["python3", folder + "/Collector/receiver.py", "\(http)", "\(grpc)", "\(forward)"])
        guard wait(upToMs: 20_000, everyMs: 20, until: { process.output.contains("\"ready\"") || process.exitStatus() != nil }),
            process.exitStatus() == nil
        else { throw NotServing(description: process.output) }
    }

    deinit { process.kill() }

    package func end() { process.kill() }

    package func lines(_ what: String) -> [JSON] {
        process.output.textLines.compactMap { line in
            guard line.contains("\"what\": \"\(what)\""), let value = try? JSON(parsing: line) else { return nil }
            return value
        }
    }

    /// Once there are as many; what there is after ten seconds.
    package func lines(_ what: String, _ count: Int) -> [JSON] {
        _ = wait(upToMs: 10_000, everyMs: 20, until: { lines(what).count >= count })
        return lines(what)
    }

    /// Entries of Envoy's access log service.
    package var entries: [JSON] {
        lines("message").flatMap { message in
            (message["body"]?["http_logs"] ?? message["body"]?["tcp_logs"])?["log_entry"]?.array ?? []
        }
    }

    package func entries(_ count: Int) -> [JSON] {
        _ = wait(upToMs: 10_000, everyMs: 20, until: { entries.count >= count })
        return entries
    }

    /// Records of OpenTelemetry.
    package var records: [JSON] {
        lines("message").flatMap { message in
            (message["body"]?["resource_logs"]?.array ?? []).flatMap { $0["scope_logs"]?.array ?? [] }
                .flatMap { $0["log_records"]?.array ?? [] }
        }
    }

    package func records(_ count: Int) -> [JSON] {
        _ = wait(upToMs: 10_000, everyMs: 20, until: { records.count >= count })
        return records
    }

    /// Records of fluentd, without their times.
    package var forwarded: [JSON] {
        lines("forward").flatMap { $0["body"]?.array?.last?.array ?? [] }.compactMap { $0.array?.last }
    }

    package func forwarded(_ count: Int) -> [JSON] {
        _ = wait(upToMs: 10_000, everyMs: 20, until: { forwarded.count >= count })
        return forwarded
    }
}
