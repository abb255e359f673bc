// `local_ratelimit`: lets through as many requests as token buckets allow, counted in this process, per connection, or for a
// whole local cluster.

import Pipeline
import Primitives
import Routing
import Stats
import Transport
import Wire

@safe
final class LocalRateLimitFilter: HTTPFilter {
    private struct State {
        /// The settings that decided, from 1; 0: none.
        var settings: UInt32
        var shown: Shown
        var headers: RateLimitHeaders
        /// In the bucket's list, or the descriptor's table and its place there.
        var bucket: UInt32
        var place: UInt32
        var hash: UInt64
    }

    /// The bucket that the response tells of.
    private enum Shown: UInt8, BitwiseCopyable { case none, bucket, table }

    /// A bucket that the request takes from.
    private struct Match: BitwiseCopyable {
        var bucket: TokenBucket
        var tokensPerSecond: Double
        var hits: Double
        var givesBack: Bool
        var isShadow: Bool
        var headers: RateLimitHeaders
        var shown: Shown
        var index: UInt32
        var place: UInt32
        var hash: UInt64
    }

    private enum Outcome { case allowed, refused, shadowed }

    private let settings: PlainArray<LocalRateLimitSettings>
    /// By settings; only those that count per connection have rows.
    private var connections: [ConnectionBuckets]
    // Kept from request to request. `matches` grows to the largest number of rules that one request meets.
    private var descriptor = RateLimitDescriptor()
    private var matches = UnsafeMutablePointer<Match>.allocate(capacity: 4)
    private var matchesMax = 4
    private var matchCount = 0

    init(name: String, _ settings: [LocalRateLimitSettings]) {
        self.settings = PlainArray(copying: settings)
        connections = settings.map { ConnectionBuckets($0.buckets, tableWords: $0.tableWords) }
        var interest: FilterInterest = [.requestHead]
        // Rules may ask for headers where the filter does not; those of routes are not known here.
        let mayShow = settings.contains { $0.showsHeaders || $0.hasDescriptors }
        if mayShow { interest.insert(.responseHead) }
        super.init(name: name, stateBytes: MemoryLayout<State>.stride, interest: interest)
    }

    deinit {
        for buckets in connections { buckets.destroy() }
        descriptor.destroy()
        unsafe matches.deallocate()
        settings.destroy()
    }

    private func state(of stream: StreamPointer) -> UnsafeMutablePointer<State> {
        unsafe state(stream).assumingMemoryBound(to: State.self)
    }

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let number = unsafe Int(routeConfig(stream) ?? 0)
        let settings = settings[number]
        guard isChosen(settings.enabled, worker) else { return .proceed }
        count(worker, settings, .enabled)
        unsafe state(of: stream).pointee.settings = UInt32(number + 1)
        let row = unsafe row(settings, number, worker, stream)
        let outcome = unsafe outcome(settings, row, worker, stream)
        if outcome == .allowed {
            count(worker, settings, .ok)
            return .proceed
        }
        count(worker, settings, .rateLimited)
        if outcome == .shadowed {
            count(worker, settings, .shadowMode)
            return .proceed
        }
        guard isChosen(settings.enforced, worker) else {
            unsafe worker.applyMutations(settings.requestHeaders, to: stream.requestHead, stream, isRequest: true)
            return .proceed
        }
        count(worker, settings, .enforced)
        if settings.isResourceExhausted { unsafe stream.pointee.localGRPCStatus = 8 }
        var retryAfter: UInt64?
        if settings.tellsRetryAfter, let bucket = unsafe shownBucket(settings, row, stream) {
            retryAfter = max(1, bucket.state(nowNs: worker.nowNs).resetSeconds)
        }
        unsafe worker.reply(
            stream, status: settings.status, body: Bytes("local_rate_limited" as StaticString),
            details: Bytes("local_rate_limited" as StaticString), flags: .rateLimited
        ) { _ in
            unsafe worker.applyMutations(settings.responseHeaders, to: stream.responseHead, stream, isRequest: false)
            if let retryAfter { unsafe self.append(stream, "retry-after", retryAfter) }
        }
        return .stop
    }

    private func isChosen(_ fraction: RuntimeFraction, _ worker: Worker) -> Bool {
        let fraction = fraction.value
        if fraction.numerator >= fraction.denominator { return true }
        return fraction.numerator > 0 && fraction.holds(worker.random.next())
    }

    // MARK: Tokens

    // HOT: per message.
    /// Takes tokens of every bucket that the request counts against, the slowest first; the first that has none decides, and
    /// one in shadow mode only tells.
    private func outcome(
        _ settings: LocalRateLimitSettings, _ row: ConnectionRow?, _ worker: Worker, _ stream: StreamPointer
    ) -> Outcome {
        let state = unsafe state(of: stream)
        matchCount = 0
        if settings.hasDescriptors { unsafe findMatches(settings, row, worker, stream) }
        // A share of 1 / hosts is the same as hosts times the tokens.
        let hosts = settings.localCluster.isEmpty ? 1 : Double(max(1, worker.clusterHosts(named: settings.localCluster)))
        var isShadowed = false
        for i in 0..<matchCount {
            let match = unsafe matches[i]
            if match.givesBack {
                match.bucket.give(match.hits, nowNs: worker.nowNs)
            } else if !match.bucket.take(match.hits * hosts, nowNs: worker.nowNs) {
                if match.isShadow && isShadowed { continue }
                unsafe show(match, state)
                if !match.isShadow { return .refused }
                isShadowed = true
                continue
            }
            if i == 0 { unsafe show(match, state) }
        }
        if settings.hasDefault, matchCount == 0 || settings.alwaysTakesDefault {
            let isAllowed = bucket(0, settings, row)?.take(hosts, nowNs: worker.nowNs) ?? true
            if matchCount == 0 || !isAllowed {
                unsafe state.pointee.shown = settings.showsDefault ? .bucket : .none
                unsafe state.pointee.bucket = 0
                unsafe state.pointee.headers = .asFilterSays
            }
            if !isAllowed { return .refused }
        }
        return isShadowed ? .shadowed : .allowed
    }

    private func show(_ match: Match, _ state: UnsafeMutablePointer<State>) {
        unsafe state.pointee.shown = match.shown
        unsafe state.pointee.headers = match.headers
        unsafe state.pointee.bucket = match.index
        unsafe state.pointee.place = match.place
        unsafe state.pointee.hash = match.hash
    }

    // MARK: Descriptors

    private func findMatches(_ settings: LocalRateLimitSettings, _ row: ConnectionRow?, _ worker: Worker, _ stream: StreamPointer) {
        if settings.hasActions {
            for i in 0..<settings.actions.count {
                let rule = unsafe settings.actions.pointer(i)
                guard unsafe rule.pointee.rule.describe(&descriptor, worker, stream),
                    let hits = unsafe hits(rule, worker, stream)
                else { continue }
                unsafe find(settings, row, rule.pointee.rule, hits, givesBack: rule.pointee.givesBack, worker)
            }
            return
        }
        let (own, host) = unsafe worker.routeRateLimits(settings.hostLimits, stream)
        unsafe findRules(own, settings, row, worker, stream)
        unsafe findRules(host, settings, row, worker, stream)
    }

    private func findRules(
        _ rules: FrozenArray<RateLimitRule>, _ settings: LocalRateLimitSettings, _ row: ConnectionRow?, _ worker: Worker,
        _ stream: StreamPointer
    ) {
        for i in 0..<rules.count {
            let rule = rules[i]
            guard rule.stage == settings.stage, !rule.isDisabled, unsafe rule.describe(&descriptor, worker, stream) else { continue }
            find(settings, row, rule, 1, givesBack: false, worker)
        }
    }

    /// Nil: its format gives no number from 0 to 1,000,000,000, and the rule has no descriptor.
    private func hits(_ rule: UnsafePointer<LimitRule>, _ worker: Worker, _ stream: StreamPointer) -> Double? {
        guard let format = unsafe rule.pointee.hitsFormat else { return unsafe rule.pointee.hits }
        return unsafe HitsText.number(worker.formatted(format, stream))
    }

    /// The bucket of what is in `descriptor`, if there is one.
    private func find(
        _ settings: LocalRateLimitSettings, _ row: ConnectionRow?, _ rule: RateLimitRule, _ hits: Double, givesBack: Bool,
        _ worker: Worker
    ) {
        for i in 0..<settings.descriptors.count where descriptor.matches(settings.descriptors[i].entries) {
            let found = settings.descriptors[i]
            guard let bucket = bucket(found.bucket, settings, row) else { return }
            return insert(
                Match(
                    bucket: bucket, tokensPerSecond: settings.buckets[found.bucket].tokensPerSecond, hits: hits, givesBack: givesBack,
                    isShadow: found.isShadow, headers: rule.headers, shown: .bucket, index: UInt32(found.bucket), place: 0, hash: 0))
        }
        for i in 0..<settings.wildcards.count where descriptor.matches(settings.wildcards[i].entries) {
            let found = settings.wildcards[i]
            let hash = descriptor.hash(with: UInt64(found.bucket))
            guard let table = table(found.bucket, settings, row), let place = table.place(of: hash, nowNs: worker.nowNs) else { return }
            return insert(
                Match(
                    bucket: table.bucket(at: place), tokensPerSecond: settings.tables[found.bucket].spec.tokensPerSecond, hits: hits,
                    givesBack: givesBack, isShadow: found.isShadow, headers: rule.headers, shown: .table, index: UInt32(found.bucket),
                    place: UInt32(truncatingIfNeeded: place), hash: hash))
        }
    }

    /// By rate, the slowest first.
    private func insert(_ match: Match) {
        if matchCount == matchesMax {
            let larger = UnsafeMutablePointer<Match>.allocate(capacity: matchesMax * 2)
            unsafe larger.update(from: matches, count: matchCount)
            unsafe matches.deallocate()
            unsafe matches = unsafe larger
            matchesMax *= 2
        }
        var place = matchCount
        while place > 0, unsafe matches[place - 1].tokensPerSecond > match.tokensPerSecond {
            unsafe matches[place] = unsafe matches[place - 1]
            place -= 1
        }
        unsafe matches[place] = match
        matchCount += 1
    }

    // MARK: Buckets

    /// The connection's, where it has buckets of its own.
    private func row(
        _ settings: LocalRateLimitSettings, _ number: Int, _ worker: Worker, _ stream: StreamPointer
    ) -> ConnectionRow? {
        guard settings.isPerConnection else { return nil }
        return unsafe connections[number].row(of: stream.pointee.downstream, nowNs: worker.nowNs)
    }

    private func bucket(_ index: Int, _ settings: LocalRateLimitSettings, _ row: ConnectionRow?) -> TokenBucket? {
        guard index < settings.buckets.count else { return nil }
        if let row { return unsafe TokenBucket(row.buckets + index, settings.buckets[index]) }
        guard let words = unsafe settings.words else { return nil }
        return unsafe TokenBucket(words + index &* TokenBucket.stride, settings.buckets[index])
    }

    private func table(_ index: Int, _ settings: LocalRateLimitSettings, _ row: ConnectionRow?) -> DynamicBuckets? {
        let table = settings.tables[index]
        guard let start = unsafe row?.tables ?? settings.tableStart else { return nil }
        return unsafe DynamicBuckets(start + table.start, table.shape, table.spec)
    }

    private func shownBucket(_ settings: LocalRateLimitSettings, _ row: ConnectionRow?, _ stream: StreamPointer) -> TokenBucket? {
        let state = unsafe state(of: stream).pointee
        switch state.shown {
        case .none: return nil
        case .bucket: return bucket(Int(state.bucket), settings, row)
        case .table: return table(Int(state.bucket), settings, row)?.bucket(at: Int(state.place), of: state.hash)
        }
    }

    private func count(_ worker: Worker, _ settings: LocalRateLimitSettings, _ stat: LocalRateLimitStat) {
        worker.cells.increment(settings.stats &+ stat.rawValue)
    }

    // MARK: Response

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let state = unsafe state(of: stream).pointee
        guard state.settings > 0, state.shown != .none else { return .proceed }
        let number = Int(state.settings) - 1
        let settings = settings[number]
        guard state.headers == .on || (state.headers == .asFilterSays && settings.showsHeaders),
            let bucket = unsafe shownBucket(settings, row(settings, number, worker, stream), stream)
        else { return .proceed }
        let index = Int(state.bucket)
        let most = state.shown == .table ? settings.tables[index].spec.tokensMax : settings.buckets[index].tokensMax
        let (remaining, reset) = bucket.state(nowNs: worker.nowNs)
        unsafe append(stream, "x-ratelimit-limit", UInt64(most))
        unsafe append(stream, "x-ratelimit-remaining", remaining)
        unsafe append(stream, "x-ratelimit-reset", reset)
        return .proceed
    }

    private func append(_ stream: StreamPointer, _ name: StaticString, _ value: UInt64) {
        var digits = DecimalText(value)
        unsafe stream.pointee.response.append(name: Bytes(name), value: digits.bytes())
    }
}
