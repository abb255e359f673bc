// Header matchers: `headers` of a route match.
//
// A header that arrived in several fields: Envoy joins the fields of the names that it keeps in one place (its "inline"
// headers, `InlineHeaders`) with ","; of any other name each field is asked by itself and one that holds is enough.
// (Read off Envoy 1.40; older versions joined all of them.)

import Primitives
import Wire

/// Where a header matcher's value comes from.
struct HeaderSource {
    enum Kind: UInt8 { case path, method, authority, scheme, status, listed, named }
    var kind: Kind
    /// Several fields count as one value.
    var isInline: Bool
    /// For `listed`.
    var id: HeaderID
    /// Lower case, for `named`.
    var name: TextRef
}

struct HeaderMatchRecord {
    var source: HeaderSource
    var value: ValueMatchRecord
    var invert: Bool
    var treatMissingAsEmpty: Bool
}

extension RouteTable {
    // HOT: per message.
    func holds(_ record: HeaderMatchRecord, _ head: MessageHead) -> Bool {
        // One value that holds is enough, inverted or not; `nil` while no value has been seen.
        var held: Bool?
        forEachHeaderValue(record.source, head) { value in
            held = holds(record.value, value)
            return held == false
        }
        if let held { return held != record.invert }
        // Absent. `treatMissingAsEmpty` makes that an empty value; else only presence can be asked, and there is no
        // value whose not matching could be inverted.
        if record.treatMissingAsEmpty { return holds(record.value, .empty) != record.invert }
        switch record.value.kind {
        case .present: return record.invert
        case .absent: return !record.invert
        default: return false
        }
    }

    // HOT: per message.
    /// Each value of the header in turn, until the body returns false.
    @inline(__always)
    func forEachHeaderValue(_ source: HeaderSource, _ head: MessageHead, _ body: (Bytes) -> Bool) {
        switch source.kind {
        case .path: only(head.path, head, body)
        case .method: only(head.methodText, head, body)
        case .authority: only(head.authority, head, body)
        case .scheme:
            // What has no method is no request.
            if !head.methodText.isEmpty { _ = body(head.schemeText) }
        case .status:
            guard head.status != 0 else { return }
            let status = head.status % 1000
            var digits = (
                UInt8(ascii: "0") &+ UInt8(status / 100), UInt8(ascii: "0") &+ UInt8(status / 10 % 10),
                UInt8(ascii: "0") &+ UInt8(status % 10))
            unsafe withUnsafeBytes(of: &digits) { text in
                guard let base = text.baseAddress else { return }
                _ = unsafe body(Bytes(base, 3))
            }
        case .listed, .named:
            guard let first = field(source, head, from: 0) else { return }
            guard let second = field(source, head, from: first &+ 1) else {
                _ = body(head.value(first))
                return
            }
            if source.isInline { return joined(source, head, first, second, body) }
            guard body(head.value(first)) else { return }
            var next: Int? = second
            while let index = next, body(head.value(index)) { next = field(source, head, from: index &+ 1) }
        }
    }

    @inline(__always)
    private func only(_ span: Span32, _ head: MessageHead, _ body: (Bytes) -> Bool) {
        if !span.isEmpty { _ = body(head.text(span)) }
    }

    @inline(__always)
    private func field(_ source: HeaderSource, _ head: MessageHead, from start: Int) -> Int? {
        if source.kind == .listed { return head.index(of: source.id, from: start) }
        let name = text(source.name)
        var i = start
        let end = head.count
        while i < end {
            let field = head.field(i)
            if field.id == .other, !field.removed, head.text(field.name).equals(name) { return i }
            i &+= 1
        }
        return nil
    }

    /// Joined with ","; empty fields leave no trace. On the stack up to 1 KiB; the head's own limit bounds the rest.
    @inline(never)
    private func joined(
        _ source: HeaderSource, _ head: MessageHead, _ first: Int, _ second: Int, _ body: (Bytes) -> Bool
    ) {
        var total = head.value(first).count
        var next: Int? = second
        while let index = next {
            total &+= 1 &+ head.value(index).count
            next = field(source, head, from: index &+ 1)
        }
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: total) { buffer in
            guard let base = buffer.baseAddress else { return }
            var used = 0
            var next: Int? = first
            while let index = next {
                let value = head.value(index)
                if used > 0, !value.isEmpty {
                    unsafe base[used] = UInt8(ascii: ",")
                    used &+= 1
                }
                unsafe (base + used).update(from: value.base, count: value.count)
                used &+= value.count
                next = field(source, head, from: index &+ 1)
            }
            _ = unsafe body(Bytes(UnsafePointer<UInt8>(base), used))
        }
    }

    /// The first field's value alone, for `vhost_header`.
    @inline(__always)
    func firstHeaderValue(_ source: HeaderSource, _ head: MessageHead) -> Bytes? {
        var first: Bytes?
        forEachHeaderValue(source, head) { value in
            first = value
            return false
        }
        return first
    }
}
