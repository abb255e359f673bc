// Where the stream meets the codec of its upstream: HTTP/1 with a connection to itself, or one stream of an HTTP/2
// connection (`upstreamCodec`). The Forwarder calls these; the one place that asks which it is.

import Primitives
import Stats
import Transport
import Upstream
import Wire

/// What a codec tells of a response besides its head.
struct ResponseFacts {
    var length: UInt64?
    var isChunked = false
    /// The protocol has been switched: what follows is a tunnel.
    var isTunnel = false
}

extension Worker {
    @inline(__always)
    func isHTTP2Upstream(_ stream: StreamPointer) -> Bool { unsafe !stream.pointee.upstreamCodec.isNone }

    // HOT: per message.
    /// Breakers and accounts of a request that a connection takes on. False: the cluster has as many as it may have, and
    /// the stream is answered.
    func beginUpstreamRequest(
        _ stream: StreamPointer, _ connection: UnsafeMutablePointer<Connection>, _ host: UnsafeMutablePointer<Host>
    ) -> Bool {
        let cluster = unsafe cluster(of: host)
        let priority = unsafe stream.pointee.upstreamIsHigh ? Priority.high : .normal
        if let cluster = unsafe cluster, unsafe cluster.pointee.config.pointee.breakers?.take(.requests, priority, thread: index) == false {
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqActiveOverflow)
            unsafe upstreamReset(stream, .overflow)
            return false
        }
        unsafe stream.pointee.upstream = unsafe connection.pointee.handle
        unsafe stream.pointee.upstreamConnectionID = unsafe connection.pointee.id
        unsafe stream.pointee.upstreamTimes.ready(connection, nowNs)
        if unsafe connection.pointee.tls != nil || stream.pointee.upstreamTLS != nil {
            unsafe stream.pointee.upstreamTLS?.release()
            unsafe stream.pointee.upstreamTLS = unsafe connections.description(of: connection)?.retained()
        }
        unsafe stream.pointee.upstreamRemoteAddress = unsafe host.pointee.config.address
        unsafe connection.pointee.activeMs = nowMs
        if let cluster = unsafe cluster {
            if let window = unsafe cluster.pointee.config.pointee.retryWindow { window.note(priority, thread: index, nowMs: nowMs) }
            unsafe beginTryDuration(stream, cluster.pointee.config)
            unsafe count(cluster.pointee.config.pointee.stats, .upstreamRqTotal)
            unsafe countRoute(stream, .upstreamRqTotal)
            unsafe gauge(cluster.pointee.config.pointee.stats, .upstreamRqActive, 1)
        }
        unsafe cells.increment(host.pointee.config.stats &+ HostStat.rqTotal.rawValue)
        unsafe cells.gaugeAdd(host.pointee.config.stats &+ HostStat.rqActive.rawValue, 1)
        unsafe stream.pointee.isOnUpstream = true
        unsafe tryBegins(stream)
        return true
    }

    // MARK: Request

    // HOT: per frame.
    /// A part of the body; the client is paused while too much waits. False: no memory.
    func queueRequestData(_ stream: StreamPointer, _ upstream: UnsafeMutablePointer<Connection>, _ part: Bytes, _ buffer: UInt16?) -> Bool {
        let waiting: Int
        if unsafe isHTTP2Upstream(stream) {
            guard let entry = unsafe h2.streams[stream.pointee.upstreamCodec], unsafe queueHTTP2(entry, part, buffer) else { return false }
            waiting = unsafe entry.pointee.out.count
            if unsafe waiting > upstreamLimit(stream) { unsafe backedUp(&entry.pointee.isAboveHigh, stream) }
        } else {
            guard unsafe queue(part, buffer, on: upstream, chunked: stream.pointee.requestIsChunked && !stream.pointee.isTunnel && !stream.pointee.isTCP)
            else { return false }
            waiting = unsafe upstream.pointee.out.count
            if unsafe waiting > upstreamLimit(stream) { unsafe backedUp(&upstream.pointee.isAboveHigh, stream) }
        }
        unsafe countUpstreamBody(stream, part.count)
        if unsafe waiting > upstreamLimit(stream) { unsafe pauseDownstream(stream) }
        return true
    }

    /// The upstream takes the request more slowly than the client sends it.
    func backedUp(_ isAboveHigh: inout Bool, _ stream: StreamPointer) {
        guard !isAboveHigh else { return }
        isAboveHigh = true
        unsafe countFlow(stream, .upstreamFlowControlBackedUpTotal)
    }

    func drained(_ isAboveHigh: inout Bool, _ stream: StreamPointer) {
        guard isAboveHigh else { return }
        isAboveHigh = false
        unsafe countFlow(stream, .upstreamFlowControlDrainedTotal)
        if unsafe stream.pointee.isCall { unsafe callDrained(stream) }
    }

    private func countFlow(_ stream: StreamPointer, _ leaf: ClusterStat) {
        guard let cluster = unsafe hosts[stream.pointee.host].flatMap({ unsafe cluster(of: $0) }) else { return }
        unsafe count(cluster.pointee.config.pointee.stats, leaf)
    }

    func countUpstreamBody(_ stream: StreamPointer, _ bytes: Int) {
        unsafe stream.pointee.upstreamBodySent &+= UInt64(truncatingIfNeeded: bytes)
    }

    // HOT: per message.
    func sendRequestEnd(_ stream: StreamPointer, _ upstream: UnsafeMutablePointer<Connection>) {
        if unsafe isHTTP2Upstream(stream) { return unsafe http2SendRequestEnd(stream) }
        unsafe http1SendRequestEnd(stream, upstream)
    }

    // MARK: Response

    func pauseUpstream(_ stream: StreamPointer) {
        guard let upstream = unsafe connections.slab[stream.pointee.upstream] else { return }
        if unsafe isHTTP2Upstream(stream) {
            guard let entry = unsafe h2.streams[stream.pointee.upstreamCodec], unsafe pauseHTTP2(entry) else { return }
        } else {
            guard unsafe !upstream.pointee.isPaused else { return }
            unsafe connections.pause(upstream)
        }
        unsafe upstreamCounted(upstream, .upstreamFlowControlPausedReadingTotal, 1)
    }

    func resumeUpstreamReading(_ stream: StreamPointer) {
        guard let upstream = unsafe connections.slab[stream.pointee.upstream], unsafe !stream.pointee.responseIsHeldBack else { return }
        if unsafe isHTTP2Upstream(stream) {
            guard let entry = unsafe h2.streams[stream.pointee.upstreamCodec], unsafe resumeHTTP2(entry) else { return }
        } else {
            guard unsafe upstream.pointee.isPaused else { return }
            unsafe connections.receive(upstream)
        }
        unsafe upstreamCounted(upstream, .upstreamFlowControlResumedReadingTotal, 1)
    }

    /// The response is not wanted: the request is tried again. `endStream`: it had no body.
    func dropResponse(_ stream: StreamPointer, endStream: Bool) {
        if unsafe !isHTTP2Upstream(stream), endStream { unsafe http1ResponseDropped(stream) }
    }

    // HOT: per message.
    /// The codec lets go of the stream: its connection is free for the next request, or closes.
    func leaveUpstream(
        _ stream: StreamPointer, _ host: UnsafeMutablePointer<Host>, _ cluster: UnsafeMutablePointer<Cluster>?
    ) {
        if unsafe stream.pointee.upstreamEndNs == 0 { unsafe countUnpaused(stream) }
        if unsafe isHTTP2Upstream(stream) { return unsafe http2LeaveUpstream(stream, host) }
        unsafe http1LeaveUpstream(stream, host, cluster)
    }

    /// The client goes in the middle of a response whose reading was paused for it: nothing is paused any more.
    private func countUnpaused(_ stream: StreamPointer) {
        guard let upstream = unsafe connections.slab[stream.pointee.upstream] else { return }
        let isPaused = unsafe isHTTP2Upstream(stream)
            ? h2.streams[stream.pointee.upstreamCodec]?.pointee.isPaused ?? false : upstream.pointee.isPaused
        if isPaused { unsafe upstreamCounted(upstream, .upstreamFlowControlResumedReadingTotal, 1) }
    }
}
