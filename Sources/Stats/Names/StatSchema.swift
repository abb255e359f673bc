/// The leaves of one sort of scope as an enumeration: `ClusterStat`, `HTTPConnectionManagerStat`, … Raw values count
/// from 0 without gaps, so that a leaf's cell is the scope's base plus its raw value.
public protocol StatLeaf: RawRepresentable<UInt32>, CaseIterable, Sendable {
    /// Name and kind. A switch, so that the compiler refuses a case without a name.
    var descriptor: StatDescriptor { get }
    /// One instance per enumeration: `static let schema = StatSchema(Self.self, writers: …)`.
    static var schema: StatSchema { get }
}

/// The static table of a sort of scope: descriptors, and the order in which rendering visits them.
public final class StatSchema: Sendable {
    /// Who writes these statistics, so that pages exist where they are written and nowhere else.
    public enum Writers: Sendable {
        /// Main only (control plane): workers get no cells.
        case main
        /// Workers; main too when it uses a cluster itself, then its pages appear on its first write.
        case workers
    }

    /// A line, or for response codes a run of lines, at one place in the sorted output.
    public struct Item: Sendable {
        public enum Part: Sendable {
            /// The statistic itself.
            case whole
            /// `…200`, `…2xx`: nothing else sorts between them.
            case codes
            case completed
            case unknown
        }

        public let leaf: UInt32
        public let part: Part
        public let descriptor: StatDescriptor
    }

    public let name: String
    public let writers: Writers
    public let leaves: [StatDescriptor]
    public let isListed: Bool
    /// Sorted by name, per phase of the output.
    public let texts: [Item]
    public let scalars: [Item]
    public let histograms: [Item]

    public convenience init<Leaf: StatLeaf>(_ type: Leaf.Type, writers: Writers, isListed: Bool = true) {
        let cases = Array(Leaf.allCases)
        precondition(
            cases.enumerated().allSatisfy { UInt32($0.offset) == $0.element.rawValue },
            "invariant: a schema's raw values count from 0 without gaps")
        self.init(name: "\(type)", writers: writers, leaves: cases.map(\.descriptor), isListed: isListed)
    }

    /// What is not listed has cells and is in no output.
    public init(name: String, writers: Writers, leaves: [StatDescriptor], isListed: Bool = true) {
        precondition(leaves.count <= StatLimits.leavesPerSchemaMax, "invariant: a scope fits into one page")
        self.name = name
        self.writers = writers
        self.leaves = leaves
        self.isListed = isListed
        var texts: [Item] = []
        var scalars: [Item] = []
        var histograms: [Item] = []
        for (index, descriptor) in leaves.enumerated() where isListed {
            let leaf = UInt32(index)
            func item(_ part: Item.Part) -> Item { Item(leaf: leaf, part: part, descriptor: descriptor) }
            switch descriptor.kind {
            case .counter, .gauge, .gaugeMax: scalars.append(item(.whole))
            case .histogram: histograms.append(item(.whole))
            case .textReadout: texts.append(item(.whole))
            case .responseCodes: scalars += [item(.codes), item(.unknown)]
            case .responseCodesWithCompleted: scalars += [item(.codes), item(.completed), item(.unknown)]
            }
        }
        self.texts = texts.sorted { $0.sortKey < $1.sortKey }
        self.scalars = scalars.sorted { $0.sortKey < $1.sortKey }
        self.histograms = histograms.sorted { $0.sortKey < $1.sortKey }
    }

    /// The line of a statistic that is one line. Nil: it is a family of response codes.
    package func item(_ leaf: UInt32) -> Item? {
        for items in [scalars, texts, histograms] {
            if let item = items.first(where: { $0.leaf == leaf && $0.part == .whole }) { return item }
        }
        return nil
    }

    public func items(_ phase: StatPhase) -> [Item] {
        switch phase {
        case .texts: texts
        case .scalars: scalars
        case .histograms: histograms
        }
    }
}

/// The order of Envoy's output: text readouts, then counters with gauges, then histograms.
public enum StatPhase: UInt8, CaseIterable, Sendable {
    case texts, scalars, histograms
}

extension StatSchema.Item {
    /// Where the item's first line sorts. All names of leaves are ASCII, so that String order is byte order.
    fileprivate var sortKey: String {
        switch part {
        case .whole: "\(descriptor.name)"
        case .codes: "\(descriptor.name)1"
        case .completed: "\(descriptor.name)completed"
        case .unknown: "\(descriptor.name)unknown"
        }
    }
}
