// `--mode serve`: the server, its first configuration, its admin, until it ends.

import Admin
import CLiburing
import Control
import EnvoyAPI
import Glibc
import Stats
import StatsStore

struct Serving {
    private let command: MartletCommand
    private let log: Log

    init(_ command: MartletCommand, _ log: Log) {
        self.command = command
        self.log = log
    }

    func run() -> Never {
        let config = command.config
        do throws(ServerError) {
            let server = try Server(options, filters: FilterRegistry(BuiltInFilters.all), log: log)
            server.stats.tags.commandLine = command.identity.tags()
            server.configurator.node = command.identity.node
            try start(server)
            if config.mode == .init_only { exit(0) }
            log.write(.info, "main", "starting main dispatch loop")
            if config.isDemo { printOut(Demo.announcement) }
            let status = server.run()
            withExtendedLifetime(server) { exit(status) }
        } catch {
            switch error {
            case .config(let errors):
                for problem in errors.errors { printError(problem.description) }
                exit(1)
            case .listen(let error): fail("martlet: " + error.text)
            case .ring(let error): fail("martlet: " + error.text)
            }
        }
    }

    /// In a function of its own: the configuration as it was read, several kilobytes a cluster, ends with it.
    private func start(_ server: Server) throws(ServerError) {
        let document = try read()
        try ApplicationLog.apply(document, to: log, hasFormat: command.log.logFormat != nil)
        try server.start(document)
        let admin = try AdminServer(
            server, document, access: command.identity.access(), options: command.inForce(concurrency: server.options.concurrency), version: Version.text)
        admin.writeAddress(to: command.identity.adminAddressPath)
    }

    private var options: ServerOptions {
        let config = command.config
        let process = command.process
        // One worker for the demonstration: each has a round robin of its own, and two would not answer in turn.
        let usual = config.isDemo ? 1 : Int(martlet_cpu_count())
        var options = ServerOptions(concurrency: max(1, process.concurrency ?? usual))
        options.configPath = config.configPath
        options.configYAML = config.configYaml
        options.unknownFields = config.unknownFields
        options.watches = config.watch
        options.shutdownGraceS = process.shutdownGraceS
        options.pinsWorkers = process.cpusetThreads
        options.logFlushIntervalMs = process.fileFlushIntervalMsec
        options.countsLockWaits = process.enableMutexTracing
        options.heapSampleBytes = process.sampleHeapBytes
        options.drain.timeMs = min(process.drainTimeS, UInt64(UInt32.max)) * 1000
        options.drain.isGradual = process.drainStrategy == .gradual
        options.version = Version.text
        options.versionHash = UInt64(Version.text.prefix(6), radix: 16) ?? 0
        return options
    }

    private func read() throws(ServerError) -> ConfigDocument {
        let config = command.config
        do throws(ConfigErrors) {
            if config.isDemo { return try ConfigReader.read(yaml: Demo.bootstrap, file: "(built in)") }
            return try ConfigReader.read(
                path: config.configPath, yaml: config.configYaml, unknownFields: config.unknownFields)
        } catch {
            throw .config(error)
        }
    }
}
