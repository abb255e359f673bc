// Which method a request means: a tree of path segments per HTTP method. A literal goes before `*`, `*` before `**`.

final class PathMatcher {
    struct Binding {
        let path: [String]
        let value: String
    }

    enum Unescaping { case exceptReserved, exceptSlash, all }

    private final class Node {
        var literals: [String: Node] = [:]
        var one: Node?
        var rest: Node?
        /// By HTTP method, then by verb.
        var targets: [String: Target] = [:]
    }

    private struct Target {
        let number: Int
        let template: PathTemplate
    }

    private let root = Node()
    private var verbs: Set<String> = []
    private let unescaping: Unescaping
    private let splitsUnknownVerbs: Bool

    init(unescaping: Unescaping, splitsUnknownVerbs: Bool) {
        self.unescaping = unescaping
        self.splitsUnknownVerbs = splitsUnknownVerbs
    }

    /// False: the same path, method and verb are taken.
    func add(_ template: PathTemplate, method: String, _ number: Int) -> Bool {
        var node = root
        for segment in template.segments {
            switch segment {
            case .literal(let text): node = PathMatcher.child(&node.literals[text])
            case .one: node = PathMatcher.child(&node.one)
            case .rest: node = PathMatcher.child(&node.rest)
            }
        }
        if !template.verb.isEmpty { verbs.insert(template.verb) }
        let key = method + ":" + template.verb
        guard node.targets[key] == nil else { return false }
        node.targets[key] = Target(number: number, template: template)
        return true
    }

    private static func child(_ place: inout Node?) -> Node {
        if let node = place { return node }
        let node = Node()
        place = node
        return node
    }

    /// `path`: without its query.
    func match(_ method: String, _ path: String) -> (number: Int, bindings: [Binding])? {
        guard path.hasPrefix("/") else { return nil }
        var parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        // A slash at the end is none.
        if parts.last == "" { parts.removeLast() }
        var verb = ""
        if let last = parts.last, let colon = last.lastIndex(of: ":") {
            let name = String(last[last.index(after: colon)...])
            if splitsUnknownVerbs || verbs.contains(name) {
                verb = name
                parts[parts.count - 1] = String(last[..<colon])
            }
        }
        guard let target = find(root, parts[...], method + ":" + verb) else { return nil }
        return (target.number, bindings(target.template, parts))
    }

    private func find(_ node: Node, _ parts: ArraySlice<String>, _ key: String) -> Target? {
        guard let part = parts.first else {
            // `**` covers nothing, too.
            return node.targets[key] ?? node.rest?.targets[key]
        }
        if let next = node.literals[part], let target = find(next, parts.dropFirst(), key) { return target }
        if let next = node.one, let target = find(next, parts.dropFirst(), key) { return target }
        return node.rest?.targets[key]
    }

    private func bindings(_ template: PathTemplate, _ parts: [String]) -> [Binding] {
        template.variables.map { variable in
            let end = variable.hasRest ? parts.count : min(variable.end, parts.count)
            let covered = variable.start <= end ? parts[variable.start..<end] : []
            let isMulti = variable.hasRest || variable.end - variable.start > 1
            let value = covered.map { PathMatcher.unescape($0, isMulti ? unescaping : .all, plus: false) }.joined(separator: "/")
            return Binding(path: variable.path, value: value)
        }
    }

    /// The parameters of a query; those in `ignored` are left out.
    static func bindings(ofQuery query: String, ignored: Set<String>, plus: Bool) -> [Binding] {
        var result: [Binding] = []
        for parameter in query.split(separator: "&") {
            guard let equals = parameter.firstIndex(of: "=") else { continue }
            let name = String(parameter[..<equals])
            guard !name.isEmpty, !ignored.contains(name) else { continue }
            result.append(
                Binding(
                    path: name.split(separator: ".", omittingEmptySubsequences: false).map(String.init),
                    value: unescape(String(parameter[parameter.index(after: equals)...]), .all, plus: plus)))
        }
        return result
    }

    static func unescape(_ text: String, _ unescaping: Unescaping, plus: Bool) -> String {
        let bytes = Array(text.utf8)
        var out: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "%"), at + 2 < bytes.count, let high = JSONParser.hexValue(bytes[at + 1]),
                let low = JSONParser.hexValue(bytes[at + 2])
            {
                let value = high << 4 | low
                let keeps = switch unescaping {
                case .all: false
                case .exceptSlash: value == UInt8(ascii: "/")
                case .exceptReserved: Array("!#$&'()*+,/:;=?@[]".utf8).contains(value)
                }
                if keeps { out += bytes[at..<at + 3] } else { out.append(value) }
                at += 3
                continue
            }
            out.append(plus && byte == UInt8(ascii: "+") ? 0x20 : byte)
            at += 1
        }
        return String(decoding: out, as: UTF8.self)
    }
}
