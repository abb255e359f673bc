// `envoy.extensions.filters.http.local_ratelimit.v3`, for the filter itself and for a route.

import EnvoyAPI
import Glibc
import Matching
import Pipeline
import Primitives
import Routing
import Stats

struct LimitDescriptor: BitwiseCopyable {
    /// Keys and values in turn; an empty value stands for any.
    var entries: FrozenArray<Bytes>
    /// Place in `LocalRateLimitSettings.buckets`; of a descriptor for any value, in `tables`.
    var bucket: Int
    /// `shadow_mode`: what it refuses is counted and let through.
    var isShadow: Bool
}

/// The buckets of a descriptor for any value.
struct LimitTable: BitwiseCopyable {
    var spec: BucketSpec
    var shape: DynamicShape
    /// Where it begins, in words.
    var start: Int
}

/// One of the filter's own `rate_limits`.
struct LimitRule: BitwiseCopyable {
    var rule: RateLimitRule
    /// `hits_addend`: the tokens that a request takes; with a format, what the format says.
    var hits = 1.0
    var hitsFormat: Format?
    /// `is_negative_hits`: tokens are put back.
    var givesBack = false
}

/// What one level says.
@safe
struct LocalRateLimitSettings: BitwiseCopyable {
    var stats: UInt32 = 0
    var status: UInt16 = 429
    var enabled = RuntimeFraction(Fraction(0, .hundred))
    var enforced = RuntimeFraction(Fraction(0, .hundred))
    var showsHeaders = false
    var tellsRetryAfter = false
    var isPerConnection = false
    /// `RESOURCE_EXHAUSTED` for gRPC clients, else `UNAVAILABLE`.
    var isResourceExhausted = false
    var alwaysTakesDefault = true
    /// `local_cluster_rate_limit`: the buckets are those of all hosts of the local cluster together. Its name; empty: each has its own.
    var localCluster = Bytes.empty
    var requestHeaders = FrozenArray<HeaderMutation>()
    var responseHeaders = FrozenArray<HeaderMutation>()
    /// The default bucket first, where there is one.
    var buckets = FrozenArray<BucketSpec>()
    var hasDefault = false
    var descriptors = FrozenArray<LimitDescriptor>()
    /// Those with an entry for any value; asked where no other fits.
    var wildcards = FrozenArray<LimitDescriptor>()
    var tables = FrozenArray<LimitTable>()
    var tableWords = 0
    /// What descriptors are made of: the filter's own `rate_limits`.
    var actions = FrozenArray<LimitRule>()
    /// There are such, though perhaps all of them `apply_on_stream_done`, which this filter never asks.
    var hasActions = false
    /// Where there are none: of the route's those of this stage, and of its virtual host's.
    var stage: UInt32 = 0
    var hostLimits = HostRateLimits.override
    /// The buckets' words and the tables', shared by all workers.
    var words: UnsafeMutablePointer<UInt64>?
    var tableStart: UnsafeMutablePointer<UInt64>?

    var hasDescriptors: Bool { !descriptors.isEmpty || !wildcards.isEmpty }
    /// Of a bucket of nothing the response tells nothing.
    var showsDefault: Bool { hasDefault && buckets[0].tokensMax > 0 }
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
        check(message)
        var settings = LocalRateLimitSettings()
        let status = message.status.code.rawValue
        settings.status = status >= 400 ? UInt16(truncatingIfNeeded: status) : 429
        if message.hasFilterEnabled { settings.enabled = fraction(message.filterEnabled) }
        if message.hasFilterEnforced { settings.enforced = fraction(message.filterEnforced) }
        settings.showsHeaders = message.enableXRatelimitHeaders == .draftVersion03
        settings.tellsRetryAfter = message.enableRetryAfterHeader
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
        settings.hasActions = !message.rateLimits.isEmpty
        settings.actions = actions(message.rateLimits)
        if message.hasLocalClusterRateLimit { settings.localCluster = input.arena.text(input.localCluster) }
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

    private func check(_ message: Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit) {
        if message.hasLocalClusterRateLimit, message.localRateLimitPerDownstreamConnection {
            problems.add(
                "local_cluster_rate_limit",
                "local_cluster_rate_limit is set and local_rate_limit_per_downstream_connection is set to true")
        } else if message.hasLocalClusterRateLimit, input.localCluster.isEmpty {
            problems.add(
                "local_cluster_rate_limit", "local_cluster_rate_limit is set but no local cluster name is present",
                expected: "cluster_manager.local_cluster_name")
        }
        if isRoute, !message.hasTokenBucket {
            problems.add("token_bucket", "local rate limit token bucket must be set for per filter configs")
        }
    }

    // MARK: Rules

    private func actions(_ messages: [Envoy_Config_Route_V3_RateLimit]) -> FrozenArray<LimitRule> {
        let rules = RateLimitCompiler(
            arena: input.arena, seed: input.seed, nodeCluster: input.nodeCluster, onRelease: input.onRelease
        ).compile(messages, ProblemPlace("", problems))
        var list: [LimitRule] = []
        for (i, message) in messages.enumerated() {
            let at = "rate_limits[\(i)]"
            if message.hasLimit { problems.add(at + ".limit", "'limit' field is not supported") }
            var rule = LimitRule(rule: rules[i])
            if message.hasHitsAddend { hits(message.hitsAddend, at + ".hits_addend", &rule) }
            if !message.applyOnStreamDone { list.append(rule) }
        }
        return input.arena.array(list)
    }

    private func hits(_ message: Envoy_Config_Route_V3_RateLimit.HitsAddend, _ path: String, _ rule: inout LimitRule) {
        rule.givesBack = message.isNegativeHits
        guard message.hasNumber == message.format.isEmpty else {
            return problems.add(path, "hits_addend must contain either a format or a number")
        }
        rule.hits = Double(message.number.value)
        if message.format.isEmpty { return }
        do throws(FormatError) {
            let format = try FormatCompiler.compile(message.format, in: input.arena)
            if format.pieces.count == 1 {
                rule.hitsFormat = format
            } else {
                problems.add(path + ".format", "hits_addend format must contain exactly one substitution")
            }
        } catch {
            problems.add(path + ".format", error.description)
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
        var exact: [LimitDescriptor] = []
        var wildcards: [LimitDescriptor] = []
        var tables: [LimitTable] = []
        var seen: Set<[String]> = []
        for (i, descriptor) in message.descriptors.enumerated() {
            let at = "descriptors[\(i)]"
            let entries = descriptor.entries.flatMap { [$0.key, $0.value] }
            if !seen.insert(entries).inserted {
                let shown = descriptor.entries.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
                problems.add(at, "duplicate descriptor in the local rate descriptor: \(shown)")
            }
            let spec = spec(
                descriptor.tokenBucket, at + ".token_bucket",
                "local rate limit descriptor token bucket fill timer must be >= 50ms")
            let isWildcard = descriptor.entries.contains { $0.value.isEmpty }
            let frozen = LimitDescriptor(
                entries: input.arena.array(entries.map { input.arena.text($0) }),
                bucket: isWildcard ? tables.count : specs.count, isShadow: descriptor.shadowMode)
            if isWildcard {
                let shape = shape(message)
                tables.append(LimitTable(spec: spec, shape: shape, start: settings.tableWords))
                settings.tableWords += shape.words
                wildcards.append(frozen)
            } else {
                specs.append(spec)
                exact.append(frozen)
            }
        }
        settings.descriptors = input.arena.array(exact)
        settings.wildcards = input.arena.array(wildcards)
        settings.tables = input.arena.array(tables)
        settings.buckets = input.arena.array(specs)
    }

    private func shape(_ message: Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit) -> DynamicShape {
        let most = message.hasMaxDynamicDescriptors ? Int(message.maxDynamicDescriptors.value) : LocalRateLimitConfig.dynamicStandard
        return DynamicShape(message.localRateLimitPerDownstreamConnection ? min(most, DynamicShape.exactMax) : most)
    }

    /// Envoy's.
    private static let dynamicStandard = 20

    private func spec(_ message: Envoy_Type_V3_TokenBucket, _ path: String, _ tooFast: String) -> BucketSpec {
        let seconds = Double(message.fillInterval.seconds) + Double(message.fillInterval.nanos) / 1e9
        if seconds < 0.05, message.maxTokens > 0 { problems.add(path + ".fill_interval", tooFast) }
        let tokens = message.hasTokensPerFill ? message.tokensPerFill.value : 1
        return BucketSpec(
            tokensMax: Double(message.maxTokens), tokensPerSecond: Double(tokens) / max(seconds, 1e-9))
    }

    /// Cache lines for the buckets and memory for the tables, given back with the plan's part.
    private func makeWords(_ settings: inout LocalRateLimitSettings) {
        if settings.isPerConnection { return }
        if !settings.buckets.isEmpty {
            let bytes = settings.buckets.count * TokenBucket.stride * 8
            let words = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
            unsafe settings.words = unsafe words.bindMemory(to: UInt64.self, capacity: bytes / 8)
            let now = Clock.monotonicNs()
            for i in 0..<settings.buckets.count {
                guard let words = unsafe settings.words else { return }
                unsafe TokenBucket(words + i * TokenBucket.stride, settings.buckets[i]).fill(nowNs: now)
            }
            let address = UInt(bitPattern: words)
            input.onRelease { unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
        }
        if settings.tableWords > 0 { unsafe settings.tableStart = tables(settings.tableWords) }
    }

    /// Zeroes, of which the kernel gives what is touched. Nil, and an error: there is no room for them.
    private func tables(_ words: Int) -> UnsafeMutablePointer<UInt64>? {
        let bytes = words * 8
        let place = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard unsafe place != MAP_FAILED, let place = unsafe place else {
            problems.add("max_dynamic_descriptors", "no memory for tables of \(bytes) bytes")
            return nil
        }
        let address = UInt(bitPattern: place)
        input.onRelease { unsafe munmap(UnsafeMutableRawPointer(bitPattern: address), bytes) }
        return unsafe place.bindMemory(to: UInt64.self, capacity: words)
    }
}
