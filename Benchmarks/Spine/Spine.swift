// The steps of a request one by one: decode, match, encode, arm, a turn. `make microbench`; figures go to
// perf/journal.md.
//
// They time what a whole-process figure cannot tell apart. What a request costs is `perf/compare`'s business.

import Benchmark
import CTurn
import Glibc
import Primitives
import Routing
import Wire

let benchmarks: @Sendable () -> Void = {
    unsafe Benchmark.defaultConfiguration = .init(
        metrics: [.cpuUser, .wallClock, .throughput], warmupIterations: 3, scalingFactor: .kilo,
        maxDuration: .seconds(2))

    codecs()
    tables()
    timers()
    turns()
}

private let browserHead = """
    GET /catalogue/page/17?sort=price HTTP/1.1\r
    Host: perf.test\r
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
    Accept-Language: en-GB,en;q=0.7\r
    Accept-Encoding: gzip, deflate, br\r
    Cookie: session=3c9f0f6e2b1d4a7f8e5c6b7a90817263; theme=dark\r
    Cache-Control: max-age=0\r
    \r

    """

private let serviceHead = """
    HTTP/1.1 200 OK\r
    Content-Type: application/json\r
    Content-Length: 20\r
    Server: service\r
    Date: Wed, 25 Nov 2026 10:00:00 GMT\r
    ETag: "5f3e-19ab"\r
    Vary: Accept-Encoding\r
    \r

    """

/// Plain memory that lives as long as the process.
private func bytes(_ text: String) -> Bytes {
    let copy = Array(text.utf8)
    let base = UnsafeMutablePointer<UInt8>.allocate(capacity: copy.count)
    unsafe base.initialize(from: copy, count: copy.count)
    return unsafe Bytes(UnsafeRawPointer(base), copy.count)
}

private func head(_ text: String) -> MessageHead {
    guard var head = MessageHead(pool: BlockPool()) else { fatalError("no memory") }
    var decoder = H1RequestDecoder(options: H1Options())
    var cursor = 0
    guard case .head = decoder.next(bytes(text), &cursor, head: &head) else { fatalError("not a request: \(text)") }
    return head
}

private func codecs() {
    Benchmark("decode a request head") { benchmark in
        let input = bytes(browserHead)
        var message = head(browserHead)
        var decoder = H1RequestDecoder(options: H1Options())
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            message.reset()
            decoder.reset()
            var cursor = 0
            blackHole(decoder.next(input, &cursor, head: &message))
        }
    }
    Benchmark("decode a response head") { benchmark in
        let input = bytes(serviceHead)
        var message = head(browserHead)
        var decoder = H1ResponseDecoder(options: .response, requestMethod: .get)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            message.reset()
            decoder.reset(requestMethod: .get, upgradeWasAsked: false)
            var cursor = 0
            blackHole(decoder.next(input, &cursor, head: &message))
        }
    }
    Benchmark("encode a request head") { benchmark in
        let message = head(browserHead)
        let bound = H1Encoder.requestBound(message)
        let out = UnsafeMutableRawPointer.allocate(byteCount: bound, alignment: 16)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            blackHole(unsafe H1Encoder.requestHead(message, .none, H1EncoderOptions(), into: out, capacity: bound))
        }
    }
}

private func tables() {
    func table(_ count: Int) -> RouteTable {
        let routes = (0..<count).map { i in
            RouteMatchSpec(i % 2 == 0 ? .prefix("/service\(i)/") : .exact("/service\(i)/one"))
        }
        let spec = RouteTableSpec(name: "t", virtualHosts: [VirtualHostSpec(name: "v", domains: ["*"], routes: routes)])
        guard let table = try? RouteTable(spec, seed: 7) else { fatalError("the table compiles") }
        return table
    }
    for (name, count, path) in [
        ("match the only route", 1, "/service0/a"), ("match the last prefix of 10,000", 10_000, "/service9998/a"),
        ("match the last exact path of 10,000", 10_000, "/service9999/one"), ("miss 10,000 routes", 10_000, "/nowhere"),
    ] {
        Benchmark(name) { benchmark in
            let table = table(count)
            let message = head("GET \(path) HTTP/1.1\r\nHost: perf.test\r\n\r\n")
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations { blackHole(table.match(message, MatchContext(random: 1))) }
        }
    }
}

private func timers() {
    Benchmark("arm, move and cancel a timer") { benchmark in
        let wheel = TimerWheel(now: 0)
        defer { wheel.destroy() }
        let node = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
        unsafe node.initialize(to: TimerNode(token: 1))
        defer { unsafe node.deallocate() }
        benchmark.startMeasurement()
        for i in benchmark.scaledIterations {
            unsafe wheel.arm(node, at: UInt64(i) &+ 15_000)
            unsafe wheel.armNoLater(node, than: UInt64(i) &+ 300_000)
            unsafe wheel.cancel(node)
        }
    }
}

private func turns() {
    let pairs: Int32 = 32
    Benchmark("a turn with nothing to do") { benchmark in
        guard let bench = unsafe martlet_turn_make(0) else { fatalError("no ring") }
        defer { unsafe martlet_turn_destroy(bench) }
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { unsafe martlet_turn_idle(bench) }
    }
    // The peers' writes and reads are in it.
    Benchmark("turns: 32 messages received and sent back") { benchmark in
        guard let bench = unsafe martlet_turn_make(pairs) else { fatalError("no ring") }
        defer { unsafe martlet_turn_destroy(bench) }
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            guard unsafe martlet_turn_echo(bench) == pairs else { fatalError("a message did not come back") }
        }
    }
}
