// `martlet route --cases`: requests with what is expected of them, checked against a configuration.

import EnvoyAPI

package struct RouteCases: Sendable {
    package typealias File = Martlet_Route_V1_RouteCases

    package struct Outcome: Sendable {
        package let name: String
        /// One line for each expectation that was not met; empty: passed.
        package let differences: [String]
    }

    private let file: File

    /// Throws with file, line and column where the file is not what it should be.
    package init(path: String) throws(ConfigErrors) {
        file = try ConfigReader.read(File.self, [try ConfigReader.file(path)]).message
    }

    package func run(_ explainer: RouteExplainer) -> [Outcome] {
        file.cases.enumerated().map { i, test in
            let explained = explainer.explain(test.request)
            let differences = test.expect.sorted { $0.key < $1.key }.compactMap { path, wanted -> String? in
                let found = explained.at(path)?.scalar
                if found == wanted { return nil }
                let outcome = explained.at("because")?.scalar.map { " (\($0))" } ?? ""
                return "\(path): expected '\(wanted)', found \(found.map { "'\($0)'" } ?? "nothing")\(outcome)"
            }
            let request = explained.at("request")?.scalar ?? ""
            return Outcome(name: test.name.isEmpty ? "cases[\(i)] \(request)" : test.name, differences: differences)
        }
    }
}
