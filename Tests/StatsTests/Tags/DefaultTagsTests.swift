import Stats
import StatsStore
import Testing

/// Every pair was printed by Envoy 1.40.0.
@Suite struct DefaultTagsTests {
    @Test(arguments: [
        ("cluster.up.upstream_rq_200", #"cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="up"}"#),
        (
            "cluster.up.upstream_rq_2xx",
            #"cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="up"}"#
        ),
        ("cluster.odd_name.with/chars.bind_errors", #"cluster_with_chars_bind_errors{envoy_cluster_name="odd_name"}"#),
        (
            "cluster.x.grpc.svc.meth.bind_errors",
            #"cluster_grpc_bind_errors{envoy_grpc_bridge_method="meth",envoy_grpc_bridge_service="svc",envoy_cluster_name="x"}"#
        ),
        ("cluster.upstream_rq_200.bind_errors", #"cluster_bind_errors{envoy_cluster_name="upstream_rq_200"}"#),
        ("cluster..lead.bind_errors", #"cluster_lead_bind_errors{envoy_cluster_name=""}"#),
        ("cluster.we\"ird\\n\nname é.bind_errors", #"cluster_bind_errors{envoy_cluster_name="we\"ird\\n\nname é"}"#),
        ("cluster_manager.active_clusters", "cluster_manager_active_clusters{}"),
        ("http.in.gress.rq_total", #"http_gress_rq_total{envoy_http_conn_manager_prefix="in"}"#),
        ("http1.response_flood", "http1_response_flood{}"),
        ("tcp.tcpin.downstream_cx_total", #"tcp_downstream_cx_total{envoy_tcp_prefix="tcpin"}"#),
        (
            "vhost.vh.vcluster.api.upstream_rq_total",
            #"vhost_vcluster_upstream_rq_total{envoy_virtual_cluster="api",envoy_virtual_host="vh"}"#
        ),
        (
            "vhost.v.h.route.myroute.upstream_rq_2xx",
            #"vhost_h_route_myroute_upstream_rq_xx{envoy_response_code_class="2",envoy_virtual_host="v"}"#
        ),
        (
            "vhost.v.route.pre.upstream_rq_503",
            #"vhost_route_upstream_rq{envoy_response_code="503",envoy_virtual_host="v",envoy_route="pre"}"#
        ),
        (
            "http.p.rds.r.x.config_reload",
            #"http_rds_config_reload{envoy_rds_route_config="r.x",envoy_http_conn_manager_prefix="p"}"#
        ),
        ("server.live", "server_live{}"),
        ("server.worker_1.watchdog_miss", #"server_worker_watchdog_miss{envoy_worker_id="1"}"#),
        ("server.main_thread.watchdog_miss", "server_main_thread_watchdog_miss{}"),
        (
            "thread_local_cluster_manager.worker_0.clusters_inflated",
            #"thread_local_cluster_manager_worker_clusters_inflated{envoy_worker_id="0"}"#
        ),
    ])
    func names(name: String, expected: String) {
        #expect(prometheus(name) == expected)
    }

    @Test(arguments: [
        ("127.0.0.1_80.downstream_cx_total", #"downstream_cx_total{envoy_listener_address="127.0.0.1_80"}"#),
        ("[__1]_80.downstream_cx_total", #"downstream_cx_total{envoy_listener_address="[__1]_80"}"#),
        ("/tmp/s/sock.downstream_cx_total", #"downstream_cx_total{envoy_listener_address="/tmp/s/sock"}"#),
        (
            "127.0.0.1_80.worker_0.downstream_cx_total",
            #"worker_downstream_cx_total{envoy_worker_id="0",envoy_listener_address="127.0.0.1_80"}"#
        ),
        (
            "127.0.0.1_80.http.in.downstream_rq_completed",
            #"http_downstream_rq_completed{envoy_http_conn_manager_prefix="in",envoy_listener_address="127.0.0.1_80"}"#
        ),
        (
            "pre.fix_x.http.in.gress.downstream_rq_1xx",
            #"fix_x_http_gress_downstream_rq_xx{envoy_response_code_class="1",envoy_http_conn_manager_prefix="in",envoy_listener_address="pre"}"#
        ),
        ("1.2.foo.worker_0.downstream_cx_total", #"2_foo_worker_0_downstream_cx_total{envoy_listener_address="1"}"#),
        ("10.0.0.1_80.x.downstream_cx_total", #"x_downstream_cx_total{envoy_listener_address="10.0.0.1_80"}"#),
        ("[1.2].downstream_cx_total", #"2__downstream_cx_total{envoy_listener_address="[1"}"#),
        (
            "worker_0.worker_0.downstream_cx_total",
            #"worker_downstream_cx_total{envoy_worker_id="0",envoy_listener_address="worker_0"}"#
        ),
        ("admin.downstream_cx_total", "admin_downstream_cx_total{}"),
        ("admin.x.worker_0.downstream_cx_total", "admin_x_worker_0_downstream_cx_total{}"),
        (
            "admin.http.admin.downstream_rq_completed",
            #"admin_http_downstream_rq_completed{envoy_http_conn_manager_prefix="admin"}"#
        ),
        ("admin.main_thread.downstream_cx_total", "admin_main_thread_downstream_cx_total{}"),
        (
            "127.0.0.1_80.ssl.ciphers.TLS_AES_256_GCM_SHA384",
            #"ssl_ciphers{envoy_ssl_cipher="TLS_AES_256_GCM_SHA384",envoy_listener_address="127.0.0.1_80"}"#
        ),
        (
            "127.0.0.1_80.ssl.sigalgs.ecdsa_secp256r1_sha256",
            #"ssl_sigalgs{envoy_ssl_sigalg="ecdsa_secp256r1_sha256",envoy_listener_address="127.0.0.1_80"}"#
        ),
        (
            "127.0.0.1_80.ssl.versions.TLSv1.3",
            #"ssl_versions{envoy_ssl_version="TLSv1.3",envoy_listener_address="127.0.0.1_80"}"#
        ),
        (
            "127.0.0.1_80.ssl.curves.X25519",
            #"ssl_curves{envoy_ssl_curve="X25519",envoy_listener_address="127.0.0.1_80"}"#
        ),
        (
            "127.0.0.1_80.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds",
            #"ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="unnamed_cert_e3b0c442",envoy_listener_address="127.0.0.1_80"}"#
        ),
    ])
    func listenerNames(name: String, expected: String) {
        #expect(prometheus("listener." + name) == "listener_" + expected)
    }

    /// As Envoy 1.40 shows them, read off its `/stats/prometheus`.
    @Test(arguments: [
        (
            "cluster.up.ssl.ciphers.ECDHE-RSA-AES128-GCM-SHA256",
            #"cluster_ssl_ciphers{cipher_suite="ECDHE-RSA-AES128-GCM-SHA256",envoy_cluster_name="up"}"#
        ),
        ("cluster.up.ssl.curves.X25519", #"cluster_ssl_curves{envoy_ssl_curve="X25519",envoy_cluster_name="up"}"#),
        (
            "cluster.up.ssl.sigalgs.rsa_pss_rsae_sha256",
            #"cluster_ssl_sigalgs{envoy_ssl_sigalg="rsa_pss_rsae_sha256",envoy_cluster_name="up"}"#
        ),
        ("cluster.up.ssl.versions.TLSv1.2", #"cluster_ssl_versions{envoy_ssl_version="TLSv1.2",envoy_cluster_name="up"}"#),
        (
            "cluster.a.b.c.ssl.certificate.x.expiration_unix_time_seconds",
            #"cluster_b_c_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="x",envoy_cluster_name="a"}"#
        ),
        (
            "listener.my.pre.ssl.certificate.x.expiration_unix_time_seconds",
            #"listener_pre_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="x",envoy_listener_address="my"}"#
        ),
        (
            "cluster.plain.health_check.name.hcn.attempt",
            #"cluster_health_check_attempt{envoy_health_check_name="hcn",envoy_cluster_name="plain"}"#
        ),
        ("lrl.http_local_rate_limit.enabled", #"http_local_rate_limit_enabled{envoy_local_http_ratelimit_prefix="lrl"}"#),
        ("proxy_proto.versions.v1.found", #"proxy_proto_found{envoy_proxy_protocol_version="1"}"#),
        (
            "proxy_proto.pp.versions.v2.error",
            #"proxy_proto_error{envoy_proxy_protocol_prefix="pp",envoy_proxy_protocol_version="2"}"#
        ),
        ("proxy_proto.pp.not_found_allowed", #"proxy_proto_not_found_allowed{envoy_proxy_protocol_prefix="pp"}"#),
        ("proxy_proto.a.b.versions.v1.found", #"proxy_proto_b_versions_v1_found{envoy_proxy_protocol_prefix="a"}"#),
        ("proxy_proto.not_found_allowed", "proxy_proto_not_found_allowed{}"),
        ("sds.server.update_attempt", #"sds_update_attempt{envoy_xds_resource_name="server"}"#),
        ("listener_manager.worker_1.x", #"listener_manager_worker_x{envoy_worker_id="1"}"#),
    ])
    func namesOfManyScopes(name: String, expected: String) {
        #expect(prometheus(name) == expected)
    }

    /// Names that end where a tag would begin, or are made of dots, must not trap.
    @Test(arguments: [
        "", ".", "..", "listener", "listener.", "listener..", "cluster.", "http.", "vhost..", "_rq_200",
        "_rq_2xx", "rq_200", "listener.1.2.3.4_", "listener.1.2.3.4_5", "listener.a.worker_", "listener.a.worker_.",
        "server.worker_", "http.a.rds.b", "listener.a.http.", "cluster.a.grpc.b.", "listener.....http....", ".....",
        "cluster.a.ssl.ciphers.", "listener.a.ssl.certificate.b", "listener.a.ssl.versions.",
        "proxy_proto.versions.v.", "proxy_proto.versions..", "proxy_proto.", "sds.", "a.http_local_rate_limit", "cluster.a.ssl.curves",
        "cluster.a.health_check.name.b", "listener.a.ssl.ciphers",
    ])
    func cutShort(name: String) {
        #expect(prometheus(name).hasSuffix("}"))
    }

    /// The family and labels of one counter with this full name.
    private func prometheus(_ name: String) -> String {
        let registry = StatRegistry(workers: 1)
        let scope = registry.scope(name, NamedCounterStat.self)
        registry.cells(worker: 0).increment(scope[.value])
        let output = rendered(registry) { $0.format = .prometheus }
        let line = output.drop { $0 != "\n" }.dropFirst()
        return String(line.dropFirst("envoy_".count).dropLast(" 1\n".count))
    }
}
