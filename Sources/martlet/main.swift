// Wiring: the command line, the list of filters, the server.

import ArgumentParser

/// Subcommands have their options to themselves: read as a whole, `-c` would go to the proxy's own.
let arguments = Array(CommandLine.arguments.dropFirst())
let named = MartletCommand.configuration.subcommands.first { $0.configuration.commandName == arguments.first }
let type: any ParsableCommand.Type = named ?? MartletCommand.self
do {
    var command = try type.parseAsRoot(named == nil ? arguments : Array(arguments.dropFirst()))
    try command.run()
} catch {
    // Help and the version are no errors. A wrong option is exit status 1, as in Envoy, not the 64 of sysexits.
    if type.exitCode(for: error) == .success { type.exit(withError: error) }
    printError(type.fullMessage(for: error))
    type.exit(withError: ExitCode(1))
}
