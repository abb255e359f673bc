import TestSupport
import Testing

/// How many handshakes go on with the session before, with two workers that take connections by chance: `docs/tls.md`, "Resumption".
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"), .enabled(if: (try? Shell.run("python3 -c 'import ssl'"))?.status == 0, "python3 is missing"))
struct ResumptionTests {
    /// Eight clients at a time, each a chain of connections: every one asks for the session of the one before. Prints how many
    /// asked, and how many went on.
    private static let client = """
        import socket, ssl, sys, threading
        port, version, authority, chains, connections = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority)
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        counts, lock, failures = [0, 0], threading.Lock(), []
        def connect(session):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 60), server_hostname="localhost", session=session) as sock:
                sock.sendall(b"GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n")
                answer = b""
                while piece := sock.recv(4096):
                    answer += piece
                assert answer.endswith(b"hello"), answer
                return sock.session, sock.session_reused
        def chain():
            try:
                session, _ = connect(None)
                for _ in range(connections):
                    asked = session is not None
                    session, went = connect(session)
                    with lock:
                        counts[0] += asked
                        counts[1] += went
            except Exception as error:
                failures.append(repr(error))
        threads = [threading.Thread(target=chain) for _ in range(chains)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(counts[0], counts[1], failures)
        """

    private static let chains = 8
    private static let connections = 50

    /// With tickets, whose keys main hands to both workers, and with sessions that are kept, in a table that both look into.
    @Test(arguments: ["TLSv1_2", "TLSv1_3"], ["", "disable_stateless_session_resumption: true"])
    func almostAllGoOn(version: String, more: String) throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        let tls = try TLSServed(certificates, more: more, workers: 2)
        let script = certificates.directory.write(ResumptionTests.client, to: "client.py")
        let output = try Shell.run(
            "python3 \(script) \(tls.port) \(version) \(certificates.authority) \(ResumptionTests.chains) \(ResumptionTests.connections) 2>&1",
            limitMs: 240_000).output
        let words = output.split(separator: " ", maxSplits: 2).map { $0.trimmingNewlines }
        try #require(words.count == 3 && words[2] == "[]", "\(output)")
        let asked = Int(words[0]) ?? 0
        let went = Int(words[1]) ?? 0
        #expect(asked == ResumptionTests.chains * ResumptionTests.connections)
        #expect(went * 100 >= asked * 99, "\(went) of \(asked) with \(version) \(more)")
        #expect(tls.stat("session_reused", becomes: went) == went)
        // Both workers had their share: else it shows nothing.
        let taken = tls.served.admin.stats(matching: "listener.tls.worker_")
        for worker in 0..<2 { #expect(taken["listener.tls.worker_\(worker).downstream_cx_total"] ?? 0 > asked / 10, "\(taken)") }
    }
}

extension Substring {
    fileprivate var trimmingNewlines: Substring {
        var rest = self
        while rest.last?.isNewline == true { rest.removeLast() }
        return rest
    }
}
