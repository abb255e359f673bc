// How a cluster's names are resolved: the cluster's own fields, or those of `envoy.cluster.dns`.

import EnvoyAPI

enum DNSFamily { case auto, v4Only, v6Only, v4Preferred, all }

struct DNSOptions {
    var family = DNSFamily.auto
    var refreshMs: UInt64 = 5000
    var jitterMs: UInt64 = 256
    var respectTTL = false
    /// First and longest pause after a failure; nil: `refreshMs`.
    var failureBaseMs: UInt64?
    var failureMaxMs: UInt64?
    var waitsForWarm = true
}

struct DNSOptionsCompiler {
    let diagnostics: Diagnostics

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
        diagnostics.unsupported(
            place, "envoy.config.cluster.v3.Cluster", ["use_tcp_for_dns_lookups": message.useTcpForDnsLookups])
        resolver(message.typedDnsResolverConfig, message.hasTypedDnsResolverConfig, place)
        return diagnostics.errors.count == refused ? options : nil
    }

    func options(_ message: Envoy_Extensions_Clusters_Dns_V3_DnsCluster, _ place: Place) -> DNSOptions? {
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
        let refused = diagnostics.errors.count
        resolver(message.typedDnsResolverConfig, message.hasTypedDnsResolverConfig, place)
        return diagnostics.errors.count == refused ? options : nil
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

    private func resolver(_ config: Envoy_Config_Core_V3_TypedExtensionConfig, _ has: Bool, _ place: Place) {
        guard has else { return }
        let type = config.typedConfig.messageName
        guard type == Envoy_Extensions_Network_DnsResolver_Cares_V3_CaresDnsResolverConfig.protoMessageName,
            (try? Envoy_Extensions_Network_DnsResolver_Cares_V3_CaresDnsResolverConfig(
                serializedBytes: config.typedConfig.value)) == .init()
        else {
            diagnostics.error(
                place.at("typed_dns_resolver_config"),
                "this DNS resolver is not supported by Martlet yet", found: type,
                expected: "the c-ares resolver without options, which reads /etc/resolv.conf")
            return
        }
    }
}
