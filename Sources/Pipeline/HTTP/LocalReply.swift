// Answers of our own: errors, redirects, direct responses. They pass the response half of the filter chain like any
// other response.

import Primitives
import Stats
import Transport
import Wire

extension Worker {
    /// Answers the request by itself; the upstream request, if any, is given up. Nothing happens when a response is on
    /// its way already (the connection is reset then).
    package func reply(
        _ stream: StreamPointer, status: UInt16, body: Bytes, details: Bytes, flags: ResponseFlags,
        contentType: Bytes = Bytes("text/plain" as StaticString), prepare: ((inout MessageHead) -> Void)? = nil
    ) {
        guard unsafe !stream.pointee.isDestroyed else { return }
        if unsafe stream.pointee.hasResponseHead {
            guard unsafe dropHeldResponse(stream) else { return unsafe resetDownstream(stream) }
        }
        // An answer given before the chain was begun passes the response's half of it all the same.
        if unsafe stream.pointee.http.pointee.filterChainSpec != nil, unsafe stream.pointee.filterState == nil {
            guard unsafe beginFilters(stream) else { return unsafe resetDownstream(stream) }
        }
        // A bad request says that the two sides may not agree on where messages end. Envoy asks the status alone: a
        // route's own answer of 400 closes as well.
        if status == 400, unsafe !stream.pointee.http.pointee.keepsOpenOnBadRequest {
            unsafe stream.pointee.closesDownstream = true
            unsafe stream.pointee.delaysClose = true
        }
        unsafe stream.pointee.isLocalReply = true
        unsafe stream.pointee.flags.formUnion(flags)
        unsafe stream.pointee.details = details
        unsafe endRetries(stream)
        unsafe releaseUpstream(stream)
        unsafe stream.pointee.waitingBody.removeAll(memory)
        unsafe stream.pointee.response.reset()
        unsafe stream.pointee.response.status = status
        let route = unsafe stream.pointee.route
        let isForwarded = unsafe route?.pointee.action == .forward
        if isForwarded, let route = unsafe route {
            unsafe applyMutations(route.pointee.mutations.response, stream, isRequest: false)
        }
        unsafe addAttemptCount(stream)
        unsafe prepare?(&stream.pointee.response)
        if !isForwarded, let route = unsafe route {
            unsafe applyMutations(route.pointee.mutations.response, stream, isRequest: false)
        }
        var parts = LocalReplyParts(status: status, body: body, contentType: contentType)
        if let config = unsafe stream.pointee.http.pointee.localReply {
            unsafe rewrite(&parts, stream, config)
        } else {
            parts.hasContentType = unsafe stream.pointee.response.has(.contentType)
        }
        unsafe send(parts, stream)
        if let block = parts.block { memory.blocks.free(block) }
    }

    /// A filter answers with a head of its own: no route's fields, no `local_reply_config`, no body.
    package func answer(_ stream: StreamPointer, status: UInt16, details: Bytes, prepare: (inout MessageHead) -> Void) {
        guard unsafe !stream.pointee.isDestroyed, unsafe !stream.pointee.hasResponseHead else { return }
        unsafe stream.pointee.isLocalReply = true
        unsafe stream.pointee.details = details
        unsafe endRetries(stream)
        unsafe releaseUpstream(stream)
        unsafe stream.pointee.waitingBody.removeAll(memory)
        unsafe stream.pointee.response.reset()
        unsafe stream.pointee.response.status = status
        unsafe prepare(&stream.pointee.response)
        unsafe stream.pointee.responseLength = nil
        unsafe stream.pointee.responseIsChunked = false
        unsafe responseHead(stream, endStream: true)
    }

    private func send(_ parts: LocalReplyParts, _ stream: StreamPointer) {
        let body = parts.body
        if unsafe stream.pointee.isGRPC {
            // A JSON line's end is no part of a header's value.
            let isLine = parts.block != nil && body.count > 0 && body[body.count &- 1] == UInt8(ascii: "\n")
                && parts.contentType.equals(Bytes("application/json" as StaticString))
            return unsafe replyGRPC(stream, status: parts.status, message: isLine ? body.prefix(body.count &- 1) : body)
        }
        let hasBody = !body.isEmpty && parts.status != 204 && parts.status != 304
        if hasBody {
            var digits = DecimalText(UInt64(body.count))
            unsafe stream.pointee.response.append(.contentLength, digits.bytes())
            if !parts.hasContentType {
                unsafe stream.pointee.response.remove(.contentType)
                unsafe stream.pointee.response.append(.contentType, parts.contentType)
            }
        }
        unsafe stream.pointee.responseLength = hasBody ? UInt64(body.count) : nil
        // A response that this one replaces may have been another way.
        unsafe stream.pointee.responseIsChunked = false
        let handle = unsafe stream.pointee.handle
        unsafe responseHead(stream, endStream: !hasBody)
        guard hasBody, let stream = unsafe streams[handle], unsafe !stream.pointee.isDestroyed else { return }
        unsafe responseData(stream, body, nil, endStream: true)
    }

    /// A gRPC client reads `grpc-status`; the HTTP status is always 200.
    private func replyGRPC(_ stream: StreamPointer, status: UInt16, message: Bytes) {
        unsafe stream.pointee.response.status = 200
        unsafe stream.pointee.response.append(.contentType, Bytes("application/grpc" as StaticString))
        // DEADLINE_EXCEEDED where a client's own deadline has passed.
        let isDeadline = unsafe stream.pointee.details.equals(Bytes("max_duration_timeout" as StaticString))
        let wanted = unsafe isDeadline ? 4 : UInt64(stream.pointee.localGRPCStatus)
        var code = DecimalText(wanted != 0 ? wanted : Worker.grpcStatus(status))
        unsafe stream.pointee.response.append(.grpcStatus, code.bytes())
        if !message.isEmpty { unsafe appendGRPCMessage(message, to: &stream.pointee.response) }
        unsafe responseHead(stream, endStream: true)
    }

    static func grpcStatus(_ status: UInt16) -> UInt64 {
        switch status {
        case 400: 13
        case 401: 16
        case 403: 7
        case 404: 12
        case 429, 502, 503, 504: 14
        default: 2
        }
    }

    /// `grpc-message`. gRPC over HTTP2, "Percent-Encoded": bytes outside 0x20–0x7e and `%` become `%XX`.
    package func appendGRPCMessage(_ message: Bytes, to head: inout MessageHead) {
        guard let block = memory.blocks.allocate(message.count &* 3) else { return }
        let out = unsafe block.base.assumingMemoryBound(to: UInt8.self)
        let digits = Bytes("0123456789ABCDEF" as StaticString)
        var n = 0
        for i in 0..<message.count {
            let byte = message[i]
            if byte >= 0x20, byte <= 0x7e, byte != UInt8(ascii: "%") {
                unsafe out[n] = byte
                n &+= 1
            } else {
                unsafe out[n] = UInt8(ascii: "%")
                unsafe out[n &+ 1] = digits[Int(byte >> 4)]
                unsafe out[n &+ 2] = digits[Int(byte & 15)]
                n &+= 3
            }
        }
        unsafe head.append(.grpcMessage, Bytes(UnsafeRawPointer(out), n))
        memory.blocks.free(block)
    }

    // MARK: Errors of the codec

    /// The request cannot be read: answered with the decoder's status, and the connection closes.
    func requestFailed(_ server: UnsafeMutablePointer<H1Server>, _ stream: StreamPointer, _ error: H1Error) {
        let stats = unsafe stream.pointee.http.pointee.stats
        if error == .underscoreInFieldName {
            unsafe cells.increment(
                stream.pointee.http.pointee.codecStats
                    &+ HTTP1CodecStat.requestsRejectedWithUnderscoresInHeaders.rawValue)
        }
        count(stats, .downstreamCxProtocolError)
        if let connection = unsafe connections.slab[stream.pointee.downstream] {
            unsafe connection.pointee.logFlags |= ResponseFlags.downstreamProtocolError.rawValue
            unsafe connection.pointee.closeReason = Bytes(error.closeReason)
            let earlier: UInt64 = unsafe stream.pointee.requestHeadDone ? 1 : 0
            unsafe connection.pointee.isUnread = unsafe !server.pointee.hasRead && server.pointee.requests <= earlier
        }
        unsafe countRequest(stream)
        unsafe stream.pointee.closesDownstream = true
        if unsafe stream.pointee.hasResponseHead {
            unsafe stream.pointee.flags.insert(.downstreamProtocolError)
            unsafe resetDownstream(stream)
            return
        }
        // What was read so far is not a request: logs show no method and no path.
        if unsafe !stream.pointee.requestHeadDone { unsafe stream.pointee.request.reset() }
        unsafe reply(
            stream, status: error.status, body: Bytes(error.body), details: Bytes(error.details),
            flags: .downstreamProtocolError)
    }
}

/// A decimal number as text, on the stack.
@safe
package struct DecimalText {
    private var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
    private var start = 24

    /// `unit`: a letter behind the digits; 0: none.
    package init(_ value: UInt64, unit: UInt8 = 0) {
        var rest = value
        unsafe withUnsafeMutableBytes(of: &digits) { bytes in
            var i = 24
            if unit != 0 {
                i = 23
                unsafe bytes[i] = unit
            }
            repeat {
                i &-= 1
                unsafe bytes[i] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest != 0
            start = i
        }
    }

    /// Good while `self` stays where it is: use at once.
    package mutating func bytes() -> Bytes {
        let start = start
        return unsafe withUnsafeBytes(of: &digits) { raw in
            unsafe Bytes(raw.baseAddress.unsafelyUnwrapped + start, 24 &- start)
        }
    }
}
