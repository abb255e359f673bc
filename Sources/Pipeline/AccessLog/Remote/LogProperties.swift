// `envoy.data.accesslog.v3.AccessLogCommon`: addresses, times, TLS, flags, tags.

import COpenSSL
import Primitives
import Transport
import Upstream
import Wire

extension FormatWriter {
    // HOT: per message.
    mutating func properties(_ log: UnsafePointer<RemoteLogConfig>, _ source: FormatSource, _ out: inout TextBuffer) {
        address(2, source.remoteAddress, &out)
        address(3, source.localAddress, &out)
        tls(source, &out)
        let start = out.open(5)
        out.put(1, number: source.startWallNs / 1_000_000_000)
        out.put(2, number: source.startWallNs % 1_000_000_000)
        out.close(start)
        if let stream = unsafe source.stream { unsafe times(source, stream, &out) }
        // The host that was chosen, whether or not it could be reached.
        if let host = unsafe source.host {
            unsafe address(13, host.pointee.address, &out)
            out.put(15, utf8: source.clusterName)
        }
        address(14, source.upstreamLocalAddress, &out)
        flags(source.flags, &out)
        failure(source, &out)
        out.put(19, utf8: unsafe source.stream?.pointee.route?.pointee.name ?? .empty)
        address(20, source.directRemoteAddress, &out)
        if unsafe source.tcp != nil { tlvMetadata(17, source, &out) }
        unsafe states(log.pointee.states, source, &out)
        unsafe tags(log.pointee.tags, source, &out)
        if source.isComplete { duration(23, source.duration(.duration), &out) }
        out.put(24, number: UInt64(source.attempts))
        out.put(25, utf8: unsafe source.tcp?.pointee.terminationDetails ?? .empty)
        if case .text(let id) = streamID(source) { out.put(26, utf8: id) }
        if !source.isComplete { out.put(27, number: 1) }
        out.put(28, utf8: unsafe source.tcp?.pointee.downstreamFailure ?? .empty)
        out.put(29, number: source.bytes(.downstreamWireBytesSent))
        out.put(30, number: source.bytes(.downstreamWireBytesReceived))
        out.put(31, number: source.bytes(.upstreamWireBytesSent))
        out.put(32, number: source.bytes(.upstreamWireBytesReceived))
        out.put(33, number: UInt64(source.logType.rawValue))
    }

    // MARK: Addresses

    /// `envoy.config.core.v3.Address`
    private func address(_ number: Int, _ address: SocketAddress, _ out: inout TextBuffer) {
        guard address.family != .none else { return }
        let outer = out.open(number)
        if address.family == .unix {
            let pipe = out.open(2)
            let path = out.open(1)
            out.put(address)
            out.close(path)
            out.close(pipe)
        } else {
            let socket = out.open(1)
            let ip = out.open(2)
            out.put(ip: address)
            out.close(ip)
            // A oneof's member is there even where it is 0.
            out.put(field: 3, varint: UInt64(address.port))
            out.close(socket)
        }
        out.close(outer)
    }

    // MARK: Times

    private func times(_ source: FormatSource, _ stream: UnsafePointer<HTTPStream>, _ out: inout TextBuffer) {
        duration(6, source.span(.downstreamReceiveBegin, .downstreamReceiveEnd), &out)
        if unsafe stream.pointee.requestHeadSent {
            duration(7, source.span(.downstreamReceiveBegin, .upstreamSendBegin), &out)
            duration(8, source.span(.downstreamReceiveBegin, .upstreamSendEnd), &out)
            duration(9, source.span(.downstreamReceiveBegin, .upstreamReceiveBegin), &out)
            duration(10, source.span(.downstreamReceiveBegin, .upstreamReceiveEnd), &out)
        }
        duration(11, source.span(.downstreamReceiveBegin, .downstreamSendBegin), &out)
        if unsafe stream.pointee.responseEnded { duration(12, source.span(.downstreamReceiveBegin, .downstreamSendEnd), &out) }
    }

    /// `google.protobuf.Duration`
    private func duration(_ number: Int, _ ns: UInt64?, _ out: inout TextBuffer) {
        guard let ns else { return }
        let start = out.open(number)
        out.put(1, number: ns / 1_000_000_000)
        out.put(2, number: ns % 1_000_000_000)
        out.close(start)
    }

    // MARK: TLS

    private mutating func tls(_ source: FormatSource, _ out: inout TextBuffer) {
        let name = source.serverName
        let print = fingerprint(source, isJA4: false)
        let description = source.downstreamTLS
        let sni = name.isEmpty ? description?[Int(martlet_fact_server_name)] ?? .empty : name
        guard description != nil || !sni.isEmpty else { return }
        let tls = out.open(4)
        if let description {
            out.put(1, number: FormatWriter.tlsVersion(source.attemptedVersion ?? description[Int(martlet_fact_version)]))
            let suite = out.open(2)
            out.put(1, number: UInt64(description.cipherSuite))
            out.close(suite)
        }
        out.put(3, utf8: sni)
        if let description {
            let local = out.open(4)
            names(description[Int(martlet_fact_local_uri_names)], &out)
            out.put(2, utf8: description[Int(martlet_fact_local_subject)])
            out.close(local)
            let peer = out.open(5)
            names(description[Int(martlet_fact_peer_uri_names)], &out)
            out.put(2, utf8: description[Int(martlet_fact_peer_subject)])
            out.put(3, utf8: description[Int(martlet_fact_peer_issuer)])
            out.close(peer)
            out.put(6, utf8: description[Int(martlet_fact_session_id)])
        }
        if case .text(let text) = print { out.put(7, utf8: text) }
        out.close(tls)
    }

    /// Alternative names that are URIs (Envoy tells no others), each with a zero byte behind it.
    private func names(_ uris: Bytes, _ out: inout TextBuffer) {
        var rest = uris
        while !rest.isEmpty {
            let end = rest.firstIndex(of: 0) ?? rest.count
            let entry = out.open(1)
            out.put(1, utf8: rest.prefix(end))
            out.close(entry)
            rest = rest.from(min(end &+ 1, rest.count))
        }
    }

    private static func tlsVersion(_ name: Bytes) -> UInt64 {
        if name.equals(Bytes("TLSv1" as StaticString)) { return 1 }
        if name.equals(Bytes("TLSv1.1" as StaticString)) { return 2 }
        if name.equals(Bytes("TLSv1.2" as StaticString)) { return 3 }
        return name.equals(Bytes("TLSv1.3" as StaticString)) ? 4 : 0
    }

    // MARK: Flags

    /// Envoy's fields stand in the order of its flags; that of authorization has a message, and that of dropped overload none.
    private func flags(_ flags: ResponseFlags, _ out: inout TextBuffer) {
        guard !flags.isEmpty else { return }
        let start = out.open(16)
        for bit in 0..<27 where flags.rawValue & 1 << UInt32(bit) != 0 {
            if bit == 12 {
                let details = out.open(13)
                out.put(1, number: 1)
                out.close(details)
            } else {
                out.put(bit &+ 1, number: 1)
            }
        }
        if flags.contains(.downstreamRemoteReset) { out.put(28, number: 1) }
        out.close(start)
    }

    /// In words, where details have underscores.
    private mutating func failure(_ source: FormatSource, _ out: inout TextBuffer) {
        guard case .text(let text) = failureReason(source) else { return }
        let start = out.open(18)
        for i in 0..<text.count { out.put(text[i] == UInt8(ascii: "_") ? 0x20 : text[i]) }
        out.close(start)
    }

    // MARK: Tags, state

    private mutating func tags(_ tags: FrozenArray<LogTag>, _ source: FormatSource, _ out: inout TextBuffer) {
        for i in 0..<tags.count {
            let text = value(of: tags[i], source)
            guard !text.isEmpty else { continue }
            let entry = out.open(22)
            out.put(1, text: tags[i].name)
            out.put(2, utf8: text)
            out.close(entry)
        }
    }

    /// Good until the next format.
    mutating func value(of tag: LogTag, _ source: FormatSource) -> Bytes {
        if let metadata = tag.metadata { return value(of: metadata, source) ?? tag.value }
        guard let format = tag.format else { return tag.value }
        let text = write(format, source, missing: .empty)
        return text.isEmpty ? tag.value : text
    }

    private func states(_ states: FrozenArray<LoggedState>, _ source: FormatSource, _ out: inout TextBuffer) {
        for i in 0..<states.count {
            let counts = unsafe source.stream?.pointee.grpcCounts
            switch states[i].kind {
            case .grpcStats where counts?.isKept != true: continue
            case .proxyTLVs where !hasTLVs(source, asState: true): continue
            default: break
            }
            let entry = out.open(21)
            out.put(1, text: states[i].name)
            let any = out.open(2)
            if states[i].kind == .grpcStats, let counts { put(counts, &out) } else { tlvState(source, &out) }
            out.close(any)
            out.close(entry)
        }
    }

    /// The counts as `google.protobuf.Any`.
    func put(_ counts: GRPCCounts, _ out: inout TextBuffer) {
        out.put(1, text: Bytes("type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterObject" as StaticString))
        let value = out.open(2)
        out.put(1, number: counts.request)
        out.put(2, number: counts.response)
        out.close(value)
    }
}

extension FormatSource {
    /// The stream or connection is over.
    var isComplete: Bool { isTry ? logType == .upstreamEnd : endNs != 0 && !logType.isIntermediate }
}

extension AccessLogType {
    var isIntermediate: Bool {
        switch self {
        case .downstreamStart, .downstreamPeriodic, .tcpPeriodic, .tcpUpstreamConnected, .upstreamPoolReady, .upstreamPeriodic,
            .downstreamTunnelSuccessfullyEstablished, .tcpConnectionStart:
            true
        default: false
        }
    }
}
