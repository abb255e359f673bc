// The command line: Envoy's options, and a few of ours.

import Admin
import ArgumentParser
import CLiburing
import Control
import EnvoyAPI
import Glibc
import Primitives

enum Mode: String, ExpressibleByArgument { case serve, validate }
enum OutputFormat: String, ExpressibleByArgument { case text, json }

struct MartletCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "An edge and sidecar proxy that takes Envoy's configuration.",
        discussion: "Without -c, a demonstration is served on 127.0.0.1:10000, with its admin on 127.0.0.1:9901.",
        version: "martlet  version: \(Version.text)")

    @Option(name: [.customShort("c"), .long], help: "Path of the bootstrap: .yaml, .yml, .json or .pb.")
    var configPath: String?
    @Option(help: "Bootstrap as YAML text, merged over the file.")
    var configYaml: String?
    @Option(help: "serve, or validate: read and check the configuration, then exit.")
    var mode = Mode.serve
    @Option(help: "How --mode validate reports: text or json.")
    var format = OutputFormat.text
    @Option(help: "Worker threads; default: the CPUs of the process's affinity mask.")
    var concurrency: Int?
    @Flag(help: "Bind each worker thread to a CPU of its own.")
    var cpusetThreads = false
    @Option(name: [.customShort("l"), .long], help: "trace, debug, info, warning, error, critical or off.")
    var logLevel = "info"
    @Option(help: "Levels per component: upstream:debug,config:trace.")
    var componentLogLevel: String?
    @Option(help: "Seconds that a drain waits for connections after SIGTERM.")
    var shutdownGraceS: UInt64 = 30
    @Flag(help: "Apply the bootstrap again whenever the file changes.")
    var watch = false
    @Option(help: "File that gets the admin's address, ip:port.")
    var adminAddressPath: String?
    @Option(help: "Name of the local cluster (node.cluster).") var serviceCluster: String?
    @Option(help: "Name of this node (node.id).") var serviceNode: String?
    @Option(help: "Zone of this node (node.locality.zone).") var serviceZone: String?

    @Option(help: "Milliseconds between flushes of access logs.") var fileFlushIntervalMsec: UInt64 = 10_000

    // Envoy's, accepted so that its command lines work; each says once that it does nothing here.
    @Option(help: "Accepted for Envoy's sake: no effect.") var baseId: UInt32?
    @Flag(help: "Accepted for Envoy's sake: no effect.") var useDynamicBaseId = false
    @Option(help: "Accepted for Envoy's sake: no effect.") var baseIdPath: String?
    @Option(help: "Accepted for Envoy's sake: no effect.") var restartEpoch: UInt32?
    @Flag(help: "Hot restart is not built yet, so this is always so.") var disableHotRestart = false
    @Option(help: "Accepted for Envoy's sake: no effect.") var drainTimeS: UInt64?
    @Option(help: "Accepted for Envoy's sake: no effect.") var drainStrategy: String?
    @Option(help: "Accepted for Envoy's sake: no effect.") var parentShutdownTimeS: UInt64?
    @Option(help: "Accepted for Envoy's sake: no effect.") var logFormat: String?
    @Option(help: "Accepted for Envoy's sake: no effect.") var logPath: String?
    @Option(help: "Accepted for Envoy's sake: no effect.") var localAddressIpVersion: String?
    @Flag(help: "Accepted for Envoy's sake: no effect.") var enableCoreDump = false
    @Flag(help: "Accepted for Envoy's sake: no effect.") var skipHotRestartOnNoParent = false

    func run() throws {
        guard let level = LogLevel(name: logLevel) else {
            fail("error: invalid log level specified '\(logLevel)'")
        }
        let log = Log(level: level)
        setComponentLevels(log)
        sayWithoutEffect(log)
        switch mode {
        case .validate: validate()
        case .serve: serve(log)
        }
    }

    // MARK: validate

    private func validate() -> Never {
        let name = configPath ?? "(yaml)"
        do throws(ConfigErrors) {
            let document = try ConfigReader.read(path: configPath, yaml: configYaml)
            let configurator = Server.validator(filters: FilterRegistry(BuiltInFilters.all))
            try configurator.validate(document)
            if format == .json {
                print(ConfigErrors(configurator.warnings).json)
            } else {
                for warning in configurator.warnings { print(warning.description) }
                print("configuration '\(name)' OK")
            }
            Glibc.exit(0)
        } catch {
            if format == .json {
                print(error.json)
            } else {
                for problem in error.errors { printError(problem.description) }
            }
            Glibc.exit(1)
        }
    }

    // MARK: serve

    private func serve(_ log: Log) -> Never {
        var options = ServerOptions(concurrency: max(1, concurrency ?? Int(martlet_cpu_count())))
        options.configPath = configPath
        options.configYAML = configYaml
        options.shutdownGraceS = shutdownGraceS
        options.pinsWorkers = cpusetThreads
        options.watches = watch
        options.logFlushIntervalMs = fileFlushIntervalMsec
        let isDemo = configPath == nil && configYaml == nil
        do throws(ServerError) {
            let server = try Server(options, filters: FilterRegistry(BuiltInFilters.all), log: log)
            try start(server, isDemo)
            log.write(.info, "main", "starting main dispatch loop")
            if isDemo { Demo.announcement.withBytes { bytes in _ = unsafe write(1, bytes.base, bytes.count) } }
            Glibc.exit(server.run())
        } catch {
            switch error {
            case .config(let errors):
                for problem in errors.errors { printError(problem.description) }
                Glibc.exit(1)
            case .listen(let error): fail(error.text)
            case .ring(let error): fail(error.text)
            }
        }
    }

    /// In a function of its own: the configuration as it was read, several kilobytes a cluster, ends with it.
    private func start(_ server: Server, _ isDemo: Bool) throws(ServerError) {
        let document = try read(isDemo)
        try server.start(document)
        let admin = try AdminServer(server, document, options: commandLineOptions(server))
        admin.writeAddress(to: adminAddressPath)
    }

    private func read(_ isDemo: Bool) throws(ServerError) -> ConfigDocument {
        do throws(ConfigErrors) {
            if isDemo { return try ConfigReader.read(yaml: Demo.bootstrap, file: "(built in)") }
            return try ConfigReader.read(path: configPath, yaml: configYaml)
        } catch {
            throw .config(error)
        }
    }

    private func commandLineOptions(_ server: Server) -> [(name: String, json: String)] {
        [
            ("concurrency", "\(server.options.concurrency)"),
            ("config_path", "\"\(configPath ?? "")\""),
            ("log_level", "\"\(logLevel)\""),
            ("mode", "\"Serve\""),
        ]
    }

    private func setComponentLevels(_ log: Log) {
        for item in (componentLogLevel ?? "").split(separator: ",") {
            let parts = item.split(separator: ":")
            guard parts.count == 2, let level = LogLevel(name: String(parts[1])) else {
                fail("error: component log level not correctly specified '\(item)'")
            }
            log.levels[String(parts[0])] = level
        }
    }

    private func sayWithoutEffect(_ log: Log) {
        let given: [(String, Bool)] = [
            ("--base-id", baseId != nil), ("--use-dynamic-base-id", useDynamicBaseId),
            ("--base-id-path", baseIdPath != nil), ("--restart-epoch", restartEpoch != nil),
            ("--drain-time-s", drainTimeS != nil), ("--drain-strategy", drainStrategy != nil),
            ("--parent-shutdown-time-s", parentShutdownTimeS != nil), ("--log-format", logFormat != nil),
            ("--log-path", logPath != nil),
            ("--local-address-ip-version", localAddressIpVersion != nil), ("--enable-core-dump", enableCoreDump),
            ("--skip-hot-restart-on-no-parent", skipHotRestartOnNoParent),
            ("--service-cluster", serviceCluster != nil), ("--service-node", serviceNode != nil),
            ("--service-zone", serviceZone != nil),
        ]
        for (name, isGiven) in given where isGiven {
            log.write(.info, "main", "\(name) is accepted for Envoy's sake and has no effect here")
        }
    }
}

func fail(_ text: String) -> Never {
    printError("martlet: " + text)
    exit(1)
}

/// A line to standard error.
func printError(_ text: String) {
    (text + "\n").withBytes { bytes in _ = unsafe write(2, bytes.base, bytes.count) }
}
