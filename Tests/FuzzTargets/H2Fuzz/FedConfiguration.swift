// What the worker of `FedWorker` serves: listeners that differ in what changes how HTTP/2 is read, in front of the same
// routes, and hosts that nobody listens for.

import Pipeline
import Primitives
import Routing
import Stats
import StatsStore
import Transport
import Upstream
import Wire

struct FedVariant: OptionSet {
    let rawValue: UInt8
    /// The first bytes of a connection say what it speaks.
    static let auto = FedVariant(rawValue: 1)
    static let http2Upstream = FedVariant(rawValue: 2)
    static let keepsOpen = FedVariant(rawValue: 4)
    /// Windows, queues, heads and streams as small as they may be.
    static let small = FedVariant(rawValue: 8)
    /// METADATA, extended CONNECT, tunnels, retries, trailers of HTTP/1, and time-outs of seconds.
    static let wide = FedVariant(rawValue: 16)
    static let count = 32
}

@safe
final class FedConfiguration {
    enum Phase: Int { case serving, draining, over }

    let stats = StatRegistry(workers: 1)
    let http: StatScope<HTTPConnectionManagerStat>
    let cluster: StatScope<ClusterStat>
    let server: StatScope<HTTP2CodecStat>
    let client: StatScope<HTTP2CodecStat>
    private let arena = FrozenArena()
    private let phases: [FrozenArray<DrainingPart>]
    /// Two, published in turn: a worker reads the newest one only.
    private let plans = UnsafeMutablePointer<Plan>.allocate(capacity: 2)
    private var version: UInt64 = 0

    init() throws {
        http = stats.scope("http.fed.")
        cluster = stats.scope("cluster.up.")
        server = stats.scope("http2.")
        client = stats.scope("cluster.up.http2.")
        var parts: [DrainingPart] = []
        for part in 0..<FedVariant.count {
            parts.append(
                DrainingPart(part: PartID(part) + 8, startMs: 0, endMs: 0, isGradual: false, isOver: false))
        }
        let over = parts.map {
            DrainingPart(part: $0.part, startMs: 0, endMs: 0, isGradual: false, isOver: true)
        }
        phases = [FrozenArray(), arena.array(parts), arena.array(over)]
        var plan = Plan()
        let codec = stats.scope("http1.", HTTP1CodecStat.self).base
        plan.listeners = arena.array(try listeners(codec))
        plan.clusters = arena.array(clusters())
        plan.clusterPresent = arena.array([Bool](repeating: true, count: 4))
        plan.clusterNames = arena.array([ClusterName(name: arena.text("up"), slot: 0)])
        unsafe plans.initialize(repeating: plan, count: 2)
    }

    /// The next plan, which differs in nothing but who has to go.
    func publish(_ phase: Phase, to mailbox: Mailbox) {
        version += 1
        let plan = unsafe plans + Int(version & 1)
        unsafe plan.pointee.version = version
        unsafe plan.pointee.draining = phases[phase.rawValue]
        unsafe mailbox.publish(plan)
    }

    private func options(_ variant: FedVariant) -> H2Options {
        var options = H2Options()
        options.keepsOpenOnInvalidMessage = variant.contains(.keepsOpen)
        options.allowConnect = variant.contains(.wide)
        options.allowMetadata = variant.contains(.wide)
        if variant.contains(.small) {
            options.hpackTableSize = 64
            options.concurrentStreamsMax = 2
            options.streamWindow = 65_535
            options.connectionWindow = 65_535
            options.outboundControlFramesMax = 8
            options.headBytesMax = 2_048
            options.headersMax = 12
            options.metadataMax = 1_024
            options.underscores = variant.contains(.auto) ? .rejectRequest : .dropHeader
        }
        if variant.contains(.wide) {
            options.pingIntervalMs = 3_000
            options.pingTimeoutMs = 1_000
            options.pingIdleMs = 2_000
        }
        return options
    }

    // MARK: Clusters

    private func clusters() -> [ClusterSlot] {
        var slots: [ClusterSlot] = []
        for slot in 0..<4 {
            var variant: FedVariant = slot & 1 != 0 ? .http2Upstream : []
            if slot & 2 != 0 { variant.insert(.small) }
            var config = ClusterConfig()
            config.slot = UInt32(slot)
            config.part = UInt32(slot)
            config.name = arena.text("up")
            config.stats = cluster.base
            config.http2Stats = client.base
            config.enableTrailers = true
            config.upstreamProtocol = variant.contains(.http2Upstream) ? .http2 : .http1
            config.http2 = options(variant.contains(.small) ? [.small, .wide] : [])
            config.http2.allowMetadata = true
            if variant.contains(.small) {
                config.bufferLimit = 1_024
                config.requestsPerConnectionMax = 3
                config.headersMax = 12
            }
            var host = HostConfig()
            host.address = SocketAddress(unixPath: "/nonexistent/upstream") ?? SocketAddress()
            host.stats = stats.scope("cluster.up.host\(slot).", HostStat.self).base
            let hosts = HostSet.build([host], version: 1, in: arena)
            unsafe slots.append(ClusterSlot(part: PartID(slot), config: arena.store(config), hosts: arena.store(hosts)))
        }
        return slots
    }

    // MARK: Listeners

    private func listeners(_ codec: UInt32) throws -> [ListenerSlot] {
        let listener = stats.scope("listener.fed.", ListenerStat.self).base
        let worker = stats.scope("listener.fed.worker_0.", ListenerWorkerStat.self).base
        let router = stats.scope("http.fed.", RouterStat.self).base
        let listenerHTTP = stats.scope("listener.fed.http.fed.", ListenerHTTPStat.self).base
        var slots: [ListenerSlot] = []
        for raw in 0..<FedVariant.count {
            let variant = FedVariant(rawValue: UInt8(raw))
            var config = unsafe HTTPConfig(routes: arena.store(try routes(variant)))
            config.stats = http.base
            config.routerStats = router
            config.codecStats = codec
            config.listenerStats = listenerHTTP
            config.http2Stats = server.base
            config.codec = variant.contains(.auto) ? .auto : .http2
            config.http2 = options(variant)
            if variant.contains(.small) {
                config.bufferLimit = 1_024
                config.requestsPerConnectionMax = 5
            }
            if variant.contains(.wide) {
                config.upgrades = arena.array([arena.text("websocket"), arena.text("connect")])
                config.streamIdleTimeoutMs = 2_000
                config.requestHeadersTimeoutMs = 1_000
                config.connectionDurationMaxMs = 60_000
                config.normalizePath = true
                config.useRemoteAddress = true
                config.proxy100Continue = true
            }
            var part = ListenerConfig()
            part.part = PartID(raw) + 8
            part.slot = UInt32(raw)
            part.stats = listener
            part.workerStats = arena.array([worker])
            part.chain = unsafe .http(arena.store(config))
            var place = ListenAddress()
            place.sockets = arena.array([FedConfiguration.socket(of: variant)])
            part.addresses = arena.array([place])
            unsafe slots.append(ListenerSlot(part: part.part, config: arena.store(part)))
        }
        return slots
    }

    /// No descriptor: the number that a completion names the listener by.
    static func socket(of variant: FedVariant) -> Int32 { 1 << 20 | Int32(variant.rawValue) }

    private func routes(_ variant: FedVariant) throws -> RouteTableConfig {
        var forward = RouteConfig()
        forward.action = .forward
        forward.timeoutMs = 4_000
        let slot: UInt32 = (variant.contains(.http2Upstream) ? 1 : 0) + (variant.contains(.small) ? 2 : 0)
        forward.clusters = arena.array([RouteCluster(slot: slot, name: arena.text("up"))])
        if variant.contains(.wide) {
            var retry = RetryConfig()
            retry.on = [.fiveXX, .reset, .refusedStream, .connectFailure, .anyGRPC]
            retry.retriesMax = 2
            retry.perTryTimeoutMs = 1_500
            unsafe forward.retry = unsafe arena.store(retry)
        }
        var direct = RouteConfig()
        direct.action = .directResponse
        direct.directBody = arena.text(String(repeating: "direct", count: 50))
        var redirect = RouteConfig()
        redirect.action = .redirect
        unsafe redirect.redirect = unsafe arena.store(RedirectConfig())
        let paths: [RouteMatchSpec.Path] = [.connect, .prefix("/d"), .prefix("/r"), .prefix("/")]
        let host = VirtualHostSpec(name: "all", domains: ["*"], routes: paths.map { RouteMatchSpec($0) })
        var table = RouteTableConfig(table: try RouteTable(RouteTableSpec(name: "r", virtualHosts: [host]), seed: 1))
        table.routes = arena.array([forward, direct, redirect, forward])
        table.virtualHosts = arena.array([VirtualHostConfig()])
        return table
    }
}
