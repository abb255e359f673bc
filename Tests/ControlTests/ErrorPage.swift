@testable import Control
import Testing

/// docs/configuration-errors.md, taken apart.
enum ErrorPage {
    struct Case: Sendable, CustomTestStringConvertible {
        var number: Int
        var configuration: String
        var text: String
        var testDescription: String { "\(number): \(text)" }
    }

    static let cases: [Case] = {
        let path = "\(#filePath)".split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/docs/configuration-errors.md"
        guard let bytes = try? FileContents.read(path) else { return [] }
        return parse(String(decoding: bytes, as: UTF8.self))
    }()

    private static func parse(_ page: String) -> [Case] {
        var cases: [Case] = []
        var number = 0
        var block: (kind: Substring, lines: String)?
        var configuration = ""
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if let open = block {
                guard line.hasPrefix("```") else {
                    block = (open.kind, open.lines + line + "\n")
                    continue
                }
                if open.kind == "yaml" { configuration = open.lines }
                if open.kind == "text" { cases.append(Case(number: number, configuration: configuration, text: open.lines)) }
                block = nil
            } else if line.hasPrefix("```") {
                block = (line.dropFirst(3), "")
            } else if line.hasPrefix("## ") {
                number = line.dropFirst(3).split(separator: ".").first.flatMap { Int($0) } ?? 0
            }
        }
        return cases
    }
}
