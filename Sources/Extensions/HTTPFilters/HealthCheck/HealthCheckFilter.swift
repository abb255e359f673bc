// `health_check`: answers the health checks of whoever balances over this proxy, or passes them on and remembers the
// answer; and says on every response when the proxy wants no more traffic (`/healthcheck/fail`).

import Pipeline
import Primitives
import Routing
import Stats
import Transport
import Wire

final class HealthCheckFilter: HTTPFilter {
    private struct State {
        var isCheck: Bool
        /// It is answered here, when all of it has come.
        var isHandled: Bool
    }

    private let settings: HealthCheckSettings
    private let cache: HealthCheckCache?

    init(name: String, _ settings: HealthCheckSettings, cache: HealthCheckCache?) {
        self.settings = settings
        self.cache = cache
        super.init(
            name: name, stateBytes: MemoryLayout<State>.stride, interest: [.requestHead, .requestBody, .responseHead])
    }

    private func state(of stream: StreamPointer) -> UnsafeMutablePointer<State> {
        unsafe state(stream).assumingMemoryBound(to: State.self)
    }

    // MARK: Request

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        guard unsafe settings.predicate.matches(stream.pointee.request) else { return .proceed }
        let state = unsafe state(of: stream)
        unsafe state.pointee.isCheck = true
        unsafe stream.pointee.isHealthCheck = true
        worker.cells.increment(settings.tracingStats &+ HTTPTracingStat.healthCheck.rawValue)
        guard !settings.passesThrough || ServerHealth.shared.isFailing || cache?.answer(nowMs: worker.nowMs) != nil else {
            return .proceed
        }
        unsafe state.pointee.isHandled = true
        if endStream { unsafe answer(worker, stream) }
        return .stop
    }

    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        guard unsafe state(of: stream).pointee.isHandled else { return .proceed }
        if endStream { unsafe answer(worker, stream) }
        return .stopWithoutBuffer
    }

    override func requestTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        guard unsafe state(of: stream).pointee.isHandled else { return .proceed }
        unsafe answer(worker, stream)
        return .stop
    }

    private func answer(_ worker: Worker, _ stream: StreamPointer) {
        count(worker, .requestTotal)
        var status: UInt16 = 200
        var isDegraded = false
        var details: StaticString = "health_check_ok"
        if ServerHealth.shared.isFailing {
            (status, details) = (503, "health_check_failed")
        } else if let cache {
            // The tick may have come between head and end: the last answer still stands.
            if let answer = cache.answer(nowMs: worker.nowMs) {
                status = answer.status
                isDegraded = answer.isDegraded
            }
            details = "health_check_cached"
            count(worker, .cachedResponse)
        } else if !settings.minimums.isEmpty {
            (status, details) = judgeClusters(worker)
        }
        if isDegraded { count(worker, .degraded) }
        let isGood = (200..<300).contains(status)
        count(worker, isGood ? .ok : .failed)
        unsafe worker.reply(
            stream, status: status, body: .empty, details: Bytes(details), flags: isGood ? [] : .failedLocalHealthCheck
        ) { head in if isDegraded { head.append(.xEnvoyDegraded, .empty) } }
    }

    private func judgeClusters(_ worker: Worker) -> (UInt16, StaticString) {
        for i in 0..<settings.minimums.count {
            let minimum = settings.minimums[i]
            guard let (total, usable) = worker.clusterHealth(named: minimum.name) else {
                count(worker, .failedClusterNotFound)
                return (503, "health_check_failed_no_cluster_found")
            }
            if total == 0 {
                if minimum.percent == 0 { continue }
                count(worker, .failedClusterEmpty)
                return (503, "health_check_failed_cluster_empty")
            }
            if 100 &* UInt64(usable) < UInt64(total) &* minimum.percent {
                count(worker, .failedClusterUnhealthy)
                return (503, "health_check_failed_cluster_unhealthy")
            }
        }
        return (200, "health_check_ok_cluster_healthy")
    }

    private func count(_ worker: Worker, _ stat: HealthCheckStat) { worker.cells.increment(settings.stats &+ stat.rawValue) }

    // MARK: Response

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        if unsafe state(of: stream).pointee.isCheck {
            let answer = unsafe HealthCheckCache.Answer(
                status: stream.pointee.response.status, isDegraded: stream.pointee.response.has(.xEnvoyDegraded))
            cache?.keep(answer, nowMs: worker.nowMs)
            unsafe stream.pointee.response.set(.xEnvoyUpstreamHealthcheckedCluster, settings.clusterName)
        }
        if ServerHealth.shared.isFailing {
            unsafe stream.pointee.response.set(.xEnvoyImmediateHealthCheckFail, Bytes("true" as StaticString))
        }
        return .proceed
    }
}
