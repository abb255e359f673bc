// The seven levels of the process's own log.

package enum LogLevel: Int, CaseIterable, Sendable {
    case trace, debug, info, warning, error, critical, off

    package init?(name: String) {
        guard let level = LogLevel.allCases.first(where: { $0.name == name || (name == "warn" && $0 == .warning) }) else {
            return nil
        }
        self = level
    }

    package var name: String { "\(self)" }
}
