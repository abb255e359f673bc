/// The address of one cell. The same id means the same statistic on every thread; each thread has its own cell for it.
///
/// `id >> 10` is the page, `id & 1023` the cell in it.
public typealias StatID = UInt32

/// The named maxima of this target.
public enum StatLimits {
    /// Cells in one page (8 KiB). A scope never crosses a page.
    @inlinable public static var cellsPerPage: Int { 1024 }
    @inlinable public static var pageShift: UInt32 { 10 }
    /// Pages a thread can have: 16.7 million cells. The table is reserved at start (128 KiB of address space, touched
    /// only where used) so that adding statistics never moves a cell.
    @inlinable public static var pagesMax: Int { 16_384 }
    /// Leaves in one schema; a scope must fit into a page.
    package static let leavesPerSchemaMax = cellsPerPage
    /// Bytes in a scope's prefix. Longer ones are cut: a name from the configuration is never a reason to fail.
    package static let prefixBytesMax = 4096
    /// Response codes counted one by one: 100…599, and one cell for all others.
    package static let responseCodesMax = 501
}
