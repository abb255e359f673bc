// URI templates of `path_match_policy` (`/a/{x=*}/**`), as a regex with the same meaning.
//
// `*` is one segment of at least one character, `**` any number of segments, `{name}` is `*` with a name and
// `{name=…}` a part of the template with a name. Names matter to a rewrite by template alone (`URITemplateRewrite`).
// Literals are quoted; where Envoy takes `/a*` and then reads it as a regex of its own (it matches `/a`), this is an
// error.

enum URITemplate {
    struct Invalid: Error, Equatable {
        var message: String
    }

    /// Envoy's bound.
    static let variablesMax = 5

    static func pattern(_ template: String) throws(Invalid) -> String {
        var reader = Reader(template: Array(template.utf8), text: template)
        return try reader.read()
    }

    /// The same with a group for each variable, in the order of the names.
    static func capturing(_ template: String) throws(Invalid) -> (pattern: String, names: [String]) {
        var reader = Reader(template: Array(template.utf8), text: template, captures: true)
        let pattern = try reader.read()
        return (pattern, reader.names)
    }

    static func isName(_ name: String) -> Bool {
        let isLetter = { (byte: UInt8) in (byte | 0x20) &- 0x61 < 26 }
        guard let first = name.utf8.first, isLetter(first) else { return false }
        return name.utf8.allSatisfy { isLetter($0) || $0 &- 0x30 < 10 || $0 == UInt8(ascii: "_") }
    }

    /// What may stand for itself, the slash and the star aside.
    static func isLiteral(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || "-._~%!$&'()+,;:@=".utf8.contains(byte)
    }

    private struct Reader {
        let template: [UInt8]
        let text: String
        var captures = false
        var position = 0
        var names: [String] = []
        var sawTextGlob = false
        var inVariable = false
        var pattern = ""

        private static let literalClass = "a-zA-Z0-9\\-._~%!$&'()+,;:@=*"
        private static let oneSegment = "[" + literalClass + "]+"
        private static let anySegments = "[" + literalClass + "/]*"

        func invalid(_ reason: String) -> Invalid {
            Invalid(message: "path_match_policy.path_template \(text) is invalid: \(reason)")
        }

        mutating func read() throws(Invalid) -> String {
            guard template.first == UInt8(ascii: "/"), template.count <= 256 else {
                throw invalid("Invalid pattern: \"\(text)\"")
            }
            while position < template.count {
                switch template[position] {
                case UInt8(ascii: "/"):
                    pattern += "/"
                    position += 1
                    if position < template.count, template[position] == UInt8(ascii: "/") {
                        throw invalid("Invalid literal: \"\"")
                    }
                case UInt8(ascii: "*"): try readGlob()
                case UInt8(ascii: "{"): try openVariable()
                case UInt8(ascii: "}"):
                    guard inVariable else { throw invalid("Invalid literal: \"}\"") }
                    inVariable = false
                    if captures { pattern += ")" }
                    position += 1
                default: try readLiteral()
                }
            }
            if inVariable { throw invalid("Unmatched variable bracket") }
            return pattern
        }

        private mutating func readGlob() throws(Invalid) {
            let previous = pattern.last
            guard previous == "/" || (inVariable && template[position - 1] == UInt8(ascii: "=")) else {
                throw invalid("Invalid literal: \"*\" is a segment of its own")
            }
            guard !sawTextGlob else { throw invalid("Glob after text glob.") }
            let isText = position + 1 < template.count && template[position + 1] == UInt8(ascii: "*")
            position += isText ? 2 : 1
            sawTextGlob = isText
            pattern += isText ? Reader.anySegments : Reader.oneSegment
            if position < template.count, template[position] == UInt8(ascii: "*") {
                throw invalid("Invalid literal: \"*\" is a segment of its own")
            }
        }

        private mutating func openVariable() throws(Invalid) {
            guard !inVariable else { throw invalid("Invalid suffix literal: \"{\"") }
            position += 1
            let end = template[position...].firstIndex { $0 == UInt8(ascii: "}") || $0 == UInt8(ascii: "=") }
            guard let end else { throw invalid("Unmatched variable bracket in mixed pattern: \"\(rest)\"") }
            let name = String(decoding: template[position..<end], as: UTF8.self)
            try check(name)
            position = end
            inVariable = true
            if captures { pattern += "(" }
            if template[end] == UInt8(ascii: "=") {
                position += 1
                if position < template.count, template[position] == UInt8(ascii: "}") {
                    throw invalid("Empty variable match")
                }
            } else {
                guard !sawTextGlob else { throw invalid("Implicit variable path glob after text glob.") }
                pattern += Reader.oneSegment
            }
        }

        private var rest: String { "{" + String(decoding: template[position...], as: UTF8.self) }

        private mutating func check(_ name: String) throws(Invalid) {
            if name.utf8.count > 16 {
                throw invalid(
                    "Invalid variable name length (length of \"\(name)\" should be at least 1 and no more than 16)")
            }
            guard URITemplate.isName(name) else { throw invalid("Invalid variable name: \"\(name)\"") }
            guard !names.contains(name) else { throw invalid("Repeated variable name: \"\(name)\"") }
            names.append(name)
            guard names.count <= URITemplate.variablesMax else {
                throw invalid("Exceeded variable count limit (\(URITemplate.variablesMax))")
            }
        }

        private mutating func readLiteral() throws(Invalid) {
            let byte = template[position]
            let isWord = (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
            guard URITemplate.isLiteral(byte) else {
                throw invalid("Invalid literal: \"\(String(decoding: template[position...], as: UTF8.self))\"")
            }
            if !isWord { pattern += "\\" }
            pattern += String(decoding: [byte], as: UTF8.self)
            position += 1
        }
    }
}
