import Glibc
import TestSupport
import Testing

/// TLS towards clients, with `curl` and `openssl s_client` as clients.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct TLSTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost,DNS:server.test,IP:127.0.0.1")
    }

    /// `key_log`: what somebody needs to read captured packets, of the addresses that are asked for only.
    @Test func keysAreLogged() throws {
        let directory = TemporaryDirectory()
        let all = try TLSServed(certificates, context: "key_log: {path: \(directory.path)/all, remote_address_range: [{address_prefix: 127.0.0.0, prefix_len: 8}]}")
        let none = try TLSServed(certificates, context: "key_log: {path: \(directory.path)/none, local_address_range: [{address_prefix: 10.0.0.0, prefix_len: 8}]}")
        for served in [all, none] {
            _ = try served.client("-tls1_3")
            _ = try served.client("-tls1_2 -keylogfile \(directory.path)/theirs")
        }
        var lines: [String] = []
        _ = wait(upToMs: 12_000, everyMs: 50) {
            lines = (Files.text(directory.path + "/all") ?? "").textLines
            return lines.count >= 6
        }
        #expect(Set(lines.map { $0.split(separator: " ")[0] }) == [
            "CLIENT_RANDOM", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "EXPORTER_SECRET",
            "SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0",
        ])
        // The client knows the same secret.
        let theirs = (Files.text(directory.path + "/theirs") ?? "").textLines.filter { $0.hasPrefix("CLIENT_RANDOM") }
        #expect(theirs.count == 2 && lines.contains(theirs[0]))
        #expect((Files.text(directory.path + "/none") ?? "").isEmpty)
    }

    @Test func aRequestIsAnswered() throws {
        let tls = try TLSServed(certificates)
        let answer = try tls.curl("/xfcc")
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        #expect(answer.contains("proto: https https"))
        #expect(answer.contains("tls: TLSv1.3 "))
        #expect(tls.stat("handshake", becomes: 1) == 1)
        #expect(tls.stat("versions.TLSv1.3", becomes: 1) == 1)
        #expect(tls.stat("no_certificate", becomes: 1) == 1)
        #expect(tls.stat("connection_error", becomes: 0) == 0)
        #expect(tls.served.stat("http.h.downstream_cx_ssl_total", becomes: 1) == 1)
        #expect(tls.served.stat("http.h.downstream_cx_ssl_active", becomes: 0) == 0)
    }

    @Test func bodiesGoThroughWhole() throws {
        let page = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let upstream = try PageUpstream(page: page)
        defer { upstream.stop() }
        let tls = try TLSServed(certificates, clusters: [Served.cluster([upstream.port])])
        let size = try Shell.run(
            "curl -sS -m 20 --cacert \(certificates.authority) https://localhost:\(tls.port)/ | md5sum").output
        let straight = try Shell.run("curl -sS -m 20 http://127.0.0.1:\(upstream.port)/ | md5sum").output
        #expect(size == straight && !size.isEmpty)
        // Several on one connection.
        let again = try Shell.run(
            "curl -sS -m 20 --cacert \(certificates.authority) -w '%{num_connects} %{size_download}\\n' -o /dev/null -o /dev/null "
                + "https://localhost:\(tls.port)/ https://localhost:\(tls.port)/").output
        #expect(again == "1 3000000\n0 3000000\n")
    }

    @Test func uploadsGoThroughWhole() throws {
        let upstream = try LoadUpstream("up")
        defer { upstream.stop() }
        let tls = try TLSServed(certificates, clusters: [Served.cluster([upstream.port])])
        certificates.directory.write(String(repeating: "0123456789abcdef", count: 200_000), to: "body")
        let answer = try tls.curl("/", "-H 'expect:' --data-binary @\(certificates.directory.path)/body")
        #expect(answer.hasPrefix("HTTP/1.1 200") && answer.contains("3200000"), "\(answer.prefix(600))")
    }

    @Test func whatTheClientCannotDoIsAnAlert() throws {
        let tls = try TLSServed(certificates)
        #expect(try tls.client("-tls1_1").contains("SSL alert number 70"))
        #expect(try tls.client("-tls1_2 -cipher AES128-SHA").contains("SSL alert number 40"))
        #expect(try tls.client("-groups P-384").contains("SSL alert number 40"))
        #expect(try tls.client("-tls1_2 -sigalgs RSA+SHA256").contains("SSL alert number 40"))
        #expect(tls.stat("connection_error", becomes: 4) == 4)
        #expect(tls.stat("handshake", becomes: 0) == 0)
        // Nothing of it hurts the next one.
        #expect(try tls.client().contains("hello"))
    }

    @Test func bytesThatAreNoTLSAreCounted() throws {
        let tls = try TLSServed(certificates)
        let plain = try Shell.run("curl -sS -m 5 http://127.0.0.1:\(tls.port)/ >/dev/null 2>&1; echo $?")
        #expect(plain.output == "52\n" || plain.output == "56\n" || plain.output == "1\n")
        #expect(tls.stat("connection_error", becomes: 1) == 1)
        // A connection that says nothing, or half a hello, and goes.
        for text in ["", "\\026\\003\\001\\002\\000\\001"] {
            _ = try Shell.run("printf '\(text)' | timeout 2 openssl s_client -connect 127.0.0.1:\(tls.port) -tls1_2 -quiet >/dev/null 2>&1")
        }
        #expect(tls.served.stat("http.h.downstream_cx_active", becomes: 0) == 0)
        #expect(tls.served.stat("listener.tls.downstream_cx_active", becomes: 0) == 0)
        #expect(tls.served.process.exitStatus() == nil)
    }

    @Test func versionsCiphersAndGroupsAreConfigured() throws {
        let tls = try TLSServed(
            certificates,
            context:
                "tls_params: {tls_maximum_protocol_version: TLSv1_2, cipher_suites: [ECDHE-ECDSA-AES256-GCM-SHA384], ecdh_curves: [P-384]}")
        let answer = try tls.client()
        #expect(answer.contains("Cipher is ECDHE-ECDSA-AES256-GCM-SHA384") && answer.contains("secp384r1"))
        #expect(try tls.client("-tls1_3").contains("SSL alert number 70"))
        #expect(tls.stat("curves.P-384", becomes: 1) == 1)
        #expect(tls.stat("ciphers.ECDHE-ECDSA-AES256-GCM-SHA384", becomes: 1) == 1)
    }

    @Test func theCertificateFitsTheNameAndTheKeyType() throws {
        try certificates.issue("rsa", names: "DNS:server.test", rsa: true)
        try certificates.issue("other", names: "DNS:other.test,DNS:*.wild.test")
        let tls = try TLSServed(certificates, pair: "server rsa other")
        func subject(_ options: String) throws -> String {
            let answer = try tls.client(options)
            return String(answer.split(separator: "\n").first { $0.hasPrefix("subject=") } ?? "")
        }
        #expect(try subject("-servername server.test") == "subject=O = Acme, CN = server")
        #expect(try subject("-servername server.test -sigalgs rsa_pss_rsae_sha256") == "subject=O = Acme, CN = rsa")
        #expect(try subject("-servername other.test") == "subject=O = Acme, CN = other")
        #expect(try subject("-servername a.wild.test") == "subject=O = Acme, CN = other")
        #expect(try subject("-servername a.b.wild.test") == "subject=O = Acme, CN = server")
        #expect(try subject("-servername unknown.test") == "subject=O = Acme, CN = server")
        #expect(try subject("-noservername") == "subject=O = Acme, CN = server")
    }

    /// A name that no certificate has gets the first one, whatever its key; without a name, and with
    /// `full_scan_certs_on_sni_mismatch`, the first one of the key type that the client would rather have.
    @Test(arguments: [false, true]) func anUnknownNameGetsTheFirstCertificate(scans: Bool) throws {
        try certificates.issue("rsa", names: "DNS:server.test", rsa: true)
        try certificates.issue("other", names: "DNS:other.test")
        let tls = try TLSServed(certificates, more: "full_scan_certs_on_sni_mismatch: \(scans)", pair: "rsa other")
        func subject(_ options: String) throws -> String {
            let answer = try tls.client(options)
            return String(answer.split(separator: "\n").first { $0.hasPrefix("subject=") } ?? "")
        }
        #expect(try subject("-servername server.test") == "subject=O = Acme, CN = rsa")
        #expect(try subject("-servername other.test") == "subject=O = Acme, CN = other")
        #expect(try subject("-servername unknown.test") == "subject=O = Acme, CN = \(scans ? "other" : "rsa")")
        #expect(try subject("-noservername") == "subject=O = Acme, CN = other")
        #expect(try subject("-noservername -sigalgs rsa_pss_rsae_sha256") == "subject=O = Acme, CN = rsa")
    }

    @Test func theProtocolIsTheServersFirst() throws {
        let tls = try TLSServed(certificates, context: "alpn_protocols: [http/1.1, other]")
        #expect(try tls.client("-alpn other,http/1.1").contains("ALPN protocol: http/1.1"))
        #expect(try tls.client("-alpn other").contains("ALPN protocol: other"))
        // As in Envoy: nothing in common is no reason to refuse.
        #expect(try tls.client("-alpn none").contains("No ALPN negotiated"))
    }

    @Test func aNameCanBeRequired() throws {
        let tls = try TLSServed(certificates, more: "require_sni: true")
        #expect(try tls.client("-noservername").contains("SSL alert number 40"))
        #expect(try tls.client("-servername any.test").contains("hello"))
    }

    @Test func aHandshakeIsBounded() throws {
        let tls = try TLSServed(certificates, chain: "transport_socket_connect_timeout: 0.2s")
        let silent = try Shell.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/\(tls.port); printf \"\\026\\003\\001\" >&3; timeout 2 cat <&3; echo end'")
        #expect(silent.output == "end\n")
        #expect(tls.served.stat("listener.tls.downstream_cx_transport_socket_connect_timeout", becomes: 1) == 1)
        #expect(tls.served.stat("listener.tls.downstream_cx_active", becomes: 0) == 0)
        // Who came through in time has all the time.
        #expect(try tls.curl("/").contains("hello"))
    }

    @Test(arguments: ["", "-tls1_2"])
    func aSessionGoesOnOnAnyWorker(version: String) throws {
        for (more, isStateful) in [("", false), ("disable_stateless_session_resumption: true", true)] {
            let tls = try TLSServed(certificates, more: more, workers: 2)
            let session = certificates.directory.path + "/session"
            let base = "openssl s_client -connect 127.0.0.1:\(tls.port) -CAfile \(certificates.authority) \(version)"
            // A ticket comes with the first answer, as Envoy's does: the client waits for the end behind it.
            let ask = "printf 'GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n' | timeout 10 \(base) -ign_eof"
            _ = try Shell.run("\(ask) -sess_out \(session) 2>&1")
            // Each run takes the last one's new session: a ticket of TLS 1.3 is good once.
            let reused = try Shell.run(
                "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do \(ask) -sess_in \(session) -sess_out \(session) 2>&1 | grep -c '^Reused'; done",
                limitMs: 30_000
            ).output
            #expect(reused == String(repeating: "1\n", count: 12), "\(version) stateful \(isStateful)")
            #expect(tls.stat("session_reused", becomes: 12) == 12)
        }
    }

    /// As `s_client -msg` sees them: by `filter_metadata.martlet.session_tickets`, nil for what nobody has said.
    @Test(arguments: [(nil, 2, 1), (0, 0, 0), (1, 1, 1), (5, 5, 1)] as [(Int?, Int, Int)])
    func aServerIssuesAsManyTicketsAsItIsTold(configured: Int?, ofThree: Int, ofTwo: Int) throws {
        let chain = configured.map { "metadata: {filter_metadata: {martlet: {session_tickets: \($0)}}}" } ?? ""
        let tls = try TLSServed(certificates, chain: chain)
        for (version, wanted) in [("-tls1_3", ofThree), ("-tls1_2", ofTwo)] {
            let said = try tls.client("-msg \(version)")
            #expect(said.contains("hello"))
            let tickets = said.split(separator: "\n").filter { $0.hasPrefix("<<<") && $0.contains("NewSessionTicket") }
            #expect(tickets.count == wanted, "\(version): \(tickets)")
        }
    }

    @Test func withoutResumptionEveryHandshakeIsWhole() throws {
        let tls = try TLSServed(
            certificates, more: "disable_stateless_session_resumption: true\n          disable_stateful_session_resumption: true")
        // Six connections, each asking to go on with the first one's session.
        let again = try Shell.run("(sleep 0.5) | openssl s_client -reconnect -tls1_2 -connect 127.0.0.1:\(tls.port) 2>&1").output
        #expect(!again.contains("Reused"))
        #expect(tls.stat("handshake", becomes: 6) == 6)
        #expect(tls.stat("session_reused", becomes: 0) == 0)
    }

    @Test func theStateOfACertificateIsStapled() throws {
        try certificates.staple("server")
        let yaml = { (port: UInt16) in
            TLSServed.yaml(certificates, port: port, more: "ocsp_staple_policy: MUST_STAPLE").replacing(
                text: "certificate_chain:", by: "ocsp_staple: {filename: \(certificates.directory.path)/server.ocsp}, certificate_chain:")
        }
        let served = try Served(try Binary.martlet(), yaml: yaml)
        let asked = try Shell.run(
            "openssl s_client -status -connect 127.0.0.1:\(served.listener) </dev/null 2>&1").output
        #expect(asked.contains("OCSP Response Status: successful"))
        let silent = try Shell.run("openssl s_client -connect 127.0.0.1:\(served.listener) </dev/null 2>&1").output
        #expect(!silent.contains("OCSP Response Status"))
        #expect(served.stat("listener.tls.ssl.ocsp_staple_requests", becomes: 1) == 1)
        #expect(served.stat("listener.tls.ssl.ocsp_staple_responses", becomes: 1) == 1)
        // It is good for three days.
        #expect(
            wait(upToMs: 10_000) {
                let name = "server.seconds_until_first_ocsp_response_expiring"
                return (259_000...259_200).contains(served.admin.stats(matching: "^\(name)$")[name] ?? 0)
            })
        // Without one, a client that asks is told nothing.
        let without = try TLSServed(certificates)
        _ = try without.client("-status")
        #expect(without.stat("ocsp_staple_omitted", becomes: 1) == 1)
        #expect(without.stat("handshake", becomes: 1) == 1)
    }

    /// An expired staple: whoever asks gets none, or the handshake fails, by policy; who does not ask knows nothing of it.
    @Test(arguments: ["LENIENT_STAPLING", "STRICT_STAPLING", "MUST_STAPLE"])
    func anOldStaple(policy: String) throws {
        try certificates.staple("server")
        try certificates.expireStaple("server")
        let served = try Served(try Binary.martlet()) { port in
            TLSServed.yaml(certificates, port: port, more: "ocsp_staple_policy: \(policy)").replacing(
                text: "certificate_chain:", by: "ocsp_staple: {filename: \(certificates.directory.path)/server.old.ocsp}, certificate_chain:")
        }
        let isLenient = policy == "LENIENT_STAPLING"
        for version in ["-tls1_2", "-tls1_3"] {
            let asked = try Shell.run("openssl s_client -status \(version) -connect 127.0.0.1:\(served.listener) </dev/null 2>&1").output
            #expect(asked.contains(isLenient ? "OCSP response: no response sent" : "alert handshake failure"), "\(asked)")
            let silent = try Shell.run("openssl s_client \(version) -connect 127.0.0.1:\(served.listener) </dev/null 2>&1").output
            #expect(!silent.contains("alert"), "\(silent)")
        }
        #expect(served.stat("listener.tls.ssl.ocsp_staple_requests", becomes: 2) == 2)
        #expect(served.stat("listener.tls.ssl.ocsp_staple_\(isLenient ? "omitted" : "failed")", becomes: 2) == 2)
        #expect(served.stat("listener.tls.ssl.handshake", becomes: isLenient ? 4 : 2) == (isLenient ? 4 : 2))
        #expect(served.stat("server.seconds_until_first_ocsp_response_expiring", becomes: 0) == 0)
        let certs = try #require(served.admin.request("GET", "/certs").map { String(wire: $0.body) })
        #expect(certs.contains("\"ocsp_details\": {\n      \"valid_from\": \"2020-"), "\(certs)")
    }
}

extension TLSTests {
    @Test func http2IsChosenByALPN() throws {
        let upstream = try LoadUpstream("h")
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            TLSServed.yaml(
                certificates, port: port, context: "alpn_protocols: [h2, http/1.1]",
                clusters: [Served.cluster([upstream.port])]
            ).replacing(text: "codec_type: HTTP1", by: "codec_type: AUTO")
        }
        let ask = "-sS -m 10 -o /dev/null -w '%{http_version} %{http_code}\\n' --cacert \(certificates.authority) https://localhost:\(served.listener)/"
        #expect(try Shell.run("curl --http2 \(ask)").output == "2 200\n")
        #expect(try Shell.run("curl --http1.1 \(ask)").output == "1.1 200\n")
        #expect(served.stat("http.h.downstream_cx_http2_total", becomes: 1) == 1)
        #expect(served.stat("http.h.downstream_cx_http1_total", becomes: 1) == 1)
        #expect(served.stat("http.h.downstream_cx_ssl_total", becomes: 2) == 2)
        #expect(served.stat("http.h.downstream_cx_ssl_active", becomes: 0) == 0)
    }
}

extension TLSTests {
    /// What `/certs` says of each context is what `openssl` says of the files.
    @Test func theCertificatesAreListed() throws {
        try certificates.issue("addressed", names: "IP:10.1.2.3,IP:2001:db8::7,URI:spiffe://a/b,DNS:x.test")
        let tls = try TLSServed(
            certificates, context: "validation_context: {trusted_ca: {filename: \(certificates.authority)}}", pair: "addressed")
        let answer = try #require(tls.served.admin.request("GET", "/certs"))
        let listed = try JSON(parsing: String(wire: answer.body))["certificates"]?.array?.first
        let leaf = try #require(listed?["cert_chain"]?.array?.first)
        #expect(leaf["path"]?.string == certificates.chain("addressed"))
        let serial = try certificates.run("x509 -in addressed.pem -noout -serial").lowercased()
        #expect("serial=\(leaf["serial_number"]?.string ?? "")\n" == serial)
        let names = (leaf["subject_alt_names"]?.array ?? []).flatMap { $0.members ?? [] }.map { "\($0.name)=\($0.value.string ?? "")" }
        #expect(names.sorted() == ["dns=x.test", "ip_address=10.1.2.3", "ip_address=2001:db8::7", "uri=spiffe://a/b"])
        #expect(leaf["days_until_expiration"]?.string == "19" || leaf["days_until_expiration"]?.string == "20", "\(leaf)")
        let authority = try #require(listed?["ca_cert"]?.array?.first)
        #expect(authority["path"]?.string == certificates.authority)
        #expect(authority["valid_from"]?.string?.hasSuffix("Z") == true)
    }

    /// A bundle whose second authority ends first; and contexts that look at certificates without any.
    @Test func whoEndsFirstIsTold() throws {
        try certificates.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout short.key -out short.pem -days 3 -subj /CN=short")
        let bundle = certificates.directory.write(
            (Files.text(certificates.authority) ?? "") + (Files.text(certificates.chain("short")) ?? ""), to: "bundle.pem")
        let tls = try TLSServed(certificates, context: "validation_context: {trusted_ca: {filename: \(bundle)}}")
        let answer = try #require(tls.served.admin.request("GET", "/certs"))
        let listed = try JSON(parsing: String(wire: answer.body))["certificates"]?.array?.first?["ca_cert"]?.array ?? []
        let serials = try ["ca", "short"].map { try certificates.run("x509 -in \($0).pem -noout -serial").lowercased() }
        #expect(listed.map { "serial=\($0["serial_number"]?.string ?? "")\n" } == serials)
        let end = try Shell.run("date -d \"$(openssl x509 -in \(certificates.chain("short")) -noout -enddate | cut -d= -f2)\" +%s").output
        let seconds = try #require(Int(end.filter { !$0.isNewline }))
        #expect(tls.stat("certificate.unnamed_ca_cert_e3b0c442.expiration_unix_time_seconds", becomes: seconds) == seconds)
        let days = tls.served.stat("server.days_until_first_cert_expiring", becomes: 2)
        #expect(days == 2 || days == 3)
        let pinned = try TLSServed(certificates, context: "validation_context: {verify_certificate_hash: [\"\(String(repeating: "ab", count: 32))\"]}")
        #expect(pinned.stat("certificate.unnamed_ca_cert.expiration_unix_time_seconds", becomes: Int.max >> 1) == Int.max >> 1)
        let none = try TLSServed(certificates, more: "require_client_certificate: true")
        let shown = String(wire: none.served.admin.request("GET", "/stats")?.body ?? [])
        #expect(shown.contains("unnamed_cert_e3b0c442") && !shown.contains("unnamed_ca_cert"))
    }

    @Test func aClientsDatesAreTold() throws {
        try certificates.issue("client", names: "URI:spiffe://acme/client")
        let yaml = { (port: UInt16) in
            TLSServed.yaml(
                certificates, port: port, context: "validation_context: {trusted_ca: {filename: \(certificates.authority)}}"
            ).replacing(text: "%DOWNSTREAM_TLS_VERSION%", by: "%DOWNSTREAM_PEER_CERT_V_START(%Y-%m-%d)% %DOWNSTREAM_PEER_CERT_V_END(%Y-%m-%d)%")
        }
        let served = try Served(try Binary.martlet(), yaml: yaml)
        func told(_ options: String) throws -> String {
            try Shell.run("curl -sS -i -m 10 --cacert \(certificates.authority) \(options) https://localhost:\(served.listener)/xfcc").output
        }
        func date(_ field: String) throws -> String {
            try Shell.run("date -u -d \"$(openssl x509 -in \(certificates.chain("client")) -noout -\(field) | cut -d= -f2)\" +%Y-%m-%d").output
                .filter { !$0.isNewline }
        }
        let dates = try "tls: \(date("startdate")) \(date("enddate")) spiffe://acme/client"
        #expect(try told(TLSServed.pair(certificates, "client")).contains(dates), "\(dates)")
        let nobody = try told("")
        #expect(nobody.contains("tls:   \r\n"), "\(nobody)")
    }

    private func plain(_ filter: String) throws -> Served {
        let pair = "{certificate_chain: {filename: \(certificates.chain("server"))}, private_key: {filename: \(certificates.key("server"))}}"
        return try Served(try Binary.martlet()) { port in
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                stat_prefix: tls
                filter_chains:
                - filters: [\(filter)]
                  transport_socket: {name: tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {tls_certificates: [\(pair)]}}}
              - name: other
                address: {socket_address: {address: 127.0.0.1, port_value: \(Ports.free())}}
                filter_chains: [{filters: [{name: envoy.filters.network.echo}]}]
            """
        }
    }

    @Test func echoAndDirectResponseGoThroughTLS() throws {
        let echo = try plain("{name: envoy.filters.network.echo}")
        let text = String(repeating: "0123456789", count: 20_000)
        certificates.directory.write(text, to: "text")
        let answer = try Shell.run(
            "(cat \(certificates.directory.path)/text; sleep 0.5) | openssl s_client -connect 127.0.0.1:\(echo.listener) -quiet -no_ign_eof 2>/dev/null | md5sum").output
        #expect(try answer == Shell.run("md5sum < \(certificates.directory.path)/text").output)
        let direct = try plain("{name: d, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config, response: {inline_string: \"go away\"}}}")
        let told = try Shell.run("(sleep 0.4) | openssl s_client -connect 127.0.0.1:\(direct.listener) -quiet -no_ign_eof 2>/dev/null").output
        #expect(told == "go away")
    }

    /// The context goes with its listener.
    @Test func aRemovedListenersContextGoes() throws {
        let served = try plain("{name: envoy.filters.network.echo}")
        #expect(served.admin.request("GET", "/certs").map { String(wire: $0.body).contains("server.pem") } == true)
        let text = try #require(Files.text(served.file))
        let start = try #require(text.range(ofLast: "  - name: other"))
        Files.write(
            Array(("static_resources:\n  listeners:\n" + text[start.lowerBound...]).utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 5_000) { served.admin.request("GET", "/certs").map { String(wire: $0.body).contains("server.pem") } == false })
        #expect(served.stat("martlet.plan.parts_retiring", becomes: 0) == 0)
    }
}
