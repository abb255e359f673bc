// `local_ratelimit`: lets through as many requests as token buckets allow, counted in this process or per connection.

import Pipeline
import Primitives
import Routing
import Stats
import Transport
import Wire

final class LocalRateLimitFilter: HTTPFilter {
    private struct State {
        /// The settings that decided, and the bucket that the response tells of; both from 1, 0: none.
        var settings: UInt32
        var bucket: UInt32
    }

    private let settings: PlainArray<LocalRateLimitSettings>
    /// By settings; only those that count per connection have rows.
    private var connections: [ConnectionBuckets]

    init(name: String, _ settings: [LocalRateLimitSettings]) {
        self.settings = PlainArray(copying: settings)
        connections = settings.map { ConnectionBuckets($0.buckets) }
        var interest: FilterInterest = [.requestHead]
        if settings.contains(where: \.showsHeaders) { interest.insert(.responseHead) }
        super.init(name: name, stateBytes: MemoryLayout<State>.stride, interest: interest)
    }

    deinit {
        for buckets in connections { buckets.destroy() }
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
        if unsafe isAllowed(settings, number, worker, stream) {
            count(worker, settings, .ok)
            return .proceed
        }
        count(worker, settings, .rateLimited)
        guard isChosen(settings.enforced, worker) else {
            unsafe worker.applyMutations(settings.requestHeaders, to: stream.requestHead, stream, isRequest: true)
            return .proceed
        }
        count(worker, settings, .enforced)
        if settings.isResourceExhausted { unsafe stream.pointee.localGRPCStatus = 8 }
        unsafe worker.reply(
            stream, status: settings.status, body: Bytes("local_rate_limited" as StaticString),
            details: Bytes("local_rate_limited" as StaticString), flags: .rateLimited
        ) { _ in
            unsafe worker.applyMutations(settings.responseHeaders, to: stream.responseHead, stream, isRequest: false)
        }
        return .stop
    }

    private func isChosen(_ fraction: RuntimeFraction, _ worker: Worker) -> Bool {
        let fraction = fraction.value
        if fraction.numerator >= fraction.denominator { return true }
        return fraction.numerator > 0 && fraction.holds(worker.random.next())
    }

    // MARK: Buckets

    // HOT: per message.
    /// Takes a token of every bucket that the request counts against, the slowest first; the first that has none decides.
    private func isAllowed(
        _ settings: LocalRateLimitSettings, _ number: Int, _ worker: Worker, _ stream: StreamPointer
    ) -> Bool {
        let state = unsafe state(of: stream)
        var hasMatched = false
        if !settings.descriptors.isEmpty {
            for i in 0..<settings.descriptors.count {
                let descriptor = settings.descriptors[i]
                guard unsafe matches(descriptor, settings, worker, stream) else { continue }
                if !hasMatched { unsafe state.pointee.bucket = UInt32(descriptor.bucket + 1) }
                hasMatched = true
                guard unsafe take(descriptor.bucket, settings, number, worker, stream) else {
                    unsafe state.pointee.bucket = UInt32(descriptor.bucket + 1)
                    return false
                }
            }
        }
        guard settings.hasDefault, !hasMatched || settings.alwaysTakesDefault else { return true }
        let isAllowed = unsafe take(0, settings, number, worker, stream)
        if !hasMatched || !isAllowed { unsafe state.pointee.bucket = 1 }
        return isAllowed
    }

    private func matches(
        _ descriptor: LimitDescriptor, _ settings: LocalRateLimitSettings, _ worker: Worker, _ stream: StreamPointer
    ) -> Bool {
        if settings.actions.isEmpty {
            return unsafe worker.routeProduces(descriptor.entries, stage: settings.stage, settings.hostLimits, stream)
        }
        for i in 0..<settings.actions.count where unsafe settings.actions[i].produces(descriptor.entries, worker, stream) {
            return true
        }
        return false
    }

    private func take(
        _ bucket: Int, _ settings: LocalRateLimitSettings, _ number: Int, _ worker: Worker, _ stream: StreamPointer
    ) -> Bool {
        unsafe self.bucket(bucket, settings, number, worker, stream)?.take(nowNs: worker.nowNs) ?? true
    }

    private func bucket(
        _ index: Int, _ settings: LocalRateLimitSettings, _ number: Int, _ worker: Worker, _ stream: StreamPointer
    ) -> TokenBucket? {
        guard settings.isPerConnection else { return settings.bucket(index) }
        return unsafe connections[number].bucket(index, of: stream.pointee.downstream, nowNs: worker.nowNs)
    }

    private func count(_ worker: Worker, _ settings: LocalRateLimitSettings, _ stat: LocalRateLimitStat) {
        worker.cells.increment(settings.stats &+ stat.rawValue)
    }

    // MARK: Response

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let state = unsafe state(of: stream).pointee
        guard state.settings > 0, state.bucket > 0 else { return .proceed }
        let number = Int(state.settings) - 1
        let settings = settings[number]
        let index = Int(state.bucket) - 1
        guard settings.showsHeaders, let bucket = unsafe bucket(index, settings, number, worker, stream) else { return .proceed }
        let (remaining, reset) = bucket.state(nowNs: worker.nowNs)
        unsafe append(stream, "x-ratelimit-limit", UInt64(settings.buckets[index].tokensMax))
        unsafe append(stream, "x-ratelimit-remaining", remaining)
        unsafe append(stream, "x-ratelimit-reset", reset)
        return .proceed
    }

    private func append(_ stream: StreamPointer, _ name: StaticString, _ value: UInt64) {
        var digits = DecimalText(value)
        unsafe stream.pointee.response.append(name: Bytes(name), value: digits.bytes())
    }
}
