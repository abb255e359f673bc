// `/cpuprofiler` as in Envoy, and `/profile`: the page, the same data in other forms, and a profile of N seconds in one
// request.

import Control
import Glibc
import Primitives

enum CPUProfileCommands {
    /// `docs/limits.md` §profiles.
    static let secondsMax: UInt64 = 120

    static let cpuProfiler = AdminCommand(
        "/cpuprofiler", "enable/disable the CPU profiler", mutates: true,
        [.init("enable", "enables the CPU profiler", .choice(["y", "n"]))]
    ) { context, request in
        // One parameter, as in Envoy; `frequency` is ours.
        let others = request.query.all.contains { $0.name != "enable" && $0.name != "frequency" }
        switch request.query["enable"] {
        case _ where others: return AdminResponse("?enable=<y|n>\n", status: 400)
        case "y": return start(context, request)
        case "n": return stop(context)
        default: return AdminResponse("?enable=<y|n>\n", status: 400)
        }
    }

    private static func start(_ context: AdminContext, _ request: AdminRequest) -> AdminResponse {
        guard let frequency = frequency(request) else { return badFrequency }
        let profiler = context.server.profiler
        // Switching on what is on is no error.
        if profiler.isRunning { return .ok }
        if !context.profilePath.isEmpty, !ProfileFile.canWrite(context.profilePath) {
            return AdminResponse("failure to start the profiler", status: 500)
        }
        return begin(context, frequency) ?? .ok
    }

    private static func stop(_ context: AdminContext) -> AdminResponse {
        guard let profile = context.server.profiler.stop() else { return .ok }
        context.server.log.write(.info, "admin", "CPU profiler stopped: \(profile.samples) samples, \(profile.lost) lost")
        let path = context.profilePath
        if path.isEmpty { return .ok }
        // Whoever gets the answer finds the file.
        let log = context.server.log
        return WorkBody.response(AdminResponse.text) {
            let code = CodeMap(profile.stacks.map(\.frames))
            return ProfileFile.write(PprofFile.bytes(profile, code), to: path)
                ? Array("OK\n".utf8) : Array("the profile is in memory, but could not be written to \(path)\n".utf8)
        } whenDone: { text in
            if text.count > 3 { log.write(.warning, "admin", "profile_path: '\(path)' could not be written") }
        }
    }

    static let profile = AdminCommand(
        "/profile", "flame graph of the CPU or allocation profile",
        [
            .init("format", "page, pprof, folded, json or gperftools", .choice(["page", "pprof", "folded", "json", "gperftools"])),
            .init("kind", "what was profiled", .choice(Profile.Kind.allCases.map(\.rawValue))),
            .init("seconds", "profile the CPU for so long, then answer"),
            .init("frequency", "samples per second of CPU time of each thread (100)"),
        ],
        // The last profile is gone then.
        startsWork: { $0.query.has("seconds") }
    ) { context, request in
        let text = request.query.nonEmpty("format") ?? (request.query.has("seconds") ? "pprof" : "page")
        if text == "page" { return FlamePage.response(request) }
        guard let format = ProfileFormat(rawValue: text) else {
            return AdminResponse("usage: /profile?format=(page|pprof|folded|json|gperftools)\n", status: 400)
        }
        guard let kind = Profile.Kind(rawValue: request.query.nonEmpty("kind") ?? "cpu") else {
            return AdminResponse("usage: /profile?kind=(cpu|alloc|heap|peak)\n", status: 400)
        }
        if format == .gperftools, kind != .cpu {
            return AdminResponse("format=gperftools is for kind=cpu\n", status: 400)
        }
        if let seconds = request.query["seconds"] {
            return timed(context, request, seconds, kind, format)
        }
        guard let profile = known(context, kind) else {
            return AdminResponse(
                kind == .cpu
                    ? "there is no profile yet: POST /cpuprofiler?enable=y begins one, /profile?seconds=5 takes one\n"
                    : "there is no such profile yet: POST /heapprofiler?enable=y or /allocprofiler?enable=y begins one\n",
                status: 404)
        }
        return format.response(profile)
    }

    private static func known(_ context: AdminContext, _ kind: Profile.Kind) -> Profile? {
        kind == .cpu ? context.server.profiler.profile : context.server.allocationProfiler.profile(kind)
    }

    /// Profiles from now on for some seconds; the client that goes away ends it.
    private static func timed(
        _ context: AdminContext, _ request: AdminRequest, _ text: String, _ kind: Profile.Kind, _ format: ProfileFormat
    ) -> AdminResponse {
        guard kind == .cpu, let seconds = UInt64(text), (1...secondsMax).contains(seconds) else {
            return AdminResponse("usage: /profile?seconds=<1-\(secondsMax)>, of kind=cpu\n", status: 400)
        }
        guard let frequency = frequency(request) else { return badFrequency }
        if context.server.profiler.isRunning {
            return AdminResponse(
                "a profile is running: /profile?format=\(format.rawValue) shows it, POST /cpuprofiler?enable=n ends it\n",
                status: 409)
        }
        if let refusal = begin(context, frequency) { return refusal }
        return format.response(body: TimedProfileBody(context.server, seconds: seconds, format))
    }

    /// The answer when it cannot begin.
    private static func begin(_ context: AdminContext, _ frequency: UInt64) -> AdminResponse? {
        do throws(CPUProfiler.Failure) {
            let refused = try context.server.profiler.start(frequency: frequency)
            context.server.log.write(.info, "admin", "CPU profiler started: \(frequency) Hz")
            if refused > 0 { context.server.log.write(.warning, "admin", "CPU profiler: \(refused) threads without a timer") }
            return nil
        } catch {
            if case .refused(let number) = error {
                let reason = unsafe String(cString: strerror(number))
                context.server.log.write(.error, "admin", "CPU profiler: \(reason)")
            }
            return AdminResponse("failure to start the profiler", status: 500)
        }
    }

    private static func frequency(_ request: AdminRequest) -> UInt64? {
        guard let text = request.query.nonEmpty("frequency") else { return CPUProfiler.frequencyUsual }
        return UInt64(text).flatMap { CPUProfiler.frequencies.contains($0) ? $0 : nil }
    }

    private static var badFrequency: AdminResponse {
        AdminResponse("frequency: a number from \(CPUProfiler.frequencies.lowerBound) to \(CPUProfiler.frequencies.upperBound)\n", status: 400)
    }
}
