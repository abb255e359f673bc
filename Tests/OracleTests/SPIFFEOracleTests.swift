import TestSupport
import Testing

/// The same clients for Envoy 1.40's validator of SPIFFE and for Martlet's: who is let in, what is counted, what is logged.
@Suite(.serialized, .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct SPIFFEOracleTests {
    private let certificates: Certificates
    private let others: Certificates

    /// Certificates of the first authority: their names, and what else they say.
    private static let issued: [(name: String, names: String, more: String)] = [
        ("client", "URI:spiffe://a.test/client", "keyUsage=digitalSignature\n"),
        ("second", "DNS:a.test,URI:spiffe://a.test/x,URI:spiffe://b.test/y", "keyUsage=digitalSignature\n"),
        ("nobody", "DNS:client.test", "keyUsage=digitalSignature\n"),
        ("foreign", "URI:spiffe://c.test/x", "keyUsage=digitalSignature\n"),
        ("pathless", "URI:spiffe://a.test", "keyUsage=digitalSignature\n"),
        ("shouting", "URI:SPIFFE://a.test/x", "keyUsage=digitalSignature\n"),
        ("unused", "URI:spiffe://a.test/client", ""),
        ("signer", "URI:spiffe://a.test/client", "keyUsage=digitalSignature,keyCertSign\n"),
        ("authority", "URI:spiffe://a.test/client", "basicConstraints=CA:TRUE\nkeyUsage=digitalSignature\n"),
        ("server-only", "URI:spiffe://a.test/client", "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"),
        ("revoked", "URI:spiffe://a.test/client", "keyUsage=digitalSignature\n"),
    ]

    init() throws {
        certificates = try Certificates()
        others = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        for one in SPIFFEOracleTests.issued { try certificates.issue(one.name, names: one.names, more: one.more) }
        try others.issue("stranger", names: "URI:spiffe://a.test/client", more: "keyUsage=digitalSignature\n")
        try others.issue("neighbour", names: "URI:spiffe://b.test/client", more: "keyUsage=digitalSignature\n")
        try certificates.revoke("revoked")
    }

    @Test(arguments: ["plain", "names", "lists"]) func verdictsAreEnvoys(kind: String) throws {
        guard case .success(let envoy) = ProxyBinary.envoy(), case .success(let martlet) = ProxyBinary.martlet() else { return }
        let expected = try verdicts(envoy, ["--disable-hot-restart", "-l", "error"], kind)
        let found = try verdicts(martlet, [], kind)
        #expect(expected.contains { $0.contains("handshake") } && expected.contains { $0.contains("fail_verify_error") }, "\(expected)")
        for (theirs, ours) in zip(expected, found) where theirs != ours { Issue.record("Envoy: \(theirs)\nMartlet: \(ours)") }
        #expect(expected.count == found.count)
    }

    private func verdicts(_ binary: String, _ options: [String], _ kind: String) throws -> [String] {
        let admin = Admin(port: Ports.free())
        let port = Ports.free()
        let directory = TemporaryDirectory()
        let log = directory.path + "/log"
        let lists = Files.text(certificates.directory.path + "/crl.pem") ?? ""
        let first = directory.write((Files.text(certificates.authority) ?? "") + (kind == "lists" ? lists : ""), to: "first.pem")
        let names = kind == "names" ? ", match_typed_subject_alt_names: [{san_type: URI, matcher: {exact: spiffe://a.test/client}}, {san_type: DNS, matcher: {exact: a.test}}]" : ""
        let text = """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin.port)}}}
            static_resources:
              listeners:
              - name: l
                stat_prefix: l
                address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                access_log: [{name: a, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(log), log_format: {text_format_source: {inline_string: "[%DOWNSTREAM_TRANSPORT_FAILURE_REASON%]\\n"}}}}]
                filter_chains:
                - filters:
                  - name: e
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}
                  transport_socket:
                    name: t
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      require_client_certificate: false
                      common_tls_context:
                        tls_certificates: [{certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}]
                        validation_context:
                          {custom_validator_config: {name: envoy.tls.cert_validator.spiffe, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig, trust_domains: [{name: a.test, trust_bundle: {filename: \(first)}}, {name: b.test, trust_bundle: {filename: \(others.authority)}}]}}\(names)}
            """
        let process = try ChildProcess(binary, ["-c", directory.write(text, to: "config.yaml"), "--concurrency", "1", "--file-flush-interval-msec", "50"] + options)
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        let clients = SPIFFEOracleTests.issued.map { (certificates, $0.name) } + [(others, "stranger"), (others, "neighbour")]
        var seen: [String] = []
        let counters = ["handshake", "fail_verify_error", "fail_verify_san", "fail_verify_no_cert"].map { "listener.l.ssl." + $0 }
        for (i, (whose, name)) in (clients + [(certificates, "")]).enumerated() {
            let before = admin.stats(matching: "^listener.l.ssl")
            let pair = name.isEmpty ? "" : "-cert \(whose.chain(name)) -key \(whose.key(name))"
            let told = try Shell.run("openssl s_client -connect 127.0.0.1:\(port) \(pair) -tls1_2 </dev/null 2>&1 | grep -oE 'alert [a-z ]+' | head -1")
            var now = before
            // Each connection is one line and one count.
            _ = wait(upToMs: 10_000, everyMs: 10) {
                now = admin.stats(matching: "^listener.l.ssl")
                return counters.contains { now[$0] != before[$0] }
            }
            let counted = counters.filter { now[$0] != before[$0] }.map { "\($0) +\((now[$0] ?? 0) - (before[$0] ?? 0))" }
            seen.append("\(i) \(name): \(counted.joined(separator: " ")) \(told.output.split(separator: "\n").joined())")
        }
        var lines: [String] = []
        _ = wait(upToMs: 20_000, everyMs: 50) {
            lines = (Files.text(log) ?? "").split(separator: "\n").map(String.init)
            return lines.count == clients.count + 1
        }
        return seen + lines.sorted()
    }
}
