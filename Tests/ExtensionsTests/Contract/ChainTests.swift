// The chain itself, with filters that stop, resume, ask, replace, answer and begin anew.

import Pipeline
import Primitives
import Testing
import Transport
import Wire

@Suite struct ChainTests {
    @Test(arguments: Neighbour.allCases)
    func pausingFilterKeepsTheContract(kind: Neighbour) throws {
        try FilterContract(make: { Given(Pauser(kind == .none ? .none : .resumesAtOnce)) }).check()
    }

    /// The service is a cluster that does not exist, so its answer is one of ours: the call ends in the turn it began in.
    @Test func askingFilterKeepsTheContract() throws {
        let arena = FrozenArena()
        let target = unsafe CallTarget.make(cluster: RouteConfig.noSlot, name: "none", timeoutMs: 1000, in: arena)
        try FilterContract(
            make: { unsafe Given(AskingFilter(target: target)) }, requestBody: { _ in nil },
            settle: { bench in bench.worker.deliverCalls() }
        ).check()
    }

    @Test func replacingFilterKeepsTheContract() throws {
        let replaced: ([UInt8]) -> [UInt8] = { Array("\($0.count) bytes".utf8) }
        try FilterContract(make: { Given(ReplacingFilter()) }, requestBody: replaced, responseBody: replaced).check()
    }

    @Test(arguments: Neighbour.allCases)
    func addedTrailersFollowTheBody(neighbour: Neighbour) throws {
        let bench = try ChainBench(Given(ReplacingFilter()), neighbour: neighbour)
        var script = Script()
        script.request = [[1, 2, 3]]
        script.response = [[1], [2], [3], [4]]
        try bench.run(script)
        #expect(bench.record.upstream.isComplete && bench.record.client.isComplete)
        #expect(bench.record.upstream.trailers == ["x-length": "3"])
        #expect(bench.record.client.trailers == ["x-length": "4"])
        bench.end()
        #expect(bench.heldBytes == 0)
    }

    @Test func beyondTheLimitABufferedRequestIsRefused() throws {
        let bench = try ChainBench(Given(Gatherer()), bufferLimit: 10)
        var script = Script()
        script.request = [Array(repeating: 1, count: 10), [1]]
        try bench.run(script)
        #expect(bench.record.client.status == 413)
        #expect(bench.record.client.isComplete)
        #expect(String(decoding: bench.record.client.body, as: UTF8.self) == "Payload Too Large")
        #expect(bench.record.upstream.heads == 0)
        bench.end()
        #expect(bench.heldBytes == 0)
    }

    @Test func atTheLimitABufferedRequestPasses() throws {
        let bench = try ChainBench(Given(Gatherer()), bufferLimit: 10)
        var script = Script()
        script.request = [Array(repeating: 1, count: 9), [1]]
        try bench.run(script)
        #expect(bench.record.client.status == 200)
        #expect(bench.record.upstream.body.count == 10)
    }

    /// The 500 replaces the response, which the filters have seen already: it goes out past them, and nothing of the
    /// response does.
    @Test func beyondTheLimitABufferedResponseIsReplaced() throws {
        let bench = try ChainBench(Given(Gatherer()), bufferLimit: 10)
        var script = Script()
        script.response = [Array(repeating: 1, count: 10), [1], [2]]
        try bench.run(script)
        #expect(bench.record.client.heads == 0)
        #expect(unsafe bench.stream == nil, "the answer is complete")
        #expect(bench.heldBytes == 0)
    }

    @Test func anAnswerFromInsideTheChainEndsTheRequest() throws {
        let bench = try ChainBench(Given(Answering()), neighbour: .gathers)
        var script = Script()
        script.request = [[1], [2]]
        try bench.run(script)
        #expect(bench.record.client.status == 418 && bench.record.client.isComplete)
        #expect(bench.record.upstream.heads == 0)
        bench.end()
        #expect(bench.heldBytes == 0)
    }

    /// The request passes the chain a second time, with its body, and only the second response is seen.
    @Test func recreatedStreamRunsTheChainAgain() throws {
        let redirecting = Redirecting()
        let bench = try ChainBench(Given(redirecting))
        var script = Script()
        script.path = "/first"
        try bench.open(script)
        bench.play(.requestHead, of: script)
        #expect(bench.record.upstream.path == "/first")
        bench.record.upstream = Seen()
        script.status = 302
        bench.play(.responseHead, of: script)
        #expect(bench.record.client.heads == 0)
        #expect(bench.record.upstream.path == "/second" && bench.record.upstream.isComplete)
        script.status = 200
        bench.play(.responseHead, of: script)
        #expect(bench.record.client.status == 200 && bench.record.client.isComplete)
        #expect(redirecting.destroyedCount == 1)
        bench.end()
        #expect(redirecting.destroyedCount == 2)
        #expect(bench.heldBytes == 0)
    }

    @Test func injectedBodyGoesOnAtOnce() throws {
        let pauser = Pauser(.stops)
        let bench = try ChainBench(Given(pauser))
        let script = Script()
        try bench.open(script)
        bench.play(.requestHead, of: script)
        #expect(bench.record.upstream.heads == 0)
        for (part, ends) in [("one ", false), ("two", true)] {
            var data = ByteQueue()
            _ = part.withBytes { data.append(copying: $0, bench.worker.memory) }
            bench.worker.inject(.request, bench.handle, &data, endStream: ends, from: pauser)
        }
        #expect(bench.record.upstream.isComplete && !bench.record.upstream.headEnds)
        #expect(String(decoding: bench.record.upstream.body, as: UTF8.self) == "one two")
        pauser.resume(bench.worker, bench.handle)
        #expect(bench.record.upstream.isComplete)
        bench.end()
        #expect(bench.heldBytes == 0)
    }

    @Test func heldEndGoesOnWithTheResume() throws {
        let filter = EndHolder()
        let bench = try ChainBench(Given(filter))
        let script = Script()
        try bench.open(script)
        bench.play(.requestHead, of: script)
        #expect(bench.record.upstream.heads == 1 && bench.record.upstream.ends == 0)
        bench.worker.resumeRequest(bench.handle, from: filter)
        #expect(bench.record.upstream.isComplete)
    }

    @Test func disabledFilterSeesNothing() throws {
        let pauser = Pauser(.buffers)
        let bench = try ChainBench(Given(pauser))
        let arena = FrozenArena()
        bench.route.filterConfigs = arena.array([
            RouteFilterConfig(filter: 2, config: RouteFilterConfig.none, isDisabled: true)
        ])
        try bench.run(Script())
        #expect(bench.record.client.isComplete)
        bench.end()
        #expect(pauser.destroyedCount == 0)
    }

    @Test func filterThatIsOffByDefaultIsSwitchedOnByARoute() throws {
        for isOn in [false, true] {
            let factory = Given(Answering())
            factory.isDisabled = true
            let bench = try ChainBench(factory)
            let arena = FrozenArena()
            if isOn {
                bench.route.filterConfigs = arena.array([
                    RouteFilterConfig(filter: 2, config: RouteFilterConfig.none, isDisabled: false)
                ])
            }
            try bench.run(Script())
            #expect(bench.record.client.status == (isOn ? 418 : 200))
        }
    }
}

private final class Gatherer: HTTPFilter {
    init() { super.init(name: "gatherer", interest: [.requestHead, .requestBody, .responseHead, .responseBody]) }
    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        endStream ? .proceed : .stop
    }
    override func requestData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict { endStream ? .proceed : .stopAndBuffer }
    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        endStream ? .proceed : .stop
    }
    override func responseData(
        _ worker: Worker, _ stream: StreamPointer, _ data: inout ByteQueue, endStream: Bool
    ) -> DataVerdict { endStream ? .proceed : .stopAndBuffer }
}

private final class Answering: HTTPFilter {
    init() { super.init(name: "answering", interest: [.requestHead]) }
    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        unsafe worker.reply(
            stream, status: 418, body: Bytes("teapot" as StaticString), details: Bytes("teapot" as StaticString), flags: [])
        return .stop
    }
}

private final class Redirecting: HTTPFilter {
    private(set) var destroyedCount = 0
    init() { super.init(name: "redirecting", interest: [.responseHead]) }
    override func responseHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict {
        guard unsafe stream.pointee.response.status == 302 else { return .proceed }
        unsafe stream.pointee.request.path = unsafe stream.pointee.request.store(Bytes("/second" as StaticString))
        return unsafe worker.recreate(stream) ? .stop : .proceed
    }
    override func destroyed(_ worker: Worker, _ stream: StreamPointer) { destroyedCount += 1 }
}

private final class EndHolder: HTTPFilter {
    init() { super.init(name: "end holder", interest: [.requestHead]) }
    override func requestHead(_ worker: Worker, _ stream: StreamPointer, endStream: Bool) -> HeadVerdict { .proceedAndHoldEnd }
}
