// What the PROXY protocol's two sides share in configuration.

import EnvoyAPI
import Pipeline
import Primitives
import Wire

enum ProxyProtocolCompiler {
    /// The TLV types that `pass_through_tlvs` takes.
    static func types(_ message: Envoy_Config_Core_V3_ProxyProtocolPassThroughTLVs) -> ProxyTLVSet {
        guard message.matchType == .include else { return .all }
        var types = ProxyTLVSet()
        for type in message.tlvType { types.insert(UInt8(truncatingIfNeeded: type)) }
        return types
    }
}
