import TestSupport

extension Groups {
    /// TLS towards clients and upstreams: alerts, the certificate shown, the protocol chosen, verdicts on certificates, and
    /// what is counted and logged.
    static let tls = Group(
        name: "tls",
        listeners: [
            tlsListener("tls"),
            tlsListener("tls_names", pairs: ["server", "rsa", "other"]),
            tlsListener("tls_rsa_first", pairs: ["rsa", "other"]),
            tlsListener("tls_rsa_first_scans", pairs: ["rsa", "other"], more: "full_scan_certs_on_sni_mismatch: true"),
            tlsListener("tls_alpn", common: "alpn_protocols: [h2, http/1.1]"),
            tlsListener("tls_alpn_odd", common: "alpn_protocols: [http/1.1, other]"),
            tlsListener("tls_12", common: "tls_params: {tls_maximum_protocol_version: TLSv1_2, cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384], ecdh_curves: [P-384]}"),
            tlsListener("tls_13", common: "tls_params: {tls_minimum_protocol_version: TLSv1_3}"),
            tlsListener("tls_old", common: "tls_params: {tls_minimum_protocol_version: TLSv1_0, tls_maximum_protocol_version: TLSv1_1, cipher_suites: [ECDHE-ECDSA-AES128-SHA]}"),
            tlsListener("tls_asks", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}}"),
            tlsListener("tls_requires", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}}", more: "require_client_certificate: true"),
            tlsListener("tls_uri", common: sanContext("{san_type: URI, matcher: {prefix: \"spiffe://acme/cl\"}}"), more: "require_client_certificate: true"),
            tlsListener("tls_dns", common: sanContext("{san_type: DNS, matcher: {exact: client.test}}"), more: "require_client_certificate: true"),
            tlsListener("tls_ip", common: sanContext("{san_type: IP_ADDRESS, matcher: {exact: 10.1.2.3}}"), more: "require_client_certificate: true"),
            tlsListener("tls_ip6", common: sanContext("{san_type: IP_ADDRESS, matcher: {exact: \"2001:db8::7\"}}"), more: "require_client_certificate: true"),
            tlsListener("tls_mail", common: sanContext("{san_type: EMAIL, matcher: {suffix: \"@b.test\"}}"), more: "require_client_certificate: true"),
            tlsListener("tls_any_name", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, match_subject_alt_names: [{exact: \"spiffe://acme/client\"}]}", more: "require_client_certificate: true"),
            tlsListener("tls_hash", common: "validation_context: {verify_certificate_hash: [\"\(many("ab", 32))\"]}", more: "require_client_certificate: true"),
            tlsListener("tls_spki", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, verify_certificate_spki: [\"\(many("A", 43))=\"]}", more: "require_client_certificate: true"),
            tlsListener("tls_untrusted", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, trust_chain_verification: ACCEPT_UNTRUSTED}"),
            tlsListener("tls_untrusted_pinned", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, trust_chain_verification: ACCEPT_UNTRUSTED, verify_certificate_hash: [\"\(many("ab", 32))\"], match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: \"spiffe://acme/client\"}}]}"),
            tlsListener("tls_silent_about_authorities", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, suppress_client_ca_list: true}", more: "require_client_certificate: true"),
            tlsListener("tls_expired", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, allow_expired_certificate: true}", more: "require_client_certificate: true"),
            tlsListener("tls_crl", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, crl: {filename: \"{{certs}}/crl.pem\"}}", more: "require_client_certificate: true"),
            tlsListener("tls_leaf_crl", common: "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, crl: {filename: \"{{certs}}/crl.pem\"}, only_verify_leaf_cert_crl: true}", more: "require_client_certificate: true"),
            tlsListener("tls_no_tickets", more: "disable_stateless_session_resumption: true"),
            tlsListener("tls_no_resumption", more: "disable_stateless_session_resumption: true\n    disable_stateful_session_resumption: true"),
            tlsListener("tls_client_first", more: "prefer_client_ciphers: true"),
            tlsListener("tls_by_name", fields: "listener_filters: [{name: envoy.filters.listener.tls_inspector, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]", match: "server_names: [server.test, \"*.wild.test\"]"),
            tlsListener("tls_other_name", common: sanContext("{san_type: OTHER_NAME, oid: 1.3.6.1.4.1.311.20.2.3, matcher: {exact: me@a.test}}"), more: "require_client_certificate: true"),
            tlsListener("tls_other_oid", common: sanContext("{san_type: OTHER_NAME, oid: 1.2.3.4, matcher: {exact: me@a.test}}"), more: "require_client_certificate: true"),
            tlsListener("tls_small_hello", fields: "listener_filters: [{name: envoy.filters.listener.tls_inspector, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector, max_client_hello_size: 256}}]", match: "server_names: [server.test]"),
            tlsListener("tls_strict_hello", fields: "listener_filters: [{name: envoy.filters.listener.tls_inspector, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector, close_connection_on_client_hello_parsing_errors: true}}]", match: "server_names: [server.test]"),
            tlsListener("tls_fips", pairs: ["server", "rsa"], common: "tls_params: {compliance_policies: [FIPS_202205], ecdh_curves: [X25519], cipher_suites: [ECDHE-ECDSA-CHACHA20-POLY1305], tls_maximum_protocol_version: TLSv1_2}"),
            tlsListener("tls_staple", staple: "server"), tlsListener("tls_staple_strict", staple: "server", more: "ocsp_staple_policy: STRICT_STAPLING"),
            tlsListener("tls_staple_must", staple: "server", more: "ocsp_staple_policy: MUST_STAPLE"),
            tlsListener("tls_staple_none", more: "ocsp_staple_policy: STRICT_STAPLING"),
            tlsListener("tls_staple_old", staple: "server.old"), tlsListener("tls_staple_old_strict", staple: "server.old", more: "ocsp_staple_policy: STRICT_STAPLING"),
            tlsListener("tls_staple_old_must", staple: "server.old", more: "ocsp_staple_policy: MUST_STAPLE"),
            tlsListener("tls_slow", chain: "transport_socket_connect_timeout: 0.3s"),
            upstreamListener("to_trusted", "trusted"), upstreamListener("to_untrusted", "untrusted"), upstreamListener("to_named", "named"),
            upstreamListener("to_misnamed", "misnamed"), upstreamListener("to_mutual", "mutual"), upstreamListener("to_stranger", "stranger"),
            upstreamListener("to_plain", "plain"), upstreamListener("to_old", "old"), upstreamListener("to_pinned", "pinned"),
        ],
        clusters: [
            Group.up,
            tlsCluster("trusted", to: "tls", trusted), tlsCluster("untrusted", to: "tls", "common_tls_context: {validation_context: {trusted_ca: {filename: \"{{certs}}/self.pem\"}}}"),
            tlsCluster("named", to: "tls", "sni: server.test, auto_sni_san_validation: true, " + trusted),
            tlsCluster("misnamed", to: "tls", "sni: elsewhere.test, auto_sni_san_validation: true, " + trusted),
            tlsCluster("mutual", to: "tls_requires", "common_tls_context: {tls_certificates: [\(tlsPair("client"))], tls_params: {tls_maximum_protocol_version: TLSv1_3, ecdh_curves: [P-256]}, validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}}}"),
            tlsCluster("stranger", to: "tls_requires", trusted),
            .init("plain", [.scripted("a")], socket("")),
            tlsCluster("old", to: "tls_13", "common_tls_context: {tls_params: {tls_maximum_protocol_version: TLSv1_2}}"),
            tlsCluster("pinned", to: "tls", "common_tls_context: {validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: \"spiffe://acme/other\"}}]}}"),
        ],
        cases: tlsVersions + tlsFIPS + tlsStaples + tlsNames + tlsPeers + tlsSessions + tlsFirsts + tlsUpstreams)

    private static let trusted = "common_tls_context: {validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}}}"

    static func tlsPair(_ name: String, staple: String? = nil) -> String {
        "{certificate_chain: {filename: \"{{certs}}/\(name).pem\"}, private_key: {filename: \"{{certs}}/\(name).key\"}\(staple.map { ", ocsp_staple: {filename: \"{{certs}}/\($0).ocsp\"}" } ?? "")}"
    }

    private static func sanContext(_ matcher: String) -> String {
        "validation_context: {trusted_ca: {filename: \"{{certs}}/ca.pem\"}, match_typed_subject_alt_names: [\(matcher)]}"
    }

    private static let tlsLog =
        "code=%RESPONSE_CODE% | flags=%RESPONSE_FLAGS% | version=%DOWNSTREAM_TLS_VERSION% | name=%REQUESTED_SERVER_NAME% | subject=%DOWNSTREAM_PEER_SUBJECT% | uri=%DOWNSTREAM_PEER_URI_SAN% | local=%DOWNSTREAM_LOCAL_URI_SAN% | details=%RESPONSE_CODE_DETAILS% | failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% | resumed=%DOWNSTREAM_TLS_SESSION_ID%"

    private static func tlsListener(
        _ name: String, fields: String = "", pairs: [String] = ["server"], staple: String? = nil, common: String = "", more: String = "", match: String = "",
        chain: String = ""
    ) -> Group.Listener {
        let connections = """
            access_log:
            - name: envoy.access_loggers.file
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                path: {{dir}}/access.log
                log_format: {text_format_source: {inline_string: "connection | failure=%DOWNSTREAM_TRANSPORT_FAILURE_REASON% | version=%DOWNSTREAM_TLS_VERSION%\\n"}}
            """
        return Group.Listener(
            name: name, fields: "stat_prefix: \(name)\n\(connections)" + (fields.isEmpty ? "" : "\n" + fields),
            virtualHosts: """
                - name: all
                  domains: ["*"]
                  routes:
                  - match: {prefix: /}
                    direct_response: {status: 200, body: {inline_string: "hello"}}
                """,
            logFormat: "{text_format_source: {inline_string: \"\(tlsLog.replacing(text: " | resumed=%DOWNSTREAM_TLS_SESSION_ID%", by: ""))\\n\"}}",
            chain: (match.isEmpty ? "" : "filter_chain_match: {\(match)}\n") + (chain.isEmpty ? "" : chain + "\n") + """
                transport_socket:
                  name: envoy.transport_sockets.tls
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                    common_tls_context: {tls_certificates: [\(pairs.map { tlsPair($0, staple: staple) }.joined(separator: ", "))]\(common.isEmpty ? "" : ", " + common)}
                """ + (more.isEmpty ? "" : "\n    " + more))
    }

    private static func upstreamListener(_ name: String, _ cluster: String) -> Group.Listener {
        Group.Listener(name: name, virtualHosts: """
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                route: {cluster: \(cluster)}
            """)
    }

    private static func socket(_ context: String) -> String {
        """
        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\(context.isEmpty ? "" : ", " + context)}
        """
    }

    /// A cluster whose host is a TLS listener of the same proxy.
    private static func tlsCluster(_ name: String, to listener: String, _ context: String) -> Group.Cluster {
        // Its own connection must not outlive the case.
        let once = """

            typed_extension_protocol_options:
              envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                common_http_protocol_options: {max_requests_per_connection: 1}
                explicit_http_config: {http_protocol_options: {}}
            """
        var cluster = Group.Cluster(name, [], socket(context) + once)
        cluster.endpointsYAML = "[{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: {{listener.\(listener)}}}}}}]"
        return cluster
    }

    private static func ask(_ name: String, _ options: String, on listener: String = "tls") -> Case {
        Case("tls." + name, tls: TLSTalk(options), on: listener)
    }

    /// A client of TLS 1.3 that is refused behind its own handshake. It asks for nothing: bytes that nobody reads are answered
    /// by a reset, and that may overtake the alert.
    private static func refused(_ name: String, _ options: String, on listener: String) -> Case {
        var talk = TLSTalk(options)
        talk.request = ""
        return Case("tls." + name, tls: talk, on: listener)
    }

    private static func showing(_ name: String) -> String { "-cert {{certs}}/\(name).pem -key {{certs}}/\(name).key" }

    private static let tlsVersions: [Case] = [
        ask("plain", "-ciphersuites TLS_AES_128_GCM_SHA256 -groups X25519"),
        ask("version_12", "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -groups X25519:P-256"),
        ask("version_11", "-tls1_1 -cipher DEFAULT@SECLEVEL=0"),
        ask("version_11_where_it_is_allowed", "-tls1_1 -cipher DEFAULT@SECLEVEL=0 -groups P-256", on: "tls_old"),
        ask("version_12_where_it_is_not", "-tls1_2", on: "tls_13"),
        ask("version_13_where_it_is_not", "-tls1_3", on: "tls_12"),
        ask("version_13_alone", "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256 -groups P-256", on: "tls_13"),
        ask("configured_cipher_and_group", "-groups P-384:P-256:X25519", on: "tls_12"),
        ask("no_common_cipher", "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -groups P-384:P-256", on: "tls_12"),
        ask("no_common_group", "-groups P-521"),
        ask("no_common_group_12", "-tls1_2 -groups P-521 -cipher ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"),
        ask("no_common_signature", "-tls1_2 -sigalgs RSA+SHA256"),
        ask("no_common_signature_13", "-sigalgs rsa_pss_rsae_sha256"),
        ask("weak_cipher", "-tls1_2 -cipher AES128-SHA@SECLEVEL=0 -groups X25519:P-256"),
        ask("servers_order", "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256 -groups X25519:P-256"),
        ask("clients_order", "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256 -groups X25519:P-256", on: "tls_client_first"),
    ]

    private static let tlsFIPS: [Case] = [
        ask("fips", "-ciphersuites TLS_AES_128_GCM_SHA256 -groups P-256", on: "tls_fips"),
        ask("fips_other_group", "-ciphersuites TLS_AES_128_GCM_SHA256 -groups X25519", on: "tls_fips"),
        ask("fips_other_suite", "-ciphersuites TLS_CHACHA20_POLY1305_SHA256 -tls1_3 -groups P-256", on: "tls_fips").with { $0.ignoring = [.log] },
        ask("fips_12", "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384 -groups P-256", on: "tls_fips"),
        ask("fips_12_other_cipher", "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305 -groups P-256", on: "tls_fips"),
        ask("fips_11", "-tls1_1 -cipher DEFAULT@SECLEVEL=0", on: "tls_fips"),
        ask("fips_rsa", "-tls1_2 -sigalgs rsa_pss_rsae_sha256 -cipher ECDHE-RSA-AES128-GCM-SHA256 -groups P-256", on: "tls_fips"),
        ask("fips_other_signature", "-tls1_3 -sigalgs ecdsa_secp521r1_sha512 -groups P-256", on: "tls_fips").with { $0.ignoring = [.log] },
    ]

    /// A client that asks is shown the staple, and one that does not is not, by any policy.
    private static let tlsStaples: [Case] = [
        "tls_staple", "tls_staple_strict", "tls_staple_must", "tls_staple_none", "tls_staple_old", "tls_staple_old_strict", "tls_staple_old_must",
    ].flatMap { listener in
        [
            // Envoy chooses the certificate ahead of the version, and logs TLS 1.2 where that fails.
            ask("\(listener.dropFirst(4))_asked", fixed + " -status", on: listener).with {
                if listener == "tls_staple_old_strict" || listener == "tls_staple_old_must" { $0.ignoring = [.log] }
            },
            ask("\(listener.dropFirst(4))_not_asked", fixed, on: listener),
            ask("\(listener.dropFirst(4))_asked_12", "-tls1_2 -groups X25519:P-256 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -status", on: listener),
        ]
    }

    private static let fixed = "-ciphersuites TLS_AES_128_GCM_SHA256 -groups X25519"

    private static let tlsNames: [Case] = [
        ask("alpn_first_of_the_server", fixed + " -alpn other,http/1.1", on: "tls_alpn_odd"),
        ask("alpn_only_one", fixed + " -alpn other", on: "tls_alpn_odd"),
        ask("alpn_nothing_in_common", fixed + " -alpn none", on: "tls_alpn"),
        ask("alpn_http1", fixed + " -alpn http/1.1", on: "tls_alpn"),
        ask("alpn_not_asked", fixed, on: "tls_alpn"),
        ask("alpn_not_configured", fixed + " -alpn h2,http/1.1"),
        ask("name_of_the_first", fixed + " -servername server.test", on: "tls_names"),
        ask("name_of_another", fixed + " -servername other.test", on: "tls_names"),
        ask("name_by_wildcard", fixed + " -servername a.wild.test", on: "tls_names"),
        ask("name_two_labels_deep", fixed + " -servername a.b.wild.test", on: "tls_names"),
        ask("name_unknown", fixed + " -servername unknown.test", on: "tls_names"),
        ask("no_name", fixed + " -noservername", on: "tls_names"),
        ask("name_unknown_rsa_first", fixed + " -servername unknown.test", on: "tls_rsa_first"),
        ask("name_unknown_rsa_first_scans", fixed + " -servername unknown.test", on: "tls_rsa_first_scans"),
        ask("name_of_another_rsa_first", fixed + " -servername other.test", on: "tls_rsa_first"),
        ask("no_name_rsa_first", fixed + " -noservername", on: "tls_rsa_first"),
        ask("no_name_rsa_first_scans", fixed + " -noservername", on: "tls_rsa_first_scans"),
        ask("name_unknown_rsa_only", "-tls1_2 -sigalgs rsa_pss_rsae_sha256 -groups X25519:P-256 -servername unknown.test -cipher ECDHE-RSA-AES128-GCM-SHA256", on: "tls_rsa_first_scans"),
        ask("certificate_of_the_key_type", "-tls1_2 -sigalgs rsa_pss_rsae_sha256 -groups X25519:P-256 -servername server.test -cipher ECDHE-RSA-AES128-GCM-SHA256", on: "tls_names"),
        ask("chain_by_name", fixed + " -servername server.test", on: "tls_by_name"),
        ask("chain_by_wildcard", fixed + " -servername a.b.wild.test", on: "tls_by_name"),
        ask("no_chain_for_the_name", fixed + " -servername other.test", on: "tls_by_name"),
        ask("no_chain_without_name", fixed + " -noservername", on: "tls_by_name"),
    ]

    private static let ofTwo = "-tls1_2 -groups X25519:P-256:P-384:P-521 -cipher ECDHE-ECDSA-AES128-GCM-SHA256"

    private static let tlsPeers: [Case] = [
        refused("client_without_certificate", fixed, on: "tls_requires"),
        ask("client_without_certificate_12", "-tls1_2 -groups X25519:P-256 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", on: "tls_requires"),
        ask("client_with_certificate", fixed + " " + showing("client"), on: "tls_requires"),
        refused("client_of_nobody", fixed + " " + showing("self"), on: "tls_requires"),
        ask("client_of_nobody_12", "-tls1_2 -groups X25519:P-256 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 " + showing("self"), on: "tls_requires"),
        refused("client_that_has_expired", fixed + " " + showing("expired"), on: "tls_requires"),
        ask("client_that_may_have_expired", fixed + " " + showing("expired"), on: "tls_expired"),
        ask("client_asked_and_silent", fixed, on: "tls_asks"),
        ask("client_asked_and_good", fixed + " " + showing("client"), on: "tls_asks"),
        refused("client_asked_and_bad", fixed + " " + showing("self"), on: "tls_asks"),
        ask("client_untrusted_accepted", fixed + " " + showing("self"), on: "tls_untrusted"),
        ask("client_trusted_where_others_are", fixed + " " + showing("client"), on: "tls_untrusted"),
        ask("client_silent_where_others_are", fixed, on: "tls_untrusted"),
        ask("client_untrusted_and_pinned", fixed + " " + showing("self"), on: "tls_untrusted_pinned"),
        ask("client_misnamed_and_pinned", fixed + " " + showing("stranger"), on: "tls_untrusted_pinned"),
        ask("client_pinned", fixed + " " + showing("client"), on: "tls_untrusted_pinned"),
        ask("client_of_p384", fixed + " " + showing("p384"), on: "tls_requires"),
        ask("client_of_p384_12", ofTwo + " " + showing("p384"), on: "tls_requires"),
        refused("client_of_p521", fixed + " " + showing("p521"), on: "tls_requires"),
        ask("client_of_p521_12", ofTwo + " " + showing("p521"), on: "tls_requires"),
        refused("client_of_ed25519", fixed + " " + showing("ed25519"), on: "tls_requires"),
        ask("client_of_ed25519_12", ofTwo + " " + showing("ed25519"), on: "tls_requires"),
        ask("authorities_not_announced", fixed + " " + showing("client"), on: "tls_silent_about_authorities"),
        ask("uri_that_matches", fixed + " " + showing("client"), on: "tls_uri"),
        refused("uri_that_does_not", fixed + " " + showing("stranger"), on: "tls_uri"),
        ask("dns_that_matches", fixed + " " + showing("client"), on: "tls_dns"),
        refused("dns_that_does_not", fixed + " " + showing("stranger"), on: "tls_dns"),
        ask("address_that_matches", fixed + " " + showing("addressed"), on: "tls_ip"),
        refused("address_that_does_not", fixed + " " + showing("client"), on: "tls_ip"),
        ask("address_of_ip6", fixed + " " + showing("addressed"), on: "tls_ip6"),
        ask("mail_that_matches", fixed + " " + showing("addressed"), on: "tls_mail"),
        refused("names_shown_with_addresses", fixed + " " + showing("addressed"), on: "tls_uri"),
        refused("no_names_at_all", fixed + " " + showing("expired"), on: "tls_uri"),
        ask("other_name_that_matches", fixed + " " + showing("othername"), on: "tls_other_name"),
        refused("other_name_of_another_oid", fixed + " " + showing("othername"), on: "tls_other_oid"),
        ask("any_name_that_matches", fixed + " " + showing("client"), on: "tls_any_name"),
        refused("any_name_that_does_not", fixed + " " + showing("addressed"), on: "tls_any_name"),
        refused("hash_that_does_not_match", fixed + " " + showing("client"), on: "tls_hash"),
        refused("key_that_does_not_match", fixed + " " + showing("client"), on: "tls_spki"),
        refused("revoked", fixed + " " + showing("revoked"), on: "tls_crl"),
        ask("not_revoked", fixed + " " + showing("client"), on: "tls_crl"),
        refused("revoked_leaf_only", fixed + " " + showing("revoked"), on: "tls_leaf_crl"),
    ]

    private static let tlsSessions: [Case] = [
        ask("session_again", "-tls1_2 -reconnect -groups X25519:P-256 -cipher ECDHE-ECDSA-AES128-GCM-SHA256"),
        ask("session_again_without_tickets", "-tls1_2 -reconnect -groups X25519:P-256 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", on: "tls_no_tickets"),
        ask("no_session_again", "-tls1_2 -reconnect -groups X25519:P-256 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", on: "tls_no_resumption"),
        Case("tls.not_tls", steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n"), .pause(ms: 100)], on: "tls", methods: [])
            .with { $0.answerLimitMs = 500; $0.resetIsClose = true },
        Case("tls.half_a_hello", steps: [.send("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}"), .pause(ms: 50), .close], on: "tls", methods: [])
            .with { $0.answerLimitMs = 500 },
        ask("hello_too_large", fixed + " -servername server.test -alpn " + (0..<30).map { "protocol-\($0)" }.joined(separator: ","), on: "tls_small_hello"),
        ask("hello_that_fits", fixed + " -servername server.test", on: "tls_strict_hello"),
        Case("tls.inspected_not_tls", steps: [.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n"), .pause(ms: 100)], on: "tls_by_name", methods: [])
            .with { $0.answerLimitMs = 500 },
        Case("tls.inspected_strictly", steps: [.send("\u{16}\u{3}\u{1}\u{0}\u{5}hello"), .pause(ms: 100)], on: "tls_strict_hello", methods: [])
            .with { $0.answerLimitMs = 500 },
        Case("tls.inspected_and_gone", steps: [.send("\u{16}\u{3}\u{1}"), .pause(ms: 50), .close], on: "tls_by_name", methods: []).with { $0.answerLimitMs = 500 },
        Case("tls.nothing", steps: [.pause(ms: 50), .close], on: "tls", methods: []).with { $0.answerLimitMs = 500 },
        Case("tls.slow_handshake", steps: [.send("\u{16}\u{3}\u{1}"), .pause(ms: 700)], on: "tls_slow", methods: [])
            .with { $0.answerLimitMs = 900; $0.resetIsClose = true },
        Case("tls.record_too_large", steps: [.send("\u{16}\u{3}\u{1}\u{ff}\u{ff}hello"), .pause(ms: 100)], on: "tls", methods: [])
            .with { $0.answerLimitMs = 500; $0.resetIsClose = true },
    ]

    /// First records that are no hello, or one that is longer than it may be: with a certificate asked for and without.
    private static let tlsFirsts: [Case] = [
        ("fatal_alert", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{28}"), ("close_notify", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{1}\u{0}"),
        ("alert_of_five_bytes", "\u{15}\u{3}\u{1}\u{0}\u{5}hello"), ("alert_of_no_level", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{3}\u{28}"),
        ("application_data", "\u{17}\u{3}\u{1}\u{0}\u{5}hello"), ("change_of_ciphers", "\u{14}\u{3}\u{1}\u{0}\u{1}\u{1}"),
        ("handshake_that_is_none", "\u{16}\u{3}\u{1}\u{0}\u{5}hello"), ("hello_of_16385", "\u{16}\u{3}\u{1}\u{0}\u{6}\u{1}\u{0}\u{40}\u{1}\u{3}\u{3}"),
    ].map { name, bytes in
        Case("tls.first_\(name)", steps: [.send(bytes), .pause(ms: 100)], on: "tls", methods: []).with { $0.answerLimitMs = 500 }
    } + [
        Case("tls.first_hello_of_102401", steps: [.send("\u{16}\u{3}\u{1}\u{0}\u{6}\u{1}\u{1}\u{90}\u{1}\u{3}\u{3}"), .pause(ms: 100)], on: "tls_asks", methods: [])
            .with { $0.answerLimitMs = 500 },
        Case("tls.first_hello_that_is_awaited", steps: [.send("\u{16}\u{3}\u{1}\u{0}\u{6}\u{1}\u{1}\u{90}\u{0}\u{3}\u{3}"), .pause(ms: 100), .close], on: "tls_asks", methods: [])
            .with { $0.answerLimitMs = 500 },
    ]

    private static let tlsUpstreams: [Case] =
        ["trusted", "untrusted", "named", "misnamed", "mutual", "stranger", "old", "pinned"].map { cluster in
            // Of TLS 1.3's ciphers each library has an order of its own.
            Case("tls.upstream_\(cluster)", request("GET /"), on: "to_" + cluster)
                .with { $0.ignoringCounters = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"] }
        } + [
            Case("tls.upstream_plain", request("GET /"), on: "to_plain").upstream(.steps(.readText("\u{16}\u{3}\u{1}"), .send("HTTP/1.1 400 Bad Request\r\n\r\n"), .delay(ms: 200))).with { $0.ignoring = [.upstream] },
            Case("tls.upstream_that_closes", request("GET /"), on: "to_plain").upstream(.steps(.readText("\u{16}\u{3}\u{1}"), .close)).with { $0.ignoring = [.upstream] },
            Case("tls.upstream_that_resets", request("GET /"), on: "to_plain").upstream(.steps(.readText("\u{16}\u{3}\u{1}"), .reset)).with { $0.ignoring = [.upstream] },
        ]
}
