import TestSupport

/// Cases that share one configuration, and with it one process of each proxy.
struct Group: Sendable {
    let name: String
    /// YAML list of static secrets.
    var secrets = ""
    var listeners: [Listener]
    var clusters: [Cluster]
    /// More top-level YAML of the bootstrap.
    var bootstrap = ""
    var cases: [Case]

    /// An HTTP listener; its name is also its `stat_prefix`.
    struct Listener: Sendable {
        let name: String
        /// YAML fields of the `Listener`.
        var fields = ""
        /// YAML fields of the `HttpConnectionManager`.
        var manager = ""
        /// YAML fields of the `RouteConfiguration`, besides its virtual hosts.
        var routeTable = ""
        /// YAML list of virtual hosts.
        var virtualHosts = Group.everythingToUp
        /// YAML list of HTTP filters before the router.
        var filters = ""
        /// YAML fields of the `Router` filter.
        var router = ""
        /// `log_format` of the access log.
        var logFormat = "{text_format_source: {inline_string: \"\(Group.accessLogFormat)\\n\"}}"
        /// YAML fields of the access log, beside its file and format.
        var log = ""
        /// YAML fields of the `FilterChain`, besides its filters.
        var chain = ""
        /// YAML list of network filters instead of the `HttpConnectionManager`.
        var networkFilter = ""
    }

    struct Cluster: Sendable {
        enum Endpoint: Sendable {
            /// A scripted upstream of this name.
            case scripted(String)
            /// A port on which nobody listens.
            case refused
            /// A listening port whose queue is full: connects are never answered.
            case silent
            /// `refused`, and said to be unhealthy.
            case unhealthy
        }

        let name: String
        var endpoints: [Endpoint]
        /// YAML fields of the `Cluster`.
        var fields = ""
        /// YAML list of endpoints, where they have more than addresses.
        var endpointsYAML = ""

        init(_ name: String, _ endpoints: [Endpoint], _ fields: String = "") {
            self.name = name
            self.endpoints = endpoints
            self.fields = fields
        }
    }

    static let everythingToUp = """
        - name: all
          domains: ["*"]
          routes:
          - match: {prefix: /}
            route: {cluster: up}
        """

    /// The cluster `up` with the scripted upstream `a`.
    static let up = Cluster("up", [.scripted("a")])
}

extension Group {
    /// One `|`-separated line per request. Times are left out: they differ from run to run.
    static let accessLogFormat = [
        "code=%RESPONSE_CODE%", "flags=%RESPONSE_FLAGS%", "details=%RESPONSE_CODE_DETAILS%",
        "protocol=%PROTOCOL%", "method=%REQ(:METHOD)%", "path=%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "authority=%REQ(:AUTHORITY)%", "received=%BYTES_RECEIVED%", "sent=%BYTES_SENT%",
        "route=%ROUTE_NAME%", "cluster=%UPSTREAM_CLUSTER%", "host=%UPSTREAM_HOST%",
        "attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "remote=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "failure=%UPSTREAM_TRANSPORT_FAILURE_REASON%", "termination=%CONNECTION_TERMINATION_DETAILS%",
    ].joined(separator: " | ")

    /// The same for connections without HTTP.
    static let connectionLogFormat = [
        "flags=%RESPONSE_FLAGS%", "received=%BYTES_RECEIVED%", "sent=%BYTES_SENT%", "cluster=%UPSTREAM_CLUSTER%",
        "host=%UPSTREAM_HOST%", "attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "remote=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "failure=%UPSTREAM_TRANSPORT_FAILURE_REASON%",
        "termination=%CONNECTION_TERMINATION_DETAILS%",
    ].joined(separator: " | ")

    /// The bootstrap as YAML with `{{…}}` where ports and paths go.
    var template: String {
        var text = """
            admin:
              address: {socket_address: {address: 127.0.0.1, port_value: {{admin}}}}

            """
        if !bootstrap.isEmpty { text += bootstrap + "\n" }
        text += "static_resources:\n"
        if !secrets.isEmpty { text += "  secrets:\n" + secrets.indented(2) }
        text += "  listeners:\n"
        for listener in listeners { text += listener.template.indented(2) }
        text += "  clusters:\n"
        for cluster in clusters { text += cluster.template.indented(2) }
        return text
    }
}

extension Group.Listener {
    fileprivate var template: String {
        var text = """
            - name: \(name)
              address: {socket_address: {address: 127.0.0.1, port_value: {{listener.\(name)}}}}

            """
        text += fields.indented(2)
        if !networkFilter.isEmpty { return text + "  filter_chains:\n  - filters:\n" + networkFilter.indented(4) }
        text += """
              filter_chains:
              - filters:
                - name: envoy.filters.network.http_connection_manager
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                    stat_prefix: \(name)
                    access_log:
                    - name: envoy.access_loggers.file
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                        path: {{dir}}/access.log
                        log_format: \(logFormat)

            """
        text += log.indented(10)
        // Envoy waits this long for the client's close; the default second would add up over the cases.
        if !manager.contains("delayed_close_timeout") { text += "delayed_close_timeout: 0.1s".indented(8) }
        text += manager.indented(8)
        text += "route_config:".indented(8)
        text += "name: \(name)".indented(10)
        text += routeTable.indented(10)
        text += "virtual_hosts:".indented(10)
        text += virtualHosts.indented(10)
        text += "http_filters:".indented(8)
        text += filters.indented(8)
        text += """
            - name: envoy.filters.http.router
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
            """.indented(8)
        text += router.indented(12)
        text += chain.indented(4)
        return text
    }
}

extension Group.Cluster {
    fileprivate var template: String {
        var text = "- name: \(name)\n"
        if !fields.contains("type:") { text += "  type: STATIC\n" }
        if !fields.contains("connect_timeout") { text += "  connect_timeout: 2s\n" }
        text += fields.indented(2)
        text += "  load_assignment:\n    cluster_name: \(name)\n    endpoints:\n    - lb_endpoints:"
        if !endpointsYAML.isEmpty { return text + " \(endpointsYAML)\n" }
        if endpoints.isEmpty { text += " []" }
        text += "\n"
        for endpoint in endpoints {
            var more = ""
            let port: String
            switch endpoint {
            case .scripted(let upstream): port = "{{up.\(upstream)}}"
            case .refused: port = "{{up.refused}}"
            case .silent: port = "{{up.silent}}"
            case .unhealthy:
                port = "{{up.refused}}"
                more = "        health_status: UNHEALTHY\n"
            }
            text += "      - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}\n" + more
        }
        return text
    }
}

extension String {
    /// Every line moved right; ends with a line end unless it is empty.
    func indented(_ columns: Int) -> String {
        textLines.map { $0.isEmpty ? "\n" : String(repeating: " ", count: columns) + $0 + "\n" }.joined()
    }
}
