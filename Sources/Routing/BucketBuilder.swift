// Makes one bucket: the routes that share a literal, further filed by exact header value where they are many.

import Primitives

enum BucketBuilder {
    /// Up to this many, asking each in turn is cheaper than a look into a group's table.
    private static let plainMax = 2
    /// Header names that one bucket is filed by: each costs every request of the bucket one look.
    private static let groupsMax = 8
    /// Regex routes under one literal from which one pass over all of them beats one each.
    private static let regexSetMin = 4

    /// The bucket's index; `noIndex` when there are no routes.
    static func add(_ all: [RouteFiling.Filed], to builder: inout RouteTableBuilder) -> UInt32 {
        guard !all.isEmpty else { return noIndex }
        let reachable = upToUnconditional(all, builder)
        var record = BucketRecord(list: 0, count: 0, groups: .empty, regexSet: noIndex)
        var plain = reachable
        if reachable.count > plainMax {
            plain = fileByHeader(reachable, &record, &builder)
            plain = fileByRegexSet(plain, &record, &builder)
        }
        (record.list, record.count) = list(plain.map(\.number), &builder)
        builder.buckets.append(record)
        return UInt32(builder.buckets.count - 1)
    }

    private static func upToUnconditional(
        _ all: [RouteFiling.Filed], _ builder: RouteTableBuilder
    ) -> [RouteFiling.Filed] {
        let stop = all.firstIndex {
            ($0.path.kind == .prefix || $0.path.kind == .exact || $0.path.kind == .connect)
                && builder.routes[Int($0.number)].conditions == noIndex
        }
        return stop.map { Array(all[...$0]) } ?? all
    }

    /// A single route stands in the record itself.
    private static func list(_ numbers: [UInt32], _ builder: inout RouteTableBuilder) -> (UInt32, UInt32) {
        if numbers.count == 1 { return (numbers[0], 1) }
        let start = UInt32(builder.lists.count)
        builder.lists += numbers
        return (start, UInt32(numbers.count))
    }

    // MARK: Groups by header

    private struct Key: Hashable {
        var name: String
        var value: String
    }

    /// Takes out what can be filed by a header's exact value; returns the rest.
    private static func fileByHeader(
        _ routes: [RouteFiling.Filed], _ record: inout BucketRecord, _ builder: inout RouteTableBuilder
    ) -> [RouteFiling.Filed] {
        var frequency: [Key: Int] = [:]
        for route in routes { for key in exactHeaders(route.match) { frequency[key, default: 0] += 1 } }
        // The rarest value of each route tells most.
        var chosen: [(route: RouteFiling.Filed, key: Key)] = []
        var perName: [String: Int] = [:]
        for route in routes {
            guard let key = exactHeaders(route.match).min(by: { (frequency[$0] ?? 0) < (frequency[$1] ?? 0) }) else {
                continue
            }
            chosen.append((route, key))
            perName[key.name, default: 0] += 1
        }
        let names = perName.filter { $0.value > plainMax }.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
            .prefix(groupsMax).map(\.key)
        guard !names.isEmpty else { return routes }

        let start = UInt32(builder.groups.count)
        var filed: Set<UInt32> = []
        for name in names {
            let members = chosen.filter { $0.key.name == name }
            filed.formUnion(members.map(\.route.number))
            addGroup(name, members.map { ($0.key.value, $0.route.number) }, &builder)
        }
        record.groups = RecordRange(start: start, count: UInt32(names.count))
        return routes.filter { !filed.contains($0.number) }
    }

    /// Conditions that a table of values can answer: exact, not inverted, and not met by a missing header.
    private static func exactHeaders(_ match: RouteMatchSpec) -> [Key] {
        match.headers.compactMap { header in
            guard case .string(let string) = header.value, case .exact(let value) = string.kind, !string.ignoreCase,
                !header.invert, !value.isEmpty
            else { return nil }
            return Key(name: header.name.lowercased(), value: value)
        }
    }

    private static func addGroup(
        _ name: String, _ members: [(value: String, number: UInt32)], _ builder: inout RouteTableBuilder
    ) {
        var byValue: [[UInt8]: [UInt32]] = [:]
        for member in members { byValue[Array(member.value.utf8), default: []].append(member.number) }
        var slotCount = 4
        while slotCount * 3 < byValue.count * 4 { slotCount *= 2 }
        let start = builder.slots.count
        let free = HeaderSlotRecord(value: .empty, list: 0, count: 0, hash: 0)
        builder.slots += [HeaderSlotRecord](repeating: free, count: slotCount)
        for (value, numbers) in byValue {
            let hash = UInt32(truncatingIfNeeded: value.withBytes { $0.seededHash(builder.seed) })
            var position = Int(hash) & (slotCount - 1)
            while builder.slots[start + position].count != 0 { position = (position + 1) & (slotCount - 1) }
            let (list, count) = list(numbers, &builder)
            builder.slots[start + position] = HeaderSlotRecord(
                value: builder.text.add(value[...]), list: list, count: count, hash: hash)
        }
        builder.groups.append(
            HeaderGroupRecord(
                header: builder.headerSource(name), slots: UInt32(start), slotMask: UInt32(slotCount - 1),
                lowestRoute: members.map(\.number).min() ?? 0))
    }

    // MARK: Sets of regexes

    private static func fileByRegexSet(
        _ routes: [RouteFiling.Filed], _ record: inout BucketRecord, _ builder: inout RouteTableBuilder
    ) -> [RouteFiling.Filed] {
        let members = routes.filter { $0.path.kind == .regex }
        guard members.count >= regexSetMin, let set = RegexSet(members.map(\.path.pattern)) else { return routes }
        builder.sets.append(set)
        record.regexSet = UInt32(builder.regexSets.count)
        builder.regexSets.append(
            RegexSetRecord(
                set: UInt32(builder.sets.count - 1),
                routes: RecordRange(start: UInt32(builder.lists.count), count: UInt32(members.count))))
        builder.lists += members.map(\.number)
        return routes.filter { $0.path.kind != .regex }
    }
}
