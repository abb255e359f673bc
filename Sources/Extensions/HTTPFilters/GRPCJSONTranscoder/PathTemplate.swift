// Path templates of `google.api.http` (google/api/http.proto, "Path template syntax"):
//     "/" Segment {"/" Segment} [":" verb];  Segment = "*" | "**" | literal | "{" path ["=" Segments] "}"

struct PathTemplate {
    enum Segment: Hashable {
        case literal(String)
        /// `*`
        case one
        /// `**`
        case rest
    }

    struct Variable {
        let path: [String]
        /// Segments that it covers.
        let start: Int
        let end: Int
        let hasRest: Bool
    }

    private(set) var segments: [Segment] = []
    private(set) var variables: [Variable] = []
    private(set) var verb = ""

    /// Nil: not a template.
    init?(_ text: String) {
        guard text.hasPrefix("/") else { return nil }
        var parser = Parser(text)
        guard parser.segments(&self, end: nil), parser.isAtEnd else { return nil }
        // `**` is the last segment.
        if let rest = segments.firstIndex(of: .rest), rest != segments.count - 1 { return nil }
    }

    private struct Parser {
        private let bytes: [UInt8]
        private var at = 0

        init(_ text: String) {
            bytes = Array(text.utf8)
            at = 1
        }

        var isAtEnd: Bool { at == bytes.count }
        private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

        mutating func segments(_ template: inout PathTemplate, end: UInt8?) -> Bool {
            if isAtEnd, end == nil { return true }
            while true {
                guard segment(&template, isInside: end != nil) else { return false }
                switch next {
                case nil: return end == nil
                case UInt8(ascii: "/"): at += 1
                case UInt8(ascii: ":") where end == nil:
                    at += 1
                    let verb = String(decoding: bytes[at...], as: UTF8.self)
                    guard !verb.isEmpty, !verb.contains("/"), !verb.contains("{") else { return false }
                    template.verb = verb
                    at = bytes.count
                    return true
                case let byte: return byte == end
                }
            }
        }

        private mutating func segment(_ template: inout PathTemplate, isInside: Bool) -> Bool {
            switch next {
            case UInt8(ascii: "*"):
                at += 1
                if next == UInt8(ascii: "*") {
                    at += 1
                    template.segments.append(.rest)
                } else {
                    template.segments.append(.one)
                }
                return true
            case UInt8(ascii: "{"):
                guard !isInside else { return false }
                at += 1
                return variable(&template)
            default:
                let start = at
                while let byte = next, !Array("/:{}*=".utf8).contains(byte) { at += 1 }
                guard at > start else { return false }
                template.segments.append(.literal(String(decoding: bytes[start..<at], as: UTF8.self)))
                return true
            }
        }

        private mutating func variable(_ template: inout PathTemplate) -> Bool {
            let start = at
            while let byte = next, byte != UInt8(ascii: "="), byte != UInt8(ascii: "}") { at += 1 }
            let path = String(decoding: bytes[start..<at], as: UTF8.self).split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard path.allSatisfy({ !$0.isEmpty && !$0.contains("/") && !$0.contains("{") }) else { return false }
            let first = template.segments.count
            if next == UInt8(ascii: "=") {
                at += 1
                guard segments(&template, end: UInt8(ascii: "}")) else { return false }
            } else {
                template.segments.append(.one)
            }
            guard next == UInt8(ascii: "}") else { return false }
            at += 1
            let covered = template.segments[first...]
            template.variables.append(
                Variable(path: path, start: first, end: template.segments.count, hasRest: covered.contains(.rest)))
            return true
        }
    }
}
