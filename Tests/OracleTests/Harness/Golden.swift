import TestSupport

/// What Envoy did, kept in `Golden/<group>.json`: facts measured by us, for comparison where Envoy cannot run.
struct Golden {
    struct Entry {
        var input: String
        var outcome: Outcome

        /// Each request of the case got an answer, and all of it.
        func isAnswered(_ test: Case) -> Bool {
            let interim = (outcome[.status] ?? []).count { $0.contains(": HTTP/1.1 1") }
            let broken = (outcome[.body] ?? []).count { $0.contains(", incomplete): ") }
            let answers = (outcome[.status] ?? []).count - interim - broken
            return answers > 0 && answers >= test.clients.reduce(0) { $0 + $1.methods.count }
        }

        /// Every connection was closed by Envoy.
        var isEnded: Bool {
            let ends = outcome[.end] ?? []
            return !ends.isEmpty && ends.allSatisfy { $0.hasSuffix(" by the proxy") }
        }
    }

    var configuration: String
    var cases: [String: Entry]

    static func path(of group: Group, sourceFile: String = #filePath) -> String {
        let harness = sourceFile[..<(sourceFile.lastIndex(of: "/") ?? sourceFile.startIndex)]
        let tests = harness[..<(harness.lastIndex(of: "/") ?? harness.startIndex)]
        return tests + "/Golden/\(group.name).json"
    }

    static func fingerprint(of group: Group) -> String { TestSupport.fingerprint(group.template.utf8) }

    static func read(_ group: Group) throws -> Golden? {
        guard let text = Files.text(path(of: group)) else { return nil }
        let json = try JSON(parsing: text)
        var golden = Golden(configuration: json["configuration"]?.string ?? "", cases: [:])
        for (name, value) in json["cases"]?.members ?? [] {
            var outcome: Outcome = [:]
            for aspect in Aspect.allCases {
                outcome[aspect] = value[aspect.rawValue]?.array?.compactMap { $0.string }
            }
            golden.cases[name] = Entry(input: value["input"]?.string ?? "", outcome: outcome)
        }
        return golden
    }

    /// Cases in the group's order, so that a diff shows what changed and nothing else.
    func write(_ group: Group) {
        let cases: [(name: String, value: JSON)] = group.cases.compactMap { test in
            guard let entry = self.cases[test.name] else { return nil }
            var members: [(name: String, value: JSON)] = [("input", .string(entry.input))]
            for aspect in Aspect.allCases {
                if let lines = entry.outcome[aspect] {
                    members.append((aspect.rawValue, .array(lines.map { .string($0) })))
                }
            }
            return (test.name, .object(members))
        }
        let json = JSON.object([
            ("about", .string("Measured on Envoy 1.40.0 by OracleTests; written by MARTLET_ORACLE=record")),
            ("configuration", .string(configuration)),
            ("cases", .object(cases)),
        ])
        Files.write(Array((json.text() + "\n").utf8), to: Golden.path(of: group))
    }
}
