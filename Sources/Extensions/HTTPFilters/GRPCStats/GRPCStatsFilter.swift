// `grpc_stats`: counts calls by status, and messages in both directions, per cluster and method.

import Pipeline
import Primitives
import Stats
import Transport
import Wire

final class GRPCStatsFilter: HTTPFilter {
    private struct State {
        /// First statistic of the call's scope, from 1; 0: the call is not counted.
        var scope: UInt32
        /// gRPC at all; without a scope only for the log.
        var countsRequest: Bool
        var countsResponse: Bool
        var request: GRPCFrames
        var response: GRPCFrames
    }

    private let settings: GRPCStatsSettings
    private let scopes: GRPCMethodScopes

    init(name: String, _ settings: GRPCStatsSettings, _ scopes: GRPCMethodScopes) {
        self.settings = settings
        self.scopes = scopes
        super.init(
            name: name, stateBytes: MemoryLayout<State>.stride,
            interest: [.requestHead, .requestBody, .responseHead, .responseBody])
    }

    private func state(of stream: StreamPointer) -> UnsafeMutablePointer<State> {
        unsafe state(stream).assumingMemoryBound(to: State.self)
    }

    // MARK: Request

    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        guard unsafe GRPCContent.isRequest(stream.pointee.request) else { return .proceed }
        unsafe state(of: stream).pointee.countsRequest = true
        // What has no method's path is not counted at all.
        guard let method = unsafe GRPCContent.method(of: stream.pointee.request.text(stream.pointee.request.path)) else {
            return .proceed
        }
        let base = unsafe settings.countsAll
            ? scopes.base(worker, stream, .grpc, method, replacesDots: settings.replacesDots)
            : scopes.base(worker, stream, .grpc, isListed(method) ? method : nil)
        if let base { unsafe state(of: stream).pointee.scope = base &+ 1 }
        return .proceed
    }

    private func isListed(_ method: (service: Bytes, method: Bytes)) -> Bool {
        for i in 0..<settings.listed.count {
            let entry = settings.listed[i]
            if entry.method.equals(method.method), entry.service.equals(method.service) { return true }
        }
        return false
    }

    // HOT: per frame.
    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        let state = unsafe state(of: stream)
        if unsafe state.pointee.countsRequest {
            let begun = unsafe count(worker, state.pointee.scope, .requestMessageCount, &state.pointee.request, data)
            if settings.leavesCounts { unsafe stream.pointee.grpcCounts.request &+= begun }
        }
        return .proceed
    }

    /// Messages that begin in `data`. `scope`: from 1.
    private func count(
        _ worker: Worker, _ scope: StatID, _ stat: GRPCMethodStat, _ frames: inout GRPCFrames, _ data: ByteQueue
    ) -> UInt64 {
        var begun: UInt64 = 0
        data.forEach { begun &+= frames.count($0) }
        if begun > 0, scope != 0 { worker.cells.add(scope &- 1 &+ stat.rawValue, begun) }
        return begun
    }

    // MARK: Response

    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        let state = unsafe state(of: stream)
        guard unsafe state.pointee.scope != 0 || settings.leavesCounts else { return .proceed }
        unsafe state.pointee.countsResponse = GRPCContent.isResponse(stream.pointee.response, endStream: endStream)
        guard unsafe state.pointee.scope != 0 else { return .proceed }
        unsafe charge(worker, stream, stream.pointee.response, isEnd: endStream)
        return .proceed
    }

    // HOT: per frame.
    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict {
        let state = unsafe state(of: stream)
        if unsafe state.pointee.countsResponse {
            let begun = unsafe count(worker, state.pointee.scope, .responseMessageCount, &state.pointee.response, data)
            if settings.leavesCounts { unsafe stream.pointee.grpcCounts.response &+= begun }
        }
        return .proceed
    }

    override func responseTrailers(_ worker: Worker, _ stream: StreamPointer) -> TrailersVerdict {
        if unsafe state(of: stream).pointee.scope != 0, let trailers = unsafe stream.pointee.responseTrailers {
            unsafe charge(worker, stream, trailers, isEnd: true)
        }
        return .proceed
    }

    private func charge(_ worker: Worker, _ stream: StreamPointer, _ head: MessageHead, isEnd: Bool) {
        let scope = unsafe state(of: stream).pointee.scope &- 1
        if let status = head.value(of: .grpcStatus) { GRPCMethodScopes.charge(worker, scope, status) }
        guard isEnd, settings.countsUpstreamTime, unsafe !stream.pointee.isLocalReply, unsafe stream.pointee.upstreamRequestEndNs != 0
        else { return }
        // From the request's last byte to the response's.
        let elapsed = unsafe (worker.nowNs &- stream.pointee.upstreamRequestEndNs) / 1_000_000
        worker.cells.record(scope &+ GRPCMethodStat.upstreamRqTime.rawValue, elapsed)
    }
}
