// What one of our ends of HTTP/2 may put on the wire, whatever its peer did: frames in an order that RFC 9113 allows, heads
// that another parser reads as one message, bodies as long as their heads say. Traps otherwise.

import CNghttp2
import Primitives

@safe
struct FramesOut {
    private struct Stream {
        var hasHead = false
        var isOver = false
        var length: UInt64?
        var bytes: UInt64 = 0
        var hasNoContent = false
    }
    private typealias Field = (name: [UInt8], value: [UInt8])

    private let isServer: Bool
    private var waiting: [UInt8] = []
    private var prefaceLeft: Int
    private var hasSettings = false
    private(set) var hasFailed = false
    private var streams: [UInt32: Stream] = [:]
    /// A head that CONTINUATION goes on with.
    private var open: (stream: UInt32, ends: Bool, block: [UInt8])?
    private let inflater: Inflater
    /// Of the responses that have begun, in their order.
    private(set) var statuses: [Int] = []
    /// Streams of the requests that have begun, in their order.
    private(set) var requests: [UInt32] = []
    /// Codes of RST_STREAM, by stream.
    private(set) var resets: [UInt32: UInt8] = [:]
    /// Of METADATA, by stream: what is not whole yet, and the entries of those blocks that are.
    private var blocks: [UInt32: [UInt8]] = [:]
    private(set) var metadataEntries = 0

    init(isServer: Bool) {
        self.isServer = isServer
        prefaceLeft = isServer ? 0 : 24
        inflater = Inflater()
    }

    mutating func read(_ bytes: Bytes) {
        for i in 0..<bytes.count { waiting.append(bytes[i]) }
        var at = min(prefaceLeft, waiting.count)
        prefaceLeft -= at
        while waiting.count - at >= 9 {
            let count = Int(waiting[at]) << 16 | Int(waiting[at + 1]) << 8 | Int(waiting[at + 2])
            if count > 16_384 { fatalError("a frame of \(count) bytes") }
            guard waiting.count - at - 9 >= count else { break }
            let id = waiting[at + 5..<at + 9].reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
            frame(waiting[at + 3], waiting[at + 4], id, waiting[at + 9..<at + 9 + count])
            at += 9 + count
        }
        waiting.removeFirst(at)
    }

    private mutating func frame(_ type: UInt8, _ flags: UInt8, _ id: UInt32, _ payload: ArraySlice<UInt8>) {
        // RFC 9113 §3.4: SETTINGS first.
        if !hasSettings, type != 4 || flags & 1 != 0 { fatalError("frame \(type) before SETTINGS") }
        hasSettings = true
        // RFC 9113 §6.10: nothing between the parts of a head.
        if let open, type != 9 || id != open.stream { fatalError("frame \(type) inside of a head") }
        let ends = flags & 1 != 0
        switch type {
        case 0: data(id, payload, ends)
        case 1:
            if flags & 0x28 != 0 { fatalError("padding or priority, which we never send") }
            open = (id, ends, [])
            fallthrough
        case 9:
            guard var head = open else { fatalError("CONTINUATION of nothing") }
            head.block += payload
            open = flags & 4 != 0 ? nil : head
            if open == nil { self.head(id, head.block, head.ends) }
        case 3:
            if id == 0 || payload.count != 4 { fatalError("RST_STREAM of \(payload.count) bytes on \(id)") }
            streams[id, default: Stream()].isOver = true
            resets[id] = payload.last
        case 4: if id != 0 || payload.count % 6 != 0 { fatalError("SETTINGS of \(payload.count) bytes on \(id)") }
        case 6: if id != 0 || payload.count != 8 { fatalError("PING of \(payload.count) bytes on \(id)") }
        case 7:
            if id != 0 || payload.count < 8 { fatalError("GOAWAY of \(payload.count) bytes on \(id)") }
            if payload[payload.startIndex + 4..<payload.startIndex + 8].contains(where: { $0 != 0 }) { hasFailed = true }
        case 8:
            if payload.count != 4 || payload.allSatisfy({ $0 == 0 }) { fatalError("WINDOW_UPDATE of nothing") }
        case 0x4d: metadata(id, payload, flags)
        default: fatalError("a frame of type \(type)")
        }
    }

    private mutating func data(_ id: UInt32, _ payload: ArraySlice<UInt8>, _ ends: Bool) {
        guard var stream = streams[id], stream.hasHead, !stream.isOver else { fatalError("DATA on stream \(id)") }
        if hasFailed { fatalError("DATA behind a GOAWAY with an error") }
        stream.bytes += UInt64(payload.count)
        if stream.hasNoContent, stream.bytes > 0 { fatalError("content where there is none") }
        if let length = stream.length, stream.bytes > length { fatalError("more than content-length says") }
        if ends { finish(&stream) }
        streams[id] = stream
    }

    /// Blocks by themselves: literals, which need no table.
    private mutating func metadata(_ id: UInt32, _ payload: ArraySlice<UInt8>, _ flags: UInt8) {
        if id == 0 || payload.isEmpty || flags & ~4 != 0 { fatalError("METADATA of \(payload.count) bytes on \(id), flags \(flags)") }
        if streams[id]?.isOver == true { fatalError("METADATA on a stream that is over") }
        blocks[id, default: []] += payload
        guard flags & 4 != 0, let block = blocks.removeValue(forKey: id) else { return }
        let fields = Inflater().fields(block)
        if fields.isEmpty { fatalError("METADATA without an entry") }
        metadataEntries += fields.count
    }

    private func finish(_ stream: inout Stream) {
        // Without any content: the answer to HEAD, or a length of 0.
        if let length = stream.length, stream.bytes > 0, stream.bytes != length { fatalError("less than content-length says") }
        stream.isOver = true
    }

    /// Ended or reset.
    func isOver(_ id: UInt32) -> Bool { streams[id]?.isOver ?? false }

    // MARK: Heads

    private mutating func head(_ id: UInt32, _ block: [UInt8], _ ends: Bool) {
        if id & 1 == 0 { fatalError("HEADERS on stream \(id)") }
        if hasFailed { fatalError("HEADERS behind a GOAWAY with an error") }
        var stream = streams[id] ?? Stream()
        if stream.isOver { fatalError("HEADERS on a stream that is over") }
        let fields = inflater.fields(block)
        for field in fields { check(field) }
        let pseudo = fields.prefix { $0.name.first == UInt8(ascii: ":") }
        for field in fields.dropFirst(pseudo.count) where field.name.first == UInt8(ascii: ":") {
            fatalError("a pseudo-field behind the fields")
        }
        if stream.hasHead {
            // RFC 9113 §8.1: trailers end the message.
            if !ends || !pseudo.isEmpty { fatalError("trailers that end nothing, or with pseudo-fields") }
            finish(&stream)
        } else if isServer {
            let status = one(":status", in: pseudo).reduce(0) { $0 * 10 + Int($1) - 48 }
            if pseudo.count != 1 || status < 100 || status > 999 { fatalError("a response of status \(status): \(fields.map { (String(decoding: $0.name, as: UTF8.self), String(decoding: $0.value, as: UTF8.self)) })") }
            if status < 200, ends { fatalError("an interim response that ends the stream") }
            statuses.append(status)
            stream.hasHead = status >= 200
            stream.hasNoContent = status == 204 || status == 304
        } else {
            let method = one(":method", in: pseudo)
            let isPlainConnect = method == Array("CONNECT".utf8) && !pseudo.contains { $0.name == Array(":protocol".utf8) }
            for name in [":path", ":scheme"] where !isPlainConnect { if one(name, in: pseudo).isEmpty { fatalError("an empty \(name)") } }
            let known = [":method", ":path", ":scheme", ":authority", ":protocol"].map { Array($0.utf8) }
            for field in pseudo where !known.contains(field.name) || pseudo.filter({ $0.name == field.name }).count > 1 {
                fatalError("a pseudo-field that is unknown, or twice")
            }
            stream.hasHead = true
            requests.append(id)
        }
        if stream.hasHead, !stream.isOver { length(of: &stream, fields) }
        if ends, !stream.isOver { finish(&stream) }
        streams[id] = stream
    }

    private func one(_ name: String, in fields: ArraySlice<Field>) -> [UInt8] {
        guard let field = fields.first(where: { $0.name == Array(name.utf8) }) else { fatalError("no \(name)") }
        return field.value
    }

    private func length(of stream: inout Stream, _ fields: [Field]) {
        let lengths = fields.filter { $0.name == Array("content-length".utf8) }
        if lengths.count > 1 { fatalError("two lengths") }
        guard let value = lengths.first?.value else { return }
        guard !value.isEmpty, value.count < 20, value.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { fatalError("a length that is none") }
        stream.length = value.reduce(0) { $0 &* 10 &+ UInt64($1 - 48) }
    }

    /// RFC 9113 §8.2.
    private func check(_ field: Field) {
        let name = field.name.first == UInt8(ascii: ":") ? field.name.dropFirst() : field.name[...]
        let isToken = !name.isEmpty && name.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3a && !($0 >= 0x41 && $0 <= 0x5a) }
        if !isToken { fatalError("a field named \(String(decoding: field.name, as: UTF8.self))") }
        if field.value.contains(where: { $0 == 0 || $0 == 10 || $0 == 13 }) { fatalError("a value with NUL, CR or LF") }
        let text = String(decoding: name, as: UTF8.self)
        if ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].contains(text) {
            fatalError("\(text) in HTTP/2")
        }
        if text == "te", field.value != Array("trailers".utf8) { fatalError("te in HTTP/2") }
    }
}

/// HPACK's reading end.
@safe
private final class Inflater {
    private var inflater: OpaquePointer?

    init() { if unsafe nghttp2_hd_inflate_new(&inflater) != 0 { fatalError("no memory") } }
    deinit { unsafe nghttp2_hd_inflate_del(inflater) }

    func fields(_ block: [UInt8]) -> [(name: [UInt8], value: [UInt8])] {
        var fields: [(name: [UInt8], value: [UInt8])] = []
        unsafe block.withUnsafeBufferPointer { bytes in
            var at = 0
            while true {
                var field = unsafe nghttp2_nv()
                var flags: Int32 = 0
                let base = unsafe bytes.baseAddress.map { unsafe $0 + at }
                let n = unsafe nghttp2_hd_inflate_hd2(inflater, &field, &flags, base, bytes.count - at, 1)
                if n < 0 { fatalError("a head that does not inflate") }
                at += n
                if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                    unsafe fields.append(
                        (Array(UnsafeBufferPointer(start: field.name, count: field.namelen)),
                         Array(UnsafeBufferPointer(start: field.value, count: field.valuelen))))
                }
                if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
            }
            unsafe nghttp2_hd_inflate_end_headers(inflater)
        }
        return fields
    }
}
