// Operators that read heads.

import Primitives
import Wire

extension FormatWriter {
    // HOT: per field.
    func header(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        guard let stream = unsafe source.stream else { return .missing }
        switch unsafe piece.pointee.op {
        case .requestHeader:
            return unsafe .optional(
                FormatWriter.requestHeader(piece.pointee.header, stream)
                    ?? FormatWriter.requestHeader(piece.pointee.alternate, stream))
        case .requestWithoutQuery:
            let value =
                unsafe FormatWriter.requestHeader(piece.pointee.header, stream)
                ?? FormatWriter.requestHeader(piece.pointee.alternate, stream)
            return .optional(value.map { PathQuery($0).path })
        case .responseHeader:
            return unsafe response(piece.pointee.header, source, stream)
                ?? response(piece.pointee.alternate, source, stream) ?? .missing
        default:
            guard let trailers = unsafe stream.pointee.responseTrailers else { return .missing }
            return unsafe .optional(
                FormatWriter.field(piece.pointee.header, trailers) ?? FormatWriter.field(piece.pointee.alternate, trailers))
        }
    }

    @inline(__always)
    static func field(_ header: FormatHeader, _ head: MessageHead) -> Bytes? {
        guard header.part != .none else { return nil }
        let index = header.id == .other ? head.index(named: header.name) : head.index(of: header.id)
        return index.map { head.value($0) }
    }

    // HOT: per field.
    static func requestHeader(_ header: FormatHeader, _ stream: UnsafePointer<HTTPStream>) -> Bytes? {
        switch header.part {
        case .none, .status: return nil
        case .field: return unsafe field(header, stream.pointee.request)
        case .method: return unsafe present(stream.pointee.request.text(stream.pointee.request.methodText))
        case .path: return unsafe present(stream.pointee.request.text(stream.pointee.request.path))
        case .authority:
            // An empty `host` is not the same as none: it stood somewhere behind the start line.
            if unsafe stream.pointee.request.authority.isEmpty, unsafe stream.pointee.request.authority.offset == 0 { return nil }
            return unsafe stream.pointee.request.text(stream.pointee.request.authority)
        case .scheme:
            // A request that never became a head has none.
            if unsafe stream.pointee.request.methodText.isEmpty { return nil }
            return unsafe stream.pointee.request.schemeText
        }
    }

    private static func present(_ bytes: Bytes) -> Bytes? { bytes.isEmpty ? nil : bytes }

    // HOT: per field.
    private func response(
        _ header: FormatHeader, _ source: FormatSource, _ stream: UnsafePointer<HTTPStream>
    ) -> FormatValue? {
        if header.part == .status {
            let code = source.responseCode
            return code == 0 ? nil : .number(UInt64(code))
        }
        guard unsafe stream.pointee.hasResponseHead else { return nil }
        return unsafe FormatWriter.field(header, stream.pointee.response).map { .text($0) }
    }

    // MARK: path and query

    // HOT: per field.
    func path(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        guard let stream = unsafe source.stream else { return .missing }
        let source = unsafe PathSource(rawValue: piece.pointee.secondOption) ?? .originalOrCurrent
        var path: Bytes?
        if source != .current { path = unsafe stream.pointee.request.value(of: .xEnvoyOriginalPath) }
        if source != .original, path == nil { path = unsafe stream.pointee.request.text(stream.pointee.request.path) }
        guard let path, !path.isEmpty else { return .missing }
        return unsafe .text(piece.pointee.option == 1 ? PathQuery(path).path : path)
    }

    /// The query of the path as the client sent it.
    private func query(_ stream: UnsafePointer<HTTPStream>) -> Bytes? {
        let path =
            unsafe stream.pointee.request.value(of: .xEnvoyOriginalPath)
            ?? stream.pointee.request.text(stream.pointee.request.path)
        return PathQuery(path).query
    }

    mutating func queryParameters(_ source: FormatSource, decoded: Bool) -> FormatValue {
        guard let stream = unsafe source.stream, let query = unsafe query(stream) else { return .missing }
        guard decoded, query.firstIndex(of: UInt8(ascii: "%")) != nil else { return .text(query) }
        value.reset()
        var i = 0
        while i < query.count {
            let byte = query[i]
            i &+= 1
            guard byte == UInt8(ascii: "%"), i &+ 1 < query.count else {
                value.put(byte)
                continue
            }
            // As Envoy does: visible ASCII is decoded, other escapes stay, and a percent sign that begins none goes.
            guard let decoded = PercentCoding.byte(query, at: i &- 1) else { continue }
            if decoded > 0x20, decoded < 0x7f {
                value.put(decoded)
                i &+= 2
            } else {
                value.put(byte)
            }
        }
        return .text(value.bytes)
    }

    /// The first value, percent-decoded.
    mutating func queryParameter(_ name: Bytes, _ source: FormatSource) -> FormatValue {
        guard let stream = unsafe source.stream, let query = unsafe query(stream),
            let raw = QueryParameters.value(of: name, in: query)
        else { return .missing }
        guard raw.firstIndex(of: UInt8(ascii: "%")) != nil else { return .text(raw) }
        value.reset()
        guard let room = unsafe value.room(raw.count &+ OutputCursor.spareBytes) else { return .missing }
        var output = unsafe OutputCursor(room, capacity: raw.count &+ OutputCursor.spareBytes)
        PercentCoding.decode(raw, into: &output)
        value.wrote(output.count)
        return .text(value.bytes)
    }

    // MARK: sizes

    /// Names and values, the pseudo-headers among them, as Envoy counts a header map.
    static func fieldBytes(_ stream: UnsafePointer<HTTPStream>, isRequest: Bool) -> UInt64 {
        var sum = 0
        if isRequest {
            let method = unsafe stream.pointee.request.methodText.count
            guard method > 0 else { return 0 }
            sum = unsafe 7 &+ Int(method) &+ 7 &+ stream.pointee.request.schemeText.count
            // A CONNECT has no `:path`.
            let path = unsafe Int(stream.pointee.request.path.count)
            if path > 0 { sum &+= 5 &+ path }
            unsafe sum &+= 10 &+ Int(stream.pointee.request.authority.count)
            return unsafe UInt64(truncatingIfNeeded: sum &+ fields(stream.pointee.request))
        }
        guard unsafe stream.pointee.hasResponseHead else { return 0 }
        return unsafe UInt64(truncatingIfNeeded: 7 &+ 3 &+ fields(stream.pointee.response))
    }

    private static func fields(_ head: MessageHead) -> Int {
        var sum = 0
        for i in 0..<head.count {
            let field = head.field(i)
            if !field.removed, field.id != .host { sum &+= Int(field.name.count) &+ Int(field.value.count) }
        }
        return sum
    }

    func trailerBytes(_ source: FormatSource) -> UInt64 {
        guard let trailers = unsafe source.stream?.pointee.responseTrailers else { return 0 }
        return UInt64(truncatingIfNeeded: FormatWriter.fields(trailers))
    }
}
