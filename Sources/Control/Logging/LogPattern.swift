// `--log-format`: a line of the process's own log, in the flags that Envoy takes from spdlog.
//
// A flag that there is not stands as it is written. `%z` and local times follow TZ.

import EnvoyAPI
import Glibc

package struct LogPattern: Sendable {
    package static let envoy = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"
    /// With levels per file.
    package static let fineGrain = "[%Y-%m-%d %T.%e][%t][%l] [%g:%#] %v"

    /// What one line is made of.
    package struct Entry {
        package var level: LogLevel
        package var component: String
        package var message: String
        /// Path and line in the source.
        package var file: String
        package var line: UInt
        package var seconds: Int
        package var nanoseconds: Int
        package var thread: Int32
        package var process: Int32

        package init(
            level: LogLevel, component: String, message: String, file: String = "", line: UInt = 0, seconds: Int = 0,
            nanoseconds: Int = 0, thread: Int32 = 0, process: Int32 = 0
        ) {
            self.level = level
            self.component = component
            self.message = message
            self.file = file
            self.line = line
            self.seconds = seconds
            self.nanoseconds = nanoseconds
            self.thread = thread
            self.process = process
        }
    }

    private enum Part {
        case literal(String)
        case flag(Character)
    }

    private let parts: [Part]
    /// `--log-format-escaped`: control characters of the message in C's notation.
    private let escapes: Bool

    package init(_ text: String, escapes: Bool = false) {
        self.escapes = escapes
        var parts: [Part] = []
        var literal = ""
        var characters = text.makeIterator()
        while let character = characters.next() {
            guard character == "%" else {
                literal.append(character)
                continue
            }
            guard let flag = characters.next() else {
                literal.append("%")
                break
            }
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = ""
            parts.append(.flag(flag))
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        self.parts = parts
    }

    /// The line, without its end.
    package func line(_ entry: Entry) -> String {
        var seconds = entry.seconds
        var time = unsafe tm()
        unsafe localtime_r(&seconds, &time)
        var line = ""
        for part in parts {
            switch part {
            case .literal(let text): line += text
            case .flag(let flag): line += unsafe text(flag, entry, &time) ?? "%\(flag)"
            }
        }
        return line
    }

    private func text(_ flag: Character, _ entry: Entry, _ time: inout tm) -> String? {
        switch flag {
        case "v": escapes ? LogPattern.escaped(entry.message) : entry.message
        case "_": LogPattern.oneLine(entry.message)
        case "j": LogPattern.jsonEscaped(entry.message)
        case "*": ""
        case "t": "\(entry.thread)"
        case "P": "\(entry.process)"
        case "n": entry.component
        case "l": entry.level.name
        case "L": String(entry.level.name.prefix(1)).uppercased()
        case "g": entry.file
        case "s": entry.file.split(separator: "/").last.map(String.init) ?? ""
        case "#": "\(entry.line)"
        case "@": "\(entry.file):\(entry.line)"
        case "e": LogPattern.padded(entry.nanoseconds / 1_000_000, 3)
        case "f": LogPattern.padded(entry.nanoseconds / 1000, 6)
        case "F": LogPattern.padded(entry.nanoseconds, 9)
        case "E": "\(entry.seconds)"
        case "%": "%"
        case "^", "$": ""
        default: LogPattern.strftimeFormats[flag].map { unsafe LogPattern.formatted(&time, $0) }
        }
    }

    /// Flags that `strftime` knows, some under another name.
    private static let strftimeFormats: [Character: String] = [
        "Y": "%Y", "m": "%m", "d": "%d", "H": "%H", "I": "%I", "M": "%M", "S": "%S", "p": "%p", "a": "%a", "A": "%A",
        "b": "%b", "h": "%b", "B": "%B", "C": "%y", "D": "%m/%d/%y", "x": "%m/%d/%y", "T": "%H:%M:%S", "X": "%H:%M:%S",
        "R": "%H:%M", "r": "%I:%M:%S %p", "c": "%a %b %e %H:%M:%S %Y", "z": "%z",
    ]

    private static func formatted(_ time: inout tm, _ format: String) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = unsafe strftime(&buffer, buffer.count, format, &time)
        let text = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // ISO 8601 has a colon in the offset.
        return format == "%z" && text.utf8.count == 5 ? text.prefix(3) + ":" + text.suffix(2) : text
    }

    private static func padded(_ number: Int, _ digits: Int) -> String {
        let text = "\(number)"
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    private static func oneLine(_ text: String) -> String {
        var line = ""
        for scalar in text.unicodeScalars {
            if scalar == "\n" { line += "\\n" } else { line.unicodeScalars.append(scalar) }
        }
        return line
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            case "\t": escaped += "\\t"
            case "\u{b}": escaped += "\\v"
            case "\0": escaped += "\\0"
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private static func jsonEscaped(_ text: String) -> String {
        String(JSONText.quoted(text).dropFirst().dropLast())
    }
}
