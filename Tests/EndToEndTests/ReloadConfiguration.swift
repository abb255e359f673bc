import TestSupport

/// The configurations of `ReloadUnderLoadTests`: what always is there, and what comes and goes with the version.
struct ReloadConfiguration {
    var admin: UInt16
    /// HTTP; TCP proxy; the listener that comes and goes.
    var http: UInt16
    var tcp: UInt16
    var extra: UInt16
    /// Upstreams: the main cluster's two endpoints, the second of which comes and goes; TCP echo.
    var first: UInt16
    var second: UInt16
    var echo: UInt16

    /// One change from each version to the next: a listener, a route, a cluster, an endpoint or a limit comes or goes.
    func bootstrap(_ version: Int) -> String {
        func isThere(_ kind: Int) -> Bool { (version + 4 - kind) / 5 % 2 == 1 }
        let hasListener = isThere(0)
        let hasRoute = isThere(1)
        let hasCluster = isThere(2)
        let hasEndpoint = isThere(3)
        let hasLimit = isThere(4)
        let anything = "{match: {prefix: /}, route: {cluster: main, timeout: 30s}}"
        var routes = [says("/version", "v\(version)")]
        if hasRoute { routes.append(says("/extra", "extra")) }
        if hasCluster { routes.append("{match: {path: /other}, route: {cluster: other}}") }
        let manager = ["upgrade_configs: [{upgrade_type: websocket}]", "max_request_headers_kb: \(hasLimit ? 40 : 60)"]
        var bootstrap = Bootstrap(admin: admin)
        bootstrap.listeners = [
            Bootstrap.http("http", at: Bootstrap.address(http), manager: manager, routes: routes + [anything]),
            Bootstrap.tcp("tcp", at: Bootstrap.address(tcp), cluster: "echo"),
        ]
        if hasListener {
            bootstrap.listeners.append(
                Bootstrap.http("extra", at: Bootstrap.address(extra), routes: ["{match: {prefix: /}, route: {cluster: main}}"]))
        }
        let limit = "circuit_breakers: {thresholds: [{max_connections: \(hasLimit ? 2000 : 1000)}]}"
        bootstrap.clusters = [
            Bootstrap.cluster("main", ports: hasEndpoint ? [first, second] : [first], ["connect_timeout: 5s", limit]),
            Bootstrap.cluster("echo", ports: [echo], ["connect_timeout: 5s"]),
        ]
        if hasCluster { bootstrap.clusters.append(Bootstrap.cluster("other", ports: [second], ["connect_timeout: 5s"])) }
        return bootstrap.yaml
    }

    private func says(_ path: String, _ word: String) -> String {
        "{match: {path: \(path)}, direct_response: {status: 200, body: {inline_string: \"\(word)\"}}}"
    }
}
