// One route: what is done with a request that matched.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import Upstream

struct RouteCompiler {
    let compilation: Compilation
    let part: PlanPart
    let filters: CompiledFilters
    let surroundings: RouteTableCompiler.Surroundings
    /// The connection manager's.
    var tracing: TracingMessage?
    var diagnostics: Diagnostics { compilation.diagnostics }
    var arena: FrozenArena { part.arena }

    /// Errors are collected; what is returned then is never used.
    func compile(_ message: RouteMessage, _ index: Int, _ place: Place) -> RouteConfig {
        var config = RouteConfig()
        config.name = arena.text(message.name)
        config.virtualHost = UInt32(surroundings.hostIndex)
        config.metadata = ShownMetadata(message.metadata).frozen(arena)
        switch message.action {
        case .route(let action):
            config.action = .forward
            forward(action, message.match, route: describe(message, index), place.at("route"), &config)
        case .redirect(let redirect):
            config.action = .redirect
            unsafe config.redirect = unsafe RedirectCompiler(compilation: compilation, part: part)
                .compile(redirect, place.at("redirect"))
        case .directResponse(let response):
            config.action = .directResponse
            directResponse(response, place.at("direct_response"), &config)
        case .filterAction:
            diagnostics.unsupported(place, "envoy.config.route.v3.Route", ["filter_action": true])
        case .nonForwardingAction:
            diagnostics.unsupported(place, "envoy.config.route.v3.Route", ["non_forwarding_action": true])
        case .none: break
        }
        let own = HeaderMutationCompiler(compilation: compilation, part: part).compile(message, place)
        config.mutations = HeaderMutationCompiler.combine(
            [own, surroundings.hostMutations, surroundings.tableMutations],
            mostSpecificWins: surroundings.table.mostSpecificHeaderMutationsWins, arena)
        config.filterConfigs = arena.array(filterConfigs(message, place))
        config.bufferLimit = bufferLimit(message)
        config.includeAttemptCountInRequest = surroundings.host.includeRequestAttemptCount
        config.includesIsTimeoutRetry = surroundings.host.includeIsTimeoutRetryHeader
        config.includeAttemptCountInResponse = surroundings.host.includeAttemptCountInResponse
        let tracer = TracingCompiler(compilation: compilation, part: part)
        unsafe config.tracing = unsafe tracer.route(message, tracing, place)
        unsafe config.decorator = unsafe tracer.decorator(message)
        if !message.statPrefix.isEmpty {
            let prefix = StatPrefix.route(surroundings.host.name, statPrefix: message.statPrefix)
            config.stats = part.processScope(compilation.stats, prefix, VirtualClusterStat.self).base
        }
        return config
    }

    /// How an error calls the route: Envoy's messages do not say which one is meant.
    private func describe(_ message: RouteMessage, _ index: Int) -> String {
        let name = message.name.isEmpty ? "route \(index + 1)" : "route '\(message.name)'"
        return "\(name) of virtual host '\(surroundings.host.name)'"
    }

    private func bufferLimit(_ message: RouteMessage) -> Int? {
        let host = surroundings.host
        if message.hasRequestBodyBufferLimit { return Int(clamping: message.requestBodyBufferLimit.value) }
        if message.hasPerRequestBufferLimitBytes { return Int(message.perRequestBufferLimitBytes.value) }
        if host.hasRequestBodyBufferLimit { return Int(clamping: host.requestBodyBufferLimit.value) }
        if host.hasPerRequestBufferLimitBytes { return Int(host.perRequestBufferLimitBytes.value) }
        return nil
    }

    private func directResponse(
        _ message: Envoy_Config_Route_V3_DirectResponseAction, _ place: Place, _ config: inout RouteConfig
    ) {
        config.directStatus = UInt16(truncatingIfNeeded: message.status)
        if message.hasBodyFormat,
            let body = LocalReplyCompiler(compilation: compilation, part: part)
                .body(message.bodyFormat, place.at("body_format"))
        {
            unsafe config.directFormat = unsafe arena.store(body)
        }
        guard message.hasBody,
            let body = DataSources.read(message.body, place.at("body"), part, diagnostics)
        else { return }
        let limit = surroundings.table.hasMaxDirectResponseBodySizeBytes
            ? Int(surroundings.table.maxDirectResponseBodySizeBytes.value) : 4096
        if body.count > limit {
            diagnostics.error(
                place.at("body"), "response body size is \(body.count) bytes; maximum is \(limit)",
                suggestion: "raise max_direct_response_body_size_bytes of the route configuration")
        }
        config.directBody = arena.text(body)
    }

    // MARK: typed_per_filter_config

    /// Every level that names a filter, the most specific first.
    private func filterConfigs(_ message: RouteMessage, _ place: Place) -> [RouteFilterConfig] {
        let levels: [([String: ProtobufAny], Place)] = [
            (message.typedPerFilterConfig, place), (surroundings.host.typedPerFilterConfig, surroundings.hostPlace),
            (surroundings.table.typedPerFilterConfig, surroundings.tablePlace),
        ]
        return oldPolicies(message, place, levels.flatMap { configs, place in filterConfigs(configs, place) })
    }

    /// The `cors` of routes and virtual hosts, where nothing newer is said of the filter.
    private func oldPolicies(_ message: RouteMessage, _ place: Place, _ configs: [RouteFilterConfig]) -> [RouteFilterConfig] {
        guard let at = filters.factories.firstIndex(where: { $0.registration.name == "envoy.filters.http.cors" }),
            !configs.contains(where: { $0.filter == at && $0.config != RouteFilterConfig.none })
        else { return configs }
        let (host, filter) = (surroundings.host, filters.factories[at])
        let policies: [(OldCorsPolicy, Place)?] = [
            message.route.hasCors ? (message.route.cors, place.at("route").at("cors")) : nil,
            host.hasCors ? (host.cors, surroundings.hostPlace.at("cors")) : nil,
        ]
        return configs + policies.compactMap { entry in
            guard let (policy, place) = entry, let any = try? ProtobufAny(message: policy.renewed) else { return nil }
            return routeConfig(filter.registration, any, UInt16(at), filter.name, place)
        }
    }

    func filterConfigs(_ configs: [String: ProtobufAny], _ place: Place) -> [RouteFilterConfig] {
        configs.sorted { $0.key < $1.key }.compactMap { name, any in
            filterConfig(ExtensionNames.canonical(name), any, place.at("typed_per_filter_config", key: name))
        }
    }

    private func filterConfig(_ name: String, _ any: ProtobufAny, _ place: Place) -> RouteFilterConfig? {
        var any = any
        var isOptional = false
        let at = position(of: name)
        if any.messageName == Envoy_Config_Route_V3_FilterConfig.protoMessageName {
            let wrapper = (try? Envoy_Config_Route_V3_FilterConfig(serializedBytes: any.value)) ?? .init()
            if !wrapper.disabled, filters.disabledAndMissing.contains(name) {
                diagnostics.error(
                    place, "the filter '\(name)' cannot be enabled: Martlet does not support it yet", expected: "disabled: true")
                return nil
            }
            if wrapper.disabled || !wrapper.hasConfig {
                // As in Envoy: what is said of a filter that this chain does not have is not an error.
                return at.map { RouteFilterConfig(filter: $0, config: RouteFilterConfig.none, isDisabled: wrapper.disabled) }
            }
            isOptional = wrapper.isOptional
            any = wrapper.config
        }
        guard let filter = compilation.environment.filters.routeFilter(type: any.messageName) else {
            let message = "Didn't find a registered implementation for '\(name)' with type URL: '\(any.messageName)'"
            if isOptional { diagnostics.warning(place, message) } else { diagnostics.error(place, message) }
            return nil
        }
        guard filter.routeMessage != nil else {
            let message = "The filter \(name) doesn't support virtual host or route specific configurations"
            if isOptional {
                diagnostics.warning(place, message + ", and it is optional, so ignore it.")
            } else {
                diagnostics.error(place, message)
            }
            return nil
        }
        guard let at else { return nil }
        return routeConfig(filter, any, at, name, place)
    }

    private func routeConfig(
        _ filter: FilterExtension, _ any: ProtobufAny, _ at: UInt16, _ name: String, _ place: Place
    ) -> RouteFilterConfig? {
        guard filters.factories[Int(at)].registration.name == filter.name else {
            diagnostics.error(
                place, "the filter '\(name)' is not a \(filter.name)",
                found: "a configuration of \(filter.name)", expected: "one of \(filters.factories[Int(at)].registration.name)")
            return nil
        }
        do throws(FilterProblems) {
            let compiler = HTTPFilterChainCompiler(
                compilation: compilation, part: part, statPrefix: filters.statPrefix)
            let number = try filter.addRoute(
                filters.factories[Int(at)].factory, compiler.input(any.bytes, name, place))
            return RouteFilterConfig(filter: at, config: number, isDisabled: false)
        } catch {
            diagnostics.error(place, error)
            return nil
        }
    }

    private func position(of name: String) -> UInt16? {
        filters.factories.firstIndex { ExtensionNames.canonical($0.name) == name }.map { UInt16($0) }
    }
}

private typealias OldCorsPolicy = Envoy_Config_Route_V3_CorsPolicy

extension OldCorsPolicy {
    /// The same as the filter's own message.
    fileprivate var renewed: Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy {
        var policy = Envoy_Extensions_Filters_Http_Cors_V3_CorsPolicy()
        policy.allowOriginStringMatch = allowOriginStringMatch
        policy.allowMethods = allowMethods
        policy.allowHeaders = allowHeaders
        policy.exposeHeaders = exposeHeaders
        policy.maxAge = maxAge
        if hasAllowCredentials { policy.allowCredentials = allowCredentials }
        if case .filterEnabled(let fraction)? = enabledSpecifier { policy.filterEnabled = fraction }
        if hasShadowEnabled { policy.shadowEnabled = shadowEnabled }
        if hasAllowPrivateNetworkAccess { policy.allowPrivateNetworkAccess = allowPrivateNetworkAccess }
        if hasForwardNotMatchingPreflights { policy.forwardNotMatchingPreflights = forwardNotMatchingPreflights }
        return policy
    }
}
