/// Where a value stands in the configuration: `static_resources.clusters[0].metadata.filter_metadata["a.b"]`. The content of
/// an `Any` continues the path of its field.
struct ConfigPath: Sendable, CustomStringConvertible {
    enum Component: Sendable, Equatable {
        case field(String)
        case index(Int)
        case key(String)
    }

    var components: [Component] = []

    init(_ components: [Component] = []) { self.components = components }

    /// nil when the text is not a path.
    init?(_ text: String) {
        var rest = Substring(text)
        while let first = rest.first {
            if first == "[" {
                guard let component = ConfigPath.bracket(&rest) else { return nil }
                components.append(component)
            } else {
                if first == "." { rest = rest.dropFirst() }
                let name = rest.prefix { $0 != "." && $0 != "[" }
                if name.isEmpty { return nil }
                components.append(.field(String(name)))
                rest = rest[name.endIndex...]
            }
        }
    }

    private static func bracket(_ rest: inout Substring) -> Component? {
        rest = rest.dropFirst()
        if rest.first == "\"" {
            rest = rest.dropFirst()
            guard let end = rest.range(of: "\"]") else { return nil }
            let key = String(rest[..<end.lowerBound])
            rest = rest[end.upperBound...]
            return .key(key)
        }
        guard let end = rest.firstIndex(of: "]"), let index = Int(rest[..<end]) else { return nil }
        rest = rest[rest.index(after: end)...]
        return .index(index)
    }

    var description: String {
        var text = ""
        for component in components {
            switch component {
            case .field(let name): text += (text.isEmpty ? "" : ".") + name
            case .index(let index): text += "[\(index)]"
            case .key(let key): text += "[\"\(key)\"]"
            }
        }
        return text
    }
}

extension Substring {
    /// The standard library searches for strings only with Foundation or regular expressions.
    fileprivate func range(of needle: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<(index(start, offsetBy: needle.count)) }
            start = index(after: start)
        }
        return nil
    }
}
