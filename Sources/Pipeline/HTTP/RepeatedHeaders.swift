// Fields that Envoy keeps one value of (`SingleHeaders`) and that came more than once become one field, as soon as the
// head is there: routes, filters, logs and the next hop all see the same value (RFC 9110 §5.3).

import Primitives
import Wire

enum RepeatedHeaders {
    // HOT: per message.
    /// One pass over the ids; fields are looked at only when one of them has come twice.
    @inline(__always)
    static func join(_ head: UnsafeMutablePointer<MessageHead>, isRequest: Bool) {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var i = 0
        let count = unsafe head.pointee.count
        while i < count {
            let id = unsafe head.pointee.field(i).id
            i &+= 1
            if id == .other { continue }
            let bit: UInt64 = 1 &<< (UInt64(id.rawValue) & 63)
            let isRepeated = id.rawValue < 64 ? low & bit != 0 : high & bit != 0
            if isRepeated { return unsafe joinAll(head, isRequest) }
            if id.rawValue < 64 { low |= bit } else { high |= bit }
        }
    }

    // HOT: per message.
    /// Of trailers Envoy keeps two fields so: a call has one status, and two that differ are none.
    @inline(__always)
    static func joinStatus(_ trailers: inout MessageHead?) {
        guard let head = trailers else { return }
        if isRepeated(head, .grpcStatus) || isRepeated(head, .grpcMessage) { joinStatus(head, &trailers) }
    }

    @inline(__always)
    private static func isRepeated(_ head: MessageHead, _ id: HeaderID) -> Bool {
        guard let first = head.index(of: id) else { return false }
        return head.index(of: id, from: first &+ 1) != nil
    }

    @inline(never)
    private static func joinStatus(_ head: MessageHead, _ trailers: inout MessageHead?) {
        var head = head
        unsafe withUnsafeMutablePointer(to: &head) { head in
            if let first = unsafe head.pointee.index(of: .grpcStatus) { unsafe join(head, .grpcStatus, into: first) }
            if let first = unsafe head.pointee.index(of: .grpcMessage) { unsafe join(head, .grpcMessage, into: first) }
        }
        trailers = head
    }

    @inline(never)
    private static func joinAll(_ head: UnsafeMutablePointer<MessageHead>, _ isRequest: Bool) {
        var i = 0
        while unsafe i < head.pointee.count {
            let field = unsafe head.pointee.field(i)
            if !field.removed, SingleHeaders.contains(field.id, isRequest: isRequest) {
                unsafe join(head, field.id, into: i)
            }
            i &+= 1
        }
    }

    /// The values of all fields of this id, in order, in the place of the first.
    private static func join(_ head: UnsafeMutablePointer<MessageHead>, _ id: HeaderID, into first: Int) {
        var bytes = unsafe head.pointee.value(first).count
        var last = first
        while let next = unsafe head.pointee.index(of: id, from: last &+ 1) {
            unsafe bytes &+= 1 &+ head.pointee.value(next).count
            last = next
        }
        guard last != first, let (span, base) = unsafe head.pointee.extend(bytes) else { return }
        var written = 0
        var at: Int? = first
        while let index = at {
            if index != first {
                unsafe base[written] = UInt8(ascii: ",")
                written &+= 1
            }
            // Taken after `extend`, which may have moved the text.
            let value = unsafe head.pointee.value(index)
            unsafe (base + written).update(from: value.base, count: value.count)
            written &+= value.count
            at = unsafe head.pointee.index(of: id, from: index &+ 1)
            if index != first { unsafe head.pointee.remove(at: index) }
        }
        unsafe head.pointee.setValue(at: first, span)
    }
}
