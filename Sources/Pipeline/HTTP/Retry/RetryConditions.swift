// What makes a try worth another one: the policy's conditions and those of trusted callers (`x-envoy-retry-on` and others),
// against an answer's head or the way in which a try ended.

import Primitives
import Routing
import Upstream
import Wire

extension Worker {
    func readRetryPolicy(_ stream: StreamPointer, _ policy: UnsafePointer<RetryConfig>?) {
        var on = unsafe policy?.pointee.on ?? []
        let request = unsafe stream.pointee.request
        if let words = request.value(of: .xEnvoyRetryOn) { on.formUnion(Worker.conditions(words, RetryConfig.On.names)) }
        if let words = request.value(of: .xEnvoyRetryGrpcOn) {
            on.formUnion(Worker.conditions(words, RetryConfig.On.grpcNames))
        }
        if let limiting = unsafe policy?.pointee.requestHeaders, !limiting.anyHolds(request) { on = [] }
        unsafe stream.pointee.retry.left = unsafe UInt64(policy?.pointee.retriesMax ?? 1)
        if !on.isEmpty, let most = request.value(of: .xEnvoyMaxRetries)?.trimmed.decimal { unsafe stream.pointee.retry.left = most }
        if let at = request.index(of: .xEnvoyRetriableStatusCodes) {
            unsafe stream.pointee.retry.statusCodes = request.field(at).value
        }
        if let at = request.index(of: .xEnvoyRetriableHeaderNames) {
            unsafe stream.pointee.retry.headerNames = request.field(at).value
        }
        unsafe stream.pointee.retry.backoffMs = unsafe policy?.pointee.backoffBaseMs ?? 25
        // A hedge asks for no condition, only for a policy.
        let isAsked = request.has(.xEnvoyRetryOn) || request.has(.xEnvoyRetryGrpcOn)
        if unsafe stream.pointee.retry.hedges, unsafe isAsked || policy.map({ unsafe !$0.pointee.on.isEmpty }) == true {
            on.insert(.hedged)
        }
        // A tunnel has no body that could be sent again.
        unsafe stream.pointee.retry.on = unsafe stream.pointee.isUpgrade ? [] : on
    }

    private static func conditions(_ words: Bytes, _ names: [(name: StaticString, on: RetryConfig.On)]) -> RetryConfig.On {
        var on: RetryConfig.On = []
        var list = TokenList(words)
        while let word = list.next() {
            for entry in names where word.equals(Bytes(entry.name)) { on.formUnion(entry.on) }
        }
        return on
    }

    // MARK: Against what came back

    func resetIsRetriable(_ stream: StreamPointer, _ failure: UpstreamFailure, started: Bool) -> Bool {
        let on = unsafe stream.pointee.retry.on
        var wanted = !on.isDisjoint(with: [.fiveXX, .gatewayError, .reset]) || (!started && on.contains(.resetBeforeRequest))
        switch failure {
        case .connectFailed, .connectTimedOut, .handshakeFailed: wanted = wanted || on.contains(.connectFailure)
        case .refused: wanted = wanted || on.contains(.refusedStream)
        case .overflow, .memory: wanted = false
        case .terminated, .remoteReset, .protocolError, .timedOut, .maxDuration: break
        }
        return wanted
    }

    func isRetriable(_ stream: StreamPointer, _ head: MessageHead) -> Bool {
        let on = unsafe stream.pointee.retry.on
        // An Envoy behind us has limited the rate: its own condition, and no other, decides.
        if head.has(.xEnvoyRatelimited) { return on.contains(.envoyRatelimited) }
        let status = head.status
        if on.contains(.fiveXX), status >= 500, status < 600 { return true }
        if on.contains(.gatewayError), status >= 502, status <= 504 { return true }
        if on.contains(.retriable4xx), status == 409 { return true }
        if on.contains(.retriableStatusCodes), unsafe isListed(status, stream) { return true }
        if on.contains(.retriableHeaders), unsafe hasListedHeader(stream, head) { return true }
        guard !on.isDisjoint(with: .anyGRPC), let code = head.value(of: .grpcStatus)?.decimal else { return false }
        return switch code {
        case 1: on.contains(.grpcCancelled)
        case 4: on.contains(.grpcDeadlineExceeded)
        case 8: on.contains(.grpcResourceExhausted)
        case 13: on.contains(.grpcInternal)
        case 14: on.contains(.grpcUnavailable)
        default: false
        }
    }

    private func isListed(_ status: UInt16, _ stream: StreamPointer) -> Bool {
        if let policy = unsafe stream.pointee.route?.pointee.retry {
            let codes = unsafe policy.pointee.statusCodes
            for i in 0..<codes.count where codes[i] == status { return true }
        }
        var list = unsafe TokenList(stream.pointee.request.text(stream.pointee.retry.statusCodes))
        while let code = list.next() {
            if code.decimal == UInt64(status) { return true }
        }
        return false
    }

    private func hasListedHeader(_ stream: StreamPointer, _ head: MessageHead) -> Bool {
        if let matchers = unsafe stream.pointee.route?.pointee.retry?.pointee.headers, matchers.anyHolds(head) { return true }
        var list = unsafe TokenList(stream.pointee.request.text(stream.pointee.retry.headerNames))
        while let name = list.next() {
            for i in 0..<head.count where !head.field(i).removed && head.name(i).equalsIgnoringCase(name) { return true }
        }
        return false
    }

    /// `rate_limited_retry_back_off`: when the upstream says to come again.
    func readResetInterval(_ stream: StreamPointer) {
        guard let policy = unsafe stream.pointee.route?.pointee.retry else { return }
        let headers = unsafe policy.pointee.resetHeaders
        for i in 0..<headers.count {
            guard var seconds = unsafe stream.pointee.response.value(named: headers[i].name)?.trimmed.decimal else { continue }
            if headers[i].isTimestamp {
                let now = wallNs / 1_000_000_000
                guard seconds > now else { continue }
                seconds &-= now
            }
            let (interval, overflowed) = seconds.multipliedReportingOverflow(by: 1000)
            guard !overflowed, interval > 1, unsafe interval <= policy.pointee.resetIntervalMaxMs else { continue }
            unsafe stream.pointee.retry.resetIntervalMs = interval
            return
        }
    }
}
