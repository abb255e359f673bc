// `envoy.data.accesslog.v3.HTTPAccessLogEntry` and `TCPAccessLogEntry`: what Envoy's access log service is told of a stream
// or a connection.

import Primitives
import Transport
import Upstream
import Wire

extension FormatWriter {
    // HOT: per message.
    mutating func entry(_ log: UnsafePointer<RemoteLogConfig>, _ source: FormatSource, _ out: inout TextBuffer) {
        let common = out.open(1)
        unsafe properties(log, source, &out)
        out.close(common)
        if unsafe log.pointee.kind == .tcp {
            let connection = out.open(2)
            out.put(1, number: source.bytes(.bytesReceived))
            out.put(2, number: source.bytes(.bytesSent))
            return out.close(connection)
        }
        if let version = source.version { out.put(2, number: FormatWriter.protocolNumber(version)) }
        let request = out.open(3)
        if let stream = unsafe source.stream { unsafe self.request(log, source, stream, &out) }
        out.close(request)
        let response = out.open(4)
        unsafe self.response(log, source, &out)
        out.close(response)
    }

    private static func protocolNumber(_ version: HTTPVersion) -> UInt64 {
        switch version {
        case .http10: 1
        case .http11: 2
        case .http2: 3
        case .http3: 4
        }
    }

    // MARK: Request

    private func request(
        _ log: UnsafePointer<RemoteLogConfig>, _ source: FormatSource, _ stream: UnsafePointer<HTTPStream>,
        _ out: inout TextBuffer
    ) {
        let head = unsafe stream.pointee.request
        guard !head.methodText.isEmpty else { return }
        out.put(1, number: FormatWriter.number(head.method))
        out.put(2, text: head.schemeText)
        out.put(3, utf8: head.text(head.authority))
        out.put(5, utf8: head.text(head.path))
        out.put(6, utf8: head.value(of: .userAgent) ?? .empty)
        out.put(7, utf8: head.value(named: Bytes("referer" as StaticString)) ?? .empty)
        out.put(8, utf8: head.value(of: .xForwardedFor) ?? .empty)
        out.put(9, utf8: head.value(of: .xRequestId) ?? .empty)
        out.put(10, utf8: head.value(of: .xEnvoyOriginalPath) ?? .empty)
        out.put(11, number: unsafe FormatWriter.fieldBytes(stream, isRequest: true))
        out.put(12, number: source.bytes(.bytesReceived))
        let headers = unsafe log.pointee.requestHeaders
        for i in 0..<headers.count {
            if headers[i].part == .field { header(headers[i], head, 13, &out) } else if
                let value = unsafe FormatWriter.requestHeader(headers[i], stream) { pair(13, headers[i].name, value, &out) }
        }
        out.put(14, number: source.bytes(.upstreamHeaderBytesSent))
        out.put(15, number: source.bytes(.downstreamHeaderBytesReceived))
    }

    /// `envoy.config.core.v3.RequestMethod`
    private static func number(_ method: Method) -> UInt64 {
        switch method {
        case .get: 1
        case .head: 2
        case .post: 3
        case .put: 4
        case .delete: 5
        case .connect: 6
        case .options: 7
        case .trace: 8
        case .patch: 9
        case .other: 0
        }
    }

    // MARK: Response

    private func response(_ log: UnsafePointer<RemoteLogConfig>, _ source: FormatSource, _ out: inout TextBuffer) {
        if source.responseCode != 0 {
            let code = out.open(1)
            out.put(1, number: UInt64(source.responseCode))
            out.close(code)
        }
        guard let stream = unsafe source.stream else { return }
        out.put(2, number: unsafe FormatWriter.fieldBytes(stream, isRequest: false))
        out.put(3, number: source.bytes(.bytesSent))
        let headers = unsafe log.pointee.responseHeaders
        if unsafe stream.pointee.hasResponseHead {
            for i in 0..<headers.count {
                if headers[i].part == .status {
                    var digits = DecimalText(UInt64(source.responseCode))
                    pair(4, headers[i].name, digits.bytes(), &out)
                } else {
                    unsafe header(headers[i], stream.pointee.response, 4, &out)
                }
            }
        }
        if let trailers = unsafe stream.pointee.responseTrailers {
            let wanted = unsafe log.pointee.responseTrailers
            for i in 0..<wanted.count { header(wanted[i], trailers, 5, &out) }
        }
        out.put(6, utf8: source.details)
        out.put(7, number: source.bytes(.upstreamHeaderBytesReceived))
        out.put(8, number: source.bytes(.downstreamHeaderBytesSent))
    }

    // MARK: Headers

    /// All fields of the name, as one list (RFC 9110 §5.3).
    private func header(_ header: FormatHeader, _ head: MessageHead, _ number: Int, _ out: inout TextBuffer) {
        guard header.part == .field, let first = FormatWriter.index(header, head, from: 0) else { return }
        let entry = out.open(number)
        out.put(1, text: header.name)
        out.put(tag: 2, 2)
        out.put(UInt8(0))
        let start = out.count
        out.put(utf8: head.value(first))
        var at = first
        while let next = FormatWriter.index(header, head, from: at &+ 1) {
            out.put(UInt8(ascii: ","))
            out.put(utf8: head.value(next))
            at = next
        }
        out.close(start)
        out.close(entry)
    }

    private static func index(_ header: FormatHeader, _ head: MessageHead, from first: Int) -> Int? {
        header.id == .other ? head.index(named: header.name, from: first) : head.index(of: header.id, from: first)
    }

    /// An entry of a map of texts.
    private func pair(_ number: Int, _ key: Bytes, _ value: Bytes, _ out: inout TextBuffer) {
        let entry = out.open(number)
        out.put(1, text: key)
        out.put(2, utf8: value)
        out.close(entry)
    }
}

extension FormatSource {
    var version: HTTPVersion? { unsafe stream?.pointee.request.version ?? tcp?.pointee.version }
}

extension TextBuffer {
    /// Protobuf's texts are UTF-8: what is not becomes `!`, byte by byte, as in Envoy.
    mutating func put(_ number: Int, utf8 bytes: Bytes) {
        if JSONString.isUTF8(bytes) { return put(number, text: bytes) }
        put(tag: number, 2)
        put(varint: UInt64(truncatingIfNeeded: bytes.count))
        put(utf8: bytes)
    }

    mutating func put(utf8 bytes: Bytes) {
        if JSONString.isUTF8(bytes) { return put(bytes) }
        var place = 0
        while place < bytes.count {
            let length = JSONString.lengthOfScalar(bytes, at: place)
            if length == 0 { put(UInt8(ascii: "!")) } else { put(bytes.part(place, place &+ length)) }
            place &+= max(length, 1)
        }
    }
}
