import Glibc
import TestSupport
import Testing

/// Certificates of clients who want in, or want to say more than a certificate may.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct ClientCertificateAttackTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        try certificates.issue("client", names: "URI:spiffe://acme/client", more: "keyUsage=digitalSignature\n")
        try certificates.issue("other", names: "URI:spiffe://acme/other", more: "keyUsage=digitalSignature\n")
    }

    private var trust: String { "trusted_ca: {filename: \(certificates.authority)}" }

    private func asks(_ name: String) -> String { "-cert \(certificates.chain(name)) -key \(certificates.key(name))" }

    // MARK: Names

    /// Names of a certificate have any byte: those that would end a field never reach an upstream, nor a request behind them.
    @Test(arguments: ["x\r\n\r\nGET /admin HTTP/1.1\r\nhost: internal\r\n\r\n", "x\r\nx-evil: 1", "x\nURI=spiffe://admin", "x\0y"])
    func aNameIsNoFieldOfItsOwn(name: String) throws {
        try certificates.signItself("evil", uris: ["spiffe://" + name])
        let upstream = try LoadUpstream("up")
        defer { upstream.stop() }
        for mode in ["SANITIZE_SET", "APPEND_FORWARD"] {
            let tls = try TLSServed(
                certificates, context: "validation_context: {\(trust), trust_chain_verification: ACCEPT_UNTRUSTED}",
                manager: "forward_client_cert_details: \(mode)\n          set_current_client_cert_details: {uri: true}",
                clusters: [Served.cluster([upstream.port])])
            let answer = try tls.curl("/", "-H 'x-forwarded-client-cert: By=old' " + TLSServed.pair(certificates, "evil"))
            #expect(answer.hasPrefix("HTTP/1.1 503") && answer.contains("invalid header value for: x-forwarded-client-cert"), "\(answer)")
            #expect(tls.served.stat("cluster.c.upstream_rq_total", becomes: 0) == 0)
            // Others are served as before.
            #expect(try tls.curl("/", TLSServed.pair(certificates, "client")).hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func aNameWithACommaIsOneName() throws {
        try certificates.signItself("comma", uris: ["spiffe://a/x,y", "spiffe://a/z"])
        let tls = try TLSServed(
            certificates, context: "validation_context: {\(trust), trust_chain_verification: ACCEPT_UNTRUSTED}",
            manager: "forward_client_cert_details: SANITIZE_SET\n          set_current_client_cert_details: {uri: true}")
        let answer = try tls.curl("/xfcc", TLSServed.pair(certificates, "comma"))
        #expect(answer.contains(";URI=spiffe://a/x,y;URI=spiffe://a/z"), "\(answer)")
    }

    // MARK: Sessions

    /// A session from before a certificate was asked for is none behind it.
    @Test(arguments: ["-tls1_2", "-tls1_3"]) func aSessionDoesNotStandForACertificate(version: String) throws {
        let tls = try TLSServed(certificates, context: "validation_context: {\(trust)}", more: "require_client_certificate: false")
        let session = certificates.directory.path + "/session"
        #expect(try tls.client("\(version) -sess_out \(session)").contains("hello"))
        #expect(try tls.client("\(version) -sess_in \(session)").contains("Reused"))
        try reload(tls) { $0.replacing(text: "require_client_certificate: false", by: "require_client_certificate: true") }
        let answer = try tls.client("\(version) -sess_in \(session)")
        #expect(!answer.contains("Reused") && !answer.contains("hello") && answer.contains("alert"), "\(answer)")
        #expect(try tls.client("\(version) \(asks("client"))").contains("hello"))
    }

    /// A revoked client's session ends with the change of the file that names it.
    @Test(arguments: ["-tls1_2", "-tls1_3"]) func aSessionIsRevokedToo(version: String) throws {
        try certificates.revoke("other")
        let tls = try TLSServed(
            certificates, context: "validation_context: {\(trust), crl: {filename: \(certificates.directory.path)/crl.pem}}",
            more: "require_client_certificate: true")
        let session = certificates.directory.path + "/session"
        #expect(try tls.client("\(version) \(asks("client")) -sess_out \(session)").contains("hello"))
        #expect(try tls.client("\(version) \(asks("client")) -sess_in \(session) -sess_out \(session)").contains("Reused"))
        try certificates.revoke("client")
        #expect(wait(upToMs: 15_000, everyMs: 200) { (try? tls.client("\(version) \(asks("client"))"))?.contains("SSL alert number 44") ?? false })
        let answer = try tls.client("\(version) \(asks("client")) -sess_in \(session)")
        #expect(!answer.contains("Reused") && answer.contains("SSL alert number 44"), "\(answer)")
    }

    /// The same, where trust domains decide.
    @Test func aSessionDoesNotStandForAName() throws {
        let type = "\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig"
        let tls = try TLSServed(
            certificates,
            context: "validation_context: {custom_validator_config: {name: envoy.tls.cert_validator.spiffe, typed_config: {\(type), trust_domains: [{name: acme, trust_bundle: {filename: \(certificates.authority)}}]}}}")
        let session = certificates.directory.path + "/session"
        #expect(try tls.client("\(asks("client")) -sess_out \(session)").contains("hello"))
        #expect(try tls.client("\(asks("client")) -sess_in \(session) -sess_out \(session)").contains("Reused"))
        try reload(tls) {
            $0.replacing(text: "validation_context: {", by: "validation_context: {match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: spiffe://acme/other}}], ")
        }
        let answer = try tls.client("\(asks("client")) -sess_in \(session)")
        #expect(!answer.contains("Reused") && !answer.contains("hello"), "\(answer)")
        #expect(try tls.client(asks("other")).contains("hello"))
    }

    // MARK: Who is let in

    /// As Envoy: pins and names are about a certificate that there has to be.
    @Test func whoIsNamedHasToShow() throws {
        let pins = String(repeating: "ab", count: 32)
        for rule in ["verify_certificate_hash: [\"\(pins)\"]", "\(trust), match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: spiffe://acme/client}}]"] {
            let tls = try TLSServed(certificates, context: "validation_context: {\(rule)}")
            #expect(try tls.client().contains("SSL alert number 116"))
            #expect(tls.stat("fail_verify_no_cert", becomes: 1) == 1)
        }
    }

    @Test func namesAndPinsOfTheUntrustedAreNotHeldAgainstThem() throws {
        let tls = try TLSServed(
            certificates,
            context: "validation_context: {\(trust), trust_chain_verification: ACCEPT_UNTRUSTED, match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: spiffe://acme/client}}]}")
        #expect(try tls.client().contains("hello"))
        #expect(try tls.client(asks("other")).contains("hello"))
        #expect(try tls.curl("/validated", TLSServed.pair(certificates, "other")).hasSuffix("hello"))
        #expect(try tls.curl("/validated", TLSServed.pair(certificates, "client")).hasSuffix("validated"))
    }

    /// What is found first, as in Envoy: nothing is looked at behind it.
    @Test func ofTheUntrustedOneFailureIsCounted() throws {
        let pins = String(repeating: "ab", count: 32)
        let tls = try TLSServed(
            certificates,
            context: "validation_context: {\(trust), trust_chain_verification: ACCEPT_UNTRUSTED, verify_certificate_hash: [\"\(pins)\"], match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: spiffe://acme/client}}]}")
        try certificates.signItself("stranger", uris: ["spiffe://acme/stranger"])
        for (name, counts) in [("stranger", [1, 0, 0]), ("other", [1, 1, 0]), ("client", [1, 1, 1])] {
            #expect(try tls.client(asks(name)).contains("hello"))
            for (stat, count) in zip(["fail_verify_error", "fail_verify_san", "fail_verify_cert_hash"], counts) {
                #expect(tls.stat(stat, becomes: count) == count, "\(name) \(stat)")
            }
        }
    }

    /// In TLS 1.2 too the key may be of a curve that no key is exchanged with. As in Envoy one of Ed25519 is none, nor one of P-521 in
    /// TLS 1.3.
    @Test func aClientsKeyMayBeOfAnotherCurve() throws {
        let tls = try TLSServed(
            certificates, context: "validation_context: {\(trust)}, tls_params: {ecdh_curves: [X25519]}", more: "require_client_certificate: true")
        for (name, key) in [
            ("p256", "ec -pkeyopt ec_paramgen_curve:P-256"), ("p384", "ec -pkeyopt ec_paramgen_curve:P-384"),
            ("p521", "ec -pkeyopt ec_paramgen_curve:P-521"), ("ed25519", "ed25519"),
        ] {
            try certificates.issue(name, names: "DNS:a.test", key: key)
            for version in ["-tls1_2", "-tls1_3"] {
                let isTaken = name == "p256" || name == "p384" || name == "p521" && version == "-tls1_2"
                let answer = try tls.client("\(version) \(asks(name))")
                #expect(answer.contains("hello") == isTaken, "\(name) \(version): \(answer)")
                if !isTaken { #expect(answer.contains("SSL alert number \(version == "-tls1_2" ? 40 : 116)"), "\(answer)") }
            }
        }
    }

    /// `suppress_client_ca_list`: who asks for a certificate need not say of whom.
    @Test(arguments: [false, true]) func theAuthoritiesMayBeKeptSecret(spiffe: Bool) throws {
        let type = "\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig"
        let rules = spiffe
            ? "custom_validator_config: {name: envoy.tls.cert_validator.spiffe, typed_config: {\(type), trust_domains: [{name: acme, trust_bundle: {filename: \(certificates.authority)}}]}}"
            : trust
        for suppresses in [false, true] {
            let tls = try TLSServed(
                certificates, context: "validation_context: {\(rules), suppress_client_ca_list: \(suppresses)}", more: "require_client_certificate: true")
            let answer = try tls.client(asks("client"))
            #expect(answer.contains("hello"), "\(answer)")
            #expect(answer.contains("Acceptable client certificate CA names") != suppresses, "\(answer)")
            #expect(answer.contains("No client certificate CA names sent") == suppresses, "\(answer)")
        }
    }

    /// The authority that is trusted counts, as in Envoy.
    @Test func aChainHasALength() throws {
        try certificates.issueBelow("between", "deep")
        let deep = "\(asks("deep")) -cert_chain \(certificates.chain("between"))"
        for (depth, near, far) in [(0, false, false), (1, true, false), (2, true, true)] {
            let tls = try TLSServed(
                certificates, context: "validation_context: {\(trust), max_verify_depth: \(depth)}", more: "require_client_certificate: true")
            #expect(try tls.client(asks("client")).contains("hello") == near, "\(depth)")
            #expect(try tls.client(deep).contains("hello") == far, "\(depth)")
        }
    }

    private func reload(_ tls: TLSServed, _ change: (String) -> String) throws {
        let text = try #require(Files.text(tls.served.file))
        Files.write(Array(change(text).utf8), to: tls.served.file)
        tls.served.process.signal(SIGHUP)
        #expect(tls.served.stat("martlet.plan.reloads_applied", becomes: 1) == 1)
    }
}

extension Certificates {
    /// `NAME.pem`, which nobody else has signed, with names that `openssl` would not write of a text: any byte is taken.
    fileprivate func signItself(_ name: String, uris: [String]) throws {
        // RFC 5280 §4.2.1.6: GeneralNames, a sequence; [6] is a URI, an IA5String. All are shorter than 128 bytes.
        var names: [UInt8] = []
        for uri in uris { names += [0x86, UInt8(uri.utf8.count)] + Array(uri.utf8) }
        let head: [UInt8] = names.count < 128 ? [0x30] : [0x30, 0x81]
        let der = (head + [UInt8(names.count)] + names).map { byte -> String in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        try run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(name).key -out \(name).pem -days 3 "
                + "-subj /CN=\(name) -addext subjectAltName=DER:\(der.joined(separator: ":"))")
    }
}
