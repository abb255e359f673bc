// `original_ip_detection_extensions` of a connection manager.

import EnvoyAPI
import Pipeline
import Primitives

private typealias XFF = Envoy_Extensions_Http_OriginalIpDetection_Xff_V3_XffConfig
private typealias CustomHeader = Envoy_Extensions_Http_OriginalIpDetection_CustomHeader_V3_CustomHeaderConfig

struct OriginDetectionCompiler {
    let diagnostics: Diagnostics
    let arena: FrozenArena

    func compile(_ message: ConnectionManager, _ place: Place) -> FrozenArray<OriginDetection> {
        guard !message.originalIpDetectionExtensions.isEmpty else { return FrozenArray() }
        let at = place.at("original_ip_detection_extensions")
        if message.useRemoteAddress.value {
            diagnostics.error(at, "Original IP detection extensions and use_remote_address may not be mixed")
        }
        if message.xffNumTrustedHops > 0 {
            diagnostics.error(
                at, "Original IP detection extensions and xff_num_trusted_hops may not be mixed",
                suggestion: "the extension 'xff' has a field of this name")
        }
        return arena.array(
            message.originalIpDetectionExtensions.enumerated().compactMap { compile($1, place.at("original_ip_detection_extensions", $0)) })
    }

    private func compile(_ message: Envoy_Config_Core_V3_TypedExtensionConfig, _ place: Place) -> OriginDetection? {
        switch message.typedConfig.messageName {
        case XFF.protoMessageName:
            return (try? XFF(serializedBytes: message.typedConfig.value)).map { compile($0, place.at("typed_config")) }
        case CustomHeader.protoMessageName:
            return (try? CustomHeader(serializedBytes: message.typedConfig.value)).map(compile)
        default:
            diagnostics.error(
                place, "Original IP detection extension not found: '\(message.name)'", found: message.typedConfig.messageName,
                expected: "\(XFF.protoMessageName) or \(CustomHeader.protoMessageName)")
            return nil
        }
    }

    private func compile(_ message: XFF, _ place: Place) -> OriginDetection {
        var detection = OriginDetection()
        detection.trustedHops = message.xffNumTrustedHops
        detection.skipsAppend = !message.hasSkipXffAppend || message.skipXffAppend.value
        if message.xffNumTrustedHops > 0, message.hasXffTrustedCidrs {
            diagnostics.error(place, "Cannot set both xff_num_trusted_hops and xff_trusted_cidrs")
        }
        let at = place.at("xff_trusted_cidrs")
        detection.trusted = arena.array(
            message.xffTrustedCidrs.cidrs.enumerated().compactMap { i, range in
                AddressCompiler.range(range, at.at("cidrs", i), diagnostics).map { AddressRange(address: $0.address, prefixBits: $0.bits) }
            })
        return detection
    }

    private func compile(_ message: CustomHeader) -> OriginDetection {
        var detection = OriginDetection()
        detection.source = .field
        detection.field = arena.text(message.headerName.lowercased())
        detection.fieldIsTrusted = message.allowExtensionToSetAddressAsTrusted
        if message.hasRejectWithStatus {
            // What is no error is 403 (Envoy).
            let status = UInt16(clamping: message.rejectWithStatus.code.rawValue)
            detection.refusedStatus = status < 400 ? 403 : status
        }
        return detection
    }
}
