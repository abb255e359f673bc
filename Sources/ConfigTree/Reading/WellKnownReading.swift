/// The messages that JSON writes in a way of its own: durations, wrappers, structs.
extension TreeReader {
    // MARK: Duration

    mutating func duration(_ node: Int, _ type: Int) -> TreeMessage? {
        let mark = document[node].mark
        switch document[node].content {
        case .sequence:
            refuseKind(node, "\"", "a duration such as 0.25s")
            return nil
        case .mapping(let pairs):
            // Envoy takes {seconds: 1, nanos: 5} too.
            let message = fields(pairs, type, mark)
            if case .bits(let bits)? = message.fields.first?.value, Int64(bitPattern: bits) < 0 {
                refuseNegative(mark, "negative seconds")
                return nil
            }
            if case .bits(let bits)? = message.fields.first?.value, Int64(bitPattern: bits) >= DurationText.secondsEnd {
                refuseLong(mark, "\(Int64(bitPattern: bits)) seconds")
                return nil
            }
            return message
        case .scalar(let text, _):
            do {
                let (seconds, nanos) = try DurationText.parse(text)
                if seconds < 0 || nanos < 0 {
                    refuseNegative(mark, quoted(text))
                    return nil
                }
                if seconds >= DurationText.secondsEnd {
                    refuseLong(mark, quoted(text))
                    return nil
                }
                return durationMessage(type, mark, seconds, nanos)
            } catch {
                refuseDuration(mark, text, error)
                return nil
            }
        }
    }

    private func durationMessage(_ type: Int, _ mark: Mark, _ seconds: Int64, _ nanos: Int64) -> TreeMessage {
        var message = TreeMessage(type: type, mark: mark)
        for (name, value) in [("seconds", seconds), ("nanos", nanos)] {
            guard let field = schema.messages[type].byName[name] else { continue }
            message.fields.append(
                TreeField(field: field, keyMark: mark, mark: mark, value: .bits(UInt64(bitPattern: value))))
        }
        return message
    }

    private mutating func refuseNegative(_ mark: Mark, _ found: String) {
        refuse(
            mark, "Invalid duration: Expected positive duration", found: found, expected: "a duration of 0s or more")
    }

    private mutating func refuseLong(_ mark: Mark, _ found: String) {
        refuse(
            mark, "Invalid duration: Duration out-of-range", found: found,
            expected: "less than \(DurationText.secondsEnd)s, which is 292 years")
    }

    private mutating func refuseDuration(_ mark: Mark, _ text: String, _ failure: DurationText.Failure) {
        let phrase =
            switch failure {
            case .noUnit: "duration must end with a single 's'"
            case .badStart: "duration must start with an integer"
            case .badNumber: "a duration has one to nine decimals"
            case .outOfRange: "duration out of range"
            }
        refuse(
            mark, phrase, found: quoted(text),
            expected: failure == .outOfRange
                ? "at most \(DurationText.secondsMax)s" : "seconds and the unit s, such as 0.25s",
            suggestion: TreeReader.intendedDuration(text).map { "write \($0)" })
    }

    /// What people write in other notations: `5`, `5ms`, `2m`, `.5s`.
    private static func intendedDuration(_ text: String) -> String? {
        let units: [(String, Double)] = [
            ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("m", 60), ("min", 60), ("h", 3600), ("d", 86400), ("s", 1), ("", 1),
        ]
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let value = Double(digits.hasPrefix(".") ? "0" + digits : String(digits)),
            let scale = units.first(where: { $0.0 == text.dropFirst(digits.count) })?.1,
            value * scale < 1e9
        else { return nil }
        let nanos = (value * scale * 1e9).rounded()
        let whole = (nanos / 1e9).rounded(.down)
        return DurationText.render(Int64(whole), Int64(nanos - whole * 1e9))
    }

    // MARK: Wrappers

    mutating func wrapper(_ node: Int, _ type: Int) -> TreeMessage? {
        let mark = document[node].mark
        // Envoy takes {value: 5} too.
        if case .mapping(let pairs) = document[node].content { return fields(pairs, type, mark) }
        guard let field = schema.messages[type].byName["value"],
            let value = scalar(node, schema.messages[type].fields[field].kind)
        else { return nil }
        var message = TreeMessage(type: type, mark: mark)
        message.fields = [TreeField(field: field, keyMark: mark, mark: mark, value: value)]
        return message
    }

    // MARK: Struct, Value, ListValue

    mutating func structure(_ node: Int, _ type: Int) -> TreeMessage? {
        guard case .mapping = document[node].content else {
            refuseKind(node, "{", "a map")
            return nil
        }
        return one("fields", of: type, node)
    }

    mutating func listValue(_ node: Int, _ type: Int) -> TreeMessage? {
        guard case .sequence = document[node].content else {
            refuseKind(node, "[", "a list")
            return nil
        }
        return one("values", of: type, node)
    }

    mutating func value(_ node: Int, _ type: Int) -> TreeMessage? {
        let mark = document[node].mark
        func message(_ name: String, _ value: TreeValue) -> TreeMessage? {
            guard let field = schema.messages[type].byName[name] else { return nil }
            var message = TreeMessage(type: type, mark: mark)
            message.fields = [TreeField(field: field, keyMark: mark, mark: mark, value: value)]
            return message
        }
        switch document[node].content {
        case .mapping: return one("struct_value", of: type, node)
        case .sequence: return one("list_value", of: type, node)
        case .scalar(let text, let isPlain):
            if document[node].isNull { return message("null_value", .bits(0)) }
            if let value = boolean(text, isPlain) { return message("bool_value", .bits(value ? 1 : 0)) }
            if isPlain, isJSON, NumberText.isJSON(text), let value = Double(text) { return message("number_value", .number(value)) }
            if isPlain, !isJSON, let value = wholeNumber(text) {
                // As Envoy reads YAML: beyond 32 bits a number is text, so that no digit of it is lost.
                let isSmall = Int32(exactly: value) != nil
                return isSmall ? message("number_value", .number(Double(value))) : message("string_value", .text("\(value)"))
            }
            return message("string_value", .text(text))
        }
    }

    /// A message with a single field that the whole node belongs to.
    private mutating func one(_ name: String, of type: Int, _ node: Int) -> TreeMessage? {
        guard let index = schema.messages[type].byName[name],
            let value = field(node, schema.messages[type].fields[index])
        else { return nil }
        let mark = document[node].mark
        var message = TreeMessage(type: type, mark: mark)
        message.fields = [TreeField(field: index, keyMark: mark, mark: mark, value: value)]
        return message
    }

    /// In YAML Envoy takes whole numbers and leaves fractions strings; in JSON all are numbers.
    private func wholeNumber(_ text: String) -> Int64? {
        guard text.hasPrefix("0x") || text.hasPrefix("0X") || !text.contains(where: { ".eE".contains($0) }) else { return nil }
        guard case .signed(let value)? = NumberText.integer(text, isPlain: true) else { return nil }
        return value
    }
}
