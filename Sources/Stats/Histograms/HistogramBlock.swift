import CMartlet
import Glibc

/// The bins of one histogram on one thread, never reset: main keeps the difference between two looks. 240 bytes, and
/// 720 for each decade that has seen a sample; times in milliseconds touch one to three.
///
/// Invariant: the pointer is a block made by `allocate`; only its thread writes; decades are published with a release
/// store.
@safe public struct HistogramBlock {
    /// Words 0…9: the bins below 10. Words 10…28: the decades, as pointers to 90 counts. Word 29: samples so far.
    @usableFromInline let words: UnsafeMutablePointer<UInt64>

    @usableFromInline static var firstDecadeWord: Int { 10 }
    @usableFromInline static var samplesWord: Int { 29 }
    @usableFromInline static var wordCount: Int { 30 }

    @unsafe @inlinable public init?(bitPattern: UInt64) {
        guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(bitPattern)) else { return nil }
        unsafe self.words = words
    }

    @inlinable var bitPattern: UInt64 { unsafe UInt64(UInt(bitPattern: words)) }

    @inline(never) @usableFromInline static func allocate() -> HistogramBlock {
        guard let memory = unsafe calloc(wordCount, MemoryLayout<UInt64>.stride),
            let block = unsafe HistogramBlock(bitPattern: UInt64(UInt(bitPattern: memory)))
        else { fatalError("statistics: out of memory") }
        return block
    }

    // HOT: per message
    @inlinable func record(_ value: UInt64) {
        unsafe Self.bump(words + Self.samplesWord)
        if value < 10 {
            unsafe Self.bump(words + Int(truncatingIfNeeded: value))
            return
        }
        // Cut to two digits: the quotient's size is the decade. At most 18 rounds, one or two for milliseconds.
        var mantissa = value
        var decade = 1
        while mantissa >= 100 {
            mantissa /= 10
            decade &+= 1
        }
        let slot = unsafe words + (Self.firstDecadeWord &+ decade &- 1)
        let bin = Int(truncatingIfNeeded: mantissa) &- 10
        if let counts = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(cmartlet_load_relaxed(slot))) {
            unsafe Self.bump(counts + bin)
        } else {
            unsafe Self.bump(Self.firstUse(ofDecade: slot) + bin)
        }
    }

    @inlinable static func bump(_ word: UnsafeMutablePointer<UInt64>) {
        unsafe cmartlet_store_relaxed(word, cmartlet_load_relaxed(word) &+ 1)
    }

    @inline(never) @usableFromInline
    static func firstUse(ofDecade slot: UnsafeMutablePointer<UInt64>) -> UnsafeMutablePointer<UInt64> {
        guard let memory = unsafe calloc(HistogramBin.binsPerDecade, MemoryLayout<UInt64>.stride) else {
            fatalError("statistics: out of memory")
        }
        unsafe cmartlet_store_release(slot, UInt64(UInt(bitPattern: memory)))
        return unsafe memory.bindMemory(to: UInt64.self, capacity: HistogramBin.binsPerDecade)
    }

    /// Main: samples so far, to see whether anything came since the last look.
    public var samples: UInt64 { unsafe cmartlet_load_relaxed(words + Self.samplesWord) }

    /// Main: every bin that has samples, in order of value.
    public func forEach(_ body: (BinCount) -> Void) {
        for low in 0..<HistogramBin.lowBins {
            let count = unsafe cmartlet_load_relaxed(words + low)
            if count > 0 { body(BinCount(bin: HistogramBin(index: UInt16(low)), count: count)) }
        }
        for decade in 0..<HistogramBin.decades {
            let pointer = unsafe cmartlet_load_acquire(words + Self.firstDecadeWord + decade)
            guard let counts = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(pointer)) else { continue }
            for bin in 0..<HistogramBin.binsPerDecade {
                let count = unsafe cmartlet_load_relaxed(counts + bin)
                if count == 0 { continue }
                let index = HistogramBin.lowBins + decade * HistogramBin.binsPerDecade + bin
                body(BinCount(bin: HistogramBin(index: UInt16(index)), count: count))
            }
        }
    }

    /// Main, once the thread no longer uses the statistic.
    package func deallocate() {
        for decade in 0..<HistogramBin.decades {
            unsafe free(UnsafeMutableRawPointer(bitPattern: UInt(words[Self.firstDecadeWord + decade])))
        }
        unsafe free(words)
    }
}
