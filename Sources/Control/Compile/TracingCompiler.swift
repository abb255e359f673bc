// `tracing` of a connection manager and of its routes. The providers are in `TracerCompiler`.

import EnvoyAPI
import Glibc
import Pipeline
import Primitives
import Routing
import Stats

typealias TracingMessage = ConnectionManager.Tracing
typealias CustomTagMessage = Envoy_Type_Tracing_V3_CustomTag

struct TracingCompiler {
    let compilation: Compilation
    let part: PlanPart
    private var diagnostics: Diagnostics { compilation.diagnostics }

    /// Nil where nothing is traced. `place`: the connection manager's.
    func compile(_ manager: ConnectionManager, isEgress: Bool, samplesByRequestID: Bool, _ place: Place) -> UnsafePointer<TracingConfig>? {
        guard manager.hasTracing else { return nil }
        let message = manager.tracing
        let at = place.at("tracing")
        var config = TracingConfig()
        config.stats = part.scope(compilation.stats, StatPrefix.http(manager.statPrefix) + "tracing.", HTTPTracingStat.self).base
        let runtime = compilation.runtime(part)
        if message.hasClientSampling { config.client.standard = Fraction(UInt32(percent(message.clientSampling.value)), .hundred) }
        if message.hasRandomSampling {
            config.random.standard = Fraction(UInt32((percent(message.randomSampling.value) * 100).rounded()), .tenThousand)
        }
        if message.hasOverallSampling { config.overall.standard = Fraction(UInt32(percent(message.overallSampling.value)), .hundred) }
        config.client.cell = runtime.cell("tracing.client_enabled")
        config.random.cell = runtime.cell("tracing.random_sampling")
        config.overall.cell = runtime.cell("tracing.global_enabled")
        config.samplesByRequestID = samplesByRequestID
        config.isVerbose = message.verbose
        config.spawnsUpstream = message.spawnUpstreamSpan.value
        config.tellsHosts = !message.noContextPropagation
        config.isEgress = isEgress
        if message.hasMaxPathTagLength { config.pathMax = Int(message.maxPathTagLength.value) }
        config.tags = part.arena.array(message.customTags.enumerated().compactMap { tag($1, at.at("custom_tags", $0)) })
        config.operation = format(message.operation, at.at("operation"))
        config.upstreamOperation = format(message.upstreamOperation, at.at("upstream_operation"))
        let tracers = TracerCompiler(compilation: compilation, part: part)
        if message.hasProvider {
            unsafe config.tracer = unsafe tracers.compile(message.provider, at.at("provider"))
        } else if compilation.bootstrap.tracing.hasHTTP {
            // Deprecated: the provider of managers that name none.
            unsafe config.tracer = unsafe tracers.compile(compilation.bootstrap.tracing.http, Place.root.at("tracing").at("http"))
        }
        return unsafe part.arena.store(config)
    }

    private func percent(_ value: Double) -> Double { min(max(value, 0), 100) }

    private func format(_ text: String, _ place: Place) -> Format? {
        text.isEmpty ? nil : Formats.compile(text, place, part, diagnostics)
    }

    // MARK: Routes

    /// What one route says, and the manager's tags for it; nil where the manager's settings hold as they are.
    func route(_ message: RouteMessage, _ manager: TracingMessage?, _ place: Place) -> UnsafePointer<RouteTracing>? {
        guard let manager else {
            // Checked all the same.
            for (i, tag) in message.tracing.customTags.enumerated() { _ = self.tag(tag, place.at("tracing").at("custom_tags", i)) }
            return nil
        }
        guard message.hasTracing else { return nil }
        let at = place.at("tracing")
        let tracing = message.tracing
        var config = RouteTracing()
        config.client = fraction(tracing.hasClientSampling, tracing.clientSampling, "tracing.client_enabled")
        config.random = fraction(tracing.hasRandomSampling, tracing.randomSampling, "tracing.random_sampling")
        config.overall = fraction(tracing.hasOverallSampling, tracing.overallSampling, "tracing.global_enabled")
        config.operation = format(tracing.operation, at.at("operation"))
        config.upstreamOperation = format(tracing.upstreamOperation, at.at("upstream_operation"))
        var tags = tracing.customTags.enumerated().compactMap { tag($1, at.at("custom_tags", $0)) }
        let own = Set(tracing.customTags.map(\.tag))
        tags += manager.customTags.filter { !own.contains($0.tag) }.compactMap { tag($0, at) }
        config.tags = part.arena.array(tags)
        return unsafe part.arena.store(config)
    }

    /// What a route does not say is everything, not the manager's share (Envoy).
    private func fraction(_ has: Bool, _ message: Envoy_Type_V3_FractionalPercent, _ key: String) -> RuntimeFraction {
        let standard =
            has ? Fraction(message.numerator, RuntimeCompiler.denominator(message.denominator)) : Fraction(100, .hundred)
        return RuntimeFraction(standard, cell: compilation.runtime(part).cell(key))
    }

    func decorator(_ message: RouteMessage) -> UnsafePointer<RouteDecorator>? {
        guard message.hasDecorator else { return nil }
        let decorator = message.decorator
        return unsafe part.arena.store(
            RouteDecorator(
                operation: part.arena.text(decorator.operation),
                propagates: decorator.hasPropagate ? decorator.propagate.value : true))
    }

    // MARK: Tags

    /// Nil: the tag never says anything.
    private func tag(_ message: CustomTagMessage, _ place: Place) -> TracingTag? {
        let name = part.arena.text(message.tag)
        var tag = TracingTag(name: name, kind: .literal)
        switch message.type {
        case .literal(let literal): tag.value = part.arena.text(literal.value)
        case .environment(let variable):
            tag.value = part.arena.text(unsafe getenv(variable.name).map { unsafe String(cString: $0) } ?? variable.defaultValue)
        case .requestHeader(let header):
            tag.kind = .header
            tag.header = part.arena.text(header.name.lowercased())
            tag.value = part.arena.text(header.defaultValue)
        // A request of HTTP has none of its own: it gives the default.
        case .metadata(let metadata):
            tag.value = part.arena.text(metadata.defaultValue)
            guard let place = CustomTags.metadata(metadata, part.arena) else { break }
            tag.kind = .metadata
            tag.metadata = place
        case .value(let text):
            tag.kind = .format
            tag.format = Formats.compile(text, place.at("value"), part, diagnostics)
        case .none: return nil
        }
        return tag
    }
}
