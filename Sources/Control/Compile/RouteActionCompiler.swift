// `route`: where a request is forwarded to, and how.

import EnvoyAPI
import Matching
import Pipeline
import Primitives
import Routing
import Upstream

extension RouteCompiler {
    func forward(
        _ action: RouteActionMessage, _ match: RouteMatchMessage, route: String, _ place: Place,
        _ config: inout RouteConfig
    ) {
        refuseUnsupported(action, place)
        config.hashRules = HashPolicyCompiler(diagnostics: diagnostics, part: part).compile(action.hashPolicy, place)
        if action.hasMetadataMatch {
            unsafe config.metadataMatch = unsafe MetadataCriteriaCompiler(diagnostics: diagnostics, arena: arena)
                .compile(action.metadataMatch, place.at("metadata_match"))
        }
        clusters(action, route, place, &config)
        switch action.clusterNotFoundResponseCode {
        case .notFound: config.clusterNotFoundStatus = 404
        case .internalServerError: config.clusterNotFoundStatus = 500
        default: config.clusterNotFoundStatus = 503
        }
        config.rateLimits = compilation.rateLimits(part).compile(action.rateLimits, DiagnosedPlace(place, diagnostics))
        config.includesHostRateLimits = action.includeVhRateLimits.value
        config.priority = action.priority == .high ? .high : .normal
        timeouts(action, &config)
        rewrites(action, place, &config)
        PathRewritePolicyCompiler(diagnostics: diagnostics, part: part).compile(action, match, place, &config)
        config.appendForwardedHost = action.appendXForwardedHost
        upgrades(action, place, &config)
        if action.hasInternalRedirectPolicy {
            unsafe config.internalRedirect = unsafe InternalRedirectCompiler(diagnostics: diagnostics, part: part)
                .compile(action.internalRedirectPolicy, place.at("internal_redirect_policy"))
        } else if action.internalRedirectAction == .handleInternalRedirect {
            // The policy's two fields of old: what it does not say is as the policy has it.
            var policy = Envoy_Config_Route_V3_InternalRedirectPolicy()
            if action.hasMaxInternalRedirects { policy.maxInternalRedirects = action.maxInternalRedirects }
            unsafe config.internalRedirect = unsafe InternalRedirectCompiler(diagnostics: diagnostics, part: part).compile(policy, place)
        }
        mirrors(action, route, place, &config)
        let retry = action.hasRetryPolicy ? action.retryPolicy : surroundings.host.retryPolicy
        if action.hasRetryPolicy || surroundings.host.hasRetryPolicy {
            let at = action.hasRetryPolicy ? place.at("retry_policy") : surroundings.hostPlace.at("retry_policy")
            unsafe config.retry = unsafe RetryCompiler(compilation: compilation, part: part).compile(retry, at)
        }
        let hedge = action.hasHedgePolicy ? action.hedgePolicy : surroundings.host.hedgePolicy
        config.hedgesOnTimeout = hedge.hedgeOnPerTryTimeout
        if action.hasHedgePolicy { HedgePolicyCompiler.warn(action.hedgePolicy, place.at("hedge_policy"), diagnostics) }
    }

    /// The most specific level that has any.
    private func mirrors(_ action: RouteActionMessage, _ route: String, _ place: Place, _ config: inout RouteConfig) {
        let levels = [
            (action.requestMirrorPolicies, place), (surroundings.host.requestMirrorPolicies, surroundings.hostPlace),
            (surroundings.table.requestMirrorPolicies, surroundings.tablePlace),
        ]
        guard let (policies, at) = levels.first(where: { !$0.0.isEmpty }) else { return }
        config.mirrors = MirrorCompiler(compilation: compilation, part: part, validates: validatesClusters)
            .compile(policies, timeoutMs: config.timeoutMs, route: route, at)
    }

    private var validatesClusters: Bool {
        !surroundings.table.hasValidateClusters || surroundings.table.validateClusters.value
    }

    private func clusters(
        _ action: RouteActionMessage, _ route: String, _ place: Place, _ config: inout RouteConfig
    ) {
        switch action.clusterSpecifier {
        case .cluster(let name):
            config.clusterChoice = .single
            let slot = slot(name, "route: unknown cluster '\(name)'", route, place.at("cluster"))
            config.clusters = arena.array([RouteCluster(slot: slot, name: arena.text(name))])
        case .clusterHeader(let header):
            config.clusterChoice = .header
            config.clusterHeader = arena.text(header.lowercased())
        case .weightedClusters(let weighted):
            config.clusterChoice = .weighted
            weightedClusters(weighted, action, route, place.at("weighted_clusters"), &config)
        case .clusterSpecifierPlugin:
            diagnostics.unsupported(place, "envoy.config.route.v3.RouteAction", ["cluster_specifier_plugin": true])
        case .inlineClusterSpecifierPlugin:
            diagnostics.unsupported(
                place, "envoy.config.route.v3.RouteAction", ["inline_cluster_specifier_plugin": true])
        case .none: break
        }
    }

    private func weightedClusters(
        _ weighted: Envoy_Config_Route_V3_WeightedCluster, _ action: RouteActionMessage, _ route: String, _ place: Place,
        _ config: inout RouteConfig
    ) {
        var sum: UInt64 = 0
        var entries: [RouteCluster] = []
        for (i, entry) in weighted.clusters.enumerated() {
            let at = place.at("clusters", i)
            sum += UInt64(entry.weight.value)
            var cluster = RouteCluster(slot: RouteConfig.noSlot, name: arena.text(entry.name))
            if entry.hasMetadataMatch {
                unsafe cluster.metadataMatch = unsafe MetadataCriteriaCompiler(diagnostics: diagnostics, arena: arena)
                    .compile(entry.metadataMatch, over: action.hasMetadataMatch ? action.metadataMatch : nil, at.at("metadata_match"))
            }
            if entry.name.isEmpty == entry.clusterHeader.isEmpty {
                diagnostics.error(
                    at,
                    entry.name.isEmpty
                        ? "At least one of name or cluster_header need to be specified"
                        : "Only one of name or cluster_header can be specified")
            } else if !entry.name.isEmpty {
                cluster.slot = slot(
                    entry.name, "route: unknown weighted cluster '\(entry.name)'", route, at.at("name"))
            }
            cluster.header = arena.text(entry.clusterHeader.lowercased())
            cluster.cumulativeWeight = sum
            cluster.weight = UInt64(entry.weight.value)
            if !weighted.runtimeKeyPrefix.isEmpty {
                cluster.weightCell = compilation.runtime(part).cell("\(weighted.runtimeKeyPrefix).\(entry.name)")
                config.hasRuntimeWeights = true
            }
            cluster.filterConfigs = arena.array(filterConfigs(entry.typedPerFilterConfig, at))
            cluster.hostRewrite = arena.text(entry.hostRewriteLiteral)
            let mutations = HeaderMutationCompiler(compilation: compilation, part: part).compile(entry, at)
            cluster.mutations = HeaderMutationCompiler.combine([mutations], mostSpecificWins: false, arena)
            entries.append(cluster)
        }
        if sum == 0 {
            diagnostics.error(
                place, "Sum of weights in the weighted_cluster must be greater than 0.",
                suggestion: "give at least one cluster a weight")
        } else if sum > UInt64(UInt32.max) {
            diagnostics.error(
                place, "The sum of weights of all weighted clusters of \(route) exceeds \(UInt32.max)")
        }
        switch weighted.randomValueSpecifier {
        case .headerName(let header): config.clusterHeader = arena.text(header.lowercased())
        case .useHashPolicy(let use): config.weighsByHash = use.value
        case .none: break
        }
        config.clusters = arena.array(entries)
    }

    /// The slot of a cluster. Without `validate_clusters` a name may come to life later: the slot is reserved for it.
    private func slot(_ name: String, _ message: String, _ route: String, _ place: Place) -> UInt32 {
        if validatesClusters, !compilation.clusterNames.contains(name) {
            diagnostics.error(
                place, "\(message) in \(route)", expected: "the name of a cluster",
                suggestion: nearestName(name, compilation.clusterNames))
            return RouteConfig.noSlot
        }
        return part.slot(compilation.environment.clusterSlots, name)
    }

    private func timeouts(_ action: RouteActionMessage, _ config: inout RouteConfig) {
        if action.hasTimeout { config.timeoutMs = action.timeout.milliseconds }
        if action.hasIdleTimeout { config.idleTimeoutMs = action.idleTimeout.milliseconds }
        if action.hasFlushTimeout { config.flushTimeoutMs = action.flushTimeout.milliseconds }
        if action.hasMaxGrpcTimeout { config.grpcTimeoutMaxMs = action.maxGrpcTimeout.milliseconds }
        if action.hasGrpcTimeoutOffset { config.grpcTimeoutOffsetMs = action.grpcTimeoutOffset.milliseconds }
        guard action.hasMaxStreamDuration else { return }
        config.usesStreamDuration = true
        let duration = action.maxStreamDuration
        if duration.hasMaxStreamDuration { config.streamDurationMaxMs = duration.maxStreamDuration.milliseconds }
        if duration.hasGrpcTimeoutHeaderMax { config.grpcDurationMaxMs = duration.grpcTimeoutHeaderMax.milliseconds }
        if duration.hasGrpcTimeoutHeaderOffset {
            config.grpcDurationOffsetMs = duration.grpcTimeoutHeaderOffset.milliseconds
        }
    }

    private func rewrites(_ action: RouteActionMessage, _ place: Place, _ config: inout RouteConfig) {
        let regexes = RegexRewriteCompiler(diagnostics: diagnostics, part: part)
        if !action.prefixRewrite.isEmpty { config.prefixRewrite = arena.text(action.prefixRewrite) }
        if action.hasRegexRewrite {
            unsafe config.regexRewrite = unsafe regexes.compile(action.regexRewrite, place.at("regex_rewrite"))
            if !action.prefixRewrite.isEmpty {
                diagnostics.error(place.at("regex_rewrite"), PathRewritePolicyCompiler.onlyOne)
            }
        }
        if !action.pathRewrite.isEmpty {
            let at = place.at("path_rewrite")
            if !action.prefixRewrite.isEmpty || action.hasRegexRewrite { diagnostics.error(at, PathRewritePolicyCompiler.onlyOne) }
            unsafe config.pathFormat = unsafe Formats.store(action.pathRewrite, at, part, diagnostics)
        }
        switch action.hostRewriteSpecifier {
        case .hostRewriteLiteral(let host):
            config.hostRewrite = .literal
            config.hostRewriteText = arena.text(host)
        case .autoHostRewrite(let auto): if auto.value { config.hostRewrite = .auto }
        case .hostRewriteHeader(let header):
            config.hostRewrite = .header
            config.hostRewriteText = arena.text(header.lowercased())
        case .hostRewritePathRegex(let regex):
            config.hostRewrite = .pathRegex
            unsafe config.hostRewriteRegex = unsafe regexes.compile(regex, place.at("host_rewrite_path_regex"))
        case .hostRewrite(let format):
            guard !format.isEmpty else { break }
            config.hostRewrite = .format
            unsafe config.hostFormat = unsafe Formats.store(format, place.at("host_rewrite"), part, diagnostics)
        case .none: break
        }
    }

    private func upgrades(_ action: RouteActionMessage, _ place: Place, _ config: inout RouteConfig) {
        var on: [Bytes] = []
        var off: [Bytes] = []
        var seen: Set<String> = []
        for (i, upgrade) in action.upgradeConfigs.enumerated() {
            let type = upgrade.upgradeType.lowercased()
            if !seen.insert(type).inserted {
                diagnostics.error(
                    place.at("upgrade_configs", i).at("upgrade_type"), "Duplicate upgrade \(upgrade.upgradeType)",
                    expected: "each type once; their case does not matter")
            }
            let name = arena.text(type)
            let isOn = !upgrade.hasEnabled || upgrade.enabled.value
            if upgrade.hasConnectConfig {
                let at = place.at("upgrade_configs", i).at("connect_config")
                if type != "connect" {
                    diagnostics.error(at, "Non-CONNECT upgrade type \(upgrade.upgradeType) has ConnectConfig")
                }
                config.terminatesConnect = isOn
                config.terminatesPost = upgrade.connectConfig.allowPost
                config.connectHeader = connectHeader(upgrade.connectConfig, at)
            }
            if isOn { on.append(name) } else { off.append(name) }
        }
        config.upgradesOn = arena.array(on)
        config.upgradesOff = arena.array(off)
    }

    private func connectHeader(
        _ connect: RouteActionMessage.UpgradeConfig.ConnectConfig, _ place: Place
    ) -> ConnectHeader {
        guard connect.hasProxyProtocolConfig else { return .none }
        let proxy = connect.proxyProtocolConfig
        if proxy.hasPassThroughTlvs || !proxy.addedTlvs.isEmpty {
            diagnostics.warning(place.at("proxy_protocol_config"), "the header of a tunnel has no TLVs: those that are configured are left out")
        }
        return proxy.version == .v1 ? .version1 : .version2
    }

    /// Requests go ahead as early data over HTTP/3 alone, which upstreams do not speak here: the policy that there is has
    /// nothing to decide.
    private func earlyData(_ action: RouteActionMessage, _ place: Place) {
        guard action.hasEarlyDataPolicy else { return }
        let policy = action.earlyDataPolicy
        guard policy.typedConfig.messageName == "envoy.extensions.early_data.v3.DefaultEarlyDataPolicy" else {
            diagnostics.error(
                place.at("early_data_policy"),
                "Didn't find a registered implementation for '\(policy.name)' with type URL: '\(policy.typedConfig.messageName)'",
                expected: "envoy.extensions.early_data.v3.DefaultEarlyDataPolicy")
            return
        }
    }

    private func refuseUnsupported(_ action: RouteActionMessage, _ place: Place) {
        earlyData(action, place)
        diagnostics.unsupported(
            place, "envoy.config.route.v3.RouteAction",
            [
                "retry_policy_typed_config": action.hasRetryPolicyTypedConfig,
            ])
    }
}
