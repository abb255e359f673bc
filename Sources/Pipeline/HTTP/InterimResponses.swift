// Responses of status 1xx on their way to the client: `100 Continue` of our own, and with `proxy_100_continue` what a host says
// first ahead of its answer (RFC 9110 §15.2). As in Envoy they pass no filter and no route's headers.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    /// The interim head that lies in a try's response, which is free for the next one. Nil: the client is not told. As in Envoy
    /// it sees the first one; but a 100 that it waits for is kept from nobody.
    func takeInterim(_ attempt: StreamPointer) -> MessageHead? {
        let status = unsafe attempt.pointee.response.status
        if unsafe attempt.pointee.tracksTries { unsafe trackHead(attempt) }
        let passed = unsafe attempt.pointee.interimStatus
        // A hedged try stands beside its request.
        let request = unsafe streams[attempt.pointee.hedgeOf] ?? attempt
        let isWaitedFor = unsafe status == 100 && passed != 100 && request.pointee.request.has(.expect)
        guard unsafe attempt.pointee.http.pointee.proxy100Continue, Worker.isKnownInterim(status), passed == 0 || isWaitedFor,
            var head = MessageHead(pool: memory.blocks, bytes: 1024)
        else {
            unsafe attempt.pointee.response.reset()
            return nil
        }
        unsafe attempt.pointee.interimStatus = status
        unsafe swap(&attempt.pointee.response, &head)
        return head
    }

    static func isKnownInterim(_ status: UInt16) -> Bool { status == 100 || (102...104).contains(status) }

    /// The client may send its body. False: there was no memory; the stream is gone.
    func sendContinue(_ stream: StreamPointer) -> Bool {
        guard var head = MessageHead(pool: memory.blocks, bytes: 512) else { return unsafe downstreamOutOfMemory(stream) }
        head.status = 100
        defer { head.destroy() }
        return unsafe sendInterim(stream, head)
    }

    /// A host's. Its connection is not the client's.
    func passInterim(_ stream: StreamPointer, _ head: inout MessageHead) {
        // RFC 9110 §15.2: HTTP/1.0 knows none.
        guard unsafe !stream.pointee.hasResponseHead, unsafe stream.pointee.request.version != .http10 else { return }
        head.remove(.connection)
        head.remove(.upgrade)
        head.remove(.transferEncoding)
        head.remove(.proxyConnection)
        if let id = unsafe shownRequestID(stream) { head.set(.xRequestId, id) }
        unsafe stream.pointee.activeMs = nowMs
        _ = unsafe sendInterim(stream, head)
    }

    /// False: there was no memory; the stream is gone.
    private func sendInterim(_ stream: StreamPointer, _ head: MessageHead) -> Bool {
        unsafe countInterim(stream)
        unsafe stream.pointee.interimStatus = head.status
        if unsafe isHTTP2(stream) {
            unsafe http2SendInterim(stream, head)
            return true
        }
        return unsafe http1SendInterim(stream, head)
    }

    /// As in Envoy an answer of its own, which the final one is counted beside.
    private func countInterim(_ stream: StreamPointer) {
        guard unsafe !stream.pointee.isHealthCheck else { return }
        unsafe count(stream.pointee.http.pointee.stats, .downstreamRqCompleted)
        unsafe countStatus(stream, 100)
    }
}
