import CNghttp2
import Glibc

/// A client (or the server's end of a connection) that sends exactly the frames it is told and says what came back, one word a frame: `HEAD1(200)`,
/// `DATA1+(6)` (`+`: the end of the stream), `RST1(8)`, `GOAWAY(1,2)` (last stream, code), `PING`, `META1(k=v)`.
@safe
package final class RawH2Client {
    package private(set) var frames: [H2Frame] = []
    /// Fields of each HEADERS that came, decoded in order.
    package private(set) var heads: [(stream: UInt32, fields: [(name: String, value: String)])] = []
    package private(set) var end = "open"
    package private(set) var body: [UInt32: [UInt8]] = [:]
    package var tookFrame: (RawH2Client) -> Void = { _ in }
    /// Answers SETTINGS.
    package var acknowledges = true
    private let socket: Descriptor
    private var buffer: [UInt8] = []
    /// Bytes of the client's preface that are still to come, at the server's end.
    private var preface = 0
    /// RFC 9113 §3.4: a server's first frame is SETTINGS; until then it acknowledges nothing.
    package private(set) var hasBegun = true
    private var inflater: OpaquePointer?

    package convenience init(port: UInt16, preface: Bool = true) throws {
        self.init(socket: try Sockets.connect(port: port))
        guard preface else { return }
        // Nothing may stand in front of the preface, and the peer may speak first.
        acknowledges = false
        send(H2Frame.preface + H2Frame(.settings).bytes)
        acknowledges = true
        if frames.contains(where: { $0.type == 4 && $0.flags & H2Frame.acknowledged == 0 }) { acknowledge() }
    }

    private init(socket: Descriptor) {
        self.socket = socket
        unsafe _ = nghttp2_hd_inflate_new(&inflater)
    }

    /// The server's end of a connection: reads the preface, and says nothing. nil: none came.
    package init?(accepted socket: Descriptor, within limitMs: Int = 5_000) {
        self.socket = socket
        preface = H2Frame.preface.count
        acknowledges = false
        hasBegun = false
        unsafe _ = nghttp2_hd_inflate_new(&inflater)
        let deadline = Deadline(afterMs: limitMs)
        while preface > 0, end == "open" {
            guard Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0 else { return nil }
            receive()
        }
        guard preface == 0 else { return nil }
    }

    /// A server has sent its SETTINGS.
    package func begun() {
        guard !hasBegun else { return }
        hasBegun = true
        acknowledges = true
        if frames.contains(where: { $0.type == 4 && $0.flags & H2Frame.acknowledged == 0 }) { acknowledge() }
    }

    /// Ends with RST.
    package func abort() { socket.reset() }

    /// Sends over and over what the peer takes, and reads nothing meanwhile.
    package func flood(_ bytes: [UInt8], forMs limit: Int) {
        let deadline = Deadline(afterMs: limit)
        var sent = 0
        while !deadline.passed {
            guard Sockets.ready(socket, for: Sockets.writable, until: deadline) != 0 else { return }
            let count = Sockets.send(bytes, from: sent, on: socket)
            if count < 0 { return }
            sent = (sent + count) % bytes.count
        }
    }

    private func acknowledge() {
        _ = Sockets.send(H2Frame(.settings, flags: H2Frame.acknowledged).bytes, from: 0, on: socket)
    }

    deinit {
        unsafe nghttp2_hd_inflate_del(inflater)
        socket.close()
    }

    package func close() { socket.close() }

    package func send(_ frames: [H2Frame]) { send(frames.flatMap(\.bytes)) }

    /// Sends all, reading meanwhile.
    package func send(_ bytes: [UInt8]) {
        var sent = 0
        let deadline = Deadline(afterMs: 5_000)
        while sent < bytes.count, end == "open", !deadline.passed {
            let events = Sockets.ready(socket, for: Sockets.readable | Sockets.writable, until: deadline)
            if events & Sockets.readable != 0 { receive() }
            guard events & Sockets.writable != 0 else { continue }
            let count = Sockets.send(bytes, from: sent, on: socket)
            if count < 0 { return }
            sent += count
        }
    }

    /// Reads until `enough`, the end, or the time is over.
    @discardableResult
    package func read(forMs limit: Int, until enough: (RawH2Client) -> Bool = { _ in false }) -> Bool {
        let deadline = Deadline(afterMs: limit)
        while end == "open", !enough(self) {
            guard Sockets.ready(socket, for: Sockets.readable, until: deadline) != 0 else { break }
            receive()
        }
        return enough(self)
    }

    private func receive() {
        switch Sockets.receive(socket) {
        case .bytes(let bytes):
            buffer += bytes
            if preface > 0 {
                guard buffer.count >= preface else { return }
                buffer.removeFirst(preface)
                preface = 0
            }
            let (new, count) = H2Frame.parse(buffer)
            buffer.removeFirst(count)
            for frame in new { take(frame) }
        case .end: end = "closed"
        case .reset: end = "reset"
        case .nothing: break
        }
    }

    private func take(_ frame: H2Frame) {
        frames.append(frame)
        defer { tookFrame(self) }
        switch frame.type {
        case 0: body[frame.stream, default: []] += frame.payload
        case 1: heads.append((frame.stream, inflate(frame.payload)))
        // RFC 9113 §6.5.3. The peer's window is what it announced from here on.
        case 4 where frame.flags & H2Frame.acknowledged == 0 && acknowledges: acknowledge()
        default: break
        }
    }

    /// A map of METADATA, whose blocks know nothing of each other.
    private static func map(_ block: [UInt8]) -> String {
        var inflater: OpaquePointer?
        guard unsafe nghttp2_hd_inflate_new(&inflater) == 0 else { return "?" }
        defer { unsafe nghttp2_hd_inflate_del(inflater) }
        let text = unsafe RawH2Client.inflate(block, inflater).map { "\($0.name)=\($0.value)" }.joined(separator: ",")
        return text.utf8.count > 100 ? "\(text.utf8.count) bytes" : text
    }

    private func inflate(_ block: [UInt8]) -> [(name: String, value: String)] { unsafe RawH2Client.inflate(block, inflater) }

    private static func inflate(_ block: [UInt8], _ inflater: OpaquePointer?) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        var at = 0
        unsafe block.withUnsafeBufferPointer { bytes in
            while at < bytes.count {
                var field = unsafe nghttp2_nv()
                var flags: Int32 = 0
                let count = unsafe nghttp2_hd_inflate_hd2(inflater, &field, &flags, bytes.baseAddress! + at, bytes.count - at, 1)
                guard count >= 0 else { return }
                at += count
                if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                    unsafe fields.append(
                        (
                            String(decoding: UnsafeBufferPointer(start: field.name, count: field.namelen), as: UTF8.self),
                            String(decoding: UnsafeBufferPointer(start: field.value, count: field.valuelen), as: UTF8.self)
                        ))
                }
                if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
            }
            unsafe _ = nghttp2_hd_inflate_end_headers(inflater)
        }
        return fields
    }

    /// The value of a response field of a stream.
    package func field(_ name: String, stream: UInt32 = 1) -> String? {
        for head in heads where head.stream == stream {
            if let value = head.fields.first(where: { $0.name == name })?.value { return value }
        }
        return nil
    }

    /// Bytes of DATA that the peer has allowed on a stream, or with 0 on the connection, since it began: where its SETTINGS
    /// leave the initial windows as the RFC has them.
    package func window(of stream: UInt32) -> Int {
        frames.reduce(65_535) { $1.type == 8 && $1.stream == stream ? $0 + Int($1.payload.reduce(0) { $0 << 8 | UInt32($1) }) : $0 }
    }

    package func hasEnded(_ stream: UInt32) -> Bool {
        frames.contains { $0.stream == stream && ($0.type < 2 && $0.flags & H2Frame.endStream != 0 || $0.type == 3) }
    }

    /// What came, SETTINGS and WINDOW_UPDATE left out; DATA of one stream in a row is one word.
    package var words: [String] {
        var words: [String] = []
        var head = 0
        var data: (stream: UInt32, count: Int)?
        var metadata: [UInt32: [UInt8]] = [:]
        func flush(_ ends: Bool = false) {
            if let run = data { words.append("DATA\(run.stream)\(ends ? "+" : "")(\(run.count))") }
            data = nil
        }
        func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
        for frame in frames {
            let ends = frame.flags & H2Frame.endStream != 0
            if frame.type == 0 {
                if data?.stream != frame.stream { flush() }
                data = (frame.stream, (data?.count ?? 0) + frame.payload.count)
                if ends { flush(true) }
                continue
            }
            if frame.type != 4, frame.type != 8 { flush() }
            switch frame.type {
            case 1:
                let status = head < heads.count ? heads[head].fields.first { $0.name == ":status" }?.value ?? "trailers" : "?"
                head += 1
                words.append("HEAD\(frame.stream)\(ends ? "+" : "")(\(status))")
            case 3: words.append("RST\(frame.stream)(\(number(frame.payload[...])))")
            case H2Frame.Kind.metadata.rawValue:
                metadata[frame.stream, default: []] += frame.payload
                if frame.flags & H2Frame.endHeaders != 0 { words.append("META\(frame.stream)(\(RawH2Client.map(metadata.removeValue(forKey: frame.stream) ?? [])))") }
            case 6: words.append(frame.flags & H2Frame.acknowledged != 0 ? "PONG" : "PING")
            case 7: words.append("GOAWAY(\(number(frame.payload[0..<4]) & 0x7fff_ffff),\(number(frame.payload[4..<8])))")
            default: break
            }
        }
        flush()
        return words
    }
}
