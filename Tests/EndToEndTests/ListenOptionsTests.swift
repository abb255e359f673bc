import Glibc
import TestSupport
import Testing

/// What a listener says about its sockets, seen in the kernel's list of them.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ListenOptionsTests {
    private func yaml(_ port: UInt16, _ fields: String) -> String {
        """
        static_resources:
          listeners:
          - name: l
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            \(fields)
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
                  http_filters: [{name: envoy.filters.http.router}]
        """
    }

    /// Lines of /proc/net/tcp of a local port: state and timer.
    private func sockets(_ port: UInt16) -> [(state: String, timer: String)] {
        let hex = String(port, radix: 16, uppercase: true)
        let local = ":" + String(repeating: "0", count: 4 - hex.count) + hex
        return (Files.text("/proc/net/tcp") ?? "").textLines.compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 5, fields[1].hasSuffix(local) else { return nil }
            return (String(fields[3]), String(fields[5].prefix(2)))
        }
    }

    private func listening(_ port: UInt16) -> Int { sockets(port).count { $0.state == "0A" } }

    /// The workers accept from one socket, and nobody waits in the queue of a busy one.
    @Test func oneSocketForAllWorkers() throws {
        let shared = try Served(try Binary.martlet(), workers: 2) { yaml($0, "enable_reuse_port: false") }
        #expect(listening(shared.listener) == 1)
        for _ in 0..<20 { #expect(try shared.get().status == 200) }
        let own = try Served(try Binary.martlet(), workers: 2) { yaml($0, "enable_reuse_port: true") }
        #expect(listening(own.listener) == 2)
    }

    /// The timer of an idle connection is that of its keep-alive (2).
    @Test func keepaliveOfAcceptedConnections() throws {
        for (fields, timer) in [("", "00"), ("tcp_keepalive: {keepalive_time: 30}", "02"), ("tcp_keepalive: {keepalive_time: 0}", "00")] {
            let served = try Served(try Binary.martlet()) { yaml($0, fields) }
            let socket = try Sockets.connect(port: served.listener)
            defer { socket.close() }
            #expect(Exchange.get("/", on: socket, keepsOpen: true).status == 200)
            #expect(
                wait(upToMs: 5_000) { sockets(served.listener).filter { $0.state == "01" }.map(\.timer) == [timer] },
                "\(fields): \(sockets(served.listener))")
        }
    }

    /// Sockets that are open get what a newer configuration says.
    @Test func aReloadSetsOptionsToo() throws {
        let served = try Served(try Binary.martlet()) { yaml($0, "") }
        #expect(try served.get().status == 200)
        let text = try #require(Files.text(served.file))
        let options = "socket_options: [{level: 1, name: 9, int_value: 1}, {level: 6, name: 4, int_value: 30}]"
        Files.write(Array(text.replacing(text: "    filter_chains:", by: "    \(options)\n    filter_chains:").utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(
            wait(upToMs: 5_000) {
                guard let socket = try? Sockets.connect(port: served.listener) else { return false }
                defer { socket.close() }
                guard Exchange.get("/", on: socket, keepsOpen: true).status == 200 else { return false }
                return sockets(served.listener).contains { $0.state == "01" && $0.timer == "02" }
            })
    }

    /// An option that the system refuses, or an address that is taken: the options that were set before it are taken back.
    @Test(arguments: [", {level: 99, name: 99, int_value: 1}", ""]) func aRefusedReloadSetsNone(more: String) throws {
        let taken = Ports.free()
        let other = try Sockets.listen(port: taken)
        defer { other.close() }
        let served = try Served(try Binary.martlet()) { yaml($0, "socket_options: [{level: 6, name: 4, int_value: 50}]") }
        let text = try #require(Files.text(served.file))
        /// The timer of a connection that was accepted now: 2 is that of keep-alive.
        func timer() throws -> String? {
            let socket = try Sockets.connect(port: served.listener)
            defer { socket.close() }
            guard Exchange.get("/", on: socket, keepsOpen: true).status == 200 else { return nil }
            return sockets(served.listener).first { $0.state == "01" }?.timer
        }
        func reload(_ more: String, _ next: String) {
            let options = "socket_options: [{level: 6, name: 4, int_value: 30}, {level: 1, name: 9, int_value: 1}\(more)]"
            let changed = text.replacing(text: "socket_options: [{level: 6, name: 4, int_value: 50}]", by: options)
            Files.write(Array(changed.replacing(text: "  listeners:\n", by: "  listeners:\n" + next).utf8), to: served.file)
            served.process.signal(SIGHUP)
        }
        #expect(try timer() == "00")
        let second = """
          - name: second
            address: {socket_address: {address: 127.0.0.1, port_value: \(taken)}}
            filter_chains: [{filters: [{name: envoy.filters.network.echo}]}]

        """
        reload(more, more.isEmpty ? second : "")
        let said = more.isEmpty ? "127.0.0.1:\(taken)" : "99"
        #expect(wait(upToMs: 10_000) { served.process.output.contains(said) }, "\(served.process.output)")
        #expect(try timer() == "00")
        // What was taken back is set by the next configuration that holds.
        reload("", "")
        #expect(wait(upToMs: 10_000) { (try? timer()) == "02" }, "\(served.process.output)")
    }

    /// IPV6_V6ONLY is refused once a socket is bound: a reload that says the same does not set it again.
    @Test func whatWasSetIsNotSetAgain() throws {
        let own = Ports.free()
        let option = "socket_options: {socket_options: [{level: 41, name: 26, int_value: 1}]}"
        let served = try Served(try Binary.martlet()) {
            yaml($0, "additional_addresses: [{address: {socket_address: {address: '::1', port_value: \(own)}}, \(option)}]")
        }
        #expect(try served.get().status == 200)
        let text = try #require(Files.text(served.file))
        Files.write(Array(text.replacing(text: "status: 200", by: "status: 204").utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 10_000) { (try? served.get().status) == 204 }, "\(served.process.output)")
    }

    @Test func multipathIsTCPToo() throws {
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 262)
        guard probe >= 0 else { return }
        Glibc.close(probe)
        let served = try Served(try Binary.martlet()) { yaml($0, "enable_mptcp: true") }
        #expect(try served.get().status == 200)
    }
}
