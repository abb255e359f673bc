import TestSupport
import Testing

/// A Martlet with a configuration of the test's own.
final class Served: Sendable {
    let process: ChildProcess
    let listener = Ports.free()
    let admin: Admin
    let directory = TemporaryDirectory()
    let file: String

    /// `yaml` gets the listener's port.
    init(_ martlet: Martlet, workers: Int = 1, waits: Bool = true, arguments: [String] = [], environment: [String: String] = [:], yaml: (UInt16) -> String) throws {
        admin = Admin(port: Ports.free())
        file = directory.write(
            yaml(listener) + "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}\n",
            to: "martlet.yaml")
        process = try martlet.start(["-c", file, "--concurrency", "\(workers)"] + arguments, environment: environment)
        guard waits else { return }
        try #require(process.becomesReady(admin: admin.port), "martlet is ready; it printed:\n\(process.output)")
    }

    deinit { process.kill() }

    /// One request on a connection of its own.
    func send(_ request: String, method: String = "GET") throws -> HTTPMessage {
        var client = RawClient(steps: [.send(request)], methods: [method])
        client.closeLimitMs = 0
        client.answerLimitMs = 2 * patienceMs * patienceFactor
        let outcome = try client.run(port: listener)
        return try #require(outcome.responses.last, "a response came; \(process.output)")
    }

    func get(_ path: String = "/", headers: [String] = []) throws -> HTTPMessage {
        try send("GET \(path) HTTP/1.1\r\nhost: h.test\r\n\(headers.map { $0 + "\r\n" }.joined())\r\n")
    }

    func stat(_ name: String, becomes wanted: Int) -> Int? { admin.stat(name, becomes: wanted) }

    // MARK: Configurations

    /// One listener with one route, and clusters. `route` continues the route action.
    static func http(_ port: UInt16, route: String = "", host: String = "", clusters: [String]) -> String {
        """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  route_config:
                    virtual_hosts:
                    - name: v
                      domains: ["*"]
                      \(host)
                      routes:
                      - match: {prefix: "/"}
                        route: {cluster: c\(route.isEmpty ? "" : ", " + route)}
                  http_filters:
                  - name: envoy.filters.http.router
          clusters:
        \(clusters.joined(separator: "\n"))
        """
    }

    /// A busy machine takes its time for a handshake: `connectTimeout` is for tests of that time.
    static func cluster(_ ports: [UInt16], name: String = "c", connectTimeout: String = "10s", more: String = "") -> String {
        let endpoints = ports.map { "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \($0)}}}}" }
        return """
              - {name: \(name), connect_timeout: \(connectTimeout), load_assignment: {cluster_name: \(name), endpoints: [{lb_endpoints: [\(endpoints.joined(separator: ", "))]}]}\(more.isEmpty ? "" : ", " + more)}
            """
    }
}
