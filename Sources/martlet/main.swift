// Wiring: the command line, the list of filters, the server.

import ArgumentParser

do {
    let command = try MartletCommand.parse()
    try command.run()
} catch {
    // Help and the version are no errors. A wrong option is exit status 1, as in Envoy, not the 64 of sysexits.
    if MartletCommand.exitCode(for: error) == .success { MartletCommand.exit(withError: error) }
    printError(MartletCommand.fullMessage(for: error))
    MartletCommand.exit(withError: ExitCode(1))
}
