// Packs a builder's sections into the table's one block of memory.

import Glibc
import Wire

extension RouteTableBuilder {
    /// Consumes the builder's programs: the table owns them from here on.
    mutating func frozen() -> RouteTable {
        let (forward, backward) = domains.build(nodes: &nodes, text: &text)
        let source = headerSource(spec.virtualHostHeader.isEmpty ? ":authority" : spec.virtualHostHeader)

        // Twice the same walk: first to measure, then to copy.
        var measure = unsafe BlockWriter(base: nil)
        _ = layout(&measure, source, forward, backward)
        let block = unsafe malloc(measure.used)
        guard let block = unsafe block else { fatalError("out of memory for a route table of \(measure.used) bytes") }
        var writer = unsafe BlockWriter(base: block)
        var storage = layout(&writer, source, forward, backward)
        storage.blockBytes = measure.used
        let typed = unsafe block.bindMemory(to: RouteTableStorage.self, capacity: 1)
        unsafe typed.initialize(to: storage)
        return unsafe RouteTable(storage: typed)
    }

    private func layout(
        _ writer: inout BlockWriter, _ source: HeaderSource, _ forward: UInt32, _ backward: UInt32
    ) -> RouteTableStorage {
        writer.reserve(MemoryLayout<RouteTableStorage>.size)
        var storage = unsafe RouteTableStorage(
            text: writer.add(text.bytes).base, virtualHosts: writer.add(virtualHosts), nodes: writer.add(nodes),
            buckets: writer.add(buckets), lists: writer.add(lists), groups: writer.add(groups),
            slots: writer.add(slots), regexSets: writer.add(regexSets), routes: writer.add(routes),
            conditions: writer.add(conditions), headers: writer.add(headers),
            queryParameters: writer.add(queryParameters), cookies: writer.add(cookies),
            external: writer.add(external), programs: writer.add(programs), sets: writer.add(sets))
        storage.ignorePortInHost = spec.ignorePortInHost
        storage.ignorePathParameters = spec.ignorePathParameters
        storage.hashSeed = seed
        storage.hostSource = source
        storage.domainRoot = forward
        storage.domainSuffixRoot = backward
        storage.defaultVirtualHost = domains.any
        return storage
    }
}

/// Places sections one after the other, each on a cache line of its own.
@safe
private struct BlockWriter {
    /// Nil: only counts.
    let base: UnsafeMutableRawPointer?
    private(set) var used = 0

    init(base: UnsafeMutableRawPointer?) { unsafe self.base = base }

    mutating func reserve(_ bytes: Int) { used = (used + bytes + 63) & ~63 }

    mutating func add<T>(_ records: [T]) -> FrozenSection<T> {
        assert(_isPOD(T.self), "sections hold trivial records")
        let start = used
        reserve(records.count * MemoryLayout<T>.stride)
        guard let base = unsafe base else {
            // Never read: this walk only counts.
            return unsafe FrozenSection(base: UnsafePointer(bitPattern: 64)!, count: 0)
        }
        let place = unsafe (base + start).bindMemory(to: T.self, capacity: records.count)
        unsafe records.withUnsafeBufferPointer { source in
            if let first = source.baseAddress { unsafe place.initialize(from: first, count: source.count) }
        }
        return unsafe FrozenSection(base: UnsafePointer(place), count: records.count)
    }
}

extension FrozenSection {
    func forEach(_ body: (Element) -> Void) {
        for index in 0..<UInt32(count) { body(self[index]) }
    }
}
