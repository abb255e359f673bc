@testable import Control
import Glibc
import Primitives
import Stats
import StatsStore
import Testing

/// Lines over TCP to a peer that is always behind.
@Suite struct StreamSinkTests {
    /// A listening socket of 127.0.0.1, and where it listens.
    private static func listen() throws -> (descriptor: Int32, address: SocketAddress) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        let storage = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
        defer { unsafe storage.deallocate() }
        let address = try #require(SocketAddress(ip: "127.0.0.1", port: 0))
        var count = unsafe address.store(storage)
        let place = unsafe storage.assumingMemoryBound(to: sockaddr.self)
        try #require(unsafe bind(descriptor, place, count) == 0 && Glibc.listen(descriptor, 1) == 0)
        try #require(unsafe getsockname(descriptor, place, &count) == 0)
        return (descriptor, unsafe SocketAddress(storage, count: Int(count)))
    }

    private static func read(_ descriptor: Int32, _ count: Int, into out: inout [UInt8]) {
        var buffer = [UInt8](repeating: 0, count: count)
        var wanted = count
        while wanted > 0 {
            var waits = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&waits, 1, 50) > 0 else { return }
            let got = unsafe recv(descriptor, &buffer, wanted, Int32(MSG_DONTWAIT))
            guard got > 0 else { return }
            out += buffer[..<got]
            wanted -= got
        }
    }

    @Test func whatHasLeftIsNotKept() throws {
        let (listener, address) = try Self.listen()
        defer { close(listener) }
        let stats = StatRegistry(workers: 1)
        defer { withExtendedLifetime(stats) {} }
        let sink = StreamSink(StatsdFormat(.plain), prefix: "", stats, nil) { address }
        var number = 0
        var expected: [UInt8] = []
        func produce(_ lines: Int) {
            for _ in 0..<lines {
                let line = Array("line \(number) \(String(repeating: "x", count: 8_000))".utf8)
                expected += line + [UInt8(ascii: "\n")]
                sink.append(line)
                number += 1
            }
            sink.end()
        }
        // More than the kernel takes; then a little more each time than is read.
        produce(1_200)
        let peer = accept(listener, nil, nil)
        try #require(peer >= 0)
        defer { close(peer) }
        try #require(sink.waiting.count > 1 << 20)
        var received: [UInt8] = []
        for _ in 0..<300 {
            Self.read(peer, 120_000, into: &received)
            produce(16)
        }
        // 48 MB have been made; a fifth of them may wait.
        #expect(received.count > 30 << 20)
        #expect(sink.waiting.count < 2 * (expected.count - received.count) + 1 << 21, "\(sink.waiting.count)")
        #expect(sink.waiting.count < 24 << 20)
        let end = ContinuousClock.now + .seconds(20)
        while received.count < expected.count, ContinuousClock.now < end {
            Self.read(peer, 1 << 20, into: &received)
            sink.end()
        }
        #expect(received == expected)
    }
}
