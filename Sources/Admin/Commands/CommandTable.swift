// All commands, in the order of `/help`.

package enum CommandTable {
    static let commands: [AdminCommand] = [
        ConsoleFiles.home,
        AllocationProfileCommands.allocProfiler,
        CertsCommand.command,
        ClustersCommand.command,
        ConfigDumpCommand.command,
        SmallCommands.contention,
        CPUProfileCommands.cpuProfiler,
        DrainListenersCommand.command,
        HealthCheckCommands.fail,
        HealthCheckCommands.ok,
        AllocationProfileCommands.heapDump,
        AllocationProfileCommands.heapProfiler,
        HelpCommand.command,
        SmallCommands.hotRestartVersion,
        SmallCommands.initDump,
        ListenersCommand.command,
        LoggingCommand.command,
        MemoryCommand.command,
        MemoryCommand.allocator,
        AllocationProfileCommands.peakHeapDump,
        SmallCommands.quit,
        ReadyCommand.command,
        SmallCommands.reopenLogs,
        SmallCommands.resetCounters,
        RuntimeCommands.show,
        RuntimeCommands.modify,
        ServerInfoCommand.command,
        StatsCommand.command,
        StatsCommand.prometheus,
        RecentLookups.show,
        RecentLookups.clear,
        RecentLookups.disable,
        RecentLookups.enable,
    ]

    /// What Envoy has not: answered like the others, and not in `/help`, which tools read.
    static let own: [AdminCommand] =
        [HomePage.command, ExplainCommand.command, ConsoleData.command, HystrixCommand.command, CPUProfileCommands.profile, FlamePage.script, FlamePage.style] + ConsoleFiles.files

    static var unknown: AdminResponse { AdminResponse("invalid path. " + help, status: 404) }

    package static let help: String = {
        var text = "admin commands are:\n"
        for command in commands {
            text += "  \(command.path)\(command.mutates ? " (POST)" : ""): \(command.help)\n"
            for parameter in command.parameters {
                text += "      \(parameter.name): \(parameter.help)"
                if case .choice(let values) = parameter.kind { text += "; One of (\(values.joined(separator: ", ")))" }
                text += "\n"
            }
        }
        return text
    }()
}

enum HelpCommand {
    static let command = AdminCommand("/help", "print out list of admin commands") { _, _ in
        AdminResponse(CommandTable.help)
    }
}
