import TestSupport
import Testing

/// The rows of docs/configuration-errors.md that are of the program and not of a configuration, and the errors as JSON.
@Suite(.enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ConfigurationErrorTests {
    private static let example = "c.yaml"

    @Test(arguments: CommandLines.all)
    func isAnsweredAsThePageSays(_ line: CommandLines.Line) throws {
        let martlet = try Binary.martlet()
        guard line.arguments == ["-c", "listener-on-a-taken-port.yaml"] else {
            let finished = try martlet.run(line.arguments)
            #expect(finished.status == 1)
            #expect(finished.output == line.answer)
            return
        }
        let port = Ports.free()
        let holder = try Sockets.listen(port: port)
        defer { holder.close() }
        let directory = TemporaryDirectory()
        let finished = try martlet.run(["-c", directory.write(echo(port: port), to: "c.yaml")])
        #expect(finished.status == 1)
        #expect(finished.output == line.answer.replacing(text: ":10000", by: ":\(port)"))
    }

    @Test func thePageHasCommandLines() {
        #expect(CommandLines.all.map(\.number) == [32, 32, 33, 35, 35])
    }

    private func echo(port: UInt16) -> String {
        """
        static_resources:
          listeners:
          - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}
            filter_chains: [{filters: [{name: envoy.filters.network.echo}]}]

        """
    }

    // MARK: --format json

    @Test func errorsAsJSON() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let text = """
            static_resources:
              clusters:
              - name: up
                conect_timeout: 1s
                lb_policy: ROUNDROBIN
                load_assignment: {cluster_name: "up", endpoints: [{lb_endpoints: [{endpoint: 7}]}]}

            """
        let file = directory.write(text, to: ConfigurationErrorTests.example)
        let finished = try martlet.run(["--mode", "validate", "--format", "json", "-c", file])
        #expect(finished.status == 1)
        let read = try JSON(parsing: finished.output)
        #expect(read["valid"] == .bare("false"))
        let errors = read["errors"]?.array ?? []
        #expect(errors.count == 3)
        let at = "static_resources.clusters[0]"
        #expect(errors.map { $0["path"] } == [
            .string("\(at).conect_timeout"), .string("\(at).lb_policy"),
            .string("\(at).load_assignment.endpoints[0].lb_endpoints[0].endpoint"),
        ])
        for (error, place) in zip(errors, [(4, 5), (5, 16), (6, 82)]) {
            #expect(error["file"] == .string(file))
            #expect(error["line"] == .bare("\(place.0)"))
            #expect(error["column"] == .bare("\(place.1)"))
            #expect(error["severity"] == .string("error"))
        }
        #expect(errors.first?["message"] == .string("no such field: 'conect_timeout' in envoy.config.cluster.v3.Cluster"))
        #expect(errors.first?["suggestion"] == .string("did you mean 'connect_timeout'?"))
        #expect(errors.first?["found"] == .bare("null"))
        #expect(errors[1]["found"] == .string("'ROUNDROBIN'"))
        #expect(errors[1]["suggestion"] == .string("did you mean ROUND_ROBIN?"))
        #expect(errors[2]["expected"] == .string("the fields of envoy.config.endpoint.v3.Endpoint"))
    }

    @Test func warningsAsJSON() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        let file = directory.write(Fixtures.simple(listener: 20_001, upstream: 20_002, admin: 20_003), to: "simple.yaml")
        let finished = try martlet.run(["--mode", "validate", "--format", "json", "-c", file])
        #expect(finished.status == 0)
        let read = try JSON(parsing: finished.output)
        #expect(read["valid"] == .bare("true"))
        let warnings = read["errors"]?.array ?? []
        #expect(warnings.map { $0["path"] } == [.string("admin.access_log_path")])
        #expect(warnings.map { $0["severity"] } == [.string("warning")])
    }

    /// What breaks a reader of JSON: quotes, controls, bytes that are no UTF-8.
    @Test func everyTextIsJSON() throws {
        let martlet = try Binary.martlet()
        let directory = TemporaryDirectory()
        for text in ["\"a\\\"\\\\\\n\\u0001\": 1\n", "? \"\\t\"\n: 1\n", "a: 'é\u{1f600}\u{85}'\n"] {
            let file = directory.write(text, to: "odd \".yaml")
            let finished = try martlet.run(["--mode", "validate", "--format", "json", "-c", file])
            #expect(finished.status == 1)
            let read = try JSON(parsing: finished.output)
            #expect(read["errors"]?.array?.first?["file"] == .string(file))
        }
    }
}
