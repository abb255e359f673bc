// What configuration says of a log that is sent to a log server, frozen: which server, in which form, with which fields.

import Primitives
import Routing

@safe
package struct RemoteLogConfig: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable {
        /// `envoy.access_loggers.http_grpc`, `envoy.access_loggers.tcp_grpc`
        case http, tcp
        /// `envoy.access_loggers.open_telemetry`
        case openTelemetry
        /// `envoy.access_loggers.fluentd`
        case fluentd
    }

    package var kind: Kind
    package var export: UnsafePointer<ExportConfig>
    package var tags = FrozenArray<LogTag>()
    /// `filter_state_objects_to_log`
    package var states = FrozenArray<LoggedState>()

    // gRPC: fields of heads and trailers beyond those that always are told.
    package var requestHeaders = FrozenArray<FormatHeader>()
    package var responseHeaders = FrozenArray<FormatHeader>()
    package var responseTrailers = FrozenArray<FormatHeader>()

    // OpenTelemetry.
    package var body = FrozenArray<OTLPToken>()
    package var attributes = FrozenArray<OTLPToken>()

    // fluentd.
    package var record = FrozenArray<RecordToken>()

    package init(_ kind: Kind, _ export: UnsafePointer<ExportConfig>) {
        self.kind = kind
        unsafe self.export = unsafe export
    }
}

/// One of `custom_tags`.
package struct LogTag: BitwiseCopyable {
    package var name: Bytes
    /// What it says; neither of the two: always `value`.
    package var format: Format?
    package var metadata: MetadataTag?
    /// What stands for a value that is not there; empty: the tag is left out.
    package var value = Bytes.empty

    package init(name: Bytes) { self.name = name }
}

/// Filter state that has a form of its own on the wire.
package struct LoggedState: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable { case grpcStats, proxyTLVs }
    package var kind: Kind
    package var name: Bytes

    package init(_ kind: Kind, _ name: Bytes) {
        self.kind = kind
        self.name = name
    }
}

/// A value of OpenTelemetry's, in prefix order: texts with operators, lists and maps.
package struct OTLPToken: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable { case text, beginList, beginMap, end }
    package var kind: Kind
    /// In a map, or of an attribute.
    package var key = Bytes.empty
    package var hasKey = false
    package var format = Format()

    package init(_ kind: Kind) { self.kind = kind }
}

/// A value of a record of fluentd's, in prefix order.
package struct RecordToken: BitwiseCopyable {
    package enum Kind: UInt8, BitwiseCopyable {
        /// `count` members or elements follow.
        case map, list
        /// Encoded already.
        case constant
        /// One operator alone, and text around operators.
        case value, text
    }

    package var kind: Kind
    package var count = 0
    /// The encoded key; empty in lists.
    package var key = Bytes.empty
    package var constant = Bytes.empty
    package var format = Format()

    package init(_ kind: Kind) { self.kind = kind }
}
