import Pipeline
import Primitives

final class HealthCheckFactory: HTTPFilterFactory {
    private let settings: HealthCheckSettings
    private let cache: HealthCheckCache?

    private init(_ input: FilterInput) throws(FilterProblems) {
        settings = try HealthCheckConfig.read(input)
        if settings.cacheTimeMs > 0 {
            let cache = HealthCheckCache(periodMs: settings.cacheTimeMs, nowMs: Clock.monotonicNs() / 1_000_000)
            input.onRelease { cache.destroy() }
            self.cache = cache
        } else {
            cache = nil
        }
        super.init(name: input.name)
    }

    override func make(_ worker: Worker) -> HTTPFilter { HealthCheckFilter(name: name, settings, cache: cache) }

    static var filterExtension: FilterExtension {
        FilterExtension(
            name: "envoy.filters.http.health_check",
            message: "envoy.extensions.filters.http.health_check.v3.HealthCheck",
            make: { (input) throws(FilterProblems) in try HealthCheckFactory(input) })
    }
}
