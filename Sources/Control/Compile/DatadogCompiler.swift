// `envoy.tracers.datadog`: the agent, and what the proxy is called.

import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Stats

extension TracerCompiler {
    func datadog(_ message: DatadogConfig, _ place: Place) -> TracerConfig {
        var config = TracerConfig()
        config.payload = .datadog
        config.service = arena.text(message.serviceName)
        config.version = arena.text("envoy " + compilation.environment.version)
        config.runtimeID = arena.text(DatadogProcess.id)
        config.process = UInt32(bitPattern: getpid())
        var export = exports.config()
        let stats = part.processScope(compilation.stats, "tracing.datadog.", DatadogStat.self)
        export.stats.dropped = stats[.tracesDropped]
        export.stats.accepted = stats[.reportsSent]
        export.stats.refused = stats[.reportsDropped]
        export.stats.failed = stats[.reportsFailed]
        export.stats.acceptedStatus = 200
        export.limits.intervalMs = 2000
        export.envelope = .array
        export.contentType = arena.text("application/msgpack")
        export.countField = arena.text("x-datadog-trace-count")
        export.ratedService = config.service
        export.host = arena.text(message.collectorHostname.isEmpty ? message.collectorCluster : message.collectorHostname)
        export.path = arena.text("/v0.4/traces")
        let speaker = [
            ("datadog-meta-lang", "swift"), ("datadog-meta-lang-version", "6.3"),
            ("datadog-meta-tracer-version", compilation.environment.version),
        ]
        export.headers = HeaderMutationCompiler(compilation: compilation, part: part).additions(
            speaker.map { key, value in
                var option = HeaderValueOption()
                option.header.key = key
                option.header.value = value
                return option
            }, place, field: "service_name")
        unsafe export.target = unsafe exports.target(
            message.collectorCluster, timeoutMs: 2000, place.at("collector_cluster"), missing: unknown("envoy.tracers.datadog"))
        if message.hasRemoteConfig {
            diagnostics.warning(
                place.at("remote_config"), "the agent is not asked for configuration",
                suggestion: "its sampling rates are followed without it")
        }
        unsafe config.export = unsafe arena.store(export)
        return config
    }
}

/// This process, as Datadog tells it from others.
private enum DatadogProcess {
    static let id: String = {
        var random = SystemRandomNumberGenerator()
        let (a, b): (UInt64, UInt64) = (random.next(), random.next())
        return unsafe String(unsafeUninitializedCapacity: 36) { room in
            if let base = room.baseAddress { unsafe UUIDText.write(a, b, base) }
            return 36
        }
    }()
}
