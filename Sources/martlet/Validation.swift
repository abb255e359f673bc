// `--mode validate`: reads and checks, prints, exits.

import Control
import EnvoyAPI
import Glibc

struct Validation {
    private let command: MartletCommand

    init(_ command: MartletCommand) { self.command = command }

    func run() -> Never {
        let config = command.config
        do throws(ConfigErrors) {
            let document = try ConfigReader.read(
                path: config.configPath, yaml: config.configYaml, unknownFields: config.unknownFields)
            let configurator = Server.validator(filters: FilterRegistry(BuiltInFilters.all))
            configurator.node = command.identity.node
            try configurator.validate(document)
            if config.format == .json {
                print(ConfigErrors(configurator.warnings).json)
            } else {
                for warning in configurator.warnings { print(warning.description) }
                print("configuration '\(config.configPath ?? "(yaml)")' OK")
            }
            exit(0)
        } catch {
            if config.format == .json {
                print(error.json)
            } else {
                for problem in error.errors { printError(problem.description) }
            }
            exit(1)
        }
    }
}
