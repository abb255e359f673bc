import Glibc
import TestSupport
import Testing

/// `exact_balance`: connections are handed over between workers, and behave as any other.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ExactBalanceTests {
    private static let exact = "connection_balance_config: {exact_balance: {}}"

    private func yaml(_ port: UInt16, balance: String = exact, listener: String = "", body: String = "hello", second: UInt16? = nil) -> String {
        """
        static_resources:
          listeners:
          - name: l
            stat_prefix: l
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            \(second.map { "additional_addresses: [{address: {socket_address: {address: 127.0.0.1, port_value: \($0)}}}]" } ?? "")
            \(balance)
            \(listener)
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  use_remote_address: true
                  route_config:
                    virtual_hosts:
                    - name: v
                      domains: ["*"]
                      response_headers_to_add: [{header: {key: local, value: "%DOWNSTREAM_LOCAL_ADDRESS%"}}, {header: {key: remote, value: "%DOWNSTREAM_REMOTE_ADDRESS%"}}]
                      routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: \(body)}}}]
                  http_filters: [{name: envoy.filters.http.router}]
        """
    }

    private func share(_ served: Served, _ leaf: String = "active", workers: Int = 2) -> [Int] {
        let stats = served.admin.stats(matching: "listener.l.worker_")
        return (0..<workers).map { stats["listener.l.worker_\($0).downstream_cx_\(leaf)"] ?? -1 }
    }

    /// Each connection as it comes: never is one worker more than one ahead.
    @Test func oneByOne() throws {
        let served = try Served(try Binary.martlet(), workers: 3) { yaml($0) }
        var sockets: [Descriptor] = []
        for n in 1...24 {
            let socket = try Sockets.connect(port: served.listener)
            sockets.append(socket)
            #expect(Exchange.get("/", on: socket, keepsOpen: true).status == 200)
            #expect(wait(upToMs: 10_000) { share(served, workers: 3).reduce(0, +) == n })
            let counts = share(served, workers: 3)
            #expect((counts.max() ?? 9) - (counts.min() ?? 0) <= 1, "\(counts)")
        }
        // All of one worker's go: the next ones come to it.
        for socket in sockets.dropFirst(4) { socket.close() }
        #expect(wait(upToMs: 10_000) { share(served, workers: 3).reduce(0, +) == 4 })
        var others: [Descriptor] = []
        for n in 5...12 {
            others.append(try Sockets.connect(port: served.listener))
            #expect(wait(upToMs: 10_000) { share(served, workers: 3).reduce(0, +) == n })
        }
        #expect(share(served, workers: 3) == [4, 4, 4])
        #expect(wait(upToMs: 10_000) { share(served, "total", workers: 3).reduce(0, +) == 32 })
    }

    /// A burst at once, on two addresses; each connection knows its own address and its peer's.
    @Test func aBurstOnTwoAddresses() throws {
        let second = Ports.free()
        let served = try Served(try Binary.martlet(), workers: 2) { yaml($0, second: second) }
        let ports = (0..<60).map { $0 % 3 == 0 ? second : served.listener }
        let sockets = try ports.map { try Sockets.connect(port: $0) }
        for (socket, port) in zip(sockets, ports) {
            let head = RawHead.get(socket)
            #expect(head.contains("local: 127.0.0.1:\(port)\r\n"), "\(head)")
            #expect(head.contains("remote: 127.0.0.1:\(Sockets.localPort(of: socket))\r\n"), "\(head)")
        }
        #expect(wait(upToMs: 10_000) { share(served) == [30, 30] }, "\(share(served))")
        for socket in sockets { socket.close() }
        #expect(wait(upToMs: 10_000) { share(served) == [0, 0] }, "\(share(served))")
    }

    /// What a listener filter waits for is read by the worker that got the connection; TLS and TCP proxies as well.
    @Test func listenerFiltersTLSAndTCP() throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost")
        let upstream = try ScriptedUpstream(name: "u")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntcp"))
        upstream.start()
        defer { upstream.stop() }
        let tls = Ports.free()
        let served = try Served(try Binary.martlet(), workers: 2) { port in
            """
            \(TLSServed.yaml(certificates, port: tls).replacing(text: "  clusters:\n  - {name: c}", by: "").replacing(text: "stat_prefix: tls", by: "stat_prefix: tls\n    \(Self.exact)"))
              - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
                stat_prefix: l
                \(Self.exact)
                listener_filters: [{name: envoy.filters.listener.proxy_protocol}]
                filter_chains: [{filters: [{name: t, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}]}]
              clusters:
            \(Served.cluster([upstream.port]))
            """
        }
        var kept: [Descriptor] = []
        for n in 1...8 {
            let socket = try Sockets.connect(port: served.listener)
            kept.append(socket)
            let text = "PROXY TCP4 10.1.1.\(n) 10.2.2.2 80 81\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"
            #expect(String(wire: Exchange.run(Array(text.utf8), on: socket, limitMs: 10_000).body) == "tcp")
        }
        #expect(wait(upToMs: 10_000) { share(served) == [4, 4] }, "\(share(served))")
        for _ in 0..<6 {
            let finished = try Shell.run("curl -sS -m 10 --cacert \(certificates.authority) https://localhost:\(tls)/")
            #expect(finished.output == "hello")
        }
        let totals = served.admin.stats(matching: "listener.tls.worker_._?.downstream_cx_total|listener.tls.worker_")
        #expect((0..<2).compactMap { totals["listener.tls.worker_\($0).downstream_cx_total"] }.reduce(0, +) == 6)
    }

    /// The count stays right, and no connection is lost, while the listener changes, loses `exact_balance` and gets it back
    /// under connections that come all the time.
    @Test func reloadsAndDrainLoseNothing() throws {
        let served = try Served(try Binary.martlet(), workers: 2) { yaml($0, body: "v0") }
        let keeper = try Sockets.connect(port: served.listener)
        #expect(Exchange.get("/", on: keeper, keepsOpen: true).status == 200)
        let stop = Flag()
        let failures = Locked([String]())
        let count = Locked(0)
        let port = served.listener
        let threads = (0..<3).map { _ in
            BackgroundThread {
                while !stop.isRaised {
                    guard let socket = try? Sockets.connect(port: port) else {
                        failures.withLock { $0.append("no connection") }
                        continue
                    }
                    let got = Exchange.get("/", on: socket, limitMs: 10_000)
                    if got.status != 200 { failures.withLock { $0.append(got.description) } }
                    count.withLock { $0 += 1 }
                    socket.close()
                }
            }
        }
        let text = try #require(Files.text(served.file))
        for version in 1...12 {
            var changed = text.replacing(text: "v0", by: "v\(version)")
            if version % 3 == 0 { changed = changed.replacing(text: Self.exact, by: "") }
            Files.write(Array(changed.utf8), to: served.file)
            served.process.signal(SIGHUP)
            #expect(wait(upToMs: 10_000) { (try? served.get("/")).map { String(wire: $0.body) } == "v\(version)" })
            // The kept connection goes over to the new configuration in the middle of it.
            #expect(Exchange.get("/", on: keeper, keepsOpen: true).status == 200)
        }
        Files.write(Array(text.utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 10_000) { (try? served.get("/")).map { String(wire: $0.body) } == "v0" })
        stop.raise()
        for thread in threads { thread.join() }
        #expect(failures.withLock { $0 } == [])
        #expect(count.withLock { $0 } > 50)
        keeper.close()
        #expect(wait(upToMs: 10_000) { share(served) == [0, 0] }, "\(share(served))")
        // The counts are at zero too: the next ones are shared evenly.
        let sockets = try (0..<10).map { _ in try Sockets.connect(port: port) }
        #expect(wait(upToMs: 10_000) { share(served) == [5, 5] }, "\(share(served))")
        // The end of the process: connections that wait are answered, and it ends by itself.
        for socket in sockets { #expect(Exchange.get("/", on: socket, keepsOpen: true).status == 200) }
        served.process.signal(SIGTERM)
        for socket in sockets { socket.close() }
        #expect(served.process.waitForExit(upToMs: 10_000) == 0)
    }

    @Test func otherBalancersAreRefused() throws {
        let directory = TemporaryDirectory()
        let dlb = "connection_balance_config: {extend_balance: {name: envoy.network.connection_balance.dlb, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.network.connection_balance.dlb.v3alpha.Dlb}}}"
        let file = directory.write(yaml(Ports.free(), balance: dlb), to: "bad.yaml")
        let finished = try Binary.martlet().run(["-c", file, "--mode", "validate"])
        #expect(finished.status != 0)
        #expect(finished.output.contains("connection_balance_config"), "\(finished.output)")
    }
}

private enum RawHead {
    /// The head of one response on a connection that stays open.
    static func get(_ socket: Descriptor) -> String {
        let request = Array("GET / HTTP/1.1\r\nhost: a\r\n\r\n".utf8)
        _ = unsafe request.withUnsafeBytes { unsafe send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        _ = wait(upToMs: 10_000) {
            let n = unsafe recv(socket.raw, &buffer, 4096, Int32(MSG_DONTWAIT))
            if n > 0 { text += String(wire: Array(buffer[0..<n])) }
            return n == 0 || text.contains("\r\n\r\n")
        }
        return text
    }
}
