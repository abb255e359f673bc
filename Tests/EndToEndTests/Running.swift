import TestSupport
import Testing

/// A Martlet serving `simple.yaml`, with its upstream.
final class Running {
    let process: ChildProcess
    let listener = Ports.free()
    let admin = Ports.free()
    let upstream: ScriptedUpstream
    let directory = TemporaryDirectory()

    init(_ martlet: Martlet, upstreamReply: String = Fixtures.greeting, workers: Int = 1, arguments: [String] = [], before: [String] = [])
        throws
    {
        upstream = try ScriptedUpstream(name: "greetingservice")
        upstream.begin(.always(upstreamReply))
        upstream.start()
        let file = directory.write(
            Fixtures.simple(listener: listener, upstream: upstream.port, admin: admin), to: "simple.yaml")
        process = try martlet.start(before + ["-c", file, "--concurrency", "\(workers)"] + arguments)
        try #require(process.becomesReady(admin: admin), "martlet is ready; it printed:\n\(process.output)")
    }

    deinit {
        process.kill()
        upstream.stop()
    }

    /// One GET on a connection of its own.
    func get(_ path: String, keepsOpen: Bool = false) throws -> RawClient.Outcome {
        var client = RawClient(
            steps: [.send("GET \(path) HTTP/1.1\r\nhost: localhost\r\n\(keepsOpen ? "" : "connection: close\r\n")\r\n")],
            methods: ["GET"])
        client.closeLimitMs = 50
        return try client.run(port: listener)
    }
}

/// The program under test. That it is missing is the only reason to skip a test here.
enum Binary {
    private static let found = ProxyBinary.martlet()

    static var isThere: Bool { (try? found.get()) != nil }

    static var whyNot: String {
        if case .failure(let reason) = found { reason.description } else { "" }
    }

    static func martlet() throws -> Martlet { Martlet(try found.get()) }
}
