import TestSupport
import Testing

/// `key_log` through Envoy and through Martlet: the same lines, and each of them what the client of the same handshake
/// knows.
@Suite(.serialized, .enabled(if: (try? ProxyBinary.martlet().get()) != nil, "needs Martlet"), .enabled(if: Shell.has("openssl")))
struct KeyLogTests {
    /// The labels of the lines of one handshake.
    private func labels(_ binary: String, _ arguments: [String], _ options: String) throws -> [String] {
        let certs = OracleCertificates.shared.directory
        let directory = TemporaryDirectory()
        let port = Ports.free()
        let admin = Ports.free()
        let file = directory.write(
            """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                filter_chains:
                - filters: [{name: e, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]
                  transport_socket:
                    name: envoy.transport_sockets.tls
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                      common_tls_context: {tls_certificates: [{certificate_chain: {filename: \(certs)/server.pem}, private_key: {filename: \(certs)/server.key}}], key_log: {path: \(directory.path)/keys}}
            """, to: "bootstrap.yaml")
        let process = try ChildProcess(binary, ["-c", file, "--concurrency", "1", "-l", "error", "--file-flush-interval-msec", "20"] + arguments)
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin, upToMs: 30_000), "\(process.output)")
        let finished = try Shell.run("openssl s_client -connect 127.0.0.1:\(port) \(options) -keylogfile \(directory.path)/theirs </dev/null 2>&1")
        let theirs = (Files.text(directory.path + "/theirs") ?? "").textLines.filter { !$0.hasPrefix("#") }
        #expect(!theirs.isEmpty, "\(finished.output)\n\(process.output)")
        var lines: [String] = []
        _ = wait(upToMs: 15_000) {
            lines = (Files.text(directory.path + "/keys") ?? "").textLines
            return lines.count >= theirs.count
        }
        #expect(Set(lines) == Set(theirs), "\(options)")
        // Each library has an order of its own.
        return lines.map { String($0.prefix { $0 != " " }) }.sorted()
    }

    @Test(arguments: ["-tls1_3", "-tls1_2"]) func theSameLines(options: String) throws {
        let ours = try labels(try ProxyBinary.martlet().get(), [], options)
        #expect(ours.count == (options == "-tls1_2" ? 1 : 5))
        guard case .success(let envoy) = ProxyBinary.envoy() else { return }
        #expect(try labels(envoy, ["--disable-hot-restart"], options) == ours)
    }
}
