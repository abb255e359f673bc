// Header matchers: `headers` of a route match.

import Primitives
import Wire

/// Where a header matcher's value comes from.
struct HeaderSource {
    enum Kind: UInt8 { case path, method, authority, scheme, listed, named }
    var kind: Kind
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
        withHeaderValue(record.source, head) { value in
            switch record.value.kind {
            // Presence is a question of its own; `treatMissingAsEmpty` turns every absence into an empty value.
            case .present: return (value != nil || record.treatMissingAsEmpty) != record.invert
            case .absent: return (value == nil && !record.treatMissingAsEmpty) != record.invert
            default:
                guard let value = value ?? (record.treatMissingAsEmpty ? .empty : nil) else {
                    // Without a value there is nothing to invert: no match either way.
                    return false
                }
                return holds(record.value, value) != record.invert
            }
        }
    }

    // HOT: per message.
    /// The header's value for the length of the call; nil when it is absent. Several fields of one name are joined
    /// with "," as Envoy does, which is the one case that copies.
    @inline(__always)
    func withHeaderValue<R>(_ source: HeaderSource, _ head: MessageHead, _ body: (Bytes?) -> R) -> R {
        switch source.kind {
        case .path: return body(nonEmpty(head.text(head.path)))
        case .method: return body(nonEmpty(head.text(head.methodText)))
        case .authority: return body(nonEmpty(head.text(head.authority)))
        case .scheme: return body(nonEmpty(head.text(head.scheme)))
        case .listed, .named:
            guard let first = field(source, head, from: 0) else { return body(nil) }
            guard let second = field(source, head, from: first &+ 1) else { return body(head.value(first)) }
            return joined(source, head, first, second, body)
        }
    }

    @inline(__always)
    private func nonEmpty(_ bytes: Bytes) -> Bytes? { bytes.isEmpty ? nil : bytes }

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

    /// On the stack up to 1 KiB; the head's own limit bounds the rest.
    @inline(never)
    private func joined<R>(
        _ source: HeaderSource, _ head: MessageHead, _ first: Int, _ second: Int, _ body: (Bytes?) -> R
    ) -> R {
        var total = head.value(first).count
        var next: Int? = second
        while let i = next {
            total &+= 1 &+ head.value(i).count
            next = field(source, head, from: i &+ 1)
        }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: total) { buffer in
            guard let base = buffer.baseAddress else { return body(nil) }
            var used = 0
            var next: Int? = first
            while let i = next {
                if used > 0 {
                    unsafe base[used] = UInt8(ascii: ",")
                    used &+= 1
                }
                let value = head.value(i)
                unsafe (base + used).update(from: value.base, count: value.count)
                used &+= value.count
                next = field(source, head, from: i &+ 1)
            }
            return unsafe body(Bytes(UnsafePointer<UInt8>(base), used))
        }
    }
}
