// Asks an admin interface over HTTP/1.1: one connection per question, blocking, with one limit for all of it.

import Glibc
import Primitives

struct AdminClient {
    struct Failure: Error {
        let text: String
    }

    /// Seconds that an answer may take.
    private static let limitS = 10
    /// A larger answer is none that `top` asks for.
    private static let answerMax = 64 << 20

    let address: SocketAddress
    let text: String

    /// `host:port` with a numeric host, `localhost:port`, or the path of a UNIX socket.
    init?(_ text: String) {
        self.text = text
        if text.hasPrefix("/") || text.hasPrefix("@") {
            guard let address = SocketAddress(unixPath: text) else { return nil }
            self.address = address
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
        var host = text[..<colon]
        if host == "localhost" || host.isEmpty { host = "127.0.0.1" }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let address = SocketAddress(ip: String(host), port: port) else { return nil }
        self.address = address
    }

    /// The body of a 200 or a 503 (`/ready` of a process that drains).
    func get(_ target: String) throws(Failure) -> String {
        let descriptor = try connected()
        defer { close(descriptor) }
        let request = "GET \(target) HTTP/1.1\r\nhost: \(address.family == .unix ? "localhost" : text)\r\nconnection: close\r\n\r\n"
        var sent = 0
        let bytes = Array(request.utf8)
        while sent < bytes.count {
            let count = bytes.withBytes { all in unsafe send(descriptor, all.from(sent).base, bytes.count - sent, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure(text: "\(text): the connection broke") }
            sent += count
        }
        return try body(of: try received(descriptor), target)
    }

    private func connected() throws(Failure) -> Int32 {
        let isUnix = address.family == .unix
        let family = isUnix ? AF_UNIX : address.family == .ipv6 ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(text: "no socket") }
        var limit = timeval(tv_sec: AdminClient.limitS, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        let storage = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
        defer { unsafe storage.deallocate() }
        let count = unsafe address.store(storage)
        guard unsafe connect(descriptor, storage.assumingMemoryBound(to: sockaddr.self), count) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            close(descriptor)
            throw Failure(text: "\(text): \(reason)")
        }
        return descriptor
    }

    private func received(_ descriptor: Int32) throws(Failure) -> [UInt8] {
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = unsafe piece.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count == 0 { return answer }
            guard count > 0 else { throw Failure(text: "\(text): no answer within \(AdminClient.limitS) s") }
            answer += piece[..<count]
            guard answer.count <= AdminClient.answerMax else { throw Failure(text: "\(text): the answer is too long") }
        }
    }

    private func body(of answer: [UInt8], _ target: String) throws(Failure) -> String {
        guard let end = AdminClient.find([13, 10, 13, 10], in: answer, from: 0), answer.starts(with: Array("HTTP/1.".utf8)) else {
            throw Failure(text: "\(text): this is no admin interface")
        }
        let head = String(decoding: answer[..<end], as: UTF8.self).lowercased()
        let status = head.split(separator: " ").dropFirst().first ?? ""
        guard status == "200" || status == "503" else { throw Failure(text: "\(text)\(target.prefix { $0 != "?" }): status \(status)") }
        let rest = Array(answer[(end + 4)...])
        return String(decoding: head.contains("transfer-encoding: chunked") ? AdminClient.unchunked(rest) : rest, as: UTF8.self)
    }

    /// RFC 9112 §7.1; what is cut short ends where it is cut.
    private static func unchunked(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var at = 0
        while let line = find([13, 10], in: bytes, from: at) {
            let digits = String(decoding: bytes[at..<line], as: UTF8.self).prefix { $0 != ";" }
            guard let size = Int(digits, radix: 16), size > 0 else { break }
            let start = line + 2
            let end = min(bytes.count, start + min(size, bytes.count))
            result += bytes[start..<end]
            at = min(bytes.count, end + 2)
        }
        return result
    }

    private static func find(_ pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        var at = start
        while at + pattern.count <= bytes.count {
            if bytes[at] == pattern[0], bytes[at..<(at + pattern.count)].elementsEqual(pattern) { return at }
            at += 1
        }
        return nil
    }
}
