import TestSupport
import Testing

/// `envoy.tls.cert_validator.spiffe`: each certificate is verified with the authorities of the trust domain that it names.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct SPIFFETests {
    private let certificates: Certificates
    private let others: Certificates
    private static let type = "\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig"
    private static let usage = "keyUsage=digitalSignature\n"

    init() throws {
        certificates = try Certificates()
        others = try Certificates()
        try certificates.issue("server", names: "DNS:localhost,URI:spiffe://a.test/server", more: SPIFFETests.usage)
        try certificates.issue("a", names: "URI:spiffe://a.test/client", more: SPIFFETests.usage)
        try others.issue("b", names: "URI:spiffe://b.test/client", more: SPIFFETests.usage)
        try others.issue("false", names: "URI:spiffe://a.test/client", more: SPIFFETests.usage)
    }

    private func validator(_ config: String) -> String {
        "custom_validator_config: {name: envoy.tls.cert_validator.spiffe, typed_config: {\(SPIFFETests.type), \(config)}}"
    }

    private var domains: String {
        validator(
            "trust_domains: [{name: a.test, trust_bundle: {filename: \(certificates.authority)}}, {name: b.test, trust_bundle: {filename: \(others.authority)}}]")
    }

    private func client(_ whose: Certificates, _ name: String) -> String { "--cert \(whose.chain(name)) --key \(whose.key(name))" }

    private func authority(_ whose: Certificates) throws -> String {
        let text = Files.text(whose.authority) ?? ""
        return text.split(separator: "\n").filter { !$0.contains("-----") }.joined()
    }

    private func bundle(_ domains: [(String, Certificates)]) throws -> String {
        let shown = try domains.map { "\"\($0)\": {\"spiffe_sequence\": 1, \"keys\": [{\"use\": \"x509-svid\", \"kty\": \"EC\", \"x5c\": [\"\(try authority($1))\"]}]}" }
        return "{\"trust_domains\": {\(shown.joined(separator: ", "))}}"
    }

    @Test func aCertificateIsVerifiedWithItsOwnDomain() throws {
        let served = try TLSServed(
            certificates, context: "validation_context: {\(domains)}",
            manager: "forward_client_cert_details: SANITIZE_SET\n          set_current_client_cert_details: {uri: true}")
        let seen = try served.curl("/xfcc", client(certificates, "a"))
        #expect(seen.contains("URI=spiffe://a.test/client"), "\(seen)")
        #expect(try served.curl("/validated", client(others, "b")).contains("validated"))
        #expect(try served.curl("/", client(others, "false")).hasPrefix("curl: "))
        #expect(served.stat("fail_verify_error", becomes: 1) == 1)
        // Whatever is said of requiring one, as in Envoy.
        #expect(try served.curl("/").hasPrefix("curl: "))
        #expect(served.stat("fail_verify_no_cert", becomes: 1) == 1)
        let shown = String(wire: served.served.admin.request("GET", "/certs")?.body ?? [])
        #expect(shown.split(separator: "\"b.test: \(others.authority)\"").count == 3, "\(shown)")
        let expirations = served.served.admin.stats(matching: "unnamed_ca_cert").keys.sorted()
        #expect(expirations == (0...1).map { "listener.tls.ssl.certificate.unnamed_ca_cert_\($0).expiration_unix_time_seconds" })
    }

    /// Bundles of SPIFFE, replaced while they serve; one that is broken is not.
    @Test func bundlesAreReadAgain() throws {
        let directory = TemporaryDirectory()
        let file = directory.write(try bundle([("a.test", certificates)]), to: "bundle.json")
        let served = try TLSServed(certificates, context: "validation_context: {\(validator("trust_bundles: {filename: \(file)}"))}")
        let ask = { (whose: Certificates, name: String) in try served.curl("/validated", client(whose, name)).contains("validated") }
        #expect(try ask(certificates, "a"))
        #expect(try !ask(others, "b"))
        _ = directory.write("{", to: "bundle.json")
        #expect(wait(upToMs: 10_000, everyMs: 50) { served.served.process.output.contains("the old certificates serve on: Invalid JSON found in SPIFFE bundle") })
        #expect(try ask(certificates, "a"))
        _ = directory.write(try bundle([("b.test", others)]), to: "new.json")
        #expect(Files.move(directory.path + "/new.json", file))
        var isKnown = false
        for _ in 0..<200 where !isKnown {
            isKnown = try ask(others, "b")
            if !isKnown { _ = wait(upToMs: 50, everyMs: 50) { false } }
        }
        #expect(isKnown)
        #expect(try !ask(certificates, "a"))
    }

    /// Towards an upstream, with names of its own.
    @Test func anUpstreamIsVerifiedByItsDomain() throws {
        let server = try TLSServed(certificates)
        for (context, status) in [
            (domains, 200), (domains + ", match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: spiffe://a.test/other}}]", 503),
            (validator("trust_domains: [{name: b.test, trust_bundle: {filename: \(others.authority)}}]"), 503),
        ] {
            let socket = "transport_socket: {name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: localhost, common_tls_context: {validation_context: {\(context)}}}}"
            let front = try Served(try Binary.martlet()) { Served.http($0, clusters: [Served.cluster([server.port], more: socket)]) }
            #expect(try front.get().status == status, "\(context)")
        }
    }
}
