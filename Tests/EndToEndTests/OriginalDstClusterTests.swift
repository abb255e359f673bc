import TestSupport
import Testing

/// ORIGINAL_DST clusters: the address that a PROXY header restores, or a header of the request names, is the host.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct OriginalDstClusterTests {
    private func serve(_ options: String = "") throws -> Served {
        try Served(Binary.martlet()) { port in
            Served.http(
                port, clusters: ["  - {name: c, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, connect_timeout: 10s, cleanup_interval: 0.2s\(options)}"]
            ).replacing(
                text: "    filter_chains:",
                by: "    listener_filters: [{name: p, typed_config: {\"@type\": \(ProxyProtocolTests.filter), allow_requests_without_proxy_protocol: true}}]\n    filter_chains:")
        }
    }

    private func ask(_ served: Served, _ header: String, more: String = "") throws -> HTTPMessage {
        try served.send("\(header)GET / HTTP/1.1\r\nhost: h.test\r\n\(more)\r\n")
    }

    private func to(_ port: UInt16) -> String { "PROXY TCP4 9.9.9.9 127.0.0.1 7 \(port)\r\n" }

    @Test func theConnectionsAddressIsTheHost() throws {
        let one = try LoadUpstream("one")
        let two = try LoadUpstream("two")
        defer {
            one.stop()
            two.stop()
        }
        let served = try serve()
        for _ in 0..<3 {
            #expect(try ask(served, to(one.port)).status == 200)
            #expect(try ask(served, to(two.port)).status == 200)
        }
        // Each has its own pool.
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 2) == 2)
        // Nothing says where to.
        for header in ["", "PROXY UNKNOWN\r\n"] {
            let answer = try ask(served, header)
            #expect(answer.status == 503 && String(wire: answer.body) == "no healthy upstream")
        }
        #expect(served.stat("cluster.c.upstream_cx_none_healthy", becomes: 2) == 2)
    }

    @Test func aHeaderGoesBeforeIt() throws {
        let one = try LoadUpstream("one")
        defer { one.stop() }
        let served = try serve(", original_dst_lb_config: {use_http_header: true, http_header_name: X-Go}")
        let refused = Ports.free()
        #expect(try ask(served, to(refused), more: "x-go: 127.0.0.1:\(one.port)\r\n").status == 200)
        #expect(try ask(served, "", more: "x-go: 127.0.0.1:\(one.port)\r\n").status == 200)
        for value in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "[127.0.0.1]:80", "::1:80", ":80", ""] {
            #expect(try ask(served, to(one.port), more: "x-go: \(value)\r\n").status == 200)
            #expect(try ask(served, "", more: "x-go: \(value)\r\n").status == 503)
        }
        #expect(served.stat("cluster.c.original_dst_host_invalid", becomes: 14) == 14)
        #expect(served.stat("cluster.c.upstream_cx_total", becomes: 1) == 1)
    }

    /// A host without connections goes, and comes again when it is asked for.
    @Test func hostsComeAndGo() throws {
        let one = try LoadUpstream("one")
        defer { one.stop() }
        let served = try serve(", upstream_connection_options: {}, common_http_protocol_options: {idle_timeout: 0.1s}, original_dst_lb_config: {upstream_port_override: \(one.port)}")
        for round in 1...3 {
            for port: UInt16 in 1...20 { #expect(try ask(served, to(port)).status == 200) }
            #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0)
            _ = wait(upToMs: 700, everyMs: 700) { false }
            #expect(served.stat("cluster.c.upstream_rq_200", becomes: 20 * round) == 20 * round)
        }
        #expect(served.admin.isReady())
    }

    /// A TLV of the PROXY header, by way of the connection's metadata, goes before a header and before the address; what is no
    /// address there counts and is passed over.
    @Test func metadataGoesBeforeAll() throws {
        let one = try LoadUpstream("one")
        defer { one.stop() }
        let served = try Served(Binary.martlet()) { port in
            Served.http(
                port, clusters: ["  - {name: c, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, connect_timeout: 10s, original_dst_lb_config: {use_http_header: true, http_header_name: x-go, metadata_key: {key: ns, path: [{key: k}]}}}"]
            ).replacing(
                text: "    filter_chains:",
                by: "    listener_filters: [{name: p, typed_config: {\"@type\": \(ProxyProtocolTests.filter), rules: [{tlv_type: 238, on_tlv_present: {metadata_namespace: ns, key: k}}, {tlv_type: 239, on_tlv_present: {metadata_namespace: other, key: k}}]}}]\n    filter_chains:")
        }
        let refused = Ports.free()
        func ask(_ port: UInt16, _ tlvs: [(UInt8, String)], _ more: String = "") throws -> Int? {
            var header = Array("\r\n\r\n\0\r\nQUIT\n".utf8) + [0x21, 0x11]
            var list: [UInt8] = []
            for (type, value) in tlvs {
                list += [type, 0, UInt8(value.utf8.count)]
                list += Array(value.utf8)
            }
            header += [0, UInt8(12 + list.count), 9, 9, 9, 9, 127, 0, 0, 1, 0, 7]
            header += [UInt8(port >> 8), UInt8(port & 255)]
            header += list
            let socket = try Sockets.connect(port: served.listener)
            defer { socket.close() }
            return Exchange.run(header + Array("GET / HTTP/1.1\r\nhost: a\r\n\(more)\r\n".utf8), on: socket, limitMs: 10_000).status
        }
        let right = "127.0.0.1:\(one.port)"
        #expect(try ask(refused, [(238, right)]) == 200)
        #expect(try ask(refused, [(238, right)], "x-go: 127.0.0.1:\(refused)\r\n") == 200)
        #expect(try ask(refused, [(239, right)]) == 503)
        #expect(try ask(one.port, [(238, "127.0.0.1:\(refused)")]) == 503)
        for (value, count) in [("nonsense", 1), ("", 2)] {
            #expect(try ask(one.port, [(238, value)]) == 200)
            #expect(served.stat("cluster.c.original_dst_host_invalid", becomes: count) == count)
        }
        #expect(try ask(refused, [(238, "bad")], "x-go: \(right)\r\n") == 200)
        #expect(served.stat("cluster.c.original_dst_host_invalid", becomes: 3) == 3)
    }

    /// `/clusters` shows the hosts of all workers as one, each with counts of its own, and no more of them when they have gone.
    @Test func theAdminShowsThem() throws {
        let one = try LoadUpstream("one")
        let two = try LoadUpstream("two")
        defer {
            one.stop()
            two.stop()
        }
        let served = try Served(Binary.martlet(), workers: 2) { port in
            Served.http(
                port, clusters: ["  - {name: c, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, connect_timeout: 10s, cleanup_interval: 0.2s, common_http_protocol_options: {idle_timeout: 1s}}"]
            ).replacing(
                text: "    filter_chains:",
                by: "    connection_balance_config: {exact_balance: {}}\n    listener_filters: [{name: p, typed_config: {\"@type\": \(ProxyProtocolTests.filter)}}]\n    filter_chains:")
        }
        func shown() -> String { String(wire: served.admin.request("GET", "/clusters")?.body ?? []) }
        var sockets: [Descriptor] = []
        // Three connections for the first, two for the second: both workers have both.
        for upstream in [one, two, one, two, one] {
            let socket = try Sockets.connect(port: served.listener)
            sockets.append(socket)
            let request = "\(to(upstream.port))GET / HTTP/1.1\r\nhost: a\r\n\r\n"
            #expect(Exchange.run(Array(request.utf8), on: socket, limitMs: 10_000).status == 200)
        }
        let first = "c::127.0.0.1:\(one.port)::"
        let second = "c::127.0.0.1:\(two.port)::"
        #expect(wait(upToMs: 10_000) { shown().contains("\(first)rq_success::3\n") && shown().contains("\(second)rq_success::2\n") }, "\(shown())")
        #expect(shown().contains("\(first)hostname::c127.0.0.1:\(one.port)\n") && shown().contains("\(first)health_flags::healthy\n"))
        let json = String(wire: served.admin.request("GET", "/clusters?format=json")?.body ?? [])
        #expect(json.contains("\"hostname\": \"c127.0.0.1:\(two.port)\""), "\(json)")
        #expect(served.stat("cluster.c.membership_total", becomes: 2) == 2)
        #expect(served.stat("cluster.c.membership_healthy", becomes: 2) == 2)
        #expect(served.stat("cluster.c.membership_change", becomes: 2) == 2)
        for socket in sockets { socket.close() }
        #expect(wait(upToMs: 10_000) { !shown().contains("127.0.0.1") }, "\(shown())")
        #expect(served.stat("cluster.c.membership_total", becomes: 0) == 0)
        #expect(served.stat("cluster.c.membership_change", becomes: 3) == 3)
    }
}
