// What must always hold of both ends of HTTP/2, whatever a client and an upstream do, checked by the fuzzer and, over its
// corpus, by PipelineTests:
// - what is sent reads as messages, and as those that were meant (`FramesOut`),
// - when both sides have gone and their time is over, everything has been given back and every gauge is 0.
//
// Input: a byte that chooses the listener (`FedVariant`), one that says in what pieces bytes arrive, then steps.

import Pipeline
import Primitives
import Ring
import Stats
import StatsStore
import Transport

enum H2Invariants {
    private static let clientsMax = 4

    nonisolated(unsafe) private static var shared: FedWorker?

    static func check(_ input: Bytes) {
        guard input.count > 2 else { return }
        check(unsafe shared ?? make(), input)
    }

    /// A worker that has served before: what it keeps for the next request is no leak.
    private static func make() -> FedWorker {
        guard let fed = try? FedWorker() else { fatalError("no worker") }
        unsafe shared = fed
        return fed
    }

    /// Traps when something does not hold.
    static func check(_ fed: FedWorker, _ input: Bytes) {
        var steps = FramesIn((2..<input.count).map { input[$0] })
        let variant = FedVariant(rawValue: input[0] & 31)
        fed.begin()
        if input[1] != 0 { fed.piece = Int(input[1]) }
        fed.connect(variant)
        var side = fed.peers.last
        if input[0] & 128 == 0 { side?.pending = FramesIn.preface + [0, 0, 0, 4, 0, 0, 0, 0, 0] }
        while !steps.isAtEnd {
            let step = steps.byte()
            if let frame = steps.frame(step) {
                if let side, side.end == .open, side.pending.count < 1 << 20 { side.pending += frame }
                continue
            }
            let argument = step >> 4
            switch step & 15 {
            case 11:
                fed.turn(afterNs: [1_000, 1_000_000, 30_000_000, 1_100_000_000, 6_000_000_000][Int(argument) % 5])
                fed.settle()
            case 12: side = find(fed, isClient: argument & 1 == 0, Int(argument >> 1)) ?? side
            case 13: side?.end = argument & 1 == 0 ? .ended : .reset
            case 14: side?.takes = [0, 1, 100, .max][Int(argument & 3)]
            default: side = other(argument, fed, variant, side)
            }
        }
        fed.settle()
        conclude(fed)
    }

    /// The connection of that number on that side, of those that are still there.
    private static func find(_ fed: FedWorker, isClient: Bool, _ number: Int) -> FedPeer? {
        let peers = fed.peers.filter { $0.isClient == isClient && fed.isThere($0) }
        return peers.isEmpty ? nil : peers[peers.count - 1 - number % peers.count]
    }

    private static func other(_ argument: UInt8, _ fed: FedWorker, _ variant: FedVariant, _ side: FedPeer?) -> FedPeer? {
        let text: String
        switch argument {
        case 0:
            guard fed.peers.filter(\.isClient).count < clientsMax else { return side }
            fed.connect(variant)
            return fed.peers.last
        case 1:
            fed.publish(.draining)
            return side
        case 2:
            fed.publish(.over)
            return side
        case 3: text = "GET / HTTP/1.1\r\nhost: a\r\n\r\n"
        case 4: text = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"
        case 5: text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
        case 6: text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"
        case 7: text = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
        case 8: text = "GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
        case 9: text = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        case 10: text = String(decoding: FramesIn.preface, as: UTF8.self)
        case 11: text = "HTTP/1.1 100 Continue\r\n\r\n"
        default:
            side?.refuses = true
            return side
        }
        if let side, side.end == .open { side.pending += Array(text.utf8) }
        return side
    }

    // MARK: The end

    private static func conclude(_ fed: FedWorker) {
        for (i, seconds) in ([0, 1, 6, 60, 600, 4_000, 4_000] as [UInt64]).enumerated() {
            for peer in fed.peers { peer.end = .reset }
            fed.turn(afterNs: seconds * 1_000_000_000)
            fed.settle()
            if i == 0 { fed.publish(.serving) }
        }
        let worker = fed.worker
        let held = worker.http2Holdings
        let counts = [
            "connections": worker.connections.slab.count, "downstream connections": worker.downstreamConnections,
            "requests": worker.streams.count, "sessions": held.sessions, "streams": held.streams, "METADATA": held.metadata, "nghttp2's bytes": held.heapBytes,
            "receive buffers": worker.memory.buffers.held, "bytes of blocks": worker.memory.blocks.allocatedBytes - fed.restBytes,
            "timers": worker.timers.count,
        ]
        for (name, count) in counts where count != 0 { fatalError("\(count) \(name) are left") }
        let configuration = fed.configuration
        let gauges: [StatID] = [
            configuration.http[.downstreamCxActive], configuration.http[.downstreamCxHttp2Active],
            configuration.http[.downstreamRqActive], configuration.cluster[.upstreamCxActive],
            configuration.cluster[.upstreamRqActive], configuration.cluster[.upstreamRqPendingActive],
            configuration.server[.streamsActive], configuration.client[.streamsActive],
        ]
        for (i, gauge) in gauges.enumerated() where configuration.stats.gauge(gauge, .gauge).value != 0 {
            fatalError("gauge \(i) is \(configuration.stats.gauge(gauge, .gauge).value)")
        }
    }
}
