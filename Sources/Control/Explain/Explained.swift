// What an explanation is made of: names and values in order. JSON for programs, indented lines for people, and a dotted
// path for the cases of `martlet route --cases`.

import EnvoyAPI

package indirect enum Explained: Sendable, Equatable {
    case text(String)
    case number(Int)
    case bool(Bool)
    case list([Explained])
    case object(Members)

    package typealias Members = [Member]
    package struct Member: Sendable, Equatable {
        package var name: String
        package var value: Explained
        package init(_ name: String, _ value: Explained) {
            self.name = name
            self.value = value
        }
    }

    // MARK: Parts

    /// What stands at `route.name` or `cluster.hosts.0.address`; nil: nothing does.
    package func at(_ path: String) -> Explained? {
        var value = self
        for step in path.split(separator: ".", omittingEmptySubsequences: false) {
            switch value {
            case .object(let members):
                guard let member = members.first(where: { $0.name == step }) else { return nil }
                value = member.value
            case .list(let items):
                guard let index = Int(step), items.indices.contains(index) else { return nil }
                value = items[index]
            default: return nil
            }
        }
        return value
    }

    /// A single value as text; nil for a list or an object.
    package var scalar: String? {
        switch self {
        case .text(let text): text
        case .number(let number): "\(number)"
        case .bool(let bool): "\(bool)"
        case .list, .object: nil
        }
    }

    // MARK: JSON

    package var json: String {
        switch self {
        case .text(let text): JSONText.quoted(text)
        case .number(let number): "\(number)"
        case .bool(let bool): "\(bool)"
        case .list(let items): "[" + items.map(\.json).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { JSONText.quoted($0.name) + ":" + $0.value.json }.joined(separator: ",") + "}"
        }
    }

    // MARK: Lines

    /// A step per line, what belongs to it below.
    package var lines: String {
        var text = ""
        write(to: &text, indent: 0)
        return text
    }

    private func write(to text: inout String, indent: Int) {
        let margin = String(repeating: " ", count: indent)
        switch self {
        case .object(let members):
            let width = members.filter { $0.value.single != nil }.map(\.name.count).max() ?? 0
            for member in members {
                let name = member.name.replacing(character: "_", by: " ")
                if let inline = member.value.single {
                    text += margin + name + String(repeating: " ", count: max(2, width + 2 - name.count)) + inline + "\n"
                } else {
                    text += margin + name + "\n"
                    member.value.write(to: &text, indent: indent + 2)
                }
            }
        case .list(let items):
            for item in items { text += margin + "- " + (item.row ?? item.json) + "\n" }
        default: text += margin + (scalar ?? "") + "\n"
        }
    }

    /// Behind its name, on the same line.
    private var single: String? {
        if case .list(let items) = self, items.isEmpty { return "none" }
        return scalar
    }

    /// An entry of a list: its single values in a row.
    private var row: String? {
        guard case .object(let members) = self else { return scalar }
        guard members.allSatisfy({ $0.value.scalar != nil }) else { return nil }
        return members.map { $0.value.scalar ?? "" }.joined(separator: "  ")
    }
}

extension String {
    fileprivate func replacing(character: Character, by other: Character) -> String {
        String(map { $0 == character ? other : $0 })
    }
}
