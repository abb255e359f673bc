import Glibc
import Testing

/// The `console` blocks of docs/configuration-errors.md: `$ martlet …` and what it prints.
enum CommandLines {
    struct Line: Sendable, CustomTestStringConvertible {
        var number: Int
        var arguments: [String]
        var answer: String
        var testDescription: String { "\(number): martlet \(arguments.joined(separator: " "))" }
    }

    static let all: [Line] = {
        let path = "\(#filePath)".split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/docs/configuration-errors.md"
        var lines: [Line] = []
        var number = 0
        var isConsole = false
        for line in content(path).split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("## ") { number = line.dropFirst(3).split(separator: ".").first.flatMap { Int($0) } ?? 0 }
            if line.hasPrefix("```") {
                isConsole = line == "```console"
            } else if isConsole, line.hasPrefix("$ martlet") {
                lines.append(Line(number: number, arguments: line.split(separator: " ").dropFirst(2).map(String.init), answer: ""))
            } else if isConsole, let last = lines.indices.last {
                lines[last].answer += line + "\n"
            }
        }
        return lines
    }()

    private static func content(_ path: String) -> String {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
            count = unsafe max(0, read(file, buffer.baseAddress, buffer.count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
