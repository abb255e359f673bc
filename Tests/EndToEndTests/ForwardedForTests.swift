import TestSupport
import Testing

/// Whom the proxy takes for the client.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ForwardedForTests {
    /// RFC 9110 §5.3: lines of one name are one list. A first line of the client's own does not hide what a proxy added.
    @Test func aFirstLineOfXForwardedForDoesNotMakeTheRequestInternal() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(port, clusters: [Served.cluster([upstream.port])])
                .replacing(
                    text: "stat_prefix: h",
                    by: "stat_prefix: h\n          internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}")
        }
        #expect(try served.get("/one", headers: ["x-forwarded-for: 10.0.0.1"]).status == 200)
        #expect(try served.get("/two", headers: ["x-forwarded-for: 10.0.0.1", "x-forwarded-for: 8.8.8.8"]).status == 200)
        let received = String(wire: upstream.records.flatMap(\.received))
        let requests = received.split(separator: "GET ")
        #expect(requests.count == 2)
        #expect(requests.first?.contains("x-envoy-internal: true") == true)
        #expect(requests.last?.contains("x-envoy-internal") == false, "\(received)")
        #expect(requests.last?.contains("x-forwarded-for: 10.0.0.1,8.8.8.8\r\n") == true, "\(received)")
    }

    /// Who comes by a UNIX socket has its path for an address: nothing to tell others, and no reason to be trusted.
    @Test(arguments: [false, true]) func aUNIXSocketsClientIsNobodySpecial(isInternal: Bool) throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/l.sock"
        let served = try Served(try Binary.martlet()) { _ in
            """
            static_resources:
              listeners:
              - address: {pipe: {path: \(path)}}
                filter_chains:
                - filters:
                  - name: envoy.filters.network.http_connection_manager
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: h
                      use_remote_address: true
                      \(isInternal ? "internal_address_config: {unix_sockets: true}" : "")
                      local_reply_config: {body_format: {text_format_source: {inline_string: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(x-envoy-internal)% %REQ(x-forwarded-for)% %REQ(x-envoy-external-address)% %REQ(x-envoy-max-retries)%"}}}
                      route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 404}}]}]}
                      http_filters: [{name: envoy.filters.http.router}]
            """
        }
        func ask(_ more: String) throws -> String {
            let request = "GET / HTTP/1.1\r\nhost: a\r\nx-envoy-max-retries: 3\r\n\(more)\r\n"
            return String(wire: Exchange.run(Array(request.utf8), on: try Sockets.connect(path: path), limitMs: 10_000).body)
        }
        #expect(try ask("") == "\(path) \(isInternal ? "true" : "-") - - \(isInternal ? "3" : "-")")
        #expect(try ask("x-forwarded-for: 1.2.3.4\r\n") == "\(path) - 1.2.3.4 - -", "\(served.process.output)")
    }

    /// The head's text moves when it grows, and the new host lies in it: it is the same at every size of the head.
    @Test func aHostFromAHeaderSurvivesTheHeadsGrowth() throws {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
        upstream.start()
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet()) { port in
            Served.http(
                port, route: "host_rewrite_header: x-new, append_x_forwarded_host: true",
                clusters: [Served.cluster([upstream.port])])
        }
        // One by one: a decoder that sees a next request makes room for it.
        var steps: [RawClient.Step] = []
        var count = 0
        for size in stride(from: 2_600, to: 4_000, by: 7) {
            let asked = "GET / HTTP/1.1\r\nhost: the.old.host.test\r\nx-forwarded-host: first.test\r\n"
                + "x-new: the.new.host.\(size).test\r\nx-pad: \(String(repeating: "p", count: size))\r\n\r\n"
            steps += [.send(asked), .awaitResponse]
            count += 1
        }
        var client = RawClient(steps: steps, methods: [String](repeating: "GET", count: count))
        client.answerLimitMs = 60_000
        let outcome = try client.run(port: served.listener)
        #expect(outcome.responses.count { $0.status == 200 } == count)
        #expect(served.process.exitStatus() == nil, "\(served.process.output)")
        let received = String(wire: upstream.records.flatMap(\.received))
        for size in stride(from: 2_600, to: 4_000, by: 7) {
            #expect(received.contains("\r\nhost: the.new.host.\(size).test\r\n"), "\(size)")
        }
        #expect(received.split(separator: "x-forwarded-host: first.test,the.old.host.test\r\n").count == count + 1)
    }
}
