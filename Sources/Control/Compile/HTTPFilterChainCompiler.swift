// `http_filters`: factories in order, and the router at the end.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import StatsStore

/// What the routes need to know of the chain that they are served by.
struct CompiledFilters {
    struct Entry {
        var name: String
        var registration: FilterExtension
        var factory: HTTPFilterFactory
    }
    var factories: [Entry] = []
    var router = RouterMessage()
    var routerPlace = Place.root
    var statPrefix = ""
    /// Names of filters that Martlet lacks and that are off unless a route says otherwise.
    var disabledAndMissing: Set<String> = []
}

struct HTTPFilterChainCompiler {
    let compilation: Compilation
    let part: PlanPart
    let statPrefix: String
    private var diagnostics: Diagnostics { compilation.diagnostics }

    static let router = "envoy.filters.http.router"

    func compile(_ messages: [HttpFilterMessage], _ place: Place) -> CompiledFilters {
        var result = CompiledFilters()
        result.statPrefix = statPrefix
        guard !messages.isEmpty else {
            diagnostics.error(
                place.at("http_filters"), "http_filters is empty: no request would ever be answered",
                expected: "at least the terminal filter \(HTTPFilterChainCompiler.router)",
                suggestion: "add '- name: \(HTTPFilterChainCompiler.router)'")
            return result
        }
        for (i, message) in messages.enumerated() {
            let at = place.at("http_filters", i)
            let isLast = i == messages.count - 1
            let type: String? = message.configType == nil ? nil : message.typedConfig.messageName
            if isRouter(message.name, type) {
                router(message, at, &result)
                if !isLast {
                    diagnostics.error(
                        at,
                        "Error: terminal filter named \(message.name) of type \(HTTPFilterChainCompiler.router) must be the last filter in a http filter chain."
                    )
                }
                continue
            }
            guard let registration = compilation.environment.filters.filter(name: message.name, type: type) else {
                if message.isOptional {
                    diagnostics.warning(at, "optional filter '\(message.name)' is not known and is left out")
                } else if message.disabled, let type, ExtensionNames.isEnvoys(type: type) {
                    diagnostics.warning(at, "the filter '\(message.name)' is disabled, and left out: Martlet does not support it yet")
                    result.disabledAndMissing.insert(ExtensionNames.canonical(message.name))
                } else {
                    unknown(message.name, type, at)
                }
                continue
            }
            if isLast {
                diagnostics.error(
                    at,
                    "Error: non-terminal filter named \(message.name) of type \(registration.name) is the last filter in a http filter chain.",
                    suggestion: "add '- name: \(HTTPFilterChainCompiler.router)' behind it")
            }
            do throws(FilterProblems) {
                let input = input(message.typedConfig.bytes, message.name, at.at("typed_config"))
                let factory = try registration.make(input)
                factory.isDisabled = message.disabled
                part.own(factory)
                result.factories.append(
                    CompiledFilters.Entry(name: message.name, registration: registration, factory: factory))
            } catch {
                diagnostics.error(at.at("typed_config"), error)
            }
        }
        return result
    }

    private func unknown(_ name: String, _ type: String?, _ place: Place) {
        let names = compilation.environment.filters.names + [HTTPFilterChainCompiler.router]
        diagnostics.error(
            place, "Didn't find a registered implementation for '\(name)' with type URL: '\(type ?? "")'",
            found: type == nil ? "no typed_config, and a name that is no filter's" : nil,
            expected: type == nil ? "a typed_config, or the name of an HTTP filter" : "the type of an HTTP filter",
            suggestion: type == nil ? nearestName(name, names) : nil)
    }

    /// What a factory is given.
    func input(_ bytes: [UInt8], _ name: String, _ place: Place) -> FilterInput {
        let (part, compilation) = (part, compilation)
        return FilterInput(
            bytes: bytes, name: name, statPrefix: StatPrefix.http(statPrefix),
            nodeCluster: compilation.bootstrap.node.cluster, localCluster: compilation.bootstrap.clusterManager.localClusterName,
            seed: compilation.environment.seed, arena: part.arena,
            scope: { prefix, leaf in part.scope(erased: compilation.stats, prefix, leaf) },
            dynamicScopes: { schema in compilation.stats.dynamicScopes(schema, seed: compilation.environment.seed) },
            cluster: { name in
                guard compilation.clusterNames.contains(name) else {
                    compilation.diagnostics.error(
                        place, "unknown cluster '\(name)'", expected: "the name of a cluster",
                        suggestion: nearestName(name, compilation.clusterNames))
                    return nil
                }
                return part.slot(compilation.environment.clusterSlots, name)
            },
            clusterIfPresent: { name in
                compilation.clusterNames.contains(name) ? part.slot(compilation.environment.clusterSlots, name) : nil
            },
            runtime: { compilation.runtime(part).cell($0) }, onRelease: { body in part.onDestroy(body) })
    }

    private func isRouter(_ name: String, _ type: String?) -> Bool {
        if let type { return type == RouterMessage.protoMessageName }
        return ExtensionNames.canonical(name) == HTTPFilterChainCompiler.router
    }

    private func router(_ message: HttpFilterMessage, _ place: Place, _ result: inout CompiledFilters) {
        let at = place.at("typed_config")
        guard let router = try? RouterMessage(serializedBytes: message.typedConfig.value) else {
            diagnostics.error(at, "not a \(RouterMessage.protoMessageName)")
            return
        }
        diagnostics.unsupported(
            at, "envoy.extensions.filters.http.router.v3.Router",
            [
                "upstream_http_filters": !router.upstreamHTTPFilters.isEmpty,
            ])
        if message.disabled {
            diagnostics.error(
                place.at("disabled"),
                "Error: the last (terminal) filter (\(message.name)) in the chain cannot be disabled by default.")
        }
        result.router = router
        result.routerPlace = at
    }
}

extension PlanPart {
    func scope(erased stats: StatRegistry, _ prefix: String, _ leaf: any StatLeaf.Type) -> StatID {
        func open<Leaf: StatLeaf>(_ type: Leaf.Type) -> StatID { scope(stats, prefix, type).base }
        return open(leaf)
    }
}
