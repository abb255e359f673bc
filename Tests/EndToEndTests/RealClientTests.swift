import TestSupport
import Testing

/// Programs that people use, as clients of one listener that speaks HTTP/1.1 and HTTP/2 in cleartext, and of one that does
/// with TLS. One that is not installed is skipped with its name.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl"), "openssl is not installed"))
struct RealClientTests {
    private let certificates: Certificates
    private static let resources = 100

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost,IP:127.0.0.1")
    }

    /// A page of a hundred scripts, each of which counts, and what they are.
    private func serve(tls: Bool, log: String? = nil) throws -> Served {
        let logs = log.map {
            "access_log: [{name: a, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \($0), log_format: {text_format_source: {inline_string: \"%CONNECTION_ID% %PROTOCOL% %REQ(:path)%\\n\"}}}}]"
        } ?? ""
        let scripts = (0..<RealClientTests.resources).map { "<script src=/r/\($0)></script>" }.joined()
        let page = "<html><body><script>n = 0</script>\(scripts)<p id=count></p><script>document.getElementById('count').textContent = 'counted ' + n</script></body></html>"
        let socket =
            tls
            ? "transport_socket: {name: t, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [{certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}]}}}"
            : ""
        return try Served(Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                stat_prefix: l
                filter_chains:
                - filters:
                  - name: h
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      \(logs)
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          routes:
                          - match: {prefix: /r/}
                            direct_response: {status: 200, body: {inline_string: "n++"}}
                            response_headers_to_add: [{header: {key: content-type, value: text/javascript}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
                          - match: {path: /}
                            direct_response: {status: 200, body: {inline_string: "\(page)"}}
                            response_headers_to_add: [{header: {key: content-type, value: text/html}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
                      http_filters: [{name: envoy.filters.http.router}]
                  \(socket)
            """
        }
    }

    @Test(.enabled(if: Shell.has("curl"), "curl is not installed"), arguments: [false, true])
    func curl(tls: Bool) throws {
        let served = try serve(tls: tls)
        let address = "\(tls ? "https" : "http")://localhost:\(served.listener)/r/1"
        let versions = [("--http1.1", "1.1"), (tls ? "--http2" : "--http2-prior-knowledge", "2")]
        for (option, version) in versions {
            let output = try Shell.run(
                "curl -sS -m 10 --cacert \(certificates.authority) \(option) -w ' %{http_version} %{response_code}' \(address) 2>&1").output
            #expect(output == "n++ \(version) 200")
        }
    }

    @Test(.enabled(if: Shell.has("nghttp"), "nghttp is not installed"), arguments: [false, true])
    func nghttp(tls: Bool) throws {
        let served = try serve(tls: tls)
        let output = try Shell.run("nghttp -ans \(tls ? "https" : "http")://127.0.0.1:\(served.listener)/ 2>&1").output
        // `-a` fetches what the page names, over the same connection.
        #expect(output.components(of: " 200 ") == RealClientTests.resources + 1, "\(output)")
        #expect(served.stat("http.h.downstream_cx_http2_total", becomes: 1) == 1)
        #expect(served.stat("http.h.downstream_rq_2xx", becomes: 101) == 101)
    }

    @Test(.enabled(if: Shell.has("h2load"), "h2load is not installed"), arguments: [false, true])
    func h2load(tls: Bool) throws {
        let served = try serve(tls: tls)
        let output = try Shell.run(
            "h2load -n 2000 -c 8 -m 16 \(tls ? "https" : "http")://127.0.0.1:\(served.listener)/r/1 2>&1", limitMs: 60_000).output
        #expect(output.components(of: "2000 succeeded, 0 failed, 0 errored, 0 timeout") == 1, "\(output)")
        #expect(served.stat("http.h.downstream_cx_http2_total", becomes: 8) == 8)
        #expect(served.stat("http.h.downstream_cx_protocol_error", becomes: 0) == 0)
    }

    /// Many more handshakes at once than a turn has room for: each comes through, and nobody waits for the last of them.
    @Test(.enabled(if: Shell.has("h2load"), "h2load is not installed"))
    func aBurstOfHandshakes() throws {
        let served = try serve(tls: true)
        let output = try Shell.run(
            "h2load -n 600 -c 200 -m 1 https://127.0.0.1:\(served.listener)/r/1 2>&1", limitMs: 60_000).output
        #expect(output.components(of: "600 succeeded, 0 failed, 0 errored, 0 timeout") == 1, "\(output)")
        #expect(served.stat("listener.l.ssl.handshake", becomes: 200) == 200)
        #expect(served.stat("listener.l.ssl.connection_error", becomes: 0) == 0)
        #expect(served.stat("listener.l.downstream_cx_active", becomes: 0) == 0)
    }

    @Test func opensslClient() throws {
        let served = try serve(tls: true)
        for (protocols, chosen) in [("h2,http/1.1", "h2"), ("http/1.1", "http/1.1")] {
            let output = try Shell.run(
                "openssl s_client -connect 127.0.0.1:\(served.listener) -servername localhost -CAfile \(certificates.authority) -alpn \(protocols) </dev/null 2>&1"
            ).output
            #expect(output.components(of: "ALPN protocol: \(chosen)") == 1 && output.components(of: "Verify return code: 0 (ok)") >= 1)
        }
        let answer = try Shell.run(
            "(printf 'GET /r/1 HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n'; sleep 0.5) | openssl s_client -connect 127.0.0.1:\(served.listener) -CAfile \(certificates.authority) -quiet 2>/dev/null"
        ).output
        #expect(answer.hasSuffix("\r\n\r\nn++"))
    }

    @Test(.enabled(if: Clients.hasPythonH2, "Python's h2 is not installed"), arguments: [false, true])
    func pythonH2(tls: Bool) throws {
        let served = try serve(tls: tls)
        let script = served.directory.write(
            """
            import socket, ssl, h2.connection, h2.events
            sock = socket.create_connection(("127.0.0.1", \(served.listener)))
            if \(tls ? "True" : "False"):
                context = ssl.create_default_context(cafile="\(certificates.authority)")
                context.set_alpn_protocols(["h2"])
                sock = context.wrap_socket(sock, server_hostname="localhost")
                assert sock.selected_alpn_protocol() == "h2"
            sock.settimeout(10)
            client = h2.connection.H2Connection()
            client.initiate_connection()
            for i in range(100):
                client.send_headers(1 + 2 * i, [(":method", "GET"), (":path", "/r/%d" % i), (":scheme", "http"), (":authority", "a")], end_stream=True)
            sock.sendall(client.data_to_send())
            bodies, statuses, ended = {}, [], 0
            while ended < 100:
                for event in client.receive_data(sock.recv(65536)):
                    if isinstance(event, h2.events.ResponseReceived): statuses.append(dict(event.headers)[b":status"])
                    if isinstance(event, h2.events.DataReceived):
                        bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                        client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if isinstance(event, h2.events.StreamEnded): ended += 1
                sock.sendall(client.data_to_send())
            print(len(bodies), set(bodies.values()), set(statuses))
            """, to: "client.py")
        let output = try Shell.run("python3 \(script) 2>&1").output
        #expect(output == "100 {b'n++'} {b'200'}\n")
        #expect(served.stat("http.h.downstream_cx_http2_total", becomes: 1) == 1)
    }

    /// A browser asks for a page and its hundred resources over one connection.
    @Test(.enabled(if: Clients.browser != nil, "no Chromium is installed"))
    func chromium() throws {
        let browser = try #require(Clients.browser)
        let directory = TemporaryDirectory()
        let served = try serve(tls: true, log: directory.path + "/log")
        let output = try Shell.run(
            "timeout 60 \(browser) --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking --no-first-run --ignore-certificate-errors --user-data-dir=\(served.directory.path)/profile --virtual-time-budget=20000 --dump-dom https://localhost:\(served.listener)/ 2>/dev/null",
            limitMs: 70_000
        ).output
        #expect(output.components(of: "counted \(RealClientTests.resources)<") == 1, "\(output.suffix(300))")
        // A browser may open a second connection ahead of need; all that the page names comes over one.
        #expect((served.stat("http.h.downstream_cx_http2_total", becomes: 1) ?? 9) <= 2)
        #expect(served.stat("http.h.downstream_cx_http1_total", becomes: 0) == 0)
        var resources: [[Substring]] = []
        _ = wait(upToMs: 12_000, everyMs: 50) {
            resources = (Files.text(directory.path + "/log") ?? "").textLines.map { $0.split(separator: " ") }
                .filter { $0.count == 3 && $0[2].hasPrefix("/r/") }
            return resources.count == RealClientTests.resources
        }
        #expect(resources.count == RealClientTests.resources)
        #expect(Set(resources.map { $0[0] }).count == 1)
        #expect(Set(resources.map { $0[1] }) == ["HTTP/2"])
    }
}

extension String {
    fileprivate func components(of text: String) -> Int { wire.count(of: text.wire) }
}

extension Array where Element == UInt8 {
    fileprivate func count(of pattern: [UInt8]) -> Int {
        var count = 0
        var place = 0
        while let found = index(of: pattern, from: place) {
            count += 1
            place = found + pattern.count
        }
        return count
    }
}

enum Clients {
    static let hasPythonH2 = (try? Shell.run("python3 -c 'import h2.connection'"))?.status == 0
    static let browser = ["chromium", "chromium-browser", "google-chrome"].first { Shell.has($0) }
}
