@testable import Control
import EnvoyAPI
import Extensions
import Pipeline
import Primitives
import Testing

/// A connection manager counts the wire's bytes where something of its own names them, and nowhere else.
@Suite struct WireBytesTests {
    private static let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

    private func manager(_ fields: String, route: String = "", router: String = "", filters: String = "") -> String {
        """
        {filters: [{name: h, typed_config: {"@type": \(WireBytesTests.manager), stat_prefix: h, \(fields)
          route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}, \(route)}]}]},
          http_filters: [\(filters){name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, \(router)}}]}}],
         filter_chain_match: {server_names: [NAME]}}
        """
    }

    private func meters(_ chains: String...) throws -> [Bool] {
        let numbered = chains.enumerated().map { $1.replacing("NAME", with: "n\($0)") }
        let yaml = """
            static_resources:
              listeners:
              - {name: l, address: {socket_address: {address: 127.0.0.1, port_value: 0}}, filter_chains: [\(numbered.joined(separator: ", "))]}
              clusters: [{name: up}]
            """
        let configurator = Server.validator(filters: FilterRegistry(HTTPFilters.all))
        try configurator.apply(try ConfigReader.read(yaml: yaml, file: "c.yaml"))
        let config = try #require(configurator.listeners.first).draft.config
        return (0..<config.chains.count).map { i in
            guard case .http(let http) = config.chains[i].chain else { return false }
            return unsafe http.pointee.metersWire
        }
    }

    private func log(_ text: String, _ name: String = "access_log") -> String {
        "\(name): [{name: f, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null, log_format: {\(text)}}}],"
    }

    private func text(_ format: String) -> String { "text_format_source: {inline_string: \"\(format)\"}" }

    @Test func whatDoesNotAskForThem() throws {
        #expect(try meters(manager("")) == [false])
        #expect(try meters(manager(log(text("%BYTES_RECEIVED% %BYTES_SENT% %REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES%")))) == [false])
        #expect(try meters(manager("access_log: [{name: envoy.access_loggers.stdout}],")) == [false], "Envoy's own format")
    }

    @Test(arguments: [
        "DOWNSTREAM_WIRE_BYTES_SENT", "DOWNSTREAM_WIRE_BYTES_RECEIVED", "DOWNSTREAM_HEADER_BYTES_SENT", "DOWNSTREAM_HEADER_BYTES_RECEIVED",
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", "UPSTREAM_WIRE_BYTES_SENT",
        "UPSTREAM_WIRE_BYTES_RECEIVED", "UPSTREAM_HEADER_BYTES_SENT", "UPSTREAM_HEADER_BYTES_RECEIVED",
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    ])
    func everyOperator(_ name: String) throws {
        #expect(try meters(manager(log(text("x %\(name)% y")))) == [true])
    }

    /// Each place in which a format may stand.
    @Test func everyPlace() throws {
        let format = "%UPSTREAM_WIRE_BYTES_SENT%"
        let mutation = "response_headers_to_add: [{header: {key: x-b, value: \"\(format)\"}}],"
        #expect(try meters(manager(log("json_format: {a: {b: \"\(format)\"}}"))) == [true])
        #expect(try meters(manager("", router: log(text(format), "upstream_log"))) == [true])
        #expect(try meters(manager("", route: mutation)) == [true])
        #expect(
            try meters(manager("local_reply_config: {body_format: {\(text(format))}},")) == [true])
        let filter =
            "{name: m, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation, mutations: {response_mutations: [{append: {header: {key: x-b, value: \"\(format)\"}}}]}}},"
        #expect(try meters(manager("", filters: filter)) == [true])
    }

    /// Messages to a gRPC log server tell them always; OpenTelemetry's only where a format does.
    @Test func logServers() throws {
        let service = "grpc_service: {envoy_grpc: {cluster_name: up}}"
        let grpc =
            "access_log: [{name: g, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig, common_config: {log_name: l, \(service)}}}],"
        #expect(try meters(manager(grpc)) == [true])
        func telemetry(_ format: String) -> String {
            "access_log: [{name: o, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig, \(service), log_name: l, body: {string_value: \"\(format)\"}}}],"
        }
        #expect(try meters(manager(telemetry("%BYTES_SENT%"))) == [false])
        #expect(try meters(manager(telemetry("%DOWNSTREAM_WIRE_BYTES_SENT%"))) == [true])
    }

    @Test func oneManagerDoesNotPayForAnother() throws {
        let asks = manager(log(text("%UPSTREAM_WIRE_BYTES_SENT%")))
        #expect(try meters(asks, manager(""), asks) == [true, false, true])
    }
}
