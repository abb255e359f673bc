// How a batch leaves: as a request of its own, as a message of a gRPC call that goes on, or as bytes on a TCP connection.
//
// All three are calls without an owner, like mirrors (`AsyncClient`): they go through routes, clusters and pools as any
// request does, and nobody waits for what they answer. A TCP connection is what a CONNECT that ends here has.

import Primitives
import Routing
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    func send(_ buffer: ExportBuffer) -> ExportOutcome {
        if let onExport { return handOver(buffer, onExport) }
        return switch unsafe buffer.config.pointee.transport {
        case .call: sendCall(buffer)
        case .stream: sendOnStream(buffer)
        case .connection: sendOnConnection(buffer)
        }
    }

    /// The worker that sends them counts them too.
    private func handOver(_ buffer: ExportBuffer, _ take: (ExportBatch) -> Bool) -> ExportOutcome {
        let bytes = buffer.items.bytes
        let base = UnsafeMutableRawPointer.allocate(byteCount: max(bytes.count, 1), alignment: 8)
        unsafe base.copyMemory(from: bytes.base, byteCount: bytes.count)
        let batch = unsafe ExportBatch(
            config: buffer.config, base: base, count: bytes.count, items: buffer.count, weight: buffer.weight, waits: true)
        if take(batch) { return .handedOver }
        unsafe base.deallocate()
        return .dropped
    }

    // MARK: Requests

    private func sendCall(_ buffer: ExportBuffer) -> ExportOutcome {
        guard buffer.requests < ExportBuffer.requestsMax, let call = unsafe openExport(buffer) else { return .dropped }
        var body = ByteQueue()
        guard write(buffer, &body) else {
            body.removeAll(memory)
            unsafe endCall(call)
            return .dropped
        }
        unsafe startCall(call, body: &body)
        return .sent
    }

    /// A call whose head is written. Its end is told to `exportFinished`, however it comes.
    private func openExport(_ buffer: ExportBuffer) -> StreamPointer? {
        let config = unsafe buffer.config
        guard let target = unsafe config.pointee.target, let request = MessageHead(pool: memory.blocks),
            let call = unsafe makeCall(request, target), let state = unsafe callState(call)
        else { return nil }
        unsafe state.initialize(to: CallState(owner: .none, place: 0))
        unsafe state.pointee.part = buffer.part
        unsafe state.pointee.exporter = unsafe config.pointee.number &+ 1
        unsafe state.pointee.items = UInt32(truncatingIfNeeded: buffer.count)
        hold(buffer.part)
        buffer.requests += 1
        unsafe state.pointee.keepsAnswer = unsafe !config.pointee.ratedService.isEmpty
        unsafe writeHead(call, config)
        if unsafe !config.pointee.countField.isEmpty {
            var digits = DecimalText(UInt64(buffer.count))
            unsafe call.pointee.request.append(name: config.pointee.countField, value: digits.bytes())
        }
        return unsafe call
    }

    func writeHead(_ call: StreamPointer, _ config: UnsafePointer<ExportConfig>) {
        let isConnect = unsafe config.pointee.transport == .connection
        unsafe setCallTarget(
            call, isConnect ? .connect : .post, Bytes(isConnect ? "CONNECT" : "POST" as StaticString),
            path: config.pointee.path, host: config.pointee.host)
        if isConnect {
            unsafe call.pointee.isConnect = true
            return
        }
        if unsafe config.pointee.isFramed { unsafe call.pointee.request.append(.te, Bytes("trailers" as StaticString)) }
        unsafe call.pointee.request.append(.contentType, config.pointee.contentType)
        if let timeout = unsafe config.pointee.requestTimeout?.value.integer {
            var digits = DecimalText(timeout)
            unsafe call.pointee.request.append(.xEnvoyUpstreamRqTimeoutMs, digits.bytes())
        }
        if unsafe !config.pointee.userAgent.isEmpty { unsafe call.pointee.request.append(.userAgent, config.pointee.userAgent) }
        unsafe applyMutations(config.pointee.headers, to: call.requestHead, call, isRequest: true)
        unsafe append(call, .xForwardedFor, text(ip: config.pointee.address, bits: nil), separator: ",")
    }

    // MARK: A stream

    private func sendOnStream(_ buffer: ExportBuffer) -> ExportOutcome {
        let isFirst = unsafe openedStream(buffer) == nil
        if isFirst {
            guard nowMs >= buffer.pausedUntilMs, let call = unsafe openExport(buffer) else { return .refused }
            buffer.stream = unsafe call.pointee.handle
            unsafe call.pointee.requestIsChunked = true
            unsafe call.pointee.request.append(.xEnvoyInternal, Bytes("true" as StaticString))
            unsafe runRequestHead(call, endStream: false)
            guard unsafe openedStream(buffer) != nil else { return .refused }
        }
        guard let call = unsafe openedStream(buffer), unsafe unsentBytes(call) <= ExportBuffer.unsentMax else { return .refused }
        var body = ByteQueue()
        guard write(buffer, introduces: isFirst, &body) else {
            body.removeAll(memory)
            return .refused
        }
        unsafe pass(&body, to: call)
        if buffer.isRetired { endStream(of: buffer) }
        return .sent
    }

    /// The exporter's call, while it takes messages.
    private func openedStream(_ buffer: ExportBuffer) -> StreamPointer? {
        guard let call = unsafe streams[buffer.stream], unsafe !call.pointee.isDestroyed, let state = unsafe callState(call),
            unsafe !state.pointee.isOver
        else { return nil }
        return unsafe call
    }

    /// What has not gone to the kernel, or into the window of the stream's peer.
    func unsentBytes(_ call: StreamPointer) -> Int {
        let waiting = unsafe call.pointee.waitingBody.count
        if unsafe isHTTP2Upstream(call) { return unsafe waiting &+ (h2.streams[call.pointee.upstreamCodec]?.pointee.out.count ?? 0) }
        return unsafe waiting &+ (connections.slab[call.pointee.upstream]?.pointee.out.count ?? 0)
    }

    func pass(_ body: inout ByteQueue, to call: StreamPointer) {
        let handle = unsafe call.pointee.handle
        while let part = body.first, !body.isEmpty, unsafe streams[handle] != nil {
            unsafe requestData(call, part, nil, endStream: false)
            body.consume(part.count, memory)
        }
        body.removeAll(memory)
    }

    /// Nothing more comes on the stream; what answers it is awaited, for a time.
    func endStream(of buffer: ExportBuffer) {
        guard let call = unsafe openedStream(buffer) else { return }
        buffer.stream = .none
        buffer.isConnected = false
        unsafe call.pointee.timeoutAtMs = nowMs &+ ExportBuffer.endMs
        unsafe armStreamTimer(call)
        unsafe requestEnded(call)
    }

    // MARK: A connection

    private func sendOnConnection(_ buffer: ExportBuffer) -> ExportOutcome {
        guard let call = unsafe openedStream(buffer) else { return connect(buffer) }
        guard buffer.isConnected, unsafe unsentBytes(call) <= ExportBuffer.unsentMax else { return .waiting }
        var body = ByteQueue()
        guard write(buffer, &body) else {
            body.removeAll(memory)
            return .waiting
        }
        unsafe pass(&body, to: call)
        if buffer.isRetired { endStream(of: buffer) }
        return .sent
    }

    private func connect(_ buffer: ExportBuffer) -> ExportOutcome {
        buffer.connectAttempts &+= 1
        guard let call = unsafe openExport(buffer) else { return .dropped }
        buffer.stream = unsafe call.pointee.handle
        unsafe runRequestHead(call, endStream: false)
        return .waiting
    }

    /// The peer of a TCP connection is there, or that of a stream has begun to answer. Told from inside its event: what
    /// waits is sent in the turn's end.
    func exportAnswered(_ exporter: UInt32) {
        let number = Int(exporter) - 1
        guard number >= 0, number < exports.buffers.count, let buffer = exports.buffers[number],
            unsafe buffer.config.pointee.transport == .connection
        else { return }
        buffer.isConnected = true
        buffer.connectAttempts = 0
        buffer.backoffMs = 0
        buffer.reconnectAtMs = 0
        unsafe timers.arm(buffer.timer, at: nowMs)
    }

    // MARK: The end

    /// The collector has answered, or the request failed. `status` 0: no answer.
    func exportFinished(_ end: CallEnd, status: UInt16, grpcStatus: Int64?) {
        let number = Int(end.exporter) - 1
        guard number >= 0, number < exports.buffers.count, let buffer = exports.buffers[number] else { return }
        buffer.requests -= 1
        let stats = unsafe buffer.config.pointee.stats
        if end.call == buffer.stream.raw {
            buffer.stream = .none
            buffer.isConnected = false
            let pauseMs = unsafe buffer.config.pointee.reconnect.streamPauseMs
            if pauseMs > 0 { buffer.pausedUntilMs = nowMs &+ 1 &+ random.below(pauseMs) }
        }
        switch unsafe buffer.config.pointee.transport {
        case .stream: break
        case .connection: connectionFinished(buffer)
        case .call:
            count(status == 0 ? stats.failed : isAccepted(buffer, status, grpcStatus) ? stats.accepted : stats.refused)
            count(isAccepted(buffer, status, grpcStatus) ? stats.delivered : stats.lost, Int(end.items))
            if status == 200 { readAnswer(end, buffer) }
        }
        tellExports()
    }

    private func readAnswer(_ end: CallEnd, _ buffer: ExportBuffer) {
        let service = unsafe buffer.config.pointee.ratedService
        guard !service.isEmpty, let call = unsafe streams[Handle(raw: end.call)], let state = unsafe callState(call),
            exports.envelope != nil
        else { return }
        exports.envelope?.reset()
        unsafe state.pointee.body.forEach { exports.envelope?.put($0) }
        guard let answer = exports.envelope, !answer.isTruncated else { return }
        buffer.rates.received(answer.bytes, service: service)
    }

    private func isAccepted(_ buffer: ExportBuffer, _ status: UInt16, _ grpcStatus: Int64?) -> Bool {
        let wanted = unsafe buffer.config.pointee.stats.acceptedStatus
        if wanted != 0 { return status == wanted }
        if unsafe buffer.config.pointee.isFramed { return status == 200 && grpcStatus == 0 }
        return status >= 200 && status < 300
    }

    /// A connection is made anew behind a pause that grows, with some chance in it, as long as it may be tried.
    private func connectionFinished(_ buffer: ExportBuffer) {
        let config = unsafe buffer.config
        unsafe count(config.pointee.stats.closed)
        let attemptsMax = unsafe config.pointee.reconnect.attemptsMax
        if attemptsMax != 0, buffer.connectAttempts >= attemptsMax {
            buffer.isGivenUp = true
            if let target = unsafe config.pointee.target, let cluster = unsafe cluster(target.pointee.clusters[0].slot) {
                unsafe count(cluster.pointee.config.pointee.stats, .upstreamCxConnectAttemptsExceeded)
            }
            return dropWaiting(buffer)
        }
        let reconnect = unsafe config.pointee.reconnect
        buffer.backoffMs = buffer.backoffMs == 0 ? reconnect.baseMs : min(buffer.backoffMs &* 2, reconnect.maxMs)
        let pause = 1 &+ random.below(buffer.backoffMs)
        guard buffer.count > 0 else { return }
        buffer.reconnectAtMs = nowMs &+ pause
        unsafe timers.armNoLater(buffer.timer, than: buffer.reconnectAtMs)
    }
}
