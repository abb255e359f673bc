import Testing
import TestSupport

/// TLS contexts: what is wrong is named with its place and its file, and no key is ever shown.
@Suite struct TLSConfigTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("a", names: "DNS:a.test")
        try certificates.issue("b", names: "DNS:b.test")
    }

    private func pair(_ chain: String, _ key: String) -> String {
        "{certificate_chain: {filename: \(certificates.chain(chain))}, private_key: {filename: \(certificates.key(key))}}"
    }

    private func lines(_ common: String, more: String = "", secrets: String = "", chain: String = "") -> [String] {
        validationLines(
            """
            static_resources:
              secrets: [\(secrets)]
              listeners:
              - name: l
                address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
                filter_chains:
                - filters: [{name: envoy.filters.network.echo}]
                  \(chain)
                  transport_socket:
                    name: envoy.transport_sockets.tls
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      common_tls_context: {\(common)}
                      \(more)
            """)
    }

    @Test func aGoodPairIsTaken() {
        #expect(lines("tls_certificates: [\(pair("a", "a")), \(pair("b", "b"))], alpn_protocols: [h2, http/1.1]").isEmpty)
    }

    @Test func theNumberOfTicketsIsAFilterChains() {
        let tickets = { [self] (own: String, more: String) in
            lines("tls_certificates: [\(pair("a", "a"))]", more: more, chain: "metadata: {filter_metadata: {martlet: {\(own)}, other: {session_tickets: no}}}")
        }
        for count in [0, 1, 16] { #expect(tickets("session_tickets: \(count)", "").isEmpty) }
        for wrong in ["17", "-1", "1.5", "many", "{}"] {
            let said = tickets("session_tickets: \(wrong)", "")
            #expect(said.count == 1 && said[0].contains("'session_tickets' is no number of tickets"), "\(said)")
        }
        let unknown = tickets("tickets: 1", "")
        #expect(unknown.count == 1 && unknown[0].contains("has no 'tickets'"), "\(unknown)")
        #expect(tickets("session_tickets: 0", "disable_stateless_session_resumption: true").isEmpty)
        let both = tickets("session_tickets: 1", "disable_stateless_session_resumption: true")
        #expect(both.count == 1 && both[0].contains("beside 'disable_stateless_session_resumption: true'"), "\(both)")
    }

    @Test func inlineEnvironmentAndContainerAreTaken() throws {
        let chain = Files.text(certificates.chain("a")) ?? ""
        let key = Files.text(certificates.key("a")) ?? ""
        let quoted = { (text: String) in "\"" + text.replacing(text: "\n", by: "\\n") + "\"" }
        #expect(lines("tls_certificates: [{certificate_chain: {inline_string: \(quoted(chain))}, private_key: {inline_string: \(quoted(key))}}]").isEmpty)
        try certificates.run("pkcs12 -export -in a.pem -inkey a.key -out a.p12 -passout pass:secret1")
        let container = "pkcs12: {filename: \(certificates.directory.path)/a.p12}"
        #expect(lines("tls_certificates: [{\(container), password: {inline_string: secret1}}]").isEmpty)
        let wrong = lines("tls_certificates: [{\(container), password: {inline_string: wrong}}]")
        #expect(wrong.count == 1 && wrong[0].contains("Failed to load pkcs12") && !wrong[0].contains("wrong"))
        try certificates.run("pkey -in a.key -aes256 -passout pass:secret2 -out a.enc")
        let encrypted = "certificate_chain: {filename: \(certificates.chain("a"))}, private_key: {filename: \(certificates.directory.path)/a.enc}"
        #expect(lines("tls_certificates: [{\(encrypted), password: {inline_string: secret2}}]").isEmpty)
        // Nobody is asked for a password.
        let closed = lines("tls_certificates: [{\(encrypted)}]")
        #expect(closed.count == 1 && closed[0].contains("Failed to load private key"))
    }

    @Test func whatDoesNotFitIsNamedWithItsFile() {
        let mixed = lines("tls_certificates: [\(pair("a", "b"))]")
        #expect(mixed.count == 1)
        #expect(mixed.first?.contains("the key does not belong to the certificate of \(certificates.chain("a"))") == true, "\(mixed)")
        let missing = lines("tls_certificates: [\(pair("nowhere", "a"))]")
        #expect(missing.first?.contains("unable to read file: \(certificates.chain("nowhere")) (No such file or directory)") == true)
        let noCertificate = lines("tls_certificates: [{certificate_chain: {filename: \(certificates.key("a"))}, private_key: {filename: \(certificates.key("a"))}}]")
        #expect(noCertificate.first?.contains("Failed to load certificate chain from \(certificates.key("a"))") == true)
        #expect(lines("").first?.contains("No TLS certificates found for server context") == true)
    }

    @Test func parametersAreTried() {
        let pair = "tls_certificates: [\(pair("a", "a"))]"
        #expect(lines(pair + ", tls_params: {cipher_suites: [\"[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]\"]}").isEmpty)
        for (field, text) in [
            ("cipher_suites: [NO-SUCH, ECDHE-ECDSA-AES128-GCM-SHA256]", "rejected when tried individually: NO-SUCH"),
            ("cipher_suites: [TLS_AES_128_GCM_SHA256]", "rejected when tried individually: TLS_AES_128_GCM_SHA256"),
            ("ecdh_curves: [P-999]", "Failed to initialize ECDH curves P-999"),
            ("signature_algorithms: [none]", "Failed to initialize TLS signature algorithms none"),
        ] {
            let found = lines(pair + ", tls_params: {\(field)}")
            #expect(found.count == 1 && found[0].contains(text), "\(found)")
        }
        #expect(lines(pair + ", alpn_protocols: [\"\"]").first?.contains("Invalid ALPN protocol string") == true)
    }

    @Test func validationIsChecked() {
        let pair = "tls_certificates: [\(pair("a", "a"))]"
        let trust = "trusted_ca: {filename: \(certificates.authority)}"
        #expect(lines(pair + ", validation_context: {\(trust)}", more: "require_client_certificate: true").isEmpty)
        for (context, text) in [
            ("match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]", "without trusted CA is insecure"),
            ("\(trust), verify_certificate_hash: [\"\(String(repeating: "g", count: 64))\"]", "Invalid hex-encoded SHA-256"),
            ("\(trust), verify_certificate_spki: [\"\(String(repeating: "!", count: 44))\"]", "Invalid base64-encoded SHA-256"),
            ("trusted_ca: {filename: \(certificates.key("a"))}", "Failed to load trusted CA certificates"),
            ("\(trust), crl: {filename: \(certificates.authority)}", "Failed to load CRL"),
            ("\(trust), match_typed_subject_alt_names: [{san_type: URI, matcher: {safe_regex: {regex: \"(\"}}}]", "missing )"),
            ("\(trust), match_typed_subject_alt_names: [{san_type: OTHER_NAME, matcher: {exact: a}}]", "needs an OID"),
        ] {
            let found = lines(pair + ", validation_context: {\(context)}", more: "require_client_certificate: true")
            #expect(found.count == 1 && found[0].contains(text), "\(text): \(found)")
        }
    }

    @Test func staticSecretsAreFoundByName() {
        let secret = "{name: certificate, tls_certificate: \(pair("a", "a"))}, {name: keys, session_ticket_keys: {keys: [{inline_string: short}]}}"
        #expect(lines("tls_certificate_sds_secret_configs: [{name: certificate}]", secrets: secret).isEmpty)
        let unknown = lines("tls_certificate_sds_secret_configs: [{name: certifcate}]", secrets: secret)
        #expect(unknown.contains { $0.contains("Unknown static TLS certificate: certifcate") && $0.contains("did you mean 'certificate'?") }, "\(unknown)")
        let kind = lines("tls_certificate_sds_secret_configs: [{name: certificate}], validation_context_sds_secret_config: {name: certificate}", more: "require_client_certificate: true", secrets: secret)
        #expect(kind.contains { $0.contains("the secret 'certificate' is no validation_context") }, "\(kind)")
        let short = lines("tls_certificate_sds_secret_configs: [{name: certificate}]", more: "session_ticket_keys_sds_secret_config: {name: keys}", secrets: secret)
        #expect(short.contains { $0.contains("Incorrect TLS session ticket key length. Length 5, expected length 80.") }, "\(short)")
    }

    @Test func whatIsNotServedIsNamed() {
        let pair = "tls_certificates: [\(pair("a", "a"))]"
        let found = lines(pair + ", tls_certificate_provider_instance: {instance_name: a}")
        #expect(found.count == 1 && found[0].contains("is not supported by Martlet yet"), "\(found)")
        let whole = "certificate_chain: {filename: \(certificates.chain("a"))}, private_key: {filename: \(certificates.key("a"))}"
        let provider = lines("tls_certificates: [{\(whole), private_key_provider: {provider_name: nonsense}}]")
        #expect(provider.count == 1 && provider[0].contains("private_key_provider.provider_name: Failed to load private key provider: nonsense"), "\(provider)")
        // Taken, and without effect, as in Envoy.
        #expect(lines("tls_certificates: [{\(whole), signed_certificate_timestamp: [{inline_string: x}]}]") == [])
        #expect(lines(pair + ", tls_certificate_sds_secret_configs: [{name: a, sds_config: {ads: {}}}]").contains { $0.contains("sds_config") })
    }

    @Test func trustDomainsAreRead() {
        func found(_ config: String, _ more: String = "") -> [String] {
            lines(
                "tls_certificates: [\(pair("a", "a"))], validation_context: {custom_validator_config: {name: envoy.tls.cert_validator.spiffe, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig\(config)}}\(more)}")
        }
        let domain = ", trust_domains: [{name: a, trust_bundle: {filename: \(certificates.authority)}}]"
        #expect(found(domain) == [])
        #expect(found(", trust_domains: [{name: a, trust_bundle: {filename: /nowhere}}]").first?.contains("trust_domains[0].trust_bundle.filename: unable to read file: /nowhere") == true)
        #expect(found(", trust_bundles: {filename: /nowhere}").first?.contains("trust_bundles.filename: unable to read file: /nowhere") == true)
        #expect(found(domain, ", match_typed_subject_alt_names: [{san_type: URI, matcher: {safe_regex: {regex: \"(\"}}}]").contains { $0.contains("match_typed_subject_alt_names[0].matcher.safe_regex.regex") })
    }

    @Test func halfACertificateIsNamed() throws {
        func one(_ fields: String) -> [String] { lines("tls_certificates: [{\(fields)}]") }
        let chain = "certificate_chain: {filename: \(certificates.chain("a"))}"
        #expect(one("private_key: {filename: \(certificates.key("a"))}").first?.contains("certificate chain not set") == true)
        #expect(one(chain).first?.contains("Failed to load incomplete private key from \(certificates.chain("a"))") == true)
        let both = one("\(chain), pkcs12: {inline_string: x}")
        #expect(both.first?.contains("Certificate configuration can't have both pkcs12 and certificate_chain") == true, "\(both)")
        try certificates.run("req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem -days 3 -subj /CN=weak")
        let weak = one("certificate_chain: {filename: \(certificates.chain("weak"))}, private_key: {filename: \(certificates.key("weak"))}")
        #expect(weak.count == 1 && weak[0].contains("only RSA certificates with 2048-bit or larger keys are supported"), "\(weak)")
        // A container with its authority.
        try certificates.run("pkcs12 -export -in a.pem -inkey a.key -certfile ca.pem -out whole.p12 -passout pass:")
        #expect(one("pkcs12: {filename: \(certificates.directory.path)/whole.p12}").isEmpty)
        // What has expired is served, and said.
        try certificates.expire("old")
        #expect(one("certificate_chain: {filename: \(certificates.chain("old"))}, private_key: {filename: \(certificates.key("old"))}").isEmpty)
    }

    @Test func staplesAreTried() throws {
        let staple = "tls_certificates: [\(pair("a", "a").replacing(text: "private_key", by: "ocsp_staple: {inline_string: nonsense}, private_key"))]"
        let nonsense = lines(staple)
        #expect(nonsense.count == 1 && nonsense[0].contains("OCSP response of <inline> cannot be used"), "\(nonsense)")
        let required = lines("tls_certificates: [\(pair("a", "a"))]", more: "ocsp_staple_policy: MUST_STAPLE")
        #expect(required.count == 1 && required[0].contains("Required OCSP response is missing from TLS context"), "\(required)")
        // RFC 7633: a certificate that asks for a staple itself.
        certificates.directory.write("subjectAltName=DNS:m.test\ntlsfeature=status_request\n", to: "must.ext")
        try certificates.run("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout must.key -out must.csr -subj /CN=must")
        try certificates.run("x509 -req -in must.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out must.pem -days 20 -extfile must.ext")
        let must = lines("tls_certificates: [\(pair("must", "must"))]")
        #expect(must.count == 1 && must[0].contains("OCSP response is required for must-staple certificate"), "\(must)")
    }

    @Test func ticketKeysAreTaken() {
        let key = { (letter: String) in "{inline_string: \(String(repeating: letter, count: 80))}" }
        let pair = "tls_certificates: [\(pair("a", "a"))]"
        #expect(lines(pair, more: "session_ticket_keys: {keys: [\(key("a")), \(key("b"))]}").isEmpty)
        let many = lines(pair, more: "session_ticket_keys: {keys: [\((0..<9).map { _ in key("c") }.joined(separator: ", "))]}")
        #expect(many.count == 1 && many[0].contains("more than 8 session ticket keys"), "\(many)")
        #expect(lines(pair + ", tls_params: {signature_algorithms: [ecdsa_secp256r1_sha256]}").isEmpty)
    }

    @Test func whatChecksNothingIsRefused() {
        let pair = "tls_certificates: [\(pair("a", "a"))]"
        let trust = "trusted_ca: {filename: \(certificates.authority)}"
        let expired = lines(pair + ", validation_context: {allow_expired_certificate: true}", more: "require_client_certificate: true")
        #expect(expired.count == 1 && expired[0].contains("Certificate validity period is always ignored without trusted CA"), "\(expired)")
        #expect(
            lines(pair + ", validation_context: {\(trust), match_subject_alt_names: [{exact: a}, {prefix: b}]}", more: "require_client_certificate: true")
                .isEmpty)
    }

    @Test func aRevocationListNeedsAnAuthority() throws {
        try certificates.revoke("b")
        let pair = "tls_certificates: [\(pair("a", "a"))]"
        let found = lines(pair + ", validation_context: {crl: {filename: \(certificates.directory.path)/crl.pem}}", more: "require_client_certificate: true")
        #expect(found.count == 1 && found[0].contains("a CRL without trusted_ca is never looked at"), "\(found)")
    }

    @Test func aSecretIsJoinedWithTheDefaults() {
        let trust = "{name: trust, validation_context: {trusted_ca: {filename: \(certificates.authority)}}}"
        let pair = "tls_certificates: [\(pair("a", "a"))]"
        // Names without an authority are refused: the secret brings it.
        let combined = "combined_validation_context: {default_validation_context: {match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]}, validation_context_sds_secret_config: {name: NAME}}"
        #expect(lines(pair + ", " + combined.replacing(text: "NAME", by: "trust"), more: "require_client_certificate: true", secrets: trust).isEmpty)
        let missing = lines(pair + ", " + combined.replacing(text: "NAME", by: "trusst"), more: "require_client_certificate: true", secrets: trust)
        #expect(missing.contains { $0.contains("Unknown static certificate validation context: trusst") }, "\(missing)")
        let twice = lines(pair, secrets: trust + ", " + trust)
        #expect(twice.count == 1 && twice[0].contains("Duplicate static Secret secret name trust"), "\(twice)")
    }

    @Test func whatAClientShowsIsChecked() {
        func upstream(_ fields: String) -> [String] {
            validationLines(
                "static_resources: {clusters: [{name: c, transport_socket: {name: envoy.transport_sockets.tls, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, \(fields)}}}]}")
        }
        #expect(upstream("common_tls_context: {tls_certificates: [\(pair("a", "a"))], alpn_protocols: [h2]}").isEmpty)
        let two = upstream("common_tls_context: {tls_certificates: [\(pair("a", "a")), \(pair("b", "b"))]}")
        #expect(two.contains { $0.contains("Multiple TLS certificates are not supported for client contexts") }, "\(two)")
        let blind = upstream("sni: a, auto_sni_san_validation: true")
        #expect(blind.count == 1 && blind[0].contains("'auto_sni_san_validation' was configured without a validation context"), "\(blind)")
    }
}
