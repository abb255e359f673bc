import Glibc
import TestSupport
import Testing

/// A listener's new configuration, for connections that were there before.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ListenerChangeTests {
    private func yaml(_ port: UInt16, _ name: String, log: String = "", chain: String = "") -> String {
        """
        static_resources:
          listeners:
          - name: l
            stat_prefix: of_\(name)
            address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            \(log.isEmpty ? "" : Self.accessLog(log))
            filter_chains:
            - \(chain)
              filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: \(name)
                  route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: "\(name)"}}}]}]}
                  http_filters: [{name: envoy.filters.http.router}]
        """
    }

    /// From its next request on a kept connection belongs to the new scopes: none keeps a connection that it no longer has.
    @Test func gaugesMoveWithAKeptConnection() throws {
        let served = try Served(try Binary.martlet()) { yaml($0, "before") }
        let socket = try Sockets.connect(port: served.listener)
        defer { socket.close() }
        #expect(String(wire: Exchange.get("/", on: socket, keepsOpen: true).body) == "before")
        #expect(served.stat("http.before.downstream_cx_active", becomes: 1) == 1)
        #expect(served.stat("listener.of_before.downstream_cx_active", becomes: 1) == 1)

        let text = try #require(Files.text(served.file))
        Files.write(Array(text.replacing(text: "before", by: "after").utf8), to: served.file)
        served.process.signal(SIGHUP)
        #expect(wait(upToMs: 5_000) { String(wire: Exchange.get("/", on: socket, keepsOpen: true).body) == "after" })
        #expect(served.stat("http.after.downstream_cx_active", becomes: 1) == 1)
        #expect(served.stat("http.after.downstream_cx_http1_active", becomes: 1) == 1)
        #expect(served.stat("listener.of_after.downstream_cx_active", becomes: 1) == 1)
        // The old scopes may be gone by now; where they are not, they count nothing.
        let old = served.admin.stats(matching: "before.*cx_active$")
        #expect(old.values.allSatisfy { $0 == 0 }, "\(old)")
        socket.close()
        #expect(served.stat("http.after.downstream_cx_active", becomes: 0) == 0)
        #expect(served.stat("listener.of_after.downstream_cx_active", becomes: 0) == 0)
    }

    private static func accessLog(_ path: String) -> String {
        "access_log: [{name: envoy.access_loggers.file, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \(path), log_format: {text_format_source: {inline_string: \"%FILTER_CHAIN_NAME%\\n\"}}}}]"
    }

    /// Its chain is the new listener's too: the line that the connection leaves is written when the old one is long gone.
    @Test func theLineOfAKeptConnectionNamesItsNewChain() throws {
        let directory = TemporaryDirectory()
        let log = directory.path + "/connections.log"
        let served = try Served(try Binary.martlet()) { yaml($0, "before", log: log, chain: "name: the_chain_of_this_listener") }
        let socket = try Sockets.connect(port: served.listener)
        defer { socket.close() }
        for round in 1...8 {
            let name = "round\(round)"
            Files.write(
                Array((yaml(served.listener, name, log: log, chain: "name: the_chain_of_this_listener")
                    + "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: \(served.admin.port)}}}\n").utf8), to: served.file)
            served.process.signal(SIGHUP)
            #expect(wait(upToMs: 10_000) { String(wire: Exchange.get("/", on: socket, keepsOpen: true).body) == name })
        }
        #expect(served.stat("martlet.plan.parts_retiring", becomes: 0) == 0)
        socket.close()
        #expect(wait(upToMs: 10_000) { Files.text(log) == "the_chain_of_this_listener\n" }, "\(Files.text(log) ?? "")")
    }
}
