// Scopes whose prefixes come with the traffic: methods of gRPC services. One table per schema for the whole process.
//
// A worker finds a prefix or adds it, without a lock; main gives it to the registry when somebody asks for statistics.
// The ids are reserved beforehand, so that every thread counts under the same ones from the first message on. Trivial, so
// that workers share no reference count. Lives as long as the process: a name, once there, stays.

import CMartlet
import Glibc
import Primitives

@safe package struct DynamicScopes: @unchecked Sendable {
    /// Prefixes that are kept; what comes beyond them is not counted (docs/limits.md).
    package static let namesMax = 1_024
    package static let nameBytesMax = 512
    /// Twice as many places as names: a search ends soon.
    private static let places = 2_048

    /// Places: 0, or a pointer to a name (`Name`).
    private let table: UnsafeMutablePointer<UInt64>
    private let bases: UnsafeMutablePointer<StatID>
    /// How many of `bases` are given away; more than `namesMax` when the table is full.
    private let taken: UnsafeMutablePointer<UInt64>
    private let seed: UInt64

    /// What a place points to, in memory that is never given back; the bytes follow.
    private struct Name {
        var hash: UInt64
        var base: StatID
        var count: Int
    }

    /// `bases`: one per name. `seed`: peers choose the names.
    package init(bases ids: [StatID], seed: UInt64) {
        unsafe table = .allocate(capacity: DynamicScopes.places)
        unsafe table.initialize(repeating: 0, count: DynamicScopes.places)
        unsafe bases = .allocate(capacity: DynamicScopes.namesMax)
        for i in 0..<DynamicScopes.namesMax { unsafe (bases + i).initialize(to: ids[i]) }
        unsafe taken = .allocate(capacity: 1)
        unsafe taken.initialize(to: 0)
        self.seed = seed
    }

    // HOT: per message.
    /// The first statistic of the scope with this prefix, which ends with its dot. Nil: the table is full.
    package func base(of prefix: Bytes) -> StatID? {
        guard prefix.count <= DynamicScopes.nameBytesMax else { return nil }
        let hash = prefix.seededHash(seed)
        var place = Int(truncatingIfNeeded: hash) & (DynamicScopes.places &- 1)
        var own: UInt64 = 0
        for _ in 0..<DynamicScopes.places {
            var seen = unsafe cmartlet_load_acquire(table + place)
            if seen == 0 {
                if own == 0 { own = make(prefix, hash) }
                if own == 0 { return nil }
                seen = unsafe cmartlet_compare_exchange(table + place, 0, own)
                if seen == 0 { seen = own }
            }
            if let name = unsafe UnsafePointer<Name>(bitPattern: UInt(seen)), unsafe name.pointee.hash == hash,
                unsafe text(name).equals(prefix)
            {
                // Another worker was faster: its id counts, ours stays unused.
                if own != 0, own != seen { unsafe free(UnsafeMutableRawPointer(bitPattern: UInt(own))) }
                return unsafe name.pointee.base
            }
            place = (place &+ 1) & (DynamicScopes.places &- 1)
        }
        return nil
    }

    /// 0: no id is left, or no memory.
    private func make(_ prefix: Bytes, _ hash: UInt64) -> UInt64 {
        guard unsafe cmartlet_load_relaxed(taken) < UInt64(DynamicScopes.namesMax) else { return 0 }
        let number = unsafe cmartlet_fetch_add(taken, 1)
        guard number < UInt64(DynamicScopes.namesMax), let memory = unsafe malloc(MemoryLayout<Name>.size &+ prefix.count) else { return 0 }
        let name = unsafe memory.bindMemory(to: Name.self, capacity: 1)
        unsafe name.initialize(to: Name(hash: hash, base: bases[Int(number)], count: prefix.count))
        unsafe (memory + MemoryLayout<Name>.size).copyMemory(from: prefix.base, byteCount: prefix.count)
        return UInt64(UInt(bitPattern: memory))
    }

    private func text(_ name: UnsafePointer<Name>) -> Bytes {
        unsafe Bytes(UnsafeRawPointer(name) + MemoryLayout<Name>.size, name.pointee.count)
    }

    // MARK: Main

    /// Every name that is there.
    package func forEach(_ body: (_ place: Int, _ prefix: String, _ base: StatID) -> Void) {
        for place in 0..<DynamicScopes.places {
            guard let name = unsafe UnsafePointer<Name>(bitPattern: UInt(cmartlet_load_acquire(table + place))) else { continue }
            unsafe body(place, String(text(name)), name.pointee.base)
        }
    }

    /// So that nothing is walked where nothing is new. A little more than there are names where workers raced.
    package var takenCount: Int { unsafe Int(min(cmartlet_load_relaxed(taken), UInt64(DynamicScopes.namesMax))) }
}
