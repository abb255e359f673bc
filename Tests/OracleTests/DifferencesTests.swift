import TestSupport
import Testing

/// `docs/differences.md` and the table in the code say the same.
@Suite
struct DifferencesTests {
    @Test
    func everyEntryNamesACase() {
        let names = Set(Groups.all.flatMap(\.cases).map(\.name))
        for entry in Differences.all {
            #expect(names.contains(entry.test), "\(entry.test)")
            if let like = entry.like { #expect(names.contains(like), "\(entry.test) is like \(like)") }
        }
        #expect(Set(Differences.all.map(\.test)).count == Differences.all.count)
    }

    /// An entry for something that Envoy does too is no difference.
    @Test(.disabled(if: Mode.chosen == .record, "the goldens are being written"))
    func everyEntryDiffersFromEnvoy() throws {
        var envoy: [String: Outcome] = [:]
        for group in Groups.all {
            envoy.merge(try #require(try Golden.read(group)).cases.mapValues(\.outcome)) { first, _ in first }
        }
        let martlet = Differences.applied(to: envoy, siblings: envoy)
        for entry in Differences.all where entry.like != nil || !entry.martlet.isEmpty {
            let comparison = Comparison(expected: martlet[entry.test] ?? [:], found: envoy[entry.test] ?? [:])
            #expect(!comparison.isEqual, "\(entry.test): Envoy does the same")
        }
    }

    @Test(.disabled(if: Mode.chosen == .record, "the document is being written"))
    func everyEntryStandsInTheDocument() throws {
        let path = DifferencesTests.document
        let text = try #require(Files.text(path), "\(path)")
        // The other sections are about what no case shows.
        let rows = Set(DifferencesTests.parts(text.textLines).table.filter { $0.hasPrefix("| `") })
        let wanted = Set(Differences.all.map(DifferencesTests.row))
        #expect(rows.subtracting(wanted).isEmpty, "rows without an entry in the code")
        #expect(wanted.subtracting(rows).isEmpty, "entries without a row; `MARTLET_ORACLE=record` writes them")
    }

    /// What stands before the table's rows, the rows, and the sections behind them.
    private static func parts<Line: StringProtocol>(_ lines: [Line]) -> (before: [Line], table: [Line], behind: [Line]) {
        let heading = lines.firstIndex { $0 == "## The cases" } ?? 0
        let first = lines[heading...].firstIndex { $0.hasPrefix("|---") }.map { $0 + 1 } ?? lines.count
        let end = lines[first...].firstIndex { $0.hasPrefix("## ") } ?? lines.count
        return (Array(lines[..<first]), Array(lines[first..<end]), Array(lines[end...]))
    }

    static var document: String {
        let file = #filePath
        let tests = file[..<(file.lastIndex(of: "/") ?? file.startIndex)]
        return tests + "/../../docs/differences.md"
    }

    static func row(_ entry: Differences.Entry) -> String {
        let martlet = entry.like.map { "as in `\($0)`" } ?? DifferencesTests.words(entry)
        return "| `\(entry.test)` | \(entry.reason) | \(martlet) |"
    }

    private static func words(_ entry: Differences.Entry) -> String {
        let status = entry.martlet[.status] ?? []
        if status.isEmpty, !entry.martlet.isEmpty {
            return "its own: \(entry.martlet.keys.map(\.rawValue).sorted().joined(separator: ", "))"
        }
        return status.isEmpty ? "not compared: \(entry.unchecked.map(\.rawValue).sorted().joined(separator: ", "))"
            : status.joined(separator: ", ")
    }

    /// Recording writes the document's table anew.
    @Test(.enabled(if: Mode.chosen == .record))
    func recordWritesTheDocument() {
        let rows = Differences.all.map(DifferencesTests.row).joined(separator: "\n") + "\n"
        let parts = DifferencesTests.parts(Files.text(DifferencesTests.document)?.textLines ?? [])
        let before = parts.before.joined(separator: "\n") + "\n"
        let behind = parts.behind.joined(separator: "\n")
        Files.write(Array((before + rows + (behind.isEmpty ? "" : "\n" + behind + "\n")).utf8), to: DifferencesTests.document)
    }
}
