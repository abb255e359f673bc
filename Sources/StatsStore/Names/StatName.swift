import Glibc
import Stats

/// The bytes of a scope's prefix in memory of their own: 8 bytes of overhead against a String's 32, which counts with
/// ten thousand clusters. Owned by its scope record, freed when that is recycled; main only.
@safe struct StatName {
    private let bytes: UnsafeMutablePointer<UInt8>
    let count: Int

    init(_ name: String) {
        var name = name
        name.makeContiguousUTF8()
        // Safe to cut between bytes: a prefix is never decoded again.
        count = min(name.utf8.count, StatLimits.prefixBytesMax)
        guard let memory = unsafe malloc(max(count, 1)) else { fatalError("statistics: out of memory") }
        unsafe bytes = unsafe memory.bindMemory(to: UInt8.self, capacity: max(count, 1))
        var at = 0
        for byte in name.utf8 where at < count {
            unsafe bytes[at] = byte
            at += 1
        }
    }

    func deallocate() {
        unsafe free(bytes)
    }

    var buffer: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: bytes, count: count)
    }

    /// Byte order: negative, zero or positive.
    func compare(_ other: StatName) -> Int {
        let order = unsafe Int(memcmp(bytes, other.bytes, min(count, other.count)))
        return order != 0 ? order : count - other.count
    }

    func hasPrefix(_ prefix: StatName) -> Bool {
        unsafe count >= prefix.count && memcmp(bytes, prefix.bytes, prefix.count) == 0
    }

    /// Compares `self + leaf` with `other + otherLeaf`, without joining them.
    func compare(_ leaf: StaticString, _ other: StatName, _ otherLeaf: StaticString) -> Int {
        let total = count + leaf.utf8CodeUnitCount
        let otherTotal = other.count + otherLeaf.utf8CodeUnitCount
        let shared = min(count, other.count)
        let order = unsafe Int(memcmp(bytes, other.bytes, shared))
        if order != 0 { return order }
        for at in shared..<max(shared, min(total, otherTotal)) {
            let a = unsafe at < count ? bytes[at] : leaf.utf8Start[at - count]
            let b = unsafe at < other.count ? other.bytes[at] : otherLeaf.utf8Start[at - other.count]
            if a != b { return Int(a) - Int(b) }
        }
        return total - otherTotal
    }

    /// As `compare`, but a dot sorts before every other byte: the order of names taken as lists of words.
    func compareByWords(_ other: StatName) -> Int {
        let dot = UInt8(ascii: ".")
        for at in 0..<min(count, other.count) {
            let a = unsafe bytes[at]
            let b = unsafe other.bytes[at]
            if a != b { return a == dot ? -1 : b == dot ? 1 : Int(a) - Int(b) }
        }
        return count - other.count
    }
}
