// `Http2ProtocolOptions`, the same for listeners and clusters.

import EnvoyAPI
import Primitives
import Wire

struct HTTP2OptionsCompiler {
    let diagnostics: Diagnostics
    let runtime: RuntimeCompiler

    /// What one field may take, as it is encoded: nghttp2's limit, which cannot be moved.
    private static let fieldKilobytesMax: UInt32 = 64

    /// `headKilobytes`: what a whole head may take, by the field `headField`.
    func compile(_ message: HTTP2Options, _ place: Place, _ arena: FrozenArena, headKilobytes: UInt32, headField: String) -> H2Options {
        var options = H2Options()
        if message.hasHpackTableSize { options.hpackTableSize = message.hpackTableSize.value }
        if message.hasMaxConcurrentStreams { options.concurrentStreamsMax = message.maxConcurrentStreams.value }
        if message.hasInitialStreamWindowSize { options.streamWindow = message.initialStreamWindowSize.value }
        if message.hasInitialConnectionWindowSize { options.connectionWindow = message.initialConnectionWindowSize.value }
        options.allowConnect = message.allowConnect
        options.allowMetadata = message.allowMetadata
        if message.hasMaxMetadataSize { options.metadataMax = message.maxMetadataSize.value }
        if message.hasMaxOutboundFrames { options.outboundFramesMax = message.maxOutboundFrames.value }
        if message.hasMaxOutboundControlFrames { options.outboundControlFramesMax = message.maxOutboundControlFrames.value }
        if message.hasMaxConsecutiveInboundFramesWithEmptyPayload {
            options.emptyFramesMax = message.maxConsecutiveInboundFramesWithEmptyPayload.value
        }
        if message.hasMaxInboundPriorityFramesPerStream {
            options.priorityFramesPerStreamMax = message.maxInboundPriorityFramesPerStream.value
        }
        if message.hasMaxInboundWindowUpdateFramesPerDataFrameSent {
            options.windowUpdatesPerDataFrameMax = message.maxInboundWindowUpdateFramesPerDataFrameSent.value
        }
        options.keepsOpenOnInvalidMessage =
            message.hasOverrideStreamErrorOnInvalidHTTPMessage
            ? message.overrideStreamErrorOnInvalidHTTPMessage.value : message.streamErrorOnInvalidHTTPMessaging
        if message.hasConnectionKeepalive { keepalive(message.connectionKeepalive, &options) }
        options.custom = arena.array(custom(message, place))
        if message.hasStreamResetBurst || message.hasStreamResetRate {
            // nghttp2's own numbers stand in for the one that is not given.
            options.resetBurst = message.hasStreamResetBurst ? message.streamResetBurst.value : 1000
            options.resetRate = message.hasStreamResetRate ? message.streamResetRate.value : 33
        }
        options.measuresHeads = runtime.cell("envoy.reloadable_features.http2_record_histograms")
        options.cookieKilobytesMax = runtime.cell("envoy.reloadable_features.http2_max_cookies_size_in_kb")
        if message.hasMaxHeaderFieldSizeKb { fieldSize(message.maxHeaderFieldSizeKb.value, place, headKilobytes, headField) }
        if message.hasEnableHuffmanEncoding, !message.enableHuffmanEncoding.value {
            // RFC 7541 §5.2: every peer reads both.
            diagnostics.warning(
                place.at("enable_huffman_encoding"), "'enable_huffman_encoding: false' has no effect: nghttp2 encodes what becomes shorter by it")
        }
        if message.useOghttp2Codec.value {
            diagnostics.warning(place.at("use_oghttp2_codec"), "'use_oghttp2_codec' has no effect: there is one codec here, nghttp2")
        }
        return options
    }

    private func fieldSize(_ kilobytes: UInt32, _ place: Place, _ headKilobytes: UInt32, _ headField: String) {
        let at = place.at("max_header_field_size_kb")
        if kilobytes > headKilobytes {
            diagnostics.error(at, "max_header_field_size_kb must not exceed \(headField)", found: "\(kilobytes), and \(headKilobytes)")
        } else if kilobytes > HTTP2OptionsCompiler.fieldKilobytesMax {
            diagnostics.warning(
                at, "a field that is longer than \(HTTP2OptionsCompiler.fieldKilobytesMax) KiB as it is encoded ends its connection all the same: nghttp2 takes none")
        }
    }

    private func keepalive(_ message: Envoy_Config_Core_V3_KeepaliveSettings, _ options: inout H2Options) {
        options.pingIntervalMs = message.interval.milliseconds
        options.pingTimeoutMs = message.timeout.milliseconds
        if message.hasIntervalJitter { options.pingJitterPercent = message.intervalJitter.value }
        options.pingIdleMs = message.connectionIdleInterval.milliseconds
    }

    private func custom(_ message: HTTP2Options, _ place: Place) -> [H2Setting] {
        var settings: [H2Setting] = []
        for (i, parameter) in message.customSettingsParameters.enumerated() {
            let at = place.at("custom_settings_parameters", i)
            let identifier = UInt16(clamping: parameter.identifier.value)
            let value = parameter.value.value
            // What options of their own set may not be set twice, and pushing is not ours to allow.
            let named: (name: String, isSet: Bool)? =
                switch identifier {
                case 1: ("hpack_table_size", message.hasHpackTableSize)
                case 2: ("server push", value != 0)
                case 3: ("max_concurrent_streams", message.hasMaxConcurrentStreams)
                case 4: ("initial_stream_window_size", message.hasInitialStreamWindowSize)
                case 8: ("allow_connect", true)
                default: nil
                }
            if let named, named.isSet {
                diagnostics.error(
                    at,
                    identifier == 2
                        ? "server push is not supported by Envoy and can not be enabled via a SETTINGS parameter."
                        : "the \\{\(named.name)\\} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters",
                    found: "identifier \(identifier)")
                continue
            }
            if let other = settings.first(where: { $0.identifier == identifier }), other.value != value {
                diagnostics.error(
                    at, "inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x\(String(identifier, radix: 16))}",
                    found: "\(value) and \(other.value)")
                continue
            }
            settings.append(H2Setting(identifier: identifier, value: value))
        }
        return settings
    }
}
