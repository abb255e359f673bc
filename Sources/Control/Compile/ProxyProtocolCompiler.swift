// What the PROXY protocol's two sides share in configuration.

import EnvoyAPI
import Pipeline
import Primitives
import SwiftProtobuf
import Upstream
import Wire

typealias ProxyTLVMessage = Envoy_Config_Core_V3_TlvEntry

/// TLVs that headers get beside those of the client's own.
struct AddedTLVs {
    /// As on the wire.
    var fixed: [UInt8] = []
    var formatted: [FormattedTLV] = []
    var types = ProxyTLVSet()
}

enum ProxyProtocolCompiler {
    /// What is left for TLVs behind two IPv6 addresses.
    static let tlvBytesMax = 65_535 - 36

    /// The TLV types that `pass_through_tlvs` takes.
    static func types(_ message: Envoy_Config_Core_V3_ProxyProtocolPassThroughTLVs) -> ProxyTLVSet {
        guard message.matchType == .include else { return .all }
        var types = ProxyTLVSet()
        for type in message.tlvType { types.insert(UInt8(truncatingIfNeeded: type)) }
        return types
    }

    static func added(_ entries: [ProxyTLVMessage], _ place: Place, _ part: PlanPart, _ diagnostics: Diagnostics) -> AddedTLVs {
        var added = AddedTLVs()
        for (i, entry) in entries.enumerated() {
            let at = place.at(index: i)
            guard check(entry, at, diagnostics) else { continue }
            let type = UInt8(truncatingIfNeeded: entry.type)
            added.types.insert(type)
            guard entry.hasFormatString else {
                added.fixed += wire(type, [UInt8](entry.value))
                continue
            }
            let compiler = SubstitutionFormatCompiler(part: part, diagnostics: diagnostics)
            guard let format = compiler.compile(entry.formatString, at.at("format_string")) else { continue }
            let stored = unsafe part.arena.store(ProxyTLVFormat(format.body, missing: format.missing))
            unsafe added.formatted.append(FormattedTLV(type: type, format: UnsafeRawPointer(stored)))
        }
        if added.fixed.count > tlvBytesMax {
            diagnostics.error(
                place, "the TLVs do not fit into a PROXY header", found: "\(added.fixed.count) bytes", expected: "at most \(tlvBytesMax)")
        }
        return added
    }

    /// Envoy's words.
    private static func check(_ entry: ProxyTLVMessage, _ place: Place, _ diagnostics: Diagnostics) -> Bool {
        if entry.value.isEmpty, !entry.hasFormatString {
            diagnostics.error(place, "Invalid TLV configuration: one of 'value' or 'format_string' must be set.")
            return false
        }
        if !entry.value.isEmpty, entry.hasFormatString {
            diagnostics.error(place, "Invalid TLV configuration: only one of 'value' or 'format_string' may be set.")
            return false
        }
        return true
    }

    private static func wire(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
        [type, UInt8(truncatingIfNeeded: value.count >> 8), UInt8(truncatingIfNeeded: value.count)] + value
    }

    /// `PerHostConfig` among an endpoint's metadata, as on the wire. As in Envoy a format has no value there.
    static func tlvs(ofHost metadata: Envoy_Config_Core_V3_Metadata, _ place: Place, _ diagnostics: Diagnostics) -> [UInt8] {
        guard let packed = metadata.typedFilterMetadata["envoy.transport_sockets.proxy_protocol"],
            packed.messageName == Envoy_Config_Core_V3_PerHostConfig.protoMessageName,
            let message = try? Envoy_Config_Core_V3_PerHostConfig(serializedBytes: packed.value)
        else { return [] }
        var bytes: [UInt8] = []
        for entry in message.addedTlvs { bytes += wire(UInt8(truncatingIfNeeded: entry.type), [UInt8](entry.value)) }
        if bytes.count > tlvBytesMax {
            diagnostics.error(
                place.at("typed_filter_metadata"), "the TLVs do not fit into a PROXY header", found: "\(bytes.count) bytes",
                expected: "at most \(tlvBytesMax)")
        }
        return bytes
    }
}
