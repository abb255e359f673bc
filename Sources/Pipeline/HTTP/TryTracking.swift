// `track_cluster_stats`: how large a try's heads and bodies were, and how much of its time, and of its request's, it used.
// A cluster that does not ask for it costs a branch per try and response.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    /// A head has come, interim ones too, as it came.
    @inline(never)
    func trackHead(_ stream: StreamPointer) {
        // `:status: 200`
        var size = HeadSize(bytes: 10, fields: 1)
        unsafe size.add(stream.pointee.response)
        unsafe stream.pointee.tryHeads &+= size.fields << 32 &+ size.bytes
    }

    /// The try is over, whatever came of it.
    @inline(never)
    func trackTry(_ attempt: StreamPointer) {
        // The host's: by now its slot may be another cluster's.
        guard let host = unsafe hosts[attempt.pointee.host], let cluster = unsafe cluster(of: host), unsafe !isTunnelled(attempt) else { return }
        let config = unsafe cluster.pointee.config
        // One of several beside each other has no request of its own.
        let stream = unsafe streams[attempt.pointee.hedgeOf] ?? attempt
        if unsafe config.pointee.sizeStats != 0 { unsafe trackSizes(config.pointee.sizeStats, attempt, stream) }
        guard unsafe config.pointee.budgetStats != 0, unsafe !stream.pointee.ranOutOfTime else { return }
        let elapsed = unsafe (nowNs &- attempt.pointee.upstreamStartNs) / 1_000_000
        unsafe cells.record(
            config.pointee.budgetStats &+ TimeoutBudgetStat.upstreamRqTimeoutBudgetPerTryPercentUsed.rawValue,
            percent(elapsed, of: stream.pointee.perTryTimeoutMs))
    }

    /// The request has its answer in full, or its time is over. It runs from the end of the request on; one that is answered
    /// before has used none of it.
    @inline(never)
    func trackBudget(_ stream: StreamPointer) {
        guard unsafe stream.pointee.hedgeOf == .none && !isTunnelled(stream), let cluster = unsafe cluster(stream.pointee.clusterSlot)
        else { return }
        let stats = unsafe cluster.pointee.config.pointee.budgetStats
        guard stats != 0 else { return }
        let end = unsafe stream.pointee.requestEndNs
        unsafe cells.record(
            stats &+ TimeoutBudgetStat.upstreamRqTimeoutBudgetPercentUsed.rawValue,
            percent(end == 0 ? 0 : (nowNs &- end) / 1_000_000, of: stream.pointee.timeoutMs))
    }

    private func trackSizes(_ stats: UInt32, _ attempt: StreamPointer, _ stream: StreamPointer) {
        func record(_ leaf: RequestResponseSizeStat, _ value: UInt64) { cells.record(stats &+ leaf.rawValue, value) }
        let request = unsafe HeadSize(request: stream.pointee.request)
        record(.upstreamRqHeadersSize, request.bytes)
        record(.upstreamRqHeadersCount, request.fields)
        unsafe record(.upstreamRqBodySize, attempt.pointee.upstreamBodySent &+ UInt64(attempt.pointee.waitingBody.count))
        let heads = unsafe attempt.pointee.tryHeads
        guard heads != 0 else { return }
        record(.upstreamRsHeadersSize, heads & 0xffff_ffff)
        record(.upstreamRsHeadersCount, heads >> 32)
        unsafe record(.upstreamRsBodySize, attempt.pointee.tryBodyReceived)
    }

    /// Of no limit nothing is ever used (Envoy).
    private func percent(_ elapsedMs: UInt64, of limitMs: UInt64) -> UInt64 {
        limitMs == 0 ? 0 : elapsedMs.multipliedFullWidth(by: 100).high == 0 ? elapsedMs &* 100 / limitMs : .max
    }
}

/// Names and values of a head, without what a protocol puts around them: pseudo-fields are fields, as in HTTP/2.
private struct HeadSize {
    var bytes: UInt64 = 0
    var fields: UInt64 = 0

    init(bytes: UInt64, fields: UInt64) {
        self.bytes = bytes
        self.fields = fields
    }

    init(request: MessageHead) {
        add(":method", request.text(request.methodText))
        add(":authority", request.text(request.authority))
        add(":path", request.text(request.path))
        if !request.path.isEmpty || !request.scheme.isEmpty { add(":scheme", request.schemeText) }
        add(request)
    }

    mutating func add(_ head: MessageHead) {
        for i in 0..<head.count {
            let field = head.field(i)
            if field.removed { continue }
            fields &+= 1
            bytes &+= UInt64(field.name.count) &+ UInt64(field.value.count)
        }
    }

    private mutating func add(_ name: StaticString, _ value: Bytes) {
        guard !value.isEmpty else { return }
        fields &+= 1
        bytes &+= UInt64(truncatingIfNeeded: name.utf8CodeUnitCount &+ value.count)
    }
}
