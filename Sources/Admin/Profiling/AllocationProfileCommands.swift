// `/allocprofiler`, `/heapprofiler`, `/heap_dump`, `/peak_heap_dump`: as in an Envoy that was built with them.

import Control
import Glibc
import Primitives

enum AllocationProfileCommands {
    private static let switches = AdminCommand.Kind.choice(["y", "n"])
    private static let notSupported = "The current build does not support "

    static let allocProfiler = AdminCommand(
        "/allocprofiler", "enable/disable the allocation profiler (if supported)", mutates: true,
        [.init("enable", "enable/disable the allocation profiler", switches)]
    ) { context, request in
        let profiler = context.server.allocationProfiler
        switch chosen(request) {
        case nil: return usage
        case true?:
            if profiler.isOn(.allocations) { return AdminResponse("Allocation profiler has already started", status: 400) }
            return start(context, request, .allocations, "allocation profiler")
        case false?:
            guard let profile = profiler.stop(.allocations) else {
                return AdminResponse("Allocation profiler is not started", status: 400)
            }
            return dump(profile)
        }
    }

    static let heapProfiler = AdminCommand(
        "/heapprofiler", "enable/disable the heap profiler", mutates: true,
        [.init("enable", "enable/disable the heap profiler", switches)]
    ) { context, request in
        let profiler = context.server.allocationProfiler
        switch chosen(request) {
        case nil: return usage
        case true?:
            if profiler.isOn(.heap) { return AdminResponse("Fail to start heap profiler: already started", status: 400) }
            return start(context, request, .heap, "heap profiler")
        case false?:
            if profiler.stop(.heap) == nil { return AdminResponse("Fail to stop heap profiler: not started", status: 400) }
            return .ok
        }
    }

    static let heapDump = AdminCommand("/heap_dump", "dump current Envoy heap (if supported)") { context, _ in
        guard let profile = context.server.allocationProfiler.profile(.heap) else {
            return AdminResponse("Heap dump is not supported", status: 501)
        }
        return dump(profile)
    }

    static let peakHeapDump = AdminCommand("/peak_heap_dump", "dump peak Envoy heap (if supported)") { context, _ in
        guard let profile = context.server.allocationProfiler.profile(.peakHeap) else {
            return AdminResponse("Peak heap dump is not supported", status: 501)
        }
        return dump(profile)
    }

    /// Envoy's content type, whatever the bytes.
    private static func dump(_ profile: Profile) -> AdminResponse {
        WorkBody.response(AdminResponse.text) { ProfileFormat.pprof.bytes(profile) }
    }

    private static func start(
        _ context: AdminContext, _ request: AdminRequest, _ use: AllocationProfiler.Use, _ name: String
    ) -> AdminResponse {
        var interval = AllocationProfiler.intervalUsual
        if let text = request.query.nonEmpty("sample_bytes") {
            guard let given = UInt64(text), AllocationProfiler.intervals.contains(given) else {
                let range = AllocationProfiler.intervals
                return AdminResponse("sample_bytes: a number from \(range.lowerBound) to \(range.upperBound)\n", status: 400)
            }
            interval = given
        }
        do throws(AllocationProfiler.Failure) {
            try context.server.allocationProfiler.start(use, interval: interval)
        } catch {
            return AdminResponse(notSupported + name, status: 501)
        }
        context.server.log.write(.info, "admin", "\(name) started: one sample for each \(interval) bytes")
        return .ok
    }

    private static var usage: AdminResponse { AdminResponse("?enable=<y|n>\n", status: 400) }

    /// One parameter, as in Envoy; `sample_bytes` is ours.
    private static func chosen(_ request: AdminRequest) -> Bool? {
        if request.query.all.contains(where: { $0.name != "enable" && $0.name != "sample_bytes" }) { return nil }
        switch request.query["enable"] {
        case "y": return true
        case "n": return false
        default: return nil
        }
    }
}
