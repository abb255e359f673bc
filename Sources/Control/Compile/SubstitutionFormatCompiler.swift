// `SubstitutionFormatString`: text or JSON with operators, for access logs and local replies.

import EnvoyAPI
import Pipeline
import Primitives

typealias SubstitutionFormatMessage = Envoy_Config_Core_V3_SubstitutionFormatString

struct SubstitutionFormat {
    var body: AccessLogConfig.Body
    var missing = MissingValue.dash
    /// `content_type`; empty: the body's own.
    var contentType = ""

    init(_ body: AccessLogConfig.Body) { self.body = body }
}

struct SubstitutionFormatCompiler {
    let part: PlanPart
    let diagnostics: Diagnostics
    private var extensions = FormatExtensions()

    init(part: PlanPart, diagnostics: Diagnostics) {
        self.part = part
        self.diagnostics = diagnostics
    }

    /// Nil after an error.
    func compile(_ message: SubstitutionFormatMessage, _ place: Place) -> SubstitutionFormat? {
        var compiler = self
        compiler.extensions = FormatExtensions(message.formatters, place, part, diagnostics)
        guard var format = compiler.body(message, place) else { return nil }
        format.missing = message.omitEmptyValues ? .empty : .dash
        format.contentType = message.contentType
        return format
    }

    private func body(_ message: SubstitutionFormatMessage, _ place: Place) -> SubstitutionFormat? {
        switch message.format {
        case .textFormat(let text): return self.text(text, place.at("text_format"))
        case .textFormatSource(let source):
            let at = place.at("text_format_source")
            guard let bytes = DataSources.read(source, at, part, diagnostics) else { return nil }
            let text = String(decoding: bytes, as: UTF8.self)
            if case .inlineString = source.specifier { return self.text(text, at.at("inline_string")) }
            return self.text(text, at)
        case .jsonFormat(let fields): return json(fields, omitsEmpty: message.omitEmptyValues, place.at("json_format"))
        case .none:
            diagnostics.error(
                place, "the format is missing", expected: "one of text_format_source, text_format and json_format")
            return nil
        }
    }

    private func text(_ text: String, _ place: Place) -> SubstitutionFormat? {
        Formats.compile(text, place, part, diagnostics, extensions).map { SubstitutionFormat(.text($0)) }
    }

    // MARK: JSON

    func json(_ fields: Google_Protobuf_Struct, omitsEmpty: Bool, _ place: Place) -> SubstitutionFormat? {
        var tokens: [JSONToken] = []
        var isRight = true
        object(fields, key: .empty, depth: 0, place, &tokens, &isRight)
        var format = JSONFormat()
        format.tokens = part.arena.array(tokens)
        format.omitsEmpty = omitsEmpty
        return isRight ? SubstitutionFormat(.json(format)) : nil
    }

    private func object(
        _ fields: Google_Protobuf_Struct, key: Bytes, depth: Int, _ place: Place, _ tokens: inout [JSONToken],
        _ isRight: inout Bool
    ) {
        tokens.append(token(.beginObject, key))
        for (name, value) in fields.fields.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            let key = part.arena.text(JSONConstant.quoted(name) + ":")
            add(value, key: key, depth: depth + 1, place.at(name: name), &tokens, &isRight)
        }
        tokens.append(token(.endObject, .empty))
    }

    private func add(
        _ value: Google_Protobuf_Value, key: Bytes, depth: Int, _ place: Place, _ tokens: inout [JSONToken],
        _ isRight: inout Bool
    ) {
        guard depth <= FormatWriter.jsonDepthMax else {
            diagnostics.error(place, "json_format is nested deeper than \(FormatWriter.jsonDepthMax) levels")
            isRight = false
            return
        }
        switch value.kind {
        case .structValue(let fields): object(fields, key: key, depth: depth, place, &tokens, &isRight)
        case .listValue(let list):
            tokens.append(token(.beginList, key))
            for (i, element) in list.values.enumerated() {
                add(element, key: .empty, depth: depth + 1, place.at(index: i), &tokens, &isRight)
            }
            tokens.append(token(.endList, .empty))
        case .stringValue(let text): string(text, key: key, place, &tokens, &isRight)
        case .numberValue(let number): tokens.append(constant(JSONConstant.number(number), key))
        case .boolValue(let bool): tokens.append(constant(bool ? "true" : "false", key))
        case .nullValue, .none: tokens.append(token(.null, key))
        }
    }

    private func string(
        _ text: String, key: Bytes, _ place: Place, _ tokens: inout [JSONToken], _ isRight: inout Bool
    ) {
        guard let format = Formats.compile(text, place, part, diagnostics, extensions) else {
            isRight = false
            return
        }
        let pieces = (0..<format.pieces.count).map { format.pieces[$0] }
        if pieces.allSatisfy({ $0.op == .literal }) {
            let literal = pieces.map { String($0.text) }.joined()
            tokens.append(constant(JSONConstant.quoted(literal), key))
            return
        }
        var token = token(pieces.count == 1 ? .value : .string, key)
        token.format = format
        tokens.append(token)
    }

    private func constant(_ text: String, _ key: Bytes) -> JSONToken {
        var token = token(.constant, key)
        token.text = part.arena.text(text)
        return token
    }

    private func token(_ kind: JSONToken.Kind, _ key: Bytes) -> JSONToken {
        var token = JSONToken()
        token.kind = kind
        token.key = key
        return token
    }
}

/// What stands in a JSON format itself, as Envoy 1.40 writes it.
enum JSONConstant {
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{8}": result += "\\b"
            case "\t": result += "\\t"
            case "\n": result += "\\n"
            case "\u{c}": result += "\\f"
            case "\r": result += "\\r"
            case "\0"..<" ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Whole numbers without a fraction or an exponent.
    static func number(_ value: Double) -> String {
        if let whole = Int64(exactly: value) { return "\(whole)" }
        return value.isFinite ? "\(value)" : "null"
    }
}
