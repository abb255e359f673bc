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
            if log.isFineGrain { try changeFiles(log, request.query) } else { try change(log, request.query) }
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
        if log.isFineGrain {
            return "active loggers:\n" + log.fineGrainLevels.map { "  \($0.file): \($0.level.name)\n" }.joined() + "\n"
        }
        return "active loggers:\n" + Log.components.map { "  \($0): \(log.level(of: $0).name)\n" }.joined() + "\n"
    }

    private static func only(_ query: QueryParameters) throws(Refusal) -> (name: String, value: String)? {
        // A page's form sends what was left empty as well.
        let given = query.all.filter { !$0.value.isEmpty || !["paths", "level", "group"].contains($0.name) }
        guard given.count <= 1 else { throw Refusal(text: "invalid number of parameters") }
        return given.first.map { ($0.name, $0.value) }
    }

    /// Levels per file: any name is a pattern.
    private static func changeFiles(_ log: Log, _ query: QueryParameters) throws(Refusal) {
        guard let (name, value) = try only(query) else { return }
        switch name {
        case "level":
            let level = try level(value)
            log.changeFineGrain { $0.setAll(level) }
        case "group":
            let parts = value.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw Refusal(text: "empty logger name or empty logger level in group")
            }
            let level = try level(String(parts[1]))
            log.changeFineGrain { $0.setGroup(String(parts[0]), level) }
            log.write(.info, "admin", "adding fine-grain log update, group='\(parts[0])' level='\(level.name)'")
        case "paths": try setFiles(log, try changes(value))
        default: try setFiles(log, [(name, try level(value))])
        }
    }

    private static func setFiles(_ log: Log, _ changes: [(String, LogLevel)]) throws(Refusal) {
        log.changeFineGrain { $0.set(changes.map { (pattern: $0.0, level: $0.1) }) }
        for (pattern, level) in changes {
            log.write(.info, "admin", "adding fine-grain log update, pattern='\(pattern)' level='\(level.name)'")
        }
    }

    private static func change(_ log: Log, _ query: QueryParameters) throws(Refusal) {
        guard let (name, value) = try only(query) else { return }
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
    private static func set(_ log: Log, pairs text: String) throws(Refusal) { try set(log, try changes(text)) }

    private static func changes(_ text: String) throws(Refusal) -> [(String, LogLevel)] {
        var changes: [(String, LogLevel)] = []
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw Refusal(text: "empty logger name or empty logger level")
            }
            changes.append((String(parts[0]), try level(String(parts[1]))))
        }
        return changes
    }

    private static func set(_ log: Log, _ changes: [(String, LogLevel)]) throws(Refusal) {
        for (name, _) in changes where !Log.components.contains(name) { throw Refusal(text: "unknown logger name") }
        for (name, level) in changes { log.set(name, level) }
    }

    private static func level(_ text: String) throws(Refusal) -> LogLevel {
        // On the command line alone it is a level (Envoy).
        guard text != "warn", let level = LogLevel(name: text) else { throw Refusal(text: "unknown logger level") }
        return level
    }
}
