// `/logging`: shows and sets the levels of the process's own log.

import Control

enum LoggingCommand {
    static let command = AdminCommand(
        "/logging", "query/change logging levels", mutates: true,
        [
            .init(
                "paths",
                "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, source/common*:warning"
            ),
            .init(
                "group",
                "Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name must be a logger name."
            ),
            .init(
                "level", "desired logging level, this will change all loggers's level",
                .choice(["", "trace", "debug", "info", "warning", "error", "critical", "off"])),
        ]
    ) { context, request in
        let log = context.server.log
        do throws(Refusal) {
            try change(log, request.query)
        } catch {
            return AdminResponse("error: \(error.text)\n\n" + usage + levels(log), status: 400)
        }
        return AdminResponse(levels(log))
    }

    private struct Refusal: Error { let text: String }

    private static let usage = """
        usage: /logging?<name>=<level> (change single level)
        usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
        usage: /logging?level=<level> (change all levels)
        usage: /logging?group=<group_name>:<level> (change group of loggers)
        levels: trace debug info warning error critical off 

        """

    private static func levels(_ log: Log) -> String {
        "active loggers:\n" + Log.components.map { "  \($0): \(log.level(of: $0).name)\n" }.joined() + "\n"
    }

    private static func change(_ log: Log, _ query: QueryParameters) throws(Refusal) {
        // A page's form sends what was left empty as well.
        let given = query.all.filter { !$0.value.isEmpty || !["paths", "level", "group"].contains($0.name) }
        guard let (name, value) = given.first else { return }
        guard given.count == 1 else { throw Refusal(text: "invalid number of parameters") }
        switch name {
        case "level":
            let level = try level(value)
            log.setAll(level)
        case "group": throw Refusal(text: "group parameter requires fine-grain logging to be enabled")
        case "paths": try set(log, pairs: value)
        default: try set(log, [(name, try level(value))])
        }
    }

    /// All or nothing.
    private static func set(_ log: Log, pairs text: String) throws(Refusal) {
        var changes: [(String, LogLevel)] = []
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw Refusal(text: "empty logger name or empty logger level")
            }
            changes.append((String(parts[0]), try level(String(parts[1]))))
        }
        try set(log, changes)
    }

    private static func set(_ log: Log, _ changes: [(String, LogLevel)]) throws(Refusal) {
        for (name, _) in changes where !Log.components.contains(name) { throw Refusal(text: "unknown logger name") }
        for (name, level) in changes { log.set(name, level) }
    }

    private static func level(_ text: String) throws(Refusal) -> LogLevel {
        guard let level = LogLevel(name: text) else { throw Refusal(text: "unknown logger level") }
        return level
    }
}
