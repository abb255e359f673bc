import TestSupport
import Testing

/// One configuration with everything that admin answers depend on. Ports are five digits long, so that texts that contain
/// them keep their length; they are masked in what is compared.
struct AdminFixture {
    let admin = Ports.free()
    let inbound = Ports.free()
    let second = Ports.free()
    let outbound = Ports.free()
    let upstream = Ports.free()
    let refused = Ports.free()
    /// Lines of the `admin` block.
    var extra: [String] = []
    /// Blocks at the top level besides.
    var blocks: [String] = []
    /// Fields of the HTTP listener and of the cluster `up`.
    var listenerFields: [String] = []
    var clusterFields: [String] = []
    var moreClusters = 0

    var yaml: String {
        var bootstrap = Bootstrap(admin: admin)
        bootstrap.adminLines = extra
        bootstrap.blocks = [
            "node: {id: n1, cluster: c1, locality: {region: r, zone: z}}",
            """
            layered_runtime:
              layers:
              - {name: static, static_layer: {my_key: 10, other: {nested: "x"}, b: true}}
              - {name: admin, admin_layer: {}}
            """,
        ] + blocks
        bootstrap.listeners = [
            Bootstrap.http(
                "http_l", at: Bootstrap.address(inbound),
                listener: ["additional_addresses: [{address: \(Bootstrap.address(second))}]", "traffic_direction: INBOUND"] + listenerFields,
                prefix: "ingress", virtualHost: "v", routes: ["{match: {prefix: /}, route: {cluster: up}}"]),
            Bootstrap.tcp("tcp_l", at: Bootstrap.address(outbound), cluster: "up"),
        ]
        let weighted = """
            endpoint: {address: \(Bootstrap.address(upstream))}
            load_balancing_weight: 3
            """
        let unhealthy = """
            endpoint: {address: \(Bootstrap.address(refused)), hostname: hh}
            health_status: UNHEALTHY
            """
        bootstrap.clusters = [
            Bootstrap.cluster(
                "up", endpoints: [weighted, unhealthy], locality: "{region: r1, zone: z1, sub_zone: s1}", ["connect_timeout: 0.25s"] + clusterFields),
            Bootstrap.cluster("limited", ports: [refused], ["circuit_breakers: {thresholds: [{max_connections: 7}]}"]),
            Bootstrap.cluster("pipec", endpoints: ["endpoint: {address: {pipe: {path: \"@nope\"}}}"], ["alt_stat_name: other"]),
        ]
        for i in 0..<moreClusters { bootstrap.clusters.append(Bootstrap.cluster("filler_\(i)", ports: [1])) }
        return bootstrap.yaml
    }

    /// Ports and times by name.
    func masked(_ text: String) -> String {
        var text = text
        let ports: [(UInt16, String)] = [
            (admin, "ADMIN"), (inbound, "INBOUND"), (second, "SECOND"), (outbound, "OUTBOUND"), (upstream, "UPSTREAM"),
            (refused, "REFUSED"),
        ]
        for (port, name) in ports { text = text.replacing(text: "\(port)", by: name) }
        return AdminFixture.withoutTimes(text)
    }

    /// `"last_updated": "2026-…"` → `"last_updated": "TIME"`.
    private static func withoutTimes(_ text: String) -> String {
        let key = "\"last_updated\": \""
        return text.textLines.map { line in
            guard let place = line.range(ofLast: key) else { return line }
            return line[..<place.upperBound] + "TIME\"" + (line.hasSuffix(",") ? "," : "")
        }.joined(separator: "\n") + (text.hasSuffix("\n") ? "\n" : "")
    }
}

struct AdminAnswer {
    let status: Int?
    let type: String
    let body: String

    /// The names of a page's controls.
    var controls: Set<String> {
        Set(["'", "\""].flatMap { quote in
            body.split(separator: "name=" + quote).dropFirst().compactMap { $0.split(separator: quote, maxSplits: 1).first.map(String.init) }
        })
    }

    /// Names before the last `: ` of each line, or before the value of a Prometheus line.
    var names: Set<String> {
        Set(
            body.textLines.map { line in
                let mark = line.hasPrefix("envoy_") ? "} " : ": "
                return line.range(ofLast: mark).map { String(line[..<$0.lowerBound]) } ?? line
            })
    }
}

/// A proxy, Martlet or Envoy, that serves the fixture.
final class AdminPeer {
    static let requests = 3

    let fixture: AdminFixture
    let process: ChildProcess
    let admin: Admin
    private let upstream: ScriptedUpstream
    private let directory = TemporaryDirectory()

    init(_ binary: String, _ fixture: AdminFixture, arguments: [String]) throws {
        self.fixture = fixture
        upstream = try ScriptedUpstream(name: "up", port: fixture.upstream)
        upstream.begin(.always(Fixtures.greeting))
        upstream.start()
        let file = directory.write(fixture.yaml, to: "bootstrap.yaml")
        process = try ChildProcess(binary, ["-c", file] + arguments)
        admin = Admin(port: fixture.admin)
        try #require(
            process.becomesReady(admin: fixture.admin, upToMs: 20_000), "it is ready; it printed:\n\(process.output)")
    }

    deinit {
        process.kill()
        upstream.stop()
    }

    func get(_ path: String, from port: UInt16) -> HTTPMessage? {
        var client = RawClient(steps: [.send("GET \(path) HTTP/1.1\r\nhost: h\r\n\r\n")], methods: ["GET"])
        client.closeLimitMs = 0
        client.announcedCloseLimitMs = 0
        return try? client.run(port: port).responses.first
    }

    func sendTraffic() {
        for _ in 0..<AdminPeer.requests { _ = get("/", from: fixture.inbound) }
    }

    func ask(_ method: String, _ target: String, form: String = "", limitMs: Int = patienceMs) -> AdminAnswer? {
        guard let message = admin.request(method, target, form: form, limitMs: limitMs) else { return nil }
        return AdminAnswer(
            status: message.status, type: message.header("content-type") ?? "",
            body: fixture.masked(String(decoding: message.body, as: UTF8.self)))
    }
}
