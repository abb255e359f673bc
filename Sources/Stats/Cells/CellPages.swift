import CMartlet
import Glibc

/// Owns one thread's page table and pages. Made, grown and read by main; written through `StatCells` by its thread.
///
/// Invariant: a page, once in the table, stays where it is until the whole table goes, which the owner may allow only
/// after the thread has ended.
@safe package final class CellPages {
    @usableFromInline let table: UnsafeMutablePointer<UInt64>

    package init() {
        // 128 KiB of zero pages from the kernel: only what is written becomes resident.
        guard let memory = unsafe calloc(StatLimits.pagesMax, MemoryLayout<UInt64>.stride) else {
            fatalError("statistics: out of memory")
        }
        unsafe table = unsafe memory.bindMemory(to: UInt64.self, capacity: StatLimits.pagesMax)
    }

    deinit {
        for index in 0..<StatLimits.pagesMax {
            unsafe free(UnsafeMutableRawPointer(bitPattern: UInt(table[index])))
        }
        unsafe free(table)
    }

    /// What the thread gets.
    package var cells: StatCells { unsafe StatCells(pages: table) }

    /// Makes the page that holds `id`, so that the thread never allocates one.
    package func reserve(_ id: StatID) {
        _ = unsafe Self.ensurePage(table, Self.pageIndex(id))
    }

    @inlinable package func hasPage(_ id: StatID) -> Bool {
        unsafe cmartlet_load_acquire(table + Self.pageIndex(id)) != 0
    }

    /// The cell's value as its writer last stored it; 0 where no page is.
    @inlinable package func raw(_ id: StatID) -> UInt64 {
        let page = unsafe cmartlet_load_acquire(table + Self.pageIndex(id))
        guard let base = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(page)) else { return 0 }
        // Acquire, because a cell may hold a pointer to a block that its writer has just published.
        return unsafe cmartlet_load_acquire(base + Int(id) % StatLimits.cellsPerPage)
    }

    @inlinable package func histogram(_ id: StatID) -> HistogramBlock? {
        unsafe HistogramBlock(bitPattern: raw(id))
    }

    @inlinable package func responseCodes(_ id: StatID) -> ResponseCodeBlock? {
        unsafe ResponseCodeBlock(bitPattern: raw(id))
    }

    /// Writes a cell of another thread. Only where that thread no longer uses the id (`StatRegistry.recycle`), or where
    /// this table has no thread (baselines).
    package func overwrite(_ id: StatID, _ value: UInt64) {
        let page = unsafe Self.ensurePage(table, Self.pageIndex(id))
        unsafe cmartlet_store_relaxed(page + Int(id) % StatLimits.cellsPerPage, value)
    }

    /// Masked, as on the writing side: a wrong id reads a wrong cell, never foreign memory.
    @inlinable static func pageIndex(_ id: StatID) -> Int {
        Int(id >> StatLimits.pageShift) & (StatLimits.pagesMax - 1)
    }

    /// The page at `index`, made if it is missing. Whoever loses the race to make it frees its own.
    static func ensurePage(_ table: UnsafeMutablePointer<UInt64>, _ index: Int) -> UnsafeMutablePointer<UInt64> {
        let slot = unsafe table + index
        if let page = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(cmartlet_load_acquire(slot))) {
            return unsafe page
        }
        var memory: UnsafeMutableRawPointer?
        let size = StatLimits.cellsPerPage * MemoryLayout<UInt64>.stride
        // 128: two lines, because the prefetcher fetches the neighbour and would share it with another thread.
        guard unsafe posix_memalign(&memory, 128, size) == 0, let memory = unsafe memory else {
            fatalError("statistics: out of memory")
        }
        unsafe memset(memory, 0, size)
        let page = unsafe memory.bindMemory(to: UInt64.self, capacity: StatLimits.cellsPerPage)
        let seen = unsafe cmartlet_compare_exchange(slot, 0, UInt64(UInt(bitPattern: page)))
        guard let other = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(seen)) else { return unsafe page }
        unsafe free(memory)
        return unsafe other
    }
}
