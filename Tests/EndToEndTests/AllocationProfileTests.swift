import Glibc
import TestSupport
import Testing

/// Allocation profiles of the running proxy.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct AllocationProfileTests {
    private func start(_ admin: Admin, _ directory: TemporaryDirectory, _ arguments: [String] = []) throws -> ChildProcess {
        let file = directory.write(Bootstrap(admin: admin.port).yaml, to: "martlet.yaml")
        let process = try Binary.martlet().start(["-c", file, "--concurrency", "1"] + arguments)
        try #require(process.becomesReady(admin: admin.port), "\(process.output)")
        return process
    }

    private func text(_ message: HTTPMessage?) -> String { String(decoding: message?.body ?? [], as: UTF8.self) }

    private func bytes(_ folded: String, _ needle: String = "") -> Int {
        folded.textLines.filter { needle.isEmpty || $0.contains(needle) }.reduce(0) { $0 + (Int($1.split(separator: " ").last ?? "") ?? 0) }
    }

    /// Main allocates to answer: what it allocated is seen where it did.
    @Test
    func whatIsAllocatedIsSeen() throws {
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let process = try start(admin, directory)
        defer { process.kill() }
        #expect(admin.request("POST", "/allocprofiler?enable=y&sample_bytes=4096")?.status == 200)
        #expect(text(admin.request("POST", "/allocprofiler?enable=y")) == "Allocation profiler has already started")
        for _ in 0..<20 { _ = admin.request("GET", "/stats/prometheus", limitMs: 10_000) }
        let folded = text(admin.request("GET", "/profile?kind=alloc&format=folded", limitMs: 10_000))
        let all = bytes(folded)
        #expect(all > 1 << 20, "\(all) bytes")
        #expect(bytes(folded, "StatsBody") * 10 > all, "\(folded.prefix(3000))")
        let dump = admin.request("POST", "/allocprofiler?enable=n", limitMs: 10_000)
        #expect(dump?.status == 200 && dump?.header("content-type") == "text/plain; charset=UTF-8")
        let file = directory.path + "/alloc.pb"
        Files.write(dump?.body ?? [], to: file)
        if Shell.has("go") {
            let top = try Shell.run("go tool pprof -sample_index=alloc_space -top -cum \(file) 2>&1", limitMs: 60_000).output
            #expect(top.contains("Type: alloc_space") && top.contains("Pipeline.Worker.turn()"), "\(top.prefix(2000))")
        }
        #expect(text(admin.request("POST", "/allocprofiler?enable=n")) == "Allocation profiler is not started")
        // The page still shows it.
        #expect(admin.request("GET", "/profile?kind=alloc&format=json", limitMs: 10_000)?.status == 200)
    }

    /// From the start: what lives is about what the allocator says, and freed memory is out of it.
    @Test
    func theHeapFromTheStart() throws {
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let process = try start(admin, directory, ["--sample-heap-bytes", "1024"])
        defer { process.kill() }
        for _ in 0..<5 { _ = admin.request("GET", "/stats/prometheus", limitMs: 10_000) }
        let folded = text(admin.request("GET", "/profile?kind=heap&format=folded", limitMs: 15_000))
        let live = bytes(folded)
        let allocated = Int(text(admin.request("GET", "/memory")).textLines.first { $0.contains("allocated") }?.split(separator: "\"").last { Int($0) != nil } ?? "") ?? 0
        #expect(live > 200_000 && live < allocated * 3 / 2, "\(live) of \(allocated)")
        #expect(folded.contains("Control.Server.init"), "\(folded.prefix(2000))")
        let peak = bytes(text(admin.request("GET", "/profile?kind=peak&format=folded", limitMs: 15_000)))
        #expect(peak > live / 2)
        for target in ["/heap_dump", "/peak_heap_dump"] {
            let dump = admin.request("GET", target, limitMs: 15_000)
            #expect(dump?.status == 200 && (dump?.body.count ?? 0) > 1000, "\(target)")
        }
        #expect(text(admin.request("POST", "/heapprofiler?enable=y")) == "Fail to start heap profiler: already started")
        #expect(text(admin.request("POST", "/heapprofiler?enable=n")) == "OK\n")
        #expect(text(admin.request("POST", "/heapprofiler?enable=n")) == "Fail to stop heap profiler: not started")
        // The last one is kept.
        #expect(admin.request("GET", "/heap_dump", limitMs: 15_000)?.status == 200)
    }

    @Test
    func switchingManyTimesDoesNoHarm() throws {
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let process = try start(admin, directory)
        defer { process.kill() }
        for turn in 0..<40 {
            let which = turn % 2 == 0 ? "heapprofiler" : "allocprofiler"
            #expect(admin.request("POST", "/\(which)?enable=y&sample_bytes=1024")?.status == 200, "\(turn)")
            #expect(admin.request("GET", "/stats?format=json", limitMs: 10_000)?.status == 200)
            #expect(admin.request("POST", "/\(which)?enable=n", limitMs: 15_000)?.status == 200, "\(turn)")
        }
        #expect(process.exitStatus() == nil)
    }

    @Test
    func wrongParametersSaySo() throws {
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let process = try start(admin, directory)
        defer { process.kill() }
        for target in ["/heapprofiler", "/heapprofiler?enable=x", "/allocprofiler?enable=y&x=1", "/heapprofiler?enable=y&sample_bytes=1", "/heapprofiler?enable=y&sample_bytes=x"] {
            #expect(admin.request("POST", target)?.status == 400, "\(target)")
        }
        #expect(admin.request("GET", "/heapprofiler?enable=y")?.status == 405)
        #expect(admin.request("GET", "/profile?kind=heap&format=json")?.status == 404)
        #expect(admin.request("GET", "/profile?kind=heap&format=gperftools")?.status == 400)
        #expect(text(admin.request("GET", "/heap_dump")) == "Heap dump is not supported")
    }

    /// Locks are waited for: `/contention` counts where it was asked to.
    @Test
    func contentionIsCountedWhereItIsTraced() throws {
        let admin = Admin(port: Ports.free())
        let directory = TemporaryDirectory()
        let process = try start(admin, directory, ["--enable-mutex-tracing"])
        defer { process.kill() }
        let answer = admin.request("GET", "/contention")
        #expect(answer?.header("content-type") == "application/json")
        let lines = text(answer).textLines
        #expect(lines.count == 5 && lines[1].hasPrefix(" \"num_contentions\": \"") && lines[3].hasPrefix(" \"lifetime_wait_cycles\": \""), "\(lines)")
    }
}
