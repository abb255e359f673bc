import CMartlet

/// One thread's statistics cells: what hot code holds. Trivial (one pointer), so copying it costs nothing.
///
/// One writer per cell: only the thread that was given this value calls the methods here; an increment is a relaxed
/// load and a relaxed store, never a locked instruction. Main reads the same cells with relaxed loads
/// (`StatRegistry`). Invariant: `pages` is a table of `StatLimits.pagesMax` page pointers that lives as long as the
/// process (`CellPages` is never freed while a worker runs), and every index into it is masked, so a wrong id counts
/// in the wrong place but never touches foreign memory.
@safe public struct StatCells: @unchecked Sendable {
    /// Page pointers as bit patterns, 0 where no page is yet.
    public let pages: UnsafeMutablePointer<UInt64>

    package init(pages: UnsafeMutablePointer<UInt64>) {
        unsafe self.pages = pages
    }

    // HOT: per message
    @inlinable public func increment(_ id: StatID) {
        add(id, 1)
    }

    // HOT: per message
    @inlinable public func add(_ id: StatID, _ n: UInt64) {
        let cell = unsafe self.cell(id)
        unsafe cmartlet_store_relaxed(cell, cmartlet_load_relaxed(cell) &+ n)
    }

    /// Moves a gauge. The shown value is the sum over all threads, so one thread may go below zero when a thing that
    /// was counted here ends there.
    // HOT: per message
    @inlinable public func gaugeAdd(_ id: StatID, _ delta: Int64) {
        let cell = unsafe self.cell(id)
        let moved = unsafe cmartlet_load_relaxed(cell) &+ UInt64(bitPattern: delta)
        unsafe cmartlet_store_relaxed(cell, moved | GaugeCell.usedBit)
    }

    /// Sets this thread's share of a gauge.
    // HOT: per message
    @inlinable public func set(_ id: StatID, _ value: UInt64) {
        unsafe cmartlet_store_relaxed(cell(id), value | GaugeCell.usedBit)
    }

    /// Sets a counter or a gauge back: its name goes to another thing.
    package func clear(_ id: StatID) { unsafe cmartlet_store_relaxed(cell(id), 0) }

    /// Records one sample, in the histogram's unit (`StatUnit`).
    ///
    /// The first sample of a histogram on this thread allocates its block, the first of a decade that decade.
    // HOT: per message
    @inlinable public func record(_ id: StatID, _ value: UInt64) {
        let cell = unsafe self.cell(id)
        let block = unsafe cmartlet_load_relaxed(cell)
        if let histogram = unsafe HistogramBlock(bitPattern: block) {
            histogram.record(value)
        } else {
            let histogram = HistogramBlock.allocate()
            histogram.record(value)
            // Release: main must see the zeroed block behind the pointer.
            unsafe cmartlet_store_release(cell, histogram.bitPattern)
        }
    }

    /// Counts one response by its code; the class counter (`…_2xx`) is derived from it when shown.
    // HOT: per message
    @inlinable public func count(_ id: StatID, responseCode code: UInt16) {
        let cell = unsafe self.cell(id)
        let block = unsafe cmartlet_load_relaxed(cell)
        if let codes = unsafe ResponseCodeBlock(bitPattern: block) {
            codes.count(code)
        } else {
            let codes = ResponseCodeBlock.allocate()
            codes.count(code)
            unsafe cmartlet_store_release(cell, codes.bitPattern)
        }
    }

    // HOT: per message
    @inlinable @inline(__always) func cell(_ id: StatID) -> UnsafeMutablePointer<UInt64> {
        let index = Int(id &>> StatLimits.pageShift) & (StatLimits.pagesMax &- 1)
        // Relaxed is enough for the pointer's own thread; pages that main made became visible with the plan.
        let page = unsafe cmartlet_load_relaxed(pages + index)
        let offset = Int(id) & (StatLimits.cellsPerPage &- 1)
        if let base = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(page)) { return unsafe base + offset }
        return unsafe firstUse(ofPage: index) + offset
    }

    /// Main makes a worker's pages before it publishes what uses them; its own pages it makes here, on first use, so
    /// that statistics that main never writes cost main nothing.
    @inline(never) @usableFromInline
    func firstUse(ofPage index: Int) -> UnsafeMutablePointer<UInt64> {
        unsafe CellPages.ensurePage(pages, index)
    }
}

/// How a gauge lies in its cell: 63 bits of two's complement and, in the top bit, "has been written". `usedonly` must
/// show a gauge that was set to 0 and hide one that was never set, and a cell of its own for that would double them.
public enum GaugeCell {
    @inlinable public static var usedBit: UInt64 { 1 << 63 }
    /// The least value: it lies elsewhere (`StatRegistry.set(_:wide:)`).
    package static var wide: UInt64 { 1 << 62 }

    package static func value(_ raw: UInt64) -> Int64 {
        Int64(bitPattern: raw << 1) >> 1
    }
}
