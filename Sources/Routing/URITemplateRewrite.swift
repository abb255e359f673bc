// `path_rewrite_policy` by template (`/b/{y}/{x}`): what the variables of the matching template caught, put together
// anew. Becomes a regex rewrite whose pattern is the matching template with a group for each variable.

package struct URITemplateRewrite: Equatable {
    package enum Invalid: Error, Equatable {
        /// The template of the match has reported its own mistake.
        case match
        case syntax, unknownVariable
    }

    /// RE2; matches a whole path or nothing.
    package let pattern: String
    package let substitution: String

    package init(match: String, rewrite: String) throws(Invalid) {
        let read: (pattern: String, names: [String])
        do throws(URITemplate.Invalid) { read = try URITemplate.capturing(match) } catch { throw .match }
        pattern = "^(?:" + read.pattern + ")$"
        substitution = try URITemplateRewrite.substitution(Array(rewrite.utf8), read.names)
    }

    private static func substitution(_ template: [UInt8], _ names: [String]) throws(Invalid) -> String {
        guard template.first == UInt8(ascii: "/") else { throw .syntax }
        var result = ""
        var position = 0
        while position < template.count {
            let byte = template[position]
            position += 1
            if byte == UInt8(ascii: "{") {
                guard let end = template[position...].firstIndex(of: UInt8(ascii: "}")) else { throw .syntax }
                let name = String(decoding: template[position..<end], as: UTF8.self)
                guard URITemplate.isName(name) else { throw .syntax }
                guard let number = names.firstIndex(of: name) else { throw .unknownVariable }
                result += "\\\(number + 1)"
                position = end + 1
                continue
            }
            let isSecondSlash = byte == UInt8(ascii: "/") && position > 1 && template[position - 2] == byte
            guard !isSecondSlash, byte == UInt8(ascii: "/") || byte == UInt8(ascii: "*") || URITemplate.isLiteral(byte)
            else { throw .syntax }
            result += String(decoding: [byte], as: UTF8.self)
        }
        return result
    }
}
