/// What both proxies are asked, and how their answers are compared.
struct AdminQuestion {
    enum Comparison {
        /// Byte for byte, ports and times masked.
        case exact
        /// As JSON, whatever the order of members.
        case json
        /// The same names, whatever their values.
        case names
        /// A page: a form with Envoy's parameters at least.
        case page
    }

    let method: String
    let target: String
    let comparison: Comparison
}

enum AdminQuestions {
    static let all: [AdminQuestion] =
        exact.map { AdminQuestion(method: $0.0, target: $0.1, comparison: .exact) }
        + json.map { AdminQuestion(method: "GET", target: $0, comparison: .json) }
        + names.map { AdminQuestion(method: "GET", target: $0, comparison: .names) }
        + pages.map { AdminQuestion(method: "GET", target: $0, comparison: .page) }

    private static let exact: [(String, String)] = [
        ("GET", "/ready"), ("PUT", "/ready"), ("GET", "//ready"), ("GET", "/ready/"), ("GET", "/READY"), ("GET", "/help"),
        ("GET", "/nope?x=1"), ("GET", "/quitquitquit"), ("PUT", "/quitquitquit"), ("GET", "/listeners"),
        ("GET", "/listeners?format=json"), ("GET", "/listeners?format=x"), ("GET", "/clusters?filter=*"),
        ("GET", "/clusters?filter=up"), ("GET", "/clusters?filter=up&format=json"), ("GET", "/clusters?filter=nothing"),
        ("GET", "/clusters?filter=nothing&format=json"), ("GET", "/clusters?filter=^pip&format=json"),
        ("GET", "/clusters?filter=limited"), ("GET", "/certs"), ("GET", "/contention"), ("GET", "/hot_restart_version"),
        ("GET", "/init_dump"), ("GET", "/init_dump?mask=listener"), ("POST", "/runtime_modify"),
        ("POST", "/runtime_modify?my_key=20&x=1"), ("POST", "/stats/recentlookups/enable"),
        ("POST", "/stats/recentlookups/clear"), ("POST", "/stats/recentlookups/disable"), ("POST", "/cpuprofiler"),
        ("POST", "/cpuprofiler?enable=x"), ("POST", "/cpuprofiler?enable=y&foo=1"), ("POST", "/cpuprofiler?enable=n"),
        ("POST", "/allocprofiler"), ("POST", "/allocprofiler?enable=n"), ("GET", "/stats?filter=*"),
        ("GET", "/stats?format=blah"), ("GET", "/stats?type=Foo"), ("GET", "/stats?type=counters"),
        ("GET", "/stats?type=&filter=server.dyn"), ("GET", "/stats?type=Counters&filter=server.dyn"),
        ("GET", "/stats?histogram_buckets=x"), ("GET", "/stats?histogram_buckets=prometheusnative"),
        ("GET", "/stats?format=prometheus&histogram_buckets=detailed"), ("GET", "/stats/prometheus?histogram_buckets=x"),
        ("GET", "/stats/prometheus?filter=*"), ("GET", "/stats?hidden=x"), ("GET", "/stats?hidden=only"), ("GET", "/stats?hidden=include&filter=server.live"),
        ("GET", "/stats?invert_filter"), ("GET", "/stats/prometheus?invert_filter"),
        ("GET", "/stats?format=html&type=x"), ("GET", "/stats?format=html&filter=*"), ("GET", "/stats?format=html&histogram_buckets=x"),
        ("GET", "/stats?format=html&histogram_buckets=prometheusnative"), ("GET", "/stats?format=html&invert_filter"), ("GET", "/stats?format=html&hidden=x"),
        ("GET", "/stats?format=active-html&type=x"), ("GET", "/stats?format=active-html&filter=*"), ("GET", "/stats?format=active-html&histogram_buckets=x"),
        ("GET", "/stats?format=active-html&histogram_buckets=prometheusnative"), ("GET", "/stats?format=active-html&invert_filter"), ("GET", "/stats?format=active-html&hidden=x"),
        ("GET", "/stats?filter=server.live&histogram_buckets=none"), ("GET", "/stats?filter=server.live&filter=server.state"),
        ("GET", "/stats?format=JSON"), ("GET", "/stats/prometheus?histogram_buckets=prometheusnative"),
        ("GET", "/stats/prometheus?histogram_buckets=disjoint"), ("GET", "/stats?filter=nothing"), ("GET", "/stats?filter=nothing&format=json"),
        ("GET", "/stats?filter=server.live&format=json"), ("GET", "/stats/prometheus?filter=server.live"),
        ("GET", "/stats?filter=^(cluster_manager|runtime|listener_manager|main_thread|workers)"),
        ("GET", "/stats?usedonly&filter=^http.ingress.downstream_rq_(total|active|[1-5]xx)$"),
        ("GET", "/stats?filter=^cluster.up.upstream_rq_(200|2xx|total|completed)$&format=json"),
        ("GET", "/stats/prometheus?filter=^cluster.up.upstream_rq_(200|2xx|total|completed)$"),
        ("GET", "/config_dump?resource=static_clusters"), ("GET", "/config_dump?resource=static_clusters&mask=cluster.name"),
        ("GET", "/config_dump?resource=static_clusters&mask=cluster.circuit_breakers,last_updated"),
        ("GET", "/config_dump?resource=static_clusters&name_regex=up"),
        ("GET", "/config_dump?resource=static_clusters&name_regex=^lim"), ("GET", "/config_dump?resource=nope"),
        ("GET", "/config_dump?resource=bootstrap"), ("GET", "/config_dump?resource=dynamic_listeners"),
        ("GET", "/config_dump?resource=static_listeners&mask=listener.name,last_updated"),
        ("GET", "/config_dump?resource=static_route_configs"), ("GET", "/config_dump?resource=static_endpoint_configs"),
        ("GET", "/config_dump?resource=static_endpoint_configs&include_eds"), ("GET", "/config_dump?resource=static_secrets"),
        ("GET", "/config_dump?mask=static_clusters"), ("GET", "/config_dump?mask=static_clusters.cluster.name"),
        ("GET", "/config_dump?mask=bootstrap.node.id"), ("GET", "/config_dump?mask=bootstrap.node.id,static_clusters"),
        ("GET", "/config_dump?mask=bootstrap.static_resources.listeners"), ("GET", "/config_dump?mask=bootstrap.bogus"),
        ("GET", "/config_dump?mask=bogus"), ("GET", "/config_dump?mask=last_updated"), ("GET", "/config_dump?name_regex=*"),
        ("POST", "/reopen_logs"), ("POST", "/healthcheck/fail"), ("GET", "/ready"), ("POST", "/healthcheck/ok"),
        ("POST", "/logging"), ("POST", "/logging?level=blah"), ("POST", "/logging?paths=nope:debug"),
        ("POST", "/logging?paths=upstream"), ("POST", "/logging?level=info&paths=a:b"), ("POST", "/logging?group=a:debug"),
        ("GET", "/init_dump?mask="), ("GET", "/init_dump?mask=unknown"), ("GET", "/init_dump?mask=listener.foo"), ("GET", "/init_dump?foo=1"),
        ("POST", "/init_dump"), ("GET", "/init_dump/"), ("GET", "/memory/x"), ("GET", "/logging"), ("PUT", "/logging"), ("POST", "/logging?foo=bar"),
        ("POST", "/logging?upstream=trace"), ("POST", "/logging?nope=trace"), ("POST", "/logging?upstream=blah"), ("POST", "/logging?paths=a:b:c"),
        ("POST", "/logging?paths=upstream:trace,nope:debug"), ("POST", "/logging?paths="), ("POST", "/logging?level=debug&upstream=info"),
        ("POST", "/logging?level=WARNING"), ("POST", "/logging?level=warn"), ("POST", "/logging?level=off"), ("POST", "/logging?level=critical"),
        ("POST", "/logging?paths=upstream:"), ("POST", "/logging?paths=:debug"), ("POST", "/logging?paths=upstream:debug,"),
        ("POST", "/logging?paths=upstream:warn"), ("POST", "/logging?level=info"), ("POST", "/logging?level=&paths=&group="), ("POST", "/logging?paths=upstream:warning,http:off"),
    ]

    private static let json = ["/runtime", "/config_dump?mask=bootstrap.layered_runtime"]

    private static let pages = ["html", "active-html"].flatMap { format in
        ["", "&filter=server.live", "&usedonly&type=Gauges", "&type=&histogram_buckets=&filter=", "&histogram_buckets=detailed", "&filter=x&invert_filter", "&hidden=only"]
            .map { "/stats?format=\(format)\($0)" }
    }

    private static let names = ["/stats", "/stats/prometheus", "/memory", "/memory?x=1",
        "/stats?usedonly&type=Gauges&filter=^(server|listener_manager|cluster_manager|runtime|thread_local)"]

    /// Statistics that Martlet has and Envoy has not.
    static func isOurs(_ name: String) -> Bool {
        name.contains("accept_paused") || name.contains("martlet.plan.") || name.contains("martlet_plan_")
            || name.contains("martlet.workers.") || name.contains("martlet_workers_")
            || name.contains("filesystem.write_dropped")
            || name.contains("filesystem_write_dropped")
    }
}
