// The HTTP filters that a configuration may name, found by type or by name. The router is built in, for it is the
// chain's end.

import EnvoyAPI
import Pipeline

package final class FilterRegistry {
    /// In the order in which they were listed.
    package let all: [FilterExtension]
    private var byName: [String: FilterExtension] = [:]
    private var byMessage: [String: FilterExtension] = [:]
    private var byRouteMessage: [String: FilterExtension] = [:]

    package init(_ extensions: [FilterExtension] = []) {
        all = extensions
        for filter in extensions {
            byName[filter.name] = filter
            byMessage[filter.message] = filter
            if let message = filter.routeMessage { byRouteMessage[message] = filter }
        }
    }

    var names: [String] { byName.keys.sorted() }

    /// With a type its message decides and the name is free; without one the name is all there is.
    func filter(name: String, type: String?) -> FilterExtension? {
        if let type { return byMessage[type] }
        return byName[ExtensionNames.canonical(name)]
    }

    func routeFilter(type: String) -> FilterExtension? { byRouteMessage[type] ?? byMessage[type] }
}

extension Diagnostics {
    /// What a filter found wrong in its own message.
    func error(_ place: Place, _ problems: FilterProblems) {
        for problem in problems.list {
            error(
                place,
                relative: ConfigError(
                    path: problem.path, message: problem.message, found: problem.found, expected: problem.expected,
                    suggestion: problem.suggestion))
        }
    }
}
