import Stats

/// Hands out ranges of ids. A range never crosses a page, and pages are kept apart by who writes them, so that
/// statistics that only main writes cost the workers no memory and the other way round.
struct StatIDAllocator {
    private var workers = Pool()
    private var main = Pool()
    private var nextPage = 0

    mutating func allocate(count: Int, writers: StatSchema.Writers) -> StatID {
        switch writers {
        case .workers: workers.allocate(count, &nextPage)
        case .main: main.allocate(count, &nextPage)
        }
    }

    mutating func free(_ base: StatID, count: Int, writers: StatSchema.Writers) {
        switch writers {
        case .workers: workers.free[count, default: []].append(base)
        case .main: main.free[count, default: []].append(base)
        }
    }

    private struct Pool {
        /// Scopes begin on a cache line: a schema puts what each request touches on its first ones.
        private static let alignment = 8

        /// The page being filled, and how many of its cells are taken.
        var page: Int?
        var taken = 0
        /// Recycled ranges by their size.
        var free: [Int: [StatID]] = [:]

        mutating func allocate(_ count: Int, _ nextPage: inout Int) -> StatID {
            if let recycled = free[count]?.popLast() { return recycled }
            taken = (taken + Self.alignment - 1) / Self.alignment * Self.alignment
            if let page, taken + count <= StatLimits.cellsPerPage {
                defer { taken += count }
                return StatID(page * StatLimits.cellsPerPage + taken)
            }
            guard nextPage < StatLimits.pagesMax else {
                // 16.7 million statistics: far beyond any configuration that fits into memory, so we are wrong.
                preconditionFailure("invariant: at most StatLimits.pagesMax pages of statistics")
            }
            page = nextPage
            taken = count
            nextPage += 1
            return StatID((nextPage - 1) * StatLimits.cellsPerPage)
        }
    }
}
