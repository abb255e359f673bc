// `http_connection_manager`: its options, its HTTP filters and its route table.

import EnvoyAPI
import Pipeline
import Primitives
import Stats
import Wire

private typealias UUIDExtension = Envoy_Extensions_RequestId_Uuid_V3_UuidRequestIdConfig

struct ConnectionManagerCompiler {
    let compilation: Compilation
    let part: PlanPart
    let statName: String
    let bufferLimit: Int
    /// `traffic_direction` of the listener is OUTBOUND.
    let isEgress: Bool
    let metadata: ChainMetadata
    private var diagnostics: Diagnostics { compilation.diagnostics }
    private var arena: FrozenArena { part.arena }

    func compile(_ message: ConnectionManager, _ place: Place) -> UnsafePointer<HTTPConfig>? {
        refuseUnsupported(message, place)
        let marks = arena.marks
        let routeMarks = arena.routeMarks
        let filters = HTTPFilterChainCompiler(compilation: compilation, part: part, statPrefix: message.statPrefix)
            .compile(message.httpFilters, place)
        let routes = unsafe RouteTableCompiler(compilation: compilation, part: part, filters: filters, tracing: message.hasTracing ? message.tracing : nil)
            .compile(message.routeConfig, place.at("route_config"))
        guard let routes = unsafe routes else { return nil }
        var config = unsafe HTTPConfig(routes: routes)
        config.metadata = metadata
        config.bufferLimit = bufferLimit
        scopes(message, &config)
        decoder(message, place, &config)
        identity(message, place, &config)
        addresses(message, place, &config)
        paths(message, &config)
        timeouts(message, &config)
        config.upgrades = arena.array(upgrades(message, place))
        config.suppressEnvoyHeaders = filters.router.suppressEnvoyHeaders
        config.strictHeaders = StrictHeaders(names: filters.router.strictCheckHeaders)
        config.suppressesGRPCCodes = filters.router.suppressGrpcRequestFailureCodeStats
        config.respectExpectedTimeout = filters.router.respectExpectedRqTimeout
        if !filters.factories.isEmpty {
            let spec = FilterChainSpec(factories: filters.factories.map(\.factory))
            part.own(spec)
            unsafe config.filterChainSpec = unsafe UnsafeRawPointer(Unmanaged.passUnretained(spec).toOpaque())
            let (number, serial) = PlaceNumbers.filterChains.acquire()
            config.filterChain = number
            config.filterChainSerial = serial
            part.onDestroy { PlaceNumbers.filterChains.release(number) }
        }
        config.accessLogs = AccessLogCompiler(compilation: compilation, part: part)
            .compile(message.accessLog, place)
        config.logTimes = logTimes(message, place)
        if !filters.router.upstreamLog.isEmpty {
            config.upstreamLogs = AccessLogCompiler(compilation: compilation, part: part)
                .compile(filters.router.upstreamLog, filters.routerPlace, field: "upstream_log")
            let options = filters.router.upstreamLogOptions
            config.upstreamLogTimes.atStart = options.flushUpstreamLogOnUpstreamStream
            if options.hasUpstreamLogFlushInterval { config.upstreamLogTimes.intervalMs = max(1, options.upstreamLogFlushInterval.milliseconds) }
        }
        unsafe config.localReply = unsafe LocalReplyCompiler(compilation: compilation, part: part)
            .compile(message.localReplyConfig, place.at("local_reply_config"))
        unsafe config.tracing = unsafe tracing(message, place)
        unsafe config.proxyStatus = unsafe proxyStatus(message, config.serverName)
        config.metersWire = arena.marks != marks
        config.timesRoutes = arena.routeMarks != routeMarks
        return unsafe arena.store(config)
    }

    /// `access_log_options`, and the fields of old that say the same.
    private func logTimes(_ message: ConnectionManager, _ place: Place) -> AccessLogTimes {
        var times = AccessLogTimes()
        let options = message.accessLogOptions
        if message.hasAccessLogOptions, message.hasAccessLogFlushInterval || message.flushAccessLogOnNewRequest {
            diagnostics.error(
                place.at("access_log_options"),
                message.flushAccessLogOnNewRequest
                    ? "Only one of flush_access_log_on_new_request or access_log_options can be specified."
                    : "Only one of access_log_flush_interval or access_log_options can be specified.")
        }
        if options.hasAccessLogFlushInterval { times.intervalMs = max(1, options.accessLogFlushInterval.milliseconds) }
        if message.hasAccessLogFlushInterval { times.intervalMs = max(1, message.accessLogFlushInterval.milliseconds) }
        times.atStart = options.flushAccessLogOnNewRequest || message.flushAccessLogOnNewRequest
        times.atTunnel = options.flushLogOnTunnelSuccessfullyEstablished
        // Without a log there is nothing to write.
        return message.accessLog.isEmpty ? AccessLogTimes() : times
    }

    private func tracing(_ message: ConnectionManager, _ place: Place) -> UnsafePointer<TracingConfig>? {
        let uuid = try? UUIDExtension(serializedBytes: message.requestIDExtension.typedConfig.value)
        let byID = uuid.map { $0.hasUseRequestIDForTraceSampling ? $0.useRequestIDForTraceSampling.value : true } ?? true
        return unsafe TracingCompiler(compilation: compilation, part: part)
            .compile(message, isEgress: isEgress, samplesByRequestID: byID, place)
    }

    private func scopes(_ message: ConnectionManager, _ config: inout HTTPConfig) {
        let stats = compilation.stats
        let prefix = StatPrefix.http(message.statPrefix)
        config.stats = part.scope(stats, prefix, HTTPConnectionManagerStat.self).base
        config.routerStats = part.scope(stats, prefix, RouterStat.self).base
        config.codecStats = part.scope(stats, "http1.", HTTP1CodecStat.self).base
        config.http2Stats = part.scope(stats, "http2.", HTTP2CodecStat.self).base
        config.listenerStats =
            part.scope(
                stats, StatPrefix.listenerHTTP(statName, statPrefix: message.statPrefix), ListenerHTTPStat.self
            ).base
        _ = part.scope(stats, prefix + "tracing.", HTTPTracingStat.self)
    }

    private func decoder(_ message: ConnectionManager, _ place: Place, _ config: inout HTTPConfig) {
        let common = message.commonHTTPProtocolOptions
        let http1 = message.httpProtocolOptions
        var options = H1Options()
        let kilobytes = message.hasMaxRequestHeadersKb ? message.maxRequestHeadersKb.value : 60
        options.maxHeadBytes = kilobytes << 10
        options.maxStartLineBytes = kilobytes << 10
        options.maxTrailerBytes = kilobytes << 10
        if common.hasMaxHeadersCount { options.maxHeaders = UInt16(clamping: common.maxHeadersCount.value) }
        switch common.headersWithUnderscoresAction {
        case .rejectRequest: options.underscores = .rejectRequest
        case .dropHeader: options.underscores = .dropHeader
        default: options.underscores = .allow
        }
        options.acceptHTTP10 = http1.acceptHTTP10
        options.allowCustomMethods = http1.allowCustomMethods
        options.allowAbsoluteURL = http1.hasAllowAbsoluteURL ? http1.allowAbsoluteURL.value : true
        options.refusesHTTPS = message.useRemoteAddress.value && message.xffNumTrustedHops == 0
        options.enableTrailers = http1.enableTrailers
        options.allowChunkedLength = http1.allowChunkedLength
        config.decoder = options
        switch message.codecType {
        case .http1: config.codec = .http1
        case .http2: config.codec = .http2
        default: config.codec = .auto
        }
        var http2 = HTTP2OptionsCompiler(diagnostics: diagnostics, runtime: compilation.runtime(part)).compile(
            message.http2ProtocolOptions, place.at("http2_protocol_options"), arena, headKilobytes: kilobytes, headField: "max_request_headers_kb")
        if !message.http2ProtocolOptions.hasOverrideStreamErrorOnInvalidHTTPMessage {
            http2.keepsOpenOnInvalidMessage =
                message.http2ProtocolOptions.streamErrorOnInvalidHTTPMessaging || message.streamErrorOnInvalidHTTPMessage.value
        }
        http2.headBytesMax = options.maxHeadBytes
        http2.headersMax = options.maxHeaders
        http2.underscores = options.underscores
        config.http2 = http2
        if case .properCaseWords = http1.headerKeyFormat.headerFormat { config.properCaseHeaders = true }
        config.defaultHost10 = arena.text(http1.defaultHostForHTTP10)
        config.proxy100Continue = message.proxy100Continue
        config.keepsOpenOnBadRequest =
            http1.hasOverrideStreamErrorOnInvalidHTTPMessage
            ? http1.overrideStreamErrorOnInvalidHTTPMessage.value : message.streamErrorOnInvalidHTTPMessage.value
    }

    private func identity(_ message: ConnectionManager, _ place: Place, _ config: inout HTTPConfig) {
        if !message.serverName.isEmpty { config.serverName = arena.text(message.serverName) }
        switch message.serverHeaderTransformation {
        case .appendIfAbsent: config.serverAction = .appendIfAbsent
        case .passThrough: config.serverAction = .passThrough
        default: config.serverAction = .overwrite
        }
        config.via = arena.text(message.via)
        clientCertificate(message, place, &config)
        config.addUserAgent = message.addUserAgent.value
        config.serviceCluster = arena.text(compilation.bootstrap.node.cluster)
        config.serviceNode = arena.text(compilation.bootstrap.node.id)
        config.generateRequestID = message.hasGenerateRequestID ? message.generateRequestID.value : true
        config.preserveExternalRequestID = message.preserveExternalRequestID
        config.requestIDInResponse = message.alwaysSetRequestIDInResponse
        if message.hasRequestIDExtension,
            let uuid = try? UUIDExtension(
                serializedBytes: message.requestIDExtension.typedConfig.value), uuid.hasPackTraceReason
        {
            config.packTraceReason = uuid.packTraceReason.value
        }
        config.schemeOverwrite = arena.text(message.schemeHeaderTransformation.schemeToOverwrite)
    }

    private func proxyStatus(
        _ message: ConnectionManager, _ serverName: Bytes
    ) -> UnsafePointer<ProxyStatusConfig>? {
        guard message.hasProxyStatusConfig else { return nil }
        let options = message.proxyStatusConfig
        let name =
            switch options.proxyName {
            case .literalProxyName(let name): arena.text(name)
            case .useNodeID: arena.text(compilation.bootstrap.node.id)
            case .none: serverName
            }
        var config = ProxyStatusConfig(name: name)
        config.hasDetails = !options.removeDetails
        config.hasFlags = !options.removeResponseFlags
        config.setsStatus = options.setRecommendedResponseCode
        return unsafe arena.store(config)
    }

    private func addresses(_ message: ConnectionManager, _ place: Place, _ config: inout HTTPConfig) {
        config.useRemoteAddress = message.useRemoteAddress.value
        config.trustedHops = message.xffNumTrustedHops
        config.nodeAddress = NodeAddress.ipv4
        config.skipXffAppend = message.skipXffAppend
        config.appendForwardedPort = message.appendXForwardedPort
        config.originDetections = OriginDetectionCompiler(diagnostics: diagnostics, arena: arena).compile(message, place)
        if message.hasAddProxyProtocolConnectionState { config.addsProxyState = message.addProxyProtocolConnectionState.value }
        guard message.hasInternalAddressConfig else { return }
        config.hasInternalRanges = true
        config.unixIsInternal = message.internalAddressConfig.unixSockets
        let at = place.at("internal_address_config")
        var ranges: [AddressRange] = []
        for (i, range) in message.internalAddressConfig.cidrRanges.enumerated() {
            if let (address, bits) = AddressCompiler.range(range, at.at("cidr_ranges", i), diagnostics) {
                ranges.append(AddressRange(address: address, prefixBits: bits))
            }
        }
        // Without ranges of its own it means Envoy's: private addresses and this machine.
        if message.internalAddressConfig.cidrRanges.isEmpty {
            for (address, bits): (String, UInt8) in [
                ("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16), ("127.0.0.1", 32), ("fd00::", 8), ("::1", 128),
            ] {
                let text = Array(address.utf8)
                if let parsed = text.withBytes({ SocketAddress(numeric: $0) }) {
                    ranges.append(AddressRange(address: parsed, prefixBits: bits))
                }
            }
        }
        config.internalRanges = arena.array(ranges)
    }

    private func paths(_ message: ConnectionManager, _ config: inout HTTPConfig) {
        config.normalizePath = message.normalizePath.value
        config.mergeSlashes = message.mergeSlashes
        switch message.pathWithEscapedSlashesAction {
        case .rejectRequest: config.escapedSlashes = .reject
        case .unescapeAndRedirect: config.escapedSlashes = .unescapeAndRedirect
        case .unescapeAndForward: config.escapedSlashes = .unescapeAndForward
        default: config.escapedSlashes = .keep
        }
        if message.stripMatchingHostPort { config.stripPort = .matching }
        if message.stripAnyHostPort { config.stripPort = .any }
        config.stripTrailingHostDot = message.stripTrailingHostDot
    }

    private func timeouts(_ message: ConnectionManager, _ config: inout HTTPConfig) {
        let common = message.commonHTTPProtocolOptions
        func set(_ field: WritableKeyPath<HTTPConfig, UInt64>, _ has: Bool, _ value: ProtobufDuration) {
            if has { config[keyPath: field] = value.milliseconds }
        }
        set(\.idleTimeoutMs, common.hasIdleTimeout, common.idleTimeout)
        set(\.connectionDurationMaxMs, common.hasMaxConnectionDuration, common.maxConnectionDuration)
        set(\.streamDurationMaxMs, common.hasMaxStreamDuration, common.maxStreamDuration)
        set(\.streamIdleTimeoutMs, message.hasStreamIdleTimeout, message.streamIdleTimeout)
        config.streamFlushTimeoutMs = config.streamIdleTimeoutMs
        set(\.streamFlushTimeoutMs, message.hasStreamFlushTimeout, message.streamFlushTimeout)
        set(\.requestTimeoutMs, message.hasRequestTimeout, message.requestTimeout)
        set(\.requestHeadersTimeoutMs, message.hasRequestHeadersTimeout, message.requestHeadersTimeout)
        set(\.drainTimeoutMs, message.hasDrainTimeout, message.drainTimeout)
        config.connectionDurationJitterMs = common.maxConnectionDurationJitter.part(of: config.connectionDurationMaxMs)
        config.drainTimeoutJitterMs = message.drainTimeoutJitter.part(of: config.drainTimeoutMs)
        set(\.delayedCloseTimeoutMs, message.hasDelayedCloseTimeout, message.delayedCloseTimeout)
        if common.hasMaxRequestsPerConnection {
            config.requestsPerConnectionMax = UInt64(common.maxRequestsPerConnection.value)
        }
    }

    private func upgrades(_ message: ConnectionManager, _ place: Place) -> [Bytes] {
        var names: [Bytes] = []
        var seen: Set<String> = []
        for (i, upgrade) in message.upgradeConfigs.enumerated() {
            if !seen.insert(upgrade.upgradeType.lowercased()).inserted {
                diagnostics.error(
                    place.at("upgrade_configs", i).at("upgrade_type"),
                    "Error: multiple upgrade configs with the same name: '\(upgrade.upgradeType)'",
                    expected: "each type once; their case does not matter")
            }
            if !upgrade.filters.isEmpty {
                diagnostics.unsupported(
                    place.at("upgrade_configs", i),
                    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig",
                    ["filters": true])
            }
            if upgrade.hasEnabled, !upgrade.enabled.value { continue }
            names.append(arena.text(upgrade.upgradeType.lowercased()))
        }
        return names
    }
}

extension Envoy_Type_V3_Percent {
    /// Nothing where it is not there.
    func part(of ms: UInt64) -> UInt64 { UInt64(max(0, Double(ms) * min(value, 100) / 100)) }
}
