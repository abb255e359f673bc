import TestSupport
import Testing

/// The oracle itself: it must see what differs, and what it has recorded must be whole.
@Suite
struct HarnessTests {
    @Test(.disabled(if: Mode.chosen == .record, "the goldens are being written"))
    func everyCaseHasItsGoldenOutcome() throws {
        for group in Groups.all {
            let golden = try #require(try Golden.read(group), "Golden/\(group.name).json")
            #expect(golden.configuration == Golden.fingerprint(of: group), "\(group.name): recorded with another configuration")
            let names = group.cases.map(\.name)
            #expect(Set(names).count == names.count, "\(group.name): a case name stands twice")
            #expect(Set(golden.cases.keys) == Set(names))
            for test in group.cases {
                #expect(test.area == group.name, "\(test.name) begins with its group's name")
                #expect(golden.cases[test.name]?.input == test.input, "\(test.name): recorded of another input")
            }
        }
    }

    /// At least 200 cases, and 20 in each area.
    @Test
    func everyAreaIsCovered() {
        #expect(Groups.all.reduce(0) { $0 + $1.cases.count } >= 220)
        // A group whose listeners are its own may be a part of an area.
        let areas = ["connection_fields": "headers", "corners": "formats", "old_fields": "routing", "secrets": "formats"]
        let counts = Dictionary(Groups.all.map { (areas[$0.name] ?? $0.name, $0.cases.count) }, uniquingKeysWith: +)
        for (area, count) in counts { #expect(count >= 20, "\(area)") }
    }

    /// Each line of each outcome in turn lost, changed, doubled, or swapped with the next: always seen.
    @Test
    func everyChangedLineIsSeen() throws {
        for group in Groups.all {
            for (name, entry) in try #require(try Golden.read(group)).cases {
                for (aspect, lines) in entry.outcome {
                    for index in lines.indices {
                        var lost = entry.outcome
                        lost[aspect]!.remove(at: index)
                        var changed = entry.outcome
                        changed[aspect]![index] += "x"
                        var doubled = entry.outcome
                        doubled[aspect]!.insert(lines[index], at: index)
                        for corrupted in [lost, changed, doubled] {
                            #expect(!Comparison(expected: entry.outcome, found: corrupted).isEqual, "\(name), \(aspect)")
                        }
                        if index > 0, lines[index] != lines[index - 1] {
                            var swapped = entry.outcome
                            swapped[aspect]!.swapAt(index, index - 1)
                            #expect(!Comparison(expected: entry.outcome, found: swapped).isEqual, "\(name), \(aspect)")
                        }
                    }
                }
            }
        }
    }

    @Test
    func goldenFilesAreReadAsTheyWereWritten() throws {
        let text = "\u{0}\u{1}\t\r\n\"\\ \u{7f}\u{80}\u{ff}/é"
        let json = JSON.object([("a", .array([.string(text), .string("")])), ("b", .object([]))])
        #expect(try JSON(parsing: json.text()) == json)
    }

    @Test
    func aLineWithRubbishInItIsNotRead() throws {
        for text in ["----{\"a\": 1}", "1{", "{}{}", "{\"a\": 1} b", "[] ]", "\"a\"b"] {
            #expect(throws: JSON.Unreadable.self, "\(text)") { try JSON(parsing: text) }
        }
        #expect(try JSON(parsing: " {} \n") == .object([]))
    }

    /// Python's report of the error would stand between, and in front of, the lines that say what came.
    @Test(.enabled(if: TraceCollector.isInstalled, "needs PyPI's grpcio and opentelemetry-proto"))
    func aClientThatGoesAwayLeavesTheCollectorsLinesWhole() throws {
        let collector = try TraceCollector()
        let socket = try Sockets.connect(port: collector.upstream)
        _ = Sockets.send("GET /slow/200 HTTP/1.1\r\nhost: h\r\n\r\n".wire, from: 0, on: socket)
        #expect(wait(upToMs: 10_000, everyMs: 20) { !collector.requests.isEmpty })
        socket.reset()
        #expect(wait(upToMs: 10_000, everyMs: 20) { collector.lines.count > 2 })
        for line in collector.lines { #expect(throws: Never.self) { try JSON(parsing: line) } }
    }
}
