// `route_config`: the match side goes to Routing, what to do with a match goes into arrays beside it.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing
import Stats

struct RouteTableCompiler {
    let compilation: Compilation
    let part: PlanPart
    let filters: CompiledFilters
    /// The connection manager's.
    var tracing: TracingMessage?
    private var diagnostics: Diagnostics { compilation.diagnostics }
    private var arena: FrozenArena { part.arena }

    /// What routes inherit.
    struct Surroundings {
        var table: RouteConfiguration
        var tablePlace: Place
        var host: VirtualHostMessage
        var hostPlace: Place
        var hostIndex: Int
        var tableMutations: HeaderMutationLists
        var hostMutations: HeaderMutationLists
    }

    /// Nil after an error that leaves no table.
    func compile(_ message: RouteConfiguration, _ place: Place) -> UnsafePointer<RouteTableConfig>? {
        refuseUnsupported(message, place)
        var spec = RouteTableSpec(name: message.name, virtualHosts: [])
        spec.ignorePortInHost = message.ignorePortInHostMatching
        spec.ignorePathParameters = message.ignorePathParametersInPathMatching
        spec.virtualHostHeader = message.vhostHeader.lowercased()
        var routes: [RouteConfig] = []
        var hosts: [VirtualHostConfig] = []
        var hostNames: Set<String> = []
        let mutations = HeaderMutationCompiler(compilation: compilation, part: part)
        let tableMutations = mutations.compile(message, place)
        for (i, host) in message.virtualHosts.enumerated() {
            let hostPlace = place.at("virtual_hosts", i)
            if !hostNames.insert(host.name).inserted {
                diagnostics.warning(
                    hostPlace.at("name"), "another virtual host is called '\(host.name)': logs and statistics do not tell them apart")
            }
            refuseUnsupported(host, hostPlace)
            if host.hasHedgePolicy { HedgePolicyCompiler.warn(host.hedgePolicy, hostPlace.at("hedge_policy"), diagnostics) }
            let hostMutations = mutations.compile(host, hostPlace)
            let surroundings = Surroundings(
                table: message, tablePlace: place, host: host, hostPlace: hostPlace, hostIndex: i,
                tableMutations: tableMutations, hostMutations: hostMutations)
            var config = VirtualHostConfig()
            config.name = arena.text(host.name)
            config.mutations = HeaderMutationCompiler.combine(
                [hostMutations, tableMutations], mostSpecificWins: message.mostSpecificHeaderMutationsWins, arena)
            config.virtualClusters = VirtualClusterCompiler(compilation: compilation, part: part).compile(host, hostPlace)
            config.metadata = ShownMetadata(host.metadata).frozen(arena)
            config.rateLimits = compilation.rateLimits(part).compile(host.rateLimits, DiagnosedPlace(hostPlace, diagnostics))
            hosts.append(config)
            var hostSpec = VirtualHostSpec(name: host.name, domains: host.domains, routes: [])
            switch host.requireTls {
            case .externalOnly: hostSpec.requireTLS = .externalOnly
            case .all: hostSpec.requireTLS = .all
            default: hostSpec.requireTLS = .none
            }
            let compiler = RouteCompiler(
                compilation: compilation, part: part, filters: filters, surroundings: surroundings, tracing: tracing)
            for (j, route) in host.routes.enumerated() {
                let routePlace = hostPlace.at("routes", j)
                hostSpec.routes.append(
                    RouteMatchCompiler(diagnostics: diagnostics, runtime: compilation.runtime(part))
                        .compile(route.match, routePlace.at("match")))
                routes.append(compiler.compile(route, j, routePlace))
            }
            spec.virtualHosts.append(hostSpec)
        }
        guard let table = table(spec, place) else { return nil }
        var config = RouteTableConfig(table: table)
        config.name = arena.text(message.name)
        config.routes = arena.array(routes)
        config.virtualHosts = arena.array(hosts)
        config.internalOnlyHeaders = arena.array(message.internalOnlyHeaders.map { arena.text($0.lowercased()) })
        return unsafe arena.store(config)
    }

    private func table(_ spec: RouteTableSpec, _ place: Place) -> RouteTable? {
        do throws(RoutingErrors) {
            let table = try RouteTable(spec, seed: compilation.environment.seed)
            part.own(table)
            return table
        } catch {
            for problem in error.list {
                let path = place.path(problem.path)
                if problem.field.hasSuffix("safe_regex") {
                    diagnostics.error(
                        path: path + ".regex", "invalid regex: \(problem.message)",
                        expected: "a regular expression in RE2's syntax")
                } else {
                    diagnostics.error(path: path, problem.message)
                }
            }
            return nil
        }
    }

    private func refuseUnsupported(_ message: RouteConfiguration, _ place: Place) {
        diagnostics.unsupported(
            place, "envoy.config.route.v3.RouteConfiguration",
            ["cluster_specifier_plugins": !message.clusterSpecifierPlugins.isEmpty])
    }

    private func refuseUnsupported(_ message: VirtualHostMessage, _ place: Place) {
        diagnostics.unsupported(
            place, "envoy.config.route.v3.VirtualHost",
            ["retry_policy_typed_config": message.hasRetryPolicyTypedConfig])
    }
}
