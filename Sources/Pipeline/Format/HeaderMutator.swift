// Applies `request_headers_to_add`, `response_headers_to_add` and their `…_to_remove`.
//
// Mutations come in groups, one per level (route, virtual host, table): in each the removals come first, then every
// value is worked out over the head as the group found it, then what overwrites is written, then what is added
// (Envoy's HeaderParser::evaluateHeaders). Groups follow each other: the next one sees what the last one did.

import Primitives
import Wire

extension HeaderMutation {
    /// Ends a group (`HeaderMutationCompiler`): a removal of no name.
    package static var groupEnd: HeaderMutation { HeaderMutation(name: .empty, value: Format(), action: .remove) }
    @inline(__always) var isGroupEnd: Bool { name.isEmpty }
}

/// A mutation whose value lies in `FormatWriter.text`.
struct PendingMutation: BitwiseCopyable {
    var mutation: Int
    var start: Int
    var end: Int
}

extension FormatWriter {
    // HOT: per message.
    /// `head` is a head of `source`'s stream, in place (`StreamPointer.requestHead`), or any other. False: a value was left
    /// out, for no field can have it; `refusedName` says of which field.
    @discardableResult
    package mutating func apply(
        _ mutations: FrozenArray<HeaderMutation>, to head: UnsafeMutablePointer<MessageHead>, _ source: FormatSource,
        isRequest: Bool
    ) -> Bool {
        guard mutations.count > 0 else { return true }
        text.reset()
        pending.removeAll()
        var isWhole = true
        for i in 0..<mutations.count {
            let mutation = unsafe mutations.pointer(i)
            if unsafe mutation.pointee.isGroupEnd {
                unsafe write(mutations, to: head, isRequest)
            } else if unsafe mutation.pointee.action == .remove {
                unsafe head.pointee.removeAll(named: mutation.pointee.name)
            } else if unsafe !evaluate(mutation, i, head, source) {
                isWhole = false
            }
        }
        unsafe write(mutations, to: head, isRequest)
        return isWhole
    }

    /// False: the value is none of a field.
    private mutating func evaluate(
        _ mutation: UnsafePointer<HeaderMutation>, _ index: Int, _ head: UnsafeMutablePointer<MessageHead>,
        _ source: FormatSource
    ) -> Bool {
        switch unsafe mutation.pointee.action {
        case .addIfAbsent: if unsafe head.pointee.index(named: mutation.pointee.name) != nil { return true }
        case .overwriteIfExists: if unsafe head.pointee.index(named: mutation.pointee.name) == nil { return true }
        case .appendIfExistsOrAdd, .overwriteIfExistsOrAdd, .remove: break
        }
        let start = text.count
        unsafe append(mutation.pointee.value, source, .empty)
        guard unsafe text.count > start || mutation.pointee.keepsEmpty else { return true }
        guard FormatWriter.isFieldValue(text.bytes(from: start)) else {
            text.truncate(to: start)
            refusedName = unsafe mutation.pointee.name
            return false
        }
        pending.append(PendingMutation(mutation: index, start: start, end: text.count))
        return true
    }

    /// RFC 9110 §5.5: with NUL, CR or LF in it a value would end the field, and be another one's beginning. What peers say
    /// outside of HTTP (TLVs, a certificate's names) may have any byte.
    @inline(__always)
    package static func isFieldValue(_ value: Bytes) -> Bool {
        for i in 0..<value.count where value[i] < 0x0e && (value[i] == 0 || value[i] == 0x0a || value[i] == 0x0d) { return false }
        return true
    }

    /// The group's values go into the head.
    private mutating func write(
        _ mutations: FrozenArray<HeaderMutation>, to head: UnsafeMutablePointer<MessageHead>, _ isRequest: Bool
    ) {
        guard !pending.isEmpty else { return }
        for i in 0..<pending.count {
            let mutation = unsafe mutations.pointer(pending[i].mutation)
            switch unsafe mutation.pointee.action {
            case .overwriteIfExistsOrAdd, .overwriteIfExists:
                if unsafe mutation.pointee.movesToEnd {
                    unsafe head.pointee.removeAll(named: mutation.pointee.name)
                    unsafe head.pointee.append(name: mutation.pointee.name, value: pendingValue(i))
                } else {
                    unsafe FormatWriter.overwrite(
                        head, mutation.pointee.name, pendingValue(i), isRequest: isRequest)
                }
            case .appendIfExistsOrAdd, .addIfAbsent, .remove: break
            }
        }
        for i in 0..<pending.count {
            let mutation = unsafe mutations.pointer(pending[i].mutation)
            switch unsafe mutation.pointee.action {
            case .appendIfExistsOrAdd, .addIfAbsent: unsafe append(head, mutation.pointee.name, i, isRequest)
            case .overwriteIfExistsOrAdd, .overwriteIfExists, .remove: break
            }
        }
        text.reset()
        pending.removeAll()
    }

    @inline(__always)
    private func pendingValue(_ index: Int) -> Bytes { text.bytes.part(pending[index].start, pending[index].end) }

    /// In place where Envoy knows the header as one that has a single value; else at the end, as Envoy does it.
    private static func overwrite(
        _ head: UnsafeMutablePointer<MessageHead>, _ name: Bytes, _ value: Bytes, isRequest: Bool
    ) {
        guard let first = unsafe head.pointee.index(named: name) else { return unsafe head.pointee.append(name: name, value: value) }
        if unsafe SingleHeaders.contains(head.pointee.field(first).id, isRequest: isRequest),
            unsafe head.pointee.index(named: name, from: first &+ 1) == nil
        {
            return unsafe head.pointee.replaceValue(at: first, value)
        }
        unsafe head.pointee.removeAll(named: name)
        unsafe head.pointee.append(name: name, value: value)
    }

    /// A line of its own; where Envoy knows the header as one that has a single value, it is joined to that.
    private mutating func append(
        _ head: UnsafeMutablePointer<MessageHead>, _ name: Bytes, _ index: Int, _ isRequest: Bool
    ) {
        let id = HeaderNames.id(of: name)
        guard SingleHeaders.contains(id, isRequest: isRequest), let first = unsafe head.pointee.index(of: id) else {
            return unsafe head.pointee.append(name: name, value: pendingValue(index))
        }
        value.reset()
        unsafe value.put(head.pointee.value(first))
        value.put(UInt8(ascii: ","))
        value.put(pendingValue(index))
        unsafe head.pointee.replaceValue(at: first, value.bytes)
    }
}
