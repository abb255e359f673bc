import CMartlet
import Glibc

/// Counts of single response codes for one statistic on one thread: a chain of 128-byte blocks, each with seven
/// (code, count) pairs, in order of first appearance. Most clusters see one to four codes, so the first comparison
/// nearly always hits; 500 counters up front would be 4 KB per cluster and thread.
///
/// Invariant: the pointer is a block made by `allocate`; only its thread writes; a pair's count is stored before its
/// code, a block's content before its link, so that main never reads a code without its count.
@safe public struct ResponseCodeBlock {
    /// Words 0…6 hold code + 1 (0: free), words 7…13 the counts, word 15 the next block.
    @usableFromInline let words: UnsafeMutablePointer<UInt64>

    @usableFromInline static var pairs: Int { 7 }
    @usableFromInline static var wordCount: Int { 16 }
    /// What is counted as `…_unknown`: everything outside 100…599.
    public static let unknownCode: UInt16 = 0

    @unsafe @inlinable public init?(bitPattern: UInt64) {
        guard let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(bitPattern)) else { return nil }
        unsafe self.words = words
    }

    @inlinable var bitPattern: UInt64 { unsafe UInt64(UInt(bitPattern: words)) }

    @inline(never) @usableFromInline static func allocate() -> ResponseCodeBlock {
        guard let memory = unsafe calloc(wordCount, MemoryLayout<UInt64>.stride),
            let block = unsafe ResponseCodeBlock(bitPattern: UInt64(UInt(bitPattern: memory)))
        else { fatalError("statistics: out of memory") }
        return block
    }

    // HOT: per message
    @inlinable func count(_ code: UInt16) {
        let known = code >= 100 && code <= 599 ? code : Self.unknownCode
        let key = UInt64(known) &+ 1
        if unsafe cmartlet_load_relaxed(words) == key {
            unsafe cmartlet_store_relaxed(words + 7, cmartlet_load_relaxed(words + 7) &+ 1)
        } else {
            countFurther(key)
        }
    }

    @inline(never) @usableFromInline func countFurther(_ key: UInt64) {
        var block = self
        // Bounded: each block holds seven of at most `StatLimits.responseCodesMax` codes.
        while true {
            for pair in 0..<Self.pairs {
                let found = unsafe cmartlet_load_relaxed(block.words + pair)
                let count = unsafe block.words + 7 + pair
                if found == key {
                    unsafe cmartlet_store_relaxed(count, cmartlet_load_relaxed(count) &+ 1)
                    return
                }
                if found == 0 {
                    unsafe cmartlet_store_relaxed(count, 1)
                    unsafe cmartlet_store_release(block.words + pair, key)
                    return
                }
            }
            if let next = unsafe ResponseCodeBlock(bitPattern: cmartlet_load_relaxed(block.words + 15)) {
                block = next
            } else {
                let next = Self.allocate()
                unsafe cmartlet_store_release(block.words + 15, next.bitPattern)
                block = next
            }
        }
    }

    /// Main: every code seen so far with its count.
    public func forEach(_ body: (_ code: UInt16, _ count: UInt64) -> Void) {
        var block: ResponseCodeBlock? = self
        while let current = block {
            for pair in 0..<Self.pairs {
                let key = unsafe cmartlet_load_acquire(current.words + pair)
                if key == 0 { return }
                body(UInt16(truncatingIfNeeded: key &- 1), unsafe cmartlet_load_relaxed(current.words + 7 + pair))
            }
            block = unsafe ResponseCodeBlock(bitPattern: cmartlet_load_acquire(current.words + 15))
        }
    }

    /// Main, once the thread no longer uses the statistic.
    package func deallocate() {
        var block: ResponseCodeBlock? = self
        while let current = block {
            block = unsafe ResponseCodeBlock(bitPattern: cmartlet_load_relaxed(current.words + 15))
            unsafe free(current.words)
        }
    }
}
