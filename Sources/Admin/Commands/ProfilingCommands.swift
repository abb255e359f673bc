// Allocation profiles: this build has none, and says so as an Envoy that was built without them does.

enum ProfilingCommands {
    private static let switches = AdminCommand.Kind.choice(["y", "n"])

    static let allocProfiler = AdminCommand(
        "/allocprofiler", "enable/disable the allocation profiler (if supported)", mutates: true,
        [.init("enable", "enable/disable the allocation profiler", switches)]
    ) { _, request in
        guard let enable = chosen(request) else { return usage }
        return enable
            ? AdminResponse("The current build does not support allocation profiler", status: 501)
            : AdminResponse("Allocation profiler is not started", status: 400)
    }

    static let heapProfiler = AdminCommand(
        "/heapprofiler", "enable/disable the heap profiler", mutates: true,
        [.init("enable", "enable/disable the heap profiler", switches)]
    ) { _, _ in AdminResponse("The current build does not support heap profiler", status: 501) }

    static let heapDump = AdminCommand("/heap_dump", "dump current Envoy heap (if supported)") { _, _ in
        AdminResponse("Heap dump is not supported", status: 501)
    }

    static let peakHeapDump = AdminCommand("/peak_heap_dump", "dump peak Envoy heap (if supported)") { _, _ in
        AdminResponse("Peak heap dump is not supported", status: 501)
    }

    private static var usage: AdminResponse { AdminResponse("?enable=<y|n>\n", status: 400) }

    private static func chosen(_ request: AdminRequest) -> Bool? {
        switch request.query["enable"] {
        case "y": true
        case "n": false
        default: nil
        }
    }
}
