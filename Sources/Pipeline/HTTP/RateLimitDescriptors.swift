// What a request's descriptors are by `rate_limits`. Asked with what a configured descriptor wants, so that nothing is put
// together per request.

import Primitives
import Routing
import Wire

extension RateLimitRule {
    private enum Outcome { case entry(Bool), skipped, none }

    // HOT: per message.
    /// Whether the request's descriptor has exactly these entries (keys and values in turn).
    package func produces(_ entries: FrozenArray<Bytes>, _ worker: Worker, _ stream: StreamPointer) -> Bool {
        var next = 0
        for i in 0..<actions.count {
            let action = unsafe actions.pointer(i)
            let isLast = next &+ 1 >= entries.count
            let wanted = isLast ? Bytes.empty : entries[next &+ 1]
            switch unsafe outcome(action, wanted, worker, stream) {
            case .none: return false
            case .skipped: continue
            case .entry(let isEqual):
                guard !isLast, isEqual, unsafe entries[next].equals(action.pointee.key) else { return false }
                next &+= 2
            }
        }
        return next > 0 && next == entries.count
    }

    private func outcome(
        _ action: UnsafePointer<RateLimitAction>, _ wanted: Bytes, _ worker: Worker, _ stream: StreamPointer
    ) -> Outcome {
        let absent: Outcome = unsafe action.pointee.skipsAbsent ? .skipped : .none
        switch unsafe action.pointee.kind {
        case .fixed: return unsafe .entry(action.pointee.value.equals(wanted))
        case .header:
            guard let value = unsafe RateLimitRule.header(action.pointee.source, stream) else { return absent }
            return .entry(value.equals(wanted))
        case .queryParameter:
            let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
            guard let mark = path.firstIndex(of: UInt8(ascii: "?")),
                let value = unsafe QueryParameters.value(of: action.pointee.source, in: path.from(mark &+ 1))
            else { return absent }
            return .entry(RateLimitRule.equalsDecoded(value, wanted))
        case .destinationCluster:
            guard let name = unsafe worker.routeClusterName(stream) else { return .none }
            return .entry(name.equals(wanted))
        case .remoteAddress:
            return unsafe .entry(worker.text(ip: stream.pointee.remoteAddress, bits: nil).equals(wanted))
        case .maskedRemoteAddress:
            let address = unsafe stream.pointee.remoteAddress
            let bits = unsafe address.family == .ipv4 ? action.pointee.v4Bits : action.pointee.v6Bits
            return .entry(worker.text(ip: address, bits: bits).equals(wanted))
        case .match:
            guard let predicate = unsafe action.pointee.predicate else { return .none }
            guard unsafe predicate.matches(stream.pointee.request) == action.pointee.expectsMatch else { return .none }
            return unsafe .entry(action.pointee.value.equals(wanted))
        }
    }

    private static func header(_ name: Bytes, _ stream: StreamPointer) -> Bytes? {
        let head = unsafe stream.pointee.request
        if name[0] == UInt8(ascii: ":") {
            if name.equals(Bytes(":path" as StaticString)) { return head.text(head.path) }
            if name.equals(Bytes(":method" as StaticString)) { return head.text(head.methodText) }
            if name.equals(Bytes(":authority" as StaticString)) { return head.text(head.authority) }
            return nil
        }
        return head.value(named: name)
    }

    private static func equalsDecoded(_ text: Bytes, _ wanted: Bytes) -> Bool {
        var i = 0
        var j = 0
        while i < text.count {
            guard j < wanted.count else { return false }
            let decoded = PercentCoding.byte(text, at: i)
            guard (decoded ?? text[i]) == wanted[j] else { return false }
            i &+= decoded == nil ? 1 : 3
            j &+= 1
        }
        return j == wanted.count
    }
}

/// Which of a route's and its virtual host's `rate_limits` a filter looks at (`vh_rate_limits`).
package enum HostRateLimits: UInt8, BitwiseCopyable { case override, include, ignore }

extension Worker {
    // HOT: per message.
    /// Whether one of the stream's descriptors by the `rate_limits` of its route, and of its virtual host as far as they count,
    /// has exactly these entries.
    package func routeProduces(
        _ entries: FrozenArray<Bytes>, stage: UInt32, _ option: HostRateLimits, _ stream: StreamPointer
    ) -> Bool {
        guard let route = unsafe stream.pointee.route, unsafe route.pointee.action == .forward else { return false }
        let own = unsafe route.pointee.rateLimits
        if unsafe produces(own, entries, stage, stream) { return true }
        let takesHost = unsafe route.pointee.includesHostRateLimits || option == .include || (option == .override && own.isEmpty)
        let hosts = unsafe stream.pointee.http.pointee.routes.pointee.virtualHosts
        let number = unsafe Int(route.pointee.virtualHost)
        guard takesHost, number < hosts.count else { return false }
        return unsafe produces(hosts[number].rateLimits, entries, stage, stream)
    }

    private func produces(
        _ rules: FrozenArray<RateLimitRule>, _ entries: FrozenArray<Bytes>, _ stage: UInt32, _ stream: StreamPointer
    ) -> Bool {
        for i in 0..<rules.count where rules[i].stage == stage {
            if unsafe rules[i].produces(entries, self, stream) { return true }
        }
        return false
    }
}
