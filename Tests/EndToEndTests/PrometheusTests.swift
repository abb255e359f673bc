import TestSupport
import Testing

/// Every form of the statistics, read by Prometheus's own parser and by protobuf, and beside a real Envoy with the same
/// samples: `Metrics/compare.py`.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(
        if: (try? Shell.run("python3 -c 'import prometheus_client, google.protobuf'"))?.status == 0,
        "prometheus-client and protobuf are missing: pip install prometheus-client protobuf"))
struct PrometheusTests {
    private static let script = "\(#filePath)".split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Metrics/compare.py"

    /// One cluster per set of numbers, whose histogram gets them.
    private static func yaml(_ listener: UInt16, _ admin: UInt16, _ upstream: UInt16) -> String {
        var bootstrap = Bootstrap(admin: admin)
        bootstrap.listeners = [
            Bootstrap.http(
                "l", at: Bootstrap.address(listener), routes: (0..<5).map { "{match: {path: /\($0)}, route: {cluster: c\($0)}}" })
        ]
        bootstrap.clusters = (0..<5).map { Bootstrap.cluster("c\($0)", ports: [upstream]) }
        bootstrap.clusters.append(Bootstrap.cluster("quiet", ports: [1]))
        return bootstrap.yaml
    }

    @Test func everyFormIsReadAndEqualsEnvoys() throws {
        let upstream = Ports.free()
        let directory = TemporaryDirectory()
        var arguments = ["python3", PrometheusTests.script, "\(upstream)"]
        var processes: [ChildProcess] = []
        defer { for process in processes { process.kill() } }
        let binaries = [(try Binary.martlet().binary, [String]())]
            + ((try? ProxyBinary.envoy().get()).map { [($0, ["--disable-hot-restart"])] } ?? [])
        for (binary, more) in binaries {
            let (listener, admin) = (Ports.free(), Ports.free())
            let file = directory.write(PrometheusTests.yaml(listener, admin, upstream), to: "\(admin).yaml")
            let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1"] + more)
            processes.append(process)
            try #require(process.becomesReady(admin: admin, upToMs: 20_000), "\(process.output)")
            arguments += ["\(listener)", "\(admin)"]
        }
        let run = try ChildProcess("/usr/bin/env", arguments)
        _ = run.waitForExit(upToMs: 60_000)
        #expect(run.output.textLines == ["done"], "\(run.output)")
    }
}
