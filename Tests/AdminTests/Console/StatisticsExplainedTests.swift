import TestSupport
import Testing

/// `statistics.txt` explains every statistic of every schema, and none that there is not.
struct StatisticsExplainedTests {
    /// Leaves by schema, as the sources declare them: their descriptors, `.counter("name"`.
    private static func declared() -> [String: Set<String>] {
        var schemas: [String: Set<String>] = [:]
        for folder in ["Sources/Stats/Schemas", "Sources/Extensions", "Sources/Pipeline", "Sources/Upstream"] {
            for path in SourceTree.allFiles(under: SourceTree.root + "/" + folder) where path.hasSuffix(".swift") {
                var schema = ""
                for line in (Files.text(path) ?? "").split(separator: "\n") {
                    if let name = name(ofSchemaIn: line) { schema = name }
                    guard !schema.isEmpty, let leaf = leaf(in: line) else { continue }
                    schemas[schema, default: []].insert(leaf)
                }
            }
        }
        return schemas
    }

    /// `package enum ClusterStat: UInt32, StatLeaf {`
    private static func name(ofSchemaIn line: Substring) -> String? {
        guard line.contains("StatLeaf {"), let colon = line.firstIndex(of: ":") else { return nil }
        return line[..<colon].split(separator: " ").last.map(String.init)
    }

    /// `….counter("upstream_rq_total")`: the name; a family of response codes ends in a star.
    private static func leaf(in line: Substring) -> String? {
        let kinds = [".counter(\"", ".gauge(\"", ".gaugeMax(\"", ".histogram(\"", ".text(\"", ".responseCodes(\""]
        for kind in kinds {
            guard let start = line.range(ofFirst: kind) else { continue }
            let name = line[start...].dropFirst(kind.count).prefix { $0 != "\"" }
            return String(name) + (kind == ".responseCodes(\"" ? "*" : "")
        }
        return nil
    }

    private struct Section {
        let prefix: String
        let schema: String
        var leaves: [String] = []
    }

    private static func explained() throws -> [Section] {
        let text = try #require(Files.text(ConsoleFilesTests.folder + "/statistics.txt"))
        var sections: [Section] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                let schema = line[line.index(end, offsetBy: 2)...]
                sections.append(Section(prefix: String(line.dropFirst().prefix { $0 != "]" }), schema: String(schema)))
            } else {
                let parts = line.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false)
                try #require(parts.count == 3 && !sections.isEmpty, "\(line)")
                #expect(parts[1].count > 2, "a unit, or -: \(line)")
                #expect(parts[2].count > 10 && parts[2].hasSuffix("."), "a sentence: \(line)")
                sections[sections.count - 1].leaves.append(String(parts[0].filter { $0 != " " }))
            }
        }
        return sections
    }

    @Test
    func everyStatisticIsExplained() throws {
        // The admin's listener has ListenerStat's leaves, two of them hidden.
        let declared = StatisticsExplainedTests.declared().filter { $0.key != "AdminListenerStat" }
        #expect(declared.count > 35)
        let explained = try StatisticsExplainedTests.explained()
        #expect(Set(declared.keys).subtracting(explained.map(\.schema)).sorted() == [], "schemas without a section")
        for section in explained {
            // Two schemas of one name (the filter's and the cluster's health checks) are told apart by their prefix.
            let leaves = Set(section.leaves)
            #expect(leaves.count == section.leaves.count, "[\(section.prefix)] says something twice")
            #expect(leaves.subtracting(declared[section.schema] ?? []).sorted() == [], "[\(section.prefix)] \(section.schema): explained, but not there")
        }
        for (schema, leaves) in declared {
            let all = explained.filter { $0.schema == schema }.reduce(into: Set<String>()) { $0.formUnion($1.leaves) }
            #expect(leaves.subtracting(all).sorted() == [], "\(schema): there, but not explained")
        }
    }

    /// Sections of one schema (of clients and of hosts, say) explain the same leaves.
    @Test
    func sectionsOfOneSchemaAgree() throws {
        let sections = try StatisticsExplainedTests.explained()
        for section in sections where section.schema != "HealthCheckStat" && section.schema != "ListenerWorkerStat" {
            let others = sections.filter { $0.schema == section.schema }
            for other in others { #expect(Set(other.leaves) == Set(section.leaves), "\(section.prefix) and \(other.prefix)") }
        }
    }
}

extension Substring {
    fileprivate func range(ofFirst pattern: String) -> Substring.Index? {
        var at = startIndex
        while at != endIndex {
            if self[at...].hasPrefix(pattern) { return at }
            at = index(after: at)
        }
        return nil
    }
}
