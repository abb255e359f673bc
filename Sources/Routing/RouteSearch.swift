// The search for a request's route inside one virtual host.
//
// A route is filed in exactly one place: under the literal that its path begins with, in the trie; there, when many
// routes share a literal, under the exact value that it asks of a header. The search visits the few buckets that the
// path leads to, checks their candidates in ascending order and keeps the lowest that accepts: first match wins, as if
// every route had been asked in turn.

import Primitives
import Wire

struct RouteSearch {
    let table: RouteTable
    /// Without query and fragment (and parameters, when they are to be ignored).
    let path: Bytes
    let context: MatchContext
    /// The lowest accepting route so far.
    var best = noIndex

    // HOT: per message.
    static func lowestRoute(
        in table: RouteTable, _ host: VirtualHostRecord, path: Bytes, _ head: MessageHead,
        _ context: MatchContext
    ) -> UInt32 {
        var search = RouteSearch(table: table, path: path, context: context)
        // Without a path (CONNECT) there is no path to match, not even the empty prefix.
        if head.path.count != 0 {
            search.walk(host.caseSensitiveRoot, lowercasing: false, head)
            search.walk(host.caseInsensitiveRoot, lowercasing: true, head)
        }
        if host.connectBucket != noIndex, head.method == .connect { search.visit(host.connectBucket, head) }
        return search.best
    }

    @inline(__always)
    private mutating func walk(_ root: UInt32, lowercasing: Bool, _ head: MessageHead) {
        guard root != noIndex else { return }
        let trie = table.trie
        var cursor = trie.enter(root, path, lowercasing: lowercasing)
        while let at = cursor {
            if at.node.prefixValue != noIndex { visit(at.node.prefixValue, head) }
            if at.depth == path.count {
                if at.node.exactValue != noIndex { visit(at.node.exactValue, head) }
                return
            }
            cursor = trie.next(at, path, lowercasing: lowercasing)
        }
    }

    private mutating func visit(_ index: UInt32, _ head: MessageHead) {
        let bucket = unsafe table.storage.pointee.buckets[index]
        scan(bucket.list, bucket.count, head)
        var group = bucket.groups.start
        while group != bucket.groups.end {
            visitGroup(group, head)
            group &+= 1
        }
        if bucket.regexSet != noIndex { visitRegexSet(bucket.regexSet, head) }
    }

    @inline(__always)
    private mutating func scan(_ list: UInt32, _ count: UInt32, _ head: MessageHead) {
        if count == 1 {
            if list < best, accepts(list, head) { best = list }
            return
        }
        var i = list
        let end = list &+ count
        while i != end {
            let candidate = unsafe table.storage.pointee.lists[i]
            if candidate >= best { return }
            if accepts(candidate, head) {
                best = candidate
                return
            }
            i &+= 1
        }
    }

    private mutating func visitGroup(_ index: UInt32, _ head: MessageHead) {
        let group = unsafe table.storage.pointee.groups[index]
        guard group.lowestRoute < best else { return }
        table.forEachHeaderValue(group.header, head) { value in
            let slot = table.slot(of: value, in: group)
            if slot != noIndex {
                let hit = unsafe table.storage.pointee.slots[slot]
                scan(hit.list, hit.count, head)
            }
            return true
        }
    }

    @inline(never)
    private mutating func visitRegexSet(_ index: UInt32, _ head: MessageHead) {
        let record = unsafe table.storage.pointee.regexSets[index]
        guard unsafe table.storage.pointee.lists[record.routes.start] < best else { return }
        // All routes of a set were filed under one literal.
        let first = unsafe table.storage.pointee.routes[table.storage.pointee.lists[record.routes.start]]
        let rest = path.from(Int(first.literalCount))
        guard let numbers = unsafe table.storage.pointee.sets[record.set].matches(rest) else {
            // The set's bound of memory was met: one by one.
            return scan(record.routes.start, record.routes.count, head)
        }
        for unsafe number in unsafe numbers {
            let entry = record.routes.start &+ UInt32(truncatingIfNeeded: number)
            let candidate = unsafe table.storage.pointee.lists[entry]
            if candidate >= best { return }
            let conditions = unsafe table.storage.pointee.routes[candidate].conditions
            if conditions == noIndex || table.conditionsHold(conditions, head, context) {
                best = candidate
                return
            }
        }
    }

    @inline(__always)
    private func accepts(_ index: UInt32, _ head: MessageHead) -> Bool {
        let route = unsafe table.storage.pointee.routes[index]
        let literalCount = Int(route.literalCount)
        if route.kind == .separatedPrefix, path.count != literalCount, path[literalCount] != UInt8(ascii: "/") {
            return false
        }
        if route.conditions != noIndex, !table.conditionsHold(route.conditions, head, context) { return false }
        return route.kind != .regex || table.program(route.program).matches(path.from(literalCount))
    }
}

extension RouteTable {
    // HOT: per message.
    /// The slot that holds the routes for this value, or `noIndex`. The seed is the table's secret: a peer cannot
    /// choose values that pile up.
    @inline(__always)
    func slot(of value: Bytes, in group: HeaderGroupRecord) -> UInt32 {
        let hash = unsafe UInt32(truncatingIfNeeded: value.seededHash(storage.pointee.hashSeed))
        var position = hash & group.slotMask
        while true {
            let index = group.slots &+ position
            let slot = unsafe storage.pointee.slots[index]
            if slot.count == 0 { return noIndex }
            if slot.hash == hash, text(slot.value).equals(value) { return index }
            position = (position &+ 1) & group.slotMask
        }
    }
}
