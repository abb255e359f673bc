// `%DYNAMIC_METADATA(…)%` and `%FILTER_STATE(…)%`, as far as there is something to put there: what `proxy_protocol` makes
// of a header's TLVs, what `grpc_stats` counts, and what `tcp_proxy` is told of its tunnel. Dynamic metadata is the connection's, so that lines of HTTP streams have none, as in Envoy.

import Primitives
import Wire

enum FormatMetadata {
    /// Under which Envoy keeps TLVs as filter state.
    private static let tlvState = "envoy.network.proxy_protocol.tlv"
    /// `emit_filter_state` of `grpc_stats`.
    private static let grpcState = "envoy.filters.http.grpc_stats"

    /// `request_id_extension` of a tunnel, and its answer.
    static let tunnelNamespace: StaticString = "envoy.filters.network.tcp_proxy"
    private static let tunnelHeaders = "envoy.tcp_proxy.propagate_response_headers"
    private static let tunnelTrailers = "envoy.tcp_proxy.propagate_response_trailers"

    /// `namespace[:key]`; deeper than that there is nothing.
    static func dynamic(_ parts: [String], _ arena: FrozenArena, _ piece: inout FormatPiece) {
        guard let namespace = parts.first, parts.count <= 2 else {
            piece.op = .absent
            return
        }
        if namespace == "\(tunnelNamespace)" { piece.op = .tunnelID }
        piece.text = arena.text(namespace)
        if parts.count == 2 { piece.alternate.name = arena.text(parts[1]) }
    }

    /// `name[:PLAIN|TYPED|FIELD[:field]]`
    static func filterState(_ parts: [String], _ arena: FrozenArena, _ piece: inout FormatPiece) {
        if parts[0] == grpcState {
            // It has no fields that could be named.
            piece.op = parts.count > 1 && parts[1] == "FIELD" ? .absent : .grpcCounts
            piece.option = parts.count > 1 && parts[1] == "PLAIN" ? 1 : 0
            return
        }
        if parts[0] == tunnelHeaders || parts[0] == tunnelTrailers {
            // They are an object, and have neither fields nor a plain form.
            piece.op = parts.count > 1 && parts[1] != "TYPED" ? .absent : .tunnelFields
            piece.option = parts[0] == tunnelTrailers ? 1 : 0
            return
        }
        guard parts[0] == tlvState else {
            piece.op = .absent
            return
        }
        if parts.count > 2, parts[1] == "FIELD" { piece.alternate.name = arena.text(parts[2]) }
    }
}

extension FormatWriter {
    mutating func dynamicMetadata(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        guard let (bytes, config) = unsafe dynamicTLVs(source) else { return .missing }
        // Envoy keeps the first of several TLVs of a type here, and the last one as filter state.
        return unsafe tlvs(bytes, config, namespace: piece.pointee.text, key: piece.pointee.alternate.name, last: false)
    }

    /// TLVs that are dynamic metadata of the connection.
    func dynamicTLVs(_ source: FormatSource) -> (bytes: Bytes, config: UnsafePointer<ProxyProtocolConfig>)? {
        guard unsafe source.tcp != nil, let proxy = unsafe source.inspection?.pointee.proxy, let config = unsafe proxy.config,
            unsafe !config.pointee.isFilterState
        else { return nil }
        return unsafe (proxy.tlvs, config)
    }

    mutating func filterState(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        unsafe tlvState(source, key: piece.pointee.alternate.name)
    }

    /// Filter state of TLVs: one of them, or all.
    mutating func tlvState(_ source: FormatSource, key: Bytes = .empty) -> FormatValue {
        guard let proxy = unsafe source.inspection?.pointee.proxy, let config = unsafe proxy.config,
            unsafe config.pointee.isFilterState
        else { return .missing }
        return unsafe tlvs(proxy.tlvs, config, namespace: nil, key: key, last: true)
    }

    /// The id that a tunnel's request was sent with.
    mutating func tunnelID(_ piece: UnsafePointer<FormatPiece>, _ source: FormatSource) -> FormatValue {
        guard let tcp = unsafe source.tcp, unsafe !tcp.pointee.tunnelIDKey.isEmpty else { return unsafe dynamicMetadata(piece, source) }
        let wanted = unsafe piece.pointee.alternate.name
        guard unsafe wanted.isEmpty || wanted.equals(tcp.pointee.tunnelIDKey) else { return .missing }
        value.reset()
        if wanted.isEmpty {
            value.put("{\"")
            unsafe JSONString.write(tcp.pointee.tunnelIDKey, into: &value)
            value.put("\":\"")
        }
        unsafe putUUID(tcp.pointee.tunnelID)
        guard wanted.isEmpty else { return .text(value.bytes) }
        value.put("\"}")
        return .json(value.bytes)
    }

    /// `propagate_response_headers`, `…_trailers`: the fields in their order, the status first.
    mutating func tunnelFields(_ source: FormatSource, trailers: Bool) -> FormatValue {
        guard let head = unsafe trailers ? source.tcp?.pointee.tunnelTrailers : source.tcp?.pointee.tunnelHeaders else { return .missing }
        value.reset()
        value.put("{\"headers\":[")
        var isFirst = true
        func field(_ name: Bytes, _ text: Bytes) {
            value.put(isFirst ? "{\"key\":\"" : ",{\"key\":\"")
            isFirst = false
            JSONString.write(name, into: &value)
            value.put("\",\"value\":\"")
            putString(text)
            value.put("\"}")
        }
        if !trailers {
            var digits = DecimalText(UInt64(head.status))
            field(Bytes(":status" as StaticString), digits.bytes())
        }
        for i in 0..<head.count where !head.field(i).removed { field(head.text(head.field(i).name), head.value(i)) }
        value.put("]}")
        return .json(value.bytes)
    }

    /// Messages of a gRPC call. A line in JSON has the proto's names, and one of text those of its JSON, as in Envoy.
    mutating func grpcCounts(_ source: FormatSource, asText: Bool, camelCase: Bool = false) -> FormatValue {
        guard let counts = unsafe source.stream?.pointee.grpcCounts, counts.isKept else { return .missing }
        value.reset()
        if asText {
            value.put(decimal: counts.request)
            value.put(UInt8(ascii: ","))
            value.put(decimal: counts.response)
            return .text(value.bytes)
        }
        value.put(UInt8(ascii: "{"))
        // What is zero is left out, and 64 bits are a string (protobuf's JSON).
        func member(_ name: StaticString, _ count: UInt64) {
            guard count > 0 else { return }
            if value.count > 1 { value.put(UInt8(ascii: ",")) }
            value.put(UInt8(ascii: "\""))
            value.put(Bytes(name))
            value.put("\":\"")
            value.put(decimal: count)
            value.put(UInt8(ascii: "\""))
        }
        member(camelCase ? "requestMessageCount" : "request_message_count", counts.request)
        member(camelCase ? "responseMessageCount" : "response_message_count", counts.response)
        value.put(UInt8(ascii: "}"))
        return .json(value.bytes)
    }

    /// One value, or without a key the object of all.
    private mutating func tlvs(
        _ tlvs: Bytes, _ config: UnsafePointer<ProxyProtocolConfig>, namespace: Bytes?, key: Bytes, last: Bool
    ) -> FormatValue {
        let rules = unsafe config.pointee.rules
        value.reset()
        var isFirst = true
        for i in 0..<rules.count {
            let rule = rules[i]
            if let namespace, !namespace.equals(rule.namespace) { continue }
            if !key.isEmpty, !key.equals(rule.key) { continue }
            guard let found = ProxyTLVs.find(rule.type, in: tlvs, last: last) else { continue }
            if !key.isEmpty {
                putText(found)
                return .text(value.bytes)
            }
            value.put(isFirst ? UInt8(ascii: "{") : UInt8(ascii: ","))
            isFirst = false
            value.put(UInt8(ascii: "\""))
            JSONString.write(rule.key, into: &value)
            value.put("\":\"")
            putString(found)
            value.put(UInt8(ascii: "\""))
        }
        guard !isFirst else { return .missing }
        value.put(UInt8(ascii: "}"))
        return .json(value.bytes)
    }

    mutating func putUUID(_ id: (UInt64, UInt64)) {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { text in
            guard let base = text.baseAddress else { return }
            unsafe UUIDText.write(id.0, id.1, base)
            unsafe value.put(Bytes(UnsafeRawPointer(base), 36))
        }
    }

    /// What is not UTF-8 becomes `!`, byte by byte, as in Envoy.
    mutating func putText(_ bytes: Bytes) {
        var place = 0
        while place < bytes.count {
            let length = JSONString.lengthOfScalar(bytes, at: place)
            if length == 0 { value.put(UInt8(ascii: "!")) } else { value.put(bytes.part(place, place &+ length)) }
            place &+= max(length, 1)
        }
    }

    private mutating func putString(_ bytes: Bytes) {
        var place = 0
        while place < bytes.count {
            let length = JSONString.lengthOfScalar(bytes, at: place)
            if length == 0 { value.put(UInt8(ascii: "!")) } else { JSONString.write(bytes.part(place, place &+ length), into: &value) }
            place &+= max(length, 1)
        }
    }
}
