import Stats

/// One flush to the sinks, in slices: every counter and gauge that has been written, every bin of the last interval of every
/// histogram. Make it once the histograms are flushed and call `step` until it returns false.
package struct SinkWalk {
    private let scopes: [StatScopeRef]
    private let wantsTags: Bool
    private let wantsHistograms: Bool
    private var at = 0
    private var endpoints: EndpointWalk
    private var sample = SinkSample()

    package init(_ registry: StatRegistry, wantsTags: Bool, wantsHistograms: Bool = false) {
        if registry.latch == nil { registry.latch = StatLatch() }
        registry.listDynamic()
        scopes = registry.sorted
        endpoints = EndpointWalk(registry.endpointGroups())
        registry.latch?.beginEndpoints()
        self.wantsTags = wantsTags
        self.wantsHistograms = wantsHistograms
    }

    /// The next `scopesMax` scopes, or endpoints; false when none is left.
    package mutating func step(
        _ registry: StatRegistry, scopesMax: Int, _ emit: (borrowing SinkSample) -> Void
    ) -> Bool {
        var left = scopesMax
        while left > 0, at < scopes.count {
            if registry.isLive(scopes[at]), let record = registry.record(scopes[at]) { visit(registry, record, emit) }
            at += 1
            left -= 1
        }
        while left > 0 {
            guard let position = endpoints.next() else { return false }
            visit(registry, position, emit)
            left -= 1
        }
        return true
    }

    /// As in Envoy all statistics of an endpoint are sent, used or not.
    private mutating func visit(
        _ registry: StatRegistry, _ position: EndpointWalk.Position, _ emit: (borrowing SinkSample) -> Void
    ) {
        sample.isOfEndpoint = true
        for stat in EndpointStat.allCases {
            position.setName(stat, &sample.name)
            let value = registry.value(stat, of: position.endpoint)
            sample.total = value
            sample.value = stat.descriptor.kind.isGauge ? .gauge(value) : .counter(registry.latched(stat, position, value))
            if wantsTags { sample.setTags(of: stat, position, registry.tags) }
            emit(sample)
        }
    }

    private mutating func visit(
        _ registry: StatRegistry, _ record: StatRegistry.Record, _ emit: (borrowing SinkSample) -> Void
    ) {
        for item in record.schema.scalars {
            let id = record.base + item.leaf
            registry.forEachSample(record, item) { found in
                guard found.isUsed else { return }
                sample.total = found.value
                switch item.descriptor.kind {
                case .gauge, .gaugeMax: sample.value = .gauge(found.value)
                case .counter: sample.value = .counter(registry.latched(id, registry.rawCounter(id)))
                default: sample.value = .counter(registry.latched(id, found))
                }
                send(registry, record, item, found.suffix, emit)
            }
        }
        for item in record.schema.histograms {
            let id = record.base + item.leaf
            if wantsHistograms, let merged = registry.histograms[id], registry.isVisible(record, item, isUsed: true) {
                sample.name.setName(record.prefix, item.descriptor.name, .none)
                sample.value = .histogram
                sample.interval = merged.interval
                sample.cumulative = merged.cumulative
                sample.bounds = registry.buckets.upperBounds(sample.name.span)
                send(registry, record, item, .none, emit)
            }
            guard let bins = registry.histograms[id]?.interval.bins, !bins.isEmpty,
                registry.isVisible(record, item, isUsed: true)
            else { continue }
            sample.unit = item.descriptor.unit
            for entry in bins {
                sample.value = .timer(Self.value(entry.bin), count: entry.count)
                send(registry, record, item, .none, emit)
            }
        }
    }

    /// The middle of a bin; below 100 it holds one whole number only.
    private static func value(_ bin: HistogramBin) -> UInt64 {
        UInt64(bin.width > 1 ? bin.lowerBound + bin.width / 2 : bin.lowerBound)
    }

    private mutating func send(
        _ registry: StatRegistry, _ record: StatRegistry.Record, _ item: StatSchema.Item, _ suffix: NameSuffix,
        _ emit: (borrowing SinkSample) -> Void
    ) {
        sample.name.setName(record.prefix, item.descriptor.name, suffix)
        if wantsTags { sample.extract(registry.tags) }
        emit(sample)
    }
}

extension StatRegistry {
    fileprivate func latched(_ id: StatID, _ raw: UInt64) -> UInt64 { latch?.delta(id, raw) ?? raw }

    fileprivate func latched(_ stat: EndpointStat, _ position: EndpointWalk.Position, _ value: UInt64) -> UInt64 {
        guard let latch, let source = stat.source else { return value }
        return switch position.endpoint.cells {
        case .scope(let base): latch.delta(base + source.rawValue, value)
        case .shares: latch.delta(position.prefix, stat, value)
        }
    }

    /// Response codes are numbered by what their names end in.
    fileprivate func latched(_ id: StatID, _ sample: StatSample) -> UInt64 {
        let mark: UInt16 =
            switch sample.suffix {
            case .code(let code), .codeClass(let code): code
            case .completed: 10
            case .unknown, .none: 11
            }
        // After `reset_counters` the value is smaller than what was sent.
        return latch?.delta(id, code: mark, sample.value &+ codeOffset(id, sample.suffix)) ?? sample.value
    }
}
