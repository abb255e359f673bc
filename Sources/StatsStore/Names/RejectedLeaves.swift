import Stats

/// Which statistics of one scope `stats_matcher` keeps out: one bit per leaf, nothing where nothing is kept out. Judged
/// when the scope is made and when others decide about it: a matcher of regular expressions is not asked again for each scrape.
struct RejectedLeaves: Equatable {
    private var bits: [UInt64] = []

    init() {}

    /// `judges`: a name that one of them keeps is kept; nil: all are.
    init(_ record: StatRegistry.Record, _ judges: [StatNameMatcher]?) {
        guard let judges else { return }
        var name: [UInt8] = []
        for (leaf, descriptor) in record.schema.leaves.enumerated() {
            switch descriptor.kind {
            case .responseCodes, .responseCodesWithCompleted:
                // Their names come with the codes: the bit says that each has to be judged.
                insert(UInt32(leaf))
            case .counter, .gauge, .gaugeMax, .histogram, .textReadout:
                name.setName(record.prefix, descriptor.name, .none)
                if !judges.contains(where: { $0.keeps(name.span) }) { insert(UInt32(leaf)) }
            }
        }
    }

    func contains(_ leaf: UInt32) -> Bool {
        let word = Int(leaf / 64)
        return word < bits.count && bits[word] & (1 << UInt64(leaf % 64)) != 0
    }

    private mutating func insert(_ leaf: UInt32) {
        let word = Int(leaf / 64)
        while bits.count <= word { bits.append(0) }
        bits[word] |= 1 << UInt64(leaf % 64)
    }
}
