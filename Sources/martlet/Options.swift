// The options, in the groups that `--help` shows. Names and defaults are Envoy's.

import Admin
import ArgumentParser
import Control
import EnvoyAPI
import Glibc
import Primitives
import Stats
import StatsStore

enum Mode: String, ExpressibleByArgument {
    case serve, validate, init_only

    init?(argument: String) {
        guard let mode = Mode(rawValue: argument) else { fail("error: unknown mode '\(argument)'") }
        self = mode
    }

    var shown: String {
        switch self {
        case .serve: "Serve"
        case .validate: "Validate"
        case .init_only: "InitOnly"
        }
    }
}

enum OutputFormat: String, ExpressibleByArgument { case text, json }

enum AddressVersion: String, ExpressibleByArgument {
    case v4, v6

    init?(argument: String) {
        guard let version = AddressVersion(rawValue: argument) else {
            fail("error: unknown IP address version '\(argument)'")
        }
        self = version
    }
}

enum DrainStrategy: String, ExpressibleByArgument {
    case gradual, immediate

    init?(argument: String) {
        guard let strategy = DrainStrategy(rawValue: argument) else {
            fail("error: unknown drain-strategy '\(argument)'")
        }
        self = strategy
    }

    var shown: String { self == .gradual ? "Gradual" : "Immediate" }
}

struct ConfigOptions: ParsableArguments {
    @Option(name: [.customShort("c"), .long], help: "Path of the bootstrap: .yaml, .yml, .json or .pb.")
    var configPath: String?
    @Option(help: "Bootstrap as YAML text, merged over the file.")
    var configYaml: String?
    @Option(help: "serve; validate: read and check the configuration, then exit; init_only: start everything, then exit.")
    var mode = Mode.serve
    @Option(help: "How --mode validate reports: text or json.")
    var format = OutputFormat.text
    @Flag(help: "Apply the bootstrap again whenever the file changes.")
    var watch = false
    /// Nothing to read: the demonstration is served.
    var isDemo: Bool { configPath == nil && configYaml == nil }
    @Flag(help: "Unknown fields of the bootstrap are warnings.")
    var allowUnknownStaticFields = false
    @Flag(help: "The same, under its old name.")
    var allowUnknownFields = false

    var allowsUnknownFields: Bool { allowUnknownStaticFields || allowUnknownFields }
    var unknownFields: ConfigError.Severity { allowsUnknownFields ? .warning : .error }

    func warn(_ log: Log) {
        if allowUnknownFields {
            log.write(
                .warning, "config",
                "--allow-unknown-fields is deprecated, use --allow-unknown-static-fields instead.")
        }
    }
}

struct ProcessOptions: ParsableArguments {
    @Option(help: "Worker threads; default: the CPUs of the process's affinity mask, 1 for the demonstration.")
    var concurrency: Int?
    @Flag(help: "Bind each worker thread to a CPU of its own.")
    var cpusetThreads = false
    @Option(help: "Seconds that a drain waits for connections after SIGTERM.")
    var shutdownGraceS: UInt64 = 30
    @Option(help: "Seconds that the connections of a removed listener have, and listeners after /drain_listeners?graceful.")
    var drainTimeS: UInt64 = 600
    @Option(help: "gradual: more and more responses of a drain say `connection: close`; immediate: all.")
    var drainStrategy = DrainStrategy.gradual
    @Option(help: "Milliseconds after which access logs are written out.")
    var fileFlushIntervalMsec: UInt64 = 10_000
    @Flag(help: "Count waits for locks: /contention.")
    var enableMutexTracing = false
    @Option(help: "Profile the heap from the start: one sample for so many bytes (/heap_dump).")
    var sampleHeapBytes: UInt64?
    @Flag(help: "Let the kernel write a core file when the process crashes.")
    var enableCoreDump = false

    func warn(_ log: Log) {
        guard enableCoreDump else { return }
        var limit = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
        if unsafe setrlimit(__rlimit_resource_t(4), &limit) != 0 {
            log.write(.warning, "main", "--enable-core-dump: the limit of core files cannot be raised")
        }
    }
}

struct LogOptions: ParsableArguments {
    @Option(name: [.customShort("l"), .long], help: "trace, debug, info, warning, error, critical or off.")
    var logLevel = "info"
    @Option(help: "Levels per component: upstream:debug,config:trace.")
    var componentLogLevel: String?
    @Option(help: "Line format, in spdlog's flags; default: \(LogPattern.envoy)")
    var logFormat: String?
    @Flag(help: "Control characters of a message in C's notation.")
    var logFormatEscaped = false
    @Option(help: "File that the log is appended to, instead of standard error; SIGUSR1 opens it anew.")
    var logPath: String?

    @Flag(help: "Log levels per source file instead of per component.") var enableFineGrainLogging = false

    func make() -> Log {
        let log = Log(level: level(logLevel))
        if enableFineGrainLogging {
            if componentLogLevel != nil { fail("error: --component-log-level will not work with --enable-fine-grain-logging") }
            log.useFineGrain(level(logLevel))
        }
        for item in (componentLogLevel ?? "").split(separator: ",") {
            let parts = item.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2 else { fail("error: component log level not correctly specified '\(item)'") }
            let level = level(String(parts[1]))
            guard Log.components.contains(String(parts[0])) else {
                fail("error: invalid component specified '\(parts[0])'")
            }
            log.set(String(parts[0]), level)
        }
        let standard = enableFineGrainLogging ? LogPattern.fineGrain : LogPattern.envoy
        log.use(LogPattern(logFormat ?? standard, escapes: logFormatEscaped))
        if let logPath, let reason = log.open(logPath) { fail("Failed to open log-file '\(logPath)': \(reason)") }
        return log
    }

    private func level(_ name: String) -> LogLevel {
        guard let level = LogLevel(name: name) else { fail("error: invalid log level specified '\(name)'") }
        return level
    }
}

struct IdentityOptions: ParsableArguments {
    @Option(help: "Name of the local cluster: node.cluster.") var serviceCluster: String?
    @Option(help: "Name of this node: node.id.") var serviceNode: String?
    @Option(help: "Zone of this node: node.locality.zone.") var serviceZone: String?
    @Option(help: "v4 or v6: the family of the local address that is shown.")
    var localAddressIpVersion = AddressVersion.v4
    @Option(help: "File that gets the admin's address, ip:port.") var adminAddressPath: String?
    @Option(help: "A second address, ip:port, that serves /stats, /stats/prometheus and /ready and nothing else.")
    var metricsAddress: String?
    @Option(help: "File with a token, its first line, that the admin's changing commands ask for.") var adminTokenFile: String?
    @Option(help: "A tag of all statistics, name:value; may be given again.") var statsTag: [String] = []

    var node: NodeOverrides {
        var node = NodeOverrides()
        node.id = serviceNode ?? ""
        node.cluster = serviceCluster ?? ""
        node.zone = serviceZone ?? ""
        return node
    }

    func access() -> AdminAccess {
        var access = AdminAccess()
        if let metricsAddress {
            access.metricsAddress = IdentityOptions.address(metricsAddress)
            if access.metricsAddress == nil { fail("error: --metrics-address '\(metricsAddress)' is no ip:port") }
        }
        if let adminTokenFile {
            let token = ((try? FileBytes.read(adminTokenFile, limit: 64 << 10)) ?? []).prefix { $0 != 10 && $0 != 13 }
            if token.isEmpty { fail("error: --admin-token-file '\(adminTokenFile)' cannot be read, or its first line is empty") }
            access.token = Array(token)
        }
        return access
    }

    /// `127.0.0.1:9102`, `[::1]:9102`
    private static func address(_ text: String) -> SocketAddress? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
        var ip = text[..<colon]
        if ip.hasPrefix("["), ip.hasSuffix("]") { ip = ip.dropFirst().dropLast() }
        return SocketAddress(ip: String(ip), port: port)
    }

    func tags() -> [TagExtraction.Custom] {
        statsTag.map { text in
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { fail("error: misformatted stats-tag '\(text)'") }
            let isName = parts[0].utf8.allSatisfy { ($0 >= 48 && $0 <= 57) || ($0 | 32 >= 97 && $0 | 32 <= 122) }
            guard isName else {
                fail("error: misformatted stats-tag '\(text)' contains invalid char in '\(parts[0])'")
            }
            guard !parts[1].contains(".") else {
                fail("error: misformatted stats-tag '\(text)' contains invalid char in '\(parts[1])'")
            }
            return TagExtraction.Custom(parts[0], .fixed(parts[1]))
        }
    }
}

/// Each says once that it does nothing here.
struct IgnoredOptions: ParsableArguments {
    @Option(help: "Hot restart: base id.") var baseId: UInt32?
    @Flag(help: "Hot restart: choose the base id.") var useDynamicBaseId = false
    @Option(help: "Hot restart: file for the base id.") var baseIdPath: String?
    @Option(help: "Hot restart: epoch.") var restartEpoch: UInt32?
    @Flag(help: "Hot restart is not built, so this is always so.") var disableHotRestart = false
    @Flag(help: "Prints the hot restart version: disabled.") var hotRestartVersion = false
    @Flag(help: "Hot restart: go on without a parent.") var skipHotRestartOnNoParent = false
    @Flag(help: "Hot restart: no statistics of the parent.") var skipHotRestartParentStats = false
    @Option(help: "Hot restart: seconds until the parent ends.") var parentShutdownTimeS: UInt64?
    @Option(help: "Hot restart: socket.") var socketPath: String?
    @Option(help: "Hot restart: mode of the socket, octal.") var socketMode: String?
    @Option(help: "Kilobytes after which access logs are written out.") var fileFlushMinSizeKb: UInt64?
    @Flag(help: "Unknown fields over xDS are errors: nothing is read over xDS.") var rejectUnknownDynamicFields = false
    @Flag(help: "Unknown fields over xDS are ignored: nothing is read over xDS.") var ignoreUnknownDynamicFields = false
    @Flag(help: "Deprecated fields are not warned about.") var skipDeprecatedLogs = false
    @Option(help: "Extensions to disable.") var disableExtensions: String?
    @Flag(help: "Stack traces in one log entry.") var logStacktraceSingleEntry = false

    func warn(_ log: Log) {
        let given: [(String, Bool)] = [
            ("--base-id", baseId != nil), ("--use-dynamic-base-id", useDynamicBaseId),
            ("--base-id-path", baseIdPath != nil), ("--restart-epoch", restartEpoch != nil),
            ("--skip-hot-restart-on-no-parent", skipHotRestartOnNoParent),
            ("--skip-hot-restart-parent-stats", skipHotRestartParentStats),
            ("--parent-shutdown-time-s", parentShutdownTimeS != nil), ("--socket-path", socketPath != nil),
            ("--socket-mode", socketMode != nil), ("--file-flush-min-size-kb", fileFlushMinSizeKb != nil),
            ("--reject-unknown-dynamic-fields", rejectUnknownDynamicFields),
            ("--ignore-unknown-dynamic-fields", ignoreUnknownDynamicFields),
            ("--skip-deprecated-logs", skipDeprecatedLogs), ("--disable-extensions", disableExtensions != nil),
            ("--log-stacktrace-single-entry", logStacktraceSingleEntry),
        ]
        for (name, isGiven) in given where isGiven {
            log.write(.info, "main", "\(name) is accepted for Envoy's sake and has no effect here")
        }
    }
}
