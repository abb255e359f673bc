// A request that a filter has kept is begun anew, as an internal redirect does it.

import Pipeline
import Primitives
import Testing
import Transport
import Wire

@Suite struct RecreateTests {
    private func script() -> Script {
        var script = Script()
        script.method = "POST"
        script.path = "/first"
        script.request = [Array("hel".utf8), Array("lo".utf8)]
        return script
    }

    /// What the chain keeps of the body goes through it a second time, and once to the upstream.
    @Test func theBodyGoesThroughTheChainAgain() throws {
        let pauser = Pauser(.buffers)
        let bench = try ChainBench(Given(pauser))
        let script = script()
        try bench.open(script)
        for step in script.steps.prefix(4) { bench.play(step, of: script) }
        #expect(bench.record.upstream.heads == 0, "all of it waits")
        let stream = unsafe try #require(bench.stream)
        unsafe stream.pointee.request.path = unsafe stream.pointee.request.store(Bytes("/second" as StaticString))
        #expect(unsafe bench.worker.recreate(stream))
        #expect(pauser.destroyedCount == 1)
        #expect(bench.record.upstream.heads == 0, "the new run is kept as well")
        // It stops each part that it is shown.
        for _ in 0..<4 { pauser.resume(bench.worker, bench.handle) }
        #expect(bench.record.upstream.isComplete && bench.record.upstream.path == "/second")
        #expect(String(decoding: bench.record.upstream.body, as: UTF8.self) == "hello")
        bench.end()
        #expect(bench.heldBytes == 0)
    }

    /// A body that has not come whole cannot be sent again.
    @Test func anUnfinishedRequestIsNotBegunAnew() throws {
        let pauser = Pauser(.buffers)
        let bench = try ChainBench(Given(pauser))
        let script = script()
        try bench.open(script)
        for step in script.steps.prefix(2) { bench.play(step, of: script) }
        let stream = unsafe try #require(bench.stream)
        #expect(unsafe !bench.worker.recreate(stream))
        #expect(pauser.destroyedCount == 0)
        bench.end()
        #expect(bench.heldBytes == 0)
    }
}
