import CNghttp2
import Glibc

/// A client that sends exactly the frames it is told and says what came back, one word a frame: `HEAD1(200)`,
/// `DATA1+(6)` (`+`: the end of the stream), `RST1(8)`, `GOAWAY(1,2)` (last stream, code), `PING`.
@safe
package final class RawH2Client {
    package private(set) var frames: [H2Frame] = []
    /// Fields of each HEADERS that came, decoded in order.
    package private(set) var heads: [(stream: UInt32, fields: [(name: String, value: String)])] = []
    package private(set) var end = "open"
    package private(set) var body: [UInt32: [UInt8]] = [:]
    /// Answers SETTINGS.
    package var acknowledges = true
    private let socket: Descriptor
    private var buffer: [UInt8] = []
    private var inflater: OpaquePointer?

    package init(port: UInt16, preface: Bool = true) throws {
        socket = try Sockets.connect(port: port)
        unsafe _ = nghttp2_hd_inflate_new(&inflater)
        guard preface else { return }
        // Nothing may stand in front of the preface, and the peer may speak first.
        acknowledges = false
        send(H2Frame.preface + H2Frame(.settings).bytes)
        acknowledges = true
        if frames.contains(where: { $0.type == 4 && $0.flags & H2Frame.acknowledged == 0 }) { acknowledge() }
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
        switch frame.type {
        case 0: body[frame.stream, default: []] += frame.payload
        case 1: heads.append((frame.stream, inflate(frame.payload)))
        // RFC 9113 §6.5.3. The peer's window is what it announced from here on.
        case 4 where frame.flags & H2Frame.acknowledged == 0 && acknowledges: acknowledge()
        default: break
        }
    }

    private func inflate(_ block: [UInt8]) -> [(name: String, value: String)] {
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

    package func hasEnded(_ stream: UInt32) -> Bool {
        frames.contains { $0.stream == stream && ($0.type < 2 && $0.flags & H2Frame.endStream != 0 || $0.type == 3) }
    }

    /// What came, SETTINGS and WINDOW_UPDATE left out; DATA of one stream in a row is one word.
    package var words: [String] {
        var words: [String] = []
        var head = 0
        var data: (stream: UInt32, count: Int)?
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
            case 6: words.append(frame.flags & H2Frame.acknowledged != 0 ? "PONG" : "PING")
            case 7: words.append("GOAWAY(\(number(frame.payload[0..<4]) & 0x7fff_ffff),\(number(frame.payload[4..<8])))")
            default: break
            }
        }
        flush()
        return words
    }
}
