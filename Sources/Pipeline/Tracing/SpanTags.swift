// What a span says: the tags of Envoy's spans, in Envoy's order.

import Primitives
import Stats
import Transport
import Upstream
import Wire

extension Worker {
    var spanScratch: SpanScratch {
        if let scratch = tracing.scratch { return scratch }
        let scratch = SpanScratch(pool: memory.blocks)
        tracing.scratch = scratch
        return scratch
    }

    // MARK: The request's span

    func recordRequest(_ stream: StreamPointer, _ trace: UnsafeMutablePointer<TraceState>) {
        let span = spanScratch
        let config = unsafe trace.pointee.config
        span.reset()
        span.context = unsafe trace.pointee.context
        span.hasShortTrace = unsafe trace.pointee.isShort
        unsafe span.kind = trace.pointee.isServer ? .server : .client
        unsafe span.tracestate = stream.pointee.request.text(trace.pointee.tracestate)
        let toWall = wallNs &- nowNs
        span.startNs = unsafe stream.pointee.startNs &+ toWall
        span.endNs = nowNs &+ toWall
        unsafe requestName(span, stream, trace)
        let source = unsafe formatSource(stream)
        unsafe span.tag("node_id", trace.pointee.tracer.pointee.node)
        if unsafe !trace.pointee.tracer.pointee.zone.isEmpty { unsafe span.tag("zone", trace.pointee.tracer.pointee.zone) }
        unsafe requestTags(span, stream, source, pathMax: config.pointee.pathMax)
        unsafe span.tag("request_size", number: stream.pointee.requestBodyBytes)
        unsafe span.tag("response_size", number: stream.pointee.responseBodyBytes)
        unsafe sharedTags(
            span, stream, source, trace, cluster: tracedCluster(stream), status: source.responseCode, flags: source.flags, isWhole: true)
        unsafe grpcResponseTags(span, stream)
        unsafe export(span, trace)
    }

    /// gRPC's codes that are errors of the server's (OpenTelemetry's conventions), and those that Envoy's `error` means.
    private static let grpcServerErrors: UInt64 = 1 << 2 | 1 << 4 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 15
    private static let grpcErrors: UInt64 = grpcServerErrors | 1 << 8

    private func requestName(_ span: SpanScratch, _ stream: StreamPointer, _ trace: UnsafeMutablePointer<TraceState>) {
        let told = unsafe stream.pointee.request.text(trace.pointee.toldOperation)
        let operation = unsafe told.isEmpty ? trace.pointee.operation : told
        let isEgress = unsafe trace.pointee.config.pointee.isEgress
        let isZipkin = unsafe trace.pointee.tracer.pointee.isZipkin
        let host = unsafe stream.pointee.request.text(trace.pointee.host)
        let route = unsafe stream.pointee.route?.pointee.tracing
        if let format = unsafe route?.pointee.operation ?? trace.pointee.config.pointee.operation {
            let name = unsafe formatted(format, stream)
            return span.setName { $0.put(name) }
        }
        span.setName { text in
            if !operation.isEmpty { return text.put(operation) }
            if isZipkin { return text.put(host) }
            text.put(isEgress ? "egress " : "ingress" as StaticString)
            if isEgress { text.put(host) }
        }
    }

    private func requestTags(_ span: SpanScratch, _ stream: StreamPointer, _ source: FormatSource, pathMax: Int) {
        let request = unsafe stream.pointee.request
        guard !request.methodText.isEmpty else { return }
        if let id = request.value(of: .xRequestId) { span.tag("guid:x-request-id", id) }
        let start = span.text.count
        span.text.put(request.value(of: .xForwardedProto) ?? .empty)
        span.text.put("://")
        span.text.put(request.text(request.authority))
        span.text.put((request.value(of: .xEnvoyOriginalPath) ?? request.text(request.path)).prefix(pathMax))
        span.tag(Bytes("http.url" as StaticString), from: start)
        span.tag("http.method", request.text(request.methodText))
        let dash = Bytes("-" as StaticString)
        span.tag("downstream_cluster", request.value(of: .xEnvoyDownstreamServiceCluster) ?? dash)
        span.tag("user_agent", request.value(of: .userAgent) ?? dash)
        span.tag("http.protocol", FormatWriter.name(request.version))
        let peer = span.text.count
        let address = source.directRemoteAddress
        if address.family == .unix { span.text.put(address) } else { span.text.put(ip: address) }
        span.tag(Bytes("peer.address" as StaticString), from: peer)
        if let client = request.value(of: .xClientTraceId) { span.tag("guid:x-client-trace-id", client) }
        guard unsafe stream.pointee.isGRPC else { return }
        span.tag("grpc.path", request.text(request.path))
        span.tag("grpc.authority", request.text(request.authority))
        span.tag("grpc.content_type", request.value(of: .contentType) ?? .empty)
        if let timeout = request.value(of: .grpcTimeout) { span.tag("grpc.timeout", timeout) }
    }

    private func grpcResponseTags(_ span: SpanScratch, _ stream: StreamPointer) {
        if unsafe stream.pointee.hasResponseHead { unsafe grpcTags(span, stream.pointee.response) }
        if let trailers = unsafe stream.pointee.responseTrailers { grpcTags(span, trailers) }
    }

    private func grpcTags(_ span: SpanScratch, _ head: MessageHead) {
        if let status = head.value(of: .grpcStatus) {
            span.tag("grpc.status_code", status)
            if let code = status.decimal, code != 0 {
                let bit: UInt64 = code < 64 ? 1 << code : 0
                if bit & Worker.grpcErrors != 0 { span.tag("error", "true") }
                if span.kind == .client || bit & Worker.grpcServerErrors != 0 { span.isError = true }
            }
        }
        if let message = head.value(named: Bytes("grpc-message" as StaticString)) { span.tag("grpc.message", message) }
    }

    // MARK: The span of a try

    func recordAttempt(_ stream: StreamPointer, _ trace: UnsafeMutablePointer<TraceState>) {
        unsafe export(fillAttempt(stream, trace), trace)
    }

    /// The span, in the worker's scratch.
    func fillAttempt(_ stream: StreamPointer, _ trace: UnsafeMutablePointer<TraceState>) -> SpanScratch {
        let span = spanScratch
        let cluster = unsafe tracedCluster(stream)
        span.reset()
        unsafe span.context = trace.pointee.attempt
        span.hasShortTrace = unsafe trace.pointee.isShort
        span.kind = .client
        unsafe span.tracestate = stream.pointee.request.text(trace.pointee.tracestate)
        let toWall = wallNs &- nowNs
        span.startNs = unsafe trace.pointee.attemptStartNs &+ toWall
        // The client may take its time with the rest.
        let endNs = unsafe stream.pointee.upstreamEndNs
        span.endNs = unsafe (endNs >= trace.pointee.attemptStartNs ? endNs : nowNs) &+ toWall
        var source = unsafe formatSource(stream)
        // What no client was answered with is no code to formats (Envoy).
        let isAnswer = unsafe trace.pointee.attemptFailure.isEmpty && stream.pointee.upstreamEndNs >= trace.pointee.attemptStartNs
        source.status = unsafe isAnswer ? trace.pointee.attemptStatus : trace.pointee.answeredStatus
        unsafe attemptName(span, stream, trace, source, cluster)
        let attempt = unsafe UInt64(trace.pointee.attemptNumber)
        if attempt > 1 { span.tag("retry.count", number: attempt &- 1) }
        let failure = unsafe trace.pointee.attemptFailure
        if !failure.isEmpty {
            span.tag("error", "true")
            span.tag("error.reason", failure)
        } else if unsafe stream.pointee.upstreamEndNs < trace.pointee.attemptStartNs {
            span.tag("canceled", "true")
        }
        if unsafe trace.pointee.attemptStatus != 0 { unsafe grpcResponseTags(span, stream) }
        let isSent = unsafe stream.pointee.requestHeadSent
        span.tag("http.protocol", unsafe !isSent ? "-" : stream.pointee.upstreamIsHTTP2 ? "HTTP/2" : "HTTP/1.1")
        if let host = unsafe hosts[stream.pointee.host] {
            for key: StaticString in ["upstream_address", "peer.address"] {
                let start = span.text.count
                unsafe span.text.put(host.pointee.config.address)
                span.tag(Bytes(key), from: start)
            }
        }
        unsafe sharedTags(
            span, stream, source, trace, cluster: cluster, status: trace.pointee.attemptStatus,
            flags: trace.pointee.attemptFlags, isWhole: false)
        return span
    }

    private func attemptName(
        _ span: SpanScratch, _ stream: StreamPointer, _ trace: UnsafeMutablePointer<TraceState>, _ source: FormatSource,
        _ cluster: UnsafePointer<ClusterConfig>?
    ) {
        if unsafe trace.pointee.tracer.pointee.payload == .skyWalking {
            let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
            return span.setName { $0.put(path) }
        }
        if unsafe trace.pointee.isMirror { return span.setName { $0.put("mirror") } }
        let route = unsafe stream.pointee.route?.pointee.tracing
        if let format = unsafe route?.pointee.upstreamOperation ?? trace.pointee.config.pointee.upstreamOperation {
            let name = formats.write(format, source, missing: .empty)
            return span.setName { $0.put(name) }
        }
        let name = unsafe cluster?.pointee.observabilityName ?? .empty
        span.setName { text in
            text.put("router ")
            text.put(name)
            text.put(" egress")
        }
    }

    // MARK: Both

    private func sharedTags(
        _ span: SpanScratch, _ stream: StreamPointer, _ source: FormatSource, _ trace: UnsafeMutablePointer<TraceState>,
        cluster: UnsafePointer<ClusterConfig>?, status: UInt16, flags: ResponseFlags, isWhole: Bool
    ) {
        span.tag("component", "proxy")
        if let cluster = unsafe cluster {
            unsafe span.tag("upstream_cluster", cluster.pointee.name)
            unsafe span.tag("upstream_cluster.name", cluster.pointee.observabilityName)
        }
        span.tag("http.status_code", number: UInt64(status))
        let start = span.text.count
        putFlags(flags, &span.text)
        span.tag(Bytes("response_flags" as StaticString), from: start)
        if unsafe trace.pointee.config.pointee.isVerbose && !trace.pointee.isMirror { unsafe events(span, stream, trace, isWhole: isWhole) }
        if status == 0 || status >= 500 { span.tag("error", "true") }
        if status >= (span.kind == .client ? 400 : 500) { span.isError = true }
        if unsafe trace.pointee.isMirror { return }
        let route = unsafe stream.pointee.route?.pointee.tracing
        unsafe customTags(span, stream, source, route?.pointee.tags ?? trace.pointee.config.pointee.tags, isZipkin: trace.pointee.tracer.pointee.isZipkin)
    }

    private func putFlags(_ flags: ResponseFlags, _ text: inout TextBuffer) {
        if flags.isEmpty { return text.put("-") }
        var isFirst = true
        flags.forEach { number in
            if !isFirst { text.put(UInt8(ascii: ",")) }
            isFirst = false
            text.put(FlagNames.name(number, long: false))
        }
    }

    private func customTags(
        _ span: SpanScratch, _ stream: StreamPointer, _ source: FormatSource, _ tags: FrozenArray<TracingTag>, isZipkin: Bool
    ) {
        for i in 0..<tags.count {
            let tag = tags[i]
            var value = tag.value
            switch tag.kind {
            case .literal: break
            case .header: value = unsafe stream.pointee.request.value(named: tag.header) ?? tag.value
            case .metadata:
                guard let found = formats.value(of: tag.metadata, source) else { break }
                // What is there is said, though it is empty; Zipkin has no empty tags (Envoy).
                if !found.isEmpty || !isZipkin { span.tag(tag.name, found) }
                continue
            case .format: if let format = tag.format { value = formats.write(format, source, missing: .empty) }
            }
            if !value.isEmpty { span.tag(tag.name, value) }
        }
    }

    /// `verbose`: when the parts of the request and of the response came and went.
    private func events(
        _ span: SpanScratch, _ stream: StreamPointer, _ trace: UnsafeMutablePointer<TraceState>, isWhole: Bool
    ) {
        let toWall = wallNs &- nowNs
        let first = unsafe isWhole ? 1 : trace.pointee.attemptStartNs
        func put(_ name: StaticString, _ timeNs: UInt64) { if timeNs >= first { span.event(name, timeNs &+ toWall) } }
        if isWhole { unsafe put("last_downstream_rx_byte_received", stream.pointee.requestEndNs) }
        if unsafe stream.pointee.requestHeadSent {
            unsafe put("first_upstream_tx_byte_sent", stream.pointee.upstreamStartNs)
            unsafe put("last_upstream_tx_byte_sent", stream.pointee.upstreamRequestEndNs)
            unsafe put("first_upstream_rx_byte_received", stream.pointee.upstreamFirstByteNs)
            unsafe put("last_upstream_rx_byte_received", stream.pointee.upstreamEndNs)
        }
        guard isWhole, unsafe stream.pointee.responseStartNs != 0 else { return }
        unsafe put("first_downstream_tx_byte_sent", stream.pointee.responseStartNs)
        if unsafe stream.pointee.responseEnded { unsafe put("last_downstream_tx_byte_sent", stream.pointee.endNs) }
    }

    /// The cluster that the request went to, or would have gone to; nil: there is none.
    private func tracedCluster(_ stream: StreamPointer) -> UnsafePointer<ClusterConfig>? {
        if let cluster = unsafe cluster(stream.pointee.clusterSlot) { return unsafe cluster.pointee.config }
        guard let route = unsafe stream.pointee.route, unsafe route.pointee.action == .forward,
            unsafe route.pointee.clusterChoice == .single, let cluster = unsafe cluster(route.pointee.clusters[0].slot)
        else { return nil }
        return unsafe cluster.pointee.config
    }
}
