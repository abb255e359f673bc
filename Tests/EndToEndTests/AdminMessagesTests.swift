import TestSupport
import Testing

/// What the admin interface says in JSON, read strictly as Envoy's own messages: `Metrics/messages.py`.
@Suite(.enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct AdminMessagesTests {
    private static let script = "\(#filePath)".split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Metrics/messages.py"

    @Test(.enabled(if: (try? Shell.run("python3 -c 'import validate.validate_pb2, google.protobuf'"))?.status == 0, "pip install xds-protos protobuf"))
    func everyAnswerIsEnvoysMessage() throws {
        let certificates = try Certificates()
        try certificates.issue("server", names: "DNS:localhost,URI:spiffe://a/b,IP:10.0.0.1")
        let (listener, admin) = (Ports.free(), Ports.free())
        let cluster = "  - {name: c, load_assignment: {cluster_name: c, endpoints: [{locality: {zone: z}, lb_endpoints: [{health_status: DRAINING, metadata: {filter_metadata: {envoy.lb: {a: 1}}}, endpoint: {hostname: h, address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}}"
        let yaml = TLSServed.yaml(certificates, port: listener, context: "alpn_protocols: [h2]", clusters: [cluster]) + """

            node: {id: one, cluster: c, locality: {region: r, zone: z, sub_zone: s}, metadata: {a: {b: [1, null]}}}
            layered_runtime: {layers: [{name: s, static_layer: {a: 1}}, {name: a, admin_layer: {}}]}
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(admin)}}}
            """
        let directory = TemporaryDirectory()
        let process = try ChildProcess(
            Binary.martlet().binary, ["-c", directory.write(yaml, to: "martlet.yaml"), "--concurrency", "1", "--enable-mutex-tracing", "--stats-tag", "a:b"])
        defer { process.kill() }
        try #require(process.becomesReady(admin: admin, upToMs: 20_000), "\(process.output)")
        let run = try Shell.run("python3 \(AdminMessagesTests.script) \(admin)")
        #expect(run.output.textLines == ["done"], "\(run.output)")
    }
}
