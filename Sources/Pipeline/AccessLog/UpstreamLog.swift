// The router's `upstream_log`: a line for each try of a request, told from the try's own side: what was sent to the host and
// what came back, from the try's beginning on, with the flags of this try alone.

import Primitives
import Wire

extension Worker {
    // HOT: per message.
    /// A try ends (`UpstreamEnd`), has got a connection (`UpstreamPoolReady`), or goes on (`UpstreamPeriodic`).
    @inline(__always)
    func logTry(_ stream: StreamPointer, _ type: AccessLogType) {
        guard unsafe !stream.pointee.router.pointee.upstreamLogs.isEmpty else { return }
        unsafe writeTry(stream, type)
    }

    @inline(never)
    private func writeTry(_ stream: StreamPointer, _ type: AccessLogType) {
        // An attempt beside its request's own is told of with the request's head, its route, and the rest.
        if let request = unsafe streams[stream.pointee.hedgeOf] {
            unsafe exchangeAttempts(request, stream)
            unsafe writeTry(request, type)
            return unsafe exchangeAttempts(request, stream)
        }
        // A response that is given up has a head all the same.
        let hadHead = unsafe stream.pointee.hasResponseHead
        unsafe stream.pointee.hasResponseHead = unsafe stream.pointee.tryStatus != 0
        defer { unsafe stream.pointee.hasResponseHead = hadHead }
        var source = unsafe formatSource(stream)
        source.logType = type
        source.isTry = true
        source.status = unsafe stream.pointee.tryStatus
        unsafe log(stream.pointee.router.pointee.upstreamLogs, source, part: part(of: stream))
    }

    // HOT: per message.
    /// A connection has taken the try on.
    @inline(__always)
    func tryBegins(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.router.pointee.upstreamLogs.isEmpty else { return }
        let times = unsafe stream.pointee.router.pointee.upstreamLogTimes
        if times.atStart { unsafe writeTry(stream, .upstreamPoolReady) }
        guard times.intervalMs != 0 else { return }
        unsafe stream.pointee.tryLogAtMs = nowMs &+ times.intervalMs
        unsafe armStreamTimer(stream)
    }

    /// What the next try tells of begins anew.
    func forgetTry(_ stream: StreamPointer) {
        unsafe stream.pointee.tryFlags = []
        unsafe stream.pointee.earlierTries = unsafe stream.pointee.upstreamMeter
        unsafe stream.pointee.tryStatus = 0
        unsafe stream.pointee.tryLogAtMs = 0
        unsafe stream.pointee.tryBodyReceived = 0
        unsafe stream.pointee.tryHeads = 0
        unsafe stream.pointee.upstreamFirstByteNs = 0
        unsafe stream.pointee.upstreamErrno = 0
        unsafe stream.pointee.transportFailure = .empty
    }
}

extension FormatSource {
    // HOT: per field.
    /// Of a try: nanoseconds from its beginning.
    func tryDuration(_ op: FormatOperator) -> UInt64? {
        guard let stream = unsafe stream else { return nil }
        let start = unsafe stream.pointee.upstreamStartNs
        let end: UInt64
        switch op {
        case .duration: end = nowNs
        case .requestSendDuration: end = unsafe stream.pointee.upstreamRequestEndNs
        case .responseDuration: end = unsafe stream.pointee.upstreamFirstByteNs
        // When its client sent and was sent to is not the try's to tell.
        default: return nil
        }
        return end >= start && end != 0 ? end &- start : nil
    }
}
