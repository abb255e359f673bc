// `local_reply_config`: status, headers and body of an answer of our own, before it passes the filters.

import Primitives
import Transport
import Wire

/// The parts of a local reply that a configuration may change. The body may lie in `block`, which whoever sends it frees.
@safe
struct LocalReplyParts {
    var status: UInt16
    var body: Bytes
    var contentType: Bytes
    var block: Block?
    /// A mapper has set `content-type`: it stays.
    var hasContentType = false
}

extension Worker {
    /// The response's head is there, with its status and what the reply's maker put in.
    func rewrite(_ parts: inout LocalReplyParts, _ stream: StreamPointer, _ config: UnsafePointer<LocalReplyConfig>) {
        var source = unsafe formatSource(stream)
        source.status = parts.status
        // `%RESP(…)%` reads the head that is being made.
        unsafe stream.pointee.hasResponseHead = true
        defer { unsafe stream.pointee.hasResponseHead = false }
        var final = unsafe config.pointee.body
        for i in unsafe 0..<config.pointee.mappers.count {
            let mapper = unsafe config.pointee.mappers.pointer(i)
            guard unsafe formats.holds(mapper.pointee.filter, source) else { continue }
            if unsafe mapper.pointee.hasBody { parts.body = unsafe mapper.pointee.text }
            let before = unsafe stream.pointee.response.value(of: .contentType)
            unsafe formats.apply(mapper.pointee.headers, to: stream.responseHead, source, isRequest: false)
            if let now = unsafe stream.pointee.response.value(of: .contentType) {
                parts.hasContentType = before.map { !$0.equals(now) } ?? true
            }
            if unsafe mapper.pointee.status != 0 { parts.status = unsafe mapper.pointee.status }
            if let body = unsafe mapper.pointee.body { final = body }
            break
        }
        unsafe stream.pointee.response.status = parts.status
        source.status = parts.status
        source.localReplyBody = parts.body
        guard let final else { return }
        write(final, source, &parts)
    }

    /// The body of a route's own answer by its `body_format`. It is written before there is a response: no status yet.
    func writeDirect(_ parts: inout LocalReplyParts, _ stream: StreamPointer, _ body: LocalReplyBody) {
        var source = unsafe formatSource(stream)
        source.status = 0
        source.localReplyBody = parts.body
        write(body, source, &parts)
    }

    private func write(_ final: LocalReplyBody, _ source: FormatSource, _ parts: inout LocalReplyParts) {
        parts.contentType = final.contentType
        let text: Bytes
        switch final.format {
        case .text(let format): text = formats.write(format, source, missing: final.missing)
        case .json(let format): text = formats.write(format, source)
        }
        // Formats are written again before the body goes out: it needs a place of its own.
        guard !text.isEmpty, let block = memory.blocks.allocate(text.count) else {
            parts.body = .empty
            return
        }
        unsafe block.base.copyMemory(from: text.base, byteCount: text.count)
        parts.block = block
        parts.body = unsafe Bytes(UnsafeRawPointer(block.base), text.count)
    }
}
