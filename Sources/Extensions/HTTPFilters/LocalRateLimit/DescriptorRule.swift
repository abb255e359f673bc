// One `rate_limits` entry: its actions in order give a descriptor's entries, or none when one of them has nothing to say.
// Asked with what a configured descriptor wants, so that nothing is put together per request.

import Pipeline
import Primitives
import Routing
import Wire

struct DescriptorAction: BitwiseCopyable {
    enum Kind: BitwiseCopyable {
        /// An entry of a fixed value.
        case fixed
        /// The value of the header `source`, or of the query parameter `source`.
        case header, queryParameter
        case destinationCluster, remoteAddress, maskedRemoteAddress
        /// A fixed value for requests that match, or that do not.
        case match
    }
    var kind: Kind
    var key: Bytes
    var value = Bytes.empty
    var source = Bytes.empty
    /// Without the header or parameter the entry is left out, not the whole descriptor.
    var skipsAbsent = false
    var predicate: HeaderPredicate?
    var expectsMatch = true
    var v4Bits: UInt8 = 32
    var v6Bits: UInt8 = 128
}

struct DescriptorRule: BitwiseCopyable {
    var actions: FrozenArray<DescriptorAction>

    private enum Outcome { case entry(Bool), skipped, none }

    // HOT: per message.
    /// Whether the request's descriptor has exactly these entries (keys and values in turn).
    func produces(_ entries: FrozenArray<Bytes>, _ worker: Worker, _ stream: StreamPointer) -> Bool {
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
        _ action: UnsafePointer<DescriptorAction>, _ wanted: Bytes, _ worker: Worker, _ stream: StreamPointer
    ) -> Outcome {
        let absent: Outcome = unsafe action.pointee.skipsAbsent ? .skipped : .none
        switch unsafe action.pointee.kind {
        case .fixed: return unsafe .entry(action.pointee.value.equals(wanted))
        case .header:
            guard let value = unsafe DescriptorRule.header(action.pointee.source, stream) else { return absent }
            return .entry(value.equals(wanted))
        case .queryParameter:
            let path = unsafe stream.pointee.request.text(stream.pointee.request.path)
            guard let mark = path.firstIndex(of: UInt8(ascii: "?")),
                let value = unsafe QueryParameters.value(of: action.pointee.source, in: path.from(mark &+ 1))
            else { return absent }
            return .entry(DescriptorRule.equalsDecoded(value, wanted))
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
