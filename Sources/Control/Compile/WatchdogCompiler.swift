// `watchdogs`, and `watchdog` before it → `WatchdogConfigs`.

import EnvoyAPI

struct WatchdogCompiler {
    private typealias Message = Envoy_Config_Bootstrap_V3_Watchdog
    private typealias Abort = Envoy_Watchdog_V3_AbortActionConfig
    private typealias Profile = Envoy_Extensions_Watchdog_ProfileAction_V3_ProfileActionConfig
    private typealias Backtrace = Envoy_Extensions_Watchdog_BacktraceAction_V3_BacktraceActionConfig

    private let bootstrap: Bootstrap
    private let diagnostics: Diagnostics

    init(compilation: Compilation) {
        bootstrap = compilation.bootstrap
        diagnostics = compilation.diagnostics
    }

    /// Of all that is read here.
    var hash: ContentHash {
        var hash = ContentHash()
        hash.add(bootstrap.watchdog)
        hash.add(bootstrap.watchdogs)
        return hash
    }

    func compile() -> WatchdogConfigs {
        var configs = WatchdogConfigs()
        if bootstrap.hasWatchdog, bootstrap.hasWatchdogs {
            diagnostics.error(Place.root.at("watchdog"), "Only one of watchdog or watchdogs should be set!")
        }
        if bootstrap.hasWatchdog {
            configs.main = compile(bootstrap.watchdog, Place.root.at("watchdog"))
            configs.workers = configs.main
        } else if bootstrap.hasWatchdogs {
            let place = Place.root.at("watchdogs")
            configs.main = compile(bootstrap.watchdogs.mainThreadWatchdog, place.at("main_thread_watchdog"))
            configs.workers = compile(bootstrap.watchdogs.workerWatchdog, place.at("worker_watchdog"))
        }
        return configs
    }

    private func compile(_ message: Message, _ place: Place) -> WatchdogConfig {
        var config = WatchdogConfig()
        if message.hasMissTimeout { config.missNs = ns(message.missTimeout) }
        if message.hasMegamissTimeout { config.megamissNs = ns(message.megamissTimeout) }
        if message.hasKillTimeout { config.killNs = ns(message.killTimeout) }
        if config.killNs > 0 { config.killNs += UInt64.random(in: 0...ns(message.maxKillTimeoutJitter)) }
        if message.hasMultikillTimeout { config.multikillNs = ns(message.multikillTimeout) }
        config.multikillPercent = message.multikillThreshold.value
        for (i, action) in message.actions.enumerated() {
            guard let event = event(action.event),
                let compiled = self.action(action.config, place.at("actions", i).at("config"))
            else { continue }
            config.rules.append(WatchdogConfig.Rule(event, compiled))
        }
        // Behind all others, as in Envoy.
        if config.killNs > 0 { config.rules.append(.init(.kill, .abort(waitNs: WatchdogConfig.abortWaitNs))) }
        if config.multikillNs > 0 { config.rules.append(.init(.multikill, .abort(waitNs: WatchdogConfig.abortWaitNs))) }
        return config
    }

    /// At most eleven days: sums stay within 64 bits.
    private func ns(_ duration: ProtobufDuration) -> UInt64 { min(duration.milliseconds, 1_000_000_000) * WatchdogConfig.ms }

    /// UNKNOWN never happens.
    private func event(_ event: Message.WatchdogAction.WatchdogEvent) -> WatchdogConfig.Event? {
        switch event {
        case .miss: .miss
        case .megamiss: .megamiss
        case .kill: .kill
        case .multikill: .multikill
        default: nil
        }
    }

    private func action(_ config: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: Place) -> WatchdogConfig.Action? {
        let bytes = config.typedConfig.value
        switch config.typedConfig.messageName {
        case Abort.protoMessageName:
            guard let message = try? Abort(serializedBytes: bytes) else { return nil }
            return .abort(
                waitNs: message.hasWaitDuration
                    ? ns(message.waitDuration) : WatchdogConfig.abortWaitNs)
        case Profile.protoMessageName:
            guard let message = try? Profile(serializedBytes: bytes) else { return nil }
            return .profile(
                directory: message.profilePath,
                durationNs: message.hasProfileDuration
                    ? ns(message.profileDuration) : WatchdogConfig.profileDurationNs,
                max: message.maxProfiles == 0 ? WatchdogConfig.profilesMax : message.maxProfiles)
        case Backtrace.protoMessageName:
            guard let message = try? Backtrace(serializedBytes: bytes) else { return nil }
            return .backtrace(cooldownNs: ns(message.cooldownDuration))
        default:
            diagnostics.error(
                place,
                "Didn't find a registered implementation for '\(config.name)' with type URL: '\(config.typedConfig.messageName)'",
                expected: "an action: envoy.watchdog.abort_action, envoy.watchdog.profile_action, envoy.watchdog.backtrace_action")
            return nil
        }
    }
}
