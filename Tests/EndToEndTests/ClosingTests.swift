import Glibc
import TestSupport
import Testing

/// The last bytes of a connection: what was answered arrives, and what was counted is given back.
@Suite(.serialized, .enabled(if: Binary.isThere, "\(Binary.whyNot)"))
struct ClosingTests {
    private func serve(_ size: Int, options: String = "") throws -> (Served, ScriptedUpstream) {
        let upstream = try ScriptedUpstream(name: "c")
        upstream.begin(.always("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n" + String(repeating: "x", count: size)))
        upstream.start()
        let served = try Served(try Binary.martlet()) { port in
            let address = "  - address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}"
            // The proxy may keep all of it, so that it is done with the answer long before the client is.
            return Served.http(port, clusters: [Served.cluster([upstream.port])])
                .replacing(text: address, by: address + "\n    per_connection_buffer_limit_bytes: 33554432")
                .replacing(text: "stat_prefix: h", by: "stat_prefix: h\(options.isEmpty ? "" : "\n          " + options)")
        }
        return (served, upstream)
    }

    /// A client that reads slowly and without pause gets all of an answer after which the connection closes.
    @Test(arguments: [
        ("connection: close\r\n", ""), ("", "common_http_protocol_options: {max_requests_per_connection: 1}"),
    ])
    func aSlowReaderGetsTheWholeLastAnswer(header: String, options: String) throws {
        try readsAll(10_000_000, header, options, bytesPerStep: 32_768, pauseMs: 12, limitMs: 20_000)
    }

    /// One that takes longer for what a single send hands to the kernel, 256 KiB, than the whole timeout.
    @Test func aSlowerReaderThanASendGetsTheWholeLastAnswer() throws {
        try readsAll(
            6_000_000, "connection: close\r\n", "delayed_close_timeout: 0.8s", bytesPerStep: 16_384, pauseMs: 20, limitMs: 60_000)
    }

    private func readsAll(_ size: Int, _ header: String, _ options: String, bytesPerStep: Int, pauseMs: Int, limitMs: Int) throws {
        let (served, upstream) = try serve(size, options: options)
        defer { upstream.stop() }
        let socket = try SlowSocket.connect(port: served.listener, window: 131_072)
        _ = Sockets.send("GET / HTTP/1.1\r\nhost: h\r\n\(header)\r\n".wire, from: 0, on: socket)
        let received = SlowSocket.drain(socket, bytesPerStep: bytesPerStep, pauseMs: pauseMs, limitMs: limitMs)
        #expect(received > size, "\(received) bytes")
        #expect(served.stat("http.h.downstream_cx_active", becomes: 0) == 0)
    }

    /// A client that stops reading holds its connection no longer than `delayed_close_timeout` says.
    @Test func aClientThatReadsNothingIsLetGo() throws {
        let (served, upstream) = try serve(10_000_000, options: "delayed_close_timeout: 0.3s")
        defer { upstream.stop() }
        let socket = try SlowSocket.connect(port: served.listener)
        _ = Sockets.send("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".wire, from: 0, on: socket)
        #expect(served.stat("http.h.downstream_rq_2xx", becomes: 1) == 1)
        #expect(served.stat("listener.127.0.0.1_\(served.listener).downstream_cx_active", becomes: 0) == 0)
        socket.close()
    }

    /// Its end behind the request: an answer that was queued by then still arrives whole.
    @Test func anEndBehindTheRequestDoesNotCutTheAnswer() throws {
        let size = 10_000_000
        let (served, upstream) = try serve(size)
        defer { upstream.stop() }
        let socket = try SlowSocket.connect(port: served.listener)
        _ = Sockets.send("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".wire, from: 0, on: socket)
        #expect(served.stat("http.h.downstream_rq_2xx", becomes: 1) == 1)
        socket.shutDown(SHUT_WR)
        sleep(ms: 50)
        let received = SlowSocket.drain(socket, bytesPerStep: 65_536, pauseMs: 0, limitMs: 40_000)
        #expect(received > size, "\(received) bytes")
    }
}

/// A socket that announces a small window, so that what is not read waits in the proxy.
enum SlowSocket {
    static func connect(port: UInt16, window: Int32 = 4_096) throws -> Descriptor {
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SocketError.failed("socket", errno: errno) }
        let descriptor = Descriptor(raw)
        var size = window
        unsafe setsockopt(raw, SOL_SOCKET, SO_RCVBUF, &size, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw SocketError.failed("connect 127.0.0.1:\(port)", errno: errno) }
        _ = fcntl(raw, F_SETFL, O_NONBLOCK)
        return descriptor
    }

    /// Reads until the end, a little at a time; how many bytes came.
    static func drain(_ socket: Descriptor, bytesPerStep: Int, pauseMs: Int, limitMs: Int) -> Int {
        let deadline = Deadline(afterMs: limitMs)
        var all = 0
        var buffer = [UInt8](repeating: 0, count: bytesPerStep)
        while !deadline.passed, Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0 {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(socket.raw, $0.baseAddress, bytesPerStep, 0) }
            if count <= 0 { break }
            all += count
            sleep(ms: pauseMs)
        }
        return all
    }
}
