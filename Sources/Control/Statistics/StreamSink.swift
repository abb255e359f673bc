// Lines over TCP to a host of a cluster. What the peer does not take waits, up to a bound; beyond it whole flushes' lines are
// dropped and counted, as in Envoy. A connection is made when there is something to send, and kept.

import Glibc
import Primitives
import Stats
import StatsStore

@safe
final class StreamSink: StatsSink {
    /// `docs/limits.md`
    static let waitingBytesMax = 16 << 20
    private static let retryMs: UInt64 = 10
    /// Of what has left so much may still lie in front of what waits.
    private static let keptBytes = 1 << 20
    /// Attempts of `retryMs` after which a connection that takes nothing is given up.
    private static let attemptsMax = 500

    private let resolve: () -> SocketAddress?
    private let cells: StatCells
    private let overflow: StatID
    private var descriptor: Int32 = -1
    /// What has not left, behind some that has.
    private(set) var waiting: [UInt8] = []
    private var sent = 0
    private var attempts = 0
    private var timer: ControlTimer?

    init(
        _ format: StatsdFormat, prefix: String, _ stats: StatRegistry, _ reactor: DNSReactor?, resolve: @escaping () -> SocketAddress?
    ) {
        self.resolve = resolve
        cells = stats.mainCells
        overflow = stats.scope("statsd.", StatsdStat.self)[.cxOverflow]
        super.init(format, prefix: prefix, stats)
        timer = reactor?.timer { [unowned self] in transmit() }
    }

    deinit { disconnect() }

    override func append(_ line: [UInt8]) {
        guard waiting.count - sent + line.count < StreamSink.waitingBytesMax else {
            cells.increment(overflow)
            return countDropped(1)
        }
        waiting += line
        waiting.append(UInt8(ascii: "\n"))
        countSent(1)
    }

    override func end() { transmit() }

    override func finish(limitMs: Int) {
        var waited = 0
        while waiting.count > sent, waited < limitMs {
            transmit()
            usleep(5000)
            waited += 5
        }
        disconnect()
    }

    private func transmit() {
        guard waiting.count > sent else { return }
        if descriptor < 0, !connect() { return }
        while sent < waiting.count {
            let count = unsafe waiting.withUnsafeBytes { buffer in
                unsafe Glibc.send(
                    descriptor, buffer.baseAddress.map { unsafe $0 + sent }, buffer.count - sent,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            guard count > 0 else {
                // Not connected yet, or the peer is slow.
                attempts += 1
                let mayWait = errno == EAGAIN || errno == EALREADY || errno == EINPROGRESS || errno == ENOTCONN
                if !mayWait || attempts > StreamSink.attemptsMax { return disconnect() }
                timer?.arm(afterMs: StreamSink.retryMs)
                return
            }
            sent += count
            attempts = 0
            // A peer that is always behind never lets it become empty.
            if sent >= max(StreamSink.keptBytes, waiting.count / 2) { forget() }
        }
        waiting.removeAll(keepingCapacity: waiting.count < 1 << 20)
        sent = 0
    }

    /// The bytes that have left, but for the last one: it says whether a line was cut.
    private func forget() {
        waiting.removeSubrange(..<(sent - 1))
        sent = 1
    }

    private func connect() -> Bool {
        guard let address = resolve() else { return false }
        descriptor = socket(address.domain, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
        attempts = 0
        let storage = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
        defer { unsafe storage.deallocate() }
        let count = unsafe address.store(storage)
        let result = unsafe Glibc.connect(descriptor, storage.assumingMemoryBound(to: sockaddr.self), count)
        if result == 0 || errno == EINPROGRESS { return true }
        disconnect()
        return false
    }

    /// A line that was cut is not continued on another connection.
    private func disconnect() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        guard sent > 0 else { return }
        let rest = waiting[sent...].firstIndex(of: UInt8(ascii: "\n")).map { waiting[($0 + 1)...] } ?? []
        let wasAtEnd = sent > 0 && waiting[sent - 1] == UInt8(ascii: "\n")
        waiting = wasAtEnd ? Array(waiting[sent...]) : Array(rest)
        sent = 0
    }
}
