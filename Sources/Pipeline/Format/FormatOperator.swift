// The operators of a format (`%RESPONSE_CODE%`): their names, and what may stand behind a name.

import Primitives

package enum FormatOperator: UInt8, BitwiseCopyable {
    case literal
    /// Known to Envoy, filled by no feature of ours yet: always missing.
    case absent
    /// Known to Envoy, always the empty text: `CUSTOM_FLAGS`.
    case empty
    /// Known to Envoy, always 0: `BYTES_RETRANSMITTED`.
    case zero

    case requestHeader, responseHeader, responseTrailer, path, queryParameter, queryParameters, requestWithoutQuery
    case requestHeadersBytes, responseHeadersBytes, responseTrailersBytes
    case filterChainName, downstreamCloseType, upstreamCloseType, downstreamCloseReason, upstreamCloseReason
    case proto, upstreamProto, responseCode, responseCodeDetails, connectionTerminationDetails
    case responseFlags, responseFlagsLong, grpcStatus, localReplyBody
    case bytesReceived, bytesSent
    case upstreamWireBytesSent, upstreamWireBytesReceived, upstreamHeaderBytesSent, upstreamHeaderBytesReceived
    case upstreamPlainHeaderBytesSent, upstreamPlainHeaderBytesReceived, downstreamPlainHeaderBytesSent, downstreamPlainHeaderBytesReceived
    case downstreamWireBytesSent, downstreamWireBytesReceived, downstreamHeaderBytesSent, downstreamHeaderBytesReceived
    case duration, requestDuration, requestSendDuration, responseDuration, responseSendDuration, pointDuration
    case startTime, emitTime
    case upstreamHost, upstreamHostName, upstreamHostNameWithoutPort, upstreamCluster, upstreamClusterRaw, upstreamHostsAttempted
    case upstreamHostNamesAttempted, upstreamHostsAttemptedWithoutPort, upstreamHostNamesAttemptedWithoutPort
    case upstreamFailureReason, downstreamFailureReason, upstreamAttempts, upstreamConnectionID, upstreamConnectionIDsAttempted
    case upstreamLocalAddress, upstreamRemoteAddress
    case downstreamRemoteAddress, downstreamDirectRemoteAddress, downstreamLocalAddress, downstreamDirectLocalAddress
    case downstreamTLS, upstreamTLS, downstreamCertificateTime, upstreamCertificateTime
    case dynamicMetadata, configMetadata, filterState, grpcCounts, tunnelID, tunnelFields
    case ja3, ja4
    case connectionID, streamID, uniqueID, serverName, routeName, virtualCluster, routeResolutions, accessLogType
    case traceID, spanID
    case handshakeDuration, poolReadyDuration, routeTime, forwardedCertificate, coalesce, expression, fileContent, secret
}

/// What may stand behind an operator's name.
package enum FormatArgument: UInt8 {
    case refused, optional, required
}

struct FormatOperatorRule {
    var op: FormatOperator
    var argument = FormatArgument.refused
    var mayHaveLength = false
    /// Which of several forms the operator writes (`FormatPiece.option`).
    var option: UInt8 = 0
}

/// The three forms of an address.
enum AddressForm: UInt8 {
    case whole, withoutPort, port
}

extension FormatOperator {
    /// `…_WIRE_BYTES_…` and `…_HEADER_BYTES_…`: known only where a stream's frames and heads are counted (`WireMeter`).
    package var namesWireBytes: Bool {
        switch self {
        case .upstreamWireBytesSent, .upstreamWireBytesReceived, .upstreamHeaderBytesSent, .upstreamHeaderBytesReceived,
            .upstreamPlainHeaderBytesSent, .upstreamPlainHeaderBytesReceived, .downstreamWireBytesSent,
            .downstreamWireBytesReceived, .downstreamHeaderBytesSent, .downstreamHeaderBytesReceived,
            .downstreamPlainHeaderBytesSent, .downstreamPlainHeaderBytesReceived:
            true
        default: false
        }
    }

    /// Known only where the clock is read around each search (`HTTPConfig.timesRoutes`).
    package var namesRouteTime: Bool { self == .routeTime }

    /// Every name of Envoy 1.40; nil: no such operator.
    static func rule(_ name: String) -> FormatOperatorRule? {
        if let rule = values[name] { return rule }
        if let op = plain[name] { return FormatOperatorRule(op: op) }
        if let rule = FormatTLS.rule(name) { return rule }
        if unfilled.contains(name) { return FormatOperatorRule(op: .absent) }
        return address(name)
    }

    /// For suggestions.
    static var commonNames: [String] {
        values.keys.sorted() + plain.keys.sorted() + [
            "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
            "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_REMOTE_PORT", "UPSTREAM_LOCAL_ADDRESS", "UPSTREAM_REMOTE_ADDRESS",
        ]
    }

    /// All but those of TLS and of addresses' forms.
    static var names: [String] { values.keys.sorted() + plain.keys.sorted() + unfilled.sorted() }

    /// Known only where a formatter extension is configured: which one.
    static let extended = [
        "REQ_WITHOUT_QUERY": "envoy.formatter.req_without_query", "FILE_CONTENT": "envoy.formatter.file_content",
        "SECRET": "envoy.formatter.generic_secret",
    ]

    /// Operators with arguments or a length.
    private static let values: [String: FormatOperatorRule] = [
        "REQ": FormatOperatorRule(op: .requestHeader, argument: .required, mayHaveLength: true),
        "REQUEST_HEADER": FormatOperatorRule(op: .requestHeader, argument: .required, mayHaveLength: true),
        "RESP": FormatOperatorRule(op: .responseHeader, argument: .required, mayHaveLength: true),
        "RESPONSE_HEADER": FormatOperatorRule(op: .responseHeader, argument: .required, mayHaveLength: true),
        "TRAILER": FormatOperatorRule(op: .responseTrailer, argument: .required, mayHaveLength: true),
        "RESPONSE_TRAILER": FormatOperatorRule(op: .responseTrailer, argument: .required, mayHaveLength: true),
        "REQ_WITHOUT_QUERY": FormatOperatorRule(op: .requestWithoutQuery, argument: .required, mayHaveLength: true),
        "PATH": FormatOperatorRule(op: .path, argument: .optional, mayHaveLength: true),
        "QUERY_PARAM": FormatOperatorRule(op: .queryParameter, argument: .required, mayHaveLength: true),
        "QUERY_PARAMS": FormatOperatorRule(op: .queryParameters, argument: .optional, mayHaveLength: true),
        "RESPONSE_CODE_DETAILS": FormatOperatorRule(op: .responseCodeDetails, argument: .optional),
        "GRPC_STATUS": FormatOperatorRule(op: .grpcStatus, argument: .optional),
        "GRPC_STATUS_NUMBER": FormatOperatorRule(op: .grpcStatus, option: GRPCStatus.Form.number.rawValue),
        "COMMON_DURATION": FormatOperatorRule(op: .pointDuration, argument: .required),
        "START_TIME": FormatOperatorRule(op: .startTime, argument: .optional),
        "START_TIME_LOCAL": FormatOperatorRule(op: .startTime, argument: .optional, option: 1),
        "EMIT_TIME": FormatOperatorRule(op: .emitTime, argument: .optional),
        "EMIT_TIME_LOCAL": FormatOperatorRule(op: .emitTime, argument: .optional, option: 1),
        "REQUESTED_SERVER_NAME": FormatOperatorRule(op: .serverName, argument: .optional),
        "ENVIRONMENT": FormatOperatorRule(op: .literal, argument: .required, mayHaveLength: true),
        "STREAM_INFO_REQ": FormatOperatorRule(op: .absent, argument: .required, mayHaveLength: true),
        "DYNAMIC_METADATA": FormatOperatorRule(op: .dynamicMetadata, argument: .required, mayHaveLength: true),
        "CLUSTER_METADATA": FormatOperatorRule(op: .configMetadata, argument: .required),
        "UPSTREAM_METADATA": FormatOperatorRule(op: .configMetadata, argument: .required),
        "METADATA": FormatOperatorRule(op: .dynamicMetadata, argument: .required, mayHaveLength: true),
        "FILTER_STATE": FormatOperatorRule(op: .filterState, argument: .required, mayHaveLength: true),
        "UPSTREAM_FILTER_STATE": FormatOperatorRule(op: .absent, argument: .required, mayHaveLength: true),
        "XFCC_VALUE": FormatOperatorRule(op: .forwardedCertificate, argument: .required, mayHaveLength: true),
        "COALESCE": FormatOperatorRule(op: .coalesce, argument: .required, mayHaveLength: true),
        "FILE_CONTENT": FormatOperatorRule(op: .fileContent, argument: .optional, mayHaveLength: true),
        "SECRET": FormatOperatorRule(op: .secret, argument: .optional, mayHaveLength: true),
        "CEL": FormatOperatorRule(op: .expression, argument: .optional, mayHaveLength: true),
        "TYPED_CEL": FormatOperatorRule(op: .expression, argument: .optional, mayHaveLength: true, option: 1),
    ]

    /// Operators that stand alone.
    private static let plain: [String: FormatOperator] = [
        "CUSTOM_FLAGS": .empty,
        "BYTES_RETRANSMITTED": .zero, "PACKETS_RETRANSMITTED": .zero, "DOWNSTREAM_CX_RTT": .zero,
        "REQUEST_HEADERS_BYTES": .requestHeadersBytes, "RESPONSE_HEADERS_BYTES": .responseHeadersBytes,
        "RESPONSE_TRAILERS_BYTES": .responseTrailersBytes,
        "PROTOCOL": .proto, "UPSTREAM_PROTOCOL": .upstreamProto, "RESPONSE_CODE": .responseCode,
        "CONNECTION_TERMINATION_DETAILS": .connectionTerminationDetails, "RESPONSE_FLAGS": .responseFlags,
        "RESPONSE_FLAGS_LONG": .responseFlagsLong, "LOCAL_REPLY_BODY": .localReplyBody,
        "BYTES_RECEIVED": .bytesReceived, "BYTES_SENT": .bytesSent,
        "UPSTREAM_WIRE_BYTES_SENT": .upstreamWireBytesSent, "UPSTREAM_WIRE_BYTES_RECEIVED": .upstreamWireBytesReceived,
        "UPSTREAM_HEADER_BYTES_SENT": .upstreamHeaderBytesSent,
        "UPSTREAM_HEADER_BYTES_RECEIVED": .upstreamHeaderBytesReceived,
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT": .upstreamPlainHeaderBytesSent,
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": .upstreamPlainHeaderBytesReceived,
        "DOWNSTREAM_WIRE_BYTES_SENT": .downstreamWireBytesSent,
        "DOWNSTREAM_WIRE_BYTES_RECEIVED": .downstreamWireBytesReceived,
        "DOWNSTREAM_HEADER_BYTES_SENT": .downstreamHeaderBytesSent,
        "DOWNSTREAM_HEADER_BYTES_RECEIVED": .downstreamHeaderBytesReceived,
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT": .downstreamPlainHeaderBytesSent,
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": .downstreamPlainHeaderBytesReceived,
        "DURATION": .duration, "REQUEST_DURATION": .requestDuration, "REQUEST_TX_DURATION": .requestSendDuration,
        "RESPONSE_DURATION": .responseDuration, "RESPONSE_TX_DURATION": .responseSendDuration,
        "UPSTREAM_HOST": .upstreamHost, "UPSTREAM_HOST_NAME": .upstreamHostName,
        "UPSTREAM_HOST_NAME_WITHOUT_PORT": .upstreamHostNameWithoutPort,
        "UPSTREAM_HOSTS_ATTEMPTED": .upstreamHostsAttempted,
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT": .upstreamHostsAttemptedWithoutPort,
        "UPSTREAM_HOST_NAMES_ATTEMPTED": .upstreamHostNamesAttempted,
        "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT": .upstreamHostNamesAttemptedWithoutPort,
        "UPSTREAM_CLUSTER": .upstreamCluster, "UPSTREAM_CLUSTER_RAW": .upstreamClusterRaw,
        "UPSTREAM_TRANSPORT_FAILURE_REASON": .upstreamFailureReason,
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON": .downstreamFailureReason,
        "TLS_JA3_FINGERPRINT": .ja3, "TLS_JA4_FINGERPRINT": .ja4,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT": .upstreamAttempts, "UPSTREAM_CONNECTION_ID": .upstreamConnectionID,
        "UPSTREAM_CONNECTION_IDS_ATTEMPTED": .upstreamConnectionIDsAttempted,
        "CONNECTION_ID": .connectionID, "STREAM_ID": .streamID, "UNIQUE_ID": .uniqueID,
        "VIRTUAL_CLUSTER_NAME": .virtualCluster, "ROUTE_NAME": .routeName, "ROUTE_RESOLUTION_COUNT": .routeResolutions, "ACCESS_LOG_TYPE": .accessLogType,
        "FILTER_CHAIN_NAME": .filterChainName,
        "DOWNSTREAM_DETECTED_CLOSE_TYPE": .downstreamCloseType, "UPSTREAM_DETECTED_CLOSE_TYPE": .upstreamCloseType,
        "DOWNSTREAM_LOCAL_CLOSE_REASON": .downstreamCloseReason, "UPSTREAM_LOCAL_CLOSE_REASON": .upstreamCloseReason,
        "DOWNSTREAM_HANDSHAKE_DURATION": .handshakeDuration, "UPSTREAM_CONNECTION_POOL_READY_DURATION": .poolReadyDuration,
        "ROUTE_RESOLUTION_TIME_US": .routeTime,
        "HOSTNAME": .literal, "TRACE_ID": .traceID, "SPAN_ID": .spanID,
    ]

    /// Operators whose features we do not have: they are what Envoy prints without them, `-`.
    private static let unfilled: Set<String> = {
        [
            "ROUNDTRIP_DURATION",
            "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
            "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
        ]
    }()

    /// `DOWNSTREAM_REMOTE_ADDRESS`, `…_WITHOUT_PORT(mask)`, `DOWNSTREAM_REMOTE_PORT`, and so for the other ends.
    private static func address(_ name: String) -> FormatOperatorRule? {
        let ends: [(prefix: String, op: FormatOperator)] = [
            ("DOWNSTREAM_REMOTE", .downstreamRemoteAddress), ("DOWNSTREAM_DIRECT_REMOTE", .downstreamDirectRemoteAddress),
            ("DOWNSTREAM_LOCAL", .downstreamLocalAddress), ("DOWNSTREAM_DIRECT_LOCAL", .downstreamDirectLocalAddress),
            ("UPSTREAM_REMOTE", .upstreamRemoteAddress), ("UPSTREAM_LOCAL", .upstreamLocalAddress),
        ]
        for end in ends {
            switch name {
            case end.prefix + "_ADDRESS": return FormatOperatorRule(op: end.op)
            case end.prefix + "_PORT": return FormatOperatorRule(op: end.op, option: AddressForm.port.rawValue)
            case end.prefix + "_ADDRESS_WITHOUT_PORT":
                return FormatOperatorRule(op: end.op, argument: .optional, option: AddressForm.withoutPort.rawValue)
            default: continue
            }
        }
        return nil
    }
}
