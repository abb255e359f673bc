// How a cluster's names are resolved: the cluster's own fields, or those of `envoy.cluster.dns`.

import EnvoyAPI

enum DNSFamily { case auto, v4Only, v6Only, v4Preferred, all }

struct DNSOptions {
    var family = DNSFamily.auto
    var refreshMs: UInt64 = 5000
    var jitterMs: UInt64 = 256
    var respectTTL = false
    /// What a TTL cannot go below.
    var refreshMinMs: UInt64 = 0
    /// First and longest pause after a failure; nil: `refreshMs`.
    var failureBaseMs: UInt64?
    var failureMaxMs: UInt64?
    var waitsForWarm = true
    var resolver = DNSResolverOptions()
}

struct DNSOptionsCompiler {
    let compilation: Compilation
    private var diagnostics: Diagnostics { compilation.diagnostics }

    func options(_ message: ClusterMessage, _ place: Place) -> DNSOptions? {
        var options = DNSOptions()
        switch message.dnsLookupFamily {
        case .v4Only: options.family = .v4Only
        case .v6Only: options.family = .v6Only
        case .v4Preferred: options.family = .v4Preferred
        case .all: options.family = .all
        default: options.family = .auto
        }
        if message.hasDnsRefreshRate { options.refreshMs = message.dnsRefreshRate.milliseconds }
        if message.hasDnsJitter { options.jitterMs = message.dnsJitter.milliseconds }
        options.respectTTL = message.respectDnsTtl
        if message.hasDnsFailureRefreshRate {
            let rate = message.dnsFailureRefreshRate
            failure(rate.baseInterval, rate.hasMaxInterval ? rate.maxInterval : nil, place, &options)
        }
        if message.hasWaitForWarmOnInit { options.waitsForWarm = message.waitForWarmOnInit.value }
        let refused = diagnostics.errors.count
        options.resolver.usesTCP = message.useTcpForDnsLookups
        if message.hasTypedDnsResolverConfig {
            options.resolver = resolver(message.typedDnsResolverConfig, place)
        } else if message.hasDnsResolutionConfig {
            options.resolver = resolver(message.dnsResolutionConfig, place)
        } else if !message.dnsResolvers.isEmpty {
            options.resolver.servers = servers(message.dnsResolvers, "dns_resolvers", place)
        } else {
            processResolver(&options)
        }
        return diagnostics.errors.count == refused ? options : nil
    }

    func options(_ message: Envoy_Extensions_Clusters_Dns_V3_DnsCluster, _ place: Place) -> DNSOptions? {
        var options = DNSOptions()
        if message.hasDnsMinRefreshRate { options.refreshMinMs = message.dnsMinRefreshRate.milliseconds }
        switch message.dnsLookupFamily {
        case .v4Only: options.family = .v4Only
        case .v6Only: options.family = .v6Only
        case .v4Preferred: options.family = .v4Preferred
        case .all: options.family = .all
        default: options.family = .auto
        }
        if message.hasDnsRefreshRate { options.refreshMs = message.dnsRefreshRate.milliseconds }
        if message.hasDnsJitter { options.jitterMs = message.dnsJitter.milliseconds }
        options.respectTTL = message.respectDnsTtl
        if message.hasDnsFailureRefreshRate {
            let rate = message.dnsFailureRefreshRate
            failure(rate.baseInterval, rate.hasMaxInterval ? rate.maxInterval : nil, place, &options)
        }
        let refused = diagnostics.errors.count
        if message.hasTypedDnsResolverConfig {
            options.resolver = resolver(message.typedDnsResolverConfig, place)
        } else {
            processResolver(&options)
        }
        return diagnostics.errors.count == refused ? options : nil
    }

    /// The bootstrap's, for clusters that name none.
    private func processResolver(_ options: inout DNSOptions) {
        let bootstrap = compilation.bootstrap
        if bootstrap.hasTypedDnsResolverConfig {
            options.resolver = resolver(bootstrap.typedDnsResolverConfig, Place.root)
        } else if bootstrap.hasDnsResolutionConfig {
            options.resolver = resolver(bootstrap.dnsResolutionConfig, Place.root)
        }
    }

    /// `dns_resolution_config`: what `typed_dns_resolver_config` was before there were several resolvers.
    private func resolver(_ config: Envoy_Config_Core_V3_DnsResolutionConfig, _ place: Place) -> DNSResolverOptions {
        var options = DNSResolverOptions()
        options.usesTCP = config.dnsResolverOptions.useTcpForDnsLookups
        options.searchesDomains = !config.dnsResolverOptions.noDefaultSearchDomain
        options.servers = servers(config.resolvers, "resolvers", place.at("dns_resolution_config"))
        return options
    }

    private func servers(_ addresses: [Envoy_Config_Core_V3_Address], _ field: StaticString, _ place: Place) -> [String] {
        addresses.enumerated().compactMap { i, resolver in
            guard case .socketAddress(let socket) = resolver.address else { return nil }
            return AddressCompiler.numeric(socket, place.at(field, i).at("socket_address"), diagnostics).map { "\($0)" }
        }
    }

    private func failure(
        _ base: ProtobufDuration, _ most: ProtobufDuration?, _ place: Place, _ options: inout DNSOptions
    ) {
        let baseMs = base.milliseconds
        let mostMs = most?.milliseconds ?? baseMs * 10
        if mostMs < baseMs {
            diagnostics.error(
                place.at("dns_failure_refresh_rate"),
                "dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval")
        }
        options.failureBaseMs = baseMs
        options.failureMaxMs = mostMs
    }

    private func resolver(_ config: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: Place) -> DNSResolverOptions {
        let type = config.typedConfig.messageName
        guard type == Envoy_Extensions_Network_DnsResolver_Cares_V3_CaresDnsResolverConfig.protoMessageName,
            let message = try? Envoy_Extensions_Network_DnsResolver_Cares_V3_CaresDnsResolverConfig(
                serializedBytes: config.typedConfig.value)
        else {
            diagnostics.error(
                place.at("typed_dns_resolver_config"), "this DNS resolver is not supported by Martlet yet", found: type,
                expected: "the c-ares resolver")
            return DNSResolverOptions()
        }
        let at = place.at("typed_dns_resolver_config").at("typed_config")
        diagnostics.unsupported(
            at, "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            ["udp_max_queries": message.hasUdpMaxQueries])
        var options = DNSResolverOptions()
        options.usesTCP = message.dnsResolverOptions.useTcpForDnsLookups
        options.searchesDomains = !message.dnsResolverOptions.noDefaultSearchDomain
        if message.hasQueryTimeoutSeconds {
            options.timeoutMs = Int32(clamping: message.queryTimeoutSeconds.value.multipliedReportingOverflow(by: 1000).partialValue)
        }
        if message.hasQueryTries { options.tries = Int32(clamping: message.queryTries.value) }
        options.rotates = message.rotateNameservers
        if message.hasEdns0MaxPayloadSize { options.ednsBytes = Int32(clamping: message.edns0MaxPayloadSize.value) }
        options.filtersUnroutable = message.filterUnroutableFamilies
        if message.hasMaxUdpChannelDuration { options.channelMaxMs = message.maxUdpChannelDuration.milliseconds }
        options.reinitialisesOnTimeout = message.reinitChannelOnTimeout
        // /etc/resolv.conf always names a server, if only the one of this machine: a fallback is never needed.
        guard !message.useResolversAsFallback else { return options }
        options.servers = servers(message.resolvers, "resolvers", at)
        return options
    }
}
