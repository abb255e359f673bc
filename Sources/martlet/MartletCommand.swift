// The command line: Envoy's options, and a few of ours. What they mean is in `Options`, what is done in `Serve`.

import ArgumentParser
import Control
import EnvoyAPI
import Glibc
import Primitives

struct MartletCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "An edge and sidecar proxy that takes Envoy's configuration.",
        discussion: "Without -c, a demonstration is served on 127.0.0.1:10000, with its admin on 127.0.0.1:9901.",
        version: "martlet  version: \(Version.text)",
        subcommands: [RouteCommand.self, TopCommand.self])

    @OptionGroup(title: "Configuration") var config: ConfigOptions
    @OptionGroup(title: "Threads and life") var process: ProcessOptions
    @OptionGroup(title: "Log of the process") var log: LogOptions
    @OptionGroup(title: "Identity and addresses") var identity: IdentityOptions
    @OptionGroup(title: "Accepted for Envoy's sake: no effect here") var ignored: IgnoredOptions

    func run() throws {
        if ignored.hotRestartVersion {
            printOut("disabled")
            return
        }
        if ignored.useDynamicBaseId, let epoch = ignored.restartEpoch, epoch > 0 {
            fail("error: cannot use --restart-epoch=\(epoch) with --use-dynamic-base-id")
        }
        _ = identity.tags()
        let log = log.make()
        config.warn(log)
        process.warn(log)
        ignored.warn(log)
        switch config.mode {
        case .validate: Validation(self).run()
        case .serve, .init_only: Serving(self, log).run()
        }
    }

    /// `/server_info` shows the options that are in force, in this order.
    func inForce(concurrency: Int) -> [(name: String, json: String)] {
        [
            ("base_id", "\"\(ignored.baseId ?? 0)\""),
            ("concurrency", "\(concurrency)"),
            ("config_path", JSONText.quoted(config.configPath ?? "")),
            ("config_yaml", JSONText.quoted(config.configYaml ?? "")),
            ("allow_unknown_static_fields", "\(config.allowsUnknownFields)"),
            ("admin_address_path", JSONText.quoted(identity.adminAddressPath ?? "")),
            ("local_address_ip_version", JSONText.quoted(identity.localAddressIpVersion.rawValue)),
            ("log_level", JSONText.quoted(log.logLevel)),
            ("component_log_level", JSONText.quoted(log.componentLogLevel ?? "")),
            ("log_format", JSONText.quoted(log.logFormat ?? LogPattern.envoy)),
            ("log_path", JSONText.quoted(log.logPath ?? "")),
            ("service_cluster", JSONText.quoted(identity.serviceCluster ?? "")),
            ("service_node", JSONText.quoted(identity.serviceNode ?? "")),
            ("service_zone", JSONText.quoted(identity.serviceZone ?? "")),
            ("file_flush_interval", milliseconds(process.fileFlushIntervalMsec)),
            ("drain_time", "\"\(process.drainTimeS)s\""),
            ("parent_shutdown_time", "\"\(ignored.parentShutdownTimeS ?? 900)s\""),
            ("mode", "\"\(config.mode.shown)\""),
            ("disable_hot_restart", "true"),
            ("enable_mutex_tracing", "\(process.enableMutexTracing)"),
            ("restart_epoch", "\(ignored.restartEpoch ?? 0)"),
            ("cpuset_threads", "\(process.cpusetThreads)"),
            ("reject_unknown_dynamic_fields", "\(ignored.rejectUnknownDynamicFields)"),
            ("log_format_escaped", "\(log.logFormatEscaped)"),
            (
                "disabled_extensions",
                list((ignored.disableExtensions ?? "").split(separator: ",", omittingEmptySubsequences: false).map(String.init))
            ),
            ("ignore_unknown_dynamic_fields", "\(ignored.ignoreUnknownDynamicFields)"),
            ("use_dynamic_base_id", "\(ignored.useDynamicBaseId)"),
            ("base_id_path", JSONText.quoted(ignored.baseIdPath ?? "")),
            ("drain_strategy", "\"\(process.drainStrategy.shown)\""),
            ("enable_fine_grain_logging", "\(log.enableFineGrainLogging)"),
            ("socket_path", JSONText.quoted(ignored.socketPath ?? "@envoy_domain_socket")),
            ("socket_mode", "\(Int(ignored.socketMode ?? "0", radix: 8) ?? 0)"),
            ("enable_core_dump", "\(process.enableCoreDump)"),
            ("stats_tag", list(identity.statsTag)),
            ("skip_hot_restart_on_no_parent", "\(ignored.skipHotRestartOnNoParent)"),
            ("skip_hot_restart_parent_stats", "\(ignored.skipHotRestartParentStats)"),
            ("skip_deprecated_logs", "\(ignored.skipDeprecatedLogs)"),
            ("file_flush_min_size", "\(ignored.fileFlushMinSizeKb ?? 0)"),
            ("log_stacktrace_single_entry", "\(ignored.logStacktraceSingleEntry)"),
        ]
    }

    private func list(_ texts: [String]) -> String {
        let texts = texts.filter { !$0.isEmpty }
        if texts.isEmpty { return "[]" }
        return "[\n" + texts.map { "   " + JSONText.quoted($0) }.joined(separator: ",\n") + "\n  ]"
    }

    private func milliseconds(_ value: UInt64) -> String {
        value % 1000 == 0 ? "\"\(value / 1000)s\"" : "\"\(value / 1000).\(String(1000 + value % 1000).dropFirst())s\""
    }
}

func fail(_ text: String) -> Never {
    printError(text)
    exit(1)
}

/// A line to standard error.
func printError(_ text: String) {
    (text + "\n").withBytes { bytes in _ = unsafe write(2, bytes.base, bytes.count) }
}

/// To standard output, as it is.
func printOut(_ text: String) {
    text.withBytes { bytes in _ = unsafe write(1, bytes.base, bytes.count) }
}
