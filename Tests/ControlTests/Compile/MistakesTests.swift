@testable import Control
import EnvoyAPI
import Extensions
import Testing

/// `mistakes.txt`: each piece of configuration is put into its place of an otherwise right bootstrap and validated.
@Suite struct MistakesTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        var place: Substring
        var piece: String
        var said: [String] = []
        var testDescription: String { "\(place) \(piece)" }
    }

    @Test(arguments: mistakes)
    func isAnswered(_ mistake: Mistake) throws {
        let (text, path) = try #require(MistakesTests.bootstrap(mistake.piece, in: mistake.place))
        let said = try said(of: text, below: path)
        #expect(said == mistake.said, "it says:\n\(said.map { "    " + $0 }.joined(separator: "\n"))")
    }

    @Test func thereAreMany() { #expect(MistakesTests.mistakes.count >= 130) }

    private func said(of yaml: String, below path: String) throws -> [String] {
        let validator = Server.validator(filters: FilterRegistry(HTTPFilters.all))
        var problems: [ConfigError] = []
        do throws(ConfigErrors) {
            let document = try ConfigReader.read(yaml: yaml, file: "c.yaml")
            try validator.validate(document)
            problems = validator.warnings
        } catch {
            problems = error.errors
        }
        return problems.map { problem in
            var problem = problem
            problem.file = ""
            problem.line = 0
            if problem.path.hasPrefix(path) { problem.path = String(problem.path.dropFirst(path.count).drop { $0 == "." }) }
            let text = problem.description
            return text.hasPrefix("error: ") ? String(text.dropFirst(7)) : text
        }
    }

    // MARK: Places

    private static let connectionManager = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    private static let everything = "virtual_hosts: [{name: v, domains: [\"*\"], routes: [{match: {prefix: /}, route: {cluster: up}}]}]"

    /// A bootstrap with the piece in its place, and the place's path.
    private static func bootstrap(_ piece: String, in place: Substring) -> (text: String, path: String)? {
        let chain = "static_resources.listeners[0].filter_chains[0]"
        let filter = chain + ".filters[0].typed_config"
        let host = filter + ".route_config.virtual_hosts[0]"
        let route = host + ".routes[0]"
        let cluster = "static_resources.clusters[0]"
        switch place {
        case "bootstrap": return (piece, "")
        case "listener": return (listener(piece), "static_resources.listeners[0]")
        case "chain": return (listener("filter_chains: [\(piece)]"), "static_resources.listeners[0]")
        case "network": return (network(piece), chain)
        case "tcp":
            return (network("{name: t, typed_config: {\"@type\": TYPE.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, \(piece)}}"), filter)
        case "manager": return (manager(piece), filter)
        case "filters": return (manager(filters: piece), filter)
        case "table": return (manager(routes: piece), filter + ".route_config")
        case "host": return (inHost(piece), host)
        case "route": return (inHost("routes: [{match: {prefix: /}, \(piece)}]"), route)
        case "match": return (inHost("routes: [{match: {\(piece)}, route: {cluster: up}}]"), route + ".match")
        case "action": return (inHost("routes: [{match: {prefix: /}, route: {cluster: up, \(piece)}}]"), route + ".route")
        case "retry":
            return (inHost("routes: [{match: {prefix: /}, route: {cluster: up, retry_policy: {\(piece)}}}]"), route + ".route.retry_policy")
        case "log": return (manager("access_log: [{name: f, \(piece)}]"), filter + ".access_log[0]")
        case "file":
            return (
                manager("access_log: [{name: f, typed_config: {\"@type\": TYPE.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null, \(piece)}}]"),
                filter + ".access_log[0].typed_config"
            )
        case "logfilter":
            return (
                manager(
                    "access_log: [{name: f, typed_config: {\"@type\": TYPE.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null}, filter: {\(piece)}}]"),
                filter + ".access_log[0].filter"
            )
        case "ratelimit": return (httpFilter("local_ratelimit.v3.LocalRateLimit", "stat_prefix: s, " + piece), filter + ".http_filters[0].typed_config")
        case "mutation":
            return (httpFilter("header_mutation.v3.HeaderMutation", "mutations: {\(piece)}"), filter + ".http_filters[0].typed_config.mutations")
        case "health": return (httpFilter("health_check.v3.HealthCheck", piece), filter + ".http_filters[0].typed_config")
        case "cluster": return (inCluster(piece), cluster)
        case "dns":
            return (
                inCluster(
                    "type: STRICT_DNS, load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: localhost, port_value: 1}}}}]}]}, "
                        + piece), cluster
            )
        case "endpoint":
            return (inCluster("load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [\(piece)]}]}"), cluster + ".load_assignment.endpoints[0]")
        case "policy":
            return (
                inCluster("load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: \(piece)}}]}"),
                cluster + ".load_balancing_policy"
            )
        case "upstream":
            let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
            return (
                inCluster("typed_extension_protocol_options: {\(name): {\"@type\": TYPE.extensions.upstreams.http.v3.HttpProtocolOptions, \(piece)}}"),
                cluster + ".typed_extension_protocol_options[\"\(name)\"]"
            )
        default: return nil
        }
    }

    private static func listener(_ fields: String) -> String {
        """
        static_resources:
          listeners:
          - {name: l, address: {socket_address: {address: 127.0.0.1, port_value: 10000}}, \(whole(fields))}
          clusters: [{name: up}]
        """
    }

    private static func network(_ filter: String) -> String { listener("filter_chains: [{filters: [\(filter)]}]") }

    private static func manager(
        _ fields: String = "", routes: String = everything, filters: String = "{name: envoy.filters.http.router}"
    ) -> String {
        network(
            "{name: h, typed_config: {\"@type\": TYPE.\(connectionManager), stat_prefix: h, route_config: {\(routes)}, http_filters: [\(filters)]\(fields.isEmpty ? "" : ", " + fields)}}")
    }

    private static func httpFilter(_ type: String, _ fields: String) -> String {
        let name = type.prefix { $0 != "." }
        return manager(
            filters:
                "{name: envoy.filters.http.\(name), typed_config: {\"@type\": TYPE.extensions.filters.http.\(type), \(fields)}}, {name: envoy.filters.http.router}"
        )
    }

    private static func inHost(_ fields: String) -> String { manager(routes: "virtual_hosts: [{name: v, domains: [\"*\"], \(fields)}]") }
    private static func inCluster(_ fields: String) -> String { whole("static_resources: {clusters: [{name: up, \(fields)}]}\n") }

    private static func whole(_ text: String) -> String {
        text.split(separator: "TYPE.", omittingEmptySubsequences: false).joined(separator: "type.googleapis.com/envoy.")
    }

    // MARK: The file

    static let mistakes: [Mistake] = {
        let path = "\(#filePath)".split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/mistakes.txt"
        guard let bytes = try? FileContents.read(path) else { return [] }
        var mistakes: [Mistake] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            if line.hasPrefix("    ") {
                mistakes[mistakes.count - 1].said.append(String(line.dropFirst(4)))
            } else {
                let place = line.prefix { $0 != " " }
                mistakes.append(Mistake(place: place, piece: whole(String(line.dropFirst(place.count + 1)))))
            }
        }
        return mistakes
    }()
}
