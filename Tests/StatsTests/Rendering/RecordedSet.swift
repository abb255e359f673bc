import Stats
import StatsStore

/// Rebuilds, through the public way in, the statistics that a real Envoy printed: scopes as Control would make them,
/// values through cells.
struct RecordedSet {
    let registry: StatRegistry
    private var scopes: [(prefix: String, base: StatID, schema: StatSchema)] = []

    init(workers: Int = 1) {
        registry = StatRegistry(workers: workers)
    }

    mutating func add<Leaf: StatLeaf>(_ prefix: String, _: Leaf.Type) {
        let scope = registry.scope(prefix, Leaf.self)
        scopes.append((prefix, scope.base, Leaf.schema))
    }

    /// `text`: `/stats`; `usedOnly`: the same with `usedonly`, which tells a gauge set to 0 from one never set;
    /// `detailed`: histograms with `histogram_buckets=detailed`.
    func fill(text: String, usedOnly: String, detailed: String) {
        let used = Set(usedOnly.split(separator: "\n").compactMap { $0.split(separator: ":").first })
        for line in text.split(separator: "\n") {
            guard let colon = line.lastIndex(of: ":"), let value = UInt64(line[line.index(colon, offsetBy: 2)...])
            else {
                continue
            }
            let name = line[..<colon]
            fillScalar(String(name), value, isUsed: used.contains(name))
        }
        var name = ""
        for line in detailed.split(separator: "\n") {
            if line.hasPrefix("  totals=") {
                fillHistogram(name, line.dropFirst("  totals=".count))
            } else if !line.hasPrefix("  ") {
                name = String(line.split(separator: ":")[0])
            }
        }
        // The recording was made after an interval without traffic.
        registry.flushHistograms()
        registry.flushHistograms()
    }

    private func fillScalar(_ name: String, _ value: UInt64, isUsed: Bool) {
        let cells = registry.cells(worker: 0)
        for (prefix, base, schema) in scopes where name.hasPrefix(prefix) {
            let leaf = name.dropFirst(prefix.count)
            for (index, descriptor) in schema.leaves.enumerated() {
                let id = base + StatID(index)
                switch descriptor.kind {
                case .counter where leaf == "\(descriptor.name)": cells.add(id, value)
                case .gauge where leaf == "\(descriptor.name)" && isUsed,
                    .gaugeMax where leaf == "\(descriptor.name)" && isUsed:
                    cells.set(id, value)
                case .responseCodes where leaf.hasPrefix("\(descriptor.name)"),
                    .responseCodesWithCompleted where leaf.hasPrefix("\(descriptor.name)"):
                    if let code = UInt16(leaf.dropFirst("\(descriptor.name)".count)) {
                        for _ in 0..<value { cells.count(id, responseCode: code) }
                    }
                default: break
                }
            }
        }
    }

    private func fillHistogram(_ name: String, _ totals: Substring) {
        let cells = registry.cells(worker: 0)
        for (prefix, base, schema) in scopes where name.hasPrefix(prefix) {
            for (index, descriptor) in schema.leaves.enumerated()
            where descriptor.kind == .histogram && name.dropFirst(prefix.count) == "\(descriptor.name)" {
                for bin in totals.split(separator: " ") {
                    let parts = bin.split(whereSeparator: { $0 == "," || $0 == ":" })
                    guard let value = UInt64(parts[0]), let count = Int(parts[2]) else { continue }
                    for _ in 0..<count { cells.record(base + StatID(index), value) }
                }
            }
        }
    }

    func render(_ configure: (inout StatsQuery) -> Void) -> String {
        rendered(registry, configure)
    }
}

/// The whole answer, put together from slices of `slice` bytes.
func rendered(
    _ registry: StatRegistry, slice: Int = 100_000, _ configure: (inout StatsQuery) -> Void = { _ in }
) -> String {
    var query = StatsQuery()
    configure(&query)
    var renderer = StatsRenderer(registry, query)
    var bytes: [UInt8] = []
    while renderer.next(maxBytes: slice, { span in for at in span.indices { bytes.append(span[at]) } }) {}
    return String(decoding: bytes, as: UTF8.self)
}

/// A filter that lets through exactly these full names.
func named(_ names: Set<String>) -> (Span<UInt8>) -> Bool {
    { name in names.contains(string(name)) }
}

func string(_ bytes: Span<UInt8>) -> String {
    String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
}
