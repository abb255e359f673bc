// A reader of HTTP/1 messages for comparison: it keeps the head's lines as they came and removes only what differs
// from run to run by nature, the boundaries of chunks. It forgives everything: judging is the comparison's work.

package struct HTTPMessage: Sendable, Equatable {
    package enum Framing: String, Sendable {
        case none
        case length
        case chunked
        case untilClose = "until close"
        case tunnel
    }

    package var startLine = ""
    /// Header lines as they came, in order.
    package var headers: [String] = []
    package var framing = Framing.none
    package var body: [UInt8] = []
    package var trailers: [String] = []
    package var isComplete = false

    package var status: Int? {
        let parts = startLine.split(separator: " ", maxSplits: 2)
        return parts.count > 1 ? Int(parts[1]) : nil
    }

    /// The first value of a header; the name in lower case.
    package func header(_ name: String) -> String? {
        for line in headers {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, parts[0].lowercased() == name {
                return String(parts[1].drop { $0 == " " || $0 == "\t" })
            }
        }
        return nil
    }
}

package enum HTTPParser {
    /// All responses in `bytes`. `methods` are those of the requests, in order: the answer to HEAD has no body.
    package static func responses(_ bytes: [UInt8], methods: [String], closed: Bool) -> [HTTPMessage] {
        var result: [HTTPMessage] = []
        var position = 0
        var answered = 0
        while position < bytes.count {
            guard var message = head(bytes, &position) else {
                result.append(unreadable(bytes, position))
                break
            }
            let status = message.status ?? 0
            let method = answered < methods.count ? methods[answered] : "GET"
            if status == 101 || (method == "CONNECT" && (200..<300).contains(status)) {
                message.framing = .tunnel
                message.body = Array(bytes[position...])
                message.isComplete = closed
                position = bytes.count
            } else if method == "HEAD" || (100..<200).contains(status) || status == 204 || status == 304 {
                message.isComplete = true
            } else {
                body(bytes, &position, of: &message, withoutLength: .untilClose, closed: closed)
            }
            if !(100..<200).contains(status) { answered += 1 }
            result.append(message)
            if !message.isComplete { break }
        }
        return result
    }

    /// All requests in `bytes`, as an upstream received them.
    package static func requests(_ bytes: [UInt8]) -> [HTTPMessage] {
        var result: [HTTPMessage] = []
        var position = 0
        while position < bytes.count {
            guard var message = head(bytes, &position) else {
                result.append(unreadable(bytes, position))
                break
            }
            if message.header("upgrade") != nil || message.startLine.hasPrefix("CONNECT ") {
                message.framing = .tunnel
                message.body = Array(bytes[position...])
                position = bytes.count
            } else {
                body(bytes, &position, of: &message, withoutLength: .none, closed: false)
            }
            result.append(message)
            if !message.isComplete { break }
        }
        return result
    }

    /// Where the request that begins at `start` ends; nil while it is incomplete.
    package static func requestEnd(_ bytes: [UInt8], from start: Int) -> Int? {
        var position = start
        guard var message = head(bytes, &position) else { return nil }
        body(bytes, &position, of: &message, withoutLength: .none, closed: false)
        return message.isComplete ? position : nil
    }

    private static func unreadable(_ bytes: [UInt8], _ position: Int) -> HTTPMessage {
        var message = HTTPMessage()
        message.startLine = "(no complete head)"
        message.body = Array(bytes[position...])
        return message
    }

    private static func head(_ bytes: [UInt8], _ position: inout Int) -> HTTPMessage? {
        guard let end = bytes.index(of: "\r\n\r\n".wire, from: position) else { return nil }
        var lines: [String] = []
        var start = position
        while start < end {
            let stop = bytes.index(of: "\r\n".wire, from: start) ?? end
            lines.append(String(wire: bytes[start..<stop]))
            start = stop + 2
        }
        position = end + 4
        var message = HTTPMessage()
        message.startLine = lines.first ?? ""
        message.headers = Array(lines.dropFirst())
        return message
    }

    private static func body(
        _ bytes: [UInt8], _ position: inout Int, of message: inout HTTPMessage,
        withoutLength: HTTPMessage.Framing, closed: Bool
    ) {
        if message.header("transfer-encoding")?.lowercased() == "chunked" {
            message.framing = .chunked
            chunks(bytes, &position, of: &message)
        } else if let length = message.header("content-length").flatMap({ Int($0) }), length >= 0 {
            message.framing = .length
            let end = min(bytes.count, position + length)
            message.body = Array(bytes[position..<end])
            message.isComplete = message.body.count == length
            position = end
        } else if withoutLength == .untilClose {
            message.framing = .untilClose
            message.body = Array(bytes[position...])
            message.isComplete = closed
            position = bytes.count
        } else {
            message.isComplete = true
        }
    }

    private static func chunks(_ bytes: [UInt8], _ position: inout Int, of message: inout HTTPMessage) {
        while let lineEnd = bytes.index(of: "\r\n".wire, from: position) {
            let digits = String(wire: bytes[position..<lineEnd]).prefix { $0.isHexDigit }
            guard let size = Int(digits, radix: 16) else { return }
            if size == 0 {
                var start = lineEnd + 2
                while let end = bytes.index(of: "\r\n".wire, from: start) {
                    if end == start {
                        position = end + 2
                        message.isComplete = true
                        return
                    }
                    message.trailers.append(String(wire: bytes[start..<end]))
                    start = end + 2
                }
                message.trailers = []
                return
            }
            let start = lineEnd + 2
            let end = min(bytes.count, start + size)
            message.body += bytes[start..<end]
            guard bytes.count >= start + size + 2 else {
                position = bytes.count
                return
            }
            position = start + size + 2
        }
    }
}
