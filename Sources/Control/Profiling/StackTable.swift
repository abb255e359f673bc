// Samples by thread and stack: what was seen before is counted, not kept again.

struct StackTable {
    /// Different stacks of one profile. `docs/limits.md` §profiles.
    static let stacksMax = 65_536

    private struct Key: Hashable {
        let thread: Int
        let frames: [UInt64]
    }

    private struct Sums {
        var count: UInt64 = 0
        var value: UInt64 = 0
    }

    private var threads: [String] = []
    private var sums: [Key: Sums] = [:]
    /// Of stacks that had no room.
    private(set) var lost: UInt64 = 0

    mutating func add(thread name: String, _ frames: [UInt64], count: UInt64, value: UInt64) {
        var thread = threads.firstIndex(of: name) ?? -1
        if thread < 0 {
            thread = threads.count
            threads.append(name)
        }
        let key = Key(thread: thread, frames: frames)
        if sums[key] == nil, sums.count >= StackTable.stacksMax {
            lost &+= count
            return
        }
        sums[key, default: Sums()].count &+= count
        sums[key, default: Sums()].value &+= value
    }

    /// The largest first.
    func write(into profile: inout Profile) {
        profile.threads = threads
        profile.stacks = sums.map { key, sums in
            Profile.Stack(thread: key.thread, frames: key.frames, count: sums.count, value: sums.value)
        }.sorted { ($0.value, $0.frames.count, $1.thread) > ($1.value, $1.frames.count, $0.thread) }
        profile.lost &+= lost
    }
}
