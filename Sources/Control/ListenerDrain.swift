// `/drain_listeners`: listeners stop, the process goes on. At once, or gracefully: first responses say
// `connection: close` for `--drain-time-s`, then the listeners stop (or, with `skip_exit`, go on).

final class ListenerDrain {
    private let configurator: Configurator
    private var stopAtMs: UInt64 = 0
    private var stopsInboundOnly = true

    init(_ configurator: Configurator) { self.configurator = configurator }

    /// How many listeners stopped at once.
    func begin(inboundOnly: Bool, graceful: Bool, skipsExit: Bool, nowMs: UInt64) -> Int {
        guard graceful || skipsExit else { return configurator.stopListeners(inboundOnly: inboundOnly) }
        configurator.discourage(inboundOnly: inboundOnly, nowMs: nowMs)
        if skipsExit { return 0 }
        stopAtMs = nowMs + configurator.draining.options.timeMs
        stopsInboundOnly = inboundOnly
        return 0
    }

    /// Called now and then; how many listeners stopped.
    func ticked(nowMs: UInt64) -> Int {
        guard stopAtMs != 0, nowMs >= stopAtMs else { return 0 }
        stopAtMs = 0
        return configurator.stopListeners(inboundOnly: stopsInboundOnly)
    }
}
