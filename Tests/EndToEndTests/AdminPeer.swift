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
    var extra = ""
    var moreClusters = 0

    var yaml: String {
        var text = """
            node: {id: n1, cluster: c1, locality: {region: r, zone: z}}
            admin:
              address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}
            \(extra)
            layered_runtime:
              layers:
              - {name: static, static_layer: {my_key: 10, other: {nested: "x"}, b: true}}
              - {name: admin, admin_layer: {}}
            static_resources:
              listeners:
              - name: http_l
                address: {socket_address: {address: 127.0.0.1, port_value: \(inbound)}}
                additional_addresses:
                - address: {socket_address: {address: 127.0.0.1, port_value: \(second)}}
                traffic_direction: INBOUND
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: ingress
                      route_config:
                        name: local
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - match: {prefix: "/"}
                            route: {cluster: up}
                      http_filters:
                      - name: envoy.filters.http.router
                        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
              - name: tcp_l
                address: {socket_address: {address: 127.0.0.1, port_value: \(outbound)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.tcp_proxy
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: tcp
                      cluster: up
              clusters:
              - name: up
                connect_timeout: 0.25s
                load_assignment:
                  cluster_name: up
                  endpoints:
                  - locality: {region: r1, zone: z1, sub_zone: s1}
                    lb_endpoints:
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(upstream)}}}
                      load_balancing_weight: 3
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(refused)}}, hostname: hh}
                      health_status: UNHEALTHY
              - name: limited
                circuit_breakers: {thresholds: [{max_connections: 7}]}
                load_assignment:
                  cluster_name: limited
                  endpoints:
                  - lb_endpoints:
                    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(refused)}}}
              - name: pipec
                alt_stat_name: other
                load_assignment:
                  cluster_name: pipec
                  endpoints:
                  - lb_endpoints:
                    - endpoint: {address: {pipe: {path: "@nope"}}}

            """
        for i in 0..<moreClusters {
            text += "  - {name: filler_\(i), load_assignment: {cluster_name: filler_\(i), endpoints: "
            text += "[{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}}\n"
        }
        return text
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

    func ask(_ method: String, _ target: String, form: String = "", limitMs: Int = 5_000) -> AdminAnswer? {
        guard let message = admin.request(method, target, form: form, limitMs: limitMs) else { return nil }
        return AdminAnswer(
            status: message.status, type: message.header("content-type") ?? "",
            body: fixture.masked(String(decoding: message.body, as: UTF8.self)))
    }
}
