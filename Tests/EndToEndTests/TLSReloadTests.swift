import Glibc
import TestSupport
import Testing

/// Certificates change on disk while they serve.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: Shell.has("openssl") && Shell.has("curl")))
struct TLSReloadTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
    }

    private func serial(_ tls: TLSServed) throws -> String {
        try Shell.run(
            "openssl s_client -connect 127.0.0.1:\(tls.port) </dev/null 2>/dev/null | openssl x509 -noout -serial"
        ).output
    }

    private func file() throws -> String { try certificates.run("x509 -in server.pem -noout -serial") }

    @Test(arguments: [false, true])
    func aNewCertificateServes(inPlace: Bool) throws {
        let tls = try TLSServed(certificates)
        let first = try file()
        #expect(try serial(tls) == first)
        try certificates.issue("server", names: "DNS:localhost", inPlace: inPlace)
        let second = try file()
        #expect(first != second)
        #expect(wait(upToMs: 5_000, everyMs: 100) { (try? serial(tls)) == second })
        #expect(try tls.curl("/").contains("hello"))
        #expect(tls.served.stat("martlet.plan.certificates_renewed", becomes: 1) == 1)
    }

    /// A session is none of other authorities, though their file is called the same: nobody would verify its peer again.
    @Test func aSessionEndsWithItsAuthorities() throws {
        try certificates.issue("client", names: "DNS:client.test")
        let file = certificates.directory.write(Files.text(certificates.authority) ?? "", to: "trust.pem")
        let tls = try TLSServed(certificates, context: "validation_context: {trusted_ca: {filename: \(file)}}", more: "require_client_certificate: true")
        let session = certificates.directory.path + "/session"
        let ask =
            "printf 'GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n' | timeout 10 openssl s_client -connect 127.0.0.1:\(tls.port) -cert \(certificates.chain("client")) -key \(certificates.key("client")) -tls1_2 -ign_eof"
        _ = try Shell.run("\(ask) -sess_out \(session) 2>&1")
        let reused = { (try? Shell.run("\(ask) -sess_in \(session) 2>&1 | grep -c '^Reused'"))?.output }
        #expect(reused() == "1\n")
        let other = try Certificates()
        certificates.directory.write(Files.text(other.authority) ?? "", to: "trust.pem")
        #expect(wait(upToMs: 10_000, everyMs: 100) { reused() == "0\n" })
        #expect(tls.served.admin.stats(matching: "fail_verify_error")["listener.tls.ssl.fail_verify_error"] ?? 0 > 0)
    }

    /// The chain is there, its key is not: the old pair serves until they belong together.
    @Test func halfAPairIsNotServed() throws {
        let tls = try TLSServed(certificates)
        let first = try file()
        try certificates.issue("next", names: "DNS:localhost")
        let newKey = try #require(Files.read(certificates.key("next")))
        let second = try certificates.run("x509 -in next.pem -noout -serial")
        Files.write(try #require(Files.read(certificates.chain("next"))), to: certificates.chain("server"))
        #expect(tls.served.stat("martlet.plan.certificates_refused", becomes: 1) == 1)
        #expect(try serial(tls) == first)
        #expect(tls.served.process.output.contains("the key does not belong to the certificate"))
        // Half of a file.
        Files.write(Array(newKey.prefix(40)), to: certificates.key("server"))
        #expect(tls.served.admin.stat("martlet.plan.certificates_refused", reaches: 2))
        #expect(try serial(tls) == first)
        Files.write(newKey, to: certificates.key("server"))
        #expect(wait(upToMs: 5_000, everyMs: 100) { (try? serial(tls)) == second })
    }

    /// One that has expired does not take the place of one that has not; in the place of one that has it is told of.
    @Test func anExpiredCertificateIsNotServed() throws {
        try certificates.expire("old")
        let tls = try TLSServed(certificates)
        let first = try file()
        func put(_ name: String) throws {
            Files.write(try #require(Files.read(certificates.key(name))), to: certificates.key("server"))
            Files.write(try #require(Files.read(certificates.chain(name))), to: certificates.chain("server"))
        }
        try put("old")
        #expect(tls.served.admin.stat("martlet.plan.certificates_refused", reaches: 1))
        #expect(wait(upToMs: 5_000, everyMs: 100) { tls.served.process.output.contains("server.pem has expired") }, "\(tls.served.process.output)")
        #expect(try serial(tls) == first)
        let expirations = tls.served.admin.stats(matching: "expiration_unix_time_seconds").values
        #expect(!expirations.isEmpty && expirations.allSatisfy { $0 > UInt64(time(nil)) }, "\(expirations)")
        // Started with one, another one is no worse.
        let late = try TLSServed(certificates)
        try certificates.expire("older")
        try put("older")
        #expect(late.served.stat("martlet.plan.certificates_renewed", becomes: 1) == 1)
        #expect(try serial(late) == certificates.run("x509 -in older.pem -noout -serial"))
        #expect(wait(upToMs: 5_000, everyMs: 100) {
            late.served.process.output.contains("listener.tls.ssl: the certificate of \(certificates.chain("server")) has expired")
        }, "\(late.served.process.output)")
    }

    /// A connection goes on with what it began with; nobody is refused meanwhile.
    @Test func nobodyNotices() throws {
        let tls = try TLSServed(certificates)
        let load = BackgroundLoad(
            "for i in $(seq 1 60); do curl -s -m 5 -o /dev/null -o /dev/null -w '%{http_code}\\n' --cacert \(certificates.authority) https://localhost:\(tls.port)/ https://localhost:\(tls.port)/ || echo failed; done")
        for round in 0..<6 {
            try certificates.issue("server", names: "DNS:localhost", inPlace: round % 2 == 1)
            sleep(ms: 300)
        }
        let lines = try load.output().split(separator: "\n")
        #expect(lines.count == 120)
        #expect(lines.allSatisfy { $0 == "200" }, "\(lines.filter { $0 != "200" })")
        #expect(tls.served.stat("listener.tls.ssl.connection_error", becomes: 0) == 0)
        // What was replaced goes.
        #expect(tls.served.stat("martlet.plan.parts_retiring", becomes: 0) == 0)
    }
}

extension TLSReloadTests {
    /// Connections that go on and connections that begin, as many as two threads each can make, while a certificate is replaced
    /// again and again: none fails, and who begins sees each new certificate. `make soak` replaces it a hundred times.
    @Test(.enabled(if: Shell.has("python3"))) func replacementsUnderLoad() throws {
        let tls = try TLSServed(certificates)
        let seen = certificates.directory.path + "/seen"
        let end = certificates.directory.path + "/end"
        let script = certificates.directory.write(TLSReloadTests.clients, to: "clients.py")
        let load = BackgroundLoad("python3 \(script) \(tls.port) \(certificates.authority) \(seen) \(end)")
        let count = Environment["MARTLET_SOAK"] == nil ? 15 : 100
        for round in 0..<count {
            try certificates.issue("server", names: "DNS:localhost", inPlace: round % 2 == 1)
            let print = try certificates.run("x509 -in server.pem -noout -fingerprint -sha256").split(separator: "=").last ?? "?"
            #expect(wait(upToMs: 10_000, everyMs: 20) { Files.text(seen)?.contains(print) == true }, "replacement \(round)")
        }
        Files.write([], to: end)
        let lines = try load.output().split(separator: "\n")
        #expect(lines.count == 1 && lines[0].hasSuffix(" failed: 0"), "\(lines)")
        print("certificates replaced \(count) times: \(lines.first ?? "")")
        let renewed = tls.served.admin.stats(matching: "certificates_renewed")["martlet.plan.certificates_renewed"] ?? 0
        #expect(renewed >= UInt64(count))
        #expect(tls.served.stat("listener.tls.ssl.connection_error", becomes: 0) == 0)
        #expect(tls.served.stat("martlet.plan.parts_retiring", becomes: 0) == 0)
    }

    private static let clients = """
        import hashlib, os, socket, ssl, sys, threading
        port, authority, seen, end = int(sys.argv[1]), *sys.argv[2:5]
        counts = {"requests": 0, "handshakes": 0, "failed": 0}
        known, lock = set(), threading.Lock()

        def connect():
            context = ssl.create_default_context(cafile=authority)
            return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="localhost")

        def ask(connection):
            connection.sendall(b"GET / HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n")
            head = b""
            while b"\\r\\n\\r\\n" not in head:
                part = connection.recv(65536)
                if not part: raise OSError("closed")
                head += part
            head, body = head.split(b"\\r\\n\\r\\n", 1)
            length = [int(line.split(b":")[1]) for line in head.lower().split(b"\\r\\n") if line.startswith(b"content-length:")][0]
            while len(body) < length:
                body += connection.recv(65536)
            if not head.startswith(b"HTTP/1.1 200"): raise OSError(head)

        def count(name):
            with lock: counts[name] += 1

        def going_on():
            connection = connect()
            while not os.path.exists(end):
                ask(connection)
                count("requests")

        def beginning():
            while not os.path.exists(end):
                with connect() as connection:
                    digest = hashlib.sha256(connection.getpeercert(True)).hexdigest().upper()
                    ask(connection)
                count("handshakes")
                with lock:
                    if digest not in known:
                        known.add(digest)
                        open(seen, "a").write(":".join(digest[i:i + 2] for i in range(0, 64, 2)) + "\\n")

        def guarded(work):
            while not os.path.exists(end):
                try: work()
                except (OSError, ssl.SSLError) as error:
                    print(error, file=sys.stderr)
                    count("failed")

        threads = [threading.Thread(target=guarded, args=[work]) for work in (going_on, going_on, beginning, beginning)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(" ".join(f"{name}: {number}" for name, number in counts.items()))

        """
}

/// A command line that runs beside the test.
private struct BackgroundLoad {
    private let process: ChildProcess?

    init(_ command: String) { process = try? ChildProcess("/bin/sh", ["-c", command]) }

    func output() throws -> String {
        let process = try #require(process)
        #expect(process.waitForExit(upToMs: 120_000) == 0)
        return process.output
    }
}
