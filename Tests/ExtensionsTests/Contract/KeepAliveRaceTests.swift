// A request that was about to go to a connection that its host has given up: it goes to another one, and is counted once.

import Pipeline
import Primitives
import Stats
import TestSupport
import Testing
import Transport

@Suite(.serialized) struct KeepAliveRaceTests {
    private static let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    private static let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    private static let patience = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

    /// A request as the host gets it, and the answer.
    private func serve(_ host: Descriptor, _ bench: ProxyBench) -> String {
        var got = ""
        #expect(
            bench.turns {
                if case .bytes(let bytes) = Sockets.receive(host) { got += String(decoding: bytes, as: UTF8.self) }
                return got.hasSuffix("\r\n\r\n")
            })
        #expect(Sockets.send(Array(KeepAliveRaceTests.ok.utf8), from: 0, on: host) == KeepAliveRaceTests.ok.utf8.count)
        return got
    }

    /// The host ends the connection, or says that it has waited long enough, while the request is on its way through the proxy.
    @Test(arguments: [false, true])
    func whatNeverLeftIsNotCounted(saysWhy: Bool) throws {
        let listener = try Sockets.listen(port: 0)
        defer { listener.close() }
        var meters: [WireMeter] = []
        let filter = unsafe ClosureFilter(responseHead: { _, _, stream, _ in
            unsafe meters.append(stream.pointee.upstreamMeter)
            return .proceed
        })
        let bench = try ProxyBench(filter, upstream: SocketAddress(localOf: listener.raw).port, metersWire: true)
        func accepted() throws -> Descriptor {
            var host: Descriptor?
            #expect(
                bench.turns {
                    host = Sockets.accept(listener)
                    return host != nil
                })
            return try #require(host)
        }
        let client = try bench.send(KeepAliveRaceTests.request)
        let first = try accepted()
        let asHostsGetIt = serve(first, bench)
        #expect(bench.receive(client) { $0.hasSuffix("ok") }.text.hasPrefix("HTTP/1.1 200 OK"))

        // Both come to the worker in one turn, the request before the connection's end.
        #expect(Sockets.send(Array(KeepAliveRaceTests.request.utf8), from: 0, on: client) == KeepAliveRaceTests.request.utf8.count)
        if saysWhy { #expect(Sockets.send(Array(KeepAliveRaceTests.patience.utf8), from: 0, on: first) > 0) }
        first.close()
        let second = try accepted()
        let again = serve(second, bench)
        #expect(bench.receive(client) { $0.hasSuffix("ok") }.text.hasPrefix("HTTP/1.1 200 OK"))
        #expect(again.utf8.count == asHostsGetIt.utf8.count)
        // It was on the first connection before it was on the second.
        #expect(bench.count(.upstreamRqTotal) == 3 && bench.count(.upstreamCxTotal) == 2)
        try #require(meters.count == 2)
        #expect(meters[1].sent == UInt64(again.utf8.count) && meters[1].headSent == meters[0].headSent)
        #expect(meters[1].received == meters[0].received && meters[1].headReceived == meters[0].headReceived)
        client.close()
        second.close()
        #expect(bench.turns { bench.count(.upstreamCxDestroy) == 2 })
    }
}
