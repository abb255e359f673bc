import Glibc
import TestSupport
import Testing

/// Peers of every kind of misbehaviour at once, by a seeded schedule. Afterwards nothing is left of them: no gauge, no
/// connection, no memory, and a plain request is served as before.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct StormTests {
    @Test(arguments: [1, 2])
    func nothingIsLeftOfAStorm(seed: UInt64) throws {
        let upstream = try StormUpstream(seed: seed)
        defer { upstream.stop() }
        let served = try Served(try Binary.martlet(), workers: 1) { port in
            Served.http(
                port,
                route: "timeout: 3s, retry_policy: {retry_on: \"reset,connect-failure\", num_retries: 1}",
                clusters: [Served.cluster([upstream.port])])
                .replacing(
                    text: "stat_prefix: h",
                    by: "stat_prefix: h\n          upgrade_configs: [{upgrade_type: websocket}]\n          http_protocol_options: {accept_http_10: true, enable_trailers: true}\n          stream_idle_timeout: 2s")
        }
        #expect(try served.get("/plain").status == 200)
        // What the pools keep is there from now on.
        storm(served, seed: seed, clients: 8, untilMs: 1_500)
        let before = try #require(Memory.residentKB(served.process.pid))
        storm(served, seed: seed &+ 100, clients: 16, untilMs: 5_000)
        #expect(served.process.exitStatus() == nil, "\(served.process.output)")
        for gauge in ["http.h.downstream_cx_active", "http.h.downstream_rq_active", "http.h.downstream_cx_upgrades_active",
            "cluster.c.upstream_rq_active", "cluster.c.upstream_rq_pending_active", "listener.127.0.0.1_\(served.listener).downstream_cx_active"]
        {
            var left = served.stat(gauge, becomes: 0)
            // A route's or a stream's time-out may still be running.
            if left != 0 { left = served.stat(gauge, becomes: 0) }
            #expect(left == 0, "\(gauge), seed \(seed)")
        }
        let active = served.admin.stats(matching: "^cluster.c.upstream_cx_active$")["cluster.c.upstream_cx_active"]
        let breakers = served.admin.stats(matching: "remaining")
        #expect(try served.get("/plain").status == 200)
        // Those that are left are idle ones: when the upstream closes them, none is counted.
        upstream.closeAll()
        #expect(served.stat("cluster.c.upstream_cx_active", becomes: 0) == 0, "\(active ?? -1) were open, seed \(seed), \(breakers)")
        let after = try #require(Memory.residentKB(served.process.pid))
        // A sanitizer keeps what was freed.
        #expect(after - before < 40_000 || Environment["MARTLET_SANITIZED"] != nil, "\(before) KB, then \(after) KB, seed \(seed)")
        #expect(served.process.exitStatus() == nil)
        // No receive buffer is missing: a body of more than all of them still goes through, and a request after it.
        let large = try served.send("POST /plain HTTP/1.1\r\nhost: h\r\ncontent-length: 6000000\r\n\r\n" + String(repeating: "z", count: 6_000_000), method: "POST")
        #expect(large.status == 200)
        #expect(try served.get("/plain").status == 200)
    }

    private func storm(_ served: Served, seed: UInt64, clients: Int, untilMs: Int) {
        let port = served.listener
        let threads = (0..<clients).map { i in
            BackgroundThread {
                var dice = Dice(seed &* 1_000 &+ UInt64(i))
                let deadline = Deadline(afterMs: untilMs)
                while !deadline.passed { StormClient.run(port, &dice) }
            }
        }
        for thread in threads { thread.join() }
    }
}

/// Numbers that are the same for the same seed.
struct Dice {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int((state >> 11) % UInt64(bound))
    }

    mutating func isOne(in bound: Int) -> Bool { next(bound) == 0 }
}

/// One connection of one client: some requests, sent in pieces, read or not, ended in one way or another.
enum StormClient {
    static func run(_ port: UInt16, _ dice: inout Dice) {
        guard let socket = try? Sockets.connect(port: port, within: 1_000) else { return }
        let count = 1 + dice.next(4)
        var bytes: [UInt8] = []
        for _ in 0..<count { bytes += request(&dice) }
        if dice.isOne(in: 4) { bytes = Array(bytes.prefix(1 + dice.next(bytes.count))) }
        let limit = Deadline(afterMs: 400)
        let reads = !dice.isOne(in: 5)
        var sent = 0
        while sent < bytes.count, !limit.passed {
            let piece = dice.isOne(in: 3) ? 1 + dice.next(40) : dice.isOne(in: 2) ? 1_000 : 100_000
            let end = min(bytes.count, sent + piece)
            let events = Sockets.ready(socket, for: Sockets.writable | (reads ? Sockets.readable : 0), until: limit)
            if events & Sockets.readable != 0, case .bytes = Sockets.receive(socket) {} else if events & Sockets.readable != 0 { break }
            if events & Sockets.writable != 0 {
                let count = Sockets.send(Array(bytes[sent..<end]), from: 0, on: socket)
                if count < 0 { break }
                sent += count
            }
            if dice.isOne(in: 8) { sleep(ms: dice.next(5)) }
        }
        let ends = dice.next(10)
        if ends == 0 { socket.shutDown(SHUT_WR) }
        if ends > 1 {
            let patience = Deadline(afterMs: 10 + dice.next(250))
            while reads, Sockets.ready(socket, for: Sockets.readable, until: patience) != 0 {
                guard case .bytes = Sockets.receive(socket) else { break }
                if dice.isOne(in: 4) { sleep(ms: dice.next(6)) }
            }
        }
        if dice.isOne(in: 3) { socket.reset() } else { socket.close() }
    }

    private static func request(_ dice: inout Dice) -> [UInt8] {
        let path = "/\(dice.next(1_000_000))"
        let close = dice.isOne(in: 6) ? "connection: close\r\n" : ""
        let version = dice.isOne(in: 10) ? "HTTP/1.0" : "HTTP/1.1"
        let size = dice.isOne(in: 4) ? dice.next(400_000) : dice.next(3_000)
        switch dice.next(12) {
        case 0...3: return "GET \(path) \(version)\r\nhost: h\r\n\(close)\r\n".wire
        case 4: return "HEAD \(path) HTTP/1.1\r\nhost: h\r\n\(close)\r\n".wire
        case 5, 6:
            return "POST \(path) HTTP/1.1\r\nhost: h\r\n\(close)content-length: \(size)\r\n\r\n".wire
                + [UInt8](repeating: 0x62, count: size)
        case 7, 8:
            var text = "PUT \(path) HTTP/1.1\r\nhost: h\r\n\(close)transfer-encoding: chunked\r\n\r\n".wire
            for _ in 0..<dice.next(6) {
                let part = 1 + dice.next(20_000)
                text += "\(String(part, radix: 16))\(dice.isOne(in: 3) ? ";ext=1" : "")\r\n".wire
                text += [UInt8](repeating: 0x63, count: part) + "\r\n".wire
            }
            return text + (dice.isOne(in: 2) ? "0\r\n\r\n" : "0\r\nx-trailer: 1\r\n\r\n").wire
        case 9:
            return "GET \(path) HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".wire
                + [UInt8](repeating: 0x77, count: dice.next(30_000))
        case 10:
            return "POST \(path) HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: \(size)\r\n\r\n".wire
                + [UInt8](repeating: 0x65, count: size)
        default: return "GET \(path) HTTP/1.1\r\nhost: h\r\nbad header\u{0}\r\n\r\n".wire
        }
    }
}

/// An upstream of many moods, a thread per connection.
final class StormUpstream: Sendable {
    let port = Ports.free()
    private let seed: UInt64
    private let listener: Descriptor
    private let stopped = Flag()
    private let connections = Locked<[Descriptor]>([])

    init(seed: UInt64) throws {
        self.seed = seed
        listener = try Sockets.listen(port: port)
        _ = BackgroundThread { [self] in
            var number: UInt64 = 0
            while !stopped.isRaised {
                guard Sockets.ready(listener, for: Sockets.readable, until: Deadline(afterMs: 100)) != 0,
                    let socket = Sockets.accept(listener)
                else { continue }
                number += 1
                let dice = Dice(seed &* 77_777 &+ number)
                connections.withLock { $0.append(socket) }
                _ = BackgroundThread { [self] in
                    var dice = dice
                    serve(socket, &dice)
                    connections.withLock { all in all.removeAll { $0 === socket } }
                    socket.close()
                }
            }
            listener.close()
        }
    }

    func stop() {
        stopped.raise()
        closeAll()
    }

    func closeAll() { for socket in connections.withLock({ $0 }) { socket.shutDown(SHUT_RDWR) } }

    private func serve(_ socket: Descriptor, _ dice: inout Dice) {
        var received: [UInt8] = []
        while !stopped.isRaised {
            while received.index(of: "\r\n\r\n".wire) == nil {
                guard read(socket, &received, upToMs: 20_000) else { return }
            }
            let isPlain = received.index(of: " /plain ".wire).map { $0 < 10 } ?? false
            let isHead = received.starts(with: "HEAD ".wire)
            let isUpgrade = received.index(of: "upgrade: websocket".wire) != nil
            let mood = isPlain ? 100 : dice.next(24)
            if mood == 0 { return socket.reset() }
            if mood == 1 { return }
            // Early: before the body is read.
            if mood == 2 {
                send(socket, "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nno!".wire)
                if dice.isOne(in: 2) { return }
            }
            let slow = mood == 3
            var end = HTTPParser.requestEnd(received, from: 0)
            while end == nil {
                if slow { sleep(ms: 2) }
                guard read(socket, &received, upToMs: 20_000) else { return }
                end = HTTPParser.requestEnd(received, from: 0)
            }
            received.removeFirst(end ?? received.count)
            if mood == 2 { continue }
            if isUpgrade, dice.isOne(in: 2) { return tunnel(socket, received, &dice) }
            if mood == 4 { sleep(ms: dice.next(100)) }
            if mood == 5 { send(socket, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".wire) }
            let size = dice.isOne(in: 5) ? dice.next(1_500_000) : dice.next(5_000)
            let body = isHead ? [] : [UInt8](repeating: 0x79, count: isPlain ? 2 : size)
            switch mood {
            case 6: return send(socket, "HTTP/1.1 200 OK\r\n\r\n".wire + body)
            case 7: return send(socket, "HTTP/1.1 200 OK\r\ncontent-length: \(body.count + 10)\r\n\r\n".wire + body)
            case 8: send(socket, "HTTP/1.1 204 No Content\r\n\r\n".wire)
            case 9: send(socket, "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n".wire)
            case 10: send(socket, "HTTP/1.1 200 OK\r\ncontent-length: \(body.count)\r\n\r\n".wire + body + "excess".wire)
            case 11: return send(socket, "HTTP/1.1 200 OK\r\nbad\u{1}: x\r\n\r\n".wire)
            case 12:
                send(socket, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: \(body.count)\r\n\r\n".wire + body)
                if dice.isOne(in: 2) { return }
            case 13...16:
                var bytes = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".wire
                if !isHead {
                    var rest = body.count
                    while rest > 0 {
                        let part = min(rest, 1 + dice.next(60_000))
                        bytes += "\(String(part, radix: 16))\r\n".wire + [UInt8](repeating: 0x7a, count: part) + "\r\n".wire
                        rest -= part
                    }
                    bytes += (mood == 13 ? "0\r\nx-trailer: t\r\n\r\n" : "0\r\n\r\n").wire
                }
                if mood == 14 { bytes = Array(bytes.prefix(1 + dice.next(bytes.count))) }
                send(socket, bytes)
                if mood == 14 { return dice.isOne(in: 2) ? socket.reset() : () }
            default:
                send(socket, "HTTP/1.1 200 OK\r\ncontent-length: \(isHead ? 7 : body.count)\r\n\r\n".wire + body)
                if mood == 17 { return }
            }
        }
    }

    private func tunnel(_ socket: Descriptor, _ early: [UInt8], _ dice: inout Dice) {
        send(socket, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".wire)
        send(socket, [UInt8](repeating: 0x74, count: dice.next(200_000)))
        var received = early
        let limit = dice.next(40_000)
        while received.count < limit, read(socket, &received, upToMs: 200) {}
        if dice.isOne(in: 3) { socket.reset() }
    }

    private func read(_ socket: Descriptor, _ into: inout [UInt8], upToMs: Int) -> Bool {
        let deadline = Deadline(afterMs: upToMs)
        while !stopped.isRaised, Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0 {
            switch Sockets.receive(socket) {
            case .bytes(let bytes):
                into += bytes
                return true
            case .nothing: continue
            case .end, .reset: return false
            }
        }
        return false
    }

    private func send(_ socket: Descriptor, _ bytes: [UInt8]) {
        var sent = 0
        let deadline = Deadline(afterMs: 8_000)
        while sent < bytes.count, !stopped.isRaised {
            guard Sockets.ready(socket, for: Sockets.writable, until: deadline) != 0 else { return }
            let count = Sockets.send(bytes, from: sent, on: socket)
            if count < 0 { return }
            sent += count
        }
    }
}
