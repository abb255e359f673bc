// `envoy.extensions.filters.http.local_ratelimit.v3`, for the filter itself and for a route.

import EnvoyAPI
import Glibc
import Matching
import Pipeline
import Primitives
import Routing
import Stats

struct LimitDescriptor: BitwiseCopyable {
    /// Keys and values in turn.
    var entries: FrozenArray<Bytes>
    /// Place in `LocalRateLimitSettings.buckets`.
    var bucket: Int
}

/// What one level says.
@safe
struct LocalRateLimitSettings: BitwiseCopyable {
    var stats: UInt32 = 0
    var status: UInt16 = 429
    var enabled = RuntimeFraction(Fraction(0, .hundred))
    var enforced = RuntimeFraction(Fraction(0, .hundred))
    var showsHeaders = false
    var isPerConnection = false
    /// `RESOURCE_EXHAUSTED` for gRPC clients, else `UNAVAILABLE`.
    var isResourceExhausted = false
    var alwaysTakesDefault = true
    var requestHeaders = FrozenArray<HeaderMutation>()
    var responseHeaders = FrozenArray<HeaderMutation>()
    /// The default bucket first, where there is one.
    var buckets = FrozenArray<BucketSpec>()
    var hasDefault = false
    /// By rate, the slowest first: that is the order in which tokens are taken.
    var descriptors = FrozenArray<LimitDescriptor>()
    /// What descriptors are made of: the filter's own `rate_limits`.
    var actions = FrozenArray<RateLimitRule>()
    /// Where there are none: of the route's those of this stage, and of its virtual host's.
    var stage: UInt32 = 0
    var hostLimits = HostRateLimits.override
    /// The buckets' words, shared by all workers.
    var words: UnsafeMutablePointer<UInt64>?

    func bucket(_ index: Int) -> TokenBucket? {
        guard let words = unsafe words, index < buckets.count else { return nil }
        return unsafe TokenBucket(words + index &* TokenBucket.stride, buckets[index])
    }
}

struct LocalRateLimitConfig {
    let input: FilterInput
    let isRoute: Bool
    private let problems = Problems()

    init(_ input: FilterInput, isRoute: Bool) {
        self.input = input
        self.isRoute = isRoute
    }

    func read() throws(FilterProblems) -> LocalRateLimitSettings {
        let message = try input.message(Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit.self)
        refuse(message)
        var settings = LocalRateLimitSettings()
        let status = message.status.code.rawValue
        settings.status = status >= 400 ? UInt16(truncatingIfNeeded: status) : 429
        if message.hasFilterEnabled { settings.enabled = fraction(message.filterEnabled) }
        if message.hasFilterEnforced { settings.enforced = fraction(message.filterEnforced) }
        settings.showsHeaders = message.enableXRatelimitHeaders == .draftVersion03
        settings.isPerConnection = message.localRateLimitPerDownstreamConnection
        settings.isResourceExhausted = message.rateLimitedAsResourceExhausted
        if message.hasAlwaysConsumeDefaultTokenBucket {
            settings.alwaysTakesDefault = message.alwaysConsumeDefaultTokenBucket.value
        }
        settings.requestHeaders = headers(
            message.requestHeadersToAddWhenNotEnforced, "request_headers_to_add_when_not_enforced")
        settings.responseHeaders = headers(message.responseHeadersToAdd, "response_headers_to_add")
        buckets(message, &settings)
        for (i, limit) in message.rateLimits.enumerated() where limit.hasStage || !limit.disableKey.isEmpty {
            problems.add("rate_limits[\(i)]", "'stage' field and 'disable_key' field are not supported")
        }
        settings.actions = RateLimitCompiler(
            arena: input.arena, seed: input.seed, nodeCluster: input.nodeCluster, onRelease: input.onRelease
        ).compile(message.rateLimits, ProblemPlace("", problems))
        settings.stage = message.stage
        switch message.vhRateLimits {
        case .include: settings.hostLimits = .include
        case .ignore: settings.hostLimits = .ignore
        default: settings.hostLimits = .override
        }
        try problems.check()
        settings.stats = input.scope(
            StatPrefix.sanitize(message.statPrefix) + ".http_local_rate_limit.", leaf: LocalRateLimitStat.self)
        makeWords(&settings)
        return settings
    }

    private func refuse(_ message: Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit) {
        if message.hasLocalClusterRateLimit {
            problems.add("local_cluster_rate_limit", "'local_cluster_rate_limit' is not supported by Martlet yet")
        }
        if isRoute, !message.hasTokenBucket {
            problems.add("token_bucket", "local rate limit token bucket must be set for per filter configs")
        }
    }

    private func fraction(_ message: Envoy_Config_Core_V3_RuntimeFractionalPercent) -> RuntimeFraction {
        let value = message.defaultValue
        let denominator: FractionDenominator = switch value.denominator {
        case .tenThousand: .tenThousand
        case .million: .million
        default: .hundred
        }
        return RuntimeFraction(Fraction(value.numerator, denominator), cell: input.runtime(message.runtimeKey))
    }

    private func headers(_ messages: [HeaderValueOptionMessage], _ path: String) -> FrozenArray<HeaderMutation> {
        var compiler = HeaderMutationCompiler(in: input.arena)
        do throws(FormatError) {
            try compiler.add(messages.map { message throws(FormatError) in try HeaderOption(message) }, removing: [])
        } catch {
            problems.add(path, error.description)
        }
        return compiler.mutations
    }

    // MARK: Buckets

    private func buckets(
        _ message: Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit, _ settings: inout LocalRateLimitSettings
    ) {
        var specs: [BucketSpec] = []
        if message.hasTokenBucket {
            specs.append(spec(message.tokenBucket, "token_bucket", "local rate limit token bucket fill timer must be >= 50ms"))
            settings.hasDefault = true
        }
        var descriptors: [(entries: [String], spec: BucketSpec)] = []
        for (i, descriptor) in message.descriptors.enumerated() {
            let at = "descriptors[\(i)]"
            if let wild = descriptor.entries.firstIndex(where: { $0.value.isEmpty }) {
                problems.add(
                    at + ".entries[\(wild)].value", "descriptors for any value are not supported by Martlet yet",
                    expected: "a value")
            }
            let entries = descriptor.entries.flatMap { [$0.key, $0.value] }
            if descriptors.contains(where: { $0.entries == entries }) {
                problems.add(at, "duplicate descriptor in the local rate descriptor: \(entries)")
            }
            descriptors.append(
                (
                    entries,
                    spec(
                        descriptor.tokenBucket, at + ".token_bucket",
                        "local rate limit descriptor token bucket fill timer must be >= 50ms")
                ))
        }
        let sorted = descriptors.sorted { $0.spec.tokensPerSecond < $1.spec.tokensPerSecond }
        settings.descriptors = input.arena.array(
            sorted.enumerated().map { i, descriptor in
                LimitDescriptor(
                    entries: input.arena.array(descriptor.entries.map { input.arena.text($0) }), bucket: specs.count + i)
            })
        settings.buckets = input.arena.array(specs + sorted.map(\.spec))
    }

    private func spec(_ message: Envoy_Type_V3_TokenBucket, _ path: String, _ tooFast: String) -> BucketSpec {
        let seconds = Double(message.fillInterval.seconds) + Double(message.fillInterval.nanos) / 1e9
        if seconds < 0.05 { problems.add(path + ".fill_interval", tooFast) }
        let tokens = message.hasTokensPerFill ? message.tokensPerFill.value : 1
        return BucketSpec(
            tokensMax: Double(message.maxTokens), tokensPerSecond: Double(tokens) / max(seconds, 1e-9))
    }

    /// Cache lines for the buckets, given back with the plan's part.
    private func makeWords(_ settings: inout LocalRateLimitSettings) {
        guard !settings.buckets.isEmpty else { return }
        var place: UnsafeMutableRawPointer?
        guard unsafe posix_memalign(&place, 64, settings.buckets.count * TokenBucket.stride * 8) == 0,
            let memory = unsafe place
        else { fatalError("no memory for configuration") }
        unsafe settings.words = unsafe memory.bindMemory(
            to: UInt64.self, capacity: settings.buckets.count * TokenBucket.stride)
        let now = Clock.monotonicNs()
        for i in 0..<settings.buckets.count { settings.bucket(i)?.fill(nowNs: now) }
        let address = UInt(bitPattern: memory)
        input.onRelease { unsafe free(UnsafeMutableRawPointer(bitPattern: address)) }
    }
}
