// Text with operators → `Format`. Main thread. The grammar is Envoy 1.40's (each case was asked of the binary):
// `%OPERATOR%`, `%OPERATOR(argument)%`, `%OPERATOR(argument):LENGTH%`, and `%%` for a percent sign.

import Glibc
import Primitives
import Wire

package struct FormatCompiler {
    let arena: FrozenArena
    /// `REQ_WITHOUT_QUERY` is known only where its formatter extension is configured.
    package var allowsRequestWithoutQuery = false
    /// `cel_config` of the formatter extension `envoy.formatter.cel`.
    package var expressions = CELOptions()
    /// The slot of a file (`Plan.texts`); `directory`: one that is to be watched. Nil: `FILE_CONTENT` is not known, for its formatter
    /// extension is not configured.
    package var file: ((_ path: String, _ directory: String?) throws(FormatError) -> UInt32)?
    /// By name in `secret_configs` where a secret stands (`Plan.texts`), nil where there is none. Nil: `SECRET` is not known, for
    /// its formatter extension is not configured.
    package var secret: ((_ name: String) -> UInt32?)?

    package init(in arena: FrozenArena) { self.arena = arena }

    /// Operators of extensions are none of `COALESCE`'s (Envoy).
    var plain: FormatCompiler { FormatCompiler(in: arena) }

    package static func compile(_ text: String, in arena: FrozenArena) throws(FormatError) -> Format {
        try FormatCompiler(in: arena).compile(text)
    }

    package func compile(_ text: String) throws(FormatError) -> Format {
        let pieces = try pieces(text)
        // Whoever has the format in its memory has to count them (`HTTPConfig.metersWire`).
        if pieces.contains(where: { $0.asks(\.namesWireBytes) }) { arena.marks += 1 }
        if pieces.contains(where: { $0.asks(\.namesRouteTime) }) { arena.routeMarks += 1 }
        return Format(pieces: arena.array(pieces))
    }

    func pieces(_ text: String) throws(FormatError) -> [FormatPiece] {
        let bytes = Array(text.utf8)
        var pieces: [FormatPiece] = []
        var literal: [UInt8] = []
        var i = 0
        while i < bytes.count {
            guard bytes[i] == UInt8(ascii: "%") else {
                literal.append(bytes[i])
                i += 1
                continue
            }
            if i + 1 < bytes.count, bytes[i + 1] == UInt8(ascii: "%") {
                literal.append(UInt8(ascii: "%"))
                i += 2
                continue
            }
            guard let token = FormatToken(bytes, at: i) else {
                throw FormatError(
                    "Incorrect configuration: \(text). Column \(i + 1): expected %OPERATOR%, %OPERATOR(argument)%, "
                        + "%OPERATOR(argument):LENGTH% or, for a percent sign, %%")
            }
            if !literal.isEmpty { pieces.append(literalPiece(literal)) }
            literal.removeAll()
            pieces.append(try FormatOperatorCompiler(arena: arena, token: token, compiler: self).compile())
            i = token.end
        }
        if !literal.isEmpty { pieces.append(literalPiece(literal)) }
        return pieces
    }

    private func literalPiece(_ text: [UInt8]) -> FormatPiece {
        var piece = FormatPiece()
        piece.text = arena.text(text)
        return piece
    }
}

/// `%NAME(argument):length%` in a text.
struct FormatToken {
    var name = ""
    var argument: String?
    var length: Int?
    /// Behind the closing percent sign.
    var end = 0

    init() {}

    /// Nil when there is none at `start`, where a percent sign stands.
    init?(_ text: [UInt8], at start: Int) {
        var i = start + 1
        while i < text.count, FormatToken.isNameByte(text[i]) { i += 1 }
        guard i > start + 1 else { return nil }
        name = String(decoding: text[(start + 1)..<i], as: UTF8.self)
        if i < text.count, text[i] == UInt8(ascii: "(") {
            let open = i + 1
            // The argument ends with the first parenthesis behind which the token can end: it may contain others.
            var close = open
            while close < text.count, text[close] != UInt8(ascii: "\n") {
                if text[close] == UInt8(ascii: ")"), let (end, length) = FormatToken.tail(text, close + 1) {
                    argument = String(decoding: text[open..<close], as: UTF8.self)
                    self.end = end
                    self.length = length
                    return
                }
                close += 1
            }
            return nil
        }
        guard let (end, length) = FormatToken.tail(text, i) else { return nil }
        self.end = end
        self.length = length
    }

    /// `:LENGTH%` or `%`.
    private static func tail(_ text: [UInt8], _ start: Int) -> (end: Int, length: Int?)? {
        var i = start
        var length: Int?
        if i < text.count, text[i] == UInt8(ascii: ":") {
            i += 1
            let first = i
            var value = 0
            while i < text.count, text[i] >= 0x30, text[i] <= 0x39 {
                let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
                let (sum, carried) = product.addingReportingOverflow(Int(text[i] - 0x30))
                value = overflowed || carried ? Int.max : sum
                i += 1
            }
            guard i > first else { return nil }
            length = value
        }
        guard i < text.count, text[i] == UInt8(ascii: "%") else { return nil }
        return (i + 1, length)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x30 && byte <= 0x39) || byte == UInt8(ascii: "_")
    }
}
