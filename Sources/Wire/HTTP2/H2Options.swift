// What an HTTP/2 connection accepts and announces (`Http2ProtocolOptions`), with Envoy's names and defaults. Trivial: it
// lies in frozen configuration, and sessions read it there.

import Primitives

/// An entry of `custom_settings_parameters`.
package struct H2Setting: BitwiseCopyable {
    package var identifier: UInt16
    package var value: UInt32
    package init(identifier: UInt16, value: UInt32) {
        self.identifier = identifier
        self.value = value
    }
}

package struct H2Options: BitwiseCopyable {
    package var hpackTableSize: UInt32 = 4096
    package var concurrentStreamsMax: UInt32 = 1024
    package var streamWindow: UInt32 = 16 << 20
    package var connectionWindow: UInt32 = 24 << 20
    /// Extended CONNECT (RFC 8441) is announced and accepted.
    package var allowConnect = false
    /// METADATA frames are read and sent; else those that come are skipped, and none goes out.
    package var allowMetadata = false
    /// Payload of all METADATA frames of one stream.
    package var metadataMax: UInt64 = 1 << 20
    package var outboundFramesMax: UInt32 = 10_000
    package var outboundControlFramesMax: UInt32 = 1000
    package var emptyFramesMax: UInt32 = 1
    package var priorityFramesPerStreamMax: UInt32 = 100
    package var windowUpdatesPerDataFrameMax: UInt32 = 10
    /// `override_stream_error_on_invalid_http_message`: an invalid message ends its stream, not the connection.
    package var keepsOpenOnInvalidMessage = false
    // Keep-alive PINGs, milliseconds; 0: none.
    package var pingIntervalMs: UInt64 = 0
    package var pingTimeoutMs: UInt64 = 0
    package var pingJitterPercent = 15.0
    package var pingIdleMs: UInt64 = 0
    /// RST_STREAM that a peer may send at once, and each second afterwards (`stream_reset_burst`, `stream_reset_rate`).
    package var resetBurst = UInt64.max
    package var resetRate = UInt64.max
    package var custom = FrozenArray<H2Setting>()
    /// `envoy.reloadable_features.http2_record_histograms`: heads are measured.
    package var measuresHeads: RuntimeCell?
    /// `envoy.reloadable_features.http2_max_cookies_size_in_kb`; 0: no limit of their own.
    package var cookieKilobytesMax: RuntimeCell?

    // The message's own limits, which HTTP/1 has too.
    package var headBytesMax: UInt32 = 60 << 10
    package var headersMax: UInt16 = 100
    package var underscores = UnderscoreAction.allow

    package init() {}

    /// Bytes that a stream's queue may hold before its source is paused.
    package func queueLimit(_ bufferLimit: Int) -> Int { min(bufferLimit, Int(streamWindow)) }
}

/// RFC 9113 §7.
package enum H2Error {
    package static let noError: UInt32 = 0
    package static let protocolError: UInt32 = 1
    package static let internalError: UInt32 = 2
    package static let flowControlError: UInt32 = 3
    package static let refusedStream: UInt32 = 7
    package static let connectError: UInt32 = 10
    package static let enhanceYourCalm: UInt32 = 11
}
