// Lines in datagrams: to a UDP address or a UNIX socket. What the kernel does not take at once is dropped and counted.

import Glibc
import Primitives
import Stats
import StatsStore

@safe
final class DatagramSink: StatsSink {
    private let address: UnsafeMutableRawPointer
    private let addressBytes: UInt32
    private let domain: Int32
    private var descriptor: Int32 = -1
    /// 0: a datagram per line.
    private let bytesMax: Int
    private var waiting: [UInt8] = []
    private var waitingLines = 0

    init(_ format: StatsdFormat, _ address: SocketAddress, bytesMax: Int, prefix: String, _ stats: StatRegistry) {
        unsafe self.address = .allocate(byteCount: 128, alignment: 8)
        unsafe addressBytes = address.store(self.address)
        domain = address.domain
        self.bytesMax = bytesMax
        super.init(format, prefix: prefix, stats)
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        unsafe address.deallocate()
    }

    override func append(_ line: [UInt8]) {
        if bytesMax == 0 { return transmit(line, lines: 1) }
        if !waiting.isEmpty, waiting.count + 1 + line.count > bytesMax { end() }
        if !waiting.isEmpty { waiting.append(UInt8(ascii: "\n")) }
        waiting += line
        waitingLines += 1
    }

    override func end() {
        if waiting.isEmpty { return }
        transmit(waiting, lines: waitingLines)
        waiting.removeAll(keepingCapacity: true)
        waitingLines = 0
    }

    private func transmit(_ bytes: [UInt8], lines: Int) {
        if descriptor < 0 {
            descriptor = socket(domain, Int32(SOCK_DGRAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
        }
        let sent = unsafe bytes.withUnsafeBytes { buffer in
            unsafe sendto(
                descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL),
                address.assumingMemoryBound(to: sockaddr.self), addressBytes)
        }
        if sent == bytes.count { countSent(lines) } else { countDropped(lines) }
    }
}
