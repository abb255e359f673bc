// Where in the configuration the compiler is: spelled out only when there is something to say about it.

import EnvoyAPI

final class Place {
    private enum Step {
        case field(StaticString)
        case index(Int)
        case key(String)
        case name(String)
    }
    private let parent: Place?
    private let step: Step?

    private init(_ parent: Place?, _ step: Step?) {
        self.parent = parent
        self.step = step
    }

    static var root: Place { Place(nil, nil) }

    func at(_ field: StaticString) -> Place { Place(self, .field(field)) }
    func at(_ field: StaticString, _ index: Int) -> Place { Place(at(field), .index(index)) }
    /// A member of a JSON object, an element of a list.
    func at(name: String) -> Place { Place(self, .name(name)) }
    func at(index: Int) -> Place { Place(self, .index(index)) }
    func at(_ field: StaticString, key: String) -> Place { Place(at(field), .key(key)) }

    /// `static_resources.listeners[0].filter_chains[0]`
    var path: String {
        let before = parent?.path ?? ""
        switch step {
        case .none: return before
        case .field(let name): return before.isEmpty ? "\(name)" : "\(before).\(name)"
        case .name(let name): return before.isEmpty ? name : "\(before).\(name)"
        case .index(let index): return "\(before)[\(index)]"
        case .key(let key): return "\(before)[\"\(key)\"]"
        }
    }

    /// The path of something below that another target names: `match.headers[2]`.
    func path(_ below: String) -> String {
        let own = path
        if below.isEmpty { return own }
        return own.isEmpty ? below : own + "." + below
    }
}
