// Bodies that are made by another thread, or later.

import Control
import Pipeline

/// What a thread made, once it has.
class WorkBody: BodySource {
    fileprivate var work: BackgroundWork?
    private let whenDone: ([UInt8]) -> Void
    private var bytes: [UInt8]?
    private var at = 0

    fileprivate init(_ work: BackgroundWork?, whenDone: @escaping ([UInt8]) -> Void = { _ in }) {
        self.work = work
        self.whenDone = whenDone
    }

    static func response(
        _ contentType: String, _ make: @escaping @Sendable () -> [UInt8],
        whenDone: @escaping ([UInt8]) -> Void = { _ in }
    ) -> AdminResponse {
        guard let work = BackgroundWork.start("profile_writer", make) else {
            return AdminResponse("too many profiles are being written\n", status: 503)
        }
        return AdminResponse(contentType: contentType, body: WorkBody(work, whenDone: whenDone))
    }

    override var isWaiting: Bool { bytes == nil && work?.result == nil }

    override func next(_ out: inout [UInt8]) -> Bool {
        if bytes == nil {
            guard let result = work?.result else { return true }
            bytes = result
            work = nil
            whenDone(result)
        }
        guard let bytes else { return false }
        let end = min(bytes.count, at + BodySource.pieceBytes)
        out += bytes[at..<end]
        at = end
        return at < bytes.count
    }
}

/// `/profile?seconds=N`: the profile that began with it, when the time is over.
final class TimedProfileBody: WorkBody {
    private let server: Server
    private let endMs: UInt64
    private let format: ProfileFormat
    private let number: Int
    private var isOver = false

    init(_ server: Server, seconds: UInt64, _ format: ProfileFormat) {
        self.server = server
        self.format = format
        endMs = server.main.nowMs + seconds * 1000
        number = server.profiler.number
        super.init(nil)
    }

    /// The client went away.
    deinit { if !isOver, isOurs { _ = server.profiler.stop() } }

    /// Somebody may have ended it and begun another.
    private var isOurs: Bool { server.profiler.isRunning && server.profiler.number == number }

    override var isWaiting: Bool {
        if !isOver, server.main.nowMs >= endMs || !isOurs {
            isOver = true
            profile = isOurs ? server.profiler.stop() : server.profiler.profile
        }
        // A thread for it may have to be waited for.
        if let profile {
            let format = format
            work = BackgroundWork.start("profile_writer") { format.bytes(profile) }
            if work != nil { self.profile = nil }
        }
        return !isOver || super.isWaiting
    }
    private var profile: Profile?
}
