// The subsets of a host set, frozen: made by main with the set, found by workers by what a request asks.

import Primitives

package struct Subset: BitwiseCopyable {
    package var pairs = FrozenArray<MetadataPair>()
    package var hash: UInt64 = 0
    package var levels = FrozenArray<PriorityLevel>()
}

package struct SubsetTable: BitwiseCopyable {
    package static let none = UInt32.max
    package var subsets = FrozenArray<Subset>()
    /// Open addressing by hash; a power of two; 0: empty, else the place in `subsets`, counted from 1.
    private var slots = FrozenArray<UInt32>()
    /// Places of the subsets of every host and of the default ones.
    package var any = SubsetTable.none
    package var standard = SubsetTable.none
    /// Subsets that have names, and hosts that found their subset of one host taken.
    package var namedCount: UInt32 = 0
    package var duplicates: UInt32 = 0

    package init() {}

    init(_ named: [Subset], any: Subset?, standard: Subset?, duplicates: UInt32, in arena: FrozenArena) {
        var all = named
        if let any {
            self.any = UInt32(all.count)
            all.append(any)
        }
        if let standard {
            self.standard = UInt32(all.count)
            all.append(standard)
        }
        subsets = arena.array(all)
        namedCount = UInt32(named.count)
        self.duplicates = duplicates
        var size = 1
        while size < named.count * 2 { size *= 2 }
        var slots = [UInt32](repeating: 0, count: size)
        for (i, subset) in named.enumerated() {
            var place = Int(truncatingIfNeeded: subset.hash) & (size - 1)
            while slots[place] != 0 { place = (place + 1) & (size - 1) }
            slots[place] = UInt32(i + 1)
        }
        self.slots = arena.array(slots)
    }

    // HOT: per request, with subsets.
    func find(_ asked: MetadataSelection) -> UInt32? {
        guard !slots.isEmpty, asked.count > 0 else { return nil }
        let hash = asked.hash
        var place = Int(truncatingIfNeeded: hash) & (slots.count &- 1)
        while slots[place] != 0 {
            let number = slots[place] &- 1
            let subset = unsafe subsets.pointer(Int(number))
            if unsafe subset.pointee.hash == hash, unsafe asked.equals(subset.pointee.pairs) { return number }
            place = (place &+ 1) & (slots.count &- 1)
        }
        return nil
    }
}

/// Files hosts under the subsets that their metadata name.
struct SubsetBuilder {
    let spec: SubsetSpec
    let metadata: [SubsetMetadata]

    private struct Found {
        var names: [String]
        var values: [[UInt8]]
        var members: [UInt32]
        var takesOneHost: Bool
    }

    /// `levels`: how the members of a subset share its load.
    func table(_ arena: FrozenArena, levels: ([UInt32]) -> FrozenArray<PriorityLevel>) -> SubsetTable {
        var found: [Found] = []
        var places: [[[UInt8]]: Int] = [:]
        var duplicates: UInt32 = 0
        for host in metadata.indices {
            for selector in spec.selectors {
                for values in combinations(metadata[host], selector.keys) {
                    let key = zip(selector.keys, values).flatMap { [Array($0.utf8), $1] }
                    if let place = places[key] {
                        guard found[place].members.last != UInt32(host) else { continue }
                        if found[place].takesOneHost {
                            duplicates += 1
                        } else {
                            found[place].members.append(UInt32(host))
                        }
                    } else {
                        places[key] = found.count
                        found.append(
                            Found(names: selector.keys, values: values, members: [UInt32(host)], takesOneHost: selector.takesOneHost))
                    }
                }
            }
        }
        let named = found.map { entry in
            var subset = Subset()
            subset.pairs = arena.array(
                zip(entry.names, entry.values).map { MetadataPair(name: arena.text($0), value: arena.text($1)) })
            subset.hash = MetadataSelection(subset.pairs).hash
            subset.levels = levels(entry.members)
            return subset
        }
        return SubsetTable(
            named, any: spec.needsAny ? unnamed(Array(metadata.indices.map { UInt32($0) }), levels) : nil,
            standard: spec.needsDefault ? unnamed(standardMembers, levels) : nil, duplicates: duplicates, in: arena)
    }

    private func unnamed(_ members: [UInt32], _ levels: ([UInt32]) -> FrozenArray<PriorityLevel>) -> Subset {
        var subset = Subset()
        subset.levels = levels(members)
        return subset
    }

    private var standardMembers: [UInt32] {
        metadata.indices.filter { host in
            spec.defaultSubset.allSatisfy { name, value in
                guard let own = metadata[host].fields[name] else { return false }
                if spec.listAsAny, case .list(let values, _) = own { return values.contains(value) }
                return own.whole == value
            }
        }.map { UInt32($0) }
    }

    /// The values of all keys; with `list_as_any` one for every combination. None where a key is missing.
    private func combinations(_ host: SubsetMetadata, _ keys: [String]) -> [[[UInt8]]] {
        guard !keys.isEmpty else { return [] }
        var all: [[[UInt8]]] = [[]]
        for key in keys {
            guard let value = host.fields[key] else { return [] }
            if spec.listAsAny, case .list(let values, _) = value {
                all = all.flatMap { before in values.map { before + [$0] } }
            } else {
                all = all.map { $0 + [value.whole] }
            }
        }
        return all
    }
}
