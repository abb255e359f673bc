import TestSupport

/// The clients of `ReloadUnderLoadTests`: keep-alive requests, uploads, a connection per request, an Upgrade tunnel and a
/// TCP proxy connection that live for the whole time. Every answer is checked; each failure is told in words.
final class ReloadLoad: Sendable {
    let tally = LoadTally()
    private let ports: ReloadConfiguration
    private let stopped = Flag()
    private let stoppedLongLived = Flag()
    private let draining = Flag()
    private let threads = Locked<[BackgroundThread]>([])
    private let longLived = Locked<[BackgroundThread]>([])

    init(_ ports: ReloadConfiguration) { self.ports = ports }

    func start() {
        threads.withLock { threads in
            for number in 0..<3 { threads.append(BackgroundThread { [self] in keepAlive(number) }) }
            for _ in 0..<2 { threads.append(BackgroundThread { [self] in uploads() }) }
            threads.append(BackgroundThread { [self] in connectionPerRequest() })
            threads.append(BackgroundThread { [self] in visitor() })
        }
        longLived.withLock { threads in
            threads.append(BackgroundThread { [self] in tunnel() })
            threads.append(BackgroundThread { [self] in tcp() })
        }
    }

    /// From here on `connection: close` and refused connections are no failures: the proxy goes.
    func proxyDrains() { draining.raise() }

    /// Waits for the clients of requests, which end by themselves once they are refused, or now.
    func finishRequests() {
        if !draining.isRaised { stopped.raise() }
        for thread in threads.withLock({ $0 }) { thread.join() }
    }

    /// Ends the tunnel and the TCP connection.
    func finishLongLived() {
        stoppedLongLived.raise()
        for thread in longLived.withLock({ $0 }) { thread.join() }
    }

    private func connect(_ port: UInt16) -> Descriptor? {
        if let socket = try? Sockets.connect(port: port, within: 5_000) { return socket }
        if !draining.isRaised, port != ports.extra { tally.failed("connection refused on \(port)") }
        return nil
    }

    private func keepAlive(_ number: Int) {
        var socket: Descriptor?
        var turn = number
        let paths = ["/version", "/main", "/extra", "/other"]
        while !stopped.isRaised {
            if socket == nil { socket = connect(ports.http) }
            guard let open = socket else { return }
            turn += 1
            let path = paths[turn % 4]
            let answer = Exchange.get(path, on: open, limitMs: 20_000, keepsOpen: true)
            guard answer.status == 200 else {
                tally.failed("keep-alive \(path): \(answer)")
                socket = nil
                continue
            }
            tally.count("keep-alive")
            let body = String(decoding: answer.body, as: UTF8.self)
            if path == "/version" { tally.saw(body) } else { tally.saw(path + " " + body) }
            if answer.closes {
                if !draining.isRaised { tally.failed("keep-alive \(path): connection: close though nothing drains") }
                socket = nil
            }
        }
    }

    private func uploads() {
        var socket: Descriptor?
        let body = [UInt8](repeating: 0x61, count: 200_000)
        while !stopped.isRaised {
            if socket == nil { socket = connect(ports.http) }
            guard let open = socket else { return }
            let answer = Exchange.post("/upload", body, on: open, limitMs: 20_000)
            if answer.status == 200, String(decoding: answer.body, as: UTF8.self).hasSuffix(":200000") {
                tally.count("upload")
            } else {
                tally.failed("upload: \(answer)")
                socket = nil
            }
            if answer.closes { socket = nil }
        }
    }

    private func connectionPerRequest() {
        while !stopped.isRaised {
            guard let socket = connect(ports.http) else { return }
            let answer = Exchange.get("/main", on: socket, limitMs: 20_000)
            if answer.status == 200 { tally.count("connection") } else { tally.failed("connection per request: \(answer)") }
        }
    }

    /// Visits the listener that comes and goes: whoever gets through is answered.
    private func visitor() {
        while !stopped.isRaised {
            guard let socket = connect(ports.extra) else {
                if draining.isRaised { return }
                tally.count("extra refused")
                sleep(ms: 5)
                continue
            }
            let answer = Exchange.get("/main", on: socket, limitMs: 20_000)
            if answer.status == 200 { tally.count("extra") } else { tally.failed("listener that comes and goes: \(answer)") }
            sleep(ms: 1)
        }
    }

    private func tunnel() {
        guard let socket = connect(ports.http) else { return }
        let head = "GET /socket HTTP/1.1\r\nhost: h.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        guard Sockets.send(head.wire, from: 0, on: socket) == head.utf8.count else { return tally.failed("tunnel: no upgrade") }
        var received: [UInt8] = []
        let deadline = Deadline(afterMs: 10_000)
        while received.index(of: "\r\n\r\n".wire) == nil {
            guard Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0,
                case .bytes(let bytes) = Sockets.receive(socket)
            else { return tally.failed("tunnel: no answer to the upgrade: \(String(wire: received))") }
            received += bytes
        }
        guard received.starts(with: "HTTP/1.1 101".wire) else { return tally.failed("tunnel: \(String(wire: received))") }
        echoes(socket, "tunnel")
    }

    private func tcp() {
        guard let socket = connect(ports.tcp) else { return }
        echoes(socket, "tcp")
    }

    /// Numbered messages there and back, on one connection, until the end.
    private func echoes(_ socket: Descriptor, _ what: String) {
        var number = 0
        while !stoppedLongLived.isRaised {
            number += 1
            let message = Array("\(what) \(number) ".utf8) + [UInt8](repeating: 0x2e, count: number % 5_000)
            var sent = 0
            var back: [UInt8] = []
            let deadline = Deadline(afterMs: 20_000)
            while back.count < message.count {
                if sent < message.count {
                    let count = Sockets.send(message, from: sent, on: socket)
                    if count < 0 { return tally.failed("\(what): ended at message \(number)") }
                    sent += count
                }
                guard Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0 else {
                    return tally.failed("\(what): message \(number) did not come back")
                }
                switch Sockets.receive(socket) {
                case .bytes(let bytes): back += bytes
                case .nothing: break
                case .end, .reset: return tally.failed("\(what): ended at message \(number)")
                }
            }
            if back != message { return tally.failed("\(what): message \(number) came back changed") }
            tally.count(what)
            sleep(ms: 2)
        }
    }
}
