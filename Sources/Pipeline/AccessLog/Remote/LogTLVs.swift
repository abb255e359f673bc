// TLVs of a PROXY header as log servers are told of them: dynamic metadata of a connection, or filter state
// (`tlv_location` of `proxy_protocol`).

import Primitives
import Transport
import Wire

extension FormatWriter {
    /// Whether a rule has found a TLV, and it lies where it is asked for.
    func hasTLVs(_ source: FormatSource, asState: Bool) -> Bool {
        guard let (tlvs, config) = unsafe tlvs(source), unsafe config.pointee.isFilterState == asState else { return false }
        let rules = unsafe config.pointee.rules
        for i in 0..<rules.count where ProxyTLVs.find(rules[i].type, in: tlvs, last: true) != nil { return true }
        return false
    }

    private func tlvs(_ source: FormatSource) -> (Bytes, UnsafePointer<ProxyProtocolConfig>)? {
        guard let proxy = unsafe source.inspection?.pointee.proxy, let config = unsafe proxy.config else { return nil }
        return unsafe (proxy.tlvs, config)
    }

    /// `envoy.config.core.v3.Metadata`: each namespace as a struct of texts, the first TLV of a type, and as Envoy's own
    /// `TlvsMetadata` of bytes, the last one.
    func tlvMetadata(_ number: Int, _ source: FormatSource, _ out: inout TextBuffer) {
        guard hasTLVs(source, asState: false), let (tlvs, config) = unsafe tlvs(source) else { return }
        let rules = unsafe config.pointee.rules
        let metadata = out.open(number)
        for field in 1...2 {
            for i in 0..<rules.count where FormatWriter.isFirst(i, of: rules, in: tlvs) {
                let entry = out.open(field)
                out.put(1, text: rules[i].namespace)
                let value = out.open(2)
                if field == 1 {
                    FormatWriter.texts(rules, namespace: rules[i].namespace, tlvs, last: false, &out)
                } else {
                    out.put(1, text: Bytes("type.googleapis.com/envoy.data.core.v3.TlvsMetadata" as StaticString))
                    let inner = out.open(2)
                    FormatWriter.bytes(rules, namespace: rules[i].namespace, tlvs, &out)
                    out.close(inner)
                }
                out.close(value)
                out.close(entry)
            }
        }
        out.close(metadata)
    }

    /// A struct of texts as `google.protobuf.Any`, whatever the namespaces.
    func tlvState(_ source: FormatSource, _ out: inout TextBuffer) {
        guard let (tlvs, config) = unsafe tlvs(source) else { return }
        out.put(1, text: Bytes("type.googleapis.com/google.protobuf.Struct" as StaticString))
        let value = out.open(2)
        unsafe FormatWriter.texts(config.pointee.rules, namespace: nil, tlvs, last: true, &out)
        out.close(value)
    }

    /// No rule before has found one of its namespace.
    private static func isFirst(_ place: Int, of rules: FrozenArray<ProxyProtocolConfig.Rule>, in tlvs: Bytes) -> Bool {
        guard ProxyTLVs.find(rules[place].type, in: tlvs, last: true) != nil else { return false }
        for i in 0..<place where rules[i].namespace.equals(rules[place].namespace) {
            if ProxyTLVs.find(rules[i].type, in: tlvs, last: true) != nil { return false }
        }
        return true
    }

    /// `google.protobuf.Struct`
    private static func texts(
        _ rules: FrozenArray<ProxyProtocolConfig.Rule>, namespace: Bytes?, _ tlvs: Bytes, last: Bool, _ out: inout TextBuffer
    ) {
        for i in 0..<rules.count {
            if let namespace, !namespace.equals(rules[i].namespace) { continue }
            guard let found = ProxyTLVs.find(rules[i].type, in: tlvs, last: last) else { continue }
            let entry = out.open(1)
            out.put(1, text: rules[i].key)
            let value = out.open(2)
            // A oneof's member is there even where it is empty.
            let text = out.open(3)
            out.put(utf8: found)
            out.close(text)
            out.close(value)
            out.close(entry)
        }
    }

    /// `envoy.data.core.v3.TlvsMetadata`
    private static func bytes(
        _ rules: FrozenArray<ProxyProtocolConfig.Rule>, namespace: Bytes, _ tlvs: Bytes, _ out: inout TextBuffer
    ) {
        for i in 0..<rules.count where namespace.equals(rules[i].namespace) {
            guard let found = ProxyTLVs.find(rules[i].type, in: tlvs, last: true) else { continue }
            let entry = out.open(1)
            out.put(1, text: rules[i].key)
            out.put(2, text: found)
            out.close(entry)
        }
    }
}
