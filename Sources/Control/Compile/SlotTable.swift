// Stable numbers for names: a cluster keeps its slot through every change of it, and the routes that name it keep theirs.
//
// A slot counts who refers to it: the cluster's own part and every part whose routes name it, published or still pinned
// by a worker. It may go to another name only when nobody does.

final class SlotTable {
    private var slots: [String: UInt32] = [:]
    private var names: [String?] = []
    private var uses: [UInt32] = []
    private var free: [UInt32] = []
    private var acquired: UInt64 = 0

    /// The slot of a name; each call needs one `release`.
    func acquire(_ name: String) -> UInt32 {
        if let slot = slots[name] {
            uses[Int(slot)] += 1
            return slot
        }
        let slot = free.popLast() ?? UInt32(names.count)
        if Int(slot) == names.count {
            names.append(name)
            uses.append(1)
        } else {
            names[Int(slot)] = name
            uses[Int(slot)] = 1
        }
        slots[name] = slot
        return slot
    }

    /// A slot of its own, though others may have asked for the same name.
    func acquireNew(_ name: String) -> UInt32 {
        acquired += 1
        return acquire("\(name) #\(acquired)")
    }

    func release(_ slot: UInt32) {
        let index = Int(slot)
        precondition(uses[index] > 0, "invariant: a slot is released as often as it was acquired")
        uses[index] -= 1
        guard uses[index] == 0, let name = names[index] else { return }
        slots[name] = nil
        names[index] = nil
        free.append(slot)
    }
}
