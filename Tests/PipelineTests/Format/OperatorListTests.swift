@testable import Pipeline
import TestSupport
import Testing

/// docs/access-logs.md has every operator there is.
@Suite struct OperatorListTests {
    @Test func everyOperatorStandsInTheDocument() throws {
        let section = try OperatorListTests.section()
        for name in FormatOperator.names {
            #expect(
                section.contains("`\(name)`") || section.contains("`\(name)("), "\(name) is not in docs/access-logs.md")
        }
    }

    /// Those that are said to give nothing are those that give nothing.
    @Test func whatIsSaidToBeMissingIs() throws {
        let section = try OperatorListTests.section()
        let sentence = try #require(section.split(separator: "**Taken, and always `-` so far**").last)
        let named = sentence.split(separator: "`").enumerated().filter { !$0.offset.isMultiple(of: 2) }.map(\.element)
        #expect(named.count >= 5)
        for text in named {
            let name = String(text.prefix { $0 != "(" })
            #expect(FormatOperator.rule(name)?.op == .absent, "\(name) gives something")
        }
    }

    private static func section() throws -> Substring {
        let file = #filePath
        let root = file[..<(file.firstRange(of: "/Tests/")?.lowerBound ?? file.startIndex)]
        let text = try #require(Files.text(root + "/docs/access-logs.md"))
        let begin = try #require(text.firstRange(of: "\n## Operators\n")?.upperBound)
        let end = text[begin...].firstRange(of: "\n## ")?.lowerBound ?? text.endIndex
        return text[begin..<end]
    }
}
