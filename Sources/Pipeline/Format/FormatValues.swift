// Operators whose text has to be put together or chosen: protocol, flags, gRPC status, addresses, hosts, times.

import Glibc
import Primitives
import Upstream
import Wire

extension FormatWriter {
    func proto(_ source: FormatSource) -> FormatValue {
        guard let stream = unsafe source.stream else {
            return unsafe .optional(source.tcp?.pointee.version.map { Bytes(FormatWriter.name($0)) })
        }
        if source.isTry { return upstreamProto(source) }
        return unsafe .text(Bytes(FormatWriter.name(stream.pointee.request.version)))
    }

    /// Known once a connection has taken the request.
    func upstreamProto(_ source: FormatSource) -> FormatValue {
        // A CONNECT that ends here is spoken to nobody.
        guard let stream = unsafe source.stream, unsafe stream.pointee.upstreamConnectionID != 0, unsafe !stream.pointee.isTCP
        else { return .missing }
        return unsafe .text(Bytes(stream.pointee.upstreamIsHTTP2 ? "HTTP/2" : "HTTP/1.1" as StaticString))
    }

    static func name(_ version: HTTPVersion) -> StaticString {
        switch version {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        case .http2: "HTTP/2"
        case .http3: "HTTP/3"
        }
    }

    // HOT: per field.
    mutating func flags(_ source: FormatSource, long: Bool) -> FormatValue {
        let flags = source.flags
        if flags.isEmpty { return .text(Bytes("-")) }
        value.reset()
        flags.forEach { number in
            if value.count > 0 { value.put(UInt8(ascii: ",")) }
            value.put(FlagNames.name(number, long: long))
        }
        return .text(value.bytes)
    }

    // MARK: gRPC

    /// From trailers or head, else what the HTTP status means; nil unless the request was gRPC.
    static func grpcCode(_ source: FormatSource) -> Int64? {
        guard let stream = unsafe source.stream,
            let contentType = unsafe stream.pointee.request.value(of: .contentType), GRPCContent.isGRPC(contentType)
        else { return nil }
        if let text = unsafe grpcText(stream) { return code(text) }
        let status = source.responseCode
        return status == 0 ? nil : GRPCStatus.code(httpStatus: status)
    }

    /// As in Envoy an empty one is none.
    static func grpcText(_ stream: UnsafePointer<HTTPStream>) -> Bytes? {
        if let text = unsafe stream.pointee.responseTrailers?.value(of: .grpcStatus), !text.isEmpty { return text }
        guard unsafe stream.pointee.hasResponseHead, let text = unsafe stream.pointee.response.value(of: .grpcStatus), !text.isEmpty
        else { return nil }
        return text
    }

    /// -1: no number.
    static func code(_ text: Bytes) -> Int64 { text.trimmed.decimal.flatMap { Int64(exactly: $0) } ?? -1 }

    mutating func grpcStatus(_ source: FormatSource, _ form: GRPCStatus.Form) -> FormatValue {
        guard let code = FormatWriter.grpcCode(source) else { return .missing }
        if let name = GRPCStatus.name(code, form) { return .text(name) }
        if form == .number { return code < 0 ? .negative(code.magnitude) : .number(code.magnitude) }
        value.reset()
        if code < 0 { value.put(UInt8(ascii: "-")) }
        value.put(decimal: code.magnitude)
        return .text(value.bytes)
    }

    // MARK: names

    mutating func serverName(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        let name = printable(serverName: source.serverName)
        switch unsafe ServerNameSource(rawValue: piece.pointee.option) {
        case .serverNameThenHost: return name.isEmpty ? unsafe requestedHost(piece, source) : .text(name)
        case .host:
            let host = unsafe requestedHost(piece, source)
            if case .missing = host { return .present(name) }
            return host
        case .serverName, .none: return .present(name)
        }
    }

    /// What a client says of itself in its hello may be anything. As in Envoy what no host name has becomes `_`, and is named
    /// invalid.
    private mutating func printable(serverName name: Bytes) -> Bytes {
        var isName = true
        for i in 0..<name.count where !FormatWriter.isOfHostName(name[i]) { isName = false }
        if isName { return name }
        value.reset()
        value.put("invalid:" as StaticString)
        for i in 0..<name.count { value.put(FormatWriter.isOfHostName(name[i]) ? name[i] : UInt8(ascii: "_")) }
        return value.bytes
    }

    private static func isOfHostName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private func requestedHost(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        guard let stream = unsafe source.stream, unsafe !stream.pointee.request.methodText.isEmpty else { return .missing }
        let wanted = unsafe PathSource(rawValue: piece.pointee.secondOption) ?? .originalOrCurrent
        if wanted != .current, let original = unsafe stream.pointee.request.value(of: .xEnvoyOriginalHost) {
            return .text(original)
        }
        return unsafe wanted == .original ? .missing : .text(stream.pointee.request.text(stream.pointee.request.authority))
    }

    /// A stream is called by its request id; a TCP connection has none, so it gets one.
    mutating func streamID(_ source: FormatSource) -> FormatValue {
        guard let stream = unsafe source.stream else { return uuid() }
        // Of a try there is none (Envoy).
        if source.isTry { return .missing }
        return unsafe .optional(stream.pointee.request.value(of: .xRequestId))
    }

    /// Of the request's own span, whether or not it is recorded.
    mutating func traceID(_ source: FormatSource) -> FormatValue {
        guard let trace = unsafe source.trace else { return .missing }
        value.reset()
        if unsafe !trace.pointee.isShort { unsafe value.put(hex: trace.pointee.context.traceHigh, width: 16) }
        unsafe value.put(hex: trace.pointee.context.traceLow, width: 16)
        return .text(value.bytes)
    }

    mutating func spanID(_ source: FormatSource) -> FormatValue {
        guard let trace = unsafe source.trace else { return .missing }
        value.reset()
        unsafe value.put(hex: trace.pointee.context.span, width: 16)
        return .text(value.bytes)
    }

    /// A version 4 UUID (RFC 9562 §5.4).
    mutating func uuid() -> FormatValue {
        let high = random.next() & 0xffff_ffff_ffff_0fff | 0x4000
        let low = random.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
        value.reset()
        value.put(hex: high >> 32, width: 8)
        value.put(UInt8(ascii: "-"))
        value.put(hex: high >> 16, width: 4)
        value.put(UInt8(ascii: "-"))
        value.put(hex: high, width: 4)
        value.put(UInt8(ascii: "-"))
        value.put(hex: low >> 48, width: 4)
        value.put(UInt8(ascii: "-"))
        value.put(hex: low, width: 12)
        return .text(value.bytes)
    }

    // MARK: times

    func milliseconds(_ ns: UInt64?) -> FormatValue { ns.map { .number($0 / 1_000_000) } ?? .missing }

    func pointDuration(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        let start = unsafe TimePoint(rawValue: piece.pointee.option) ?? .other
        let end = unsafe TimePoint(rawValue: piece.pointee.secondOption) ?? .other
        guard let ns = source.span(start, end) else { return .missing }
        return unsafe .number(ns / UInt64(truncatingIfNeeded: max(piece.pointee.length, 1)))
    }

    mutating func moment(_ wallNs: UInt64, _ piece: UnsafePointer<FormatPiece>) -> FormatValue {
        value.reset()
        unsafe time.write(wallNs, piece.pointee.time, local: piece.pointee.option == 1, into: &value)
        return .text(value.bytes)
    }

    // MARK: addresses

    // HOT: per field.
    mutating func address(_ address: SocketAddress, _ piece: UnsafePointer<FormatPiece>) -> FormatValue {
        guard address.family != .none else { return .missing }
        switch unsafe AddressForm(rawValue: piece.pointee.option) ?? .whole {
        case .port: return address.family == .unix ? .missing : .number(UInt64(address.port))
        case .whole: return written(address, withPort: true)
        case .withoutPort:
            guard unsafe piece.pointee.secondOption != UInt8.max else { return written(address, withPort: false) }
            return unsafe masked(address, piece.pointee.secondOption)
        }
    }

    private mutating func written(_ address: SocketAddress, withPort: Bool) -> FormatValue {
        value.reset()
        if withPort || address.family == .unix { value.put(address) } else { value.put(ip: address) }
        return .text(value.bytes)
    }

    /// `10.1.0.0/16`
    private mutating func masked(_ address: SocketAddress, _ bits: UInt8) -> FormatValue {
        guard address.family != .unix else { return written(address, withPort: false) }
        var network = address
        let width: UInt8 = address.family == .ipv4 ? 32 : 128
        let kept = min(bits, width)
        let highMask = kept >= 64 ? UInt64.max : ~(UInt64.max >> UInt64(kept))
        let lowMask = kept <= 64 ? 0 : ~(UInt64.max >> UInt64(kept &- 64))
        network.high &= highMask.bigEndian
        network.low &= kept == 128 ? UInt64.max : lowMask.bigEndian
        value.reset()
        value.put(ip: network)
        value.put(UInt8(ascii: "/"))
        value.put(decimal: UInt64(kept))
        return .text(value.bytes)
    }

    // MARK: upstream

    mutating func host(_ op: FormatOperator, _ source: FormatSource) -> FormatValue {
        guard let host = unsafe source.host else { return .missing }
        switch op {
        case .upstreamHost: return unsafe written(host.pointee.address, withPort: true)
        case .upstreamHostName:
            return unsafe host.pointee.hostname.isEmpty
                ? written(host.pointee.address, withPort: true) : .text(host.pointee.hostname)
        case .upstreamHostNameWithoutPort:
            return unsafe host.pointee.hostname.isEmpty
                ? written(host.pointee.address, withPort: false) : .text(host.pointee.hostname)
        default: break
        }
        // Of the attempts only the last one is remembered, and counts once it had a connection.
        guard source.upstreamRemoteAddress.family != .none else { return .missing }
        let isName = op == .upstreamHostNamesAttempted || op == .upstreamHostNamesAttemptedWithoutPort
        if isName, unsafe !host.pointee.hostname.isEmpty { return unsafe .text(host.pointee.hostname) }
        return unsafe written(
            host.pointee.address, withPort: op == .upstreamHostsAttempted || op == .upstreamHostNamesAttempted)
    }

    mutating func connectionIDs(_ source: FormatSource) -> FormatValue {
        let id = source.upstreamConnectionID
        guard id != 0 else { return .missing }
        value.reset()
        value.put(decimal: id)
        return .text(value.bytes)
    }

    /// `delayed_connect_error:_Connection_refused`. `space`: what stands between words of an error of the system.
    mutating func failureReason(_ source: FormatSource, space: UInt8 = UInt8(ascii: "_")) -> FormatValue {
        let text = unsafe source.stream?.pointee.transportFailure ?? source.tcp?.pointee.transportFailure ?? .empty
        if !text.isEmpty { return .text(text) }
        let error = unsafe source.stream?.pointee.upstreamErrno ?? source.tcp?.pointee.upstreamErrno ?? 0
        guard error != 0 else { return .missing }
        value.reset()
        unsafe UpstreamErrors.write(error, at: source.host?.pointee.address, space: space, into: &value)
        return .text(value.bytes)
    }
}

/// Short and long names of the response flags in memory that costs no reference count to read.
@safe
enum FlagNames {
    @safe
    private struct Table: @unchecked Sendable {  // written once, before any reader: `static let`
        let short: UnsafeMutablePointer<Bytes>
        let long: UnsafeMutablePointer<Bytes>
    }

    private static let table: Table = {
        let names = ResponseFlags.names
        let table = unsafe Table(
            short: .allocate(capacity: names.count), long: .allocate(capacity: names.count))
        for (i, name) in names.enumerated() {
            unsafe (table.short + i).initialize(to: Bytes(name.short))
            unsafe (table.long + i).initialize(to: Bytes(name.long))
        }
        return table
    }()

    static func name(_ index: Int, long: Bool) -> Bytes { unsafe long ? table.long[index] : table.short[index] }
}

/// How Envoy words a failed connect, in details and logs.
package enum UpstreamErrors {
    /// `delayed_connect_error:_Connection_refused`: spaces are underscores where details have to be one word. What the system knows
    /// without asking anybody names whom it was about, too.
    package static func write(
        _ error: Int32, at address: SocketAddress?, space: UInt8 = UInt8(ascii: "_"), into output: inout TextBuffer
    ) {
        let isImmediate = address?.family == .unix || error == ENETUNREACH
        output.put(isImmediate ? "immediate" : "delayed")
        output.put(space)
        output.put("connect")
        output.put(space)
        output.put("error:")
        output.put(space)
        defer {
            if isImmediate, let address {
                output.put("|remote_address:")
                output.put(address)
            }
        }
        guard let text = unsafe strerror(error) else { return }
        for i in unsafe 0..<strlen(text) {
            let byte = unsafe UInt8(bitPattern: text[i])
            output.put(byte == 0x20 ? space : byte)
        }
    }
}
