// Commands of a line or two.

import CMartlet
import Control
import Stats
import StatsStore

enum SmallCommands {
    static let contention = AdminCommand("/contention", "dump current Envoy mutex contention stats (if enabled)") { context, _ in
        guard context.server.options.countsLockWaits else {
            return AdminResponse(
                "Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.")
        }
        let waits = martlet_lock_waits_now()
        var json = JSONWriter()
        json.object { json in
            json.member("num_contentions", long: waits.contentions)
            json.member("current_wait_cycles", long: waits.last_cycles)
            json.member("lifetime_wait_cycles", long: waits.cycles)
        }
        return AdminResponse(json.text + "\n", contentType: AdminResponse.json)
    }

    static let hotRestartVersion = AdminCommand(
        "/hot_restart_version", "print the hot restart compatibility version"
    ) { _, _ in AdminResponse("disabled") }

    /// As in Envoy: of listeners that are not served yet, what they wait for.
    static let initDump = AdminCommand(
        "/init_dump", "dump current Envoy init manager information (experimental)",
        [
            .init(
                "mask",
                "The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get the unready targets of all listeners with /init_dump?mask=listener`"
            )
        ]
    ) { context, request in
        let configurator = context.configurator
        let isShown = (request.query["mask"] ?? "listener") == "listener"
        let listeners = isShown ? configurator.warmingListeners : []
        var json = JSONWriter()
        json.object { json in
            if listeners.isEmpty { return }
            json.array("unready_targets_dumps") { json in
                for listener in listeners {
                    json.element { json in
                        json.member("name", "init manager Listener-local-init-manager \(listener.name) \(listener.hash)")
                        json.array("target_names") { json in
                            for name in configurator.awaitedSecrets(listener) { json.element("target SdsApi \(name)") }
                        }
                    }
                }
            }
        }
        json.end()
        return AdminResponse(json.text, contentType: AdminResponse.json)
    }

    static let quit = AdminCommand("/quitquitquit", "exit the server", mutates: true) { context, _ in
        context.server.quit()
        return .ok
    }

    static let reopenLogs = AdminCommand("/reopen_logs", "reopen access logs", mutates: true) { context, _ in
        context.server.reopenLogs()
        return .ok
    }

    static let resetCounters = AdminCommand("/reset_counters", "reset all counters to zero", mutates: true) { context, _ in
        context.stats.resetCounters()
        return .ok
    }
}

enum ReadyCommand {
    static let command = AdminCommand(
        "/ready", "print server state, return 200 if LIVE, otherwise return 503"
    ) { context, _ in
        let state = context.server.state
        return AdminResponse(state + "\n", status: state == "LIVE" ? 200 : 503)
    }
}

enum HealthCheckCommands {
    static let fail = AdminCommand("/healthcheck/fail", "cause the server to fail health checks", mutates: true) { context, _ in
        context.server.failHealthChecks(true)
        return .ok
    }

    static let ok = AdminCommand("/healthcheck/ok", "cause the server to pass health checks", mutates: true) { context, _ in
        context.server.failHealthChecks(false)
        return .ok
    }
}

enum DrainListenersCommand {
    static let command = AdminCommand(
        "/drain_listeners", "drain listeners", mutates: true,
        [
            .init(
                "graceful",
                "When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and duration is configurable via server options or CLI",
                .flag),
            .init(
                "skip_exit",
                "When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no effect when this is set, since the drain period only delays stopping the listeners",
                .flag),
            .init(
                "inboundonly",
                "Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or outbound.",
                .flag),
        ]
    ) { context, request in
        context.server.drainListeners(
            inboundOnly: request.query.has("inboundonly"), graceful: request.query.has("graceful"),
            skipsExit: request.query.has("skip_exit"))
        return .ok
    }
}
