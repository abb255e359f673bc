// MessageHead → the list of fields that nghttp2 compresses and sends. One list per worker, filled anew for each head;
// nghttp2 copies what it points to.

import CNghttp2
import Primitives

@safe
package struct H2FieldList {
    package private(set) var base: UnsafeMutablePointer<nghttp2_nv>
    package private(set) var count = 0
    private var capacity = 128
    /// Digits of a status or a length that the list points to.
    private let digits: UnsafeMutablePointer<UInt8>

    package init() {
        unsafe base = .allocate(capacity: 128)
        unsafe digits = .allocate(capacity: 32)
    }

    package func destroy() {
        unsafe base.deallocate()
        unsafe digits.deallocate()
    }

    // HOT: per message.
    /// `status`: a tunnel is accepted with 200 where HTTP/1 says 101. `length`: what `content-length` says; nil: nothing.
    package mutating func response(_ head: MessageHead, status: UInt16, length: UInt64?, isTunnel: Bool) {
        count = 0
        put(Bytes(":status" as StaticString), decimal(UInt64(status), at: 0))
        fields(head, length: length, dropsUpgrade: isTunnel, isResponse: true)
    }

    // HOT: per message.
    /// `connectProtocol`: what an extended CONNECT asks for (RFC 8441 §4); nil: an ordinary request.
    package mutating func request(_ head: MessageHead, length: UInt64?, connectProtocol: Bytes?) {
        count = 0
        if let connectProtocol {
            put(Bytes(":method" as StaticString), Bytes("CONNECT" as StaticString))
            put(Bytes(":authority" as StaticString), head.text(head.authority))
            put(Bytes(":scheme" as StaticString), head.schemeText)
            put(Bytes(":path" as StaticString), head.text(head.path))
            put(Bytes(":protocol" as StaticString), connectProtocol)
        } else {
            put(Bytes(":method" as StaticString), head.text(head.methodText))
            // RFC 9113 §8.5: CONNECT has neither scheme nor path.
            if head.method != .connect {
                put(Bytes(":path" as StaticString), head.text(head.path))
                put(Bytes(":scheme" as StaticString), head.schemeText)
            }
            put(Bytes(":authority" as StaticString), head.text(head.authority))
        }
        fields(head, length: length, dropsUpgrade: connectProtocol != nil, isResponse: false)
    }

    package mutating func trailers(_ head: MessageHead) {
        count = 0
        fields(head, length: nil, dropsUpgrade: true, isResponse: false)
    }

    // HOT: per header field.
    private mutating func fields(_ head: MessageHead, length: UInt64?, dropsUpgrade: Bool, isResponse: Bool) {
        var lengthIsDue = true
        var i = 0
        let fieldCount = head.count
        while i < fieldCount {
            let field = head.field(i)
            i &+= 1
            if field.removed { continue }
            switch field.id {
            // RFC 9113 §8.2.2: connection fields are HTTP/1's.
            case .connection, .transferEncoding, .keepAlive, .proxyConnection, .upgrade: continue
            case .host where !isResponse: continue
            // Only `trailers` may be there; of an empty one that HTTP/1 lets pass nothing is lost.
            case .te where head.text(field.value).isEmpty: continue
            case .contentLength:
                if lengthIsDue, let length { put(head.text(field.name), decimal(length, at: 4)) }
                lengthIsDue = false
                continue
            default: break
            }
            put(head.text(field.name), head.text(field.value))
        }
    }

    @inline(__always)
    private mutating func put(_ name: Bytes, _ value: Bytes) {
        if count == capacity { grow() }
        unsafe (base + count).initialize(to: martlet_h2_nv(name.base, name.count, value.base, value.count))
        count &+= 1
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: capacity &* 2)
        unsafe larger.update(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = larger
        capacity &*= 2
    }

    private func decimal(_ value: UInt64, at start: Int) -> Bytes {
        var rest = value
        var end = start &+ (start == 0 ? 3 : 20)
        let last = end
        repeat {
            end &-= 1
            unsafe digits[end] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest != 0 && end > start
        let start: UnsafePointer<UInt8> = unsafe UnsafePointer(digits + end)
        return unsafe Bytes(start, last &- end)
    }
}
