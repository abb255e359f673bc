import Glibc

/// A name server on 127.0.0.1, UDP and TCP: one thread, a table of names that a test may change at any time.
package final class DNSServer: Sendable {
    package struct Zone: Sendable {
        package var v4: [String] = []
        package var v6: [String] = []
        package var ttlS: UInt32 = 1
        /// 2: SERVFAIL, 3: NXDOMAIN.
        package var code: UInt8 = 0
        /// Never answered.
        package var isSilent = false
        /// Over UDP only the header comes, with the TC bit.
        package var isTruncated = false
        /// The question comes back under another id.
        package var isForged = false

        package init(v4: [String] = [], v6: [String] = [], ttlS: UInt32 = 1, code: UInt8 = 0) {
            self.v4 = v4
            self.v6 = v6
            self.ttlS = ttlS
            self.code = code
        }
    }

    package struct Question: Sendable, Equatable {
        package var name: String
        /// 1: A, 28: AAAA.
        package var type: UInt16
        package var overTCP: Bool
    }

    package let port: UInt16
    private let udp: Descriptor
    private let tcp: Descriptor
    private let zones = Locked<[String: Zone]>([:])
    private let asked = Locked<[Question]>([])
    private let stopped = Flag()

    package init() throws {
        port = Ports.free()
        tcp = try Sockets.listen(port: port)
        let raw = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SocketError.failed("socket", errno: errno) }
        udp = Descriptor(raw)
        let result = unsafe Sockets.withAddress(port: port) { unsafe bind(raw, $0, $1) }
        guard result == 0 else { throw SocketError.failed("bind 127.0.0.1:\(port)", errno: errno) }
        _ = BackgroundThread { [self] in serve() }
    }

    package func stop() { stopped.raise() }

    package subscript(name: String) -> Zone? {
        get { zones.withLock { $0[name] } }
        set { zones.withLock { $0[name] = newValue } }
    }

    package var questions: [Question] { asked.withLock { $0 } }

    private func serve() {
        while !stopped.isRaised {
            if Sockets.ready(udp, for: POLLIN, until: Deadline(afterMs: 5)) != 0 { answerDatagram() }
            if Sockets.ready(tcp, for: POLLIN, until: Deadline(afterMs: 1)) != 0, let socket = Sockets.accept(tcp) {
                answerStream(socket)
            }
        }
    }

    private func answerDatagram() {
        var from = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var buffer = [UInt8](repeating: 0, count: 2048)
        let count = unsafe withUnsafeMutablePointer(to: &from) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe recvfrom(udp.raw, &buffer, 2048, Int32(MSG_DONTWAIT), $0, &length)
            }
        }
        guard count > 12, let reply = reply(to: Array(buffer.prefix(count)), overTCP: false) else { return }
        _ = unsafe withUnsafePointer(to: &from) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(udp.raw, reply, reply.count, 0, $0, length)
            }
        }
    }

    private func answerStream(_ socket: Descriptor) {
        var bytes: [UInt8] = []
        let deadline = Deadline(afterMs: 1_000)
        while bytes.count < 2 || bytes.count < 2 + Int(bytes[0]) << 8 + Int(bytes[1]) {
            guard Sockets.ready(socket, for: POLLIN, until: deadline) != 0, case .bytes(let part) = Sockets.receive(socket)
            else { return }
            bytes += part
        }
        guard let reply = reply(to: Array(bytes.dropFirst(2)), overTCP: true) else { return }
        _ = Sockets.send([UInt8(reply.count >> 8), UInt8(reply.count & 255)] + reply, from: 0, on: socket)
    }

    /// RFC 1035 §4.1: header, the question as it came, the answers with a pointer to its name.
    private func reply(to query: [UInt8], overTCP: Bool) -> [UInt8]? {
        var labels: [String] = []
        var at = 12
        while at < query.count, query[at] != 0 {
            let end = at + 1 + Int(query[at])
            guard end < query.count else { return nil }
            labels.append(String(decoding: query[at + 1..<end], as: UTF8.self))
            at = end
        }
        guard at + 5 <= query.count else { return nil }
        let name = labels.joined(separator: ".")
        let type = UInt16(query[at + 1]) << 8 | UInt16(query[at + 2])
        asked.withLock { $0.append(Question(name: name, type: type, overTCP: overTCP)) }
        let zone = self[name] ?? Zone(code: 3)
        if zone.isSilent { return nil }
        let truncates = zone.isTruncated && !overTCP
        let records = truncates || zone.code != 0 ? [] : (type == 1 ? zone.v4 : type == 28 ? zone.v6 : []).compactMap(DNSServer.bytes)
        var reply = Array(query[0..<2])
        if zone.isForged { reply[1] ^= 0xff }
        reply += [0x81 | (truncates ? 2 : 0), 0x80 | zone.code, 0, 1, 0, UInt8(records.count), 0, 0, 0, 0]
        reply += query[12..<at + 5]
        for record in records {
            reply += [0xc0, 12, UInt8(type >> 8), UInt8(type & 255), 0, 1]
            reply += [UInt8(zone.ttlS >> 24 & 255), UInt8(zone.ttlS >> 16 & 255), UInt8(zone.ttlS >> 8 & 255), UInt8(zone.ttlS & 255)]
            reply += [0, UInt8(record.count)] + record
        }
        return reply
    }

    private static func bytes(_ text: String) -> [UInt8]? {
        let isV6 = text.contains(":")
        var bytes = [UInt8](repeating: 0, count: isV6 ? 16 : 4)
        return unsafe inet_pton(isV6 ? AF_INET6 : AF_INET, text, &bytes) == 1 ? bytes : nil
    }
}
