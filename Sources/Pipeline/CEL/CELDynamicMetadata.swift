// `metadata` of expressions: what a connection's filters have set, as an object of namespaces in the evaluation's scratch memory.

import Primitives
import Wire

extension FormatWriter {
    /// Nil: nothing is set, or there is no memory to tell it.
    mutating func dynamicTree(_ source: FormatSource) -> UnsafePointer<FrozenValue>? {
        guard let tcp = unsafe source.tcp else { return nil }
        let hasID = unsafe !tcp.pointee.tunnelIDKey.isEmpty
        let found = unsafe dynamicTLVs(source)
        let entriesMax = unsafe (found?.config.pointee.rules.count ?? 0) &+ 1
        guard let room = unsafe scratch.room(entriesMax &* MemoryLayout<Entry>.stride) else { return nil }
        var entries = unsafe Entries(base: room.bindMemory(to: Entry.self, capacity: entriesMax))
        if hasID, let id = unsafe told(tcp.pointee.tunnelID) {
            unsafe entries.insert(Entry(namespace: Bytes(FormatMetadata.tunnelNamespace), key: tcp.pointee.tunnelIDKey, text: id))
        }
        if let found = unsafe found {
            let rules = unsafe found.config.pointee.rules
            let bytes = unsafe found.bytes
            for i in 0..<rules.count {
                guard let value = ProxyTLVs.find(rules[i].type, in: bytes, last: false), let text = told(value) else { continue }
                entries.insert(Entry(namespace: rules[i].namespace, key: rules[i].key, text: text))
            }
        }
        return unsafe entries.count == 0 ? nil : tree(entries)
    }

    private struct Entry: BitwiseCopyable {
        let namespace: Bytes
        let key: Bytes
        let text: Bytes
    }

    /// In the order of namespaces and keys. Of two of one name the first one stays.
    @safe
    private struct Entries {
        let base: UnsafeMutablePointer<Entry>
        private(set) var count = 0

        init(base: UnsafeMutablePointer<Entry>) { unsafe self.base = unsafe base }

        mutating func insert(_ entry: Entry) {
            var place = 0
            while place < count {
                let other = unsafe base[place]
                var order = CELTexts.order(other.namespace, entry.namespace)
                if order == .equal { order = CELTexts.order(other.key, entry.key) }
                if order == .equal { return }
                if order == .greater { break }
                place &+= 1
            }
            var end = count
            while end > place {
                unsafe (base + end).initialize(to: base[end &- 1])
                end &-= 1
            }
            unsafe (base + place).initialize(to: entry)
            count &+= 1
        }
    }

    private mutating func tree(_ entries: Entries) -> UnsafePointer<FrozenValue>? {
        let stride = MemoryLayout<FrozenValue>.stride
        // A value for each entry, one for each namespace at the most, and the whole.
        guard let room = unsafe scratch.room((2 &* entries.count &+ 1) &* stride) else { return nil }
        let values = unsafe room.bindMemory(to: FrozenValue.self, capacity: 2 &* entries.count &+ 1)
        let spaces = unsafe values + entries.count
        var spaceCount = 0
        var start = 0
        for i in 0..<entries.count {
            let entry = unsafe entries.base[i]
            var value = FrozenValue(text: entry.text)
            value.key = entry.key
            unsafe (values + i).initialize(to: value)
            if i &+ 1 < entries.count, unsafe entries.base[i &+ 1].namespace.equals(entry.namespace) { continue }
            var space = unsafe FrozenValue(object: FrozenArray(base: UnsafePointer(values + start), count: i &+ 1 &- start))
            space.key = entry.namespace
            unsafe (spaces + spaceCount).initialize(to: space)
            spaceCount &+= 1
            start = i &+ 1
        }
        let whole = unsafe values + 2 &* entries.count
        unsafe whole.initialize(to: FrozenValue(object: FrozenArray(base: UnsafePointer(spaces), count: spaceCount)))
        return unsafe UnsafePointer(whole)
    }

    private mutating func told(_ id: (UInt64, UInt64)) -> Bytes? {
        value.reset()
        putUUID(id)
        return scratch.copy(value.bytes)
    }

    /// As formats write it; nil: no memory.
    private mutating func told(_ bytes: Bytes) -> Bytes? {
        value.reset()
        putText(bytes)
        return value.count == bytes.count && value.bytes.equals(bytes) ? bytes : scratch.copy(value.bytes)
    }
}
