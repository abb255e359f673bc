import TestSupport
import Testing

/// The gRPC filters between a client of HTTP/1 and servers of PyPI's grpcio, whose status comes in HTTP/2 trailers.
@Suite(
    .serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"),
    .enabled(if: GRPCServers.isInstalled, "grpcio and protobuf are missing: pip install grpcio protobuf"))
struct GRPCFilterServingTests {
    private static func yaml(_ port: UInt16, _ server: UInt16, _ filter: String) -> String {
        """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: h
                  route_config:
                    virtual_hosts:
                    - {name: v, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: c}}]}
                  http_filters:
                  - name: envoy.filters.http.under_test
                    typed_config:
        \(filter.textLines.map { "              " + $0 }.joined(separator: "\n"))
                  - name: envoy.filters.http.grpc_stats
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig
                      stats_for_all_methods: true
                      enable_upstream_stats: true
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          clusters:
          - name: c
            connect_timeout: 10s
            typed_extension_protocol_options:
              envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                explicit_http_config: {http2_protocol_options: {}}
            load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(server)}}}}]}]}
        """
    }

    /// `connection`: a field of the listener.
    private func serve(_ servers: GRPCServers, _ filter: String, connection: String = "") throws -> Served {
        try Served(try Binary.martlet()) { port in
            let yaml = GRPCFilterServingTests.yaml(port, servers.ports[0], filter)
            return connection.isEmpty ? yaml : yaml.replacing(text: "    filter_chains:", by: "    \(connection)\n    filter_chains:")
        }
    }

    private func post(_ served: Served, _ method: String, _ body: String, type: String) throws -> HTTPMessage {
        try served.send(
            "POST /martlet.test.TestService/\(method) HTTP/1.1\r\nhost: h\r\nte: trailers\r\ncontent-type: \(type)\r\ncontent-length: \(body.wire.count)\r\n\r\n" + body,
            method: "POST")
    }

    private func field(_ message: HTTPMessage, _ name: String) -> String? {
        message.headers.first { $0.lowercased().hasPrefix(name + ":") }.map { String($0.dropFirst(name.count + 2)) }
    }

    private func transcoder() throws -> String {
        let descriptors = try Shell.run("cd \(GRPCServers.folder) && python3 -B descriptors.py")
        try #require(descriptors.status == 0, "\(descriptors.output)")
        return """
            "@type": type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder
            proto_descriptor_bin: \(descriptors.output.textLines.last ?? "")
            services: [martlet.test.TestService]
            auto_mapping: true
            """
    }

    /// A filter that holds a body until its end holds one of any length under `per_connection_buffer_limit_bytes: 0`.
    @Test func withoutABufferLimitLongBodiesAreHeld() throws {
        let servers = try GRPCServers(1)
        let body = #"{"payload": {"body": "\#(String(repeating: "AAAA", count: 500_000))"}, "responseSize": 3}"#
        let limited = try serve(servers, transcoder())
        #expect(try post(limited, "UnaryCall", body, type: "application/json").status == 413)
        let unlimited = try serve(servers, transcoder(), connection: "per_connection_buffer_limit_bytes: 0")
        let answer = try post(unlimited, "UnaryCall", body, type: "application/json")
        #expect(answer.status == 200)
        #expect(String(wire: answer.body) == #"{"payload":{"body":"AAAA"}}"#)
    }

    @Test func jsonIsTranscoded() throws {
        let servers = try GRPCServers(1)
        let served = try serve(servers, transcoder())
        let answer = try post(served, "UnaryCall", #"{"responseSize": 3, "fillServerId": true}"#, type: "application/json")
        #expect(answer.status == 200)
        #expect(String(wire: answer.body) == #"{"payload":{"body":"AAAA"},"serverId":"server-0"}"#)
        #expect(field(answer, "grpc-status") == "0")
        let failure = try post(served, "UnaryCall", #"{"responseStatus": {"code": 5, "message": "gone"}}"#, type: "application/json")
        #expect(failure.status == 404)
        #expect(field(failure, "grpc-message") == "gone")
        let stream = try post(served, "StreamingOutputCall", #"{"responseParameters": [{"size": 1}, {"size": 2}]}"#, type: "application/json")
        #expect(String(wire: stream.body) == #"[{"payload":{"body":"AA=="}},{"payload":{"body":"AAA="}}]"#)
        let upload = try post(served, "StreamingInputCall", #"[{"payload": {"body": "AAAA"}}, {"payload": {"body": "AA=="}}]"#, type: "application/json")
        #expect(String(wire: upload.body) == #"{"aggregatedPayloadSize":4}"#)
        let wrong = try post(served, "UnaryCall", #"{"responseSize": "x"}"#, type: "application/json")
        #expect(wrong.status == 400)
        #expect(served.stat("cluster.c.grpc.martlet.test.TestService.UnaryCall.success", becomes: 1) == 1)
        #expect(served.stat("cluster.c.grpc.martlet.test.TestService.UnaryCall.5", becomes: 1) == 1)
        #expect(served.stat("cluster.c.grpc.martlet.test.TestService.StreamingInputCall.request_message_count", becomes: 2) == 2)
    }

    @Test func browsersAreServed() throws {
        let servers = try GRPCServers(1)
        let served = try serve(servers, "\"@type\": type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb")
        let empty = String(wire: [0, 0, 0, 0, 0])
        let answer = try post(served, "EmptyCall", empty, type: "application/grpc-web")
        #expect(answer.status == 200)
        #expect(field(answer, "content-type") == "application/grpc-web+proto")
        #expect(String(wire: answer.body).hasPrefix(empty + String(wire: [0x80])))
        #expect(String(wire: answer.body).contains("grpc-status:0\r\n"))
        let missing = try post(served, "UnimplementedCall", empty, type: "application/grpc-web-text")
        #expect(missing.status == 400, "no base64")
        let text = try post(served, "UnimplementedCall", "AAAAAAA=", type: "application/grpc-web-text")
        #expect(field(text, "grpc-status") == "12", "a trailers-only answer")
        #expect(served.stat("cluster.c.grpc-web.martlet.test.TestService.EmptyCall.success", becomes: 1) == 1)
        #expect(served.stat("cluster.c.grpc.martlet.test.TestService.EmptyCall.success", becomes: 1) == 1)
    }

    @Test func trailersAreBridged() throws {
        let servers = try GRPCServers(1)
        let served = try serve(
            servers, "\"@type\": type.googleapis.com/envoy.extensions.filters.http.grpc_http1_bridge.v3.Config\nupgrade_protobuf_to_grpc: true")
        let answer = try post(served, "EmptyCall", String(wire: [0, 0, 0, 0, 0]), type: "application/grpc")
        #expect(answer.status == 200)
        #expect(field(answer, "grpc-status") == "0")
        #expect(answer.body == [0, 0, 0, 0, 0])
        // SimpleRequest{response_size: 2}
        let bare = try post(served, "UnaryCall", String(wire: [0x10, 2]), type: "application/x-protobuf")
        #expect(field(bare, "grpc-status") == "0")
        #expect(bare.body == [0x0a, 4, 0x12, 2, 0, 0])
        // response_status {code: 9}, behind the head
        let failure = try post(served, "UnaryCall", String(wire: [0x3a, 2, 0x08, 9]), type: "application/x-protobuf")
        #expect(field(failure, "grpc-status") == "9")
    }
}
